#include "worker/thread_pool.hpp"

#include <algorithm>
#include <bit>
#include <stdexcept>

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "base/system_clock.hpp"
#include "worker/invoke.hpp"

namespace baozi::worker {

namespace {

/// Work that is worth one thread's wake (docs: a wake costs about 27 us).
constexpr std::int64_t worth_a_wake_us = 50;
/// How soon a sleeping thread notices items that wait behind tasks that turned out longer than
/// expected.
constexpr std::chrono::milliseconds watch_period{10};

/// Signals are the main thread's business. What a fault raises must stay deliverable where it
/// happens.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS})
      sigdelset(&all, fault);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

/// One place for an item and its outcome, used again and again.
struct ThreadPool::Job final : ExecutionPort {
  enum class Stage : std::uint8_t { free, ready, running, cancelled, finished };

  explicit Job(ThreadPool& owner) : pool{owner} {}

  void update_state(std::string_view state, Bytes meta) override {
    pool.update_state(*this, state, std::move(meta));
  }
  [[nodiscard]] bool revoked() const override {
    return interrupted.load(std::memory_order_relaxed);
  }

  ThreadPool& pool;
  std::atomic<Stage> stage{Stage::free};
  std::atomic<bool> interrupted{false};
  Start item;
  Ended ended;
  Job* next = nullptr;  ///< on the stack of finished ones
  std::uint64_t update_round =
      0;  ///< under updates_mutex_: when it has an update that nobody has taken …
  std::size_t update_index = 0;  ///< … and where
};

ThreadPool::ThreadPool(Options options, Notify notify)
    : options_{std::move(options)},
      notify_{std::move(notify)},
      mask_{std::bit_ceil(std::max<std::size_t>(options_.backlog_max, 2)) - 1},
      ring_{std::make_unique<std::atomic<Job*>[]>(mask_ + 1)},
      average_us_{1'000} {
  if (options_.threads == 0) throw std::invalid_argument{"a pool has one thread or more"};
  const SignalsBlocked blocked;
  try {
    for (std::size_t i = 0; i < options_.threads; ++i)
      threads_.emplace_back([this, i] { work(i); });
  } catch (...) {
    {
      const std::lock_guard lock{sleep_mutex_};
      ending_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    throw;
  }
}

ThreadPool::~ThreadPool() {
  stop(StopMode::hand_back);
  {
    const std::lock_guard lock{sleep_mutex_};
    ending_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

// ---- the loop's side

ThreadPool::Job& ThreadPool::free_job() {
  if (free_jobs_.empty()) return *jobs_.emplace_back(std::make_unique<Job>(*this));
  Job& job = *free_jobs_.back();
  free_jobs_.pop_back();
  return job;
}

std::size_t ThreadPool::submit(std::span<const Start> items) {
  if (!accepting_) return 0;
  std::uint64_t tail = tail_.load(std::memory_order_relaxed);
  const std::uint64_t room = mask_ + 1 - (tail - head_.load(std::memory_order_acquire));
  const std::size_t count = std::min<std::size_t>(items.size(), room);
  for (const Start& item : items.first(count)) {
    Job& job = free_job();
    job.item = item;
    job.interrupted.store(false, std::memory_order_relaxed);
    job.stage.store(Job::Stage::ready, std::memory_order_relaxed);
    ring_[tail++ & mask_].store(&job, std::memory_order_relaxed);
  }
  in_hand_ += count;
  tail_.store(
      tail);  // publishes the items; sequentially consistent, against the sleeper's last look
  if (count > 0) wake_some();
  return count;
}

/// As many threads as the backlog is worth, and two at least where two items wait: a second one,
/// once idle, watches over what the first may be too slow for.
void ThreadPool::wake_some() {
  const std::uint32_t sleepers = sleepers_.load();
  if (sleepers == 0) return;
  const std::uint64_t waiting = backlog();
  const std::uint32_t awake = spinners_.load();
  const std::uint64_t worth =
      waiting * static_cast<std::uint64_t>(average_us_.load(std::memory_order_relaxed)) /
          worth_a_wake_us +
      1;
  const std::uint64_t wanted = std::min(waiting, std::max<std::uint64_t>(worth, 2));
  if (wanted <= awake) return;
  const std::uint64_t wakes = std::min<std::uint64_t>(wanted - awake, sleepers);
  {
    const std::lock_guard lock{sleep_mutex_};
  }  // who is between its last look and its sleep gets there first
  for (std::uint64_t i = 0; i < wakes; ++i) wake_.notify_one();
}

void ThreadPool::take_events(PoolEvents& out) {
  out.clear();
  armed_.store(true);
  // Completions before updates: an update that came before its task's completion is then in hand,
  // too.
  Job* finished = finished_.exchange(nullptr);
  while (finished != nullptr) {
    Job& job = *finished;
    finished = job.next;
    if (job.stage.load(std::memory_order_relaxed) == Job::Stage::finished) {
      out.completions.push_back(std::move(job.ended));
      --in_hand_;
    }
    job.stage.store(Job::Stage::free, std::memory_order_relaxed);
    free_jobs_.push_back(&job);
  }
  std::reverse(out.completions.begin(), out.completions.end());  // the stack had the latest on top
  if (has_updates_.load()) {
    const std::lock_guard lock{updates_mutex_};
    has_updates_.store(false);
    out.updates.swap(updates_);
    ++updates_round_;
  }
}

Cancelled ThreadPool::cancel(Token token, bool interrupt) {
  // By search: cancelling is rare, and an index would cost every task.
  for (const auto& job : jobs_) {
    const Job::Stage stage = job->stage.load(std::memory_order_acquire);
    if (job->item.token != token || stage == Job::Stage::free || stage == Job::Stage::cancelled)
      continue;
    Job::Stage ready = Job::Stage::ready;
    if (job->stage.compare_exchange_strong(ready, Job::Stage::cancelled)) {
      --in_hand_;
      return Cancelled::taken_back;
    }
    if (interrupt) job->interrupted.store(true, std::memory_order_relaxed);
    return Cancelled::running;
  }
  return Cancelled::unknown;
}

std::vector<Token> ThreadPool::stop(StopMode mode) {
  accepting_ = false;
  std::vector<Token> given_back;
  if (mode == StopMode::drain) return given_back;
  for (const auto& job : jobs_) {
    Job::Stage ready = Job::Stage::ready;
    if (job->stage.compare_exchange_strong(ready, Job::Stage::cancelled)) {
      --in_hand_;
      given_back.push_back(job->item.token);
    } else if (mode == StopMode::interrupt && ready == Job::Stage::running) {
      job->interrupted.store(true, std::memory_order_relaxed);
    }
  }
  return given_back;
}

// ---- the threads' side

void ThreadPool::work(std::size_t index) {
  const std::string name = "bz-task-" + std::to_string(index);
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
  Random random{entropy64()};
  while (true) {
    Job* job = claim();
    if (job == nullptr) job = spin_for_work();
    if (job != nullptr) {
      execute(*job, random);
    } else if (!sleep_until_work()) {
      return;
    }
  }
}

ThreadPool::Job* ThreadPool::claim() {
  std::uint64_t head = head_.load(std::memory_order_acquire);
  while (head != tail_.load(std::memory_order_acquire)) {
    Job* const job = ring_[head & mask_].load(std::memory_order_relaxed);
    if (head_.compare_exchange_weak(head, head + 1)) return job;
  }
  return nullptr;
}

/// Traffic comes in bursts, and a wake costs more than a short look: but only one thread looks, and
/// it yields.
ThreadPool::Job* ThreadPool::spin_for_work() {
  std::uint32_t none = 0;
  if (options_.spin.count() == 0 || !spinners_.compare_exchange_strong(none, 1)) return nullptr;
  const MonoTime until = base::mono_now() + options_.spin;
  while (backlog() == 0 && base::mono_now() < until) sched_yield();
  spinners_.store(
      0);  // before the claim: the loop counts a spinner or finds the item taken, never both
  return claim();
}

/// False: the pool is ending, and nothing is left.
bool ThreadPool::sleep_until_work() {
  std::unique_lock lock{sleep_mutex_};
  sleepers_.fetch_add(1);
  bool rescue = false;
  while (backlog() == 0 && !ending_) {
    if (busy_.load() > 0 && !watched_) {
      watched_ = true;
      rescue = wake_.wait_for(lock, watch_period) == std::cv_status::timeout && backlog() > 0;
      watched_ = false;
    } else {
      wake_.wait(lock);
    }
  }
  sleepers_.fetch_sub(1);
  if (rescue) wake_.notify_all();
  return !ending_ || backlog() > 0;
}

void ThreadPool::execute(Job& job, Random& random) {
  Job::Stage ready = Job::Stage::ready;
  if (job.stage.compare_exchange_strong(ready, Job::Stage::running)) {
    busy_.fetch_add(1, std::memory_order_relaxed);
    job.ended = invoke(job.item, options_.worker_name, job, random);
    busy_.fetch_sub(1, std::memory_order_relaxed);
    const std::int64_t took = job.ended.ran.count();
    const std::int64_t average = average_us_.load(std::memory_order_relaxed);
    average_us_.store(average + (took - average) / 8, std::memory_order_relaxed);
    job.stage.store(Job::Stage::finished, std::memory_order_relaxed);
    push_finished(job);
    announce();
  } else {
    push_finished(job);  // taken back: only to be used again
  }
}

void ThreadPool::push_finished(Job& job) {
  job.next = finished_.load(std::memory_order_relaxed);
  while (!finished_.compare_exchange_weak(job.next, &job)) {
  }
}

void ThreadPool::update_state(Job& job, std::string_view state, Bytes meta) {
  {
    const std::lock_guard lock{updates_mutex_};
    if (job.update_round == updates_round_) {  // nobody saw the last one: it is replaced
      updates_[job.update_index].state = state;
      updates_[job.update_index].meta = std::move(meta);
    } else {
      job.update_round = updates_round_;
      job.update_index = updates_.size();
      updates_.push_back({job.item.token, std::string{state}, std::move(meta)});
    }
    has_updates_.store(true);
  }
  announce();
}

void ThreadPool::announce() {
  if (armed_.load() && armed_.exchange(false)) notify_();
}

}  // namespace baozi::worker
