/// \file coroutine_segment.hpp
/// The memory that the worker and a coroutine child share: what must be known of the child once it
/// is gone. What they say to each other goes through a socket (coroutine_notes.hpp).
///
/// There is no lock in it. The child writes, the worker reads, but for a place's `began_us`, which
/// the worker clears before it gives the place away. User code in the child can scribble over all
/// of it: by that it can have another coroutine blamed for its crash, or have it said that one had
/// not begun, and no more.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "worker/coroutine/coroutine_step.hpp"
#include "worker/prefork/segment.hpp"

namespace baozi::worker::prefork {

/// Coroutines that one child has at the same time; the worker's `--coroutines` is less.
inline constexpr std::uint32_t coroutine_places = 10'240;

struct CoroutineSegment {
  CrashRecord crash;
  std::atomic<Leaving> leaving;  ///< why it takes no more
  alignas(64) CoroutineStep step;
  /// Of the coroutine in each place: when it began (steady clock), written before any of its code
  /// runs; 0: it has not.
  alignas(64) std::atomic<std::int64_t> began_us[coroutine_places];
};

}  // namespace baozi::worker::prefork
