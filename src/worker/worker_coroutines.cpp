// Coroutine tasks: beside the slots and beside the credit, up to a limit of their own.
#include <algorithm>

#include "worker/worker_core.hpp"

namespace baozi::worker {

namespace {
/// For how long one goes back to its broker that waits here in vain.
constexpr Micros come_again{1'000'000};
}  // namespace

void WorkerCore::put_back(const std::vector<Token>& tokens) {
  for (auto it = tokens.rbegin(); it != tokens.rend(); ++it) {
    if (const Held* const held = table_.find(*it)) list_of(*held).push_front(*it);
  }
}

bool WorkerCore::coroutines_are_full() const {
  return coroutines_ >= options_.coroutines ||
         (coroutines_ > 0 && coroutine_bytes_ >= options_.prefetch_bytes);
}

/// A broker does not know which of its tasks are coroutines: what it is given room for may be
/// anything. So the room grows with the coroutines that came, by a quarter each time.
std::uint64_t WorkerCore::coroutine_room() const {
  if (!has_coroutines_ || coroutines_are_full()) return 0;
  if (stalled_) return 1;
  return std::min<std::uint64_t>(options_.coroutines - coroutines_, coroutines_ / 4 + 1);
}

/// D16: the first of the list must run alone, and something runs.
bool WorkerCore::must_wait_alone(std::deque<Token>& list) {
  while (!list.empty()) {
    const Held* const held = table_.find(list.front());
    if (held != nullptr && held->phase == Phase::ready) {
      return held->alone && pooled_ + coroutines_ > 0;
    }
    list.pop_front();
  }
  return false;
}

/// Coroutines may wait for tasks that this very worker is to run. So nothing may keep those away
/// for long: neither coroutines that wait here for one in flight to end, and use up the credit, nor
/// a task that waits until it is alone. When no coroutine has begun or ended for a while, they go
/// back to their broker for a second.
void WorkerCore::look_for_coroutine_stall(Now now) {
  const bool waits_in_vain =
      coroutines_ > 0 && (alone_waits_ || (!ready_coroutines_.empty() && coroutines_are_full()));
  if (!waits_in_vain) return coroutine_stall_at_.reset();
  const MonoTime at = last_coroutine_progress_ + options_.stall_patience;
  coroutine_stall_at_ = at;
  if (now.mono < at) return;
  coroutine_stall_at_.reset();
  std::vector<Slot> back;
  for (std::deque<Token>* const list : {&ready_, &ready_coroutines_}) {
    while (!list->empty()) {
      const Held* const held = table_.find(list->front());
      const bool waits = held != nullptr && held->phase == Phase::ready;
      if (waits && !held->alone && list == &ready_) break;
      if (waits) back.push_back(DeliveryTable::slot_of(list->front()));
      list->pop_front();
    }
  }
  alone_waits_ = false;
  for (const Slot slot : back)
    hand_back(slot, "its turn among the worker's coroutines", come_again);
}

}  // namespace baozi::worker
