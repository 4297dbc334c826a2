/// \file crontab.hpp
/// A schedule by the fields of the wall clock: Celery's crontab and cron's text. Pure.
/// Source: celery/schedules.py; POSIX, crontab(1); cronie for L-free text. What differs:
/// docs/beat.md.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "baozi/value.hpp"
#include "base/result.hpp"
#include "beat/schedule/cron_days.hpp"
#include "beat/schedule/terms.hpp"

namespace baozi::beat {

class Crontab {
 public:
  /// Celery's keywords: a map of minute, hour, day_of_month, month_of_year, day_of_week, each "*"
  /// when it is not there; a field is a number, a text such as "8-17/2,mon" or a list of both. Or
  /// the five as one text in cron's order. Both day fields must match.
  /// \return Errc::invalid  one line with field, value and allowed range; also when it could never
  /// be due, as on 31 February.
  [[nodiscard]] static Result<Crontab> parse_keywords(const Value& value);
  /// cron's text: five fields, or six with the second first, or "@daily" and its like.
  [[nodiscard]] static Result<Crontab> parse_text(std::string_view text);

  [[nodiscard]] CronForm form() const { return form_; }
  /// {crontab: {minute: "3"}} or {cron: "*/5 * * * *"}.
  [[nodiscard]] Value to_value() const;
  /// "crontab 3 * * * *", "cron 0 4 L * *".
  [[nodiscard]] std::string text() const;

  /// The first tick after `after`. With an open hour ("*") ticks follow the wall clock: both passes
  /// of a repeated hour, nothing in a skipped one. Otherwise each local time ticks once: at its
  /// first pass, or, when it does not exist, at the first instant after the gap.
  [[nodiscard]] std::optional<WallTime> next(WallTime after, const Zone& zone) const;

  bool operator==(const Crontab&) const = default;

 private:
  static Result<Crontab> from_fields(CronForm form, std::array<std::string, 6> fields);
  [[nodiscard]] bool ever_matches() const;
  [[nodiscard]] std::string joined() const;
  /// The first local time that matches, not before `from`, before `limit`.
  [[nodiscard]] std::optional<LocalTime> match(LocalTime from, LocalTime limit) const;
  [[nodiscard]] std::optional<unsigned> match_second_of_day(unsigned from) const;
  [[nodiscard]] std::optional<WallTime> next_by_clock(WallTime after, const Zone& zone) const;
  [[nodiscard]] std::optional<WallTime> next_once(WallTime after, const Zone& zone) const;

  CronForm form_ = CronForm::keywords;
  std::array<std::string, 6>
      fields_;  ///< as written, by CronField; the second is "" unless it was given
  CronBits seconds_ = 1;
  CronBits minutes_ = 0;
  CronBits hours_ = 0;
  CronBits months_ = 0;
  CronDays days_;
  bool hour_open_ = false;
};

/// As the other schedules have them, for Schedule.
[[nodiscard]] inline Value to_value(const Crontab& crontab) { return crontab.to_value(); }
[[nodiscard]] inline std::string to_text(const Crontab& crontab) { return crontab.text(); }
[[nodiscard]] inline std::optional<WallTime> next_tick(const Crontab& crontab, WallTime after,
                                                       const NextTerms& terms) {
  return crontab.next(after, terms.zone);
}

}  // namespace baozi::beat
