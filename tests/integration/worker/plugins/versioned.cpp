// One library in several versions, of which one takes the place of another: BAOZI_VERSION says
// which it is, and what is wrong with it.
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include <signal.h>
#include <unistd.h>

#include <baozi/worker.hpp>

namespace versioned {

using namespace std::chrono_literals;

constexpr int version = BAOZI_VERSION;
constexpr int crashes = 91, never_loads = 92, is_registered_twice = 93, has_a_coroutine = 94;

void wait_for(const std::string& path) {
  while (!std::ifstream{path}) std::this_thread::sleep_for(2ms);
}

struct Constructed {
  Constructed() {
    if (version == crashes) {
      signal(SIGSEGV, SIG_DFL);  // a sanitizer's handler would exit instead
      raise(SIGSEGV);
    }
    while (version == never_loads) std::this_thread::sleep_for(1h);
  }
};
const Constructed constructed;

}  // namespace versioned

/// Where the crash of an earlier version's process is looked for.
extern "C" [[gnu::noinline]] void crash_of_this_version() { raise(SIGSEGV); }

BAOZI_TASKS(registry) {
  using namespace versioned;
#ifdef BAOZI_THREADED
  std::thread{[] {
    while (true) std::this_thread::sleep_for(1h);
  }}.detach();
#endif
  auto& which = registry.task("v.version", [] { return version; });
  /// Leaves a line, so that it is known how often it ran.
  registry.task("v.mark", [](const std::string& path, int number) {
    std::ofstream{path, std::ios::app} << std::to_string(number) + '\n' << std::flush;
    return version;
  });
  registry.task("v.wait", [](const std::string& path) {
    wait_for(path);
    return version;
  });
  registry.task("v.wait_and_crash", [](const std::string& path) {
    wait_for(path);
    crash_of_this_version();
  });
  auto& changing = registry.task("v.retry", [](const std::string& path) -> int {
    wait_for(path);
    throw std::runtime_error{"no"};
  });
  if (version == 1) {
    registry.task("v.only_in_1", [] { return version; });
    changing.max_retries(7);
    which.concurrency_limit(3);
  } else {
    registry.task("v.only_in_2", [](int) { return version; }, {"secret"}).redact({"secret"});
    changing.max_retries(0);
    which.acks_early().time_limit(5s).rate_limit("1000/s");
  }
  if (version == is_registered_twice) registry.task("v.version", [] { return version; });
  if (version == has_a_coroutine) {
    registry.task("v.coroutine", []() -> baozi::Task<int> { co_return version; });
  }
}
