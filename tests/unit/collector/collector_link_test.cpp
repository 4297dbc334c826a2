// The collector as the connecting side: its links to brokers.
#include "collector_fixture.hpp"

namespace baozi::collector::test {
namespace {

class CollectorAtABroker : public CollectorTest {
 protected:
  CollectorAtABroker() {
    options_.brokers = {"tcp://127.0.0.1:7170"};
    options_.endpoints = {"tcp://127.0.0.1:7171"};
    options_.name = "c1";
  }
  void greet() {
    start();
    ASSERT_EQ(out_.net.open_links.size(), 1U);
    EXPECT_EQ(out_.net.open_links[0].endpoint, "tcp://127.0.0.1:7170");
    core_->on_connected(link_, now_, out_);
    turn();
    welcome();
  }
  void welcome() {
    ASSERT_FALSE(to_brokers_.empty());
    auto frame = wire::open_frame(to_brokers_.back());
    wire::Hello hello;
    ASSERT_TRUE(wire::decode(*frame, hello));
    wire::Welcome welcome;
    welcome.nonce = hello.nonce;
    welcome.name = "broker";
    welcome.incarnation = 55;
    welcome.heartbeat_us = 2'500'000;
    welcome.liveness_us = 10'000'000;
    seq_ = 0;
    core_->on_frame(link_, wire::encode(++session_, 0, welcome), now_, out_);
    turn();
    to_brokers_.clear();
  }
  template <class Message>
  void say_from_broker(const Message& message) {
    core_->on_frame(link_, wire::encode(session_, ++seq_, message), now_, out_);
    turn();
  }
  void report_ending(std::uint64_t first, int task) {
    const Bytes record = record_of(task, wire::TaskState::revoked);
    wire::ResultMessage message;
    message.first = first;
    message.groups.push_back({.origin = {}, .worker = "broker", .entries = {}});
    wire::ResultEntry& entry = message.groups[0].entries.emplace_back();
    entry.number = 500;
    entry.record.raw = record;
    say_from_broker(message);
  }

  const actor::LinkId link_{0};
  std::uint64_t session_ = 900;
  std::uint64_t seq_ = 0;
};

TEST_F(CollectorAtABroker, ItGreetsAsCollectorAndSaysWhereItListens) {
  start();
  core_->on_connected(link_, now_, out_);
  turn();
  ASSERT_EQ(to_brokers_.size(), 1U);
  auto frame = wire::open_frame(to_brokers_[0]);
  wire::Hello hello;
  ASSERT_TRUE(wire::decode(*frame, hello));
  EXPECT_EQ(hello.role, wire::Role::collector);
  EXPECT_EQ(hello.name, "c1");
  ASSERT_EQ(hello.endpoints.size(), 1U);
  EXPECT_EQ(hello.endpoints[0], "tcp://127.0.0.1:7171");
}

TEST_F(CollectorAtABroker, AnEndingOfTheBrokerIsStoredWithTheBrokersIncarnationAndAnswered) {
  greet();
  report_ending(1, 1);
  pass(5ms);
  ASSERT_EQ(commits_.size(), 1U);
  EXPECT_EQ(commits_[0].rows[0].incarnation, 55U);
  store_works();
  const auto answers = of<wire::Stored>(to_brokers_, wire::Type::stored);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].upto, 1U);
}

TEST_F(CollectorAtABroker, AnAnswerToAnEndedSessionIsNotSentIntoTheNextOne) {
  greet();
  report_ending(1, 1);
  pass(5ms);
  core_->on_disconnected(link_, now_, out_);
  core_->on_connected(link_, now_, out_);
  turn();
  welcome();
  store_works();
  EXPECT_TRUE(of<wire::Stored>(to_brokers_, wire::Type::stored).empty());
  report_ending(1, 1);
  pass(5ms);
  store_works();
  EXPECT_EQ(of<wire::Stored>(to_brokers_, wire::Type::stored).size(), 1U);
}

TEST_F(CollectorAtABroker, TheBrokersQuestionWhetherAResultExistsIsAnswered) {
  greet();
  Peer& worker = connect(wire::Role::worker, "w1");
  report(worker, {}, {{.task = 1, .number = 11}});
  const TaskId one = id_of(1);
  const TaskId two = id_of(2);
  say_from_broker(wire::Fetch{6, {wire::view_of(one), wire::view_of(two)}});
  store_works();
  const auto fetched = of<wire::Fetched>(to_brokers_, wire::Type::fetched);
  ASSERT_EQ(fetched.size(), 1U);
  EXPECT_EQ(fetched[0].request, 6U);
  EXPECT_EQ(fetched[0].entries[0].state, wire::TaskState::success);
  EXPECT_EQ(fetched[0].entries[1].state, wire::TaskState::pending);
}

TEST_F(CollectorAtABroker, ASilentBrokerIsGreetedAgainOnAFreshConnection) {
  greet();
  for (int i = 0; i < 11 && out_.net.reset_links.empty(); ++i) pass(1s);
  ASSERT_EQ(out_.net.reset_links.size(), 1U);
  core_->on_connected(link_, now_, out_);
  turn();
  welcome();
  report_ending(1, 1);
  EXPECT_EQ(core_->counters().results, 1U);
}

}  // namespace
}  // namespace baozi::collector::test
