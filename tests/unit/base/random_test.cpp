#include "base/random.hpp"

#include <set>

#include <gtest/gtest.h>

namespace baozi {
namespace {

TEST(Random, RepeatsItselfForTheSameSeed) {
  Random a{42};
  Random b{42};
  for (int i = 0; i < 1'000; ++i) ASSERT_EQ(a.next(), b.next());
}

TEST(Random, DiffersBetweenNeighbouringSeeds) {
  std::set<std::uint64_t> first;
  for (std::uint64_t seed = 0; seed < 1'000; ++seed) first.insert(Random{seed}.next());
  EXPECT_EQ(first.size(), 1'000u);
}

TEST(Random, StaysBelowItsBoundAndReachesEveryValue) {
  Random random{1};
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1'000; ++i) seen.insert(random.below(6));
  EXPECT_EQ(seen, (std::set<std::uint64_t>{0, 1, 2, 3, 4, 5}));
}

TEST(Random, AnswersZeroForABoundOfZero) { EXPECT_EQ(Random{1}.below(0), 0u); }

TEST(Random, TakesAChanceAboutAsOftenAsAsked) {
  Random random{7};
  int hits = 0;
  for (int i = 0; i < 100'000; ++i) hits += random.chance(0.05) ? 1 : 0;
  EXPECT_NEAR(hits, 5'000, 300);  // four standard deviations
}

TEST(Random, NeverTakesAChanceOfZeroAndAlwaysOneOfOne) {
  Random random{7};
  for (int i = 0; i < 1'000; ++i) {
    ASSERT_FALSE(random.chance(0.0));
    ASSERT_TRUE(random.chance(1.0));
  }
}

TEST(Entropy, IsNotTheSameTwice) { EXPECT_NE(entropy64(), entropy64()); }

}  // namespace
}  // namespace baozi
