/// \file lost.hpp
/// How a child was lost, in words: for the result of the task that it was in, and for the log.
#pragma once
#include <string>

#include <sys/types.h>

#include "worker/execution.hpp"
#include "worker/prefork/control.hpp"
#include "worker/prefork/crash.hpp"

namespace baozi::worker {

namespace prefork {

struct Loss {
  int status = 0;  ///< as wait4 gave it
  pid_t pid = 0;
  Usage usage{};
  CrashReport crash{};
  bool by_worker = false;        ///< it had sent the signal
  const char* damage = nullptr;  ///< why the worker killed it; nullptr: it did not
};

/// "killed by signal 11 (Segmentation fault) at address 0x0; process 4711, 12ms of processor time,
/// 8 MiB at its peak"
[[nodiscard]] std::string how_it_was_lost(const Loss& loss);

}  // namespace prefork

/// A task's id, for logs.
[[nodiscard]] std::string start_text(const Start& start);

}  // namespace baozi::worker
