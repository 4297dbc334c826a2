/// \file helm.hpp
/// Who runs the App's event loop: one thread at a time. A thread that waits for a result takes the
/// helm itself, so that the result wakes the very thread that wants it (one wake less, some 30 µs
/// of a round trip); when nobody waits, a thread in the background does it.
///
/// The first of several waiting threads steers, the others sleep until their own event happens or
/// it is their turn to steer. A thread that leaves after a short wait does not wake the background
/// thread: that one looks by itself a millisecond later, and by then the same caller is mostly
/// back. Threading: any thread.
#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <thread>

#include "base/time.hpp"

namespace baozi::client {

class Helm;

/// A thread that waits for one of several events. Lives on that thread's stack.
class Waiter {
 public:
  explicit Waiter(Helm& helm, std::size_t events = 1) : helm_{helm}, left_{events} {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  [[nodiscard]] bool is_done() const { return left_.load(std::memory_order_acquire) == 0; }
  /// One of the events happened; the last one ends the wait.
  void tell(std::size_t index);
  /// Of the event that was told last.
  [[nodiscard]] std::size_t index() const { return index_.load(std::memory_order_acquire); }

 private:
  friend class Helm;
  Helm& helm_;
  std::atomic<std::size_t> left_;
  std::atomic<std::size_t> index_{0};
  std::condition_variable wake_;  // with the helm's mutex
  bool is_asleep_ = false;        // guarded by it
};

class Helm {
 public:
  /// What is steered. Called by one thread at a time.
  struct Vessel {
    /// One turn that does what there is and does not wait.
    std::function<void()> turn;
    /// Waits for something to do, at most until then, and does it.
    std::function<void(std::optional<MonoTime> until)> wait_and_turn;
    /// Makes `wait_and_turn` return soon; from any thread.
    std::function<void()> interrupt;
    /// Another thread is about to steer. Called by the one that leaves.
    std::function<void()> hand_over;
  };

  explicit Helm(Vessel vessel) : vessel_{std::move(vessel)} {}
  ~Helm() { stop(); }

  /// Starts the background thread. \throws std::system_error
  void start();
  /// Ends the background thread. Waiting threads go on steering.
  void stop();

  /// Whether a waiting thread steers, or leaves that to others.
  enum class Steering : std::uint8_t { yes, no };
  /// Returns when the waiter is done (true) or the deadline has passed.
  bool wait(Waiter& waiter, std::optional<MonoTime> deadline, Steering steering = Steering::yes);
  /// Something was put in: it is taken up soon. While nobody steers, by this thread, at once.
  void nudge();
  /// Runs `work` while nobody steers.
  void alone(const std::function<void()>& work);

 private:
  enum class Driver : std::uint8_t { nobody, background, waiter };
  void background();
  /// Comes with the lock and gives it back.
  void take(std::unique_lock<std::mutex>& lock, Driver driver);
  /// Comes without the lock and takes it.
  void leave(std::unique_lock<std::mutex>& lock);
  void pass_on();
  void sleep(Waiter& waiter, std::unique_lock<std::mutex>& lock, std::optional<MonoTime> deadline,
             Steering steering);

  Vessel vessel_;
  std::mutex mutex_;
  std::condition_variable turnover_;     // the background thread waits here
  std::condition_variable calm_;         // `alone` waits here
  std::list<Waiter*> asleep_;            // guarded by mutex_: those that would steer, oldest first
  Driver driver_ = Driver::nobody;       // guarded by mutex_
  std::atomic<bool> is_steered_{false};  // driver_ != nobody, to be looked at without the mutex
  std::atomic<bool> give_way_{false};    // somebody wants the helm of the background thread
  bool stopping_ = false;                // guarded by mutex_
  int wants_alone_ = 0;                  // guarded by mutex_
  MonoTime left_at_{};                   // guarded by mutex_: when the last waiter left
  Micros background_look_{};  // guarded by mutex_: how far apart the background thread looks
  std::atomic<std::int64_t> last_nudge_{0};
  std::thread thread_;

  friend class Waiter;
};

}  // namespace baozi::client
