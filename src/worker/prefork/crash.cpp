#include "worker/prefork/crash.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <optional>

#include <cxxabi.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>
#include <unwind.h>

#include "worker/failure.hpp"
#include "worker/prefork/child_process.hpp"
#include "worker/prefork/own_process.hpp"

namespace baozi::worker::prefork {

namespace {

constexpr int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};
constexpr std::size_t stack_bytes = 64UL * 1'024;
CrashRecord* record_of_process = nullptr;
std::optional<OwnDescriptor> bell_of_process;

void ring_bell() {
  if (!bell_of_process || !bell_of_process->is_intact()) return;
  const std::uint64_t one = 1;
  static_cast<void>(!write(bell_of_process->fd(), &one, sizeof one));
}

_Unwind_Reason_Code note_frame(_Unwind_Context* context, void* argument) {
  auto& record = *static_cast<CrashRecord*>(argument);
  int before_instruction = 0;
  const std::uintptr_t address = _Unwind_GetIPInfo(context, &before_instruction);
  const std::uint32_t count = record.count.load(std::memory_order_relaxed);
  if (address == 0 || count >= crash_frames_max) return _URC_END_OF_STACK;
  // A return address belongs to the call before it; that of the fault itself to itself.
  record.frames[count] = before_instruction != 0 ? address : address - 1;
  record.count.store(count + 1, std::memory_order_release);
  return _URC_NO_REASON;
}

void on_fatal_signal(int number, siginfo_t* info, void*) {
  CrashRecord& record = *record_of_process;
  std::int32_t none = 0;
  // Of several threads, the first; and not of a copy that the task has made.
  if (is_own_process() && record.signal.compare_exchange_strong(none, number)) {
    record.code = info->si_code;
    record.address = reinterpret_cast<std::uint64_t>(info->si_addr);
    ring_bell();
    _Unwind_Backtrace(&note_frame, &record);
  }
  // The handler is gone (SA_RESETHAND): this ends the process as if there had been none.
  raise(number);
}

void on_terminate() {
  // Not in a signal handler: this may allocate.
  if (const std::exception_ptr thrown = std::current_exception();
      thrown != nullptr && record_of_process != nullptr && is_own_process()) {
    CrashRecord& record = *record_of_process;
    try {
      const Failure failure = failure_of(thrown, false);
      const std::string text = failure.type + ": " + failure.message;
      const std::size_t size = std::min(text.size(), crash_note_bytes);
      std::memcpy(record.note, text.data(), size);
      record.note_size.store(static_cast<std::uint32_t>(size));
    } catch (...) {
    }
  }
  std::abort();
}

}  // namespace

void give_crash_stack() {
  // With a page below it that nobody may touch.
  constexpr std::size_t guard = 4'096;
  void* const memory = mmap(nullptr, stack_bytes + guard, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (memory != MAP_FAILED) {
    mprotect(memory, guard, PROT_NONE);
    stack_t stack{};
    stack.ss_sp = static_cast<char*>(memory) + guard;
    stack.ss_size = stack_bytes;
    sigaltstack(&stack, nullptr);
  }
}

void set_up_unwinder() {
  CrashRecord scratch{};
  _Unwind_Backtrace(&note_frame, &scratch);
}

void watch_for_crashes(CrashRecord& record, int bell) {
  record_of_process = &record;
  if (bell >= 0) bell_of_process.emplace(bell);
  give_crash_stack();
  struct sigaction action {};
  action.sa_sigaction = &on_fatal_signal;
  action.sa_flags = static_cast<int>(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND | SA_NODEFER);
  sigemptyset(&action.sa_mask);
  for (const int number : fatal) sigaction(number, &action, nullptr);
  std::set_terminate(&on_terminate);
}

CrashReport read_crash(const CrashRecord& record) {
  CrashReport report;
  report.signal = record.signal.load();
  if (report.signal < 0 || report.signal > 64) report.signal = 0;
  if (report.signal != 0) {
    report.address = record.address;
    const std::size_t count = std::min<std::size_t>(record.count.load(), crash_frames_max);
    report.frames.assign(record.frames, record.frames + count);
  }
  if (report.signal != SIGABRT) return report;  // nobody else writes a note
  const std::size_t size = std::min<std::size_t>(record.note_size.load(), crash_note_bytes);
  report.note = utf8({record.note, size});
  for (char& c : report.note) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return report;
}

}  // namespace baozi::worker::prefork
