// What a store of periodic tasks costs: bench/schedule_store_bench URL [ENTRIES]
// Puts the entries into the store (which should be empty), reads them all, asks for the version as
// a beat does once a second, and writes the progress of 1,000 at a time.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "store/open_store.hpp"

namespace {

using namespace baozi;
using std::chrono::steady_clock;

template <class T>
T fine(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "schedule_store_bench: %s\n", result.error().message.c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// Milliseconds, the best of three.
template <class Body>
double best_ms(const Body& body) {
  double best = 0;
  for (int i = 0; i < 3; ++i) {
    const auto begin = steady_clock::now();
    body();
    const double ms =
        std::chrono::duration<double, std::milli>(steady_clock::now() - begin).count();
    best = i == 0 ? ms : std::min(best, ms);
  }
  return best;
}

std::vector<beat::Entry> entries(int count) {
  std::vector<beat::Entry> all;
  for (int i = 0; i < count; ++i) {
    const char* const json =
        i % 2 == 0
            ? R"({"every": "30s", "task": "c.add", "args": [10, 10], "queue": "math"})"
            : R"({"crontab": {"minute": "*/3", "hour": "8-17"}, "zone": "Europe/Berlin", "task": "c.add", "kwargs": {"a": 1}})";
    all.push_back(fine(beat::Entry::parse("entry-" + std::to_string(i), Value::from_json(json))));
  }
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: schedule_store_bench URL [ENTRIES]\n");
    return 2;
  }
  const int count = argc > 2 ? std::atoi(argv[2]) : 100'000;
  const auto store = fine(store::open_schedule_store(argv[1]));
  const auto all = entries(count);
  const auto begin = steady_clock::now();
  fine(store->put(all, "import", "bench@here", wall_time(1)));
  std::printf("put %d entries: %.0f ms\n", count,
              std::chrono::duration<double, std::milli>(steady_clock::now() - begin).count());
  std::size_t read = 0;
  std::printf("load: %.0f ms\n", best_ms([&] {
                std::vector<std::string> broken;
                read = fine(store->load(broken)).size();
              }));
  std::printf("loaded %zu\n", read);
  std::printf("version: %.3f ms\n", best_ms([&] { (void)fine(store->version()); }));
  (void)fine(store->lead("bench", Micros{600'000'000}));
  std::vector<store::EntryProgress> progress;
  for (int i = 0; i < std::min(count, 1'000); ++i) {
    progress.push_back({all[static_cast<std::size_t>(i)].name,
                        {wall_time(2), wall_time(2), 7, "an-id", 0},
                        false});
  }
  std::printf("record the progress of %zu: %.1f ms\n", progress.size(),
              best_ms([&] { fine(store->record(progress, "bench")); }));
  return 0;
}
