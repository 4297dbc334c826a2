#include <limits>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "engines.hpp"

namespace baozi::store {
namespace {

using testing::EngineTest;
using testing::opened;

constexpr auto key_min = std::numeric_limits<std::int64_t>::min();
constexpr auto key_max = std::numeric_limits<std::int64_t>::max();
constexpr auto no_limit = std::numeric_limits<std::size_t>::max();

std::vector<TaskRow> all_tasks(TaskStore& store) {
  auto rows = store.load(key_min, key_max, no_limit, no_limit);
  EXPECT_TRUE(rows) << rows.error().message;
  return *rows;
}
void commit(TaskStore& store, const TaskBatch& batch) {
  const auto done = store.commit({&batch, 1});
  ASSERT_TRUE(done) << done.error().message;
}

class TaskStoreTest : public EngineTest {};
INSTANTIATE_TEST_SUITE_P(Engine, TaskStoreTest, ::testing::Values("memory", "sqlite"),
                         testing::engine_name);

TEST_P(TaskStoreTest, ReturnsTasksInKeyOrder) {
  const auto store = open_tasks();
  commit(*store, {.puts = {{5, "five"}, {-3, "minus three"}, {key_max, ""}, {1, "one"}}});
  EXPECT_EQ(all_tasks(*store),
            (std::vector<TaskRow>{{-3, "minus three"}, {1, "one"}, {5, "five"}, {key_max, ""}}));
}

TEST_P(TaskStoreTest, ReplacesATaskThatIsPutAgain) {
  const auto store = open_tasks();
  commit(*store, {.puts = {{1, "old"}}});
  commit(*store, {.puts = {{1, "new"}}});
  EXPECT_EQ(all_tasks(*store), (std::vector<TaskRow>{{1, "new"}}));
}

TEST_P(TaskStoreTest, ErasesWhatIsThereAndMindsNothingElse) {
  const auto store = open_tasks();
  commit(*store, {.puts = {{1, "a"}, {2, "b"}, {3, "c"}, {9, "d"}}});
  commit(*store, {.erases = {2, 3, 4, 100}});
  EXPECT_EQ(all_tasks(*store), (std::vector<TaskRow>{{1, "a"}, {9, "d"}}));
}

TEST_P(TaskStoreTest, AnEmptyCommitIsFine) {
  const auto store = open_tasks();
  EXPECT_TRUE(store->commit({}));
  commit(*store, {.n = 1});
  EXPECT_TRUE(all_tasks(*store).empty());
}

TEST_P(TaskStoreTest, LaterBatchesOfACommitOverrideEarlierOnes) {
  const auto store = open_tasks();
  const std::vector<TaskBatch> batches{
      {.n = 1, .puts = {{1, "a"}, {2, "b"}}, .records = {{Space::producers, "p", "1"}}},
      {.n = 2, .puts = {{3, "c"}}, .erases = {1}, .records = {{Space::producers, "p", "2"}}},
      {.n = 3, .puts = {{2, "B"}}, .erases = {2, 3}}};
  ASSERT_TRUE(store->commit(batches));
  EXPECT_EQ(all_tasks(*store), (std::vector<TaskRow>{{2, "B"}}));
  EXPECT_EQ(*store->records(Space::producers), (std::vector<Record>{{Space::producers, "p", "2"}}));
}

TEST_P(TaskStoreTest, ALoadStaysWithinItsRangeAndItsLimits) {
  const auto store = open_tasks();
  TaskBatch batch;
  for (std::int64_t key = 0; key < 100; ++key) batch.puts.push_back({key, Bytes(10, 'x')});
  commit(*store, batch);
  const auto keys = [&](std::int64_t from, std::int64_t to, std::size_t rows, std::size_t bytes) {
    std::vector<std::int64_t> found;
    const auto loaded = store->load(from, to, rows, bytes);
    for (const auto& row : *loaded) found.push_back(row.key);
    return found;
  };
  EXPECT_EQ(keys(10, 12, 50, 1000), (std::vector<std::int64_t>{10, 11, 12}));
  EXPECT_EQ(keys(10, 50, 2, 1000), (std::vector<std::int64_t>{10, 11}));
  EXPECT_EQ(keys(10, 50, 50, 25),
            (std::vector<std::int64_t>{10, 11, 12}));               // stops once 25 are read
  EXPECT_EQ(keys(10, 50, 50, 1), (std::vector<std::int64_t>{10}));  // the first always comes
  EXPECT_TRUE(keys(10, 50, 0, 1000).empty());
  EXPECT_TRUE(keys(50, 10, 50, 1000).empty());
}

TEST_P(TaskStoreTest, RecordsOfASpaceComeInKeyOrderAndPages) {
  const auto store = open_tasks();
  commit(*store, {.records = {{Space::marks, "b", "2"},
                              {Space::marks, std::string{"\0x", 2}, "0"},
                              {Space::marks, "a\xFF", "1"},
                              {Space::dead, "a", "dead"}}});
  const auto all = store->records(Space::marks);
  ASSERT_EQ(all->size(), 3U);
  EXPECT_EQ((*all)[0], (Record{Space::marks, std::string{"\0x", 2}, "0"}));
  EXPECT_EQ((*all)[1], (Record{Space::marks, "a\xFF", "1"}));
  const auto page = store->records_after(Space::marks, (*all)[0].key, 1);
  EXPECT_EQ(*page, (std::vector<Record>{(*all)[1]}));
  EXPECT_TRUE(store->records_after(Space::marks, "b", 10)->empty());
  commit(*store, {.records = {{Space::marks, "b", {}}, {Space::marks, "never there", {}}}});
  EXPECT_EQ(store->records(Space::marks)->size(), 2U);
  EXPECT_EQ(*store->records(Space::dead), (std::vector<Record>{{Space::dead, "a", "dead"}}));
}

TEST_P(TaskStoreTest, CountsTasksByTheUpperBitsOfTheirKeys) {
  const auto store = open_tasks();
  commit(*store, {.puts = {{(5LL << 40) + 1, "aa"},
                           {(5LL << 40) + 9, "bbb"},
                           {(7LL << 40), ""},
                           {-1, "negative"}}});
  EXPECT_EQ(*store->count_by_prefix(40),
            (std::vector<PrefixCount>{{-1, 1, 8, -1, -1},
                                      {5, 2, 5, (5LL << 40) + 1, (5LL << 40) + 9},
                                      {7, 1, 0, 7LL << 40, 7LL << 40}}));
}

TEST_P(TaskStoreTest, SaysHowMuchRoomThereIs) {
  const auto store = open_tasks();
  EXPECT_GT(store->free_bytes(), store->reserve_bytes());
}

/// Any sequence of commits, loads and restarts: the file and the map agree.
class TaskStoreProperty : public ::testing::TestWithParam<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Seed, TaskStoreProperty, ::testing::Range<std::uint64_t>(1, 9));

std::int64_t random_key(Random& random) {
  // Few queues with dense, growing keys, so that ranges, replacements and gaps all occur.
  return static_cast<std::int64_t>(random.below(3) << 40U) +
         static_cast<std::int64_t>(random.below(300)) - 50;
}

TaskBatch random_batch(Random& random) {
  TaskBatch batch;
  for (auto n = random.below(random.chance(0.2) ? 200 : 12); n > 0; --n) {
    batch.puts.push_back(
        {random_key(random), Bytes(random.chance(0.02) ? 9000 : random.below(300), 'r')});
  }
  const auto from = random_key(random);
  for (auto n = random.below(30); n > 0; --n) {
    batch.erases.push_back(random.chance(0.8) ? from + static_cast<std::int64_t>(n)
                                              : random_key(random));
  }
  for (auto n = random.below(4); n > 0; --n) {
    Record record{
        static_cast<Space>(random.below(space_count)), std::to_string(random.below(20)), {}};
    if (random.chance(0.7)) record.value = std::to_string(random.next());
    batch.records.push_back(std::move(record));
  }
  return batch;
}

TEST_P(TaskStoreProperty, TheFileAgreesWithMemoryAfterAnySequence) {
  Random random{GetParam()};
  const test::TempDir dir{test::TempDir::fast_parent()};
  const std::string url = "sqlite:" + dir / "tasks.db";
  const StoreOptions options{.cache_kib = 64,
                             .checkpoint_pages = 16};  // spills and checkpoints all the time
  auto model = opened(open_task_store("memory:"));
  auto store = opened(open_task_store(url, options));
  for (int step = 0; step < 150; ++step) {
    if (random.chance(0.04)) {
      store.reset();
      store = opened(open_task_store(url, options));
    }
    std::vector<TaskBatch> batches(random.below(4));
    for (auto& batch : batches) batch = random_batch(random);
    ASSERT_TRUE(store->commit(batches));
    ASSERT_TRUE(model->commit(batches));
    const auto a = random_key(random);
    const auto b = random_key(random);
    const auto rows = random.below(100);
    const auto bytes = random.below(5000);
    ASSERT_EQ(*store->load(a, b, rows, bytes), *model->load(a, b, rows, bytes));
    if (step % 10 != 0) continue;
    ASSERT_EQ(all_tasks(*store), all_tasks(*model));
    ASSERT_EQ(*store->count_by_prefix(40), *model->count_by_prefix(40));
    for (std::size_t i = 0; i < space_count; ++i) {
      ASSERT_EQ(*store->records(static_cast<Space>(i)), *model->records(static_cast<Space>(i)));
    }
  }
}

}  // namespace
}  // namespace baozi::store
