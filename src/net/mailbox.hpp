/// \file mailbox.hpp
/// What other threads want done on the loop's thread: functions, run in the order of posting.
/// Threading: `post` from any thread; the rest from the loop's.
#pragma once
#include <functional>
#include <mutex>
#include <vector>

namespace baozi::net {

class Mailbox {
 public:
  using Task = std::function<void()>;

  /// \throws NetError  when no file descriptor is left.
  Mailbox();
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  /// Wakes the loop only when it sleeps, so that a thousand posts cost one wake.
  void post(Task task);

  /// The loop is about to block. False when there is something to run first.
  [[nodiscard]] bool may_sleep();
  /// Runs what was posted. What a function posts in turn is run the next time. True when there was
  /// something.
  bool run();
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
  std::mutex mutex_;
  std::vector<Task> posted_;  // guarded by mutex_
  bool sleeping_ = false;     // guarded by mutex_
  bool signalled_ = false;    // guarded by mutex_: fd_ holds a wake
  std::vector<Task> running_;
};

}  // namespace baozi::net
