/// \file task_scope.hpp
/// Whether the calling thread is running a task. Who blocks there for another task's result takes a
/// slot from the very workers that it waits for, so `AsyncResult::get` asks. Threading: each thread
/// has its own answer.
#pragma once

namespace baozi::base {

/// Lives as long as a task runs on this thread. May be nested.
class TaskScope {
 public:
  TaskScope();
  ~TaskScope();
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;

  /// A task runs on the calling thread.
  [[nodiscard]] static bool is_active();
};

}  // namespace baozi::base
