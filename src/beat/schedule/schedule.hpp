/// \file schedule.hpp
/// When a periodic task is due: one of Every, Crontab, Solar, Clocked. A value; it holds no state
/// of the entry. Pure: no clock, file or chance; `next` is a function of what it is given. Source:
/// docs/beat.md.
#pragma once
#include <optional>
#include <string>
#include <variant>

#include "baozi/value.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "beat/schedule/crontab.hpp"
#include "beat/schedule/every.hpp"
#include "beat/schedule/solar.hpp"
#include "beat/schedule/terms.hpp"

namespace baozi::beat {

/// Once, at an instant.
struct Clocked {
  WallTime at{};
  bool operator==(const Clocked&) const = default;
};

class Schedule {
 public:
  using Kind = std::variant<Every, Crontab, Solar, Clocked>;
  explicit Schedule(Kind kind) : kind_{std::move(kind)} {}

  /// From a map as it stands in YAML or JSON, with exactly one of:
  ///     {every: 3 | "3s" | "1.5", relative: true}
  ///     {crontab: {minute: '*/3', hour: …, day_of_month: …, month_of_year: …, day_of_week: …}}
  ///     {cron: "*/5 * * * *" | "30 0 4 * * MON" | "@daily"}
  ///     {solar: {event: sunset, latitude: 52.52, longitude: 13.4}}
  ///     {clocked: "2026-12-01T10:00:00Z"}
  /// Numbers may be written as text. \return Errc::invalid  one line that names the field, the
  /// value and what is allowed.
  [[nodiscard]] static Result<Schedule> parse(const Value& value);
  /// What `parse` reads back as an equal schedule.
  [[nodiscard]] Value to_value() const;
  /// For people, in one line: "every 3s", "once at 2026-12-01T10:00:00Z".
  [[nodiscard]] std::string text() const;

  /// The first tick that is later than `after`, not before `terms.start` and not later than
  /// `terms.end`; nullopt: there will be none.
  [[nodiscard]] std::optional<WallTime> next(WallTime after, const NextTerms& terms) const;

  [[nodiscard]] const Kind& kind() const { return kind_; }
  bool operator==(const Schedule&) const = default;

 private:
  Kind kind_;
};

}  // namespace baozi::beat
