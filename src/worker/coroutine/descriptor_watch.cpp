#include "worker/coroutine/descriptor_watch.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <system_error>
#include <utility>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace baozi::worker {

namespace {
std::uint32_t events_for(bool write) { return write ? EPOLLOUT : (EPOLLIN | EPOLLRDHUP); }
}  // namespace

WakeEvent::WakeEvent() : fd_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
  if (fd_ < 0) throw std::system_error{errno, std::generic_category(), "eventfd"};
}
WakeEvent::~WakeEvent() { close(fd_); }

void WakeEvent::set() noexcept {
  const std::uint64_t one = 1;
  (void)!write(fd_, &one, sizeof one);  // it cannot fail but by being set already
}
void WakeEvent::clear() noexcept {
  std::uint64_t count = 0;
  (void)!read(fd_, &count, sizeof count);
}

DescriptorWatch::DescriptorWatch(WakeEvent& wake)
    : wake_{wake}, epoll_{epoll_create1(EPOLL_CLOEXEC)} {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wake_.fd();
  if (epoll_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_.fd(), &event) != 0) {
    const int why = errno;
    if (epoll_ >= 0) close(epoll_);
    throw std::system_error{why, std::generic_category(), "epoll"};
  }
}
DescriptorWatch::~DescriptorWatch() { close(epoll_); }

int DescriptorWatch::tell(int fd, Watched& watched) {
  std::uint32_t wanted = 0;
  for (const Waiter& one : watched.waiters) wanted |= events_for(one.write);
  epoll_event event{};
  event.data.fd = fd;
  event.events = wanted;
  const std::uint32_t before = std::exchange(watched.events, wanted);
  if (wanted == 0) {
    epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);  // it fails when the descriptor was closed
    return 0;
  }
  // Closed and opened again under the same number it is another one, which the kernel does not
  // know, or one that it knows by another name.
  const int first = before == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  if (epoll_ctl(epoll_, first, fd, &event) == 0) return 0;
  if (errno != ENOENT && errno != EEXIST) return errno;
  const int other = first == EPOLL_CTL_ADD ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  return epoll_ctl(epoll_, other, fd, &event) == 0 ? 0 : errno;
}

DescriptorWatch::Added DescriptorWatch::add(int fd, bool write, Token who) {
  if (fd < 0 || fd == epoll_ || fd == wake_.fd()) {
    errno = EBADF;
    return Added::refused;
  }
  Watched& watched = watched_[fd];
  watched.waiters.push_back({who, write});
  const int failed = tell(fd, watched);
  if (failed == 0) return Added::waits;
  watched.waiters.pop_back();
  if (watched.waiters.empty()) watched_.erase(fd);
  errno = failed;
  return failed == EPERM ? Added::ready : Added::refused;
}

void DescriptorWatch::remove(int fd, Token who) {
  const auto found = watched_.find(fd);
  if (found == watched_.end()) return;
  auto& waiters = found->second.waiters;
  std::erase_if(waiters, [&](const Waiter& one) { return one.who == who; });
  (void)tell(fd, found->second);
  if (waiters.empty()) watched_.erase(found);
}

void DescriptorWatch::wait(std::optional<Micros> timeout, std::vector<Token>& ready) {
  int milliseconds = -1;
  if (timeout) {  // rounded up: not to look again and again within the last millisecond
    milliseconds =
        static_cast<int>(std::clamp<std::int64_t>((timeout->count() + 999) / 1'000, 0, INT_MAX));
  }
  std::array<epoll_event, 256> events;
  const int count = epoll_wait(epoll_, events.data(), events.size(), milliseconds);
  for (int i = 0; i < count; ++i) {
    const int fd = events[static_cast<std::size_t>(i)].data.fd;
    const std::uint32_t what = events[static_cast<std::size_t>(i)].events;
    if (fd == wake_.fd()) {
      wake_.clear();
      continue;
    }
    const auto found = watched_.find(fd);
    if (found == watched_.end()) continue;
    const bool broken = (what & (EPOLLERR | EPOLLHUP)) != 0;
    for (const Waiter& one : found->second.waiters) {
      if (broken || (what & events_for(one.write)) != 0) ready.push_back(one.who);
    }
  }
}

}  // namespace baozi::worker
