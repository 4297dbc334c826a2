/// \file health.hpp
/// The first fatal failure of a store file, from whichever of its threads met it. After a failed
/// write or sync nobody knows what is on the disk: whoever looks here stops, and nothing is tried
/// again. Threading: any thread.
#pragma once
#include <atomic>
#include <mutex>

#include "base/result.hpp"

namespace baozi::store {

class Health {
 public:
  void fail(const Error& error) {
    const std::lock_guard guard{mutex_};
    if (failed_.load(std::memory_order_relaxed)) return;
    error_ = error;
    failed_.store(true, std::memory_order_release);
  }
  [[nodiscard]] bool failed() const { return failed_.load(std::memory_order_acquire); }
  /// Call it when `failed()`.
  [[nodiscard]] Unexpected failure() const {
    const std::lock_guard guard{mutex_};
    return Unexpected{error_};
  }

 private:
  std::atomic<bool> failed_{false};
  mutable std::mutex mutex_;
  Error error_;
};

/// Ends the store; any other error leaves it usable.
[[nodiscard]] inline bool is_fatal(Errc code) {
  return code != Errc::store_full && code != Errc::store_locked;
}

}  // namespace baozi::store
