/// \file task_host.hpp
/// TaskHost: the worker's side of a running task's Context. Threading: of the thread that runs it.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "baozi/registry.hpp"
#include "base/random.hpp"
#include "wire/call_options.hpp"
#include "worker/execution.hpp"
#include "worker/invoke.hpp"

namespace baozi::worker {

class TaskHost final : public ContextHost {
 public:
  /// All of them outlive it.
  TaskHost(const Start& start, const wire::ExecutionOptions& options, const TaskDefinition& task,
           ExecutionPort& port, Random& random, MonoTime begin)
      : start_{start}, options_{options}, task_{task}, port_{port}, random_{random} {
    if (start.soft_time_limit > Micros{0}) soft_limit_at_ = begin + start.soft_time_limit;
  }

  void update_state(std::string_view state, std::string meta) override;
  std::string follow_up(FollowUp task) override;
  [[nodiscard]] bool revoked() const override { return port_.revoked(); }
  [[nodiscard]] int max_retries() const override;
  [[nodiscard]] bool soft_limit_strikes() override;

  /// None: there is none, or it has struck.
  [[nodiscard]] std::optional<MonoTime> soft_limit_at() const { return soft_limit_at_; }
  /// The packed array of what was enqueued; empty when nothing was.
  [[nodiscard]] Bytes follow_ups() const;

 private:
  const Start& start_;
  const wire::ExecutionOptions& options_;
  const TaskDefinition& task_;
  ExecutionPort& port_;
  Random& random_;
  std::optional<MonoTime> soft_limit_at_;
  Bytes packed_;
  std::size_t count_ = 0;
};

}  // namespace baozi::worker
