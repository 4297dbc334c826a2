// Each tick runs once, whoever is killed.
#include "beat_fixture.hpp"

namespace baozi::test {
namespace {

TEST_F(BeatProgram, TwoBeatsThatAreKilledInTurnRunEachTickOnce) {
  const WallTime begin = base::wall_now();
  write(ticking());
  std::unique_ptr<Process> beats[2] = {start_beat(), start_beat()};
  ASSERT_TRUE(has_run(3));
  for (std::size_t round = 0; round < 4; ++round) {
    ASSERT_TRUE(has_run(runs().size() + 3));
    beats[round % 2]->kill();
    ASSERT_TRUE(has_run(runs().size() + 3)) << "the other goes on";
    beats[round % 2] = start_beat();
    ASSERT_TRUE(says("the schedule has 1 entry"));
  }
  for (auto& beat : beats) beat->signal(SIGTERM);
  for (auto& beat : beats) EXPECT_EQ(beat->wait(), 0);
  ASSERT_TRUE(eventually(
      [&] { return cluster.status("books.queued") == 0 && cluster.status("books.leased") == 0; }));
  expect_no_gap_and_none_twice(begin);
  EXPECT_GT(cluster.status("counters.duplicates"), 0) << "both sent, and one of two was taken";
}

TEST_F(BeatProgram, ABrokerThatIsKilledGetsEachTickOnce) {
  const WallTime begin = base::wall_now();
  write(ticking());
  auto beat = start_beat();
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(has_run(runs().size() + 3));
    cluster.broker().kill();
    // Until the beat's ticks are stuck, by the wall clock: five of them.
    const WallTime back = base::wall_now() + 5 * interval;
    ASSERT_TRUE(eventually([&] { return base::wall_now() >= back; }));
    cluster.start_broker();
    ASSERT_TRUE(has_run(runs().size() + 8));
  }
  beat->signal(SIGTERM);
  EXPECT_EQ(beat->wait(), 0);
  ASSERT_TRUE(eventually(
      [&] { return cluster.status("books.queued") == 0 && cluster.status("books.leased") == 0; }));
  expect_no_gap_and_none_twice(begin);
}

TEST_F(BeatProgram, TicksWaitForABrokerThatComesLater) {
  cluster.broker().kill();
  const WallTime begin = base::wall_now();
  write(ticking());
  auto beat = start_beat();
  ASSERT_TRUE(says("ticks wait as their entries say"));
  cluster.start_broker();
  ASSERT_TRUE(has_run(10));
  EXPECT_TRUE(says("tasks are taken again"));
  beat->signal(SIGTERM);
  EXPECT_EQ(beat->wait(), 0);
  ASSERT_TRUE(eventually(
      [&] { return cluster.status("books.queued") == 0 && cluster.status("books.leased") == 0; }));
  expect_no_gap_and_none_twice(begin);
}

}  // namespace
}  // namespace baozi::test
