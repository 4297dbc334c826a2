// Other brokers: follow-ups whose home is one of them (delivery.md D27).
#include "base/rendezvous.hpp"
#include "peers_fixture.hpp"
#include "wire/home.hpp"

namespace baozi::broker {
namespace {

TEST_F(BrokerPeers, AFollowUpGoesToTheHomeOfItsKeyAndTheOthersStay) {
  open();
  ASSERT_EQ(open_links.size(), 1U);
  EXPECT_EQ(open_links[0].endpoint, other);
  connect_peer();
  succeed_with({ordered("there", other), ordered("here", self), task("anywhere"),
                task("sent home", {}, option(wire::Option::home, key_at(other)))});
  EXPECT_TRUE(passed().empty()) << "not before it is durable";
  commit();
  turn();
  const auto sent = passed();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[0], (Submitted{1, "there", "c"}));
  EXPECT_EQ(sent[1], (Submitted{2, "sent home", "c"}));
  EXPECT_EQ(core->books().accepted, 3U) << "what leaves is not accepted here";
  EXPECT_EQ(core->books().succeeded, 1U);
  EXPECT_EQ(core->tasks_for_peers(), 2U);
  EXPECT_EQ(rows(store::Space::outbox), 2U);
  peer_says({.upto = 2, .refusals = {}});
  settle();
  EXPECT_EQ(core->tasks_for_peers(), 0U);
  EXPECT_EQ(rows(store::Space::outbox), 0U);
  expect_books_balance();
  EXPECT_EQ(core->counters().passed_on, 2U);
}

TEST_F(BrokerPeers, AfterAKillTheSameProducerSendsTheSameBatches) {
  open();
  succeed_with({ordered("1", other), ordered("2", other), ordered("3", other)});
  commit();
  connect_peer();
  const Uuid first = peer_sees_origin;
  EXPECT_EQ(passed().size(), 3U);
  options.outbox_id = make_uuid7(wall_time(10 * second), 8, 8);
  ASSERT_NE(options.outbox_id, first);
  crash_and_start();
  EXPECT_EQ(core->tasks_for_peers(), 3U);
  connect_peer(2);  // the other one has two of them
  turn();
  EXPECT_EQ(peer_sees_origin, first);
  EXPECT_EQ(passed(), (std::vector<Submitted>{{3, "3", "c"}}));
  peer_says({.upto = 3, .refusals = {}});
  settle();
  EXPECT_EQ(rows(store::Space::outbox), 0U);
  // With nothing left to tell of the numbers, the next one goes on all the same.
  crash_and_start();
  connect_producer();
  connect_worker(worker_a, 2, 100);
  pass(11 * second);  // the worker of before does not come
  batches = 0;
  producer_id = make_uuid7(wall_time(12 * second), 3, 4);
  connect_producer(producer_id);
  connect_peer(3);
  succeed_with({ordered("4", other)});
  commit();
  turn();
  EXPECT_EQ(passed(), (std::vector<Submitted>{{4, "4", "c"}}));
}

TEST_F(BrokerPeers, WhatIsRefusedForGoodEndsThroughItsCollectorAndIsADeadLetter) {
  open();
  connect_peer();
  succeed_with({ordered("bad", other), ordered("good", other)});
  commit();
  turn();
  EXPECT_EQ(passed().size(), 2U);
  peer_refuses(1, wire::Reason::too_large, "a task of 900 bytes; at most 800 are allowed");
  turn();
  EXPECT_EQ(passed(), (std::vector<Submitted>{{1, "good", "c"}})) << "the number was not spent";
  const auto result = next<wire::ResultMessage>(*collector, wire::Type::result);
  ASSERT_TRUE(result);
  ASSERT_EQ(result->groups.size(), 1U);
  const auto record = wire::decode_record(result->groups[0].entries[0].record.raw);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->id.to_id().to_string(), "bad");
  EXPECT_EQ(record->state, wire::TaskState::failure);
  EXPECT_NE(record->body.find("tcp://b:7170, refused it: a task of 900 bytes"), BytesView::npos);
  say(*collector, wire::Stored{.upto = 1, .losses = {}});
  commit();
  EXPECT_EQ(core->books().dead, 1U);
  EXPECT_EQ(core->counters().passed_on_refused, 1U);
  expect_books_balance();
  // Who tries it again means at its home.
  peer_says({.upto = 1, .refusals = {}});
  Bytes arguments;
  Writer packed{arguments};
  packed.map(1);
  packed.str("all");
  packed.boolean(true);
  say(*producer, wire::Control{.request = 1, .command = "dead.retry", .arguments = arguments});
  commit();
  turn();
  EXPECT_EQ(passed(), (std::vector<Submitted>{{2, "bad", "c"}}));
  EXPECT_EQ(core->books().dead, 0U);
  expect_books_balance();
}

TEST_F(BrokerPeers, ADuplicateIsDroppedAndCounted) {
  open();
  connect_peer();
  succeed_with({ordered("second", other)});
  commit();
  turn();
  peer_refuses(1, wire::Reason::duplicate, "first");
  settle();
  EXPECT_EQ(core->counters().duplicate_follow_ups, 1U);
  EXPECT_EQ(core->tasks_for_peers(), 0U);
  EXPECT_EQ(core->open_tasks(), 0U);
  EXPECT_EQ(rows(store::Space::outbox), 0U);
}

TEST_F(BrokerPeers, AtItsCapAnOutboxMakesTheDoneWait) {
  options.outbox.rows_max = 1;
  open();
  succeed_with({ordered("1", other)});
  commit();
  const auto upto = [&] {
    std::uint64_t last = 0;
    while (const auto told = next<wire::DoneOk>(*worker_a, wire::Type::done_ok)) last = told->upto;
    return last;
  };
  EXPECT_EQ(upto(), 1U);
  submit(++batches, {task("second parent")});
  commit();
  turn();
  const auto given = deliveries(*worker_a);
  ASSERT_EQ(given.size(), 1U);
  const Bytes follow_ups = list({ordered("2", other)});
  wire::Done message;
  message.first = 2;
  message.entries.push_back(
      {.number = given[0].number, .state = wire::TaskState::success, .raw_follow_ups = follow_ups});
  say(*worker_a, message);
  pass(120 * second, second);
  EXPECT_EQ(upto(), 0U) << "unanswered, for as long as the other broker is away";
  EXPECT_EQ(core->counters().done_held, 1U);
  connect_peer();
  peer_says({.upto = 1, .refusals = {}});
  settle();
  EXPECT_EQ(upto(), 2U);
  EXPECT_EQ(core->tasks_for_peers(), 1U);
  expect_books_balance();
}

TEST_F(BrokerPeers, FollowUpsOfABrokerThatIsNoLongerNamedAreKeptAndToldOf) {
  open();
  succeed_with({ordered("1", other)});
  commit();
  options.brokers = {self, "tcp://c:7170"};
  open_links.clear();
  crash_and_start();
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_EQ(warnings[0],
            "1 tasks wait for the broker tcp://b:7170, which is not among --brokers: they are "
            "kept, and go nowhere until it is named there again");
  ASSERT_EQ(open_links.size(), 1U);
  EXPECT_EQ(open_links[0].endpoint, "tcp://c:7170");
  options.brokers = {};
  warnings.clear();
  crash_and_start();
  EXPECT_EQ(warnings.size(), 1U);
  EXPECT_EQ(core->tasks_for_peers(), 1U);
  options.brokers = {self, other};
  warnings.clear();
  crash_and_start();
  EXPECT_TRUE(warnings.empty());
  connect_peer();
  turn();
  EXPECT_EQ(passed(), (std::vector<Submitted>{{1, "1", "c"}}));
}

TEST_F(BrokerPeers, WithoutOtherBrokersEverythingStays) {
  options.brokers = {self};
  open();
  EXPECT_TRUE(open_links.empty());
  succeed_with({task("1", {}, option(wire::Option::ordering_key, "a")),
                task("2", {}, option(wire::Option::ordering_key, "b"))});
  commit();
  EXPECT_EQ(core->books().accepted, 3U);
  EXPECT_EQ(rows(store::Space::outbox) + rows(store::Space::peers), 0U);
}

// ---- as the home of others' follow-ups

TEST_F(BrokerPeers, WhatABrokerPassesOnGoesInAboveTheLimitAndWaitsAtTheHardOne) {
  options.queue_defaults.tasks_max = 2;
  options.queue_defaults.policy = FullPolicy::reject;
  open();
  disconnect(worker_a);
  submit(1, {task("1"), task("2")});
  std::unique_ptr<TestPeer> broker;
  connect_broker(broker);
  const auto pass_on = [&](std::uint64_t number) {
    hand_over(*broker, number, task("f" + std::to_string(number)));
    return next<wire::Submitted>(*broker, wire::Type::submitted);
  };
  for (const std::uint64_t number : {1U, 2U}) {
    const auto answer = pass_on(number);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->upto, number);
  }
  const auto answer = pass_on(3);
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->refusals.size(), 1U);
  EXPECT_EQ(answer->refusals[0].code, wire::Refusal::full);
  EXPECT_EQ(core->books().accepted, 4U);
}

TEST_F(BrokerPeers, ABrokersNumbersAreRememberedForLonger) {
  options.producer_age_us = 60 * second;
  open();
  std::unique_ptr<TestPeer> broker;
  const Uuid id = make_uuid7(wall_time(11 * second), 8, 9);
  connect(broker, {.role = wire::Role::broker, .name = "b", .incarnation = 5, .origin = id.view()});
  const Bytes bytes = task("f");
  wire::Submit message;
  message.number = 1;
  message.origin = id.view();
  message.tasks.push_back(*wire::decode_task(bytes));
  say(*broker, message);
  submit(1, {task("1")});
  settle();
  EXPECT_EQ(rows(store::Space::producers), 2U);
  disconnect(broker);
  disconnect(producer);
  crash_and_start();
  pass(100 * second, second);
  EXPECT_EQ(rows(store::Space::producers), 1U);
  EXPECT_EQ(store.records.count({store::Space::producers, Bytes{id.view()}}), 1U);
}

// ---- the rule itself

TEST_F(BrokerPeers, TheFirstOfHomeOrderingUniqueAndConcurrencyKeyDecides) {
  wire::TaskKeys keys;
  const TaskId id = TaskId::from_text("0189ABCD-0000-7000-8000-000000000001");
  EXPECT_EQ(wire::home_hash(keys, {}), 0U);
  EXPECT_EQ(wire::home_hash(keys, id), base::key_hash("0189abcd-0000-7000-8000-000000000001"));
  keys.concurrency = "c";
  EXPECT_EQ(wire::home_hash(keys, id), base::key_hash("c"));
  keys.unique = "u";
  EXPECT_EQ(wire::home_hash(keys, id), base::key_hash("u"));
  keys.ordering = "o";
  EXPECT_EQ(wire::home_hash(keys, id), base::key_hash("o"));
  keys.home = "h";
  EXPECT_EQ(wire::home_hash(keys, id), base::key_hash("h"));
  const Bytes packed = task("x", {}, option(wire::Option::home, "h"));
  EXPECT_EQ(wire::home_hash(*wire::decode_task(packed)), base::key_hash("h"));
  const Bytes plain = task("x");
  EXPECT_EQ(wire::home_hash(*wire::decode_task(plain)), 0U);
}

}  // namespace
}  // namespace baozi::broker
