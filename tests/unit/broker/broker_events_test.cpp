// What a broker tells of the tasks it takes and ends, and of itself.
#include "broker_fixture.hpp"

namespace baozi::broker {
namespace {

using wire::EventType;

class BrokerEvents : public BrokerFixture {
 protected:
  struct Told {
    EventType type{};
    std::string id;
    std::uint64_t number = 0;
  };
  std::vector<Told> told(bool answer = true) {
    std::vector<Told> all;
    while (const auto message = next<wire::Events>(*collector, wire::Type::events)) {
      std::uint64_t number = message->first;
      for (const wire::EventView& event : message->events) {
        all.push_back({event.type, event.has_id ? event.id.to_id().to_string() : "", number++});
      }
      if (answer) say(*collector, wire::EventsOk{number - 1});
    }
    return all;
  }
  static Bytes expiring(std::int64_t at_us) {
    Bytes bytes;
    Writer packed{bytes};
    packed.map(1);
    packed.uinteger(static_cast<std::uint64_t>(wire::Option::expires));
    packed.integer(at_us);
    return bytes;
  }
};

TEST_F(BrokerEvents, NothingIsToldWhileTheyAreOff) {
  start();
  connect_collector();
  connect_producer();
  submit(1, {task("a")});
  settle();
  EXPECT_TRUE(told().empty());
  EXPECT_EQ(core->events().told(), 0U);
}

TEST_F(BrokerEvents, WhatIsTakenIsToldAndWhatExpiresHereToo) {
  options.task_events = true;
  start();
  connect_collector();
  connect_producer();
  submit(1, {task("a"), task("b", {}, expiring(micros(now.wall) + second))});
  settle();
  auto all = told();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].type, EventType::task_sent);
  EXPECT_EQ(all[0].id, "a");
  EXPECT_EQ(all[1].number, 2U);
  pass(2 * second);
  say(*collector, wire::Stored{.upto = 1, .losses = {}});
  settle();
  all = told();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].type, EventType::task_revoked);
  EXPECT_EQ(all[0].id, "b");
}

TEST_F(BrokerEvents, TheyCanBeSwitchedWhileItRuns) {
  start();
  connect_collector();
  connect_producer();
  core->set_task_events(true);
  submit(1, {task("a")});
  core->set_task_events(false);
  submit(2, {task("b")});
  settle();
  ASSERT_EQ(told().size(), 1U);
}

TEST_F(BrokerEvents, UnansweredOnesAreSentAgainToACollectorThatComesBack) {
  options.task_events = true;
  start();
  connect_collector();
  connect_producer();
  submit(1, {task("a")});
  settle();
  ASSERT_EQ(told(false).size(), 1U);
  disconnect(collector);
  connect_collector();
  settle();
  const auto again = told();
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].number, 1U);
  EXPECT_TRUE(core->events().empty());
}

TEST_F(BrokerEvents, TheBrokerItselfIsOnlineBeatsAndSaysWhenItLeaves) {
  options.event_heartbeat = Micros{2 * second};
  start();
  connect_collector();
  settle();
  auto all = told();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].type, EventType::broker_online);
  pass(2 * second + 100'000);
  all = told();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].type, EventType::broker_heartbeat);
  core->begin_drain(now);
  settle();
  all = told();
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(all.back().type, EventType::broker_offline);
}

TEST_F(BrokerEvents, HeartbeatsThatNobodyHearsAreNotKept) {
  options.event_heartbeat = Micros{second};
  start();
  pass(20 * second);
  EXPECT_EQ(core->events().told(), 1U);  // that it came
}

}  // namespace
}  // namespace baozi::broker
