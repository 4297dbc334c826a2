/// \file running.hpp
/// Running: one execution of a task, from its delivery to its outcome, whoever runs it: on a
/// thread's stack, or for as long as a coroutine waits. Threading: of the thread that runs the
/// task.
#pragma once
#include <optional>
#include <string_view>

#include "baozi/registry.hpp"
#include "base/random.hpp"
#include "wire/call_options.hpp"
#include "worker/ended.hpp"
#include "worker/execution.hpp"
#include "worker/invoke.hpp"
#include "worker/task_host.hpp"

namespace baozi::worker {

class Running {
 public:
  /// All of them outlive it. Its time begins here.
  Running(const Start& start, std::string_view worker_name, ExecutionPort& port, Random& random);
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  /// False: it ended before its function was reached (revoked, expired, options that make no
  /// sense), and `end` says how.
  [[nodiscard]] bool begin();
  /// After `begin`; valid as long as this.
  [[nodiscard]] const TaskDefinition& task() const;
  [[nodiscard]] TaskCall call() { return {&facts_, &*host_}; }
  [[nodiscard]] TaskReply& reply() { return reply_; }
  [[nodiscard]] MonoTime began() const { return began_; }
  /// When the next `Context::check` throws SoftTimeLimitExceeded; none: it has, or there is none.
  [[nodiscard]] std::optional<MonoTime> soft_limit_at() const { return host_->soft_limit_at(); }
  /// True once, after that moment: instead of the next check.
  [[nodiscard]] bool soft_limit_strikes() { return host_->soft_limit_strikes(); }
  /// Its outcome, once `reply` is filled in. Call once.
  [[nodiscard]] Ended end();

 private:
  void judge();
  /// STARTED, from where the task runs: what waits in a pool has not started.
  void tell_started();

  const Start& start_;
  const std::string_view worker_name_;
  ExecutionPort& port_;
  Random& random_;
  Ended ended_;
  const MonoTime began_;
  const Result<wire::ExecutionOptions> options_;
  CallFacts facts_;
  TaskReply reply_;
  std::optional<TaskHost> host_;  ///< once it has begun
};

}  // namespace baozi::worker
