#include "worker/autoscale.hpp"

#include <gtest/gtest.h>

namespace baozi::worker {
namespace {

using namespace std::chrono_literals;
constexpr MonoTime t0 = mono_time(1'000'000'000);

TEST(Autoscale, DoublesWhileEverySlotIsBusyUpToTheMost) {
  Autoscale scale{6, 1};
  EXPECT_EQ(scale.plan(1, 1, t0), 2u);
  EXPECT_EQ(scale.plan(2, 2, t0 + 10ms), 2u) << "the last growth has yet to show";
  EXPECT_EQ(scale.plan(2, 2, t0 + 100ms), 4u);
  EXPECT_EQ(scale.plan(4, 9, t0 + 200ms), 6u);
  EXPECT_EQ(scale.plan(6, 99, t0 + 900ms), 6u);
}

TEST(Autoscale, ShrinksOneByOneAfterAWhileWithoutNeed) {
  Autoscale scale{8, 2};
  EXPECT_EQ(scale.plan(4, 1, t0), 4u);
  EXPECT_EQ(scale.next_deadline(), t0 + 5s);
  EXPECT_EQ(scale.plan(4, 1, t0 + 4'999ms), 4u);
  EXPECT_EQ(scale.plan(4, 1, t0 + 5s), 3u);
  EXPECT_EQ(scale.plan(3, 1, t0 + 5'100ms), 3u);
  EXPECT_EQ(scale.plan(3, 1, t0 + 5'200ms), 2u);
  EXPECT_EQ(scale.plan(2, 0, t0 + 60s), 2u) << "never below the least";
  EXPECT_FALSE(scale.next_deadline());
}

TEST(Autoscale, WorkInBetweenStartsTheWaitAnew) {
  Autoscale scale{8, 1};
  EXPECT_EQ(scale.plan(4, 1, t0), 4u);
  EXPECT_EQ(scale.plan(4, 3, t0 + 3s), 4u);
  EXPECT_EQ(scale.plan(4, 1, t0 + 4s), 4u);
  EXPECT_EQ(scale.plan(4, 1, t0 + 8s), 4u);
  EXPECT_EQ(scale.plan(4, 1, t0 + 9s), 3u);
}

}  // namespace
}  // namespace baozi::worker
