/// \file every.hpp
/// A schedule of equal steps of elapsed time. Pure.
#pragma once
#include <optional>
#include <string>

#include "baozi/value.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "beat/schedule/terms.hpp"

namespace baozi::beat {

struct Every {
  Micros interval{};      ///< 1 ms to 36,500 days
  bool relative = false;  ///< aligned to the clock instead of to the entry's start

  bool operator==(const Every&) const = default;
};

/// \param every  a number of seconds (3, 1.5) or a duration as text ("3s", "1h30m", "1.5")
/// \param relative  null: false
[[nodiscard]] Result<Every> parse_every(const Value& every, const Value& relative);
[[nodiscard]] Value to_value(const Every& every);
/// "every 1h30m", "every 10s by the clock"
[[nodiscard]] std::string to_text(const Every& every);

/// The first tick after `after`: start + k·interval, k = 0, 1, 2, … Elapsed time is counted, so a
/// change of the zone's offset moves nothing. Relative ticks lie at whole multiples of the interval
/// since the midnight that began Monday, 1 January 2001 in the zone.
[[nodiscard]] std::optional<WallTime> next_tick(const Every& every, WallTime after,
                                                const NextTerms& terms);

}  // namespace baozi::beat
