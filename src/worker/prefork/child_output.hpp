/// \file child_output.hpp
/// What a child writes to stdout and stderr, line by line, for the worker's log: of one task no
/// more than of a program (exec/supervise.hpp). Threading: the loop's.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace baozi::worker::prefork {

class ChildOutput {
 public:
  ChildOutput() = default;
  ~ChildOutput();
  ChildOutput(const ChildOutput&) = delete;
  ChildOutput& operator=(const ChildOutput&) = delete;

  /// Makes the pipe. \return its other end, the caller's to close. Throws std::system_error.
  [[nodiscard]] int open();
  /// To be polled; -1: nobody can write to it any more.
  [[nodiscard]] int fd() const { return fd_; }
  /// Appends whole lines to `lines`, each after `prefix`; with `last` what is left, too.
  /// \param task  a number that changes with the task; what had been written by then is counted to
  /// the one before.
  void read(bool last, std::uint64_t task, const std::string& prefix,
            std::vector<std::string>& lines);

 private:
  int fd_ = -1;
  std::string line_;
  std::uint64_t task_ = 0;
  std::size_t logged_ = 0;  ///< of it
};

}  // namespace baozi::worker::prefork
