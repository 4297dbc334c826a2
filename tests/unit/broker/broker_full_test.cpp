// What a broker takes when there is little room (delivery.md D6, D25).
#include "broker_fixture.hpp"

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

TEST_F(BrokerFull, AQueueCountsItsTasksRightAfterARestartWithSomeThatWereScheduledAndAreDue) {
  // Their rows still lie among the scheduled ones. Counted as less than they were, the number fell below zero later,
  // and the queue was full for ever (sim seed 6787).
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
  submit(1, {task("a", {}, later(second)), task("b", {}, later(2 * second)), task("c", {}, later(60 * second)), task("d", {}, later(61 * second))});
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
  for (const auto& one : given) message.entries.push_back({.number = one.number, .state = wire::TaskState::ignored});
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
