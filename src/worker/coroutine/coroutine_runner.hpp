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

#include "worker/coroutine/coroutine_pool.hpp"
#include "worker/coroutine/coroutine_step.hpp"
#include "worker/pool.hpp"

namespace baozi::worker {

class CoroutineRunner final : public CoroutinePool {
 public:
  struct Options {
    std::string worker_name{};
    /// How long one may run without an await before the log says so, and how long after its hard
    /// limit it is given up.
    Micros patience{1'000'000};
    std::function<void()> on_thread{};  ///< called by its thread, first
    CoroutineStep* step = nullptr;      ///< where it notes who runs; null: with itself
    /// Where it notes the moment at which this one begins (steady clock; 0: it has not), before
    /// any of its code runs. Called in `submit`; null: with itself.
    std::function<std::atomic<std::int64_t>*(Token)> began_at{};
  };

  /// Starts the thread. \throws std::system_error
  CoroutineRunner(Options options, Pool::Notify notify);
  ~CoroutineRunner() override;
  CoroutineRunner(const CoroutineRunner&) = delete;
  CoroutineRunner& operator=(const CoroutineRunner&) = delete;

  std::size_t submit(std::span<const Start> items) override;
  void take_events(PoolEvents& out) override;
  Cancelled cancel(Token token, bool interrupt) override;
  std::vector<Token> stop(StopMode mode) override;
  /// Its thread is the only one: it stays.
  void restart() override {}
  /// Looks whether one holds up the others, and gives it up after its hard limit. Where nobody
  /// calls this somebody else does so.
  void tick(MonoTime now) override;
  [[nodiscard]] std::optional<MonoTime> next_deadline() const override;
  [[nodiscard]] std::vector<SlotStatus> status() const override;
  [[nodiscard]] std::vector<ProcessStatus> processes() const override { return {}; }
  [[nodiscard]] std::size_t in_hand() const override { return in_hand_; }
  /// In hand, or given up and running still.
  [[nodiscard]] bool is_busy() const override { return !jobs_.empty(); }

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
