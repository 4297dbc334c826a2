#include "beat/due_ticks.hpp"

#include <algorithm>
#include <optional>

namespace baozi::beat {

namespace {

/// All of (after, upto], or its first `most`.
std::vector<WallTime> ticks_between(const Entry& entry, WallTime after, WallTime upto,
                                    std::size_t most) {
  std::vector<WallTime> ticks;
  std::optional<WallTime> tick = entry.next(after);
  for (; tick && *tick <= upto && ticks.size() < most; tick = entry.next(*tick)) {
    ticks.push_back(*tick);
  }
  return ticks;
}

}  // namespace

std::vector<WallTime> latest_ticks(const Entry& entry, WallTime after, WallTime upto,
                                   std::size_t limit) {
  if (entry.end) upto = std::min(upto, *entry.end);
  if (limit == 0 || upto <= after) return {};
  // A window before the end that doubles until it holds enough. The last doubling brings what is
  // before the window that held too little, in pieces, of which only the latest count.
  Micros span{1'000};
  std::vector<WallTime> found;
  WallTime begin = upto;
  while (begin > after && found.size() < limit) {
    const WallTime end = begin;
    begin = upto - after > span ? upto - span : after;
    span *= 2;
    std::vector<WallTime> earlier;
    for (WallTime from = begin;;) {
      const std::vector<WallTime> piece = ticks_between(entry, from, end, limit);
      earlier.insert(earlier.end(), piece.begin(), piece.end());
      if (earlier.size() > limit)
        earlier.erase(earlier.begin(), earlier.end() - static_cast<std::ptrdiff_t>(limit));
      if (piece.size() < limit) break;
      from = piece.back();
    }
    found.insert(found.begin(), earlier.begin(), earlier.end());
  }
  if (found.size() > limit)
    found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(limit));
  return found;
}

}  // namespace baozi::beat
