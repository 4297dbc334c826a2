/// \file throw_trace.hpp
/// Where an exception was thrown: the stack, kept at the throw, because by the time it is caught
/// the stack is gone.
///
/// libbaozi defines `__cxa_throw`, notes the return addresses, and calls the C++ runtime's own. It
/// stands here and not in the plug-in's wrapper code, because a plug-in is loaded RTLD_LOCAL: a
/// definition in it would see its own throws at most, and none of those made on its behalf inside
/// libstdc++ (`vector::at`, `std::stoi`). A program that links libbaozi.so has it before libstdc++
/// in the search order, for itself, for libstdc++ and for every plug-in. Where baozi comes later
/// (dlopen by another program), exceptions simply have no trace.
///
/// Cost: nothing without a throw; one thread-local load for a throw outside a task; some
/// microseconds inside one, since addresses are noted only. Names are looked up when a failure is
/// reported (symbols.hpp). Threading: one ThrowTrace belongs to one thread. An exception that was
/// thrown on another thread and carried over (std::future) has no trace here.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace baozi::worker {

/// While it lives, throws on this thread are noted: the newest few, from the throw down to whoever
/// made this object.
class ThrowTrace {
 public:
  static constexpr std::size_t frames_max = 48;
  static constexpr std::size_t throws_max = 8;

  ThrowTrace() noexcept;
  ~ThrowTrace();
  ThrowTrace(const ThrowTrace&) = delete;
  ThrowTrace& operator=(const ThrowTrace&) = delete;

  /// The innermost living one of this thread, or nullptr.
  [[nodiscard]] static ThrowTrace* current() noexcept;
  /// Addresses inside the calls that led to the throw of this exception object, innermost first;
  /// empty when unknown.
  [[nodiscard]] std::span<const std::uintptr_t> find(const void* exception) const noexcept;
  /// Called by `__cxa_throw`.
  void note(const void* exception) noexcept;

 private:
  struct Throw {
    const void* exception = nullptr;
    std::size_t count = 0;
    std::array<std::uintptr_t, frames_max> frames;
  };

  ThrowTrace* outer_;
  std::uintptr_t base_;  ///< stack frames above it are the worker's own
  std::size_t noted_ = 0;
  std::array<Throw, throws_max> throws_;
};

}  // namespace baozi::worker
