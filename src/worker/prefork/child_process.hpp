/// \file child_process.hpp
/// What every process that the fork server makes is, whatever it runs: in a group of its own, bound
/// to the server's life, deaf to signals that are the worker's business, and first in line when
/// memory ends. Threading: the process's first thread, before there are others.
#pragma once
#include <cstdint>
#include <string>

#include <sys/stat.h>
#include <sys/types.h>

#include "worker/ended.hpp"
#include "worker/failure.hpp"

namespace baozi::worker::prefork {

inline constexpr int exit_done = 0;
inline constexpr int exit_unable = 3;
inline constexpr Micros memory_check{10'000};  ///< between looks: one costs some microseconds

/// \param output  becomes stdout and stderr. \param name  what `ps` shows of it, 15 characters.
void enter_child(pid_t server, int output, const std::string& name);
/// What keeps it from running tasks, to stderr; then it ends.
[[noreturn]] void leave_unable(const Failure& why);
/// What this process has in memory by now.
[[nodiscard]] std::uint64_t resident_bytes();
/// The worker knows a task that this process does not: another version of the library.
[[nodiscard]] Ended not_registered(Token token);

/// A descriptor of ours, as long as it is that one still: a task may have closed it, and another
/// file may have got its number.
class OwnDescriptor {
 public:
  explicit OwnDescriptor(int fd) : fd_{fd} { fstat(fd_, &was_); }
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool is_intact() const {
    struct stat now {};
    return fstat(fd_, &now) == 0 && now.st_dev == was_.st_dev && now.st_ino == was_.st_ino &&
           now.st_mode == was_.st_mode;
  }

 private:
  int fd_;
  struct stat was_ {};
};

}  // namespace baozi::worker::prefork
