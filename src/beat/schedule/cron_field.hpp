/// \file cron_field.hpp
/// One field of a crontab as a set of numbers. Pure.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace baozi::beat {

enum class CronField { second, minute, hour, day_of_month, month_of_year, day_of_week };

/// Celery's keywords and cron's text differ in a few words that they allow.
enum class CronForm {
  keywords,  ///< Celery's: Sunday is 0 only; both day fields must match
  text,      ///< cron's: Sunday is 0 and 7; L, W, #, ?; either day field may match
};

/// "day_of_month"
[[nodiscard]] const char* to_string(CronField field);
/// The least and the greatest number of a field.
struct CronRange {
  unsigned least = 0;
  unsigned most = 0;
};
[[nodiscard]] CronRange range_of(CronField field);

/// Bit n stands for number n; of day_of_week, bit 0 is Sunday.
using CronBits = std::uint64_t;
[[nodiscard]] constexpr CronBits cron_bit(unsigned number) { return CronBits{1} << number; }
[[nodiscard]] CronBits all_bits(CronField field);

/// A number or a name ("mon", "monday", "feb"; any case) of the field.
/// \return Errc::invalid  "minute: '61' is outside 0 to 59".
[[nodiscard]] Result<unsigned> parse_cron_number(CronField field, CronForm form,
                                                 std::string_view text);

/// One part of a list: "*", "*/3", "7", "8-17", "22-4" (around the end), "8-17/2", "mon-fri".
/// \return Errc::invalid  a line that names the field, the text and what is allowed.
[[nodiscard]] Result<CronBits> parse_cron_part(CronField field, CronForm form,
                                               std::string_view text);

/// The parts between commas, without blanks around them. Empty parts are kept.
[[nodiscard]] std::vector<std::string_view> split_list(std::string_view text);

/// Errc::invalid, "field: message".
[[nodiscard]] Unexpected wrong_field(CronField field, const std::string& message);

}  // namespace baozi::beat
