/// \file store_bench.cpp
/// Rows per second of the stores: one thread, 200-byte records, every commit synced. The argument
/// is rows a commit. The raw floor beside it is BM_fdatasync: what the disk of the temporary folder
/// takes for one sync.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/ids.hpp"
#include "base/random.hpp"
#include "store/open_store.hpp"

namespace {

using namespace baozi;
using namespace baozi::store;

/// A store's file in the temporary folder, gone with it.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "baozi-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string file() const { return (path_ / "store.db").string(); }

 private:
  std::filesystem::path path_;
};

StoreOptions options() {
  StoreOptions options;
  if (const char* kib = std::getenv("STORE_CACHE_KIB")) {
    options.cache_kib = static_cast<std::uint32_t>(std::atoi(kib));
  }
  if (const char* pages = std::getenv("STORE_CHECKPOINT_PAGES")) {
    options.checkpoint_pages = static_cast<std::uint32_t>(std::atoi(pages));
  }
  return options;
}

template <class Store>
std::unique_ptr<Store> opened(Result<std::unique_ptr<Store>> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::abort();
  }
  return std::move(*result);
}

Bytes noise(Random& random, std::size_t size) {
  Bytes bytes(size, ' ');
  for (auto& c : bytes) c = static_cast<char>(random.below(256));
  return bytes;
}

void count_rows(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void put(benchmark::State& state) {
  const Folder folder;
  const auto store = opened(open_task_store("sqlite:" + folder.file(), options()));
  Random random{1};
  TaskBatch batch;
  for (std::int64_t i = 0; i < state.range(0); ++i) batch.puts.push_back({i, noise(random, 200)});
  for (auto _ : state) {
    if (!store->commit({&batch, 1})) std::abort();
    for (auto& row : batch.puts) row.key += state.range(0);
  }
  count_rows(state);
}
BENCHMARK(put)->Arg(100)->Arg(1000)->Arg(5000)->MeasureProcessCPUTime()->UseRealTime();

/// Puts, and erases what came ten commits before. `lost`: one erase in ten comes a commit later, as
/// with workers that take their time, so ranges break.
void put_erase(benchmark::State& state, bool lost) {
  const Folder folder;
  const auto store = opened(open_task_store("sqlite:" + folder.file(), options()));
  Random random{1};
  TaskBatch batch;
  const std::int64_t rows = state.range(0);
  for (std::int64_t i = 0; i < rows; ++i) batch.puts.push_back({i, noise(random, 200)});
  std::vector<std::int64_t> late;
  std::int64_t erase = 0;
  std::int64_t commits = 0;
  for (auto _ : state) {
    batch.erases = std::exchange(late, {});
    for (std::int64_t i = 0; commits >= 10 && i < rows; ++i, ++erase) {
      (lost && random.chance(0.1) ? late : batch.erases).push_back(erase);
    }
    if (!store->commit({&batch, 1})) std::abort();
    for (auto& row : batch.puts) row.key += rows;
    ++commits;
  }
  count_rows(state);
}
BENCHMARK_CAPTURE(put_erase, in_order, false)
    ->Arg(100)
    ->Arg(1000)
    ->Arg(5000)
    ->MeasureProcessCPUTime()
    ->UseRealTime();
BENCHMARK_CAPTURE(put_erase, with_gaps, true)
    ->Arg(100)
    ->Arg(1000)
    ->Arg(5000)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

/// Results as a worker sends them: time-ordered ids, 120-byte records.
void results(benchmark::State& state, bool text) {
  const Folder folder;
  const auto store = opened(open_result_store("sqlite:" + folder.file(), options()));
  Random random{1};
  std::vector<ResultRow> rows(static_cast<std::size_t>(state.range(0)));
  for (auto& row : rows) {
    row = {.state = 4,
           .incarnation = 77,
           .origin = noise(random, 16),
           .worker = "w1@host",
           .record = noise(random, 120)};
  }
  std::int64_t us = 1'700'000'000'000'000;
  std::uint64_t number = 1;
  for (auto _ : state) {
    state.PauseTiming();
    for (auto& row : rows) {
      const Uuid id = make_uuid7(wall_time(us), random.next(), random.next());
      row.id = text ? TaskId::from_text("t" + to_string(id)) : TaskId{id};
      row.number = number++;
      row.finished_us = us += 5;
    }
    state.ResumeTiming();
    if (!store->commit(rows)) std::abort();
  }
  count_rows(state);
}
BENCHMARK_CAPTURE(results, uuid, false)->Arg(100)->Arg(1000)->Arg(5000)->UseRealTime();
BENCHMARK_CAPTURE(results, text, true)->Arg(1000)->UseRealTime();

/// A resend after a lost connection: every row is there already.
void results_again(benchmark::State& state) {
  const Folder folder;
  const auto store = opened(open_result_store("sqlite:" + folder.file(), options()));
  Random random{1};
  std::vector<ResultRow> rows(static_cast<std::size_t>(state.range(0)));
  for (auto& row : rows) {
    row = {.id = TaskId{make_uuid7(wall_time(1), random.next(), random.next())},
           .record = noise(random, 120)};
  }
  for (auto _ : state) {
    if (!store->commit(rows)) std::abort();
  }
  count_rows(state);
}
BENCHMARK(results_again)->Arg(1000)->UseRealTime();

/// The start with a backlog: opening and counting.
void open_and_count(benchmark::State& state) {
  const Folder folder;
  {
    const auto store = opened(open_task_store("sqlite:" + folder.file()));
    Random random{1};
    TaskBatch batch;
    for (std::int64_t i = 0; i < 20'000; ++i) batch.puts.push_back({i, noise(random, 200)});
    for (std::int64_t done = 0; done < state.range(0); done += 20'000) {
      if (!store->commit({&batch, 1})) std::abort();
      for (auto& row : batch.puts) row.key += 20'000;
    }
  }
  for (auto _ : state) {
    const auto store = opened(open_task_store("sqlite:" + folder.file()));
    benchmark::DoNotOptimize(store->count_by_prefix(40));
  }
  count_rows(state);
}
BENCHMARK(open_and_count)
    ->Arg(2'000'000)
    ->Iterations(3)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

/// Paging a backlog in, a thousand at a time.
void load(benchmark::State& state) {
  const Folder folder;
  const auto store = opened(open_task_store("sqlite:" + folder.file(), options()));
  Random random{1};
  TaskBatch batch;
  for (std::int64_t i = 0; i < 200'000; ++i) batch.puts.push_back({i, noise(random, 200)});
  if (!store->commit({&batch, 1})) std::abort();
  std::int64_t from = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(store->load(from, 1 << 30, 1000, 1 << 30));
    from = (from + 1000) % 200'000;
  }
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(load);

void sync_floor(benchmark::State& state) {
  const Folder folder;
  const int fd = ::open(folder.file().c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  const Bytes block(4096, 'x');
  for (int i = 0; i < 4096; ++i) {
    if (::write(fd, block.data(), block.size()) < 0) std::abort();
  }
  ::fsync(fd);
  off_t at = 0;
  for (auto _ : state) {
    if (::pwrite(fd, block.data(), block.size(), at) < 0 || ::fdatasync(fd) != 0) std::abort();
    at = (at + 4096) % (4096 * 4096);
  }
  ::close(fd);
}
BENCHMARK(sync_floor)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
