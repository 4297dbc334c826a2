// Limits of names and queues over brokers that know each other: tasks move to the home of their
// limit before anybody has them (delivery.md D27).
#include "baozi/value.hpp"
#include "peers_fixture.hpp"

namespace baozi::broker {
namespace {

class BrokerLimits : public BrokerPeers {
 protected:
  BrokerLimits() { worker_limits = {{"c.add", 1, 0}}; }
  /// This broker is not the one where the limit of this name counts.
  void live_away_from(const std::string& name) {
    options.address = home_of(name) == self ? other : self;
  }
  void live_at(const std::string& name) { options.address = home_of(name); }
  void open_away() {
    live_away_from("c.add");
    open();
    connect_peer();
  }
  using Ids = std::vector<std::string>;
  Ids delivered() {
    Ids ids;
    for (const auto& one : deliveries(*worker_a)) {
      ids.push_back(one.task.id.to_id().to_string());
      numbers[ids.back()] = one.number;
    }
    return ids;
  }
  Ids moved() {
    Ids ids;
    for (const Submitted& one : passed()) ids.push_back(one.id);
    return ids;
  }
  void confirm(std::uint64_t upto) {
    peer_says({.upto = upto, .refusals = {}});
    settle();
  }
  void ask(std::string_view command, const Value& arguments) {
    const Bytes packed = pack(arguments);
    say(*producer, wire::Control{.request = 5, .command = command, .arguments = packed});
    settle();
  }
  /// The producer's answer to a revoke.
  wire::Verdict revoke(const std::string& id) {
    say(*producer, wire::Revoke{.request = 9, .flags = 0, .ids = {{false, id}}});
    settle();
    if (const auto result = next<wire::ResultMessage>(*collector, wire::Type::result)) {
      say(*collector, wire::Stored{.upto = result->first, .losses = {}});
      settle();
    }
    const auto answer = next<wire::Reply>(*producer, wire::Type::reply);
    EXPECT_TRUE(answer.has_value());
    if (!answer) return wire::Verdict::unknown;
    Reader in{answer->payload};
    in.array();
    in.array();
    in.skip();
    return static_cast<wire::Verdict>(in.uinteger());
  }
  std::uint64_t blocked() { return core->queues()[0].blocked; }
  /// Another broker brings a task.
  void bring(std::uint64_t number, const Bytes& bytes) {
    if (broker == nullptr) connect_broker(broker);
    hand_over(*broker, number, bytes);
  }

  std::map<std::string, std::uint64_t> numbers;
  std::unique_ptr<TestPeer> broker;
};

TEST_F(BrokerLimits, ATaskMovesToTheHomeOfItsNamesLimitBeforeAnybodyHasIt) {
  open_away();
  submit(1, {task("a"), task("b"), task("c")});
  EXPECT_TRUE(passed().empty()) << "not before it is durable";
  EXPECT_EQ(core->books().accepted, 0U) << "it is accepted where it goes";
  commit();
  turn();
  EXPECT_EQ(passed(), (std::vector<Submitted>{{1, "a", "c"}, {2, "b", "c"}, {3, "c", "c"}}));
  EXPECT_TRUE(delivered().empty());
  EXPECT_TRUE(store.tasks.empty());
  EXPECT_EQ(rows(store::Space::outbox), 3U);
  EXPECT_EQ(core->counters().moved, 3U);
  EXPECT_EQ(core->counters().passed_on, 0U);
  const auto told = next<wire::Submitted>(*producer, wire::Type::submitted);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->upto, 1U);
  confirm(3);
  EXPECT_EQ(core->tasks_for_peers(), 0U);
  EXPECT_EQ(rows(store::Space::outbox), 0U);
  expect_books_balance();
}

TEST_F(BrokerLimits, AtItsHomeTheLimitCounts) {
  live_at("c.add");
  open();
  connect_peer();
  submit(1, {task("a"), task("b")});
  bring(1, task("c"));
  EXPECT_EQ(delivered(), (Ids{"a"}));
  done(*worker_a, numbers.at("a"));
  settle();
  EXPECT_EQ(delivered(), (Ids{"b"}));
  done(*worker_a, numbers.at("b"));
  settle();
  EXPECT_EQ(delivered(), (Ids{"c"}));
  EXPECT_TRUE(passed().empty());
  expect_books_balance();
}

TEST_F(BrokerLimits, AQueuesLimitHasAHomeOfItsOwnAndANamesGoesBeforeIt) {
  const std::string there = key_at(other);
  options.queues[there].concurrency_limit = 1;
  const std::string here = key_at(self);
  options.queues[here].concurrency_limit = 1;
  worker_limits.clear();
  worker_queues = {there, here};
  open();
  connect_peer();
  submit(1, {task("there", there), task("here", here), task("too", here)});
  settle();
  EXPECT_EQ(delivered(), (Ids{"here"}));
  EXPECT_EQ(moved(), (Ids{"there"}));
  // From now on the name has a limit, too.
  say(*worker_a, wire::Tasks{.early = {}, .limits = {{"c.add", 5, 0}}});
  done(*worker_a, numbers.at("here"));
  submit(2, {task("later", there)});
  settle();
  const bool here_is_home = home_of("c.add") == self;
  EXPECT_EQ(delivered().size(), here_is_home ? 2U : 0U);
  EXPECT_EQ(moved().size(), here_is_home ? 0U : 2U);
  expect_books_balance();
}

TEST_F(BrokerLimits, AKeyOfItsOwnGoesBeforeTheNamesLimit) {
  live_away_from("c.add");
  open();
  connect_peer();
  submit(1, {task("ordered", {}, option(wire::Option::ordering_key, "k")),
             task("homed", {}, option(wire::Option::home, "k"))});
  settle();
  EXPECT_EQ(delivered().size(), 1U) << "here the limit counts by itself";
  EXPECT_TRUE(passed().empty());
  expect_books_balance();
}

TEST_F(BrokerLimits, WhatSomebodyWasGivenStays) {
  worker_limits.clear();
  open_away();
  submit(1, {task("a"), task("b")});
  settle();
  EXPECT_EQ(delivered(), (Ids{"a", "b"}));
  say(*worker_a, wire::Tasks{.early = {}, .limits = {{"c.add", 1, 0}}});
  wire::Nack message;
  message.first = 1;
  for (const char* id : {"a", "b"}) {
    message.entries.push_back({.number = numbers.at(id),
                               .kind = wire::NackKind::retry,
                               .delay_us = 1'000,
                               .reason = "x"});
  }
  say(*worker_a, message);
  submit(2, {task("new")});
  settle();
  EXPECT_EQ(delivered(), (Ids{"a"})) << "under the limit as it counts here";
  EXPECT_EQ(moved(), (Ids{"new"}));
  expect_books_balance();
}

TEST_F(BrokerLimits, ALimitThatIsNoMoreMovesNothing) {
  open_away();
  say(*worker_a, wire::Tasks{.early = {}, .limits = {{"c.add", 0, 0}}});
  submit(1, {task("a"), task("b")});
  settle();
  EXPECT_EQ(delivered(), (Ids{"a", "b"}));
  EXPECT_TRUE(passed().empty());
}

TEST_F(BrokerLimits, WhatCameFromAnotherBrokerIsNeverMovedOnNotEvenAfterAKill) {
  open_away();
  worker_limits.clear();
  bring(1, task("a"));
  bring(2, task("b"));
  EXPECT_EQ(delivered(), (Ids{"a"}));
  EXPECT_TRUE(passed().empty());
  disconnect(worker_a);
  disconnect(broker);
  crash_and_start();
  connect_producer();
  connect_collector();
  pass(11 * second);  // the worker of before does not come
  connect_peer();
  worker_limits = {{"c.add", 2, 0}};
  connect_worker(worker_a, 2, 100);
  const auto question = next<wire::Fetch>(*collector, wire::Type::fetch);
  ASSERT_TRUE(question);
  wire::Fetched none{.request = question->request, .entries = {}};
  for (const wire::IdView& id : question->ids)
    none.entries.push_back({.id = id, .worker = {}, .record = {}, .raw_follow_ups = {}});
  say(*collector, none);
  settle();
  Ids again = delivered();
  std::sort(again.begin(), again.end());
  EXPECT_EQ(again, (Ids{"a", "b"}));
  EXPECT_TRUE(passed().empty());
  EXPECT_EQ(core->counters().moved, 0U);
  expect_books_balance();
}

TEST_F(BrokerLimits, AKillLeavesItHereOrInTheOutboxAndNowhereElse) {
  open_away();
  submit(1, {task("a")});
  crash_and_start();  // nothing was committed: its producer sends it again
  connect_producer();
  connect_collector();
  EXPECT_EQ(core->open_tasks() + core->tasks_for_peers(), 0U);
  connect_worker(worker_a, 2, 100);
  pass(11 * second);
  connect_peer();
  passed();
  submit(1, {task("a")});
  commit();
  crash_and_start();
  EXPECT_EQ(core->open_tasks(), 0U);
  EXPECT_EQ(core->tasks_for_peers(), 1U);
  EXPECT_EQ(core->counters().books_mismatch, 0U);
  connect_peer(1);  // it has it
  settle();
  EXPECT_TRUE(passed().empty());
  EXPECT_EQ(core->tasks_for_peers(), 0U);
}

TEST_F(BrokerLimits, WhileTheOutboxIsFullTheyWaitInTheirQueueInOrder) {
  options.outbox.rows_max = 4;  // two for them, two for follow-ups
  live_away_from("c.add");
  open();
  submit(1, {task("1"), task("2"), task("3"), task("4"), task("5")});
  settle();
  EXPECT_EQ(core->tasks_for_peers(), 2U);
  EXPECT_EQ(blocked(), 3U);
  EXPECT_EQ(core->books().accepted, 3U);
  expect_books_balance();
  EXPECT_GE(*core->next_deadline(), now.mono + Micros{100'000}) << "nobody is busy meanwhile";
  EXPECT_EQ(revoke("3"), wire::Verdict::revoked) << "it is still here";
  EXPECT_EQ(revoke("1"), wire::Verdict::unknown) << "it is on its way";
  connect_peer();
  EXPECT_EQ(moved(), (Ids{"1", "2"}));
  confirm(1);
  EXPECT_EQ(moved(), (Ids{"4"}));
  confirm(3);
  EXPECT_EQ(moved(), (Ids{"5"}));
  confirm(4);
  EXPECT_EQ(core->open_tasks() + core->tasks_for_peers(), 0U);
  EXPECT_TRUE(store.tasks.empty());
  expect_books_balance();
}

TEST_F(BrokerLimits, WhenAWindowOfThemWaitsInMemoryTheRestStaysOnDisk) {
  options.outbox.rows_max = 1;
  options.window_tasks = 2;
  live_away_from("c.add");
  open();
  submit(1, {task("1"), task("2"), task("3"), task("4"), task("5"), task("6"), task("7")});
  pass(second);
  EXPECT_EQ(core->tasks_for_peers(), 1U);
  EXPECT_EQ(blocked(), 3U) << "one of the first two, and two more were read";
  EXPECT_EQ(core->queues()[0].ready, 3U);
  EXPECT_EQ(core->open_tasks(), 6U);
  expect_books_balance();
  connect_peer();
  Ids all = moved();
  for (std::uint64_t n = 1; n <= 7; ++n) {
    confirm(n);
    const Ids more = moved();
    all.insert(all.end(), more.begin(), more.end());
  }
  EXPECT_EQ(all, (Ids{"1", "2", "3", "4", "5", "6", "7"}));
  EXPECT_EQ(core->open_tasks() + core->tasks_for_peers(), 0U);
  expect_books_balance();
}

TEST_F(BrokerLimits, APausedQueueMovesNothingAndAPurgeTakesWhatWaits) {
  options.outbox.rows_max = 2;
  live_away_from("c.add");
  open();
  submit(1, {task("1"), task("2"), task("3")});
  settle();
  ask("queue.pause", Value::object({{"queue", "default"}}));
  connect_peer();
  EXPECT_EQ(moved(), (Ids{"1"}));
  confirm(1);
  pass(second);
  EXPECT_TRUE(passed().empty());
  EXPECT_EQ(core->open_tasks(), 2U);
  ask("queue.resume", Value::object({{"queue", "default"}}));
  EXPECT_EQ(moved(), (Ids{"2"}));
  ask("purge", Value::object({{"queue", "default"}}));
  say(*collector, wire::Stored{.upto = 1, .losses = {}});
  settle();
  EXPECT_EQ(core->books().purged, 1U);
  EXPECT_EQ(core->open_tasks(), 0U);
  expect_books_balance();
}

TEST_F(BrokerLimits, OneWithAnEtaMovesWhenItIsDue) {
  open_away();
  Bytes later;
  Writer packed{later};
  packed.map(1);
  packed.uinteger(static_cast<std::uint64_t>(wire::Option::eta));
  packed.integer(micros(now.wall) + 3 * second);
  submit(1, {task("later", {}, later)});
  pass(2 * second);
  EXPECT_TRUE(passed().empty());
  pass(2 * second);
  EXPECT_EQ(moved(), (Ids{"later"}));
  EXPECT_TRUE(store.tasks.empty());
  expect_books_balance();
}

TEST_F(BrokerLimits, WhatItsHomeRefusesForGoodIsADeadLetterHere) {
  open_away();
  submit(1, {task("bad")});
  settle();
  EXPECT_EQ(moved(), (Ids{"bad"}));
  peer_refuses(1, wire::Reason::too_large, "too large");
  settle();
  say(*collector, wire::Stored{.upto = 1, .losses = {}});
  settle();
  EXPECT_EQ(core->books().accepted, 1U);
  EXPECT_EQ(core->books().dead, 1U);
  expect_books_balance();
  // Who tries it again means at its home.
  ask("dead.retry", Value::object({{"all", true}}));
  EXPECT_EQ(moved(), (Ids{"bad"}));
  EXPECT_EQ(core->books().accepted, 0U);
  expect_books_balance();
}

TEST_F(BrokerLimits, ARevokeThatComesFirstIsObeyedAtTheHome) {
  live_at("c.add");
  open();
  EXPECT_EQ(revoke("a"), wire::Verdict::unknown);
  bring(1, task("a"));
  say(*collector, wire::Stored{.upto = 1, .losses = {}});
  settle();
  EXPECT_TRUE(delivered().empty());
  EXPECT_EQ(core->books().revoked, 1U);
}

TEST_F(BrokerLimits, TwoBrokersThatAreFullOfWhatBelongsToTheOtherDoNotWaitForEachOther) {
  options.outbox.rows_max = 1;
  options.queue_defaults.tasks_max = 2;
  options.queue_defaults.overflow_percent = 0;
  live_away_from("c.add");
  open();
  submit(1, {task("1"), task("2")});
  settle();
  submit(2, {task("3")});
  settle();
  EXPECT_EQ(blocked(), 2U) << "it is full, and cannot get rid of them";
  Bytes bytes;
  Writer packed{bytes};
  wire::pack_task(packed, {false, "mine"}, "c.sub", {}, {}, "body");
  bring(1, bytes);
  const auto answer = next<wire::Submitted>(*broker, wire::Type::submitted);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->upto, 1U);
  EXPECT_TRUE(answer->refusals.empty());
  EXPECT_EQ(delivered(), (Ids{"mine"}));
  expect_books_balance();
}

TEST_F(BrokerLimits, WithoutOtherBrokersEachLimitCountsWhereItIs) {
  options.brokers = {self};
  open();
  submit(1, {task("a"), task("b")});
  settle();
  EXPECT_EQ(delivered(), (Ids{"a"}));
  EXPECT_EQ(rows(store::Space::outbox) + rows(store::Space::peers), 0U);
}

}  // namespace
}  // namespace baozi::broker
