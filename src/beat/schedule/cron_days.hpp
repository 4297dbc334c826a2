/// \file cron_days.hpp
/// The days of a crontab: day of month and day of week together, with cron's L, W and #. Pure.
#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "base/result.hpp"
#include "beat/schedule/cron_field.hpp"

namespace baozi::beat {

class CronDays {
 public:
  /// Takes every day.
  CronDays() = default;
  /// \param day_of_month, day_of_week  the fields as written
  [[nodiscard]] static Result<CronDays> parse(CronForm form, std::string_view day_of_month,
                                              std::string_view day_of_week);

  /// The days of that month that match: bit 1 is the first.
  [[nodiscard]] std::uint32_t of(std::chrono::year year, std::chrono::month month) const;

  bool operator==(const CronDays&) const = default;

 private:
  Result<void> read_day_of_month(CronForm form, std::string_view part);
  Result<void> read_day_of_week(CronForm form, std::string_view part);

  CronBits days_ = all_bits(CronField::day_of_month);
  CronBits weekdays_ = all_bits(CronField::day_of_week);
  std::uint32_t before_last_ = 0;      ///< bit n: n days before the month's last ("L", "L-3")
  std::uint32_t working_ = 0;          ///< bit n: the working day nearest to the n-th ("15W")
  bool last_working_ = false;          ///< "LW"
  std::array<std::uint8_t, 7> nth_{};  ///< per weekday, bit n: its n-th of the month ("5#2")
  std::uint8_t last_weekdays_ = 0;     ///< bit: its last of the month ("5L")
  bool either_ = false;                ///< one of the two fields is enough
};

/// A field that leaves everything open: "*", "*/1", and in cron's text "?".
[[nodiscard]] bool is_open(CronForm form, std::string_view field);

}  // namespace baozi::beat
