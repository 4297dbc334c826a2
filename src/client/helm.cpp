#include "client/helm.hpp"

#include <algorithm>
#include <csignal>

#include <pthread.h>

#include "base/system_clock.hpp"

namespace baozi::client {

namespace {
constexpr Micros grace{1'000};        // after a waiter left: it is mostly back within this
constexpr Micros look_max{50'000};    // how seldom the background thread looks while others steer
constexpr Micros nudge_interval{20};  // closer ones leave together
}  // namespace

void Waiter::tell(std::size_t index) {
  std::size_t left = left_.load(std::memory_order_acquire);
  do {
    if (left == 0) return;
    if (left == 1) index_.store(index, std::memory_order_release);
  } while (!left_.compare_exchange_weak(left, left - 1, std::memory_order_acq_rel));
  if (left != 1) return;
  const std::lock_guard lock{helm_.mutex_};
  if (is_asleep_) wake_.notify_one();
}

void Helm::start() {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all,
                  &before);  // signals are the application's own threads' business
  thread_ = std::thread{[this] { background(); }};
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread_.native_handle(), "baozi-app");
}

void Helm::stop() {
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
    if (driver_ == Driver::background) {
      give_way_.store(true);
      vessel_.interrupt();
    }
    turnover_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

bool Helm::wait(Waiter& waiter, std::optional<MonoTime> deadline, Steering steering) {
  if (waiter.is_done()) return true;
  std::unique_lock lock{mutex_};
  while (!waiter.is_done() && !(deadline && base::mono_now() >= *deadline)) {
    if (steering == Steering::yes && driver_ == Driver::nobody && wants_alone_ == 0) {
      take(lock, Driver::waiter);
      while (!waiter.is_done() && !give_way_.load(std::memory_order_relaxed) &&
             !(deadline && base::mono_now() >= *deadline)) {
        vessel_.wait_and_turn(deadline);
      }
      leave(lock);
      left_at_ = base::mono_now();
      continue;
    }
    if (steering == Steering::yes && driver_ == Driver::background) {
      if (!give_way_.exchange(true)) vessel_.interrupt();
    } else if (steering == Steering::no && driver_ == Driver::nobody) {
      left_at_ = {};  // the background thread is to take over at once
      turnover_.notify_one();
    }
    sleep(waiter, lock, deadline, steering);
  }
  pass_on();
  return waiter.is_done();
}

void Helm::sleep(Waiter& waiter, std::unique_lock<std::mutex>& lock,
                 std::optional<MonoTime> deadline, Steering steering) {
  const auto place =
      steering == Steering::yes ? asleep_.insert(asleep_.end(), &waiter) : asleep_.end();
  waiter.is_asleep_ = true;
  if (deadline) {
    waiter.wake_.wait_for(lock, *deadline - base::mono_now());
  } else {
    waiter.wake_.wait(lock);
  }
  waiter.is_asleep_ = false;
  if (steering == Steering::yes) asleep_.erase(place);
}

void Helm::take(std::unique_lock<std::mutex>& lock, Driver driver) {
  driver_ = driver;
  is_steered_.store(true);
  give_way_.store(false);
  lock.unlock();
}

void Helm::leave(std::unique_lock<std::mutex>& lock) {
  vessel_.hand_over();
  lock.lock();
  driver_ = Driver::nobody;
  is_steered_.store(false);
  pass_on();
}

/// With nobody at the helm: whose turn is it?
void Helm::pass_on() {
  if (driver_ != Driver::nobody) return;
  if (wants_alone_ > 0) {
    calm_.notify_all();
  } else if (!asleep_.empty()) {
    asleep_.front()->wake_.notify_one();
  } else if (background_look_ > grace) {
    turnover_.notify_one();
  }
}

void Helm::background() {
  std::unique_lock lock{mutex_};
  while (!stopping_) {
    const bool free = driver_ == Driver::nobody && asleep_.empty() && wants_alone_ == 0;
    if (free && base::mono_now() - left_at_ >= grace) {
      take(lock, Driver::background);
      while (!give_way_.load(std::memory_order_relaxed)) vessel_.wait_and_turn(std::nullopt);
      leave(lock);
      background_look_ = grace;
      if (stopping_) break;
    } else {
      background_look_ = driver_ == Driver::waiter
                             ? std::min(std::max(background_look_, grace) * 2, look_max)
                             : grace;
    }
    turnover_.wait_for(lock, background_look_);
  }
}

void Helm::nudge() {
  if (is_steered_.load()) return;
  const std::int64_t now = micros(base::mono_now());
  if (now - last_nudge_.load(std::memory_order_relaxed) < nudge_interval.count()) return;
  last_nudge_.store(now, std::memory_order_relaxed);
  std::unique_lock lock{mutex_, std::try_to_lock};
  if (!lock || driver_ != Driver::nobody || wants_alone_ > 0) return;
  take(lock, Driver::waiter);
  vessel_.turn();
  leave(lock);
}

void Helm::alone(const std::function<void()>& work) {
  std::unique_lock lock{mutex_};
  ++wants_alone_;
  while (driver_ != Driver::nobody) {
    if (!give_way_.exchange(true)) vessel_.interrupt();
    calm_.wait(lock);
  }
  take(lock, Driver::waiter);
  work();
  vessel_.hand_over();
  lock.lock();
  driver_ = Driver::nobody;
  is_steered_.store(false);
  --wants_alone_;
  pass_on();
}

}  // namespace baozi::client
