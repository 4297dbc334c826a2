// Crontab: when it is due next, field by field, and what a change of the zone's offset does to it.
#include <algorithm>
#include <bit>

#include "beat/schedule/crontab.hpp"
#include "beat/schedule/instant.hpp"

namespace baozi::beat {

namespace {

using namespace std::chrono;

/// How far a clock was ever set back at once, and more.
constexpr Micros set_back_most = hours{48};

/// The lowest number of the set that is `from` or more.
std::optional<unsigned> at_or_after(CronBits set, unsigned from) {
  const CronBits rest = from < 64 ? set >> from << from : 0;
  if (rest == 0) return std::nullopt;
  return static_cast<unsigned>(std::countr_zero(rest));
}

}  // namespace

std::optional<unsigned> Crontab::match_second_of_day(unsigned from) const {
  if (from >= 86'400) return std::nullopt;
  unsigned hour = from / 3600;
  unsigned minute = from % 3600 / 60;
  unsigned second = from % 60;
  while (const auto h = at_or_after(hours_, hour)) {
    if (*h > hour) minute = second = 0;
    hour = *h;
    while (const auto m = at_or_after(minutes_, minute)) {
      if (*m > minute) second = 0;
      minute = *m;
      if (const auto s = at_or_after(seconds_, second)) return hour * 3600 + minute * 60 + *s;
      ++minute;
      second = 0;
    }
    ++hour;
    minute = second = 0;
  }
  return std::nullopt;
}

std::optional<LocalTime> Crontab::match(LocalTime from, LocalTime limit) const {
  const auto begin = ceil<seconds>(from.time_since_epoch());
  const auto first_day = floor<days>(begin);
  const year_month_day date{sys_days{first_day}};
  year_month in{date.year(), date.month()};
  std::uint32_t not_before = ~std::uint32_t{0} << unsigned{date.day()};
  for (; in.year() <= year{year_most}; in += months{1}, not_before = ~std::uint32_t{0}) {
    const days month_begin = sys_days{in / 1}.time_since_epoch();
    if (LocalTime{month_begin} >= limit) return std::nullopt;
    if ((months_ & cron_bit(unsigned{in.month()})) == 0) continue;
    std::uint32_t matching = days_.of(in.year(), in.month()) & not_before;
    for (; matching != 0; matching &= matching - 1) {
      const days day = month_begin + days{std::countr_zero(matching) - 1};
      const unsigned since =
          day == first_day ? static_cast<unsigned>((begin - first_day).count()) : 0;
      if (const auto second = match_second_of_day(since)) {
        const LocalTime found{day + seconds{*second}};
        if (found < limit) return found;
        return std::nullopt;
      }
    }
  }
  return std::nullopt;
}

std::optional<WallTime> Crontab::next(WallTime after, const Zone& zone) const {
  return hour_open_ ? next_by_clock(after, zone) : next_once(after, zone);
}

/// Period by period: what matches while its offset holds.
std::optional<WallTime> Crontab::next_by_clock(WallTime after, const Zone& zone) const {
  WallTime from = after + Micros{1};
  for (std::size_t i = zone.period_of(from); i < zone.periods().size(); ++i) {
    const Micros offset = zone.periods()[i].offset;
    const WallTime end = zone.period_end(i);
    const LocalTime limit =
        end == WallTime::max() ? LocalTime::max() : LocalTime{end.time_since_epoch() + offset};
    if (const auto local = match(LocalTime{from.time_since_epoch() + offset}, limit)) {
      return WallTime{local->time_since_epoch() - offset};
    }
    from = end;
  }
  return std::nullopt;
}

/// A local time is due when the clock first reaches or passes it. So what is due next is the first
/// match beyond the furthest that the clock has shown, and the clock reaches matches in order.
std::optional<WallTime> Crontab::next_once(WallTime after, const Zone& zone) const {
  const auto periods = zone.periods();
  const std::size_t now = zone.period_of(after);
  LocalTime shown{after.time_since_epoch() + periods[now].offset};
  for (std::size_t i = now; i > 0 && periods[i].begin > after - set_back_most; --i) {
    const LocalTime before{periods[i].begin.time_since_epoch() + periods[i - 1].offset - Micros{1}};
    shown = std::max(shown, before);
  }
  const auto local = match(shown + Micros{1}, LocalTime::max());
  if (!local) return std::nullopt;
  for (std::size_t i = now; i < periods.size(); ++i) {
    const WallTime due{local->time_since_epoch() - periods[i].offset};
    if (due < zone.period_end(i)) return i == now ? due : std::max(due, periods[i].begin);
  }
  return std::nullopt;
}

}  // namespace baozi::beat
