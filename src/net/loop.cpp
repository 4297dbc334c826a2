#include "net/loop.hpp"

#include <algorithm>
#include <cerrno>

#include <sched.h>

#include "base/assert.hpp"
#include "base/system_clock.hpp"

namespace baozi::net {
namespace {

constexpr Micros spin_max{50};
// While the sources never run dry, signals and other threads are looked at this often.
constexpr Micros poll_interval_busy{1'000};

}  // namespace

Loop::Loop(const LoopOptions& options) : spin_{std::clamp(options.spin, Micros{0}, spin_max)} {}

void Loop::add(Source& source) { sources_.push_back(&source); }
void Loop::remove(Source& source) { std::erase(sources_, &source); }

void Loop::watch(int fd, std::function<void()> on_readable) {
  watches_.push_back({fd, std::move(on_readable)});
}
void Loop::unwatch(int fd) {
  std::erase_if(watches_, [fd](const Watch& watch) { return watch.fd == fd; });
}

bool Loop::wait(std::optional<MonoTime> deadline) {
  while (true) {
    const MonoTime now = base::mono_now();
    const bool input = prepare(now);
    const bool may_sleep = mailbox_.may_sleep();
    const bool due = deadline && now >= *deadline;
    if (input || !may_sleep || due) {
      if (now - last_poll_ >= poll_interval_busy) {
        collect();
        if (is_ready_now()) dispatch();
        last_poll_ = now;
      }
      const bool ran = mailbox_.run();
      traffic_ = input || ran;
      return traffic_;
    }
    collect();
    const bool ready = is_ready_until(sooner(deadline));
    if (ready) dispatch();
    last_poll_ = now;
    const bool ran = mailbox_.run();
    traffic_ = ready || ran;
    if (traffic_) return true;
  }
}

bool Loop::prepare(MonoTime now) {
  bool input = false;
  for (Source* source : sources_) input = source->prepare_wait(now) || input;
  return input;
}

std::optional<MonoTime> Loop::sooner(std::optional<MonoTime> deadline) const {
  for (const Source* source : sources_) {
    const auto other = source->next_deadline();
    if (other && (!deadline || *other < *deadline)) deadline = other;
  }
  return deadline;
}

void Loop::collect() {
  const auto entry = [](int fd) { return pollfd{fd, POLLIN, 0}; };
  polled_.clear();
  counts_.clear();
  polled_.push_back(entry(mailbox_.fd()));
  for (const Watch& watch : watches_) polled_.push_back(entry(watch.fd));
  for (const Source* source : sources_) {
    fds_.clear();
    source->poll_fds(fds_);
    for (const int fd : fds_) polled_.push_back(entry(fd));
    counts_.push_back(fds_.size());
  }
}

bool Loop::is_ready_now() { return poll(polled_.data(), polled_.size(), 0) > 0; }

bool Loop::is_ready_until(std::optional<MonoTime> until) {
  MonoTime now = base::mono_now();
  if (traffic_ && spin_ > Micros{0}) {
    const MonoTime end = now + spin_;
    while (now < end) {
      if (is_ready_now()) return true;
      sched_yield();
      now = base::mono_now();
    }
  }
  timespec patience{};
  if (until) {
    const auto left = std::max(Micros{0}, *until - now);
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    patience.tv_sec = seconds.count();
    patience.tv_nsec = std::chrono::nanoseconds(left - seconds).count();
  }
  const int rc = ppoll(polled_.data(), polled_.size(), until ? &patience : nullptr, nullptr);
  BAOZI_ASSERT(rc >= 0 || errno == EINTR);
  return rc > 0;
}

void Loop::dispatch() {
  std::size_t next = 1 + watches_.size();
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    for (std::size_t index = 0; index < counts_[i]; ++index, ++next) {
      if (polled_[next].revents != 0) sources_[i]->on_readable(index);
    }
  }
  // A function may watch and unwatch, itself included: the list of those that are ready stands by
  // itself.
  fds_.clear();
  for (std::size_t i = 1; i <= watches_.size(); ++i) {
    if (polled_[i].revents != 0) fds_.push_back(polled_[i].fd);
  }
  for (std::size_t i = 0; i < fds_.size(); ++i) {
    const int fd = fds_[i];
    const auto watch = std::ranges::find(watches_, fd, &Watch::fd);
    if (watch == watches_.end()) continue;
    const auto on_readable = watch->on_readable;
    on_readable();
  }
}

}  // namespace baozi::net
