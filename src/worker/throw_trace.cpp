#include "worker/throw_trace.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <typeinfo>

#include <dlfcn.h>
#include <unwind.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
extern "C" void __asan_handle_no_return();
#endif

namespace baozi::worker {

namespace {

thread_local ThrowTrace* current_trace = nullptr;

struct Walk {
  std::uintptr_t base;
  std::uintptr_t* frames;
  std::size_t count;
  std::size_t skip;
};

_Unwind_Reason_Code visit(_Unwind_Context* context, void* argument) {
  auto& walk = *static_cast<Walk*>(argument);
  if (_Unwind_GetCFA(context) > walk.base || walk.count == ThrowTrace::frames_max)
    return _URC_END_OF_STACK;
  if (walk.skip > 0) {
    --walk.skip;
    return _URC_NO_REASON;
  }
  int before_instruction = 0;
  const std::uintptr_t address = _Unwind_GetIPInfo(context, &before_instruction);
  if (address == 0) return _URC_END_OF_STACK;
  // A return address may be the first of the next line, or of the next function: step back into the
  // call.
  walk.frames[walk.count++] = before_instruction != 0 ? address : address - 1;
  return _URC_NO_REASON;
}

}  // namespace

// The frame address of this very call lies just below its caller's frame, and above everything that
// the caller calls later. (The address of the object itself would do, were it not for sanitizers
// that keep objects off the stack.)
__attribute__((noinline)) ThrowTrace::ThrowTrace() noexcept
    : outer_{current_trace}, base_{reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0))} {
  current_trace = this;
}

ThrowTrace::~ThrowTrace() { current_trace = outer_; }

ThrowTrace* ThrowTrace::current() noexcept { return current_trace; }

__attribute__((noinline)) void ThrowTrace::note(const void* exception) noexcept {
  Throw& slot = throws_[noted_++ % throws_max];
  slot.exception = exception;
  Walk walk{base_, slot.frames.data(), 0, 2};  // without this function and __cxa_throw
  _Unwind_Backtrace(&visit, &walk);
  slot.count = walk.count;
}

std::span<const std::uintptr_t> ThrowTrace::find(const void* exception) const noexcept {
  // From the newest: a new exception may stand where a forgotten one stood.
  for (std::size_t age = 1; age <= std::min(noted_, throws_max); ++age) {
    const Throw& slot = throws_[(noted_ - age) % throws_max];
    if (slot.exception == exception) return {slot.frames.data(), slot.count};
  }
  return {};
}

}  // namespace baozi::worker

/// The C++ runtime's entry for every `throw` (Itanium C++ ABI, 2.4.2). See throw_trace.hpp for why
/// it is ours.
extern "C" [[noreturn]] __attribute__((visibility("default"))) void __cxa_throw(
    void* thrown, std::type_info* type, void (*destructor)(void*)) {
  using Throw = void (*)(void*, std::type_info*, void (*)(void*));
  static std::atomic<Throw> runtime_throw{nullptr};
  Throw next = runtime_throw.load(std::memory_order_relaxed);
  if (next == nullptr) {
    next = reinterpret_cast<Throw>(dlsym(RTLD_NEXT, "__cxa_throw"));
    runtime_throw.store(next, std::memory_order_relaxed);
  }
  if (auto* const trace = baozi::worker::ThrowTrace::current()) trace->note(thrown);
#ifdef __SANITIZE_ADDRESS__
  __asan_handle_no_return();  // its own interceptor may not be behind ours
#endif
  if (next != nullptr) next(thrown, type, destructor);
  std::fputs("baozi: no __cxa_throw behind ours: libstdc++ must be a shared library\n", stderr);
  std::abort();
}
