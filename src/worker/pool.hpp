/// \file pool.hpp
/// Pool: what executes tasks beside the loop, threads or processes. It has slots, each of which
/// runs one task at a time. Threading: every member is called by the loop's thread only. A pool
/// calls `notify` from threads of its own.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "worker/ended.hpp"
#include "worker/execution.hpp"

namespace baozi::worker {

/// What has happened in the pool since the loop looked last. A task's updates come before its
/// completion.
struct PoolEvents {
  std::vector<StateUpdate> updates;
  std::vector<Ended> completions;
  std::vector<Token> returned;        ///< asked back, and unstarted after all: they will not start
  std::vector<std::string> warnings;  ///< lines for the log: what an operator should know
  std::vector<std::string> notices;   ///< lines for the log: what tasks wrote to their stdout
  bool tasks_changed = false;         ///< `Pool::tasks` has another table than before
  /// How what `Pool::reload` began has ended: empty, all is new from here on; or why nothing is.
  std::optional<std::string> reloaded;

  void clear() {
    tasks_changed = false;
    reloaded.reset();
    updates.clear();
    completions.clear();
    returned.clear();
    warnings.clear();
    notices.clear();
  }
  [[nodiscard]] bool empty() const {
    return updates.empty() && completions.empty() && returned.empty() && warnings.empty() &&
           notices.empty() && !tasks_changed && !reloaded;
  }
};

enum class StopMode : std::uint8_t {
  drain,      ///< finish everything that was submitted
  hand_back,  ///< finish what has started, give back the rest
  interrupt,  ///< as hand_back, and tell what has started that it is revoked
};

enum class Cancelled : std::uint8_t {
  taken_back,  ///< it had not started, and will not
  running,     ///< too late, or not to be known at once; with `interrupt` the task is told
  unknown,     ///< not in this pool any more
};

enum class Terminated : std::uint8_t {
  taken_back,  ///< it had not started, and will not
  signalled,   ///< the process that runs this very task got the signal
  told,        ///< it runs on a thread, which no signal ends: it was told that it is revoked
  not_here,    ///< not in this pool any more; nobody got a signal
};

/// What one slot does.
struct SlotStatus {
  std::uint32_t index = 0;       ///< from 0, kept by whoever replaces a thread or process
  std::int64_t id = 0;           ///< process id, or thread id; 0 while there is none
  std::optional<Token> token{};  ///< of the task that it runs
  MonoTime since{};              ///< when that task began, or the slot became idle
  std::uint64_t executed = 0;    ///< tasks that ended in this slot
  bool leaving = false;          ///< takes no further task: shrunk away, replaced, or stuck
  bool stuck = false;            ///< … in a task that has failed by its hard limit, and goes on
};

class TaskTable;

/// A process that runs what is beside the slots, many at the same time.
struct ProcessStatus {
  std::int64_t id = 0;         ///< 0: there is none yet
  std::size_t in_flight = 0;   ///< tasks that it has
  std::uint64_t executed = 0;  ///< tasks that ended in it
  MonoTime since{};            ///< when it was asked for
  bool leaving = false;        ///< takes no further task
};

class Pool {
 public:
  /// Wakes the loop. Called from any thread, at most once between two `take_events`.
  using Notify = std::function<void()>;

  virtual ~Pool() = default;

  /// Hands items over, in order. What their views point to stays valid until the item's completion
  /// was taken, or it was taken back. Returns how many were taken: fewer than all only when the
  /// pool is stopping or holds as many items that have not started as it can.
  virtual std::size_t submit(std::span<const Start> items) = 0;
  /// Moves what has happened into `out` (which is cleared first). After this call, the next event
  /// notifies.
  virtual void take_events(PoolEvents& out) = 0;
  /// Takes back an item that has not started. Running: sets `Context::revoked()` when `interrupt`
  /// is true.
  virtual Cancelled cancel(Token token, bool interrupt) = 0;
  /// Tasks that run at the same time.
  [[nodiscard]] virtual std::size_t capacity() const = 0;
  /// Grows or shrinks to `slots`, 1 to `slots_max`; other numbers are moved into that range. What
  /// runs in a slot that goes is finished first. \return the capacity from now on: less than asked
  /// for where the system gives no more (then a warning says why), or where there can be only one.
  virtual std::size_t resize(std::size_t slots) = 0;
  /// Replaces what is behind every slot, each as soon as it is between two tasks. Capacity stays.
  virtual void restart() = 0;
  /// Loads the task libraries anew, beside what runs, and then restarts with them. \return why it
  /// cannot; empty: it has begun, and `PoolEvents::reloaded` tells how it ends.
  virtual std::string reload() {
    return "only a pool of processes (-P prefork) can load task libraries anew: in threads the old "
           "ones stay as long as the worker";
  }
  /// Leaves a `reload` that has not ended: nothing changes, and no event tells of it.
  virtual void abandon_reload() {}
  /// What it can run, where it loads the tasks itself; null: it runs what it is given. A table that
  /// was replaced lives as long as somebody has it.
  [[nodiscard]] virtual std::shared_ptr<const TaskTable> tasks() const { return nullptr; }
  /// In the order of slots; those that leave come last.
  [[nodiscard]] virtual std::vector<SlotStatus> status() const = 0;
  /// What runs beside the slots and takes none of them: coroutines, one entry each.
  [[nodiscard]] virtual std::vector<SlotStatus> beside() const { return {}; }
  /// Processes in which that runs; empty: in this one.
  [[nodiscard]] virtual std::vector<ProcessStatus> processes_beside() const { return {}; }
  /// Ends this task and no other: takes it back if it has not started, or sends the signal to what
  /// runs it. \param signal  SIGTERM, SIGKILL, …
  virtual Terminated terminate(Token token, int signal) = 0;
  /// Call once in each turn of the loop: time limits, slots that ended.
  virtual void tick(MonoTime now) = 0;
  /// When `tick` is due at the latest.
  [[nodiscard]] virtual std::optional<MonoTime> next_deadline() const = 0;
  /// A task runs still, one that was given up included: destroying the pool waits for it.
  [[nodiscard]] virtual bool is_busy() const = 0;
  /// Items submitted whose completion was not taken yet; those taken back do not count.
  [[nodiscard]] virtual std::size_t in_hand() const = 0;
  /// Of them, those that are for slots.
  [[nodiscard]] virtual std::size_t in_slots() const { return in_hand(); }
  /// Takes no more items. Returns at once, with the tokens of what was given back; the rest
  /// completes as ever, and the pool is done when `in_hand()` is 0. May be called again with a
  /// stronger mode.
  virtual std::vector<Token> stop(StopMode mode) = 0;

  /// To be polled beside the notifications: readable when there may be events. -1: there is none.
  [[nodiscard]] virtual int fd() const { return -1; }

  static constexpr std::size_t slots_max = 1'024;
};

}  // namespace baozi::worker
