// A purge that was answered holds: over a crash, with more tasks than endings may be open, and for
// those that wait for a collector's word.
#include "broker/row.hpp"
#include "broker_fixture.hpp"

namespace baozi::broker {
namespace {

class BrokerPurge : public BrokerFixture {
 protected:
  void purge() {
    Bytes arguments;
    Writer packed{arguments};
    packed.map(1);
    packed.str("queue");
    packed.str("default");
    producer->received.clear();
    say(*producer, wire::Control{.request = 5, .command = "purge", .arguments = arguments});
  }
  bool is_answered() { return next<wire::Reply>(*producer, wire::Type::reply).has_value(); }
  void submit_some(std::uint64_t number, int count) {
    std::vector<Bytes> tasks;
    for (int i = 0; i < count; ++i)
      tasks.push_back(task(std::to_string(number) + "-" + std::to_string(i)));
    submit(number, tasks);
    settle();
  }
  /// The collector stores whatever the broker ends.
  void store_endings() {
    for (int round = 0; round < 40; ++round) {
      settle();
      std::uint64_t upto = 0;
      while (const auto message = next<wire::ResultMessage>(*collector, wire::Type::result)) {
        upto = message->first + message->groups.size() - 1;
      }
      if (upto > 0) say(*collector, wire::Stored{.upto = upto, .losses = {}});
    }
  }
};

TEST_F(BrokerPurge, IsAnsweredAfterItsCommit) {
  start();
  connect_producer();
  submit_some(1, 3);
  purge();
  EXPECT_FALSE(is_answered());
  commit();
  turn();
  EXPECT_TRUE(is_answered());
}

TEST_F(BrokerPurge, NothingOfItIsDeliveredThoughOnlyFewEndingsMayBeOpenAtATime) {
  options.endings_max = 2;
  start();
  connect_producer();
  connect_collector();
  submit_some(1, 30);
  purge();
  connect_worker(worker_a, 1, 100);
  settle();
  EXPECT_TRUE(deliveries(*worker_a).empty());
  submit_some(2, 1);
  store_endings();
  EXPECT_EQ(core->books().purged, 30u);
  const auto later = deliveries(*worker_a);
  ASSERT_EQ(later.size(), 1u);
  EXPECT_EQ(later[0].task.id.bytes, "2-0");
  expect_books_balance();
}

TEST_F(BrokerPurge, GoesOnAfterACrash) {
  options.endings_max = 2;
  start();
  connect_producer();
  const Uuid id = producer_id;
  submit_some(1, 30);
  purge();
  commit();
  ASSERT_TRUE(is_answered());
  crash_and_start();
  connect_producer(id);
  submit_some(2, 1);
  connect_collector();
  connect_worker(worker_a, 1, 100);
  settle();
  EXPECT_TRUE(deliveries(*worker_a).empty());
  store_endings();
  EXPECT_EQ(core->books().purged, 30u);
  EXPECT_EQ(deliveries(*worker_a).size(), 1u);
  expect_books_balance();
}

TEST_F(BrokerPurge, EndsWhatWaitsForACollectorsWordToo) {
  start();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  submit_some(1, 1);
  ASSERT_EQ(deliveries(*worker_a).size(), 1u);
  disconnect(worker_a);
  pass(11 * second);  // it is lost, and there is no collector to be asked
  purge();
  settle();
  ASSERT_TRUE(is_answered());
  connect_collector();
  store_endings();
  EXPECT_EQ(core->books().purged, 1u);
  EXPECT_TRUE(store.tasks.empty());
  expect_books_balance();
}

TEST_F(BrokerPurge, EndsWhatWasOnItsWayToAWorkerThatIsGone) {
  start();
  connect_producer();
  connect_collector();
  connect_worker(worker_a, 1, 10);
  Bytes early;
  Writer packed{early};
  packed.map(1);
  packed.uinteger(static_cast<std::uint64_t>(wire::Option::acks_early));
  packed.boolean(true);
  submit(1, {task("early", {}, early)});
  turn();  // its mark waits for a commit
  ASSERT_TRUE(deliveries(*worker_a).empty());
  purge();
  turn();
  disconnect(worker_a);
  settle();
  ASSERT_TRUE(is_answered());
  connect_worker(worker_b, 2, 10);
  store_endings();
  EXPECT_TRUE(deliveries(*worker_b).empty());
  EXPECT_EQ(core->books().purged, 1u);
  expect_books_balance();
}

TEST_F(BrokerPurge, LeavesWhatAWorkerStillHasAfterARestart) {
  start();
  connect_producer();
  connect_collector();
  connect_worker(worker_a, 1, 10);
  submit_some(1, 1);
  const auto given = deliveries(*worker_a);
  ASSERT_EQ(given.size(), 1u);
  purge();
  settle();
  crash_and_start();
  connect_collector();
  connect_producer(make_uuid7(wall_time(6), 3, 4));
  purge();  // while the broker waits for its worker
  connect_worker(worker_a, 1, 10,
                 {{.number = given[0].number,
                   .key = given[0].key,
                   .position = 0,
                   .phase = wire::Hold::executing,
                   .id = given[0].task.id}});
  settle();
  done(*worker_a, given[0].number);
  store_endings();
  EXPECT_EQ(core->books().purged, 0u);
  EXPECT_EQ(core->books().succeeded, 1u);
  expect_books_balance();
}

}  // namespace
}  // namespace baozi::broker
