// kill -9 of each role under load, counts reconciled against the books that `baozi status --json`
// shows. (Single roles and what follows from each are in network_test; here are the producer, and
// all of them together.)
#include <sstream>

#include "programs.hpp"

namespace baozi::test {
namespace {

using namespace std::chrono_literals;

class Kill : public ProgramsTest {};

/// What a test_producer wrote last: so many tasks were confirmed.
long long confirmed(const Process& producer) {
  std::istringstream lines{producer.out()};
  long long last = 0;
  for (long long number = 0; lines >> number;) last = number;
  return last;
}

TEST_F(Kill, OfAProducerUnderLoadLeavesWhatItHadConfirmedAndNothingTwice) {
  cluster.start_broker();
  cluster.start_collector();
  cluster.start_worker(0);
  cluster.start_worker(1);
  Process producer{{BAOZI_TEST_PRODUCER, cluster.address(), path, "1000000"}};
  ASSERT_TRUE(eventually([&] { return confirmed(producer) >= 2'000; }, 60s)) << producer.err();
  producer.kill();
  const long long told = confirmed(producer);
  ASSERT_TRUE(eventually(
      [&] {
        return cluster.status("books.queued") == 0 && cluster.status("books.leased") == 0 &&
               cluster.status("books.accepted") >= told;
      },
      60s));
  const auto counts = marks();
  const std::int64_t accepted = cluster.status("books.accepted");
  EXPECT_GE(accepted, told) << "what was confirmed is there";
  EXPECT_LE(accepted, told + 50) << "and at most the batch that was under way";
  EXPECT_EQ(static_cast<std::int64_t>(counts.size()), accepted);
  for (const auto& [number, times] : counts) EXPECT_EQ(times, 1) << "task " << number;
  expect_books(accepted, accepted);
}

TEST_F(Kill, OfEveryRoleInTurnUnderLoadLosesNothing) {
  cluster.start_broker();
  cluster.start_collector();
  cluster.start_worker(0);
  cluster.start_worker(1);
  Process producer{{BAOZI_TEST_PRODUCER, cluster.address(), path, "20000"}};
  const auto wait_for = [&](long long count) {
    ASSERT_TRUE(eventually(
        [&] { return confirmed(producer) >= count || producer.poll().has_value(); }, 60s))
        << producer.err();
  };
  wait_for(2'000);
  cluster.worker(0).kill();
  wait_for(4'000);
  cluster.broker().kill();
  cluster.start_broker();
  wait_for(8'000);
  cluster.collector().kill();
  cluster.start_collector();
  cluster.start_worker(0);
  wait_for(12'000);
  cluster.broker().kill();
  cluster.worker(1).kill();
  cluster.start_broker();
  cluster.start_worker(1);
  EXPECT_EQ(producer.wait(120s), 0) << producer.err();
  EXPECT_EQ(confirmed(producer), 20'000);
  expect_books(20'000, 20'000);
  const auto counts = marks();
  EXPECT_EQ(counts.size(), 20'000u);
  long long repeats = 0;
  for (const auto& [number, times] : counts) repeats += times - 1;
  // What was executed, and of whose end nobody who lived had heard:
  // - of each killed worker what its pool had (its two threads' tasks and at most 256 more for
  // each, worker/credit.cpp).
  //   Results leave in the turn of their end, and a redelivered task asks the collector first:
  //   nothing else repeats.
  // - the producer's one unconfirmed batch. The broker died before its commit, and with it worker
  // 1, which could have
  //   told of it: it comes again, as new tasks.
  // Mostly it is none, seldom 20. What still lies in the pipe of a killed worker would come on top.
  constexpr long long pool = 2 + 2 * 256;
  constexpr long long batch = 50;
  EXPECT_LE(repeats, 2 * pool + batch);
}

}  // namespace
}  // namespace baozi::test
