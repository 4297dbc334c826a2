/// \file gates.hpp
/// What may keep a task from being delivered although a worker would take it: the key whose tasks
/// run one after the other, limits in number or rate, and the way to the broker where such a limit
/// counts. And who holds which unique key. Only tasks that have a key, or a limit, know of gates;
/// the others pay a null pointer. Threading:
/// owned by the broker core. Time: passed in. Source: delivery.md D27.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "base/time.hpp"

namespace baozi::broker {

using Slot = std::uint32_t;

/// At most so many leased at once, or so long between two deliveries; or, of another broker's
/// outbox, at most so many tasks on their way there.
struct Limiter {
  std::uint32_t most = 0;  ///< 0: no limit
  Micros interval{0};      ///< 0: no limit
  std::uint32_t in_flight = 0;
  std::uint32_t woken = 0;                ///< let go from `parked` and not delivered yet
  MonoTime next{};                        ///< no delivery before this
  std::map<std::int64_t, Slot> parked{};  ///< by row key: in order of submission
  const std::string* key = nullptr;       ///< of a concurrency key's; it goes when nobody uses it
  std::uint32_t home = 0;  ///< of a name's or a queue's: which of `--brokers` it counts at
  bool of_outbox = false;  ///< tasks that are moved, none that are leased
  bool changed = false;    ///< to be looked at in this turn

  [[nodiscard]] bool limits() const { return most != 0 || interval.count() != 0; }
  [[nodiscard]] bool lets_pass(bool was_woken, MonoTime now) const {
    const std::uint32_t before = in_flight + (was_woken ? 0 : woken);
    return (most == 0 || before < most) && (interval.count() == 0 || now >= next);
  }
  [[nodiscard]] bool may_wake(MonoTime now) const {
    if (parked.empty() || (interval.count() != 0 && (woken > 0 || now < next))) return false;
    return most == 0 || in_flight + woken < most;
  }
};

/// The tasks of one ordering key, by row key: in order of submission. The first one is the only one
/// that may run.
struct OrderKey {
  std::map<std::int64_t, Slot> tasks{};
};

/// Who holds a unique key.
struct UniqueKey {
  Slot slot = 0;
  std::int64_t key = 0;         ///< of the holder's row
  std::int64_t free_at_us = 0;  ///< its window's end; 0: none
};

/// A task's part in all this.
struct Gate {
  std::string ordering{};
  std::string unique{};
  std::string concurrency{};
  std::uint32_t concurrency_limit = 0;
  std::int64_t free_at_us = 0;  ///< of the unique key: its window's end; 0: none
  bool until_started = false;
  bool started = false;     ///< durable: the unique key went with its first delivery
  std::uint64_t after = 0;  ///< not delivered before this commit: it removes the task before it
  bool blocked = false;     ///< waits for those before it under its ordering key
  Limiter* parked_in = nullptr;
  Limiter* woken_by = nullptr;
  std::array<Limiter*, 3> counted{};  ///< while it is leased
};

}  // namespace baozi::broker
