/// \file coroutine_runner.hpp
/// CoroutineRunner: coroutine tasks, all of them on one thread, which waits in epoll for whatever
/// any of them waits for.
///
/// What threads say to each other goes through two boxes: the loop and whoever ends a wait write to
/// the `Inbox`, the runner's thread to the `Outbox`. A coroutine belongs to the runner's thread
/// from its start to the end of its frame. Threading: the members are the loop's; see pool.hpp. The
/// destructor waits for the coroutine that runs at this moment, and destroys those that wait.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>

#include "worker/pool.hpp"

namespace baozi::worker {

class CoroutineRunner {
 public:
  struct Options {
    std::string worker_name{};
    /// How long one may run without an await before the log says so, and how long after its hard
    /// limit it is given up.
    Micros patience{1'000'000};
  };

  /// Starts the thread. \throws std::system_error
  CoroutineRunner(Options options, Pool::Notify notify);
  ~CoroutineRunner();
  CoroutineRunner(const CoroutineRunner&) = delete;
  CoroutineRunner& operator=(const CoroutineRunner&) = delete;

  /// All of them are taken, unless it is stopping.
  std::size_t submit(std::span<const Start> items);
  /// Appends to `out`.
  void take_events(PoolEvents& out);
  /// See Pool::cancel.
  Cancelled cancel(Token token, bool interrupt);
  std::vector<Token> stop(StopMode mode);
  void tick(MonoTime now);
  [[nodiscard]] std::optional<MonoTime> next_deadline() const;
  /// Those that have started and not ended.
  [[nodiscard]] std::vector<SlotStatus> status() const;
  [[nodiscard]] std::size_t in_hand() const { return in_hand_; }
  /// In hand, or given up and running still.
  [[nodiscard]] bool is_busy() const { return !jobs_.empty(); }

 private:
  struct Job;
  struct Inbox;
  struct Outbox;
  class Wakeup;
  class Work;

  void give_up(Job& job, MonoTime now);

  const Options options_;
  std::shared_ptr<Inbox> inbox_;  // shared with wakeups, which may outlive the runner
  std::unique_ptr<Outbox> outbox_;
  std::unordered_map<Token, std::unique_ptr<Job>> jobs_;  ///< until the runner has let go of them
  std::size_t in_hand_ = 0;
  bool accepting_ = true;
  std::vector<Ended> given_up_;
  std::vector<std::string> warnings_;
  std::optional<MonoTime> look_at_;  ///< when to look whether one holds up the others
  std::uint64_t warned_step_ = 0;    ///< the last one that was found too long
  std::unique_ptr<Work> work_;       ///< the thread's side
  std::thread thread_;
};

}  // namespace baozi::worker
