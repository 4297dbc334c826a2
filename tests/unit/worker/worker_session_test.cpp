// Sessions with brokers and collectors: who is greeted, what is reported, what is dropped.
#include "worker_bench.hpp"

namespace baozi::worker {
namespace {

class WorkerSession : public WorkerBench {};

TEST_F(WorkerSession, AWorkerOpensALinkToEveryBroker) {
  options.brokers = {"tcp://b0", "tcp://b1", "ipc://b2"};
  make_core();
  ASSERT_EQ(opened.size(), 3u);
  EXPECT_EQ(endpoints[0], "tcp://b0");
  EXPECT_EQ(endpoints[2], "ipc://b2");
}

TEST_F(WorkerSession, HelloSaysWhoItIsAndWhatItServes) {
  options.host = "here";
  make_core();
  const wire::Hello hello = connect(broker());
  EXPECT_EQ(hello.role, wire::Role::worker);
  EXPECT_EQ(hello.name, "w1@test");
  EXPECT_EQ(hello.incarnation, 7u);
  ASSERT_EQ(hello.queues.size(), 1u);
  EXPECT_EQ(hello.queues[0], "default");
  EXPECT_EQ(hello.concurrency, 2u);
  EXPECT_EQ(hello.host, "here");
  EXPECT_EQ(hello.pid, 42u);
  EXPECT_TRUE(hello.holds.empty());
}

TEST_F(WorkerSession, NothingIsSentBeforeTheWelcome) {
  make_core();
  connect(broker());
  pass(Micros{10'000});
  EXPECT_TRUE(broker().frames.empty());
}

TEST_F(WorkerSession, CreditFollowsTheWelcomeAtOnce) {
  make_core();
  welcome(broker(), connect(broker()));
  EXPECT_EQ(credit(broker()).count, 2u);
}

TEST_F(WorkerSession, TheCollectorsOfTheWelcomeAreConnectedTo) {
  open_all();
  EXPECT_EQ(opened.size(), 2u);
}

TEST_F(WorkerSession, ACollectorThatMovedIsFollowed) {
  open_all();
  say(broker(), wire::Collectors{{{"c1", {"tcp://elsewhere"}}}});
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0], static_cast<std::uint32_t>(collector->link));
  EXPECT_EQ(endpoints[opened.back()], "tcp://elsewhere");
}

TEST_F(WorkerSession, ACollectorThatAnswersNotIsTriedAtItsNextEndpoint) {
  make_core();
  welcome(broker(), connect(broker()), {{"c1", {"inproc://c1", "tcp://c1"}}});
  EXPECT_EQ(endpoints[opened.back()], "inproc://c1");
  for (int i = 0; i < 5; ++i) pass(Micros{900'000});
  EXPECT_EQ(endpoints[opened.back()], "tcp://c1");
  for (int i = 0; i < 5; ++i) pass(Micros{900'000});
  EXPECT_EQ(endpoints[opened.back()], "inproc://c1");
}

TEST_F(WorkerSession, ACollectorThatNobodyListsIsLetGoOnceItIsAway) {
  open_all();
  say(broker(), wire::Collectors{});
  EXPECT_TRUE(closed.empty()) << "its session may go on";
  core->on_disconnected(collector->link, now, out);
  turn();
  ASSERT_EQ(closed.size(), 1u);
}

TEST_F(WorkerSession, ALostSessionKeepsWhatRunsAndDropsWhatDidNotBegin) {
  options.concurrency = 1;
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}, {.number = 2, .task = task_bytes(2)}});
  core->on_disconnected(broker().link, now, out);
  const wire::Hello hello = connect(broker());
  ASSERT_EQ(hello.holds.size(), 1u);
  EXPECT_EQ(hello.holds[0].number, 1u);
  EXPECT_EQ(hello.holds[0].phase, wire::Hold::executing);
  welcome(broker(), hello);
  finish(starts[0].token, success());
  EXPECT_EQ(starts.size(), 1u) << "the second will be delivered again";
  EXPECT_EQ(core->counters().dropped, 1u);
}

TEST_F(WorkerSession, WhatThePoolGivesBackBeforeTheHelloIsNotReported) {
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}, {.number = 2, .task = task_bytes(2)}});
  core->on_disconnected(broker().link, now, out);
  carry_out();
  ASSERT_EQ(cancels.size(), 2u);
  cancelled(cancels[1]);
  EXPECT_EQ(connect(broker()).holds.size(), 1u);
}

TEST_F(WorkerSession, WhatThePoolGivesBackAfterTheHelloIsHandedBack) {
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}});
  core->on_disconnected(broker().link, now, out);
  const wire::Hello hello = connect(broker());
  ASSERT_EQ(hello.holds.size(), 1u);
  cancelled(cancels.at(0));
  welcome(broker(), hello);
  const auto all = nacks(broker());
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].kind, wire::NackKind::requeue);
}

TEST_F(WorkerSession, AResultThatAwaitsStoredIsReportedAsSuch) {
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}});
  finish(starts[0].token, success());
  core->on_disconnected(broker().link, now, out);
  const wire::Hello hello = connect(broker());
  ASSERT_EQ(hello.holds.size(), 1u);
  EXPECT_EQ(hello.holds[0].phase, wire::Hold::awaiting_stored);
}

TEST_F(WorkerSession, HoldsAreReportedToTheirOwnBrokerOnly) {
  options.brokers = {"tcp://b0", "tcp://b1"};
  make_core();
  welcome(broker(0), connect(broker(0)));
  welcome(broker(1), connect(broker(1)));
  deliver(broker(0), {{.number = 1, .task = task_bytes(1)}});
  deliver(broker(1), {{.number = 1, .task = task_bytes(2)}});  // the same number, another broker
  ASSERT_EQ(starts.size(), 2u);
  core->on_disconnected(broker(1).link, now, out);
  const wire::Hello hello = connect(broker(1));
  ASSERT_EQ(hello.holds.size(), 1u);
  EXPECT_EQ(hello.holds[0].id.bytes, uuid(2).view());
}

TEST_F(WorkerSession, AnUnheardBrokersTasksAreNotStartedAfterTwoThirdsOfTheLiveness) {
  options.concurrency = 1;
  options.stall_patience = Micros{60'000'000};
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}, {.number = 2, .task = task_bytes(2)}});
  pass(liveness * 2 / 3);
  finish(starts[0].token, success());
  EXPECT_EQ(starts.size(), 1u);
}

TEST_F(WorkerSession, WhatWasDroppedIsHandedBackWhenTheBrokerIsHeardAgainInTheSameSession) {
  options.concurrency = 1;
  options.stall_patience = Micros{60'000'000};
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}, {.number = 2, .task = task_bytes(2)}});
  pass(liveness * 2 / 3 - Micros{1});
  EXPECT_EQ(core->counters().dropped, 0u);
  pass(Micros{1});
  EXPECT_EQ(core->counters().dropped, 1u);
  EXPECT_TRUE(nacks(broker()).empty());
  say(broker(), wire::Pong{});
  pass(Micros{1'000});
  const auto all = nacks(broker());
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].number, 2u);
  EXPECT_EQ(all[0].kind, wire::NackKind::requeue);
}

TEST_F(WorkerSession, WhatWasDroppedIsForgottenWhenTheSessionEnds) {
  options.concurrency = 1;
  options.stall_patience = Micros{60'000'000};
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}, {.number = 2, .task = task_bytes(2)}});
  pass(liveness * 2 / 3);
  pass(liveness / 3);
  ASSERT_FALSE(reset.empty());
  EXPECT_EQ(connect(broker()).holds.size(), 1u);
}

TEST_F(WorkerSession, AWorkerThatSleptSaysHelloBeforeItActs) {
  options.concurrency = 1;
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}, {.number = 2, .task = task_bytes(2)}});
  now.mono += liveness + Micros{1};
  core->on_finished(starts[0].token, success(), now);
  turn();
  EXPECT_EQ(starts.size(), 1u);
  EXPECT_EQ(reset.size(), 2u);
  const wire::Hello hello = connect(broker());
  EXPECT_EQ(hello.holds.size(), 1u);
}

TEST_F(WorkerSession, FramesOfAnEndedSessionAreDropped) {
  open_all();
  const std::uint64_t old = broker().session;
  core->on_disconnected(broker().link, now, out);
  welcome(broker(), connect(broker()));
  wire::Deliver message;
  const Bytes task = task_bytes(1);
  message.groups.emplace_back().deliveries.emplace_back().task.raw = task;
  message.groups[0].deliveries[0].number = 1;
  core->on_frame(broker().link, wire::encode(old, 1, message), now, out);
  turn();
  EXPECT_TRUE(starts.empty());
}

TEST_F(WorkerSession, ABrokerThatSaysGoodbyeIsGreetedAgainWhenItReturns) {
  open_all();
  say(broker(), wire::Goodbye{"stopping"});
  ASSERT_EQ(reset.size(), 1u);
  welcome(broker(), connect(broker()));
  EXPECT_EQ(credit(broker()).count, 2u);
}

TEST_F(WorkerSession, ErrorsAreCountedAndShown) {
  make_core();
  connect(broker());
  wire::ErrorMessage error;
  error.code = wire::ErrorCode::overloaded;
  error.text = "full house";
  core->on_frame(broker().link, wire::encode(0, 0, error), now, out);
  ASSERT_EQ(out.warnings.size(), 1u);
  EXPECT_NE(out.warnings[0].find("full house"), std::string::npos);
  EXPECT_EQ(core->counters().errors, 1u);
}

TEST_F(WorkerSession, MessagesThatAWorkerIsNotSentAreCounted) {
  open_all();
  say(broker(), wire::Submitted{});
  say(*collector, wire::DoneOk{});
  EXPECT_EQ(core->counters().unexpected, 2u);
}

TEST_F(WorkerSession, AFrameThatDoesNotParseEndsTheSession) {
  open_all();
  Bytes bad = wire::encode(broker().session, ++broker().sent, wire::DoneOk{1, {}});
  bad.back() = static_cast<char>(0xC1);
  core->on_frame(broker().link, bad, now, out);
  turn();
  EXPECT_EQ(reset.size(), 1u);
  EXPECT_EQ(core->counters().malformed, 1u);
}

TEST_F(WorkerSession, AnIdleWorkerSleepsUntilItsNextHeartbeat) {
  open_all();
  pass(Micros{1'000});
  const auto next = core->next_deadline();
  ASSERT_TRUE(next.has_value());
  EXPECT_GT(*next, now.mono + Micros{400'000});
  EXPECT_LE(*next, now.mono + heartbeat);
}

TEST_F(WorkerSession, NoDeadlineIsLeftBehindByATurn) {
  options.concurrency = 1;
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}, {.number = 2, .task = task_bytes(2)}});
  for (int i = 0; i < 1'000; ++i) {
    pass(Micros{7'919});
    const auto next = core->next_deadline();
    ASSERT_TRUE(!next || *next > now.mono) << "the loop would spin";
  }
}

}  // namespace
}  // namespace baozi::worker
