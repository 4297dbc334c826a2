/// \file pid_file.hpp
/// One process per pid file: while it lives, a second one with the same file is refused; what a
/// dead one left behind is replaced. Threading: made and destroyed by the process that it names,
/// after its last fork for detaching.
#pragma once
#include <string>

namespace baozi::base {

class PidFile {
 public:
  /// Writes our process id into `path` and holds a lock on it.
  /// Throws std::runtime_error when a live process holds the file, when the file is something else
  /// than a pid file (it is left alone), and when it cannot be written.
  explicit PidFile(std::string path);
  /// Removes the file, if it is still ours. A child that was forked from us leaves it.
  ~PidFile();
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

 private:
  std::string path_;
  int descriptor_ = -1;
  int owner_ = 0;
};

}  // namespace baozi::base
