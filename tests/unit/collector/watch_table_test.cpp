#include "collector/watch_table.hpp"

#include <gtest/gtest.h>

#include "collector/state_cache.hpp"

namespace baozi::collector {
namespace {

TaskId id(int n) { return TaskId::from_text("task-" + std::to_string(n)); }

TEST(WatchTable, WhatASessionWatchedIsDroppedWithIt) {
  WatchTable watches{10};
  const Bytes origin(16, 'o');
  watches.stand(Uuid::from_bytes(origin), {1, false});
  watches.stand(Uuid::from_bytes(origin), {2, true});
  ASSERT_TRUE(watches.watch(id(1), {1, false}));
  ASSERT_TRUE(watches.watch(id(1), {2, false}));
  watches.drop(1, origin);
  ASSERT_EQ(watches.standing(origin).size(), 1U);
  EXPECT_EQ(watches.standing(origin)[0].session, 2U);
  ASSERT_NE(watches.find(id(1)), nullptr);
  EXPECT_EQ(watches.find(id(1))->size(), 1U);
  watches.drop(2, origin);
  EXPECT_FALSE(watches.has_ids());
  EXPECT_EQ(watches.ids(), 0U);
  EXPECT_TRUE(watches.standing(origin).empty());
}

TEST(WatchTable, WatchingAnIdTwiceIsWatchingItOnce) {
  WatchTable watches{10};
  ASSERT_TRUE(watches.watch(id(1), {1, false}));
  ASSERT_TRUE(watches.watch(id(1), {1, true}));
  EXPECT_EQ(watches.ids(), 1U);
  EXPECT_TRUE(watches.find(id(1))->front().durable);
}

TEST(WatchTable, NoMoreIdsAreWatchedThanAllowed) {
  WatchTable watches{2};
  EXPECT_TRUE(watches.watch(id(1), {1, false}));
  EXPECT_TRUE(watches.watch(id(2), {1, false}));
  EXPECT_FALSE(watches.watch(id(3), {1, false}));
  watches.shown(id(1));
  EXPECT_TRUE(watches.watch(id(3), {1, false}));
}

TEST(WatchTable, ASessionThatWatchesForEverHoldsOnlyWhatIsStillOpen) {
  WatchTable watches{10};
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_TRUE(watches.watch(id(i), {1, false}));
    watches.shown(id(i));
  }
  EXPECT_EQ(watches.ids(), 0U);
  ASSERT_TRUE(watches.watch(id(1), {1, false}));
  watches.drop(1, {});
  EXPECT_FALSE(watches.has_ids());
}

TEST(StateCache, TheLeastRecentlyToldMakesRoom) {
  StateCache states{2, 1'000};
  states.tell({id(1), "STARTED", "w", {}});
  states.tell({id(2), "STARTED", "w", {}});
  states.tell({id(1), "PROGRESS", "w", {}});
  states.tell({id(3), "STARTED", "w", {}});
  EXPECT_EQ(states.find(id(2)), nullptr);
  ASSERT_NE(states.find(id(1)), nullptr);
  EXPECT_EQ(states.find(id(1))->state, "PROGRESS");
}

TEST(StateCache, ItHoldsNoMoreBytesThanAllowedButAlwaysTheLatest) {
  StateCache states{100, 1'000};
  states.tell({id(1), "PROGRESS", "w", Bytes(600, 'x')});
  states.tell({id(2), "PROGRESS", "w", Bytes(600, 'x')});
  EXPECT_EQ(states.find(id(1)), nullptr);
  states.tell({id(3), "PROGRESS", "w", Bytes(6'000, 'x')});
  EXPECT_EQ(states.size(), 1U);
  EXPECT_NE(states.find(id(3)), nullptr);
}

}  // namespace
}  // namespace baozi::collector
