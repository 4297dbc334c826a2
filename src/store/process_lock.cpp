#include "store/process_lock.hpp"

#include <array>
#include <cerrno>
#include <mutex>
#include <set>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/system_error.hpp"

namespace baozi::store {
namespace {

struct HeldLocks {
  std::mutex mutex;
  std::set<std::pair<dev_t, ino_t>> files;
};
HeldLocks& held_locks() {
  static HeldLocks held;
  return held;
}

std::string holder(int fd, const struct flock& conflicting) {
  // The kernel's answer is right unless the holder lives in another pid namespace (then 0); the
  // holder's own note in the file may be old, but is written by whoever locked last.
  if (conflicting.l_pid > 0) return " by process " + std::to_string(conflicting.l_pid);
  std::array<char, 24> note{};
  const auto n = ::pread(fd, note.data(), note.size() - 1, 0);
  if (n <= 0) return "";
  std::string text{note.data(), static_cast<std::size_t>(n)};
  return " by process " + text.substr(0, text.find('\n')) + " (as the lock file says)";
}

Unexpected locked(const std::string& path, const std::string& by) {
  return unexpected(Errc::store_locked,
                    "store " + path + " is already open" + by +
                        ": stop that node first, or give this one another file");
}

}  // namespace

Result<ProcessLock> ProcessLock::acquire(const std::string& path) {
  const std::string lock_path = path + ".lock";
  auto& held = held_locks();
  const std::lock_guard guard{held.mutex};

  // Look before opening: closing any descriptor of the file would drop the lock that this process
  // holds.
  struct stat before {};
  if (::stat(lock_path.c_str(), &before) == 0 &&
      held.files.contains({before.st_dev, before.st_ino})) {
    return locked(path, " in this process");
  }
  const int fd = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd < 0) return open_error(lock_path, errno);
  const auto fail = [fd](Unexpected failure) {
    ::close(fd);
    return failure;
  };

  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(fd, F_SETLK, &whole) != 0) {
    const int error = errno;
    if (error != EACCES && error != EAGAIN) return fail(open_error(lock_path, error));
    struct flock other = whole;
    if (::fcntl(fd, F_GETLK, &other) != 0 || other.l_type == F_UNLCK) other.l_pid = 0;
    return fail(locked(path, holder(fd, other)));
  }
  struct stat file {};
  if (::fstat(fd, &file) != 0) return fail(open_error(lock_path, errno));

  // The note is a courtesy to whoever is refused; a full disk must not stop a broker from opening
  // its store.
  const std::string note = std::to_string(::getpid()) + '\n';
  if (::ftruncate(fd, 0) == 0) {
    [[maybe_unused]] const auto written = ::pwrite(fd, note.data(), note.size(), 0);
  }
  held.files.emplace(file.st_dev, file.st_ino);
  return ProcessLock{fd, file.st_dev, file.st_ino};
}

ProcessLock::ProcessLock(ProcessLock&& other) noexcept
    : fd_{std::exchange(other.fd_, -1)}, device_{other.device_}, inode_{other.inode_} {}

ProcessLock::~ProcessLock() {
  if (fd_ < 0) return;
  auto& held = held_locks();
  const std::lock_guard guard{held.mutex};
  held.files.erase({device_, inode_});
  ::close(fd_);
}

}  // namespace baozi::store
