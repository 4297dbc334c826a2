// What a million ids that count until an instant (delivery.md D26) cost a broker: memory, a look at
// one, forgetting them, and the start.
#include <chrono>
#include <filesystem>
#include <string>

#include <benchmark/benchmark.h>
#include <unistd.h>

#include "broker/broker_core.hpp"
#include "store/open_store.hpp"

namespace baozi::broker {
namespace {

constexpr std::uint64_t million = 1'000'000;
constexpr std::int64_t until_us = 1'900'000'000'000'000;

/// As random as UUIDs of version 5 are.
Uuid id(std::uint64_t n) { return OnceTable::digest({false, "tick " + std::to_string(n)}); }

void marks_added(benchmark::State& state) {
  std::vector<Uuid> ids;
  for (std::uint64_t n = 0; n < million; ++n) ids.push_back(id(n));
  std::size_t memory = 0;
  for (auto _ : state) {
    OnceTable table{million};
    for (const Uuid& one : ids) table.add({one, until_us});
    memory = table.memory();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(million));
  state.counters["bytes_per_mark"] = static_cast<double>(memory) / million;
}
BENCHMARK(marks_added)->Unit(benchmark::kMillisecond)->Iterations(5);

void marks_looked_up(benchmark::State& state) {
  OnceTable table{million};
  std::vector<Uuid> ids;
  for (std::uint64_t n = 0; n < million; ++n) table.add({ids.emplace_back(id(n)), until_us});
  std::size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(table.until(ids[at]));
    at = (at + 7'919) % million;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(marks_looked_up);

void marks_forgotten(benchmark::State& state) {
  double longest_us = 0;
  for (auto _ : state) {
    state.PauseTiming();
    OnceTable table{million};
    for (std::uint64_t n = 0; n < million; ++n)
      table.add({id(n), until_us + static_cast<std::int64_t>(n % 2)});
    state.ResumeTiming();
    for (bool finished = false; !finished;) {
      std::vector<Uuid> gone;
      const auto start = std::chrono::steady_clock::now();
      finished = table.purge(until_us, gone);
      const std::chrono::duration<double, std::micro> took =
          std::chrono::steady_clock::now() - start;
      longest_us = std::max(longest_us, took.count());
    }
  }
  state.counters["longest_turn_us"] = longest_us;
}
BENCHMARK(marks_forgotten)->Unit(benchmark::kMillisecond)->Iterations(3);

/// From an open store to a core that knows them.
void start_with_marks(benchmark::State& state) {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("once_bench." + std::to_string(getpid())))
          .string();
  std::filesystem::create_directory(path);
  auto store = store::open_task_store("sqlite:" + path + "/tasks.db", {});
  if (!store) return state.SkipWithError(store.error().message.c_str());
  for (std::uint64_t n = 0; n < million;) {
    store::TaskBatch batch;
    for (std::uint64_t i = 0; i < 50'000; ++i, ++n) {
      batch.records.push_back(
          {store::Space::marks, OnceTable::key(id(n)), OnceTable::pack(until_us)});
    }
    if (!(*store)->commit({&batch, 1})) return state.SkipWithError("the store failed");
  }
  for (auto _ : state) {
    Recovered recovered;
    Bytes after;
    do {
      auto page = (*store)->records_after(store::Space::marks, after, 10'000);
      after = page->size() == 10'000 ? page->back().key : Bytes{};
      for (store::Record& record : *page) recovered.add(std::move(record));
    } while (!after.empty());
    const BrokerCore core{
        BrokerOptions{}, recovered, 1, {mono_time(1), wall_time(1'800'000'000'000'000)}};
    benchmark::DoNotOptimize(core.epoch());
  }
  state.counters["file_bytes_per_mark"] =
      static_cast<double>(std::filesystem::file_size(path + "/tasks.db")) / million;
  store->reset();
  std::filesystem::remove_all(path);
}
BENCHMARK(start_with_marks)->Unit(benchmark::kMillisecond)->Iterations(3);

}  // namespace
}  // namespace baozi::broker

BENCHMARK_MAIN();
