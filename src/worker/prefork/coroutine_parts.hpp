/// \file coroutine_parts.hpp
/// What a CoroutineProcess is made of, for its own sources only.
#pragma once
#include <sys/types.h>

#include "worker/prefork/child_output.hpp"
#include "worker/prefork/coroutine_link.hpp"
#include "worker/prefork/coroutine_process.hpp"

namespace baozi::worker {

struct CoroutineProcess::Child {
  Child(int memory, int socket) : link{memory, socket} {}

  prefork::CoroutineLink link;
  prefork::ChildOutput output;
  std::uint64_t number = 0;
  pid_t pid = 0;  ///< 0: not known yet
  MonoTime since{};
  bool leaves = false;   ///< takes no more, and ends after its last
  bool dying = false;    ///< SIGKILL was sent, or is to be
  bool stuffed = false;  ///< its socket took less than there was
  bool silent = false;   ///< it says nothing any more
  MonoTime silent_since{};
  const char* damage = nullptr;   ///< why it is killed, where nobody knows who is to blame
  const char* hog = nullptr;      ///< why it is killed for one whose end was told
  std::uint64_t warned_step = 0;  ///< the last one that was found too long
};

}  // namespace baozi::worker
