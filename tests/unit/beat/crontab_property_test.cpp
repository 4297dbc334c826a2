// Crontabs in every zone of the tz database, 1990 to 2037, against an oracle that tries each minute
// and asks date/tz what became of it; it shares no code with what it checks. BAOZI_SCHEDULE_SWEEP=N
// takes N times as many samples (default 1).
#include <cstdlib>
#include <functional>
#include <random>
#include <set>

#include <date/tz.h>
#include <fmt/format.h>

#include "schedules.hpp"

namespace baozi::beat {
namespace {

using Random = std::mt19937_64;
using std::chrono::hours;
using std::chrono::minutes;
using Minute = date::sys_time<minutes>;
using LocalMinute = date::local_time<minutes>;

std::size_t sweep() {
  const char* const text = std::getenv("BAOZI_SCHEDULE_SWEEP");
  return text == nullptr ? 1 : std::max<std::size_t>(1, std::strtoul(text, nullptr, 10));
}

template <class T>
const T& pick(Random& random, const std::vector<T>& list) {
  return list[random() % list.size()];
}
int between(Random& random, int least, int most) {
  return least + static_cast<int>(random() % static_cast<unsigned>(most - least + 1));
}

/// A field as text beside what it means, without a parser: the numbers were there before the text.
struct Field {
  std::string text = "*";
  std::set<int> numbers;  // empty: all
  [[nodiscard]] bool open() const { return numbers.empty(); }
  [[nodiscard]] bool has(int number) const { return numbers.empty() || numbers.contains(number); }
};

Field list_of(Random& random, int least, int most, int count) {
  Field field;
  while (count-- > 0) field.numbers.insert(between(random, least, most));
  field.text = fmt::format("{}", fmt::join(field.numbers, ","));
  return field;
}
Field range_of(Random& random, int least, int most) {
  const int from = between(random, least, most);
  const int to = between(random, from, most);
  const int step = between(random, 1, 5);
  Field field{.text = fmt::format("{}-{}/{}", from, to, step)};
  for (int n = from; n <= to; n += step) field.numbers.insert(n);
  return field;
}
Field steps(Random& random, int least, int most) {
  const int step = between(random, 2, 20);
  Field field{.text = fmt::format("*/{}", step)};
  for (int n = least; n <= most; n += step) field.numbers.insert(n);
  return field;
}
Field any_field(Random& random, int least, int most, int open_in_ten) {
  if (between(random, 1, 10) <= open_in_ten) return {};
  switch (between(random, 0, 2)) {
    case 0: return list_of(random, least, most, between(random, 1, 4));
    case 1: return range_of(random, least, most);
    default: return steps(random, least, most);
  }
}

struct Spec {
  bool keywords = false;
  Field minute, hour, day, month, weekday;

  [[nodiscard]] std::string text() const {
    return fmt::format("{} {} {} {} {}", minute.text, hour.text, day.text, month.text,
                       weekday.text);
  }
  [[nodiscard]] bool has_day(date::local_days at) const {
    const date::year_month_day date{at};
    if (!month.has(static_cast<int>(unsigned{date.month()}))) return false;
    const bool by_day = day.has(static_cast<int>(unsigned{date.day()}));
    const bool by_weekday = weekday.has(static_cast<int>(date::weekday{at}.c_encoding()));
    return !keywords && !day.open() && !weekday.open() ? by_day || by_weekday
                                                       : by_day && by_weekday;
  }
  [[nodiscard]] bool has_time(minutes since_midnight) const {
    return hour.has(static_cast<int>(since_midnight.count() / 60)) &&
           minute.has(static_cast<int>(since_midnight.count() % 60));
  }
};

/// Mostly about the small hours, where clocks change.
Spec any_spec(Random& random) {
  Spec spec;
  spec.keywords = random() % 2 == 0;
  spec.minute = any_field(random, 0, 59, 2);
  spec.hour = random() % 2 == 0   ? Field{}
              : random() % 2 == 0 ? list_of(random, 0, 4, between(random, 1, 3))
                                  : any_field(random, 0, 23, 0);
  spec.day = any_field(random, 1, 31, 6);
  spec.month = any_field(random, 1, 12, 8);
  spec.weekday = any_field(random, 0, 6, 6);
  return spec;
}

constexpr hours horizon{24 * 40};  // how far the oracle looks

/// An open hour: the first minute that shows a matching time on the zone's clock.
std::optional<Minute> first_shown(const Spec& spec, const date::time_zone& zone, Minute after) {
  date::sys_info info = zone.get_info(after);
  for (Minute t = after + minutes{1}; t <= after + horizon; t += minutes{1}) {
    if (t >= info.end) info = zone.get_info(t);
    const LocalMinute local{
        std::chrono::duration_cast<minutes>(t.time_since_epoch() + info.offset)};
    const auto day = date::floor<date::days>(local);
    if (spec.has_time(local - day) && spec.has_day(day)) return t;
  }
  return std::nullopt;
}

/// A restricted hour: the earliest instant beyond `after` that any matching local time is due at.
std::optional<Minute> first_due(const Spec& spec, const date::time_zone& zone, Minute after) {
  std::optional<Minute> first;
  const auto today = date::floor<date::days>(zone.to_local(after));
  for (date::local_days day = today - date::days{3}; day <= today + date::days{42};
       day += date::days{1}) {
    if (first && *first + hours{72} < date::sys_days{day.time_since_epoch()}) break;
    if (!spec.has_day(day)) continue;
    for (minutes time{0}; time < hours{24}; time += minutes{1}) {
      if (!spec.has_time(time)) continue;
      const LocalMinute local = day + time;
      const date::local_info info = zone.get_info(local);
      const Minute due = info.result == date::local_info::nonexistent
                             ? date::floor<minutes>(info.second.begin)
                             : date::floor<minutes>(date::sys_seconds{local.time_since_epoch()} -
                                                    info.first.offset);
      if (due > after && (!first || due < *first)) first = due;
    }
  }
  return first;
}

WallTime wall(Minute t) { return WallTime{t.time_since_epoch()}; }

/// Three ticks on from `after`, each compared. False: they differ, and it was said.
bool agrees(const Spec& spec, const date::time_zone& zone, const Zone& ours, Minute after) {
  const Value value = spec.keywords ? Value::object({{"crontab", spec.text()}})
                                    : Value::object({{"cron", spec.text()}});
  const auto schedule = Schedule::parse(value);
  if (!schedule) return true;  // a day that never comes
  for (int i = 0; i < 3; ++i) {
    const auto want =
        spec.hour.open() ? first_shown(spec, zone, after) : first_due(spec, zone, after);
    const auto got = schedule->next(wall(after), {.zone = ours});
    const bool same = want && *want <= after + horizon ? got == wall(*want)
                                                       : !got || *got > wall(after + horizon);
    EXPECT_TRUE(same) << schedule->text() << " in " << zone.name() << " after "
                      << to_text(wall(after)) << ": " << (got ? to_text(*got) : "never")
                      << " instead of " << (want ? to_text(wall(*want)) : "never");
    if (!same || !want) return same;
    after = *want;
  }
  return true;
}

TEST(CrontabProperty, NextIsTheFirstMinuteThatMatchesInEveryZone) {
  Random random{20'260'328};
  const Minute begin = date::sys_days{date::year{1990} / 1 / 1};
  const Minute end = date::sys_days{date::year{2037} / 11 / 20};
  int differ = 0;
  for (const date::time_zone& zone : date::get_tzdb().zones) {
    const auto ours = Zone::find(zone.name());
    ASSERT_TRUE(ours.has_value()) << ours.error().message;
    std::vector<Minute> changes;
    for (date::sys_info info = zone.get_info(begin); info.end < end;
         info = zone.get_info(info.end)) {
      changes.push_back(date::floor<minutes>(info.end));
    }
    for (std::size_t i = 0; i < 40 * sweep() && differ < 10; ++i) {
      const Minute after =
          !changes.empty() && i % 3 != 0
              ? pick(random, changes) + minutes{between(random, -1'600, 200)}
              : begin + minutes{static_cast<std::int64_t>(
                            random() % static_cast<std::uint64_t>((end - begin).count()))};
      if (!agrees(any_spec(random), zone, *ours, after)) ++differ;
    }
  }
  EXPECT_EQ(differ, 0);
}

/// cron's letters, day by day in UTC.
TEST(CrontabProperty, LettersMeanTheDaysTheySay) {
  using date::days;
  struct Letter {
    std::string text;
    std::function<bool(date::sys_days)> has;
  };
  const auto number = [](date::sys_days day) { return unsigned{date::year_month_day{day}.day()}; };
  const auto weekday = [](date::sys_days day) { return date::weekday{day}.c_encoding(); };
  const auto working = [weekday](date::sys_days day) { return weekday(day) % 6 != 0; };
  const auto same_month = [](date::sys_days a, date::sys_days b) {
    return date::year_month_day{a}.month() == date::year_month_day{b}.month();
  };
  std::vector<Letter> letters;
  for (unsigned n = 0; n <= 30; ++n) {
    letters.push_back(
        {n == 0 ? "0 0 L * *" : fmt::format("0 0 L-{} * *", n), [=](date::sys_days day) {
           return same_month(day, day + days{n}) && !same_month(day, day + days{n + 1});
         }});
  }
  letters.push_back({"0 0 LW * *", [=](date::sys_days day) {
                       if (!working(day)) return false;
                       for (auto later = day + days{1}; same_month(day, later); later += days{1}) {
                         if (working(later)) return false;
                       }
                       return true;
                     }});
  for (unsigned n = 1; n <= 31; ++n) {
    letters.push_back({fmt::format("0 0 {}W * *", n), [=](date::sys_days day) {
                         if (!working(day)) return false;
                         // The named day, if this month has it; this is its working day when none
                         // is nearer.
                         const auto named =
                             day + days{static_cast<int>(n) - static_cast<int>(number(day))};
                         if (!same_month(named, day)) return false;
                         for (const int off : {0, -1, 1, -2, 2}) {
                           const auto near = named + days{off};
                           if (same_month(near, day) && working(near)) return near == day;
                         }
                         return false;
                       }});
  }
  for (unsigned w = 0; w < 7; ++w) {
    letters.push_back({fmt::format("0 0 * * {}L", w), [=](date::sys_days day) {
                         return weekday(day) == w && !same_month(day, day + days{7});
                       }});
    for (unsigned n = 1; n <= 5; ++n) {
      letters.push_back({fmt::format("0 0 * * {}#{}", w, n), [=](date::sys_days day) {
                           return weekday(day) == w && (number(day) - 1) / 7 + 1 == n;
                         }});
    }
  }
  const date::sys_days begin = date::year{2019} / 12 / 31;
  for (const Letter& letter : letters) {
    const Schedule schedule = cron(letter.text);
    WallTime tick{begin.time_since_epoch()};
    for (date::sys_days day = begin + days{1}; day < date::sys_days{date::year{2025} / 1 / 1};
         day += days{1}) {
      if (!letter.has(day)) continue;
      const auto next = schedule.next(tick, {});
      ASSERT_TRUE(next.has_value()) << letter.text;
      tick = *next;
      ASSERT_EQ(to_text(tick), to_text(WallTime{day.time_since_epoch()})) << letter.text;
    }
  }
}

}  // namespace
}  // namespace baozi::beat
