// What a task that comes back may cost: counts that are durable first, and one delivery that counts
// (delivery.md D15, D16, D20).
#include "broker/row.hpp"
#include "broker_fixture.hpp"

namespace baozi::broker {
namespace {

class BrokerRedelivery : public BrokerFixture {
 protected:
  static Bytes ignored() {
    Bytes bytes;
    Writer packed{bytes};
    packed.map(1);
    packed.uinteger(static_cast<std::uint64_t>(wire::Option::ignore_result));
    packed.boolean(true);
    return bytes;
  }
  /// Time passes in one step, in which nothing reaches the disk.
  void pass_without_commit(std::int64_t us) {
    now.mono += Micros{us};
    now.wall += Micros{us};
    keep_alive();
    turn();
  }
  void nack(TestPeer& worker, std::uint64_t number, wire::NackKind kind) {
    wire::Nack message;
    message.first = ++nacks;
    message.entries.push_back(
        {.number = number, .kind = kind, .delay_us = 0, .reason = {}, .flags = 0});
    say(worker, message);
  }
  TaskRowMeta row() { return unpack_row(store.tasks.begin()->second)->meta; }

  std::uint64_t nacks = 0;
};

TEST_F(BrokerRedelivery, ALossIsOnDiskBeforeTheTaskLeavesAgain) {
  // A crash that took both, the loss and the delivery after it, let a poison task run twice more
  // than its limit.
  home.clear();
  start();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  submit(1, {task("a", {}, ignored())});
  settle();
  ASSERT_EQ(deliveries(*worker_a).size(), 1u);
  connect_worker(worker_b, 2, 10);
  disconnect(worker_a);
  pass(9 * second);
  pass_without_commit(second + 1);
  ASSERT_EQ(core->counters().lost_deliveries, 1u);
  EXPECT_TRUE(deliveries(*worker_b).empty());
  EXPECT_EQ(row().lost, 0u);
  commit();
  turn();
  EXPECT_EQ(row().lost, 1u);
  const auto again = deliveries(*worker_b);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].count, 2u);
  done(*worker_b, again[0].number, wire::TaskState::ignored);
  settle();
  EXPECT_EQ(core->books().succeeded, 1u);
  expect_books_balance();
}

TEST_F(BrokerRedelivery, ARetryIsOnDiskBeforeTheTaskLeavesAgain) {
  start();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  submit(1, {task("a")});
  settle();
  const auto given = deliveries(*worker_a);
  ASSERT_EQ(given.size(), 1u);
  nack(*worker_a, given[0].number, wire::NackKind::retry);
  EXPECT_TRUE(deliveries(*worker_a).empty());
  commit();
  turn();
  EXPECT_EQ(row().retries, 1u);
  const auto again = deliveries(*worker_a);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].retries, 1u);
}

TEST_F(BrokerRedelivery, OfTwoDeliveriesThatAWorkerReportsTheLaterOneCounts) {
  // Its retry was not answered before the crash. The delivery that followed on it had ended
  // already: to take the first one up again ran the task a third time.
  start();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  submit(1, {task("a")});
  settle();
  const auto first = deliveries(*worker_a);
  ASSERT_EQ(first.size(), 1u);
  nack(*worker_a, first[0].number, wire::NackKind::retry);
  commit();
  turn();
  const auto second_one = deliveries(*worker_a);
  ASSERT_EQ(second_one.size(), 1u);
  crash_and_start();
  connect_worker(worker_a, 1, 10,
                 {{.number = first[0].number,
                   .key = first[0].key,
                   .position = 0,
                   .phase = wire::Hold::done_unanswered,
                   .id = first[0].task.id},
                  {.number = second_one[0].number,
                   .key = second_one[0].key,
                   .position = 0,
                   .phase = wire::Hold::awaiting_stored,
                   .id = second_one[0].task.id}});
  nack(*worker_a, first[0].number, wire::NackKind::retry);
  settle();
  const auto told = next<wire::DoneOk>(*worker_a, wire::Type::done_ok);
  ASSERT_TRUE(told.has_value());
  ASSERT_EQ(told->exceptions.size(), 1u);
  EXPECT_EQ(told->exceptions[0].code, wire::Settled::stale);
  EXPECT_TRUE(deliveries(*worker_a).empty());
  done(*worker_a, second_one[0].number);
  settle();
  EXPECT_TRUE(store.tasks.empty());
  EXPECT_EQ(core->books().succeeded, 1u);
  expect_books_balance();
}

TEST_F(BrokerRedelivery, AnOrphanIsNotGivenUpWhileTheDiskIsFull) {
  // The broker itself refuses the batch that it waits for.
  start();
  connect_producer();
  const Uuid id = producer_id;
  connect_worker(worker_a, 1, 10);
  settle();
  submit(1, {task("a")});
  const auto given = deliveries(*worker_a);
  ASSERT_EQ(given.size(), 1u);
  free_bytes = 10;
  crash_and_start();
  connect_worker(worker_a, 1, 10,
                 {{.number = given[0].number,
                   .key = given[0].key,
                   .position = given[0].position,
                   .phase = wire::Hold::done_unanswered,
                   .id = given[0].task.id}});
  done(*worker_a, given[0].number, wire::TaskState::ignored);
  pass(60 * second);
  EXPECT_EQ(core->counters().orphans_given_up, 0u);
  free_bytes = 1 << 30;
  pass(3 * second);
  connect_producer(id);
  submit(1, {task("a")});
  settle();
  EXPECT_TRUE(deliveries(*worker_a).empty());
  EXPECT_EQ(core->books().succeeded, 1u);
  connect_producer(make_uuid7(wall_time(6), 3, 4));
  expect_books_balance();
}

TEST_F(BrokerRedelivery, TheStoredFailureOfATaskWhoseResultNobodyWantsIsItsEnd) {
  // D20: failures always report. Its worker was lost between the report and its DONE.
  start();
  connect_producer();
  connect_collector();
  connect_worker(worker_a, 1, 10);
  submit(1, {task("a", {}, ignored())});
  settle();
  ASSERT_EQ(deliveries(*worker_a).size(), 1u);
  connect_worker(worker_b, 2, 10);
  disconnect(worker_a);
  pass(11 * second);
  const auto question = next<wire::Fetch>(*collector, wire::Type::fetch);
  ASSERT_TRUE(question.has_value());
  EXPECT_TRUE(deliveries(*worker_b).empty());
  Bytes record;
  Writer packed{record};
  wire::pack_record(
      packed,
      {.id = {false, "a"}, .name = "c.add", .state = wire::TaskState::failure, .body = "x"});
  wire::Fetched answer;
  answer.request = question->request;
  answer.entries.push_back({.id = question->ids[0], .generation = 0, .record = record});
  say(*collector, answer);
  settle();
  EXPECT_TRUE(deliveries(*worker_b).empty());
  EXPECT_EQ(core->books().failed, 1u);
  EXPECT_TRUE(store.tasks.empty());
  expect_books_balance();
}

}  // namespace
}  // namespace baozi::broker
