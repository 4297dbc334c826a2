#include "worker/coroutine/mixed_pool.hpp"

#include <algorithm>

#include "worker/task_table.hpp"

namespace baozi::worker {

std::size_t MixedPool::submit(std::span<const Start> items) {
  // In runs of the same kind, so that what was not taken is a tail.
  std::size_t done = 0;
  while (done < items.size()) {
    const bool coroutine = definition_of(items[done].definition).is_coroutine();
    std::size_t end = done + 1;
    while (end < items.size() && definition_of(items[end].definition).is_coroutine() == coroutine) {
      ++end;
    }
    const auto run = items.subspan(done, end - done);
    const std::size_t taken = coroutine ? coroutines_->submit(run) : slots_->submit(run);
    done += taken;
    if (taken < run.size()) break;
  }
  return done;
}

void MixedPool::take_events(PoolEvents& out) {
  slots_->take_events(out);
  coroutines_->take_events(out);
}

Cancelled MixedPool::cancel(Token token, bool interrupt) {
  const Cancelled answer = coroutines_->cancel(token, interrupt);
  return answer != Cancelled::unknown ? answer : slots_->cancel(token, interrupt);
}

Terminated MixedPool::terminate(Token token, int signal) {
  switch (coroutines_->cancel(token, true)) {
    case Cancelled::taken_back: return Terminated::taken_back;
    case Cancelled::running: return Terminated::told;
    case Cancelled::unknown: break;
  }
  return slots_->terminate(token, signal);
}

void MixedPool::restart() {
  slots_->restart();
  coroutines_->restart();
}

void MixedPool::tick(MonoTime now) {
  slots_->tick(now);
  coroutines_->tick(now);
}

std::optional<MonoTime> MixedPool::next_deadline() const {
  const auto one = slots_->next_deadline();
  const auto other = coroutines_->next_deadline();
  return one && other ? std::min(one, other) : one ? one : other;
}

std::vector<Token> MixedPool::stop(StopMode mode) {
  std::vector<Token> back = slots_->stop(mode);
  for (const Token token : coroutines_->stop(mode)) back.push_back(token);
  return back;
}

}  // namespace baozi::worker
