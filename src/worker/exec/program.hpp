/// \file program.hpp
/// A program that runs for a task: started with its stdin ready, ended with everything that it
/// started. Between it and us stands a guardian (guardian.hpp).
/// Threading: belongs to the thread that made it, and lives on it: when that thread ends, the
/// program does. Safe beside any number of other threads; no descriptor of ours reaches the
/// program.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "worker/exec/guardian.hpp"

namespace baozi::worker::exec {

/// A descriptor that is closed with its owner.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_{fd} {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  [[nodiscard]] int get() const { return fd_; }
  void reset();

 private:
  int fd_ = -1;
};

/// The path of `program`: as it is when it has a slash, else the first executable file of that name
/// in the folders of `path`. nullopt: there is none.
[[nodiscard]] std::optional<std::string> find_program(const std::string& program,
                                                      std::string_view path);

class Program {
 public:
  struct Plan {
    std::string path;
    std::vector<std::string> argv;
    std::vector<std::string> environment;  ///< "NAME=value"
    std::string cwd{};                     ///< empty: the worker's
    std::string_view input{};              ///< empty: its stdin is /dev/null
    bool keeps_output = true;              ///< false: its stdout is /dev/null
  };
  /// \throws std::system_error  when the system gives no descriptor, memory or process.
  explicit Program(const Plan& plan);
  /// Kills what still runs, and waits for it.
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// To be polled and read; they do not block. stdout's is -1 when it is not kept.
  [[nodiscard]] int out() const { return out_.get(); }
  [[nodiscard]] int err() const { return err_.get(); }
  /// Readable once the program, and everything that it started, has ended, or could not start.
  [[nodiscard]] int end() const { return report_.get(); }
  /// nullopt: the guardian was killed, and with it the program.
  [[nodiscard]] std::optional<Report> read_end();

  /// SIGTERM for its process group.
  void ask_to_end() const;
  /// SIGKILL for its process group.
  void kill() const;

 private:
  Descriptor out_, err_, report_;
  pid_t guardian_ = -1;
};

}  // namespace baozi::worker::exec
