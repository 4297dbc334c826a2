/// \file child.hpp
/// The process that runs tasks: takes one request after the other from its shared memory, runs it,
/// answers, and ends when it has had enough. Threading: one thread; those that tasks start are the
/// tasks' own.
#pragma once
#include <cstdint>
#include <string>

#include <sys/types.h>

#include "worker/task_table.hpp"

namespace baozi::worker::prefork {

struct ChildSetup {
  int memory = -1;  ///< the segment
  int events = -1;  ///< the worker's eventfd; with `coroutines` a socket
  int output = -1;  ///< becomes stdout and stderr: the worker's log
  pid_t server = 0;
  std::uint32_t slot = 0;
  bool coroutines = false;  ///< it runs those (coroutine_child.hpp), and nothing else
  bool is_fork = false;     ///< the server has the same code at the same places
  const TaskTable* tasks = nullptr;
  std::string worker_name;
  std::uint64_t tasks_max = 0;   ///< it ends after so many; 0: never
  std::uint64_t memory_max = 0;  ///< it ends after a task that leaves it larger; 0: never
};

/// Never returns.
[[noreturn]] void run_child(const ChildSetup& setup);

}  // namespace baozi::worker::prefork
