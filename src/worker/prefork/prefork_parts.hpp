/// \file prefork_parts.hpp
/// What a PreforkPool is made of, for its own sources only: its slots, the processes behind them,
/// and why a task ended with its process.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>
#include <unistd.h>

#include "worker/prefork/prefork_pool.hpp"

namespace baozi::worker {

using prefork::ChildLink;

struct PreforkPool::Child {
  Child(std::uint64_t unique, std::uint32_t slot_index, int memory)
      : number{unique}, slot{slot_index}, link{memory} {}
  ~Child() {
    if (output >= 0) close(output);
  }

  std::uint64_t number;
  std::uint32_t slot;
  ChildLink link;
  pid_t pid = 0;    ///< 0: not known yet
  int output = -1;  ///< what it writes to stdout and stderr
  std::string line;
  bool dying = false;  ///< SIGKILL was sent, or is to be
  bool leaves = false;
  const char* damage = nullptr;
  int signal_waits = 0;  ///< it is to be sent as soon as there is a process
  MonoTime since{};
  MonoTime release_at{};  ///< of a claimed place; 0: none
  std::uint64_t answered_before = 0;
  MonoTime answered_at{};
};

struct PreforkPool::Slot {
  std::uint32_t index = 0;
  std::unique_ptr<Child> child;
  std::optional<MonoTime> spawn_at;
  int failures = 0;
  std::uint64_t executed = 0;  ///< by children that are gone
};

/// Why what a child had begun has ended.
struct PreforkPool::Charge {
  std::string how;
  std::string traceback;
  std::vector<std::uint64_t> frames;
  bool with_server = false;  ///< all at once, and not by what the task did
  Micros cpu{0};
};

}  // namespace baozi::worker
