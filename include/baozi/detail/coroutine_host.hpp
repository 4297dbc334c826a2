/// \file coroutine_host.hpp
/// Room: worker.
/// What a coroutine task and the worker's coroutine runner say to each other. Part of the plug-in
/// ABI. Threading: everything on the runner's thread, but for Wakeup.
#pragma once
#include <coroutine>
#include <cstdint>
#include <memory>

namespace baozi::detail {

/// What a coroutine is about to wait for: a descriptor, or somebody's `Wakeup`, or only the time.
struct CoroutineWait {
  bool descriptor = false;
  bool write = false;  ///< with a descriptor: until it can be written, not read
  int fd = -1;
  std::int64_t timeout_us = -1;  ///< negative: as long as it takes
};

/// What ended a wait.
enum class Woken : std::uint32_t { ready, timed_out, revoked, soft_limit, hard_limit };

/// Ends one wait, from any thread, at any time: after that wait it does nothing, and it may outlive
/// the runner.
class Wakeup {
 public:
  virtual ~Wakeup() = default;
  virtual void fire() noexcept = 0;
};

/// The runner's side of one coroutine task.
class CoroutineHost {
 public:
  /// What the runner resumes once the coroutine that runs has suspended. Coroutines hand over to
  /// each other by it and not on the stack, which so never grows, however they call each other.
  std::coroutine_handle<> next{};

  /// The caller is about to suspend; `waiting` is resumed when `wait` has ended, or when it is to
  /// be ended. \return 0, or an errno of the descriptor; then nothing waits.
  virtual int suspend(std::coroutine_handle<> waiting, const CoroutineWait& wait) noexcept = 0;
  /// Of the wait that `suspend` begins next; it may be fired before that.
  virtual std::shared_ptr<Wakeup> wakeup() = 0;
  [[nodiscard]] virtual Woken woken() const noexcept = 0;

 protected:
  ~CoroutineHost() = default;
};

}  // namespace baozi::detail
