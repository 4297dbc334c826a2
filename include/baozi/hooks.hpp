/// \file hooks.hpp
/// Room: worker.
/// What runs beside a task's own function: hooks of one task, and middleware around every execution
/// of a worker. Threading: called on the thread that runs the task, by several threads at once for
/// several executions. Errors: what one throws before the task's end is as if the task had thrown
/// it. What a hook throws afterwards makes a success a failure, which is not retried; a failure
/// stays what it was, and its traceback says what the hook threw. A task whose process is killed
/// has no hooks after its start.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "baozi/context.hpp"

namespace baozi {

/// How an execution ended, before the worker has said so to anybody.
struct ExecutionEnd {
  /// success; failure (a rejection included); retry, when it will run again (a snooze included);
  /// revoked; ignored.
  State state = State::pending;
  std::string_view packed_value{};   ///< success: what the function returned, packed
  std::optional<TaskError> error{};  ///< failure, retry, revoked

  /// Of a success; null otherwise.
  [[nodiscard]] Value value() const {
    return packed_value.empty() ? Value{} : unpack<Value>(packed_value);
  }
};

struct TaskHooks {
  std::function<void(Context&)> before_start{};
  std::function<void(Context&, const ExecutionEnd&)> on_success{};
  std::function<void(Context&, const ExecutionEnd&)> on_failure{};  ///< for good
  std::function<void(Context&, const ExecutionEnd&)>
      on_retry{};  ///< it asked, or its policy says so
  std::function<void(Context&, const ExecutionEnd&)> after_return{};  ///< last, whatever the end
};

/// The rest of an execution, for a middleware to run: those behind it, then the task.
class TaskNext {
 public:
  /// Runs it, once. Nothing is thrown: the end is the answer, and counts unless the middleware
  /// throws.
  const ExecutionEnd& operator()() const { return run_(state_); }

  using Run = const ExecutionEnd& (*)(void* state);
  TaskNext(Run run, void* state) : run_{run}, state_{state} {}

 private:
  Run run_;
  void* state_;
};

/// Around an execution: `[](Context& ctx, const TaskNext& next) { Span span{ctx.name()}; next();
/// }`. One that neither calls `next` nor throws has failed the task.
struct TaskMiddleware {
  std::string name;  ///< for error messages
  std::function<void(Context&, const TaskNext&)> around;
};

}  // namespace baozi
