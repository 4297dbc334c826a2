#include "broker/row.hpp"
#include "broker_fixture.hpp"

namespace baozi::broker {
namespace {

using BrokerCoreTest = BrokerFixture;

TEST_F(BrokerCoreTest, AConfirmLeavesOnlyAfterTheCommit) {
  start();
  connect_producer();
  submit(1, {task("a")});
  EXPECT_FALSE(next<wire::Submitted>(*producer, wire::Type::submitted).has_value());
  pass(50'000, 25'000);
  const auto confirm = next<wire::Submitted>(*producer, wire::Type::submitted);
  ASSERT_TRUE(confirm.has_value());
  EXPECT_EQ(confirm->upto, 1u);
  EXPECT_EQ(store.tasks.size(), 1u);
}

TEST_F(BrokerCoreTest, ATaskIsDeliveredWhileItsInsertIsBeingCommittedAndCancelsWhenDoneFirst) {
  start();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  submit(1, {task("a")});
  const auto given = deliveries(*worker_a);
  ASSERT_EQ(given.size(), 1u);
  EXPECT_NE(given[0].position, 0u);  // not durable yet
  done(*worker_a, given[0].number, wire::TaskState::ignored);
  settle();
  EXPECT_TRUE(store.tasks.empty());
  EXPECT_EQ(core->counters().cancelled_pairs, 1u);
  EXPECT_EQ(next<wire::DoneOk>(*worker_a, wire::Type::done_ok)->upto, 1u);
  EXPECT_EQ(next<wire::Submitted>(*producer, wire::Type::submitted)->upto, 1u);
  EXPECT_EQ(core->books().succeeded, 1u);
  expect_books_balance();
}

TEST_F(BrokerCoreTest, ALowerNumberIsAnsweredAsAcceptedAndAHigherOneAsOutOfSequence) {
  start();
  connect_producer();
  submit(1, {task("a")});
  settle();
  producer->received.clear();
  submit(1, {task("a")});
  EXPECT_EQ(next<wire::Submitted>(*producer, wire::Type::submitted)->upto, 1u);
  submit(3, {task("c")});
  const auto refusal = next<wire::Submitted>(*producer, wire::Type::submitted);
  ASSERT_EQ(refusal->refusals.size(), 1u);
  EXPECT_EQ(refusal->refusals[0].code, wire::Refusal::out_of_sequence);
  EXPECT_EQ(refusal->refusals[0].expected, 2u);
  settle();
  EXPECT_EQ(store.tasks.size(), 1u);
}

TEST_F(BrokerCoreTest, AResentBatchAfterABrokerCrashMakesNoSecondTask) {
  start();
  connect_producer();
  submit(1, {task("a")});
  settle();
  crash_and_start();
  const Uuid id = producer_id;
  connect_producer(id);
  submit(1, {task("a")});
  settle();
  EXPECT_EQ(store.tasks.size(), 1u);
  EXPECT_EQ(core->books().accepted, 1u);
}

TEST_F(BrokerCoreTest, ALostWorkersTaskComesBackFlaggedAfterTheCollectorKnewNoResult) {
  start();
  connect_producer();
  connect_collector();
  connect_worker(worker_a, 1, 10);
  submit(1, {task("a")});
  settle();
  ASSERT_EQ(deliveries(*worker_a).size(), 1u);
  disconnect(worker_a);
  pass(11 * second);
  const auto question = next<wire::Fetch>(*collector, wire::Type::fetch);
  ASSERT_TRUE(question.has_value());
  wire::Fetched answer;
  answer.request = question->request;
  answer.entries.push_back({.id = question->ids[0]});
  say(*collector, answer);
  connect_worker(worker_b, 2, 10);
  const auto again = deliveries(*worker_b);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].count, 2u);
  EXPECT_EQ(again[0].flags & wire::flag::deliver_redelivered, wire::flag::deliver_redelivered);
}

TEST_F(BrokerCoreTest, APoisonTaskEndsAsADeadLetterWithEveryReason) {
  options.delivery_limit = 2;
  start();
  connect_producer();
  connect_collector();
  submit(1, {task("a")});
  settle();
  for (std::uint64_t incarnation = 1; incarnation <= 2; ++incarnation) {
    connect_worker(worker_a, incarnation, 10);
    ASSERT_EQ(deliveries(*worker_a).size(), 1u) << incarnation;
    disconnect(worker_a);
    pass(11 * second);
    if (incarnation == 2) break;  // that was the last delivery it may lose
    const auto question = next<wire::Fetch>(*collector, wire::Type::fetch);
    ASSERT_TRUE(question.has_value());
    wire::Fetched answer;
    answer.request = question->request;
    answer.entries.push_back({.id = question->ids[0]});
    say(*collector, answer);
  }
  const auto ending = next<wire::ResultMessage>(*collector, wire::Type::result);
  ASSERT_TRUE(ending.has_value());
  EXPECT_EQ(ending->groups[0].entries[0].record.state, wire::TaskState::failure);
  say(*collector, wire::Stored{.upto = 1, .losses = {}});
  settle();
  EXPECT_EQ(core->books().dead, 1u);
  EXPECT_TRUE(store.tasks.empty());
  expect_books_balance();
}

TEST_F(BrokerCoreTest, AnEndingObeysAResultThatWasStoredFirst) {
  start();
  connect_producer();
  connect_collector();
  Bytes options_bytes;
  Writer packed{options_bytes};
  packed.map(1);
  packed.uinteger(static_cast<std::uint64_t>(wire::Option::expires));
  packed.integer(micros(now.wall) + second);
  submit(1, {task("a", {}, options_bytes)});
  pass(2 * second);
  ASSERT_TRUE(next<wire::ResultMessage>(*collector, wire::Type::result).has_value());
  Bytes record;
  Writer record_out{record};
  wire::pack_record(
      record_out,
      {.id = {false, "a"}, .name = "c.add", .state = wire::TaskState::success, .body = "x"});
  wire::Stored stored;
  stored.upto = 1;
  stored.losses.push_back({.entry = 1,
                           .code = wire::Lost::to_winner,
                           .record = record,
                           .raw_follow_ups = {},
                           .text = {}});
  say(*collector, stored);
  settle();
  EXPECT_EQ(core->books().succeeded, 1u);
  EXPECT_EQ(core->books().expired, 0u);
  expect_books_balance();
}

TEST_F(BrokerCoreTest, AfterARestartNothingIsDeliveredUntilTheWorkerSaidWhatItHolds) {
  start();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  submit(1, {task("a")});
  settle();
  const auto given = deliveries(*worker_a);
  ASSERT_EQ(given.size(), 1u);
  const std::uint64_t number = given[0].number;
  const std::int64_t key = given[0].key;
  crash_and_start();
  EXPECT_TRUE(core->is_holding());
  connect_worker(worker_b, 2, 10);
  settle();
  EXPECT_TRUE(deliveries(*worker_b).empty());
  const Bytes id = "a";
  connect_worker(worker_a, 1, 10,
                 {{.number = number,
                   .key = key,
                   .position = given[0].position,
                   .phase = wire::Hold::executing,
                   .id = {false, id}}});
  settle();
  EXPECT_FALSE(core->is_holding());
  EXPECT_TRUE(deliveries(*worker_b).empty());
  EXPECT_EQ(core->counters().adopted, 1u);
  done(*worker_a, number, wire::TaskState::ignored);
  settle();
  EXPECT_TRUE(store.tasks.empty());
  EXPECT_EQ(core->books().succeeded, 1u);
  expect_books_balance();
}

// Seen with a real worker: its DONEs came while the rows were still on disk, the page-in read those
// rows again, ran the tasks twice, and as many at the end of the queue were never read.
TEST_F(BrokerCoreTest, TasksThatWereReportedAndSettledAreNotReadFromDiskAgain) {
  start();
  connect_producer();
  connect_worker(worker_a, 1, 2);
  settle();
  submit(1, {task("a"), task("b"), task("c"), task("d"), task("e")});
  settle();
  const auto given = deliveries(*worker_a);
  ASSERT_EQ(given.size(), 2u);
  ASSERT_EQ(store.tasks.size(), 5u);
  crash_and_start();
  std::vector<wire::HeldDelivery> holds;
  for (const auto& delivery : given) {
    holds.push_back({.number = delivery.number,
                     .key = delivery.key,
                     .position = delivery.position,
                     .phase = wire::Hold::done_unanswered,
                     .id = delivery.task.id});
  }
  connect(worker_a, {.role = wire::Role::worker,
                     .name = "w1",
                     .incarnation = 1,
                     .concurrency = 4,
                     .holds = holds});
  wire::Done message;
  message.first = 1;
  for (const auto& delivery : given) {
    message.entries.push_back({.number = delivery.number, .state = wire::TaskState::ignored});
  }
  say(*worker_a, message);
  say(*worker_a, wire::Credit{.count = 10, .bytes = 1 << 30, .returned = 0, .returned_bytes = 0});
  settle();
  std::vector<Bytes> ids;
  for (const auto& delivery : deliveries(*worker_a)) ids.emplace_back(delivery.task.id.bytes);
  EXPECT_EQ(ids, (std::vector<Bytes>{"c", "d", "e"}));
  EXPECT_EQ(core->books().succeeded, 2u);
  expect_books_balance();
}

TEST_F(BrokerCoreTest, AStaleDoneIsAnsweredThoughNothingIsCommitted) {
  start();
  connect_worker(worker_a, 1, 10);
  settle();
  const std::uint64_t stale = 77;
  done(*worker_a, stale, wire::TaskState::success);
  const auto answered = next<wire::DoneOk>(*worker_a, wire::Type::done_ok);
  ASSERT_TRUE(answered.has_value());
  EXPECT_EQ(answered->upto, 1u);
  ASSERT_EQ(answered->exceptions.size(), 1u);
  EXPECT_EQ(answered->exceptions[0].code, wire::Settled::stale);
}

// Answered at once, the worker forgot it, and a crash before that commit brought the task back (sim
// seed 623).
TEST_F(BrokerCoreTest, ARepeatedDoneIsAnsweredNoSoonerThanTheOneThatCounted) {
  start();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  submit(1, {task("a")});
  settle();
  const auto given = deliveries(*worker_a);
  ASSERT_EQ(given.size(), 1u);
  done(*worker_a, given[0].number, wire::TaskState::ignored);
  connect(worker_a, {.role = wire::Role::worker,
                     .name = "w1",
                     .incarnation = 1,
                     .concurrency = 4,
                     .holds = {{.number = given[0].number,
                                .key = given[0].key,
                                .position = given[0].position,
                                .phase = wire::Hold::done_unanswered,
                                .id = given[0].task.id}}});
  done(*worker_a, given[0].number, wire::TaskState::ignored);
  EXPECT_FALSE(next<wire::DoneOk>(*worker_a, wire::Type::done_ok).has_value());
  settle();
  const auto answered = next<wire::DoneOk>(*worker_a, wire::Type::done_ok);
  ASSERT_TRUE(answered.has_value());
  EXPECT_EQ(answered->upto, 1u);
  ASSERT_EQ(answered->exceptions.size(), 1u);
  EXPECT_EQ(answered->exceptions[0].code, wire::Settled::stale);
  EXPECT_TRUE(store.tasks.empty());
}

// Its row had left memory again when its worker came: taken for an orphan, it waited for nothing
// and the task ran twice (sim seed 1433).
TEST_F(BrokerCoreTest, ATaskThatCameAgainAndWasPagedOutIsStillTheLateWorkersOwn) {
  options.window_tasks = 1;
  start();
  connect_producer();
  const Uuid id = producer_id;
  connect_worker(worker_a, 1, 10);
  connect_worker(worker_b, 2, 0);
  settle();
  submit(1, {task("a")});
  const auto given = deliveries(*worker_a);
  ASSERT_EQ(given.size(), 1u);
  crash_and_start();  // before the insert was committed
  connect_producer(make_uuid7(wall_time(6), 3, 4));
  submit(1, {task("x")});  // fills the window
  connect_producer(id);
  submit(1, {task("a")});
  settle();
  ASSERT_EQ(store.tasks.size(), 2u);
  connect_worker(worker_a, 1, 0,
                 {{.number = given[0].number,
                   .key = given[0].key,
                   .position = given[0].position,
                   .phase = wire::Hold::done_unanswered,
                   .id = given[0].task.id}});
  EXPECT_EQ(core->counters().orphans, 0u);
  connect_worker(worker_b, 2, 10);
  settle();
  done(*worker_a, given[0].number, wire::TaskState::ignored);
  settle();
  std::vector<Bytes> ids;
  for (const auto& delivery : deliveries(*worker_b)) ids.emplace_back(delivery.task.id.bytes);
  EXPECT_EQ(ids, (std::vector<Bytes>{"x"}));
  EXPECT_EQ(core->books().succeeded, 1u);
  expect_books_balance();
}

TEST_F(BrokerCoreTest, ABrokerThatWaitsForARowSleeps) {
  start();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  connect_worker(worker_b, 2, 0);
  submit(1, {task("a")});
  settle();
  const auto given = deliveries(*worker_a);
  ASSERT_EQ(given.size(), 1u);
  crash_and_start();
  reads_are_slow = true;  // the row of the reported task is not there when the liveness is over
  connect(worker_a, {.role = wire::Role::worker,
                     .name = "w1",
                     .incarnation = 1,
                     .concurrency = 4,
                     .holds = {{.number = given[0].number,
                                .key = given[0].key,
                                .position = 0,
                                .phase = wire::Hold::executing,
                                .id = given[0].task.id}}});
  pass(11 * second);
  EXPECT_TRUE(core->is_holding());
  EXPECT_GT(*core->next_deadline(), now.mono);
}

// Its new row lay among those that were paged out: it was read from there as a second task (sim
// seed 4985).
TEST_F(BrokerCoreTest, AnOrphanThatIsJoinedBehindAFullWindowIsNotReadFromDisk) {
  options.window_tasks = 1;
  start();
  connect_producer();
  const Uuid id = producer_id;
  connect_worker(worker_a, 1, 10);
  connect_worker(worker_b, 2, 0);
  settle();
  submit(1, {task("a")});
  const auto given = deliveries(*worker_a);
  ASSERT_EQ(given.size(), 1u);
  crash_and_start();  // before the insert was committed
  connect_worker(worker_a, 1, 0,
                 {{.number = given[0].number,
                   .key = given[0].key,
                   .position = given[0].position,
                   .phase = wire::Hold::executing,
                   .id = given[0].task.id}});
  connect_producer(make_uuid7(wall_time(6), 3, 4));
  submit(1, {task("x"), task("y")});  // x fills the window, y is paged out
  settle();
  connect_producer(id);
  submit(1, {task("a")});
  settle();
  EXPECT_EQ(core->counters().adopted, 1u);
  connect_worker(worker_b, 2, 10);
  settle();
  std::vector<Bytes> ids;
  for (const auto& delivery : deliveries(*worker_b)) ids.emplace_back(delivery.task.id.bytes);
  EXPECT_EQ(ids, (std::vector<Bytes>{"x", "y"}));
  expect_books_balance();
}

TEST_F(BrokerCoreTest, AnOrphanDoesNotKeepTheAnswersBehindItWaiting) {
  start();
  connect_producer();
  const Uuid id = producer_id;
  connect_worker(worker_a, 1, 10);
  settle();
  submit(1, {task("a")});
  const auto given = deliveries(*worker_a);
  ASSERT_EQ(given.size(), 1u);
  crash_and_start();  // before the insert was committed
  connect_worker(worker_a, 1, 10,
                 {{.number = given[0].number,
                   .key = given[0].key,
                   .position = given[0].position,
                   .phase = wire::Hold::done_unanswered,
                   .id = given[0].task.id}});
  done(*worker_a, given[0].number, wire::TaskState::ignored);
  settle();
  EXPECT_FALSE(next<wire::DoneOk>(*worker_a, wire::Type::done_ok).has_value());
  connect_producer(make_uuid7(wall_time(6), 3, 4));
  submit(1, {task("b")});
  settle();
  const auto other = deliveries(*worker_a);
  ASSERT_EQ(other.size(), 1u);
  done(*worker_a, other[0].number, wire::TaskState::ignored);
  settle();
  const auto told = next<wire::DoneOk>(*worker_a, wire::Type::done_ok);
  ASSERT_TRUE(told.has_value());
  EXPECT_EQ(told->upto, 2u);
  ASSERT_EQ(told->exceptions.size(), 1u);
  EXPECT_EQ(told->exceptions[0].entry, 1u);
  EXPECT_EQ(told->exceptions[0].code, wire::Settled::held);
  connect_producer(id);
  submit(1, {task("a")});  // its producer brings it again
  settle();
  const auto later = next<wire::DoneOk>(*worker_a, wire::Type::done_ok);
  ASSERT_TRUE(later.has_value());
  EXPECT_EQ(later->upto, 2u);
  ASSERT_EQ(later->exceptions.size(), 1u);
  EXPECT_EQ(later->exceptions[0].entry, 1u);
  EXPECT_EQ(later->exceptions[0].code, wire::Settled::ok);
  EXPECT_EQ(core->books().succeeded, 2u);
  expect_books_balance();
}

TEST_F(BrokerCoreTest, AnOrphanIsJoinedWithItsResendAndNotDeliveredAgain) {
  start();
  connect_producer();
  const Uuid id = producer_id;
  connect_worker(worker_a, 1, 10);
  settle();
  submit(1, {task("a")});
  const auto given = deliveries(*worker_a);
  ASSERT_EQ(given.size(), 1u);
  const std::uint64_t number = given[0].number;
  const std::uint64_t position = given[0].position;
  const std::int64_t key = given[0].key;
  crash_and_start();  // before the insert was committed
  const Bytes name = "a";
  connect_worker(worker_a, 1, 10,
                 {{.number = number,
                   .key = key,
                   .position = position,
                   .phase = wire::Hold::done_unanswered,
                   .id = {false, name}}});
  done(*worker_a, number, wire::TaskState::ignored);
  settle();
  EXPECT_FALSE(next<wire::DoneOk>(*worker_a, wire::Type::done_ok).has_value());
  connect_producer(id);
  submit(1, {task("a")});
  settle();
  EXPECT_EQ(next<wire::DoneOk>(*worker_a, wire::Type::done_ok)->upto, 1u);
  EXPECT_TRUE(deliveries(*worker_a).empty());
  EXPECT_EQ(core->books().succeeded, 1u);
  expect_books_balance();
}

TEST_F(BrokerCoreTest, ATaskThatJoinsItsOrphansDoneLeavesTheRestOfItsBatchToItsProducer) {
  start();
  connect_producer();
  const Uuid id = producer_id;
  connect_worker(worker_a, 1, 10);
  settle();
  submit(1, {task("a")});
  const auto given = deliveries(*worker_a);
  ASSERT_EQ(given.size(), 1u);
  const auto hold = wire::HeldDelivery{.number = given[0].number,
                                       .key = given[0].key,
                                       .position = given[0].position,
                                       .phase = wire::Hold::done_unanswered,
                                       .id = given[0].task.id};
  crash_and_start();  // before the insert was committed
  connect_worker(worker_a, 1, 0, {hold});
  done(*worker_a, hold.number, wire::TaskState::ignored);
  connect_producer(id);
  submit(1, {task("a"), task("b")});  // "a" ends here and now
  connect_producer(make_uuid7(wall_time(6), 3, 4));
  submit(1, {task("c")});
  settle();
  std::map<std::string, Bytes> origins;
  for (const auto& [key, rec] : store.tasks) {
    const auto row = unpack_row(rec);
    origins[std::string{row->task.id.bytes}] = row->meta.origin;
  }
  EXPECT_EQ(origins.size(), 2u);
  EXPECT_EQ(origins["b"], id.view());
  EXPECT_EQ(origins["c"], producer_id.view());
}

TEST_F(BrokerCoreTest, FollowUpsAreEnqueuedByTheCommitThatRemovesTheirParent) {
  start();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  submit(1, {task("parent")});
  const auto given = deliveries(*worker_a);
  Bytes follow_ups;
  Writer packed{follow_ups};
  packed.array(1);
  packed.raw(task("child"));
  done(*worker_a, given[0].number, wire::TaskState::success, follow_ups);
  const auto child = deliveries(*worker_a);
  ASSERT_EQ(child.size(), 1u);
  EXPECT_EQ(child[0].task.id.bytes, "child");
  settle();
  EXPECT_EQ(store.tasks.size(), 1u);
  expect_books_balance();
}

TEST_F(BrokerCoreTest, HigherPrioritiesGoFirstAndFifoInsideOne) {
  start();
  connect_producer();
  const auto with_priority = [](std::uint64_t priority) {
    Bytes bytes;
    Writer packed{bytes};
    packed.map(1);
    packed.uinteger(static_cast<std::uint64_t>(wire::Option::priority));
    packed.uinteger(priority);
    return bytes;
  };
  submit(1, {task("low", {}, with_priority(1)), task("mid1"), task("mid2"),
             task("high", {}, with_priority(9))});
  settle();
  connect_worker(worker_a, 1, 10, {}, 1);
  settle();
  std::vector<std::string> order;
  for (const auto& delivery : deliveries(*worker_a)) order.emplace_back(delivery.task.id.bytes);
  EXPECT_EQ(order, (std::vector<std::string>{"high", "mid1", "mid2", "low"}));
}

TEST_F(BrokerCoreTest, ABacklogBeyondTheWindowLeavesMemoryAndComesBackInOrder) {
  options.window_tasks = 10;
  start();
  connect_producer();
  std::vector<Bytes> tasks;
  for (int i = 0; i < 100; ++i) tasks.push_back(task("t" + std::to_string(1000 + i)));
  submit(1, tasks);
  settle();
  EXPECT_EQ(store.tasks.size(), 100u);
  expect_books_balance();
  connect_worker(worker_a, 1, 1000);
  std::vector<std::string> order;
  for (int round = 0; round < 50; ++round) {
    settle();
    for (const auto& delivery : deliveries(*worker_a)) {
      order.emplace_back(delivery.task.id.bytes);
    }
  }
  ASSERT_EQ(order.size(), 100u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  expect_books_balance();
}

TEST_F(BrokerCoreTest, AnEtaSurvivesARestart) {
  start();
  connect_producer();
  Bytes later;
  Writer packed{later};
  packed.map(1);
  packed.uinteger(static_cast<std::uint64_t>(wire::Option::eta));
  packed.integer(micros(now.wall) + 5 * second);
  submit(1, {task("later", {}, later)});
  settle();
  crash_and_start();
  connect_worker(worker_a, 1, 10);
  pass(3 * second);
  EXPECT_TRUE(deliveries(*worker_a).empty());
  pass(3 * second);
  EXPECT_EQ(deliveries(*worker_a).size(), 1u);
  expect_books_balance();
}

TEST_F(BrokerCoreTest, ARetryWaitsItsDelayAndCountsAsARetryOnly) {
  start();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  submit(1, {task("a")});
  const auto first = deliveries(*worker_a);
  wire::Nack nack;
  nack.first = 1;
  nack.entries.push_back({.number = first[0].number,
                          .kind = wire::NackKind::retry,
                          .delay_us = 2 * second,
                          .reason = "again"});
  say(*worker_a, nack);
  pass(second);
  EXPECT_TRUE(deliveries(*worker_a).empty());
  pass(2 * second);
  const auto second_try = deliveries(*worker_a);
  ASSERT_EQ(second_try.size(), 1u);
  EXPECT_EQ(second_try[0].retries, 1u);
  EXPECT_EQ(second_try[0].count, 1u);
  done(*worker_a, second_try[0].number);
  settle();
  EXPECT_TRUE(store.tasks.empty());
  expect_books_balance();
}

TEST_F(BrokerCoreTest, ASnoozeWaitsItsDelayAndIsNotCounted) {
  start();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  submit(1, {task("a")});
  const auto first = deliveries(*worker_a);
  wire::Nack nack;
  nack.first = 1;
  nack.entries.push_back({.number = first[0].number,
                          .kind = wire::NackKind::retry,
                          .delay_us = 2 * second,
                          .reason = "not yet",
                          .flags = wire::flag::nack_uncharged});
  say(*worker_a, nack);
  pass(second);
  EXPECT_TRUE(deliveries(*worker_a).empty());
  pass(2 * second);
  const auto again = deliveries(*worker_a);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].retries, 0u);
  EXPECT_EQ(again[0].since_us, 0);
  EXPECT_EQ(again[0].count, 1u);
  done(*worker_a, again[0].number);
  settle();
  EXPECT_TRUE(store.tasks.empty());
  expect_books_balance();
}

TEST_F(BrokerCoreTest, ADeliveryTellsWhenItsTaskWasFirstRetriedThroughARestart) {
  start();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  submit(1, {task("a")});
  const std::int64_t since = micros(now.wall);
  wire::Nack nack;
  nack.first = 1;
  nack.entries.push_back({.number = deliveries(*worker_a)[0].number,
                          .kind = wire::NackKind::retry,
                          .delay_us = second,
                          .reason = "x"});
  say(*worker_a, nack);
  settle();
  crash_and_start();
  connect_worker(worker_a, 1, 10);
  pass(12 * second);
  const auto again = deliveries(*worker_a);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].retries, 1u);
  EXPECT_EQ(again[0].since_us, since);
}

TEST_F(BrokerCoreTest, ATaskThatItsWorkerRunsAtMostOnceIsMarkedFirstAndNeverRepeated) {
  start();
  connect_producer();
  worker_early = {"c.add"};
  connect_worker(worker_a, 1, 10);
  submit(1, {task("a")});
  EXPECT_TRUE(deliveries(*worker_a).empty());  // the mark comes first
  settle();
  EXPECT_EQ(deliveries(*worker_a).size(), 1u);
  crash_and_start();
  worker_early.clear();
  connect_worker(worker_a, 2, 10);
  pass(12 * second);
  EXPECT_TRUE(deliveries(*worker_a).empty());
  EXPECT_EQ(core->books().accepted, 1u);
}

TEST_F(BrokerCoreTest, AWorkerMaySayLaterWhichTasksItRunsAtMostOnce) {
  start();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  submit(1, {task("a")});
  EXPECT_EQ(deliveries(*worker_a).size(), 1u);
  say(*worker_a, wire::Tasks{.early = {"c.add"}, .limits = {}});
  submit(2, {task("b")});
  EXPECT_TRUE(deliveries(*worker_a).empty());  // the mark comes first
  settle();
  EXPECT_EQ(deliveries(*worker_a).size(), 1u);
  say(*worker_a, wire::Tasks{});
  submit(3, {task("c")});
  EXPECT_EQ(deliveries(*worker_a).size(), 1u);
  EXPECT_TRUE(worker_a->received.empty()) << "there is no answer";
}

TEST_F(BrokerCoreTest, ADeliveryWhoseProcessWasLostCountsAsLostAndTheTaskComesBackRedelivered) {
  start();
  connect_collector();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  submit(1, {task("a")});
  settle();
  std::uint64_t first = 1;
  for (std::uint32_t lost = 0; lost < 2; ++lost) {
    const auto given = deliveries(*worker_a);
    ASSERT_EQ(given.size(), 1u);
    EXPECT_EQ(given[0].count, lost + 1);
    EXPECT_EQ(given[0].retries, 0u);
    EXPECT_EQ((given[0].flags & wire::flag::deliver_redelivered) != 0, lost > 0);
    wire::Nack nack;
    nack.first = first++;
    nack.entries.push_back(
        {.number = given[0].number, .kind = wire::NackKind::lost, .reason = "signal 11"});
    say(*worker_a, nack);
    settle();
    const auto question = next<wire::Fetch>(*collector, wire::Type::fetch);
    ASSERT_TRUE(question.has_value()) << "is there a result?";
    wire::Fetched answer;
    answer.request = question->request;
    answer.entries.push_back({.id = question->ids[0]});
    say(*collector, answer);
    settle();
  }
  EXPECT_EQ(core->counters().lost_deliveries, 2u);
  expect_books_balance();
}

TEST_F(BrokerCoreTest, AnAnswerToADeliveryThatWasNeverGivenIsRefusedAndCounted) {
  start();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  connect_worker(worker_b, 2, 0);
  submit(1, {task("a")});
  const auto given = deliveries(*worker_a);
  done(*worker_b, given[0].number);
  settle();
  const auto answer = next<wire::DoneOk>(*worker_b, wire::Type::done_ok);
  ASSERT_EQ(answer->exceptions.size(), 1u);
  EXPECT_EQ(core->counters().foreign_done, 1u);
  EXPECT_EQ(core->books().succeeded, 0u);
}

TEST_F(BrokerCoreTest, AFullQueueMakesTheProducerWaitAndKeepsNothing) {
  options.queue_defaults.tasks_max = 2;
  start();
  connect_producer();
  submit(1, {task("a"), task("b")});
  submit(2, {task("c")});
  auto answer = next<wire::Submitted>(*producer, wire::Type::submitted);
  while (answer && answer->refusals.empty())
    answer = next<wire::Submitted>(*producer, wire::Type::submitted);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->refusals[0].code, wire::Refusal::full);
  EXPECT_EQ(answer->refusals[0].reason, wire::Reason::queue_full);
  EXPECT_EQ(core->books().accepted, 2u);
}

TEST_F(BrokerCoreTest, DropHeadGivesTheOldestAFinalState) {
  options.queue_defaults.tasks_max = 2;
  options.queue_defaults.policy = FullPolicy::drop_head;
  start();
  connect_producer();
  connect_collector();
  submit(1, {task("a"), task("b")});
  settle();
  submit(2, {task("c")});
  settle();
  const auto ending = next<wire::ResultMessage>(*collector, wire::Type::result);
  ASSERT_TRUE(ending.has_value());
  EXPECT_EQ(ending->groups[0].entries[0].record.id.bytes, "a");
  EXPECT_EQ(ending->groups[0].entries[0].record.state, wire::TaskState::revoked);
  say(*collector, wire::Stored{.upto = 1, .losses = {}});
  settle();
  EXPECT_EQ(core->books().dropped, 1u);
  expect_books_balance();
}

TEST_F(BrokerCoreTest, ARevokeOfATaskOnDiskIsFoundAndAnsweredAfterItsEndingIsStored) {
  options.window_tasks = 2;
  start();
  connect_producer();
  connect_collector();
  std::vector<Bytes> tasks;
  for (int i = 0; i < 20; ++i) tasks.push_back(task("t" + std::to_string(i)));
  submit(1, tasks);
  settle();
  wire::Revoke revoke;
  revoke.request = 77;
  revoke.ids.push_back({false, "t15"});
  revoke.ids.push_back({false, "nobody"});
  say(*producer, revoke);
  settle();
  EXPECT_FALSE(next<wire::Reply>(*producer, wire::Type::reply).has_value());
  ASSERT_TRUE(next<wire::ResultMessage>(*collector, wire::Type::result).has_value());
  say(*collector, wire::Stored{.upto = 1, .losses = {}});
  settle();
  const auto answer = next<wire::Reply>(*producer, wire::Type::reply);
  ASSERT_TRUE(answer.has_value());
  Reader in{answer->payload};
  ASSERT_EQ(in.array(), 2u);
  in.array();
  EXPECT_EQ(wire::read_id(in).bytes, "t15");
  EXPECT_EQ(in.uinteger(), static_cast<std::uint64_t>(wire::Verdict::revoked));
  in.uinteger();
  in.array();
  EXPECT_EQ(wire::read_id(in).bytes, "nobody");
  EXPECT_EQ(in.uinteger(), static_cast<std::uint64_t>(wire::Verdict::unknown));
  EXPECT_EQ(core->books().revoked, 1u);
  expect_books_balance();
}

TEST_F(BrokerCoreTest, APurgeEndsWhatIsInMemoryAndOnDisk) {
  options.window_tasks = 5;
  start();
  connect_producer();
  connect_collector();
  std::vector<Bytes> tasks;
  for (int i = 0; i < 30; ++i) tasks.push_back(task("t" + std::to_string(i)));
  submit(1, tasks);
  settle();
  Bytes arguments;
  Writer packed{arguments};
  packed.map(1);
  packed.str("queue");
  packed.str("default");
  say(*producer, wire::Control{.request = 5, .command = "purge", .arguments = arguments});
  std::uint64_t ended = 0;
  for (int round = 0; round < 10; ++round) {
    settle();
    while (const auto message = next<wire::ResultMessage>(*collector, wire::Type::result))
      ended += message->groups.size();
    say(*collector, wire::Stored{.upto = ended, .losses = {}});
  }
  settle();
  EXPECT_EQ(core->books().purged, 30u);
  EXPECT_TRUE(store.tasks.empty());
  expect_books_balance();
}

TEST_F(BrokerCoreTest, APurgeLeavesWhatIsHandedInAfterIt) {
  start();
  connect_producer();
  connect_collector();
  submit(1, {task("old-1"), task("old-2")});
  settle();
  Bytes arguments;
  Writer packed{arguments};
  packed.map(1);
  packed.str("queue");
  packed.str("default");
  say(*producer, wire::Control{.request = 5, .command = "purge", .arguments = arguments});
  submit(2, {task("new")});
  std::uint64_t ended = 0;
  for (int round = 0; round < 3; ++round) {
    settle();
    while (const auto message = next<wire::ResultMessage>(*collector, wire::Type::result))
      ended += message->groups.size();
    say(*collector, wire::Stored{.upto = ended, .losses = {}});
  }
  settle();
  EXPECT_EQ(core->books().purged, 2u);
  connect_worker(worker_a, 1, 10);
  settle();
  EXPECT_EQ(deliveries(*worker_a).size(), 1u);
  expect_books_balance();
}

TEST_F(BrokerCoreTest, AnAcksEarlyTaskIsDeliveredOnlyAfterItsMarkAndNeverAgain) {
  start();
  connect_producer();
  connect_collector();
  connect_worker(worker_a, 1, 10);
  Bytes early;
  Writer packed{early};
  packed.map(1);
  packed.uinteger(static_cast<std::uint64_t>(wire::Option::acks_early));
  packed.boolean(true);
  submit(1, {task("once", {}, early)});
  EXPECT_TRUE(deliveries(*worker_a).empty());
  settle();
  ASSERT_EQ(deliveries(*worker_a).size(), 1u);
  disconnect(worker_a);
  connect_worker(worker_b, 2, 10);
  pass(11 * second);
  EXPECT_TRUE(deliveries(*worker_b).empty());
  ASSERT_TRUE(next<wire::ResultMessage>(*collector, wire::Type::result).has_value());
  say(*collector, wire::Stored{.upto = 1, .losses = {}});
  settle();
  EXPECT_EQ(core->books().failed, 1u);
  expect_books_balance();
}

TEST_F(BrokerCoreTest, BelowTheDiskReserveNewTasksAreRefusedAndAcksGoOn) {
  start();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  submit(1, {task("a")});
  const auto given = deliveries(*worker_a);
  settle();
  free_bytes = 10;
  done(*worker_a, given[0].number);
  settle();
  EXPECT_EQ(core->books().succeeded, 1u);
  producer->received.clear();
  submit(2, {task("b")});
  const auto refusal = next<wire::Submitted>(*producer, wire::Type::submitted);
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->refusals[0].reason, wire::Reason::no_space);

  free_bytes = 1 << 30;  // and nobody has anything to commit
  pass(3 * second);
  submit(2, {task("b")});
  settle();
  EXPECT_EQ(core->books().accepted, 2u);
}

TEST_F(BrokerCoreTest, ADeadLetterRetriedByHandRaisesItsGeneration) {
  start();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  submit(1, {task("a")});
  const auto given = deliveries(*worker_a);
  wire::Done message;
  message.first = 1;
  message.entries.push_back({.number = given[0].number,
                             .state = wire::TaskState::failure,
                             .flags = wire::flag::done_exhausted});
  say(*worker_a, message);
  settle();
  EXPECT_EQ(core->books().dead, 1u);
  expect_books_balance();
  Bytes arguments;
  Writer packed{arguments};
  packed.map(1);
  packed.str("all");
  packed.boolean(true);
  say(*producer, wire::Control{.request = 5, .command = "dead.retry", .arguments = arguments});
  EXPECT_TRUE(deliveries(*worker_a).empty());  // a crash now would take its generation back
  settle();
  const auto again = deliveries(*worker_a);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].task.options.generation, 1u);
  EXPECT_EQ(core->books().dead, 0u);
  expect_books_balance();
}

TEST_F(BrokerCoreTest, ATaskWhoseHomeItsProducerLeftOpenIsDeliveredOnlyOnceTheChoiceIsOnDisk) {
  home.clear();
  start();
  connect_producer();
  connect_collector();
  connect_worker(worker_a, 1, 10);
  submit(1, {task("a")});
  EXPECT_TRUE(
      deliveries(*worker_a).empty());  // a crash now would let the resent batch have another home
  commit();
  turn();
  const auto message = next<wire::Deliver>(*worker_a, wire::Type::deliver);
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->groups[0].home, "c");
  EXPECT_EQ(message->groups[0].deliveries[0].position, 0u);
}

TEST_F(BrokerCoreTest, ATaskWaitsForACollectorThatCanBeItsHomeAndOthersPassIt) {
  home.clear();
  start();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  submit(1, {task("a")});
  settle();
  EXPECT_TRUE(deliveries(*worker_a).empty());
  home = "elsewhere";
  submit(2, {task("b")});
  const auto passed = deliveries(*worker_a);
  ASSERT_EQ(passed.size(), 1u);
  EXPECT_EQ(passed[0].task.id.bytes, "b");
  connect_collector();
  EXPECT_TRUE(deliveries(*worker_a).empty());
  commit();
  turn();
  const auto message = next<wire::Deliver>(*worker_a, wire::Type::deliver);
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->groups[0].home, "c");
  EXPECT_EQ(unpack_row(store.tasks.begin()->second)->meta.home, "c");
  done(*worker_a, message->groups[0].deliveries[0].number);
  settle();
  expect_books_balance();
}

TEST_F(BrokerCoreTest, ATaskWhoseResultNobodyWantsRunsWithoutAnyCollector) {
  home.clear();
  start();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  Bytes ignored;
  Writer packed{ignored};
  packed.map(1);
  packed.uinteger(static_cast<std::uint64_t>(wire::Option::ignore_result));
  packed.boolean(true);
  submit(1, {task("a", {}, ignored), task("b")});
  settle();
  const auto passed = deliveries(*worker_a);
  ASSERT_EQ(passed.size(), 1u);
  EXPECT_EQ(passed[0].task.id.bytes, "a");
  done(*worker_a, passed[0].number);
  settle();
  EXPECT_EQ(store.tasks.size(), 1u);
  expect_books_balance();
}

TEST_F(BrokerCoreTest, AnEndingWithoutAHomeIsToldToNobodyBeforeItsHomeIsOnDisk) {
  home.clear();
  start();
  connect_producer();
  Bytes options_bytes;
  Writer packed{options_bytes};
  packed.map(1);
  packed.uinteger(static_cast<std::uint64_t>(wire::Option::expires));
  packed.integer(micros(now.wall) + second);
  submit(1, {task("a", {}, options_bytes)});
  pass(2 * second);
  connect_collector();
  EXPECT_FALSE(next<wire::ResultMessage>(*collector, wire::Type::result).has_value());
  commit();
  turn();
  ASSERT_TRUE(next<wire::ResultMessage>(*collector, wire::Type::result).has_value());
  EXPECT_EQ(unpack_row(store.tasks.begin()->second)->meta.home, "c");
  say(*collector, wire::Stored{.upto = 1, .losses = {}});
  settle();
  EXPECT_EQ(core->books().expired, 1u);
  EXPECT_TRUE(store.tasks.empty());
}

}  // namespace
}  // namespace baozi::broker
