/// \file coroutine_job.hpp
/// What the two sides of a CoroutineRunner share: jobs and the boxes between them.
#pragma once
#include <atomic>
#include <coroutine>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "worker/coroutine/coroutine_runner.hpp"
#include "worker/coroutine/coroutine_work.hpp"
#include "worker/coroutine/descriptor_watch.hpp"
#include "worker/running.hpp"

namespace baozi::worker {

/// One coroutine task. The loop makes it, and destroys it once the thread has let go of it.
struct CoroutineRunner::Job final : ExecutionPort, detail::CoroutineHost {
  /// \param began_at  null: here.
  Job(const Start& start, Work& owner, std::atomic<std::int64_t>* began_at)
      : work{owner}, item{start}, began_us{began_at != nullptr ? *began_at : own_began_us} {}

  void update_state(std::string_view state, Bytes meta) override {
    work.update_state(*this, state, std::move(meta));
  }
  [[nodiscard]] bool revoked() const override {
    return interrupted.load(std::memory_order_relaxed);
  }
  int suspend(std::coroutine_handle<> handle, const detail::CoroutineWait& wait) noexcept override {
    return work.suspend(*this, handle, wait);
  }
  std::shared_ptr<detail::Wakeup> wakeup() override { return work.wakeup(*this); }
  [[nodiscard]] detail::Woken woken() const noexcept override { return woken_by; }

  Work& work;
  Start item;
  Bytes own;  ///< with a hard limit: what the views of `item` point to
  std::atomic<bool> interrupted{false};
  std::atomic<std::int64_t> own_began_us{0};
  std::atomic<std::int64_t>& began_us;  ///< steady clock; 0: it has not started
  bool given_up = false;                ///< the loop's: its end was told

  // The thread's own.
  std::optional<Running> running;
  std::coroutine_handle<> root{};
  std::coroutine_handle<> resume_at{};
  std::uint64_t waits = 0;  ///< that have begun
  bool is_waiting = false;
  detail::Woken woken_by = detail::Woken::ready;
  int fd = -1;                      ///< of this wait
  std::optional<MonoTime> timer{};  ///< of this wait
  std::optional<MonoTime> hard_at{};
  bool expired = false;  ///< it was told that its hard limit has passed

  // Under the outbox' mutex: where its update is that nobody has taken.
  std::uint64_t update_round = 0;
  std::size_t update_index = 0;
};

/// To the runner's thread.
struct CoroutineRunner::Inbox {
  struct Fired {
    Token token{};
    std::uint64_t wait = 0;
  };

  /// Calls `fill` on this, locked, and wakes the thread.
  template <class F>
  void put(F&& fill) {
    const std::lock_guard lock{mutex};
    fill();
    if (!std::exchange(signalled, true)) event.set();
  }

  WakeEvent event;
  std::mutex mutex;
  std::vector<Job*> starts;
  std::vector<Token> interrupts;
  std::vector<Fired> fired;
  bool stopping = false;
  bool signalled = false;
};

/// From the runner's thread.
struct CoroutineRunner::Outbox {
  struct Done {
    Job* job;
    Ended ended;
  };

  explicit Outbox(Pool::Notify wake) : notify{std::move(wake)} {}

  /// Calls `fill` on this, locked, and wakes the loop once.
  template <class F>
  void put(F&& fill) {
    bool tell = false;
    {
      const std::lock_guard lock{mutex};
      fill();
      tell = std::exchange(armed, false);
    }
    if (tell) notify();
  }

  const Pool::Notify notify;
  std::mutex mutex;
  std::vector<Done> done;
  std::vector<StateUpdate> updates;
  std::uint64_t round = 1;  ///< raised whenever the loop takes the updates
  bool armed = true;
};

}  // namespace baozi::worker
