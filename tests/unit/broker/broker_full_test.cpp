// What a broker takes when there is little room (delivery.md D6, D25).
#include "broker_fixture.hpp"
#include "wire/arguments.hpp"

namespace baozi::broker {
namespace {

class BrokerFull : public BrokerFixture {
 protected:
  /// The one refusal of the next answer.
  wire::BatchRefusal refusal() {
    const auto answer = next<wire::Submitted>(*producer, wire::Type::submitted);
    EXPECT_TRUE(answer.has_value());
    if (!answer || answer->refusals.size() != 1) return {};
    return answer->refusals[0];
  }
  void submit_some(std::uint64_t number, int count) {
    std::vector<Bytes> tasks;
    for (int i = 0; i < count; ++i)
      tasks.push_back(task(std::to_string(number) + "-" + std::to_string(i)));
    submit(number, tasks);
  }
  /// A packed list of tasks for `queue`.
  Bytes follow_ups(const std::string& prefix, int count, std::string_view queue = "next") {
    Bytes list;
    Writer packed{list};
    packed.array(static_cast<std::uint32_t>(count));
    for (int i = 0; i < count; ++i) packed.raw(task(prefix + std::to_string(i), queue));
    return list;
  }
  /// DONE of all of these, without results.
  void done_all(TestPeer& worker, const std::vector<wire::Delivery>& given) {
    wire::Done message;
    message.first = 1;
    for (const auto& one : given)
      message.entries.push_back({.number = one.number, .state = wire::TaskState::ignored});
    say(worker, message);
  }
  std::vector<std::string> full_queues(TestPeer& worker) {
    std::vector<std::string> list;
    const auto message = next<wire::Control>(worker, wire::Type::control);
    if (!message) return {"not told"};
    EXPECT_EQ(message->command, "queues.full");
    EXPECT_EQ(message->request, 0u);
    for (const auto name : wire::texts_argument(message->arguments, "queues"))
      list.emplace_back(name);
    return list;
  }
  std::uint64_t done_upto(TestPeer& worker) {
    std::uint64_t upto = 0;
    while (const auto told = next<wire::DoneOk>(worker, wire::Type::done_ok)) upto = told->upto;
    return upto;
  }
  /// Three tasks at worker A; the queue "next" takes two tasks, and four at the most.
  std::vector<wire::Delivery> start_with_three() {
    options.queues["next"].tasks_max = 2;
    start();
    connect_producer();
    connect_worker(worker_a, 1, 10);
    submit_some(1, 3);
    settle();
    auto given = deliveries(*worker_a);
    EXPECT_EQ(given.size(), 3u);
    return given;
  }
};

TEST_F(BrokerFull, ABatchLargerThanItsQueuesLimitIsTakenWhenHalfOfThatIsFree) {
  // It would wait for ever otherwise: a batch is taken whole, and its producer sends it again as it
  // is.
  options.queue_defaults.tasks_max = 4;
  start();
  connect_producer();
  connect_worker(worker_a, 1, 0);
  submit_some(1, 3);
  settle();
  producer->received.clear();
  submit_some(2, 9);
  EXPECT_EQ(refusal().reason, wire::Reason::queue_full);
  say(*worker_a, wire::Credit{.count = 1, .bytes = 1 << 30, .returned = 0, .returned_bytes = 0});
  done(*worker_a, deliveries(*worker_a).at(0).number);
  settle();
  producer->received.clear();
  submit_some(2, 9);
  settle();
  EXPECT_EQ(core->books().accepted, 12u);
  producer->received.clear();
  submit_some(3, 1);
  EXPECT_EQ(refusal().reason, wire::Reason::queue_full);
  expect_books_balance();
}

// ---- drop-head

TEST_F(BrokerFull, OfABatchLargerThanADropHeadQueueTheLastTasksStay) {
  options.queue_defaults.tasks_max = 4;
  options.queue_defaults.policy = FullPolicy::drop_head;
  start();
  connect_producer();
  connect_collector();
  submit_some(1, 3);
  settle();
  submit_some(2, 6);
  settle();
  EXPECT_EQ(core->books().accepted, 9u);
  const auto endings = next<wire::ResultMessage>(*collector, wire::Type::result);
  ASSERT_TRUE(endings.has_value());
  std::vector<std::string> dropped;
  for (const auto& group : endings->groups) {
    for (const auto& entry : group.entries) {
      EXPECT_EQ(entry.record.state, wire::TaskState::revoked);
      dropped.emplace_back(entry.record.id.bytes);
    }
  }
  EXPECT_EQ(dropped, (std::vector<std::string>{"1-0", "1-1", "1-2", "2-0", "2-1"}));
  say(*collector, wire::Stored{.upto = 5, .losses = {}});
  settle();
  EXPECT_EQ(core->books().dropped, 5u);
  connect_worker(worker_a, 1, 10);
  settle();
  std::vector<std::string> left;
  for (const auto& one : deliveries(*worker_a))
    left.emplace_back(wire::decode_task(one.task.raw)->id.bytes);
  EXPECT_EQ(left, (std::vector<std::string>{"2-2", "2-3", "2-4", "2-5"}));
  expect_books_balance();
}

TEST_F(BrokerFull, ADropHeadQueueFullOfRunningTasksRefusesTheBatchAndDropsNothing) {
  options.queue_defaults.tasks_max = 4;
  options.queue_defaults.policy = FullPolicy::drop_head;
  start();
  connect_producer();
  connect_worker(worker_a, 1, 4);
  submit_some(1, 4);
  settle();
  producer->received.clear();
  submit_some(2, 2);
  const wire::BatchRefusal refused = refusal();
  EXPECT_EQ(refused.code, wire::Refusal::rejected);
  ASSERT_EQ(refused.tasks.size(), 2u);
  EXPECT_EQ(refused.tasks[0].reason, wire::Reason::queue_full);
  EXPECT_EQ(core->open_tasks(), 4u);
  expect_books_balance();
}

// Their bytes counted until their ending was stored: all were dropped, and the batch was refused on
// top.
TEST_F(BrokerFull, DropHeadOfAQueueLimitedInBytesDropsNoMoreThanItHasTo) {
  const std::size_t one = task("1-0").size();
  options.queue_defaults.bytes_max = 4 * one;
  options.queue_defaults.policy = FullPolicy::drop_head;
  start();
  connect_producer();
  submit_some(1, 4);
  settle();
  producer->received.clear();
  submit_some(2, 1);
  settle();
  EXPECT_EQ(core->books().accepted, 5u);
  submit_some(3, 2);
  settle();
  EXPECT_EQ(core->books().accepted, 7u);
  connect_worker(worker_a, 1, 10);
  settle();
  EXPECT_EQ(deliveries(*worker_a).size(), 4u);
  expect_books_balance();
}

TEST_F(BrokerFull, DropHeadThatWouldFillTheOutboxRefusesAndDropsNothing) {
  options.queue_defaults.tasks_max = 4;
  options.queue_defaults.policy = FullPolicy::drop_head;
  options.endings_max = 2;
  start();
  connect_producer();
  submit_some(1, 4);
  settle();
  producer->received.clear();
  submit_some(2, 3);
  EXPECT_EQ(refusal().code, wire::Refusal::rejected);
  connect_worker(worker_a, 1, 10);
  settle();
  EXPECT_EQ(deliveries(*worker_a).size(), 4u);
  expect_books_balance();
}

// ---- counts

TEST_F(BrokerFull, AQueueCountsItsTasksRightAfterARestartWithSomeThatWereScheduledAndAreDue) {
  // Their rows still lie among the scheduled ones. Counted as less than they were, the number fell
  // below zero later, and the queue was full for ever (sim seed 6787).
  const auto later = [&](std::int64_t us) {
    Bytes packed;
    Writer map{packed};
    map.map(1);
    map.uinteger(static_cast<std::uint64_t>(wire::Option::eta));
    map.integer(micros(now.wall) + us);
    return packed;
  };
  options.queue_defaults.tasks_max = 5;
  options.scheduled_window = 2;
  start();
  connect_producer();
  submit(1, {task("a", {}, later(second)), task("b", {}, later(2 * second)),
             task("c", {}, later(60 * second)), task("d", {}, later(61 * second))});
  pass(5 * second);
  submit_some(2, 1);
  settle();
  expect_books_balance();
  crash_and_start();
  EXPECT_EQ(core->open_tasks(), 5u);
  expect_books_balance();
  connect_producer();
  connect_worker(worker_a, 1, 10);
  for (int i = 0; i < 3; ++i) {
    pass(second);
    expect_books_balance();
  }
  const auto given = deliveries(*worker_a);
  ASSERT_EQ(given.size(), 3u);
  wire::Done message;
  message.first = 1;
  for (const auto& one : given)
    message.entries.push_back({.number = one.number, .state = wire::TaskState::ignored});
  say(*worker_a, message);
  pass(70 * second);
  expect_books_balance();
  EXPECT_EQ(deliveries(*worker_a).size(), 2u);
  producer->received.clear();
  submit_some(3, 3);
  settle();
  EXPECT_EQ(core->open_tasks(), 5u);
  submit_some(4, 1);
  EXPECT_EQ(core->open_tasks(), 5u);
}

// ---- hard limits

TEST_F(BrokerFull, FollowUpsPassTheirQueuesLimitAndWaitAtItsHardOneUntilSomebodyDrainsIt) {
  const auto given = start_with_three();
  done(*worker_a, given[0].number, wire::TaskState::ignored, follow_ups("a", 3));
  done(*worker_a, given[1].number, wire::TaskState::ignored, follow_ups("b", 2));
  settle();
  EXPECT_EQ(core->books().accepted, 8u) << "one more than four: what a task enqueues goes in whole";
  done(*worker_a, given[2].number, wire::TaskState::ignored, follow_ups("c", 2));
  settle();
  EXPECT_EQ(core->books().accepted, 8u);
  EXPECT_EQ(core->counters().done_held, 1u);
  EXPECT_EQ(done_upto(*worker_a), 2u);
  expect_books_balance();

  worker_queues = {"next"};
  connect_worker(worker_b, 2, 1);
  settle();
  done_all(*worker_b, deliveries(*worker_b));
  settle();
  EXPECT_EQ(core->books().accepted, 8u) << "four are still there";
  say(*worker_b, wire::Credit{.count = 1, .bytes = 1 << 30, .returned = 1, .returned_bytes = 0});
  done_all(*worker_b, deliveries(*worker_b));
  settle();
  EXPECT_EQ(core->books().accepted, 10u);
  EXPECT_EQ(done_upto(*worker_a), 3u);
  EXPECT_EQ(core->counters().done_overdue, 0u);
  expect_books_balance();
}

TEST_F(BrokerFull, ADoneThatWaitsHoldsUpNoneThatBringsNothing) {
  const auto given = start_with_three();
  done(*worker_a, given[0].number, wire::TaskState::ignored, follow_ups("a", 4));
  done(*worker_a, given[1].number, wire::TaskState::ignored, follow_ups("b", 1));
  done(*worker_a, given[2].number, wire::TaskState::ignored);
  settle();
  EXPECT_EQ(done_upto(*worker_a), 3u);  // the second is named as held
  EXPECT_EQ(core->books().succeeded, 2u);
  expect_books_balance();
}

TEST_F(BrokerFull, WhenNobodyDrainsAFullQueueWorkersAreToldAndWhatWaitedLongEnoughGoesIn) {
  options.queue_patience = Micros{5 * second};
  const auto given = start_with_three();
  done(*worker_a, given[0].number, wire::TaskState::ignored, follow_ups("a", 4));
  pass(3 * second);
  done(*worker_a, given[1].number, wire::TaskState::ignored, follow_ups("b", 1));
  pass(second);
  EXPECT_EQ(full_queues(*worker_a), std::vector<std::string>{"not told"});
  pass(2 * second);
  EXPECT_EQ(full_queues(*worker_a), std::vector<std::string>{"next"});
  EXPECT_EQ(core->books().accepted, 7u) << "it has not waited five seconds itself";
  pass(3 * second);
  EXPECT_EQ(core->books().accepted, 8u) << "its outcome was decided before anybody was told";
  EXPECT_EQ(core->counters().done_overdue, 1u);
  expect_books_balance();

  worker_queues = {"next"};
  connect_worker(worker_b, 2, 10);
  EXPECT_EQ(full_queues(*worker_b), std::vector<std::string>{"next"})
      << "who comes later is told too";
  settle();
  done_all(*worker_b, deliveries(*worker_b));
  settle();
  EXPECT_EQ(full_queues(*worker_a), std::vector<std::string>{});
  expect_books_balance();
}

TEST_F(BrokerFull, ALongTaskOfAFullQueueIsWorkOnIt) {
  options.queue_patience = Micros{5 * second};
  const auto given = start_with_three();
  worker_queues = {"next"};
  connect_worker(worker_b, 2, 1);
  done(*worker_a, given[0].number, wire::TaskState::ignored, follow_ups("a", 4));
  done(*worker_a, given[1].number, wire::TaskState::ignored, follow_ups("b", 1));
  pass(60 * second);  // that is how long its first task takes
  const auto first = deliveries(*worker_b);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(core->books().accepted, 7u);
  EXPECT_EQ(core->counters().done_overdue, 0u);
  done_all(*worker_b, first);
  settle();
  EXPECT_EQ(core->books().accepted, 8u);
}

// Each worker's lease on a task whose DONE waited kept the poison task away, for which the DONE
// waited (sim seed 8122).
TEST_F(BrokerFull, WorkersThatOnlyWaitForTheFullQueueThemselvesAreNobodyWhoDrainsIt) {
  options.queue_patience = Micros{5 * second};
  options.queue_defaults.tasks_max = 2;
  options.queue_defaults.overflow_percent = 0;
  start();
  connect_producer();
  connect_worker(worker_a, 1, 1);
  submit_some(1, 2);
  settle();
  const auto given = deliveries(*worker_a);
  ASSERT_EQ(given.size(), 1u);
  done(*worker_a, given[0].number, wire::TaskState::ignored, follow_ups("a", 1, {}));
  pass(4 * second);
  EXPECT_EQ(core->books().accepted, 2u);
  pass(4 * second);
  EXPECT_EQ(core->books().accepted, 3u);
  EXPECT_EQ(full_queues(*worker_a), (std::vector<std::string>{"default", ""}));
  expect_books_balance();
}

TEST_F(BrokerFull, ADoneThatWaitedInASessionThatEndedIsTakenFromTheNextOne) {
  const auto given = start_with_three();
  done(*worker_a, given[0].number, wire::TaskState::ignored, follow_ups("a", 4));
  done(*worker_a, given[1].number, wire::TaskState::ignored, follow_ups("b", 1));
  settle();
  const auto hold = [](const wire::Delivery& one, std::string_view id, wire::Hold phase) {
    return wire::HeldDelivery{.number = one.number,
                              .key = one.key,
                              .position = one.position,
                              .phase = phase,
                              .id = {false, id}};
  };
  connect_worker(worker_a, 1, 0,
                 {hold(given[1], "1-1", wire::Hold::done_unanswered),
                  hold(given[2], "1-2", wire::Hold::executing)});
  done(*worker_a, given[1].number, wire::TaskState::ignored, follow_ups("b", 1));
  settle();
  EXPECT_EQ(core->books().accepted, 7u);
  worker_queues = {"next"};
  connect_worker(worker_b, 2, 10);
  settle();
  done_all(*worker_b, deliveries(*worker_b));
  settle();
  EXPECT_EQ(core->books().accepted, 8u);
  EXPECT_EQ(done_upto(*worker_a), 1u);
  expect_books_balance();
}

TEST_F(BrokerFull, AQueueThatWasFullBeforeARestartStillIs) {
  options.queue_patience = Micros{5 * second};
  const auto given = start_with_three();
  done(*worker_a, given[0].number, wire::TaskState::ignored, follow_ups("a", 4));
  settle();
  crash_and_start();
  connect_worker(worker_a, 3, 0);
  pass(20 * second);
  EXPECT_EQ(full_queues(*worker_a), std::vector<std::string>{"next"});
}

TEST_F(BrokerFull, OfTooManyProducersThoseThatWereSilentForLongestAreForgotten) {
  options.producers_max = 2;
  start();
  const auto id_of = [](std::uint64_t n) { return make_uuid7(wall_time(5), n, n); };
  for (std::uint64_t n = 1; n <= 4; ++n) {
    connect_producer(id_of(n));
    submit_some(1, 1);
    settle();
    if (n < 4) disconnect(producer);
    pass(second);
  }
  pass(2 * second);
  EXPECT_EQ(core->counters().producers_dropped, 2u);
  std::vector<Bytes> remembered;
  for (const auto& [key, value] : store.records) {
    if (key.first == store::Space::producers) remembered.push_back(key.second);
  }
  EXPECT_EQ(remembered, (std::vector<Bytes>{Bytes{id_of(3).view()}, Bytes{id_of(4).view()}}));
}

TEST_F(BrokerFull, ABatchLargerThanTheMemoryLimitIsTakenWhenHalfOfThatIsFree) {
  options.memory_tasks_max = 4;
  start();
  connect_producer();
  submit_some(1, 9);
  settle();
  EXPECT_EQ(core->books().accepted, 9u);
  producer->received.clear();
  submit_some(2, 1);
  EXPECT_EQ(refusal().reason, wire::Reason::memory);
}

}  // namespace
}  // namespace baozi::broker
