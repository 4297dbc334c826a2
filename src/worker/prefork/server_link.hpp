/// \file server_link.hpp
/// A pool's way to its fork server, as it lies open to those who have children beside the pool's
/// slots. Threading: the loop's.
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "worker/ended.hpp"
#include "worker/execution.hpp"
#include "worker/prefork/control.hpp"

namespace baozi::worker::prefork {

/// Why what a child had begun has ended.
struct Charge {
  std::string how;
  std::vector<std::uint64_t> frames{};  ///< of the crash, innermost first; empty: not known
  bool with_server = false;             ///< all at once, and not by what the task did
};

/// How long to wait before what failed so often is tried again.
[[nodiscard]] inline Micros backoff(int failures) {
  constexpr Micros first{100'000};
  constexpr Micros most{10'000'000};
  return std::min(first * (1 << std::min(failures, 10)), most);
}

class ServerLink {
 public:
  class User {
   public:
    /// A server has come up: children come from it now.
    virtual void on_server_up(MonoTime now) = 0;
    /// `spawned`, `failed` or `exited`, of one of its children.
    virtual void on_packet(const Packet& packet, MonoTime now) = 0;
    /// The server of this child was lost, and the child with it.
    virtual void on_server_lost(std::uint64_t child, MonoTime now) = 0;

   protected:
    ~User() = default;
  };

  /// Has the loop wake up whenever `poll_set` is readable. Once, before anything else.
  virtual void report_to(User& user, int poll_set) = 0;
  /// Has a coroutine child made. \return its number; nullopt: there is no server now.
  [[nodiscard]] virtual std::optional<std::uint64_t> spawn(int memory, int socket, int output) = 0;
  /// Sends a signal to a child's process group.
  virtual void kill(std::uint64_t child, int signal) = 0;
  /// In `on_packet`, of a child that has exited: tells the end of a task that cost its process,
  /// once the stack of that has its names. From then on it is the pool's: `start` stays valid
  /// until the end was taken.
  virtual void lose(std::uint64_t child, const Start& start, const Charge& how, Micros ran,
                    MonoTime now) = 0;
  /// Tells the end of a task whose stack is addresses still (trace_names.hpp), once they have their
  /// names. From then on it is the pool's.
  virtual void finish(std::uint64_t child, Ended ended, MonoTime now) = 0;

 protected:
  ~ServerLink() = default;
};

}  // namespace baozi::worker::prefork
