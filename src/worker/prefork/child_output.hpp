/// \file child_output.hpp
/// What a child writes to stdout and stderr, line by line, for the worker's log. Threading: the
/// loop's.
#pragma once
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
  void read(bool last, const std::string& prefix, std::vector<std::string>& lines);

 private:
  int fd_ = -1;
  std::string line_;
};

}  // namespace baozi::worker::prefork
