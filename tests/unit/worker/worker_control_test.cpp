// What operators ask of a worker, and tell it.
#include <baozi/value.hpp>

#include "worker_bench.hpp"

namespace baozi::worker {
namespace {

class WorkerControl : public WorkerBench {
 protected:
  void ask(FakePeer& peer, std::string_view command, const Value& arguments = Value::object()) {
    const Bytes packed = pack(arguments);
    const Bytes frame =
        wire::encode(peer.session, ++peer.sent,
                     wire::Control{.request = ++request, .command = command, .arguments = packed});
    core->on_frame(peer.link, frame, now, out);
    commands.insert(commands.end(), out.commands.begin(), out.commands.end());
    terminations.insert(terminations.end(), out.terminations.begin(), out.terminations.end());
    turn();
  }
  /// The one REPLY that has come.
  Value reply(FakePeer& peer, std::uint64_t code = 0) {
    auto replies = peer.take<wire::Reply>(wire::Type::reply);
    EXPECT_EQ(replies.size(), 1u);
    if (replies.empty()) return {};
    EXPECT_EQ(replies[0].code, code);
    return unpack<Value>(replies[0].payload);
  }
  void shell_answers(std::uint64_t ticket, std::string_view text) {
    Bytes packed;
    Writer{packed}.str(text);
    core->answer_command(ticket, 0, packed, now, out);
    turn();
  }
  std::vector<wire::Queues> queues(FakePeer& peer) {
    return peer.take<wire::Queues>(wire::Type::queues);
  }

  std::uint64_t request = 0;
  std::vector<WorkerEffects::Command> commands;
  std::vector<WorkerEffects::Termination> terminations;
};

TEST_F(WorkerControl, APingIsAnsweredAtOnce) {
  open_all();
  ask(broker(), "inspect.ping");
  EXPECT_EQ(reply(broker()).as_string(), "pong");
}

// D25: decided before anybody hears of the outcome, since the first one stored would win.
TEST_F(WorkerControl, ASuccessWhoseFollowUpsGoToAFullQueueThatNobodyDrainsIsAFailure) {
  open_all();
  const auto say_full = [&](const Value& names) {
    request = UINT64_MAX;  // it is said with request 0
    ask(broker(), "queues.full", Value::object({{"queues", names}}));
  };
  std::uint64_t number = 0;
  const auto run = [&](std::string_view queue) {
    ++number;
    deliver(broker(), {{.number = number, .task = task_bytes(number)}});
    const Bytes list = packed_list_of(task_bytes(100 + number, "next", {}, "body", queue));
    Finished end = success();
    end.follow_ups = list;
    finish(starts.back().token, end);
    return results(*collector).at(0);
  };
  say_full(Value::array({"next", ""}));
  const auto refused = run("next");
  EXPECT_EQ(refused.record.state, wire::TaskState::failure);
  EXPECT_TRUE(refused.raw_follow_ups.size() <= 1);
  const auto failure = unpack<std::vector<Value>>(refused.record.body);
  EXPECT_EQ(failure.at(0).to<std::string>(), "QueueFull");
  EXPECT_NE(failure.at(1).to<std::string>().find("queue 'next'"), std::string::npos);
  EXPECT_EQ(run("").record.state, wire::TaskState::failure);
  EXPECT_EQ(run("other").record.state, wire::TaskState::success);
  say_full(Value::array({}));
  EXPECT_EQ(run("next").record.state, wire::TaskState::success);
  EXPECT_EQ(core->counters().queue_full, 2u);
  EXPECT_TRUE(broker().take<wire::Reply>(wire::Type::reply).empty()) << "a notice is not answered";
}

TEST_F(WorkerControl, WhatTheCoreDoesNotKnowTheShellAnswers) {
  open_all();
  ask(broker(), "inspect.stats");
  ASSERT_EQ(commands.size(), 1u);
  EXPECT_EQ(commands[0].command, "inspect.stats");
  EXPECT_TRUE(broker().take<wire::Reply>(wire::Type::reply).empty());
  shell_answers(commands[0].ticket, "fine");
  EXPECT_EQ(reply(broker()).as_string(), "fine");
  shell_answers(commands[0].ticket, "twice");
  EXPECT_TRUE(broker().take<wire::Reply>(wire::Type::reply).empty());
}

TEST_F(WorkerControl, ACommandThatTwoBrokersBringIsObeyedOnce) {
  options.brokers = {"tcp://b0", "tcp://b1"};
  make_core();
  welcome(broker(0), connect(broker(0)));
  welcome(broker(1), connect(broker(1)));
  const Value grow = Value::object({{"n", 1}, {"once", "abc"}});
  ask(broker(0), "worker.pool_grow", grow);
  ask(broker(1), "worker.pool_grow", grow);
  ASSERT_EQ(commands.size(), 1u);
  shell_answers(commands[0].ticket, "3 slots");
  EXPECT_EQ(reply(broker(0)).as_string(), "3 slots");
  EXPECT_EQ(reply(broker(1)).as_string(), "3 slots");
  ask(broker(1), "worker.pool_grow", grow);  // and later
  EXPECT_EQ(commands.size(), 1u);
  EXPECT_EQ(reply(broker(1)).as_string(), "3 slots");
  ask(broker(1), "worker.pool_grow", Value::object({{"n", 1}, {"once", "abd"}}));
  EXPECT_EQ(commands.size(), 2u);
}

TEST_F(WorkerControl, AnAnswerThatIsTooLargeSaysSo) {
  open_all();
  ask(broker(), "inspect.conf");
  shell_answers(commands.at(0).ticket, std::string(300'000, 'x'));
  EXPECT_NE(reply(broker(), 7).as_string().find("bytes"), std::string::npos);
}

TEST_F(WorkerControl, AnAnswerForASessionThatHasEndedIsNotSent) {
  open_all();
  ask(broker(), "inspect.conf");
  core->on_disconnected(broker().link, now, out);
  turn();
  welcome(broker(), connect(broker()));
  broker().frames.clear();
  shell_answers(commands.at(0).ticket, "late");
  EXPECT_TRUE(broker().take<wire::Reply>(wire::Type::reply).empty());
}

TEST_F(WorkerControl, AQueueIsAddedAndItsBrokersAreToldAlsoInTheNextSession) {
  open_all();
  ask(broker(), "worker.add_consumer", Value::object({{"queue", "math"}}));
  EXPECT_EQ(reply(broker()).as_string(), "add consumer math");
  auto told = queues(broker());
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].names, (std::vector<std::string_view>{"default", "math"}));
  ask(broker(), "worker.add_consumer", Value::object({{"queue", "math"}}));
  EXPECT_EQ(reply(broker()).as_string(), "already consuming from math");
  ask(broker(), "worker.cancel_consumer", Value::object({{"queue", "default"}}));
  EXPECT_EQ(reply(broker()).as_string(), "no longer consuming from default");
  ask(broker(), "inspect.active_queues");
  EXPECT_EQ(reply(broker()).at(std::size_t{0}).at("name").as_string(), "math");
  core->on_disconnected(broker().link, now, out);
  turn();
  broker().frames.clear();
  welcome(broker(), connect(broker()));
  told = queues(broker());
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].names, (std::vector<std::string_view>{"math"}));
}

TEST_F(WorkerControl, AQueueThatItDoesNotTakeFromCannotBeCancelled) {
  open_all();
  ask(broker(), "worker.cancel_consumer", Value::object({{"queue", "math"}}));
  EXPECT_EQ(reply(broker(), 10).as_string(), "it does not consume from math");
  ask(broker(), "worker.cancel_consumer");
  static_cast<void>(reply(broker(), 10));
  EXPECT_TRUE(queues(broker()).empty());
}

TEST_F(WorkerControl, TheDefaultQueueIsExcludedByTheNameThatTheBrokerHasForIt) {
  options.queues.clear();
  open_all();
  ask(broker(), "worker.cancel_consumer", Value::object({{"queue", "default"}}));
  static_cast<void>(reply(broker()));
  auto told = queues(broker());
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].names, (std::vector<std::string_view>{""}));
  EXPECT_EQ(told[0].excluded, (std::vector<std::string_view>{"default"}));
  ask(broker(), "worker.add_consumer", Value::object({{"queue", "default"}}));
  told = queues(broker());
  EXPECT_TRUE(told.at(0).excluded.empty());
  EXPECT_EQ(told.at(0).names, (std::vector<std::string_view>{"", "default"}));
}

TEST_F(WorkerControl, QueuesThatHelloCannotSayFollowItBeforeAnyCredit) {
  options.queues = {"", "direct:w1@test"};
  options.labels = {"gpu=1"};
  make_core();
  const wire::Hello hello = connect(broker());
  EXPECT_EQ(hello.queues, (std::vector<std::string_view>{"direct:w1@test"}));
  EXPECT_EQ(hello.labels, (std::vector<std::string_view>{"gpu=1"}));
  welcome(broker(), hello);
  ASSERT_GE(broker().frames.size(), 2u);
  EXPECT_EQ(wire::open_frame(broker().frames.front())->header.type, wire::Type::queues);
}

TEST_F(WorkerControl, APausedWorkerHandsBackWhatWaitsAndAsksForNothing) {
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}, {.number = 2, .task = task_bytes(2)}});
  ASSERT_FALSE(starts.empty());
  broker().frames.clear();
  ask(broker(), "worker.pause");
  EXPECT_EQ(reply(broker()).as_string(), "consuming is paused; what runs is finished");
  pass(Micros{10'000});
  EXPECT_EQ(credit(broker()).count, 0u);
  EXPECT_FALSE(cancels.empty());  // what the pool has not begun comes back
  deliver(broker(), {{.number = 3, .task = task_bytes(3)}});
  pass(Micros{10'000});
  EXPECT_EQ(nacks(broker()).size(), 1u);
  ask(broker(), "worker.resume");
  EXPECT_EQ(reply(broker()).as_string(), "consuming goes on");
  pass(Micros{10'000});
  EXPECT_GT(credit(broker()).count, 0u);
}

TEST_F(WorkerControl, TerminatingMeansThatVeryDelivery) {
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}, {.number = 2, .task = task_bytes(2)}});
  ASSERT_EQ(starts.size(), 2u);
  const Uuid id = uuid(2);
  wire::Revoke revoke;
  revoke.flags = wire::flag::revoke_terminate;
  revoke.signal = "SIGINT";
  revoke.ids.push_back({true, id.view()});
  const Bytes frame = wire::encode(broker().session, ++broker().sent, revoke);
  core->on_frame(broker().link, frame, now, out);
  ASSERT_EQ(out.terminations.size(), 1u);
  EXPECT_EQ(out.terminations[0].token, starts[1].token);
  EXPECT_EQ(out.terminations[0].signal, "SIGINT");
  turn();
}

TEST_F(WorkerControl, StartedTasksAreCountedByName) {
  open_all();
  deliver(broker(),
          {{.number = 1, .task = task_bytes(1)}, {.number = 2, .task = task_bytes(2, "quiet")}});
  EXPECT_EQ(core->totals().at("add"), 1u);
  EXPECT_EQ(core->totals().at("quiet"), 1u);
}

TEST(ControlDesk, TooManyOpenQuestionsAreRefusedAndAnswersAreForgottenInTheirOrder) {
  ControlDesk desk;
  std::uint64_t ticket = 0;
  const ControlDesk::Answer* known = nullptr;
  for (std::size_t i = 0; i < ControlDesk::open_max; ++i) {
    ASSERT_EQ(desk.take({0, 1, i}, "", ticket, known), ControlDesk::Taken::fresh);
  }
  EXPECT_EQ(desk.take({0, 1, 0}, "", ticket, known), ControlDesk::Taken::full);
  EXPECT_EQ(desk.answer(ticket, {0, "x"}).size(), 1u);
  for (std::size_t i = 0; i <= ControlDesk::answers_max; ++i) {
    ASSERT_EQ(desk.take({0, 1, i}, "once" + std::to_string(i), ticket, known),
              ControlDesk::Taken::fresh);
    EXPECT_EQ(desk.answer(ticket, {0, "x"}).size(), 1u);
  }
  EXPECT_EQ(desk.take({0, 1, 0}, "once1", ticket, known), ControlDesk::Taken::answered);
  EXPECT_EQ(desk.take({0, 1, 0}, "once0", ticket, known), ControlDesk::Taken::fresh);
}

}  // namespace
}  // namespace baozi::worker
