#include "worker/thread_pool.hpp"

#include <algorithm>
#include <bit>
#include <stdexcept>

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "base/system_clock.hpp"
#include "worker/invoke.hpp"
#include "worker/kept_start.hpp"
#include "worker/signals_blocked.hpp"
#include "worker/time_limit.hpp"

namespace baozi::worker {

namespace {

/// Work that is worth one thread's wake (docs: a wake costs about 27 us).
constexpr std::int64_t worth_a_wake_us = 50;
/// How soon a sleeping thread notices items that wait behind tasks that turned out longer than
/// expected.
constexpr std::chrono::milliseconds watch_period{10};

}  // namespace

/// One place for an item and its outcome, used again and again.
struct ThreadPool::Job final : ExecutionPort {
  enum class Stage : std::uint8_t {
    free,
    ready,
    running,
    cancelled,  ///< taken back
    finished,
    given_up,  ///< its end was told; its thread is in it still
  };
  static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);

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
  Bytes own;                              ///< with a hard limit: what the views of `item` point to
  std::atomic<std::int64_t> began_us{0};  ///< steady clock, once running
  std::size_t limited_at = nowhere;       ///< in limited_
  MonoTime check_at{};                    ///< it cannot pass its hard limit before
  Job* next = nullptr;                    ///< on the stack of finished ones
  std::uint64_t update_round =
      0;  ///< under updates_mutex_: when it has an update that nobody has taken …
  std::size_t update_index = 0;  ///< … and where
};

/// One thread, and what it does.
struct ThreadPool::Slot {
  std::uint32_t index = 0;
  std::atomic<std::int64_t> id{0};
  std::atomic<Job*> job{nullptr};  ///< cleared before that job can be used again
  std::atomic<std::int64_t> since_us{0};
  std::atomic<std::uint64_t> executed{0};
  std::atomic<bool> leaving{false};  ///< set with sleep_mutex_ held
  std::atomic<bool> gone{false};     ///< the thread has nothing more to do than to end
  std::thread thread;
};

ThreadPool::ThreadPool(Options options, Notify notify)
    : options_{std::move(options)},
      notify_{std::move(notify)},
      mask_{std::bit_ceil(std::max<std::size_t>(options_.backlog_max, 2)) - 1},
      ring_{std::make_unique<std::atomic<Job*>[]>(mask_ + 1)},
      average_us_{1'000} {
  if (options_.threads == 0) throw std::invalid_argument{"a pool has one thread or more"};
  try {
    for (std::size_t i = 0; i < options_.threads; ++i) slots_.push_back(start_slot(i));
  } catch (...) {
    end_threads();
    throw;
  }
}

ThreadPool::~ThreadPool() {
  stop(StopMode::hand_back);
  end_threads();
}

// ---- the loop's side: slots

std::unique_ptr<ThreadPool::Slot> ThreadPool::start_slot(std::size_t index) {
  auto slot = std::make_unique<Slot>();
  slot->index = static_cast<std::uint32_t>(index);
  slot->since_us.store(micros(base::mono_now()), std::memory_order_relaxed);
  const SignalsBlocked blocked;
  slot->thread = std::thread{[this, raw = slot.get()] { work(*raw); }};
  return slot;
}

void ThreadPool::end_threads() {
  {
    const std::lock_guard lock{sleep_mutex_};
    ending_ = true;
  }
  wake_.notify_all();
  for (auto* const list : {&slots_, &leaving_}) {
    for (const auto& slot : *list) slot->thread.join();
  }
}

void ThreadPool::dismiss(std::unique_ptr<Slot> slot) {
  {
    const std::lock_guard lock{sleep_mutex_};
    slot->leaving.store(true);
  }
  wake_.notify_all();
  leaving_.push_back(std::move(slot));
}

std::size_t ThreadPool::resize(std::size_t slots) {
  slots = std::clamp<std::size_t>(slots, 1, slots_max);
  while (slots_.size() > slots) {
    dismiss(std::move(slots_.back()));
    slots_.pop_back();
  }
  try {
    while (slots_.size() < slots) slots_.push_back(start_slot(slots_.size()));
  } catch (const std::exception& error) {
    warnings_.push_back("no more than " + std::to_string(slots_.size()) +
                        " threads: " + error.what());
  }
  return slots_.size();
}

void ThreadPool::restart() {
  for (auto& slot : slots_) {
    try {
      auto fresh = start_slot(slot->index);
      dismiss(std::exchange(slot, std::move(fresh)));
    } catch (const std::exception& error) {
      warnings_.push_back("slot " + std::to_string(slot->index) +
                          " keeps its thread: " + error.what());
    }
  }
}

std::vector<SlotStatus> ThreadPool::status() const {
  std::vector<SlotStatus> list;
  for (const auto* const slots : {&slots_, &leaving_}) {
    for (const auto& slot : *slots) {
      if (slot->gone.load()) continue;
      SlotStatus status;
      status.index = slot->index;
      status.id = slot->id.load(std::memory_order_relaxed);
      const Job* const job = slot->job.load(std::memory_order_acquire);
      if (job != nullptr && job->stage.load() == Job::Stage::running) {
        status.token = job->item.token;
      }
      status.since = mono_time(slot->since_us.load(std::memory_order_relaxed));
      status.executed = slot->executed.load(std::memory_order_relaxed);
      status.leaving = slots == &leaving_;
      status.stuck = job != nullptr && job->stage.load() == Job::Stage::given_up;
      list.push_back(status);
    }
  }
  return list;
}

bool ThreadPool::is_busy() const {
  return in_hand_ > 0 || std::any_of(leaving_.begin(), leaving_.end(),
                                     [](const auto& slot) { return slot->job.load() != nullptr; });
}

// ---- the loop's side: hard limits

void ThreadPool::watch_limit(Job& job, MonoTime at) {
  job.check_at = at;
  if (job.limited_at == Job::nowhere) {
    job.limited_at = limited_.size();
    limited_.push_back(&job);
  }
  if (!check_at_ || at < *check_at_) check_at_ = at;
}

void ThreadPool::forget_limit(Job& job) {
  if (job.limited_at == Job::nowhere) return;
  Job* const last = limited_.back();
  limited_[job.limited_at] = last;
  last->limited_at = job.limited_at;
  limited_.pop_back();
  job.limited_at = Job::nowhere;
}

std::optional<MonoTime> ThreadPool::next_deadline() const {
  return limited_.empty() ? std::nullopt : check_at_;
}

void ThreadPool::tick(MonoTime now) {
  std::erase_if(leaving_, [](const auto& slot) {
    if (!slot->gone.load()) return false;
    slot->thread.join();
    return true;
  });
  if (!check_at_ || now < *check_at_) return;
  check_at_.reset();
  for (std::size_t i = 0; i < limited_.size();) {
    Job& job = *limited_[i];
    const bool runs = job.stage.load() == Job::Stage::running;
    const MonoTime began = runs ? mono_time(job.began_us.load(std::memory_order_relaxed)) : now;
    if (runs && now >= began + job.item.time_limit) {
      give_up(job, now - began);
      if (i < limited_.size() && limited_[i] == &job) ++i;  // it ended at this very moment
    } else {
      watch_limit(job, began + job.item.time_limit);
      ++i;
    }
  }
}

/// The task's end is told, its slot gets another thread.
void ThreadPool::give_up(Job& job, Micros ran) {
  Job::Stage running = Job::Stage::running;
  if (!job.stage.compare_exchange_strong(running, Job::Stage::given_up)) return;
  forget_limit(job);
  job.interrupted.store(true, std::memory_order_relaxed);  // it may look, and end, later
  given_up_.push_back(
      time_limit_exceeded(job.item, ran, "its thread cannot be ended and was replaced"));
  const auto found = std::find_if(slots_.begin(), slots_.end(),
                                  [&](const auto& slot) { return slot->job.load() == &job; });
  std::string where = "a thread that was to leave";
  if (found != slots_.end()) {
    where = "the thread of slot " + std::to_string((*found)->index);
    try {
      auto fresh = start_slot((*found)->index);
      dismiss(std::exchange(*found, std::move(fresh)));
    } catch (const std::exception& error) {
      where.append(" (not replaced: ").append(error.what()).append(")");
      dismiss(std::move(*found));
      slots_.erase(found);
    }
  }
  const auto stuck = std::count_if(leaving_.begin(), leaving_.end(), [](const auto& slot) {
    const Job* const in = slot->job.load();
    return in != nullptr && in->stage.load() == Job::Stage::given_up;
  });
  warnings_.push_back(
      "task " + std::string{job.item.name} + " is still running after its time limit of " +
      base::to_text(job.item.time_limit) + ": it failed, and " + where + " is left to it; " +
      std::to_string(stuck) + " such threads now, which only a restart of the worker ends");
}

// ---- the loop's side: items

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
    if (item.time_limit > Micros{0} && !definition_of(item.definition).keeps_time_limit()) {
      keep_start(job.item, job.own);
      watch_limit(job, base::mono_now() + item.time_limit);
    }
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
    forget_limit(job);
    job.stage.store(Job::Stage::free, std::memory_order_relaxed);
    free_jobs_.push_back(&job);
  }
  std::reverse(out.completions.begin(), out.completions.end());  // the stack had the latest on top
  in_hand_ -= given_up_.size();
  for (Ended& ended : given_up_) out.completions.push_back(std::move(ended));
  given_up_.clear();
  out.warnings.swap(warnings_);
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
    if (job->item.token != token || stage == Job::Stage::free || stage == Job::Stage::cancelled ||
        stage == Job::Stage::given_up)
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

Terminated ThreadPool::terminate(Token token, int) {
  switch (cancel(token, true)) {
    case Cancelled::taken_back: return Terminated::taken_back;
    case Cancelled::running: return Terminated::told;
    case Cancelled::unknown: break;
  }
  return Terminated::not_here;
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

void ThreadPool::work(Slot& slot) {
  const std::string name = "bz-task-" + std::to_string(slot.index);
  slot.id.store(gettid(), std::memory_order_relaxed);
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
  Random random{entropy64()};
  while (!slot.leaving.load(std::memory_order_relaxed)) {
    Job* job = claim();
    if (job == nullptr) job = spin_for_work();
    if (job != nullptr) {
      execute(*job, slot, random);
    } else if (!sleep_until_work(slot)) {
      break;
    }
  }
  if (backlog() > 0) wake_.notify_one();  // a wake that was meant for it
  slot.gone.store(true);
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
bool ThreadPool::sleep_until_work(const Slot& slot) {
  std::unique_lock lock{sleep_mutex_};
  sleepers_.fetch_add(1);
  bool rescue = false;
  while (backlog() == 0 && !ending_ && !slot.leaving.load(std::memory_order_relaxed)) {
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

void ThreadPool::execute(Job& job, Slot& slot, Random& random) {
  Job::Stage ready = Job::Stage::ready;
  const std::int64_t now_us = micros(base::mono_now());
  job.began_us.store(now_us, std::memory_order_relaxed);  // before anybody can see it run
  if (job.stage.compare_exchange_strong(ready, Job::Stage::running)) {
    slot.since_us.store(now_us, std::memory_order_relaxed);
    slot.job.store(&job, std::memory_order_release);
    busy_.fetch_add(1, std::memory_order_relaxed);
    job.ended = invoke(job.item, options_.worker_name, job, random);
    busy_.fetch_sub(1, std::memory_order_relaxed);
    slot.executed.fetch_add(1, std::memory_order_relaxed);
    const std::int64_t took = job.ended.ran.count();
    slot.since_us.store(now_us + took, std::memory_order_relaxed);
    const std::int64_t average = average_us_.load(std::memory_order_relaxed);
    average_us_.store(average + (took - average) / 8, std::memory_order_relaxed);
    slot.job.store(nullptr, std::memory_order_release);
    Job::Stage running = Job::Stage::running;
    const bool in_time = job.stage.compare_exchange_strong(running, Job::Stage::finished);
    push_finished(job);
    if (in_time) announce();
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
  if (job.stage.load() != Job::Stage::running) return;  // given up: its end was told
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
