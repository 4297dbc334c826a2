/// \file process_lock.hpp
/// One process, and in it one opening, per store file. The lock is a POSIX record lock on
/// `FILE.lock`, which the kernel takes back when its holder dies, kill -9 included. The file stays:
/// unlinking a lock file is a race. (flock would be inherited by a forked child and outlive the
/// parent; a record lock is not. Its known weakness, that one process may lock twice, is closed by
/// a register inside the process.) Threading: acquire and release from any thread.
#pragma once
#include <string>

#include <sys/types.h>

#include "base/result.hpp"

namespace baozi::store {

class ProcessLock {
 public:
  /// \param path  of the store; `path + ".lock"` is created beside it when it is not there.
  /// \return Errc::store_locked     somebody has it; the message names the file and, where it can,
  /// the process. \return Errc::store_read_only  the folder cannot be written. \return
  /// Errc::not_found        the folder does not exist. \return Errc::store_full, Errc::store_failed
  [[nodiscard]] static Result<ProcessLock> acquire(const std::string& path);

  ProcessLock(ProcessLock&& other) noexcept;
  ProcessLock& operator=(ProcessLock&&) = delete;
  ProcessLock(const ProcessLock&) = delete;
  ProcessLock& operator=(const ProcessLock&) = delete;
  ~ProcessLock();

 private:
  ProcessLock(int fd, dev_t device, ino_t inode) : fd_{fd}, device_{device}, inode_{inode} {}
  int fd_ = -1;
  dev_t device_{};
  ino_t inode_{};
};

}  // namespace baozi::store
