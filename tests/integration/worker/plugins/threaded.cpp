// A library that starts a thread while it is loaded, which a fork would not copy.
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <thread>

#include <unistd.h>

#include <baozi/worker.hpp>

namespace {
std::atomic<int> beats{0};
}

BAOZI_TASKS(registry) {
  std::thread{[] {
    while (true) {
      ++beats;
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
  }}.detach();
  /// Returns when that thread has gone on.
  registry.task("threaded.beat", [] {
    for (const int before = beats; beats <= before + 1;) {
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    return static_cast<int>(getpid());
  });
  registry.task("threaded.crash", [] { std::raise(SIGSEGV); });
  registry.task("threaded.co", []() -> baozi::Task<std::int64_t> { co_return getpid(); });
  registry.task("threaded.co_crash", []() -> baozi::Task<void> {
    std::raise(SIGSEGV);
    co_return;
  });
}
