/// \file loop.hpp
/// A node's event loop: one thread that owns everything and waits for sockets, descriptors, other
/// threads and a deadline at once. The shell around a core is
///
///     while (!stopped) {
///       loop.wait(core.next_deadline());
///       for (int i = 0; i < frames_per_turn_max && listener.try_receive(in); ++i) …;  // to the
///       core core.turn(now, effects);                                                      // and
///       its effects
///     }
///
/// A turn may leave input unread: the next `wait` then returns at once. What it must not do is to
/// ignore a source for good, since the loop would never sleep.
///
/// Threading: `post` and `wake` from any thread; everything else from the thread that waits.
/// Time: reads the steady clock; deadlines are kept to the microsecond.
#pragma once
#include <functional>
#include <optional>
#include <vector>

#include <poll.h>

#include "base/time.hpp"
#include "net/mailbox.hpp"
#include "net/source.hpp"

namespace baozi::net {

struct LoopOptions {
  /// After traffic, look for more for so long (giving the processor to whoever wants it) before
  /// sleeping: a wake costs some 30 µs. 0 to 50 µs; 0 never spins.
  Micros spin{0};
};

class Loop {
 public:
  explicit Loop(const LoopOptions& options = {});
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Sources must outlive the loop or be removed.
  void add(Source& source);
  void remove(Source& source);
  /// Runs `on_readable` in `wait` when `fd` (a signalfd, an eventfd, …) is readable; it has to read
  /// it.
  void watch(int fd, std::function<void()> on_readable);
  void unwatch(int fd);

  /// Runs `task` on the loop's thread, in its next (or present) `wait`. It must not throw.
  void post(Mailbox::Task task) { mailbox_.post(std::move(task)); }
  /// Makes `wait` return.
  void wake() {
    mailbox_.post([] {});
  }

  /// Returns when a source may have input, a watched descriptor or a posted function was dealt
  /// with, or the deadline has passed. May return early. False when it was the deadline alone.
  bool wait(std::optional<MonoTime> deadline);

 private:
  struct Watch {
    int fd;
    std::function<void()> on_readable;
  };

  [[nodiscard]] bool prepare(MonoTime now);
  [[nodiscard]] std::optional<MonoTime> sooner(std::optional<MonoTime> deadline) const;
  void collect();
  [[nodiscard]] bool is_ready_now();
  [[nodiscard]] bool is_ready_until(std::optional<MonoTime> until);
  void dispatch();

  Micros spin_;
  Mailbox mailbox_;
  std::vector<Source*> sources_;
  std::vector<Watch> watches_;
  // What is polled: the mailbox, the watches, then the descriptors of each source.
  std::vector<pollfd> polled_;
  std::vector<int> fds_;
  std::vector<std::size_t> counts_;  // descriptors of each source
  MonoTime last_poll_{};
  bool traffic_ = false;  // the last wait ended with something to do
};

}  // namespace baozi::net
