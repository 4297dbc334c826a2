#include <gtest/gtest.h>

#include "worker/credit.hpp"

namespace baozi::worker {
namespace {

using std::chrono::microseconds;

TEST(CreditPlan, AsksForTheConcurrencyWhileNothingIsKnown) {
  const CreditPlan plan{4, 0};
  EXPECT_EQ(plan.total(), 4u);
  EXPECT_EQ(plan.pool_target(), 4u);
}

TEST(CreditPlan, AsksForTwentyMillisecondsOfShortTasks) {
  CreditPlan plan{4, 0};
  for (int i = 0; i < 100; ++i) plan.observe(Micros{1'000});
  EXPECT_EQ(plan.total(), 4u * 20 + 2);
}

TEST(CreditPlan, NeverAsksForMoreThanAThousandPerThread) {
  CreditPlan one{1, 0};
  CreditPlan many{64, 0};
  for (int i = 0; i < 100; ++i) {
    one.observe(Micros{0});
    many.observe(Micros{0});
  }
  EXPECT_EQ(one.total(), 1'000u);
  EXPECT_EQ(many.total(), 10'000u);
}

TEST(CreditPlan, HoardsNoLongTasks) {
  CreditPlan plan{4, 0};
  for (int i = 0; i < 100; ++i) plan.observe(Micros{200'000});
  EXPECT_EQ(plan.total(), 4u);
  EXPECT_EQ(plan.pool_target(), 4u);
}

TEST(CreditPlan, FollowsWhenTasksTurnLong) {
  CreditPlan plan{2, 0};
  for (int i = 0; i < 100; ++i) plan.observe(Micros{10});
  EXPECT_EQ(plan.total(), 2'000u);
  for (int i = 0; i < 32; ++i) plan.observe(Micros{1'000'000});
  EXPECT_EQ(plan.total(), 2u);
}

TEST(CreditPlan, KeepsToAFixedNumber) {
  CreditPlan plan{4, 7};
  EXPECT_EQ(plan.total(), 7u);
  plan.observe(Micros{1});
  EXPECT_EQ(plan.total(), 7u);
}

TEST(CreditPlan, ThePoolHasWorkForHalfAMillisecondBehindWhatRuns) {
  CreditPlan plan{2, 0};
  for (int i = 0; i < 200; ++i) plan.observe(Micros{50});
  EXPECT_EQ(plan.pool_target(), 2u + 2 * 10);
  for (int i = 0; i < 400; ++i) plan.observe(Micros{0});
  EXPECT_EQ(plan.pool_target(), 2u + 2 * 256);
  for (int i = 0; i < 400; ++i) plan.observe(Micros{1'000});
  EXPECT_EQ(plan.pool_target(), 2u + 1);
}

}  // namespace
}  // namespace baozi::worker
