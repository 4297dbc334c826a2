/// \file prefork_parts.hpp
/// What a PreforkPool is made of, for its own sources only: its slots, the processes behind them,
/// the fork servers that made those, and why a task ended with its process.
#pragma once
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "worker/prefork/child_output.hpp"
#include "worker/prefork/prefork_pool.hpp"
#include "worker/prefork/server_process.hpp"

namespace baozi::worker {

using prefork::ChildLink;

// What epoll gives back: a child's number, a server's with the highest bit, nought for the
// children's bell, or what children beside the slots have.
constexpr std::uint64_t tag_events = 0;
constexpr std::uint64_t tag_server = std::uint64_t{1} << 63U;
constexpr std::uint64_t tag_beside = tag_server - 1;

constexpr const char* loads_anew =
    "loading the tasks starts threads, which a fork does not copy: each child loads them anew, and "
    "crashes are told without a stack";

/// One start of the fork server.
struct PreforkPool::Server {
  std::uint64_t number = 0;
  prefork::ServerProcess process;
  bool up = false;               ///< it has loaded the libraries, and what they bring was taken
  Bytes description;             ///< of it, as far as it has come
  MonoTime patience_ends{};      ///< of loading
  std::optional<MonoTime> ends;  ///< it was told to go, and is ended by force then
};

struct PreforkPool::Child {
  Child(std::uint64_t unique, std::uint32_t slot_index, Server& from, int memory)
      : number{unique}, slot{slot_index}, server{&from}, link{memory} {}

  std::uint64_t number;
  std::uint32_t slot;
  Server* server;  ///< it came from there, and lives no longer than that
  ChildLink link;
  pid_t pid = 0;  ///< 0: not known yet
  prefork::ChildOutput output;
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

}  // namespace baozi::worker
