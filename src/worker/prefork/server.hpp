/// \file server.hpp
/// The fork server: a process of one thread that loads the task libraries once and forks from
/// there, so that a new child costs a millisecond and shares their memory. It runs no task. It
/// waits for its children, sends them signals (it alone knows for sure that a process id is still
/// theirs), names the addresses of their crashes, and ends with all that descends from it when the
/// worker goes, by whatever way. Where loading starts threads (fork would copy one of them only),
/// each child is a new program that loads the libraries itself.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"

namespace baozi::worker::prefork {

/// What a server is told first.
struct ServerSetup {
  std::vector<std::string> apps;
  std::string worker_name;
  std::uint64_t tasks_max = 0;
  std::uint64_t memory_max = 0;

  [[nodiscard]] Bytes packed() const;
  [[nodiscard]] static ServerSetup unpack(BytesView bytes);
};

/// The arguments by which a program that calls `run_if_asked` becomes a fork server, or a child.
inline constexpr const char* server_argument = "--fork-server";
inline constexpr const char* child_argument = "--fork-server-child";
inline constexpr const char* coroutine_child_argument = "--fork-server-coroutines";
inline constexpr int server_socket = 3;
/// In the environment of a fork server, which takes it out again: what the linker does there at the
/// beginning, it does not do in each child anew.
inline constexpr const char* bind_now_once = "LD_BIND_NOW=baozi";

/// First in `main` of every program that may have a prefork pool: runs the server and returns its
/// exit code when that is what the program was started for, nullopt otherwise.
[[nodiscard]] std::optional<int> run_if_asked(int argc, char** argv);

}  // namespace baozi::worker::prefork
