#include "client/call.hpp"

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>

#include "baozi/packing.hpp"
#include "client/callback_thread.hpp"
#include "client/helm.hpp"

namespace baozi::client {

void TinyLock::lock() noexcept {
  while (flag_.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
}

Call::Call(const TaskId& id, Running* home, bool foreign)
    : foreign_{foreign}, uuid_{id.uuid()}, home_{home} {
  if (!id.is_uuid()) text_id_ = std::make_unique<const std::string>(id.text());
}

// ---- the loop's side

void Call::raise(std::uint32_t flags, CallbackThread& callbacks) {
  if (flags != 0) flags_.fetch_or(flags, std::memory_order_acq_rel);
  // They hold handles of this very call, which go after the lock.
  const auto no_more =
      (flags & ended_flag) != 0 ? std::move(state_listeners_) : decltype(state_listeners_){};
  if (!listeners_) return lock_.unlock();
  std::vector<Listener> told;
  std::erase_if(*listeners_, [&](Listener& listener) {
    const std::uint32_t wanted = listener.event == Event::ended ? ended_flag : submitted_flag;
    if ((flags & wanted) == 0) return false;
    if (listener.waiter != nullptr) {
      listener.waiter->tell(listener.index);
    } else {
      told.push_back(std::move(listener));
    }
    return true;
  });
  if (listeners_->empty()) listeners_.reset();
  lock_.unlock();
  for (Listener& listener : told)
    callbacks.run(std::move(listener.callback), std::move(listener.executor));
}

void Call::confirmed(CallbackThread& callbacks) {
  lock_.lock();
  if (ignores_result_ && !is_ended()) {
    ending_.state = State::ignored;
    return raise(submitted_flag | ended_flag, callbacks);
  }
  raise(submitted_flag, callbacks);
}

void Call::duplicate_of(const TaskId& first, CallbackThread& callbacks) {
  lock_.lock();
  if (is_submit_known()) return lock_.unlock();
  first_ = std::make_unique<const TaskId>(first);
  flags_.fetch_or(duplicate_flag, std::memory_order_release);
  if (ignores_result_ && !is_ended()) {
    ending_.state = State::ignored;
    return raise(submitted_flag | ended_flag, callbacks);
  }
  raise(submitted_flag, callbacks);
}

void Call::failed(const SubmitFailure& failure, CallbackThread& callbacks) {
  lock_.lock();
  if (is_submit_known()) return lock_.unlock();
  trouble_ = std::make_unique<Trouble>();
  switch (failure.fate) {
    case Fate::not_sent: trouble_->problem = Problem::not_sent; break;
    case Fate::rejected: trouble_->problem = Problem::rejected; break;
    case Fate::unknown: trouble_->problem = Problem::unknown; break;
    case Fate::closed: trouble_->problem = Problem::closed; break;
  }
  trouble_->reason = failure.reason;
  trouble_->text = failure.text;
  // A result that came before the confirm stays; then only the confirm is in doubt.
  raise(is_ended() ? submitted_flag : submitted_flag | ended_flag | by_trouble_flag, callbacks);
}

void Call::ended(const wire::RecordView& record, const std::string* worker,
                 CallbackThread& callbacks) {
  lock_.lock();
  if (is_ended()) return lock_.unlock();
  ending_.state = static_cast<State>(record.state);
  ending_.body = record.body;
  ending_.name = record.name;
  ending_.worker = worker;
  ending_.started_us = record.started_us;
  ending_.finished_us = record.finished_us;
  ending_.retries = record.retries;
  progress_.reset();
  raise(ended_flag, callbacks);
}

void Call::told_state(std::string_view state, BytesView meta, const std::string* worker,
                      CallbackThread& callbacks) {
  std::unique_lock lock{lock_};
  if (is_ended()) return;
  if (!progress_) progress_ = std::make_unique<Progress>();
  // A word of the task's own says that it runs.
  progress_->state = parse_state(state).value_or(State::started);
  progress_->word = state;
  progress_->meta = meta;
  progress_->worker = worker;
  if (!state_listeners_) return;
  const std::vector<StateListener> listeners = *state_listeners_;
  const std::string packed{meta};
  const std::string word{state};
  lock.unlock();
  for (const StateListener& one : listeners) {
    callbacks.run([callback = one.callback, word, packed] { (*callback)(word, packed); },
                  one.executor);
  }
}

void Call::when_told(OnState callback, Executor executor, CallbackThread& callbacks) {
  auto shared = std::make_shared<const OnState>(std::move(callback));
  std::unique_lock lock{lock_};
  if (is_ended()) return;
  if (!state_listeners_) state_listeners_ = std::make_unique<std::vector<StateListener>>();
  state_listeners_->push_back({shared, executor});
  if (!progress_) return;
  const Progress latest = *progress_;
  lock.unlock();
  callbacks.run([shared, latest] { (*shared)(latest.word, latest.meta); }, std::move(executor));
}

void Call::closed(const char* why, CallbackThread& callbacks) {
  lock_.lock();
  std::uint32_t news = 0;
  if (!is_submit_known()) {
    trouble_ = std::make_unique<Trouble>(Trouble{Problem::closed, wire::Reason::none, why});
    news |= submitted_flag;
  }
  if (!is_ended()) {
    closed_because_ = why;
    news |= ended_flag | closed_flag;
  }
  raise(news, callbacks);
}

// ---- the handles' side

SubmitState Call::submit_state() const {
  if (foreign_) return SubmitState::confirmed;
  if (!is_submit_known()) return SubmitState::pending;
  if (!trouble_) return SubmitState::confirmed;
  switch (trouble_->problem) {
    case Problem::none: return SubmitState::confirmed;
    case Problem::not_sent: return SubmitState::not_sent;
    case Problem::rejected: return SubmitState::rejected;
    case Problem::unknown: return SubmitState::unknown;
    case Problem::closed: break;
  }
  return SubmitState::unknown;
}

Call::Progress Call::progress() const {
  const std::lock_guard lock{lock_};
  return progress_ ? *progress_ : Progress{};
}

bool Call::add_waiter(Waiter& waiter, Event event, std::size_t index) {
  const std::lock_guard lock{lock_};
  if (event == Event::ended ? is_ended() : is_submit_known()) return false;
  if (!listeners_) listeners_ = std::make_unique<std::vector<Listener>>();
  listeners_->push_back({event, &waiter, index, {}, {}});
  return true;
}

void Call::remove_waiter(const Waiter& waiter) {
  const std::lock_guard lock{lock_};
  if (!listeners_) return;
  std::erase_if(*listeners_, [&](const Listener& listener) { return listener.waiter == &waiter; });
  if (listeners_->empty()) listeners_.reset();
}

void Call::when(Event event, std::function<void()> callback, Executor executor,
                CallbackThread& callbacks) {
  lock_.lock();
  if (event == Event::ended ? !is_ended() : !is_submit_known()) {
    if (!listeners_) listeners_ = std::make_unique<std::vector<Listener>>();
    listeners_->push_back({event, nullptr, 0, std::move(callback), std::move(executor)});
    return lock_.unlock();
  }
  lock_.unlock();
  callbacks.run(std::move(callback), std::move(executor));
}

TaskError unpack_error(std::string_view packed) {
  Reader in{packed};
  const std::uint32_t fields = in.array();
  std::string parts[3];
  for (std::uint32_t i = 0; i < fields && i < 3 && in.ok(); ++i) parts[i] = in.str();
  if (!in.ok() || parts[0].empty())
    return TaskError{"baozi::UnknownError", "its error could not be read"};
  return TaskError{std::move(parts[0]), std::move(parts[1]), std::move(parts[2])};
}

}  // namespace baozi::client
