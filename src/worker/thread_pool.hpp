/// \file thread_pool.hpp
/// ThreadPool: tasks on threads of this process; and SoloPool, one thread for all of them.
///
/// Items travel through a ring: the loop appends, threads claim from the front. A claimed item is
/// started only by a compare-and-swap from READY, which the loop can win first (`cancel`). Finished
/// ones go on a stack that the loop empties with one exchange; the first event after each look
/// notifies, the following ones do not. So a task costs no lock, no wake while threads are busy,
/// and nothing ever waits behind a slow task while another thread is free.
///
/// No thread can be ended from outside. A task that outlives its hard limit is given up: its end is
/// told, its thread is left to it and leaves once the task returns, another thread takes the slot.
/// Such a task reads its arguments for longer than the core keeps them, so those with a hard limit
/// run on a copy. Threading: the members are the loop's; see pool.hpp. The destructor waits for the
/// tasks that are running.
#pragma once
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/random.hpp"
#include "worker/pool.hpp"

namespace baozi::worker {

class ThreadPool : public Pool {
 public:
  struct Options {
    std::size_t threads = 1;
    std::string worker_name{};  ///< for Context::worker() and messages
    std::size_t backlog_max =
        4096;                  ///< items that may wait for a thread; rounded up to a power of two
    Micros spin = Micros{50};  ///< how long one idle thread looks for more before it sleeps
  };

  /// Starts the threads. Throws std::system_error when the system gives
  /// no thread.
  ThreadPool(Options options, Notify notify);
  ~ThreadPool() override;
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  std::size_t submit(std::span<const Start> items) override;
  void take_events(PoolEvents& out) override;
  Cancelled cancel(Token token, bool interrupt) override;
  [[nodiscard]] std::size_t capacity() const override { return slots_.size(); }
  [[nodiscard]] std::size_t in_hand() const override { return in_hand_; }
  std::vector<Token> stop(StopMode mode) override;
  std::size_t resize(std::size_t slots) override;
  void restart() override;
  [[nodiscard]] std::vector<SlotStatus> status() const override;
  Terminated terminate(Token token, int signal) override;
  void tick(MonoTime now) override;
  [[nodiscard]] std::optional<MonoTime> next_deadline() const override;
  [[nodiscard]] bool is_busy() const override;

 private:
  struct Job;
  struct Slot;

  // the threads' side
  void work(Slot& slot);
  [[nodiscard]] Job* claim();
  [[nodiscard]] Job* spin_for_work();
  [[nodiscard]] bool sleep_until_work(const Slot& slot);
  void execute(Job& job, Slot& slot, Random& random);
  void push_finished(Job& job);
  void update_state(Job& job, std::string_view state, Bytes meta);
  void announce();

  // the loop's side
  [[nodiscard]] std::unique_ptr<Slot> start_slot(std::size_t index);
  void dismiss(std::unique_ptr<Slot> slot);
  void end_threads();
  [[nodiscard]] Job& free_job();
  void watch_limit(Job& job, MonoTime at);
  void forget_limit(Job& job);
  void give_up(Job& job, Micros ran);
  void wake_some();
  [[nodiscard]] std::uint64_t backlog() const { return tail_.load() - head_.load(); }

  const Options options_;
  const Notify notify_;
  const std::size_t mask_;

  // The loop's own.
  std::vector<std::unique_ptr<Job>> jobs_;
  std::vector<Job*> free_jobs_;
  std::size_t in_hand_ = 0;
  bool accepting_ = true;
  std::vector<std::unique_ptr<Slot>> slots_;    ///< by index: as many as the capacity
  std::vector<std::unique_ptr<Slot>> leaving_;  ///< they end after the task that they are in
  std::vector<Job*> limited_;                   ///< in hand, with a hard limit
  std::optional<MonoTime> check_at_;            ///< no limit is passed before
  std::vector<Ended> given_up_;
  std::vector<std::string> warnings_;

  // The ring: `tail_` is moved by the loop, `head_` by the threads.
  std::unique_ptr<std::atomic<Job*>[]> ring_;
  alignas(64) std::atomic<std::uint64_t> head_{0};
  alignas(64) std::atomic<std::uint64_t> tail_{0};

  // What has happened.
  alignas(64) std::atomic<Job*> finished_{nullptr};
  std::atomic<bool> armed_{true};  ///< the next event notifies
  std::atomic<bool> has_updates_{false};
  std::mutex updates_mutex_;
  std::vector<StateUpdate> updates_;
  std::uint64_t updates_round_ = 1;  ///< raised whenever the loop takes them

  // Sleep and wake.
  alignas(64) std::atomic<std::uint32_t> sleepers_{0};
  std::atomic<std::uint32_t> spinners_{0};
  std::atomic<std::uint32_t> busy_{0};
  std::atomic<std::int64_t> average_us_;
  std::mutex sleep_mutex_;
  std::condition_variable wake_;
  bool watched_ = false;  ///< under sleep_mutex_: one sleeper looks now and then
  bool ending_ = false;   ///< under sleep_mutex_: threads leave once the ring is empty
};

/// Every task on one and the same thread, one after the other, in the order of delivery: for code
/// that is tied to a thread or is not thread-safe. The loop has its own thread still, so heartbeats
/// go on while a task runs.
class SoloPool final : public ThreadPool {
 public:
  SoloPool(Options options, Notify notify)
      : ThreadPool{one_thread(std::move(options)), std::move(notify)} {}

  std::size_t resize(std::size_t) override { return 1; }

 private:
  static Options one_thread(Options options) {
    options.threads = 1;
    return options;
  }
};

}  // namespace baozi::worker
