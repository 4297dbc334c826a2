// Keys and limits: one after the other, at most one, at most so many (delivery.md D27).
#include "broker_fixture.hpp"

namespace baozi::broker {
namespace {

Bytes map_of(std::initializer_list<std::pair<wire::Option, Bytes>> entries) {
  Bytes bytes;
  Writer packed{bytes};
  packed.map(entries.size());
  for (const auto& [key, value] : entries) {
    packed.uinteger(static_cast<std::uint64_t>(key));
    packed.raw(value);
  }
  return bytes;
}
Bytes text(std::string_view value) {
  Bytes bytes;
  Writer{bytes}.str(value);
  return bytes;
}
Bytes list(std::string_view key, std::vector<std::uint64_t> numbers) {
  Bytes bytes;
  Writer packed{bytes};
  packed.array(1 + numbers.size());
  packed.str(key);
  for (const std::uint64_t number : numbers) packed.uinteger(number);
  return bytes;
}
Bytes ordered(std::string_view key) { return map_of({{wire::Option::ordering_key, text(key)}}); }
Bytes unique(std::string_view key, std::uint64_t window_us = 0, std::uint64_t until = 1) {
  return map_of({{wire::Option::unique, list(key, {window_us, until})}});
}
Bytes limited(std::string_view key, std::uint64_t limit) {
  return map_of({{wire::Option::concurrency, list(key, {limit})}});
}

class BrokerGates : public BrokerFixture {
 protected:
  void open(std::uint64_t credit = 100) {
    start();
    connect_producer();
    connect_worker(worker_a, 1, credit);
  }
  std::vector<std::string> names(const std::vector<wire::Delivery>& list) {
    std::vector<std::string> ids;
    for (const auto& one : list) ids.push_back(one.task.id.to_id().to_string());
    return ids;
  }
  std::vector<std::string> delivered() {
    last = deliveries(*worker_a);
    for (const auto& one : last) numbers[one.task.id.to_id().to_string()] = one.number;
    return names(last);
  }
  void nack(const std::string& id, wire::NackKind kind, std::uint64_t delay_us) {
    wire::Nack message;
    message.first = 1;
    message.entries.push_back(
        {.number = numbers.at(id), .kind = kind, .delay_us = delay_us, .reason = "x"});
    say(*worker_a, message);
  }
  void finish(const std::string& id) { done(*worker_a, numbers.at(id)); }
  std::optional<wire::BatchRefusal> refusal() {
    const auto message = next<wire::Submitted>(*producer, wire::Type::submitted);
    if (!message || message->refusals.empty()) return std::nullopt;
    return message->refusals.front();
  }
  using Ids = std::vector<std::string>;
  std::vector<wire::Delivery> last;
  std::map<std::string, std::uint64_t> numbers;
};

// ---- ordering

TEST_F(BrokerGates, TasksOfOneOrderingKeyRunOneAfterTheOther) {
  open();
  submit(1, {task("a", {}, ordered("k")), task("b", {}, ordered("k")),
             task("x", {}, ordered("other")), task("c", {}, ordered("k"))});
  settle();
  EXPECT_EQ(delivered(), (Ids{"a", "x"}));
  finish("a");
  settle();
  EXPECT_EQ(delivered(), (Ids{"b"}));
  finish("b");
  settle();
  EXPECT_EQ(delivered(), (Ids{"c"}));
  expect_books_balance();
}

TEST_F(BrokerGates, TasksWithKeysLeaveOnlyAfterTheirCommit) {
  open();
  submit(1, {task("a", {}, ordered("k")), task("plain")});
  EXPECT_EQ(delivered(), (Ids{"plain"}));
  settle();
  EXPECT_EQ(delivered(), (Ids{"a"}));
}

TEST_F(BrokerGates, TheNextOneOfAKeyLeavesOnlyAfterTheCommitThatRemovesTheOneBefore) {
  open();
  submit(1, {task("a", {}, ordered("k")), task("b", {}, ordered("k"))});
  settle();
  delivered();
  finish("a");
  turn();
  EXPECT_TRUE(delivered().empty());
  commit();
  turn();
  EXPECT_EQ(delivered(), (Ids{"b"}));
}

TEST_F(BrokerGates, AHeadThatWaitsForARetryOrItsEtaBlocksItsKey) {
  open();
  const Bytes later = map_of({{wire::Option::eta,
                               [&] {
                                 Bytes bytes;
                                 Writer{bytes}.integer(micros(now.wall) + 3 * second);
                                 return bytes;
                               }()},
                              {wire::Option::ordering_key, text("eta")}});
  submit(1, {task("a", {}, ordered("k")), task("b", {}, ordered("k")), task("later", {}, later),
             task("behind", {}, ordered("eta"))});
  settle();
  EXPECT_EQ(delivered(), (Ids{"a"}));
  nack("a", wire::NackKind::retry, 2 * second);
  pass(second);
  EXPECT_TRUE(delivered().empty());
  pass(3 * second);
  EXPECT_EQ(delivered(), (Ids{"a", "later"}));
  finish("a");
  settle();
  EXPECT_EQ(delivered(), (Ids{"b"}));
  finish("later");
  settle();
  EXPECT_EQ(delivered(), (Ids{"behind"}));
}

TEST_F(BrokerGates, OrderOutlivesARestart) {
  open(0);
  submit(1, {task("a", {}, ordered("k")), task("b", {}, ordered("k")), task("plain"),
             task("c", {}, ordered("k"))});
  settle();
  crash_and_start();
  connect_producer(producer_id);
  EXPECT_EQ(core->open_tasks(), 4u);
  connect_worker(worker_a, 1, 100);
  settle();
  auto first = delivered();
  std::sort(first.begin(), first.end());
  EXPECT_EQ(first, (Ids{"a", "plain"}));
  expect_books_balance();
  for (const char* id : {"a", "b", "c"}) {
    finish(id);
    settle();
    delivered();
  }
  finish("plain");
  settle();
  EXPECT_TRUE(store.tasks.empty());
  EXPECT_EQ(core->books().succeeded, 4u);
  expect_books_balance();
}

TEST_F(BrokerGates, ARetryThatWaitsBlocksItsKeyThroughARestart) {
  open();
  submit(1, {task("a", {}, ordered("k")), task("b", {}, ordered("k"))});
  settle();
  delivered();
  nack("a", wire::NackKind::retry, 30 * second);
  settle();
  crash_and_start();
  connect_worker(worker_a, 1, 100);
  pass(20 * second);
  EXPECT_TRUE(delivered().empty());
  pass(20 * second);
  EXPECT_EQ(delivered(), (Ids{"a"}));
}

TEST_F(BrokerGates, ABlockedTaskThatExpiresHoldsNobodyUp) {
  open();
  connect_collector();
  const Bytes expiring = map_of({{wire::Option::expires,
                                  [&] {
                                    Bytes bytes;
                                    Writer{bytes}.integer(micros(now.wall) + second);
                                    return bytes;
                                  }()},
                                 {wire::Option::ordering_key, text("k")}});
  submit(1, {task("a", {}, ordered("k")), task("b", {}, expiring), task("c", {}, ordered("k"))});
  settle();
  EXPECT_EQ(delivered(), (Ids{"a"}));
  pass(2 * second);
  const auto message = next<wire::ResultMessage>(*collector, wire::Type::result);
  ASSERT_TRUE(message.has_value());
  say(*collector, wire::Stored{.upto = 1, .losses = {}});
  finish("a");
  settle();
  EXPECT_EQ(delivered(), (Ids{"c"}));
  EXPECT_EQ(core->books().expired, 1u);
  expect_books_balance();
}

TEST_F(BrokerGates, ALostWorkersTaskKeepsItsPlace) {
  open();
  submit(1, {task("a", {}, ordered("k")), task("b", {}, ordered("k"))});
  settle();
  delivered();
  disconnect(worker_a);
  connect_worker(worker_b, 2, 100);
  connect_collector();
  pass(12 * second);
  const auto ask = next<wire::Fetch>(*collector, wire::Type::fetch);
  ASSERT_TRUE(ask.has_value());
  wire::Fetched answer;
  answer.request = ask->request;
  answer.entries.push_back({.id = ask->ids.at(0)});
  say(*collector, answer);
  const auto again = deliveries(*worker_b);
  EXPECT_EQ(names(again), (Ids{"a"}));
}

// ---- unique

TEST_F(BrokerGates, ASecondSubmitOfAUniqueKeyIsToldTheFirstId) {
  open(0);
  submit(1, {task("a", {}, unique("k"))});
  settle();
  producer->received.clear();
  submit(2, {task("b", {}, unique("k")), task("c")});
  const auto refused = refusal();
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->tasks.at(0).reason, wire::Reason::duplicate);
  EXPECT_EQ(refused->tasks.at(0).text, "a");
  EXPECT_EQ(core->counters().duplicates, 1u);
  EXPECT_EQ(core->books().accepted, 1u);
  submit(2, {task("c")});  // the rest goes under the same number
  settle();
  EXPECT_EQ(core->books().accepted, 2u);
}

TEST_F(BrokerGates, TheRefusalNamesTheHolderAndWaitsUntilItIsDurable) {
  open(0);
  submit(1, {task("a", {}, unique("k"))});
  producer->received.clear();
  submit(2, {task("b", {}, unique("k"))});
  EXPECT_FALSE(refusal().has_value());
  commit();
  std::optional<wire::BatchRefusal> refused;
  while (const auto message = next<wire::Submitted>(*producer, wire::Type::submitted)) {
    if (!message->refusals.empty()) refused = message->refusals.front();
  }
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->number, 2u);
  EXPECT_EQ(refused->code, wire::Refusal::rejected);
  ASSERT_EQ(refused->tasks.size(), 1u);
  EXPECT_EQ(refused->tasks[0].reason, wire::Reason::duplicate);
  EXPECT_EQ(refused->tasks[0].text, "a");
}

TEST_F(BrokerGates, AUniqueKeyIsFreeOnceItsTaskHasEnded) {
  open();
  submit(1, {task("a", {}, unique("k"))});
  settle();
  delivered();
  submit(2, {task("b", {}, unique("k"))});
  settle();
  EXPECT_EQ(core->books().accepted, 1u);
  finish("a");
  submit(2, {task("b", {}, unique("k"))});
  settle();
  EXPECT_EQ(core->books().accepted, 2u);
  EXPECT_EQ(delivered(), (Ids{"b"}));
}

TEST_F(BrokerGates, OneThatIsHeldUntilItsTaskStartsIsFreeThenThroughARestartToo) {
  open();
  submit(1, {task("a", {}, unique("k", 0, 0))});
  turn();
  submit(2, {task("b", {}, unique("k", 0, 0))});
  EXPECT_EQ(core->counters().duplicates, 1u);
  settle();
  EXPECT_EQ(delivered(), (Ids{"a"}));
  settle();
  crash_and_start();
  connect_producer(producer_id);
  connect_worker(worker_a, 1, 100);
  submit(2, {task("b", {}, unique("k", 0, 0))});
  settle();
  EXPECT_EQ(core->books().accepted, 2u);
}

TEST_F(BrokerGates, AWindowFreesTheKeyThroughARestartToo) {
  open(0);
  submit(1, {task("a", {}, unique("k", 20 * static_cast<std::uint64_t>(second)))});
  settle();
  crash_and_start();
  connect_producer(producer_id);
  pass(12 * second);
  submit(2, {task("b", {}, unique("k"))});
  settle();
  EXPECT_EQ(core->books().accepted, 1u);
  pass(10 * second);
  submit(2, {task("b", {}, unique("k"))});
  settle();
  EXPECT_EQ(core->books().accepted, 2u);
}

TEST_F(BrokerGates, TwoOfOneBatchAreDuplicatesAtOnce) {
  open(0);
  producer->received.clear();
  submit(1, {task("a", {}, unique("k")), task("b", {}, unique("k"))});
  const auto refused = refusal();
  ASSERT_TRUE(refused.has_value());
  ASSERT_EQ(refused->tasks.size(), 1u);
  EXPECT_EQ(refused->tasks[0].index, 1u);
  EXPECT_EQ(refused->tasks[0].text, "a");
}

TEST_F(BrokerGates, AFollowUpWhoseKeyIsHeldIsDropped) {
  open();
  submit(1, {task("holder", {}, unique("k")), task("parent")});
  settle();
  delivered();
  Bytes follow_ups;
  Writer packed{follow_ups};
  packed.array(1);
  packed.raw(task("child", {}, unique("k")));
  done(*worker_a, numbers.at("parent"), wire::TaskState::success, follow_ups);
  settle();
  EXPECT_EQ(core->counters().duplicate_follow_ups, 1u);
  EXPECT_EQ(core->books().accepted, 2u);
  expect_books_balance();
}

// ---- limits

TEST_F(BrokerGates, NoMoreThanTheLimitOfAConcurrencyKeyAreLeasedAndOthersPass) {
  open();
  submit(1, {task("a", {}, limited("k", 2)), task("b", {}, limited("k", 2)),
             task("c", {}, limited("k", 2)), task("d", {}, limited("k", 2)), task("plain")});
  settle();
  auto first = delivered();
  std::sort(first.begin(), first.end());
  EXPECT_EQ(first, (Ids{"a", "b", "plain"}));
  finish("b");
  settle();
  EXPECT_EQ(delivered(), (Ids{"c"}));
  nack("a", wire::NackKind::retry, second);
  settle();
  EXPECT_EQ(delivered(), (Ids{"d"}));
  pass(2 * second);
  EXPECT_TRUE(delivered().empty());
  finish("c");
  settle();
  EXPECT_EQ(delivered(), (Ids{"a"}));
  expect_books_balance();
}

TEST_F(BrokerGates, WhatWorkersAskForTheirTasksHoldsForAllOfThem) {
  start();
  connect_producer();
  worker_limits = {{"c.add", 1, 0}};
  connect_worker(worker_a, 1, 100);
  worker_limits.clear();
  connect_worker(worker_b, 2, 100);
  submit(1, {task("a"), task("b"), task("c")});
  settle();
  EXPECT_EQ(delivered().size() + deliveries(*worker_b).size(), 1u);
}

TEST_F(BrokerGates, AWorkerMaySayLaterWhatItsTasksAskFor) {
  start();
  connect_producer();
  worker_limits = {{"c.add", 1, 0}};
  connect_worker(worker_a, 1, 100);
  submit(1, {task("a"), task("b"), task("c"), task("d")});
  settle();
  EXPECT_EQ(delivered(), (Ids{"a"}));
  say(*worker_a, wire::Tasks{.early = {}, .limits = {{"c.add", 2, 0}, {"c.sub", 1, 0}}});
  settle();
  EXPECT_EQ(delivered(), (Ids{"b"}));
  say(*worker_a, wire::Tasks{.early = {}, .limits = {{"c.add", 0, 0}}});  // none any more
  settle();
  EXPECT_EQ(delivered(), (Ids{"c", "d"}));
  expect_books_balance();
}

TEST_F(BrokerGates, AGlobalRateSpacesDeliveriesEvenly) {
  start();
  connect_producer();
  worker_limits = {{"c.add", 0, static_cast<std::uint64_t>(second)}};
  connect_worker(worker_a, 1, 100);
  submit(1, {task("a"), task("b"), task("c")});
  EXPECT_EQ(delivered(), (Ids{"a"}));
  pass(900'000);
  EXPECT_TRUE(delivered().empty());
  pass(200'000);
  EXPECT_EQ(delivered(), (Ids{"b"}));
  pass(second);
  EXPECT_EQ(delivered(), (Ids{"c"}));
  expect_books_balance();
}

TEST_F(BrokerGates, AQueueMayHaveALimit) {
  options.queues["q"].concurrency_limit = 1;
  start();
  connect_producer();
  worker_queues = {"q", "default"};
  connect_worker(worker_a, 1, 100);
  submit(1, {task("a", "q"), task("b", "q"), task("plain")});
  settle();
  auto first = delivered();
  std::sort(first.begin(), first.end());
  EXPECT_EQ(first, (Ids{"a", "plain"}));
  finish("a");
  settle();
  EXPECT_EQ(delivered(), (Ids{"b"}));
}

TEST_F(BrokerGates, ABacklogBehindALimitStaysOnDiskAndHoldsUpNoHigherPriority) {
  options.window_tasks = 4;
  worker_limits = {{"c.add", 1, 0}};
  open();
  std::vector<Bytes> tasks;
  Ids expected;
  for (char id = 'a'; id <= 'r'; ++id) {
    expected.emplace_back(1, id);
    tasks.push_back(task(expected.back()));
  }
  submit(1, tasks);
  settle();
  const Queue& queue = core->queues()[0];
  EXPECT_EQ(delivered(), (Ids{"a"}));
  EXPECT_LE(queue.in_memory + queue.blocked, 8U) << "a window, and what one read brought";
  EXPECT_GE(queue.ready, 9U);
  Bytes urgent;
  Writer packed{urgent};
  Bytes nine;
  Writer{nine}.uinteger(9);
  wire::pack_task(packed, {false, "urgent"}, "c.other", "",
                  map_of({{wire::Option::priority, nine}}), "body");
  submit(2, {urgent});
  settle();
  EXPECT_EQ(delivered(), (Ids{"urgent"}));
  finish("urgent");
  Ids ran{"a"};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    finish(expected[i]);
    settle();
    for (const std::string& id : delivered()) ran.push_back(id);
    EXPECT_LE(queue.in_memory + queue.blocked, 8U);
  }
  EXPECT_EQ(ran, expected);
  EXPECT_EQ(core->open_tasks(), 0U);
  EXPECT_EQ(queue.parked, 0U);
  expect_books_balance();
}

TEST_F(BrokerGates, ARevokedTaskThatWasLetGoMakesRoomForTheNext) {
  open(0);
  connect_collector();
  submit(1, {task("a", {}, limited("k", 1)), task("b", {}, limited("k", 1)),
             task("c", {}, limited("k", 1))});
  settle();
  say(*worker_a, wire::Credit{.count = 1, .bytes = 1 << 30, .returned = 0, .returned_bytes = 0});
  settle();
  EXPECT_EQ(delivered(), (Ids{"a"}));
  finish("a");  // b is let go, and finds no credit
  settle();
  say(*producer, wire::Revoke{.request = 9, .flags = 0, .ids = {{false, "b"}}});
  settle();
  say(*collector, wire::Stored{.upto = 1, .losses = {}});
  say(*worker_a, wire::Credit{.count = 10, .bytes = 1 << 30, .returned = 1, .returned_bytes = 0});
  settle();
  EXPECT_EQ(delivered(), (Ids{"c"}));
  expect_books_balance();
}

TEST_F(BrokerGates, APurgeTakesWhatWaitsAtAGate) {
  open(0);
  connect_collector();
  submit(1, {task("a", {}, ordered("k")), task("b", {}, ordered("k"))});
  settle();
  Bytes arguments;
  Writer packed{arguments};
  packed.map(1);
  packed.str("queue");
  packed.str("default");
  say(*producer, wire::Control{.request = 5, .command = "purge", .arguments = arguments});
  settle();
  say(*collector, wire::Stored{.upto = 2, .losses = {}});
  settle();
  EXPECT_EQ(core->books().purged, 2u);
  EXPECT_TRUE(store.tasks.empty());
  expect_books_balance();
}

}  // namespace
}  // namespace baozi::broker
