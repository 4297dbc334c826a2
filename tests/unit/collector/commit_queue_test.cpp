#include "collector/commit_queue.hpp"

#include <gtest/gtest.h>

namespace baozi::collector {
namespace {

using namespace std::chrono_literals;

store::ResultRow row(int n) {
  store::ResultRow row;
  row.id = TaskId::from_text("task-" + std::to_string(n));
  row.number = static_cast<std::uint64_t>(n);
  return row;
}

class CommitQueueTest : public testing::Test {
 protected:
  CommitQueueTest()
      : queue_{{.rows_trigger = 4, .rows_max = 6, .age_trigger = 5ms, .outstanding_max = 1}} {}
  CommitQueue queue_;
  Now now_{mono_time(1'000), wall_time(0)};
};

TEST_F(CommitQueueTest, ALossIsNamedByItsGiversOwnCount) {
  const Giver a{1};
  const Giver b{2};
  queue_.add(row(1), a, 7, now_);
  queue_.add(row(2), b, 1, now_);
  queue_.refuse(a, 8, "no", now_);
  queue_.add(row(3), a, 9, now_);
  queue_.add(row(4), a, 10, now_);
  const auto commit = queue_.take(now_, false);
  ASSERT_TRUE(commit.has_value());
  CommitQueue::Completed completed;
  queue_.on_committed(commit->seq, {store::Loss{3, row(99)}}, true, completed);
  ASSERT_EQ(completed.answers.size(), 2U);
  EXPECT_EQ(completed.answers[0].giver, a);
  EXPECT_EQ(completed.answers[0].upto, 10U);
  ASSERT_EQ(completed.answers[0].losses.size(), 2U);
  EXPECT_EQ(completed.answers[0].losses[0].entry, 8U);
  EXPECT_EQ(completed.answers[0].losses[0].code, wire::Lost::refused);
  EXPECT_EQ(completed.answers[0].losses[1].entry, 10U);
  EXPECT_EQ(completed.answers[1].upto, 1U);
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(queue_.bytes(), 0U);
}

TEST_F(CommitQueueTest, CopiesForThoseWhoWaitUntilItIsDurableCountToo) {
  const std::uint32_t index = queue_.add(row(1), Giver{1}, 1, now_);
  const std::size_t alone = queue_.bytes();
  queue_.show({.row = index, .wants_durable = true, .record = Bytes(1'000, 'x')});
  EXPECT_GE(queue_.bytes(), alone + 1'000);
  const auto commit = queue_.take(now_, true);
  ASSERT_TRUE(commit.has_value());
  CommitQueue::Completed completed;
  queue_.on_committed(commit->seq, {}, true, completed);
  EXPECT_EQ(queue_.bytes(), 0U);
}

TEST_F(CommitQueueTest, NoCommitHasMoreRowsThanAllowed) {
  for (int i = 0; i < 9; ++i) queue_.add(row(i), Giver{1}, static_cast<std::uint64_t>(i) + 1, now_);
  auto first = queue_.take(now_, false);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->rows.size(), 6U);
  EXPECT_FALSE(queue_.take(now_, true).has_value());  // one is with the store already
  CommitQueue::Completed completed;
  queue_.on_committed(first->seq, {}, true, completed);
  EXPECT_EQ(completed.answers[0].upto, 6U);
  auto second = queue_.take(now_, true);
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->rows.size(), 3U);
}

TEST_F(CommitQueueTest, TheOldestRowSaysWhen) {
  queue_.add(row(1), Giver{1}, 1, now_);
  EXPECT_EQ(queue_.next_deadline(), now_.mono + 5ms);
  now_.mono += 4ms;
  queue_.add(row(2), Giver{1}, 2, now_);
  EXPECT_FALSE(queue_.take(now_, false).has_value());
  now_.mono += 1ms;
  EXPECT_TRUE(queue_.take(now_, false).has_value());
}

}  // namespace
}  // namespace baozi::collector
