/// \file pool.hpp
/// Pool: what executes tasks beside the loop. Threads today; processes, behind the same interface,
/// when isolation comes. Threading: every member is called by the loop's thread only. A pool calls
/// `notify` from threads of its own.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "worker/ended.hpp"
#include "worker/execution.hpp"

namespace baozi::worker {

/// What has happened in the pool since the loop looked last. A task's updates come before its
/// completion.
struct PoolEvents {
  std::vector<StateUpdate> updates;
  std::vector<Ended> completions;

  void clear() {
    updates.clear();
    completions.clear();
  }
  [[nodiscard]] bool empty() const { return updates.empty() && completions.empty(); }
};

enum class StopMode : std::uint8_t {
  drain,      ///< finish everything that was submitted
  hand_back,  ///< finish what has started, give back the rest
  interrupt,  ///< as hand_back, and tell what has started that it is revoked
};

enum class Cancelled : std::uint8_t {
  taken_back,  ///< it had not started, and will not
  running,     ///< too late; with `interrupt` the task is told
  unknown,     ///< not in this pool any more
};

class Pool {
 public:
  /// Wakes the loop. Called from any thread, at most once between two `take_events`.
  using Notify = std::function<void()>;

  virtual ~Pool() = default;

  /// Hands items over, in order. What their views point to stays valid until the item's completion
  /// was taken, or it was taken back. Returns how many were taken: fewer than all only when the pool
  /// is stopping or holds as many items that have not started as it can.
  virtual std::size_t submit(std::span<const Start> items) = 0;
  /// Moves what has happened into `out` (which is cleared first). After this call, the next event
  /// notifies.
  virtual void take_events(PoolEvents& out) = 0;
  /// Takes back an item that has not started. Running: sets `Context::revoked()` when `interrupt`
  /// is true.
  virtual Cancelled cancel(Token token, bool interrupt) = 0;
  /// Tasks that run at the same time.
  [[nodiscard]] virtual std::size_t capacity() const = 0;
  /// Items submitted whose completion was not taken yet; those taken back do not count.
  [[nodiscard]] virtual std::size_t in_hand() const = 0;
  /// Takes no more items. Returns at once, with the tokens of what was given back; the rest
  /// completes as ever, and the pool is done when `in_hand()` is 0. May be called again with a
  /// stronger mode.
  virtual std::vector<Token> stop(StopMode mode) = 0;
};

}  // namespace baozi::worker
