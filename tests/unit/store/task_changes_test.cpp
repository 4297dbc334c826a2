#include "store/task_changes.hpp"

#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace baozi::store {
namespace {

TEST(TaskChanges, ErasedKeysThatFollowOneAnotherBecomeOneRange) {
  const std::vector<TaskBatch> batches{{.n = 1, .erases = {7, 1, 3, 2}},
                                       {.n = 2, .erases = {5, 4, 2}}};
  const auto changes = merge_batches(batches);
  EXPECT_EQ(changes.erases, (std::vector<KeyRange>{{1, 5}, {7, 7}}));
  EXPECT_TRUE(changes.puts.empty());
}

TEST(TaskChanges, RangesEndAtTheLargestKey) {
  constexpr auto max = std::numeric_limits<std::int64_t>::max();
  constexpr auto min = std::numeric_limits<std::int64_t>::min();
  const std::vector<TaskBatch> batches{{.erases = {max, max - 1, min}}};
  EXPECT_EQ(merge_batches(batches).erases, (std::vector<KeyRange>{{min, min}, {max - 1, max}}));
}

TEST(TaskChanges, APutOfTheSameBatchOutlivesItsErase) {
  const std::vector<TaskBatch> batches{{.puts = {{2, "new"}}, .erases = {1, 2, 3}}};
  const auto changes = merge_batches(batches);
  EXPECT_EQ(changes.erases, (std::vector<KeyRange>{{1, 1}, {3, 3}}));
  ASSERT_EQ(changes.puts.size(), 1U);
  EXPECT_EQ(changes.puts[0]->rec, "new");
}

TEST(TaskChanges, APutThatALaterBatchErasesIsNeverWritten) {
  const std::vector<TaskBatch> batches{{.puts = {{2, "short-lived"}}}, {.erases = {2}}};
  const auto changes = merge_batches(batches);
  EXPECT_TRUE(changes.puts.empty());
  EXPECT_EQ(changes.erases, (std::vector<KeyRange>{{2, 2}}));
}

TEST(TaskChanges, OfSeveralRecordsForAKeyTheLastStands) {
  const std::vector<TaskBatch> batches{
      {.records = {{Space::producers, "p", "1"}, {Space::producers, "q", "1"}}},
      {.records = {
           {Space::meta, "p", "m"}, {Space::producers, "p", "2"}, {Space::producers, "q", {}}}}};
  const auto changes = merge_batches(batches);
  ASSERT_EQ(changes.records.size(), 3U);
  EXPECT_EQ(*changes.records[0], (Record{Space::producers, "p", "2"}));
  EXPECT_EQ(*changes.records[1], (Record{Space::producers, "q", {}}));
  EXPECT_EQ(*changes.records[2], (Record{Space::meta, "p", "m"}));
}

TEST(TaskChanges, ComeToTheSameAsTheBatchesOneByOne) {
  Random random{42};
  for (int round = 0; round < 2000; ++round) {
    std::vector<TaskBatch> batches(random.below(5));
    std::map<std::int64_t, std::optional<Bytes>>
        last;  // what the batches say, one change after the other
    for (auto& batch : batches) {
      for (auto n = random.below(8); n > 0; --n) {
        batch.erases.push_back(static_cast<std::int64_t>(random.below(20)));
        last[batch.erases.back()] = std::nullopt;
      }
      for (auto n = random.below(8); n > 0; --n) {
        batch.puts.push_back(
            {static_cast<std::int64_t>(random.below(20)), std::to_string(random.next())});
        last[batch.puts.back().key] = batch.puts.back().rec;
      }
    }
    const auto changes = merge_batches(batches);
    std::map<std::int64_t, std::optional<Bytes>> merged;
    std::int64_t before = -1;
    for (const auto& range : changes.erases) {
      EXPECT_GT(range.from, before + (before < 0 ? 0 : 1)) << "ranges that touch should be one";
      for (auto key = range.from; key <= range.to; ++key) merged.emplace(key, std::nullopt);
      before = range.to;
    }
    before = -1;
    for (const auto* put : changes.puts) {
      EXPECT_GT(put->key, before);
      EXPECT_TRUE(merged.emplace(put->key, put->rec).second) << "both erased and put";
      before = put->key;
    }
    ASSERT_EQ(merged, last) << "round " << round;
  }
}

}  // namespace
}  // namespace baozi::store
