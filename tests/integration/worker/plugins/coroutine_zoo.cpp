// Coroutine tasks that do to their process what tasks should not, and some well-behaved ones to
// wait beside them.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include <unistd.h>

#include <baozi/worker.hpp>

namespace zoo {

using namespace std::chrono_literals;
using baozi::Context;
using baozi::Task;

// The sanitizer would see it first, and end the process in its own way.
[[gnu::no_sanitize("undefined")]] __attribute__((noinline)) int read_nothing(volatile int* from) {
  return *from + 1;
}
__attribute__((noinline)) int null_dereference() {
  volatile int* volatile nothing = nullptr;
  return read_nothing(nothing) + 1;
}

__attribute__((noinline)) int never_enough_stack(int depth) {
  volatile char room[4'096];
  room[static_cast<std::size_t>(depth) % sizeof room] = 1;
  return never_enough_stack(depth + 1) + room[0];
}

Task<double> nap(Context& context, double seconds) {
  context.progress(0);
  co_await context.sleep(std::chrono::duration<double>{seconds});
  co_return seconds;
}

Task<int> crash(Context& context) {
  co_await context.sleep(1ms);
  co_return null_dereference();
}

[[gnu::noinline]] void throw_from_the_depth() { throw std::runtime_error{"from the depth"}; }
Task<void> fail(Context& context) {
  co_await context.sleep(1ms);
  throw_from_the_depth();
}

Task<int> overflow(Context& context) {
  co_await context.sleep(1ms);
  co_return never_enough_stack(0);
}

Task<void> leave(Context& context, int code) {
  co_await context.sleep(1ms);
  _exit(code);
}

/// Crashes while it waits, on a thread that nobody knows.
Task<void> crash_elsewhere(Context& context) {
  std::thread{[] {
    std::this_thread::sleep_for(50ms);
    null_dereference();
  }}.detach();
  co_await context.sleep(1h);
}

/// Awaits nothing.
Task<void> spin(Context& context) {
  context.progress(0);
  while (true) asm volatile("");
  co_return;
}

Task<std::int64_t> leak(int mebibytes) {
  for (int i = 0; i < mebibytes; ++i) {
    auto* const memory = static_cast<char*>(std::malloc(1 << 20U));
    std::memset(memory, 1, 1 << 20U);
    asm volatile("" : : "r"(memory) : "memory");
  }
  co_return getpid();
}

Task<void> close_everything(Context& context) {
  close_range(0, ~0U, 0);
  co_await context.sleep(1h);
}

}  // namespace zoo

BAOZI_TASKS(registry) {
  registry.task("co.pid", []() -> baozi::Task<std::int64_t> { co_return getpid(); });
  registry.task("co.nap", zoo::nap);
  registry.task("co.nap_once", zoo::nap).acks_early();
  registry.task("co.crash", zoo::crash);
  registry.task("co.fail", zoo::fail);
  registry.task("co.crash_again", zoo::crash).crash_retry();
  registry.task("co.crash_elsewhere", zoo::crash_elsewhere);
  registry.task("co.overflow", zoo::overflow);
  registry.task("co.leave", zoo::leave);
  registry.task("co.spin", zoo::spin);
  registry.task("co.leak", zoo::leak);
  registry.task("co.close_everything", zoo::close_everything);
  registry.task("co.say", [](const std::string& text) -> baozi::Task<void> {
    std::printf("%s\n", text.c_str());
    co_return;
  });
}
