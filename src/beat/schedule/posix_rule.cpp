#include "beat/schedule/posix_rule.hpp"

#include <array>
#include <chrono>
#include <utility>

namespace baozi::beat {

using namespace std::chrono;

struct PosixRule::Reader {
  std::string_view rest;

  bool take(char wanted) {
    if (rest.empty() || rest.front() != wanted) return false;
    rest.remove_prefix(1);
    return true;
  }
  bool take_name(std::string& name) {
    const bool quoted = take('<');
    while (!rest.empty() && (quoted ? rest.front() != '>' : is_letter(rest.front()))) {
      name += rest.front();
      rest.remove_prefix(1);
    }
    return (!quoted || take('>')) && !name.empty();
  }
  bool take_number(int most, int& number) {
    if (rest.empty() || rest.front() < '0' || rest.front() > '9') return false;
    number = 0;
    while (!rest.empty() && rest.front() >= '0' && rest.front() <= '9' && number <= most) {
      number = number * 10 + (rest.front() - '0');
      rest.remove_prefix(1);
    }
    return number <= most;
  }
  /// "[+-]hh[:mm[:ss]]"
  bool take_clock(int& clock_s) {
    const int sign = take('-') ? -1 : (take('+'), 1);
    int hour = 0, minute = 0, second = 0;
    if (!take_number(167, hour)) return false;
    if (take(':') && !take_number(59, minute)) return false;
    if (take(':') && !take_number(59, second)) return false;
    clock_s = sign * (hour * 3600 + minute * 60 + second);
    return true;
  }
  bool take_day(Day& day) {
    if (!take(',')) return false;
    if (take('M')) {
      if (!take_number(12, day.month) || !take('.') || !take_number(5, day.week) || !take('.') ||
          !take_number(6, day.weekday) || day.month < 1 || day.week < 1) {
        return false;
      }
    } else {
      day.form = take('J') ? Day::Form::without_leap_day : Day::Form::with_leap_day;
      if (!take_number(365, day.number)) return false;
    }
    return !take('/') || take_clock(day.second);
  }
  static bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }
};

std::optional<PosixRule> PosixRule::parse(std::string_view text) {
  PosixRule rule;
  Reader in{text};
  int west_s = 0;
  if (!in.take_name(rule.standard_) || !in.take_clock(west_s)) return std::nullopt;
  rule.standard_offset_ = seconds{-west_s};
  if (!in.take_name(rule.summer_)) return std::nullopt;
  int summer_west_s = west_s - 3600;
  if (!in.rest.empty() && in.rest.front() != ',' && !in.take_clock(summer_west_s)) {
    return std::nullopt;
  }
  rule.summer_offset_ = seconds{-summer_west_s};
  if (!in.take_day(rule.to_summer_) || !in.take_day(rule.to_standard_) || !in.rest.empty()) {
    return std::nullopt;
  }
  return rule;
}

WallTime PosixRule::local(const Day& day, int in_year) {
  const year y{in_year};
  sys_days date;
  if (day.form == Day::Form::week) {
    const month m{static_cast<unsigned>(day.month)};
    const weekday w{static_cast<unsigned>(day.weekday)};
    date = day.week == 5 ? sys_days{y / m / w[last]}
                         : sys_days{y / m / w[static_cast<unsigned>(day.week)]};
  } else {
    date = sys_days{y / January / 1} + days{day.number};
    if (day.form == Day::Form::without_leap_day) {
      date -= days{
          y.is_leap() && day.number >= 60 ? 0 : 1};  // counted from 1; 29 February has no number
    }
  }
  return WallTime{date.time_since_epoch() + seconds{day.second}};
}

std::vector<ZonePeriod> PosixRule::periods(WallTime last_change, int year_last) const {
  std::vector<ZonePeriod> list;
  const auto day = floor<days>(last_change.time_since_epoch());
  for (int y{year_month_day{sys_days{day}}.year()}; y <= year_last; ++y) {
    std::array<ZonePeriod, 2> changes{
        ZonePeriod{local(to_summer_, y) - standard_offset_, summer_offset_, summer_},
        ZonePeriod{local(to_standard_, y) - summer_offset_, standard_offset_, standard_}};
    if (changes[1].begin < changes[0].begin) std::swap(changes[0], changes[1]);
    for (ZonePeriod& change : changes) {
      if (change.begin > last_change) list.push_back(std::move(change));
    }
  }
  return list;
}

}  // namespace baozi::beat
