/// \file mailbox.hpp
/// What a loop and a store's thread hand each other: requests one way, events the other.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace baozi::store {

/// Requests for one thread. Pushing costs a system call only when that thread sleeps.
template <class Request>
class Inbox {
 public:
  /// Dropped after close().
  void push(Request request) {
    bool wake = false;
    {
      const std::lock_guard guard{mutex_};
      if (closed_) return;
      waiting_.push_back(std::move(request));
      some_.store(true, std::memory_order_release);
      wake = sleeping_;
    }
    if (wake) wake_.notify_one();
  }

  /// No more than what is here already; ends every wait.
  void close() {
    {
      const std::lock_guard guard{mutex_};
      closed_ = true;
      some_.store(true, std::memory_order_release);
    }
    wake_.notify_one();
  }

  /// Everything that waits, in order; waits for something first.
  /// \param spin   look this long, yielding, before going to sleep: waking a thread costs 27 us
  /// \param sleep  return with nothing after this long; nullopt: never
  /// \return empty after `sleep`, or when closed and empty
  [[nodiscard]] std::vector<Request> take(std::chrono::microseconds spin,
                                          std::optional<std::chrono::milliseconds> sleep) {
    if (spin.count() > 0) {
      const auto until = std::chrono::steady_clock::now() + spin;
      while (!some_.load(std::memory_order_acquire) && std::chrono::steady_clock::now() < until) {
        std::this_thread::yield();
      }
    }
    std::unique_lock lock{mutex_};
    const auto ready = [this] { return closed_ || !waiting_.empty(); };
    sleeping_ = true;
    if (sleep) {
      wake_.wait_for(lock, *sleep, ready);
    } else {
      wake_.wait(lock, ready);
    }
    sleeping_ = false;
    some_.store(closed_, std::memory_order_relaxed);
    return std::exchange(waiting_, {});
  }

  /// Sleeps; requests do not end it, close() does. Returns whether the inbox is closed.
  bool pause(std::chrono::milliseconds time) {
    std::unique_lock lock{mutex_};
    return wake_.wait_for(lock, time, [this] { return closed_; });
  }

  [[nodiscard]] bool closed() const {
    const std::lock_guard guard{mutex_};
    return closed_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Request> waiting_;
  std::atomic<bool> some_{false};
  bool sleeping_ = false;
  bool closed_ = false;
};

/// Events for a loop, which is told when there are some.
template <class Event>
class Outbox {
 public:
  /// \param notify  called outside the lock, and only when the first event comes after a take()
  explicit Outbox(std::function<void()> notify) : notify_{std::move(notify)} {}

  void push(Event event) {
    bool first = false;
    {
      const std::lock_guard guard{mutex_};
      first = events_.empty();
      events_.push_back(std::move(event));
    }
    if (first && notify_) notify_();
  }

  [[nodiscard]] std::vector<Event> take() {
    const std::lock_guard guard{mutex_};
    return std::exchange(events_, {});
  }

 private:
  std::function<void()> notify_;
  std::mutex mutex_;
  std::vector<Event> events_;
};

}  // namespace baozi::store
