#include "worker/coroutine/coroutine_work.hpp"

#include <algorithm>
#include <cerrno>

#include <pthread.h>
#include <unistd.h>

#include "base/assert.hpp"
#include "base/system_clock.hpp"
#include "base/task_scope.hpp"
#include "worker/coroutine/coroutine_job.hpp"
#include "worker/prefork/own_process.hpp"
#include "worker/throw_trace.hpp"
#include "worker/time_limit.hpp"

namespace baozi::worker {

using detail::Woken;

/// Names the wait by number, so that it can do no harm to a later one, nor to nobody.
class CoroutineRunner::Wakeup final : public detail::Wakeup {
 public:
  Wakeup(std::shared_ptr<Inbox> inbox, Token token, std::uint64_t wait)
      : inbox_{std::move(inbox)}, token_{token}, wait_{wait} {}
  void fire() noexcept override {
    inbox_->put([&] { inbox_->fired.push_back({token_, wait_}); });
  }

 private:
  std::shared_ptr<Inbox> inbox_;
  Token token_;
  std::uint64_t wait_;
};

CoroutineRunner::Work::Work(std::shared_ptr<Inbox> inbox, Outbox& outbox, std::string worker_name,
                            CoroutineStep* step)
    : inbox_{std::move(inbox)},
      outbox_{outbox},
      worker_name_{std::move(worker_name)},
      random_{entropy64()},
      watch_{inbox_->event},
      step_{step != nullptr ? *step : own_step_} {}

CoroutineRunner::Work::~Work() = default;

void CoroutineRunner::Work::run() {
  thread_id_.store(gettid());
  pthread_setname_np(pthread_self(), "bz-coroutines");
  while (take_inbox()) {
    strike(base::mono_now());
    for (std::size_t turns = runnable_.size(); turns > 0; --turns) {
      Job& job = *runnable_.front();
      runnable_.pop_front();
      resume(job);
    }
    wait_for_something();
  }
  const base::TaskScope scope;
  for (const auto& [token, job] : jobs_) job->root.destroy();
}

bool CoroutineRunner::Work::take_inbox() {
  std::vector<Job*> starts;
  std::vector<Token> interrupts;
  std::vector<Inbox::Fired> fired;
  {
    const std::lock_guard lock{inbox_->mutex};
    inbox_->signalled = false;
    if (inbox_->stopping) return false;
    starts.swap(inbox_->starts);
    interrupts.swap(inbox_->interrupts);
    fired.swap(inbox_->fired);
  }
  for (Job* const job : starts) start(*job);
  for (const Inbox::Fired& one : fired) {
    Job* const job = find(one.token);
    if (job != nullptr && job->is_waiting && job->waits == one.wait) wake(*job, Woken::ready);
  }
  for (const Token token : interrupts) {
    Job* const job = find(token);
    if (job != nullptr && job->is_waiting) wake(*job, Woken::revoked);
  }
  return true;
}

/// Descriptors before timers: what is ready when its time is over is ready.
void CoroutineRunner::Work::wait_for_something() {
  std::optional<Micros> timeout;
  if (!runnable_.empty()) {
    timeout = Micros{0};
  } else if (!timers_.empty()) {
    timeout = std::max(Micros{0}, timers_.begin()->first - base::mono_now());
  }
  ready_.clear();
  watch_.wait(timeout, ready_);
  for (const Token token : ready_) {
    Job* const job = find(token);
    if (job != nullptr && job->is_waiting && job->fd >= 0) wake(*job, Woken::ready);
  }
}

void CoroutineRunner::Work::strike(MonoTime now) {
  while (!timers_.empty() && timers_.begin()->first <= now) {
    Job& job = *timers_.begin()->second;
    Woken why = Woken::timed_out;
    if (job.hard_at && now >= *job.hard_at) {
      why = Woken::hard_limit;
      job.expired = true;
    } else if (job.running->soft_limit_strikes()) {
      why = Woken::soft_limit;
    }
    wake(job, why);
  }
}

void CoroutineRunner::Work::start(Job& job) {
  job.running.emplace(job.item, worker_name_, job, random_);
  job.began_us.store(micros(job.running->began()));
  if (!job.running->begin()) return finish(job);
  if (job.item.time_limit > Micros{0}) job.hard_at = job.running->began() + job.item.time_limit;
  job.root = job.running->task().begin(job.running->call(), job.running->reply(), job);
  if (!job.root) return finish(job);
  job.resume_at = job.root;
  jobs_.emplace(job.item.token, &job);
  runnable_.push_back(&job);
}

void CoroutineRunner::Work::resume(Job& job) {
  step_.begin(job.item.token, base::mono_now());
  {
    const base::TaskScope scope;
    const ThrowTrace trace;
    job.next = std::exchange(job.resume_at, {});
    while (job.next) std::exchange(job.next, {}).resume();
    if (prefork::is_copy()) prefork::end_copy(job.item.name);
    if (job.root.done()) {
      finish(job);
    } else {
      BAOZI_ASSERT(job.resume_at);
      if (job.expired && job.is_waiting) finish(job);
    }
  }
  step_.end();
}

int CoroutineRunner::Work::suspend(Job& job, std::coroutine_handle<> handle,
                                   const detail::CoroutineWait& wait) noexcept {
  if (prefork::is_copy()) prefork::end_copy(job.item.name);  // it shares what waits for descriptors
  const MonoTime now = base::mono_now();
  if (wait.descriptor) {
    // Added first: a descriptor that is not open is an error, whatever else there is.
    switch (watch_.add(wait.fd, wait.write, job.item.token)) {
      case DescriptorWatch::Added::refused: return errno;
      case DescriptorWatch::Added::ready: break;
      case DescriptorWatch::Added::waits: job.fd = wait.fd; break;
    }
  }
  const bool always_ready = wait.descriptor && job.fd < 0;
  ++job.waits;
  job.resume_at = handle;
  job.is_waiting = true;
  if (job.expired) return 0;  // it goes on in spite of its end: whoever resumed it destroys it
  if (job.hard_at && now >= *job.hard_at) {
    job.expired = true;
    wake(job, Woken::hard_limit);
  } else if (job.revoked()) {
    wake(job, Woken::revoked);
  } else if (job.running->soft_limit_strikes()) {
    wake(job, Woken::soft_limit);
  } else if (always_ready) {
    wake(job, Woken::ready);
  } else {
    if (wait.timeout_us >= 0) {
      // Whoever waits for longer than the clock lasts waits for ever.
      const std::int64_t left = MonoTime::max().time_since_epoch().count() - micros(now);
      if (wait.timeout_us < left) job.timer = now + Micros{wait.timeout_us};
    }
    for (const auto& limit : {job.hard_at, job.running->soft_limit_at()}) {
      if (limit && (!job.timer || *limit < *job.timer)) job.timer = limit;
    }
    if (job.timer) timers_.emplace(*job.timer, &job);
  }
  return 0;
}

std::shared_ptr<detail::Wakeup> CoroutineRunner::Work::wakeup(Job& job) {
  return std::make_shared<Wakeup>(inbox_, job.item.token, job.waits + 1);
}

void CoroutineRunner::Work::leave_wait(Job& job) {
  job.is_waiting = false;
  if (job.fd >= 0) watch_.remove(std::exchange(job.fd, -1), job.item.token);
  if (job.timer) timers_.erase({*std::exchange(job.timer, std::nullopt), &job});
}

void CoroutineRunner::Work::wake(Job& job, Woken why) {
  leave_wait(job);
  job.woken_by = why;
  runnable_.push_back(&job);
}

void CoroutineRunner::Work::finish(Job& job) {
  leave_wait(job);
  jobs_.erase(job.item.token);
  if (job.root) std::exchange(job.root, {}).destroy();
  Ended ended = job.running->end();
  if (job.expired) {
    ended = time_limit_exceeded(job.item, ended.ran, "it was ended where it waited");
  }
  outbox_.put([&] { outbox_.done.push_back({&job, std::move(ended)}); });
}

CoroutineRunner::Job* CoroutineRunner::Work::find(Token token) {
  const auto found = jobs_.find(token);
  return found == jobs_.end() ? nullptr : found->second;
}

void CoroutineRunner::Work::update_state(Job& job, std::string_view state, Bytes meta) {
  outbox_.put([&] {
    if (job.update_round == outbox_.round) {  // nobody saw the last one: it is replaced
      outbox_.updates[job.update_index].state = state;
      outbox_.updates[job.update_index].meta = std::move(meta);
    } else {
      job.update_round = outbox_.round;
      job.update_index = outbox_.updates.size();
      outbox_.updates.push_back({job.item.token, std::string{state}, std::move(meta)});
    }
  });
}

}  // namespace baozi::worker
