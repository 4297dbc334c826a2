#include "beat/schedule/cron_days.hpp"

#include <fmt/core.h>

namespace baozi::beat {

namespace {

std::string upper(std::string_view text) {
  std::string out{text};
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

/// Every seventh day from `first` on that the month has.
std::uint32_t weekly(unsigned first, unsigned last) {
  std::uint32_t days = 0;
  for (unsigned day = first; day <= last; day += 7) days |= std::uint32_t{1} << day;
  return days;
}

/// The Monday to Friday that is nearest to a day and in the same month.
unsigned nearest_working(unsigned day, unsigned last, unsigned weekday) {
  if (weekday == 6) return day == 1 ? 3 : day - 1;           // Saturday: back, or on to Monday
  if (weekday == 0) return day == last ? day - 2 : day + 1;  // Sunday: on, or back to Friday
  return day;
}

}  // namespace

bool is_open(CronForm form, std::string_view field) {
  return field == "*" || field == "*/1" || (form == CronForm::text && field == "?");
}

Result<CronDays> CronDays::parse(CronForm form, std::string_view day_of_month,
                                 std::string_view day_of_week) {
  CronDays made;
  const bool days_open = is_open(form, day_of_month);
  const bool weekdays_open = is_open(form, day_of_week);
  made.either_ = form == CronForm::text && !days_open && !weekdays_open;
  if (!days_open) {
    made.days_ = 0;
    for (const std::string_view part : split_list(day_of_month)) {
      if (const auto read = made.read_day_of_month(form, part); !read) {
        return Unexpected{read.error()};
      }
    }
  }
  if (!weekdays_open) {
    made.weekdays_ = 0;
    for (const std::string_view part : split_list(day_of_week)) {
      if (const auto read = made.read_day_of_week(form, part); !read) {
        return Unexpected{read.error()};
      }
    }
  }
  return made;
}

Result<void> CronDays::read_day_of_month(CronForm form, std::string_view part) {
  constexpr CronField field = CronField::day_of_month;
  const std::string word = upper(part);
  if (form == CronForm::text) {
    if (word == "L") {
      before_last_ |= 1;
      return {};
    }
    if (word == "LW" || word == "WL") {
      last_working_ = true;
      return {};
    }
    if (word.starts_with("L-")) {
      const std::string_view digits = part.substr(2);
      const auto number = parse_cron_number(field, form, digits);
      if (!number || *number > 30) {
        return wrong_field(field, fmt::format("'{}' is outside L-1 to L-30", part));
      }
      before_last_ |= std::uint32_t{1} << *number;
      return {};
    }
    if (word.size() > 1 && word.ends_with('W')) {
      const auto number = parse_cron_number(field, form, part.substr(0, part.size() - 1));
      if (!number) return Unexpected{number.error()};
      working_ |= std::uint32_t{1} << *number;
      return {};
    }
  }
  const auto bits = parse_cron_part(field, form, part);
  if (!bits) return Unexpected{bits.error()};
  days_ |= *bits;
  return {};
}

Result<void> CronDays::read_day_of_week(CronForm form, std::string_view part) {
  constexpr CronField field = CronField::day_of_week;
  if (form == CronForm::text) {
    const std::string word = upper(part);
    if (word == "L") {
      return wrong_field(field, "'L' alone names no day; write 5L for the month's last Friday");
    }
    const std::size_t hash = part.find('#');
    const bool last = hash == std::string_view::npos && word.ends_with('L');
    if (last || hash != std::string_view::npos) {
      const auto day =
          parse_cron_number(field, form, part.substr(0, last ? part.size() - 1 : hash));
      if (!day) return Unexpected{day.error()};
      const unsigned weekday = *day % 7;
      if (last) {
        last_weekdays_ = static_cast<std::uint8_t>(last_weekdays_ | (1U << weekday));
        return {};
      }
      const std::string_view nth = part.substr(hash + 1);
      if (nth.size() != 1 || nth[0] < '1' || nth[0] > '5') {
        return wrong_field(field,
                           fmt::format("the number after # in '{}' is outside 1 to 5", part));
      }
      nth_[weekday] = static_cast<std::uint8_t>(nth_[weekday] | (1U << (nth[0] - '0')));
      return {};
    }
  }
  const auto bits = parse_cron_part(field, form, part);
  if (!bits) return Unexpected{bits.error()};
  weekdays_ |= *bits;
  return {};
}

std::uint32_t CronDays::of(std::chrono::year year, std::chrono::month month) const {
  using namespace std::chrono;
  const unsigned last{(year / month / std::chrono::last).day()};
  const unsigned first_weekday = weekday{sys_days{year / month / 1}}.c_encoding();
  const auto weekday_of = [&](unsigned day) { return (first_weekday + day - 1) % 7; };
  const auto bit = [](unsigned day) { return std::uint32_t{1} << day; };

  const auto existing = static_cast<std::uint32_t>((std::uint64_t{2} << last) - 2);
  std::uint32_t by_day = static_cast<std::uint32_t>(days_) & existing;
  for (unsigned n = 0; n < last; ++n) {
    if ((before_last_ & bit(n)) != 0) by_day |= bit(last - n);
  }
  for (unsigned day = 1; day <= last && working_ != 0; ++day) {
    if ((working_ & bit(day)) != 0) by_day |= bit(nearest_working(day, last, weekday_of(day)));
  }
  if (last_working_) by_day |= bit(nearest_working(last, last, weekday_of(last)));

  std::uint32_t by_weekday = 0;
  for (unsigned weekday = 0; weekday < 7; ++weekday) {
    const unsigned first = 1 + (weekday + 7 - first_weekday) % 7;
    const std::uint32_t days = weekly(first, last);
    if ((weekdays_ & cron_bit(weekday)) != 0) by_weekday |= days;
    for (unsigned n = 1, day = first; day <= last; ++n, day += 7) {
      if ((nth_[weekday] & (1U << n)) != 0) by_weekday |= bit(day);
    }
    if ((last_weekdays_ & (1U << weekday)) != 0) {
      by_weekday |= bit(first + (last - first) / 7 * 7);
    }
  }
  return either_ ? by_day | by_weekday : by_day & by_weekday;
}

}  // namespace baozi::beat
