// What `baozi bench` has its workers run.
#include <cstdint>

#include <baozi/worker.hpp>

BAOZI_TASKS(registry) {
  registry.task("bench.add", [](std::int64_t x, std::int64_t y) { return x + y; }, {"x", "y"});
}
