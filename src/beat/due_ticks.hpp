/// \file due_ticks.hpp
/// The ticks of a stretch of time, looked for from its end, however long it is. Pure.
#pragma once
#include <cstddef>
#include <vector>

#include "base/time.hpp"
#include "beat/schedule/entry.hpp"

namespace baozi::beat {

/// The latest ticks that are later than `after` and not later than `upto`, in order, at most
/// `limit` of them. Costs some multiple of `limit`, not of the ticks that there were.
[[nodiscard]] std::vector<WallTime> latest_ticks(const Entry& entry, WallTime after, WallTime upto,
                                                 std::size_t limit);

}  // namespace baozi::beat
