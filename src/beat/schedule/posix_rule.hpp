/// \file posix_rule.hpp
/// The rule by which a zone goes on after the last change that the tz database lists one by one:
/// "CET-1CEST,M3.5.0,M10.5.0/3". Pure. Source: POSIX, environment variable TZ; RFC 9636,
/// section 3.3.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "beat/schedule/zone.hpp"

namespace baozi::beat {

class PosixRule {
 public:
  /// nullopt: not of that form, or a rule without changes ("JST-9").
  [[nodiscard]] static std::optional<PosixRule> parse(std::string_view text);
  /// The periods that begin after `last`, through the year `year_last`.
  [[nodiscard]] std::vector<ZonePeriod> periods(WallTime last, int year_last) const;

 private:
  struct Day {
    enum class Form { week, without_leap_day, with_leap_day } form{};
    int month = 0, week = 0, weekday = 0;  ///< Mm.w.d; week 5 is the last
    int number = 0;                        ///< Jn: 1 to 365, n: 0 to 365
    int second = 7'200;                    ///< local time of day; may be negative, or days long
  };
  struct Reader;
  /// The local time of a change, as if it were UTC.
  static WallTime local(const Day& day, int year);

  std::string standard_, summer_;
  Micros standard_offset_{}, summer_offset_{};
  Day to_summer_, to_standard_;
};

}  // namespace baozi::beat
