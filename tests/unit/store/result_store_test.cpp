#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "engines.hpp"

namespace baozi::store {
namespace {

using testing::EngineTest;
using testing::opened;

TaskId uuid(unsigned n) {
  Uuid id;
  id.bytes[0] = 1;
  id.bytes[14] = static_cast<std::uint8_t>(n >> 8U);
  id.bytes[15] = static_cast<std::uint8_t>(n & 0xFFU);
  return TaskId{id};
}

ResultRow result(TaskId id, std::uint64_t number, std::int64_t finished_us = 1'000'000) {
  return {.id = std::move(id),
          .state = 4,
          .number = number,
          .incarnation = number + 1000,
          .finished_us = finished_us,
          .origin = Bytes(16, 'o'),
          .worker = "w1@host",
          .record = "record of " + std::to_string(number),
          .followups = number % 2 == 0 ? "" : "followups"};
}

std::vector<Loss> commit(ResultStore& store, const std::vector<ResultRow>& rows) {
  auto losses = store.commit(rows);
  EXPECT_TRUE(losses) << losses.error().message;
  return *losses;
}
std::vector<ResultRow> find(ResultStore& store, const std::vector<TaskId>& ids) {
  auto rows = store.find(ids);
  EXPECT_TRUE(rows) << rows.error().message;
  return *rows;
}

/// What one step of the sweep erased, and whether it was the last one of its round.
using Gone = std::pair<std::size_t, bool>;
Gone expire(ResultStore& store, std::int64_t finished_before_us, std::size_t rows_max) {
  const auto sweep = store.expire(finished_before_us, rows_max);
  EXPECT_TRUE(sweep) << sweep.error().message;
  return {sweep->erased, sweep->end_reached};
}

class ResultStoreTest : public EngineTest {};
INSTANTIATE_TEST_SUITE_P(Engine, ResultStoreTest, ::testing::Values("memory", "sqlite"),
                         testing::engine_name);

TEST_P(ResultStoreTest, FindsWhatWasStoredAndLeavesOutWhatWasNot) {
  const auto store = open_results();
  auto odd = result(TaskId::from_text("a text id"), 1);
  odd.origin.clear();
  odd.worker.clear();
  odd.record = std::string{"\0\xFF with zeros", 13};
  auto extreme = result(uuid(2), ~0ULL, -5);
  extreme.generation = ~0U;
  extreme.incarnation = ~0ULL;
  extreme.state = 255;
  EXPECT_TRUE(commit(*store, {result(uuid(1), 2), odd, extreme}).empty());
  EXPECT_EQ(find(*store, {extreme.id, uuid(77), odd.id, uuid(1)}),
            (std::vector<ResultRow>{extreme, odd, result(uuid(1), 2)}));
  EXPECT_EQ(store->count(), 3U);
}

TEST_P(ResultStoreTest, TheFirstResultOfATaskWins) {
  const auto store = open_results();
  EXPECT_TRUE(commit(*store, {result(uuid(1), 1)}).empty());
  const auto losses = commit(*store, {result(uuid(2), 5), result(uuid(1), 2)});
  EXPECT_EQ(losses, (std::vector<Loss>{{1, result(uuid(1), 1)}}));
  EXPECT_EQ(find(*store, {uuid(1)}), (std::vector<ResultRow>{result(uuid(1), 1)}));
  EXPECT_EQ(store->count(), 2U);
}

TEST_P(ResultStoreTest, TheFirstResultWinsWithinACommitToo) {
  const auto store = open_results();
  const auto losses = commit(
      *store, {result(uuid(1), 1), result(uuid(2), 9), result(uuid(1), 2), result(uuid(1), 3)});
  EXPECT_EQ(losses, (std::vector<Loss>{{2, result(uuid(1), 1)}, {3, result(uuid(1), 1)}}));
}

TEST_P(ResultStoreTest, AResentResultIsNoLoss) {
  const auto store = open_results();
  std::vector<ResultRow> rows;
  for (unsigned i = 0; i < 120; ++i) rows.push_back(result(uuid(i), i));
  EXPECT_TRUE(commit(*store, rows).empty());
  EXPECT_TRUE(commit(*store, rows).empty());
  EXPECT_TRUE(commit(*store, {rows[3], rows[3]}).empty());
  EXPECT_EQ(store->count(), 120U);
}

TEST_P(ResultStoreTest, ADifferentIncarnationWithTheSameNumberLoses) {
  const auto store = open_results();
  auto other = result(uuid(1), 1);
  ++other.incarnation;
  commit(*store, {result(uuid(1), 1)});
  EXPECT_EQ(commit(*store, {other}).size(), 1U);
}

TEST_P(ResultStoreTest, AHigherGenerationReplacesAndALowerOneLoses) {
  const auto store = open_results();
  auto again = result(uuid(1), 2);
  again.generation = 1;
  commit(*store, {result(uuid(1), 1)});
  EXPECT_TRUE(commit(*store, {again}).empty());
  EXPECT_EQ(find(*store, {uuid(1)}), (std::vector<ResultRow>{again}));
  EXPECT_EQ(commit(*store, {result(uuid(1), 1)}), (std::vector<Loss>{{0, again}}));
  EXPECT_EQ(store->count(), 1U);
}

TEST_P(ResultStoreTest, RowsOfSeveralPlacesAreCountedThrough) {
  const auto store = open_results();
  const std::vector<ResultRow> first{result(uuid(1), 1), result(uuid(2), 2)};
  const std::vector<ResultRow> second{result(uuid(3), 3), result(uuid(1), 4)};
  const std::vector<std::span<const ResultRow>> parts{first, {}, second};
  EXPECT_EQ(*store->commit_all(parts), (std::vector<Loss>{{3, result(uuid(1), 1)}}));
}

TEST_P(ResultStoreTest, ForgetsResults) {
  const auto store = open_results();
  commit(*store, {result(uuid(1), 1), result(uuid(2), 2), result(TaskId::from_text("t"), 3)});
  EXPECT_EQ(*store->erase(std::vector{uuid(2), uuid(9), TaskId::from_text("t")}), 2U);
  EXPECT_TRUE(find(*store, {uuid(2), TaskId::from_text("t")}).empty());
  EXPECT_EQ(store->count(), 1U);
  EXPECT_TRUE(commit(*store, {result(uuid(2), 77)}).empty())
      << "a forgotten task's id is free again";
}

TEST_P(ResultStoreTest, ASweepErasesOnlyWhatIsOldAndGoesRound) {
  const auto store = open_results();
  std::vector<ResultRow> rows;
  for (unsigned i = 0; i < 100; ++i) rows.push_back(result(uuid(i), i, i % 10 < 7 ? 100 : 900));
  commit(*store, rows);
  EXPECT_EQ(expire(*store, 500, 30), (Gone{21, false}));
  EXPECT_EQ(expire(*store, 500, 30), (Gone{21, false}));
  EXPECT_EQ(expire(*store, 500, 30), (Gone{21, false}));
  EXPECT_EQ(expire(*store, 500, 30), (Gone{7, true}));
  EXPECT_EQ(store->count(), 30U);
  EXPECT_EQ(expire(*store, 500, 30), (Gone{0, true}));
  EXPECT_EQ(expire(*store, 901, 31), (Gone{30, true}));
}

TEST_P(ResultStoreTest, ASweepTellsHowOldIsWhatItLeavesAndHowMuchThereIs) {
  const auto store = open_results();
  commit(*store, {result(uuid(1), 1, 100), result(uuid(2), 2, 700), result(uuid(3), 3, 900)});
  const auto first = store->expire(500, 2);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->kept, std::vector<std::int64_t>{700});
  EXPECT_EQ(first->rows, 2U);
  const auto second = store->expire(500, 5);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->kept, std::vector<std::int64_t>{900});
  EXPECT_TRUE(second->end_reached);
}

TEST_P(ResultStoreTest, ASweepComesByRowsThatArriveBehindIt) {
  const auto store = open_results();
  commit(*store, {result(uuid(5), 1, 100), result(uuid(6), 2, 100)});
  EXPECT_EQ(expire(*store, 500, 1), (Gone{1, false}));
  commit(*store, {result(uuid(1), 3, 100)});
  EXPECT_EQ(expire(*store, 500, 10), (Gone{1, true}));
  EXPECT_EQ(expire(*store, 500, 10), (Gone{1, true}));
  EXPECT_EQ(store->count(), 0U);
}

/// Any sequence of commits, look-ups, sweeps and restarts: the file and the map agree.
class ResultStoreProperty : public ::testing::TestWithParam<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Seed, ResultStoreProperty, ::testing::Range<std::uint64_t>(1, 9));

TaskId random_id(Random& random) {
  const auto n = static_cast<unsigned>(random.below(250));
  return random.chance(0.2) ? TaskId::from_text("text " + std::to_string(n)) : uuid(n);
}

ResultRow random_result(Random& random) {
  auto row =
      result(random_id(random), random.below(3), static_cast<std::int64_t>(random.below(1000)));
  row.generation = random.chance(0.1) ? 1 : 0;
  if (random.chance(0.02)) row.record = Bytes(20'000, 'R');
  return row;
}

TEST_P(ResultStoreProperty, TheFileAgreesWithMemoryAfterAnySequence) {
  Random random{GetParam()};
  const test::TempDir dir{test::TempDir::fast_parent()};
  const std::string url = "sqlite:" + dir / "results.db";
  const StoreOptions options{.cache_kib = 64, .checkpoint_pages = 16};
  auto model = opened(open_result_store("memory:"));
  auto store = opened(open_result_store(url, options));
  bool may_restart = true;  // the sweep's place is not in the file, so restart between rounds only
  for (int step = 0; step < 200; ++step) {
    if (may_restart && random.chance(0.05)) {
      store.reset();
      store = opened(open_result_store(url, options));
    }
    std::vector<ResultRow> rows(random.below(random.chance(0.1) ? 300 : 10));
    for (auto& row : rows) row = random_result(random);
    ASSERT_EQ(*store->commit(rows), *model->commit(rows));
    std::vector<TaskId> ids(random.below(20));
    for (auto& id : ids) id = random_id(random);
    ASSERT_EQ(*store->find(ids), *model->find(ids));
    if (random.chance(0.2)) {
      ASSERT_EQ(*store->erase(ids), *model->erase(ids));
    }
    if (random.chance(0.5)) {
      const auto before = static_cast<std::int64_t>(random.below(700));
      const auto size = random.below(120);
      const auto sweep = store->expire(before, size);
      ASSERT_EQ(*sweep, *model->expire(before, size));
      may_restart = sweep->end_reached;
    }
    ASSERT_EQ(store->count(), model->count());
  }
}

}  // namespace
}  // namespace baozi::store
