#include "net/mailbox.hpp"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.hpp"
#include "net/error.hpp"

namespace baozi::net {

Mailbox::Mailbox() : fd_{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)} {
  if (fd_ == -1) throw NetError{std::string{"cannot make an event loop: "} + std::strerror(errno)};
}

Mailbox::~Mailbox() { close(fd_); }

void Mailbox::post(Task task) {
  const std::lock_guard lock{mutex_};
  posted_.push_back(std::move(task));
  if (!sleeping_) return;
  sleeping_ = false;
  signalled_ = true;
  // Under the lock: once the loop has seen the function it may end, and close the descriptor.
  const std::uint64_t one = 1;
  const auto rc = write(fd_, &one, sizeof one);
  BAOZI_ASSERT(rc == sizeof one);
}

bool Mailbox::may_sleep() {
  const std::lock_guard lock{mutex_};
  sleeping_ = posted_.empty();
  return sleeping_;
}

bool Mailbox::run() {
  {
    const std::lock_guard lock{mutex_};
    sleeping_ = false;
    if (signalled_) {
      std::uint64_t count = 0;
      const auto rc = read(fd_, &count, sizeof count);
      BAOZI_ASSERT(rc == sizeof count);
      signalled_ = false;
    }
    running_.swap(posted_);
  }
  for (Task& task : running_) task();
  const bool ran = !running_.empty();
  running_.clear();
  return ran;
}

}  // namespace baozi::net
