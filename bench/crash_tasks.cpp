// Tasks for `pool_bench crashes`: one that works for a while, and one that costs its process.
#include <chrono>
#include <csignal>
#include <cstdint>

#include <baozi/worker.hpp>

BAOZI_TASKS(registry) {
  registry.task("b.work",
                [](std::int64_t us) {
                  const auto until =
                      std::chrono::steady_clock::now() + std::chrono::microseconds{us};
                  while (std::chrono::steady_clock::now() < until) {
                  }
                },
                {"us"});
  registry.task("b.crash", [] { std::raise(SIGSEGV); });
}
