/// \file coroutine_pool.hpp
/// CoroutinePool: what runs coroutine tasks beside a pool's slots: a thread of the worker
/// (CoroutineRunner), or a process of its own (prefork/coroutine_process.hpp). Its members are
/// those of a Pool; where nothing else is said they mean the same. Threading: the loop's.
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "worker/pool.hpp"

namespace baozi::worker {

class CoroutinePool {
 public:
  virtual ~CoroutinePool() = default;

  /// All of them are taken, unless it is stopping.
  virtual std::size_t submit(std::span<const Start> items) = 0;
  /// Appends to `out`.
  virtual void take_events(PoolEvents& out) = 0;
  virtual Cancelled cancel(Token token, bool interrupt) = 0;
  virtual std::vector<Token> stop(StopMode mode) = 0;
  virtual void restart() = 0;
  virtual void tick(MonoTime now) = 0;
  [[nodiscard]] virtual std::optional<MonoTime> next_deadline() const = 0;
  /// Those that have started and not ended.
  [[nodiscard]] virtual std::vector<SlotStatus> status() const = 0;
  /// Those that run them; empty: this one.
  [[nodiscard]] virtual std::vector<ProcessStatus> processes() const = 0;
  [[nodiscard]] virtual std::size_t in_hand() const = 0;
  [[nodiscard]] virtual bool is_busy() const = 0;
};

/// For the log, of one that does not let others have their turn.
[[nodiscard]] std::string hog_warning(const Start& hog, Micros span);

}  // namespace baozi::worker
