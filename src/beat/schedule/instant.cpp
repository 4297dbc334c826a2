#include "beat/schedule/instant.hpp"

#include <chrono>
#include <cstdint>

#include <fmt/core.h>

namespace baozi::beat {

namespace {

/// Takes what it reads from the front of a text.
struct Reader {
  std::string_view rest;

  bool take(char wanted) {
    if (rest.empty() || rest.front() != wanted) return false;
    rest.remove_prefix(1);
    return true;
  }
  /// Exactly `digits` digits as a number.
  bool take(std::size_t digits, int& into) {
    if (rest.size() < digits) return false;
    int value = 0;
    for (const char c : rest.substr(0, digits)) {
      if (c < '0' || c > '9') return false;
      value = value * 10 + (c - '0');
    }
    rest.remove_prefix(digits);
    into = value;
    return true;
  }
};

bool read_fraction(Reader& in, std::int64_t& us) {
  std::int64_t unit = 100'000;
  int digit = 0;
  if (!in.take(1, digit)) return false;
  do {
    us += digit * unit;
    unit /= 10;
  } while (unit > 0 && in.take(1, digit));
  return true;
}

/// "Z", or "+01:00" in seconds east.
bool read_offset(Reader& in, int& offset_s) {
  if (in.take('Z') || in.take('z')) return true;
  const int sign = in.take('+') ? 1 : in.take('-') ? -1 : 0;
  int hours = 0;
  int minutes = 0;
  if (sign == 0 || !in.take(2, hours) || !in.take(':') || !in.take(2, minutes)) return false;
  if (hours > 23 || minutes > 59) return false;
  offset_s = sign * (hours * 3600 + minutes * 60);
  return true;
}

}  // namespace

Result<WallTime> parse_instant(std::string_view text) {
  const auto wrong = [&](std::string_view why) {
    return unexpected(Errc::invalid, fmt::format("'{}' {}", text, why));
  };
  const std::string_view form =
      "is no instant: write 2026-12-01T10:00:00Z, or an offset such as +01:00 instead of Z";
  Reader in{text};
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, offset_s = 0;
  std::int64_t us = 0;
  if (!in.take(4, year) || !in.take('-') || !in.take(2, month) || !in.take('-') ||
      !in.take(2, day) || !(in.take('T') || in.take('t') || in.take(' ')) || !in.take(2, hour) ||
      !in.take(':') || !in.take(2, minute)) {
    return wrong(form);
  }
  if (in.take(':') && !in.take(2, second)) return wrong(form);
  if (in.take('.') && !read_fraction(in, us)) return wrong(form);
  if (!read_offset(in, offset_s) || !in.rest.empty()) return wrong(form);

  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return wrong("is no instant: there is no such day");
  if (hour > 23 || minute > 59 || second > 59) return wrong("is no instant: there is no such time");
  if (year < year_least || year > year_most) {
    return wrong(fmt::format("is outside the years {} to {}", year_least, year_most));
  }
  const std::int64_t days = std::chrono::sys_days{date}.time_since_epoch().count();
  const int in_day = hour * 3'600 + minute * 60 + second;
  const std::int64_t seconds = days * 86'400 + in_day - offset_s;
  return wall_time(seconds * 1'000'000 + us);
}

std::string to_text(WallTime time) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(time.time_since_epoch());
  const std::chrono::sys_seconds at{whole};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{at - day};
  std::string text =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", int{date.year()}, unsigned{date.month()},
                  unsigned{date.day()}, clock.hours().count(), clock.minutes().count(),
                  clock.seconds().count());
  if (const auto us = (time.time_since_epoch() - whole).count(); us != 0) {
    std::string fraction = fmt::format("{:06}", us);
    fraction.erase(fraction.find_last_not_of('0') + 1);
    text += '.' + fraction;
  }
  return text + 'Z';
}

}  // namespace baozi::beat
