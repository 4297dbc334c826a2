/// \file guardian.hpp
/// The process between the worker and an exec task's program. It is the program's parent, and takes
/// care that nothing which the program started outlives the task: not when the program ends, not
/// when the worker asks, not when the worker dies by `kill -9`, and not when a descendant left the
/// process group (it is the subreaper of all of them).
///
/// Runs in a forked child of a process with many threads, so everything here is async-signal-safe:
/// no allocation, no lock, no C++ runtime.
#pragma once
#include <sys/types.h>

namespace baozi::worker::exec {

/// Everything that was prepared before the fork. Descriptors are 10 or above.
struct Launch {
  const char* program = nullptr;  ///< a path
  char* const* argv = nullptr;
  char* const* envp = nullptr;
  const char* cwd = nullptr;  ///< nullptr: as it is
  int in = -1;
  int out = -1;
  int err = -1;
  int report = -1;   ///< a pipe; packets of `Report`
  pid_t parent = 0;  ///< the worker
};

/// What the guardian tells. One `ended`, or one of the others, then the pipe's end.
struct Report {
  enum class What : int { ended, no_folder, no_program, no_process };
  What what = What::ended;
  int value = 0;  ///< ended: the wait status; otherwise errno
};

/// What the worker may ask the guardian for, as signals: to end the program's group …
inline constexpr int ask_to_end = 15;   ///< SIGTERM: … by SIGTERM
inline constexpr int ask_to_kill = 10;  ///< SIGUSR1: … by SIGKILL

/// Never returns. All signals are blocked on entry.
[[noreturn]] void guard(const Launch& launch);

}  // namespace baozi::worker::exec
