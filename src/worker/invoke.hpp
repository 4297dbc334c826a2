/// \file invoke.hpp
/// From a delivery to its outcome: runs the task and says what came of it. What follows from that
/// (retry, dead letter) is the core's decision. Threading: tasks run on the thread that calls.
/// Errors: none; whatever happens is an Ended.
#pragma once
#include <string_view>

#include "base/limits.hpp"
#include "base/random.hpp"
#include "worker/ended.hpp"
#include "worker/execution.hpp"

namespace baozi::worker {

/// The most that a packed return value may have; the rest of its record is id, name and times.
inline constexpr std::size_t value_bytes_max = limits::result_bytes_max - 1'024;

/// The pool's side of one execution.
class ExecutionPort {
 public:
  virtual void update_state(std::string_view state, Bytes meta) = 0;
  /// True once the task shall end early.
  [[nodiscard]] virtual bool revoked() const = 0;

 protected:
  ~ExecutionPort() = default;
};

/// `start.definition` comes from a TaskTable. Types of failures that are made here:
/// `baozi::ArgumentError`, `baozi::ResultTooLarge`; of other ends: `baozi::TaskRevoked` (asked for,
/// or expired), `baozi::Retry`, `baozi::Rejected`.
[[nodiscard]] Ended invoke(const Start& start, std::string_view worker_name, ExecutionPort& port,
                           Random& random);

}  // namespace baozi::worker
