/// \file server_process.hpp
/// The worker's side of its fork server: starts it, as a program of its own, so that it shares no
/// thread, lock or ZeroMQ context with the worker, and can be started again whenever it is lost.
#pragma once
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/time.hpp"
#include "worker/prefork/control.hpp"
#include "worker/prefork/server.hpp"

namespace baozi::worker::prefork {

/// Why tasks could not be loaded, where no library says it: the end of the process follows.
inline constexpr const char* ended_while_loading =
    "the process that loads the tasks ended while it did: ";
inline constexpr const char* loading_takes_too_long = "loading the tasks takes too long";

class ServerProcess {
 public:
  ServerProcess() = default;
  ~ServerProcess() { stop(); }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  /// Starts `program` as a fork server and tells it what to load; its answer will be a packet.
  /// Throws std::system_error.
  void start(const std::string& program, const ServerSetup& setup);
  struct Loaded {
    bool anew = false;  ///< each child will be a program of its own
    Bytes description;  ///< of the tasks (TaskTable::described)
  };
  /// Waits for the first answer. Throws PluginError with the reason why the tasks could not be
  /// loaded.
  [[nodiscard]] Loaded wait_until_ready(Micros patience);
  /// Has it go on where somebody has stopped it (a task, with SIGSTOP). \return whether it had to.
  bool wake_if_stopped() const;
  /// Closes the connection and waits: the server ends with everything that descends from it.
  void stop();
  /// Closes the connection and does not wait: ask `has_ended` from time to time.
  void end();
  [[nodiscard]] bool has_ended();
  /// Ends it by force, with what its libraries and tasks have started. \return how it had ended, if
  /// it had.
  std::string kill();

  [[nodiscard]] int socket() const { return socket_; }  ///< -1: none
  [[nodiscard]] pid_t pid() const { return pid_; }
  bool send(const Packet& packet, const std::vector<int>& descriptors = {}) const {
    return socket_ >= 0 && prefork::send(socket_, packet, descriptors);
  }

 private:
  int socket_ = -1;
  pid_t pid_ = -1;
  std::string mark_;  ///< in the environment of the latest one
};

}  // namespace baozi::worker::prefork
