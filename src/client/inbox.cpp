#include "client/inbox.hpp"

#include <utility>

#include "wire/codec.hpp"

namespace baozi::client {

namespace {
void tell(std::vector<Waiter*>& waiters) {
  for (Waiter* waiter : waiters) waiter->tell(0);
  waiters.clear();
}
}  // namespace

Inbox::Put Inbox::put(const Task& task, std::size_t limit_times) {
  const TaskId id = task.call->id();
  const std::lock_guard lock{mutex_};
  if (closed_) return Put::closed;
  if (!has_room(limit_times)) return Put::full;
  const std::size_t before = pile_.packed.size();
  Writer out{pile_.packed};
  wire::pack_task(out, wire::view_of(id), task.name, task.queue, task.options, task.body);
  Submission& submission = pile_.tasks.emplace_back();
  submission.tag = task.call->tag();
  submission.since = task.since;
  submission.bytes = static_cast<std::uint32_t>(pile_.packed.size() - before);
  submission.sync = task.sync;
  submission.once = task.once;
  submission.terms = task.terms;
  submission.key_hash = task.key_hash;
  submission.unique_hash = task.unique_hash;
  ++open_tasks_;
  open_bytes_ += submission.bytes;
  return done();
}

Inbox::Put Inbox::put(Request request) {
  const std::lock_guard lock{mutex_};
  if (closed_) return Put::closed;
  requests_.push_back(std::move(request));
  return done();
}

void Inbox::put_dropped(Call& call) {
  {
    const std::lock_guard lock{mutex_};
    if (!closed_) return dropped_.push_back(&call);
  }
  call.release();
}

void Inbox::take(Taken& taken, std::size_t open_tasks, std::size_t open_bytes) {
  const std::lock_guard lock{mutex_};
  sleeping_ = false;
  std::swap(taken.pile, pile_);
  std::swap(taken.requests, requests_);
  std::swap(taken.dropped, dropped_);
  open_tasks_ = open_tasks + taken.pile.tasks.size();
  open_bytes_ = open_bytes + taken.pile.packed.size();
  // Not for one place alone: a caller that is woken for each confirm gains nothing.
  if (!waiters_.empty() && open_tasks_ <= limits_.tasks_max / 4 * 3 &&
      open_bytes_ <= limits_.bytes_max / 4 * 3) {
    tell(waiters_);
  }
  if (!settle_waiters_.empty() && open_tasks_ == 0) tell(settle_waiters_);
}

bool Inbox::may_sleep() {
  const std::lock_guard lock{mutex_};
  if (!pile_.empty() || !requests_.empty() || !dropped_.empty()) return false;
  sleeping_ = true;
  return true;
}

bool Inbox::add_waiter(Waiter& waiter) {
  const std::lock_guard lock{mutex_};
  if (closed_ || has_room(1)) return false;
  waiters_.push_back(&waiter);
  return true;
}

void Inbox::remove_waiter(const Waiter& waiter) {
  const std::lock_guard lock{mutex_};
  std::erase(waiters_, &waiter);
  std::erase(settle_waiters_, &waiter);
}

bool Inbox::add_settle_waiter(Waiter& waiter) {
  const std::lock_guard lock{mutex_};
  if (closed_ || open_tasks_ == 0) return false;
  settle_waiters_.push_back(&waiter);
  return true;
}

void Inbox::close() {
  const std::lock_guard lock{mutex_};
  closed_ = true;
  tell(waiters_);
  tell(settle_waiters_);
}

}  // namespace baozi::client
