/// \file crash.hpp
/// What a child leaves behind when it crashes: the signal, and the addresses of the calls that led
/// there, written into the shared memory by a handler that runs on a stack of its own (a stack
/// overflow leaves no other) and calls nothing that is not async-signal-safe. The unwinder of
/// Debian 12 (gcc 12 on glibc 2.36) finds its tables without a lock; should the stack be damaged,
/// it faults again, the process dies at once, and the frames noted until then stay.
///
/// Alternate stacks are per thread: a thread that a task starts has none, so its stack overflow is
/// told without frames; its other crashes are told in full. Threading: `watch_for_crashes` once, on
/// the thread that runs tasks; where that is another one, `give_crash_stack` there.
#pragma once
#include <string>
#include <vector>

#include "worker/prefork/segment.hpp"

namespace baozi::worker::prefork {

/// The unwinder sets itself up in its first call: that must not be the one in the handler. Once, in
/// whoever forks those that watch.
void set_up_unwinder();
/// From now on fatal signals of this process are noted in `record`, and then end it as ever.
/// \param bell  an eventfd that is rung as soon as one has begun to be; -1: none.
void watch_for_crashes(CrashRecord& record, int bell = -1);
/// From now on this thread can tell of its stack's overflow, too.
void give_crash_stack();

/// A copy that nobody can change any more, checked.
struct CrashReport {
  int signal = 0;  ///< 0: no handler ran
  std::uint64_t address = 0;
  std::vector<std::uint64_t> frames;  ///< innermost first
  std::string note;                   ///< of the exception that nobody caught
};
[[nodiscard]] CrashReport read_crash(const CrashRecord& record);

}  // namespace baozi::worker::prefork
