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

class ServerProcess {
 public:
  ServerProcess() = default;
  ~ServerProcess() { stop(); }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  /// Starts `program` as a fork server and tells it what to load; its answer will be a packet.
  /// Throws std::system_error.
  void start(const std::string& program, const ServerSetup& setup);
  /// Waits for the first answer. Throws PluginError with the reason why the tasks could not be
  /// loaded. \return true when each child will be a program of its own.
  bool wait_until_ready(Micros patience);
  /// Has it go on where somebody has stopped it (a task, with SIGSTOP). \return whether it had to.
  bool wake_if_stopped() const;
  /// Closes the connection and waits: the server ends with everything that descends from it.
  void stop();
  /// Of one that was killed: what it could not end any more.
  void end_leftovers();

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
