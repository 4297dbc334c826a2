// Leaving without losing or repeating anything.
#include "worker_bench.hpp"

namespace baozi::worker {
namespace {

class WorkerDrain : public WorkerBench {
 protected:
  void drain(Drain mode) {
    core->begin_drain(mode, now, out);
    turn();
  }
};

TEST_F(WorkerDrain, AnIdleWorkerSaysGoodbyeAtOnce) {
  open_all();
  drain(Drain::warm);
  EXPECT_TRUE(core->is_drained());
  EXPECT_EQ(broker().take<wire::Goodbye>(wire::Type::goodbye).size(), 1u);
  EXPECT_EQ(collector->take<wire::Goodbye>(wire::Type::goodbye).size(), 1u);
  core->on_connected(broker().link, now, out);
  turn();
  EXPECT_TRUE(broker().frames.empty()) << "it does not come back";
}

TEST_F(WorkerDrain, WarmFinishesWhatRunsAndHandsBackTheRest) {
  options.concurrency = 1;
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}, {.number = 2, .task = task_bytes(2)}});
  drain(Drain::warm);
  pass(Micros{1'000});
  const auto back = nacks(broker());
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].number, 2u);
  EXPECT_EQ(back[0].kind, wire::NackKind::requeue);
  EXPECT_EQ(credit(broker()).count, 0u);
  done_ok(broker(), 1);
  EXPECT_FALSE(core->is_drained());
  finish(starts[0].token, success());
  stored(*collector, 1);
  pass(Micros{1'000});
  EXPECT_EQ(dones(broker()).size(), 1u);
  EXPECT_FALSE(core->is_drained());
  done_ok(broker(), 2);
  EXPECT_TRUE(core->is_drained());
  EXPECT_EQ(broker().take<wire::Goodbye>(wire::Type::goodbye).size(), 1u);
}

TEST_F(WorkerDrain, ADeliveryThatWasOnItsWayIsHandedBack) {
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}});
  drain(Drain::warm);
  deliver(broker(), {{.number = 2, .task = task_bytes(2)}});
  pass(Micros{1'000});
  EXPECT_EQ(starts.size(), 1u);
  EXPECT_EQ(nacks(broker()).at(0).number, 2u);
}

TEST_F(WorkerDrain, WhatThePoolHadNotBegunIsHandedBack) {
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}, {.number = 2, .task = task_bytes(2)}});
  drain(Drain::warm);
  ASSERT_EQ(cancels.size(), 2u);
  cancelled(cancels[1]);
  pass(Micros{1'000});
  EXPECT_EQ(nacks(broker()).at(0).number, 2u);
}

TEST_F(WorkerDrain, ColdHandsBackWhatRunsToo) {
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}});
  drain(Drain::cold);
  EXPECT_EQ(interrupts.size(), 1u);
  pass(Micros{1'000});
  EXPECT_EQ(nacks(broker()).at(0).kind, wire::NackKind::requeue);
  done_ok(broker(), 1);
  EXPECT_TRUE(core->is_drained());
  finish(starts[0].token, success());  // too late to matter, and harmless
  EXPECT_TRUE(results(*collector).empty());
}

TEST_F(WorkerDrain, ColdNeverHandsBackAnAcksEarlyTaskThatRuns) {
  open_all();
  deliver(broker(),
          {{.number = 1, .task = task_bytes(1, "add", flag_option(wire::Option::acks_early))}});
  drain(Drain::cold);
  pass(Micros{1'000});
  EXPECT_TRUE(nacks(broker()).empty());
  EXPECT_FALSE(core->is_drained());
}

TEST_F(WorkerDrain, ColdMayFollowWarm) {
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}});
  drain(Drain::warm);
  EXPECT_TRUE(nacks(broker()).empty());
  drain(Drain::cold);
  pass(Micros{1'000});
  EXPECT_EQ(nacks(broker()).size(), 1u);
}

TEST_F(WorkerDrain, WithNoCollectorInReachTheBrokerIsGivenTheResult) {
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}});
  core->on_disconnected(collector->link, now, out);
  finish(starts[0].token, success("\x2A"));
  drain(Drain::warm);
  pass(options.drain_patience - Micros{1'000});
  EXPECT_TRUE(dones(broker()).empty()) << "it may come back";
  pass(Micros{1'000});
  pass(Micros{1'000});
  const auto done = dones(broker());
  ASSERT_EQ(done.size(), 1u);
  const auto record = wire::decode_record(done[0].record);
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->body, "\x2A");
  EXPECT_EQ(core->counters().results_carried, 1u);
  done_ok(broker(), 1);
  EXPECT_TRUE(core->is_drained());
}

TEST_F(WorkerDrain, AHomelessResultIsGivenToTheBrokerToo) {
  make_core();
  welcome(broker(), connect(broker()));
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}}, "");
  finish(starts[0].token, success());
  drain(Drain::warm);
  pass(options.drain_patience);
  pass(Micros{1'000});
  EXPECT_FALSE(dones(broker()).at(0).record.empty());
}

TEST_F(WorkerDrain, ABrokerThatIsAwayIsWaitedForOnlyWhileItIsOwedSomething) {
  options.brokers = {"tcp://b0", "tcp://b1"};
  make_core();
  welcome(broker(0), connect(broker(0)));
  deliver(broker(0), {{.number = 1, .task = task_bytes(1, "quiet")}});
  drain(Drain::warm);
  core->on_disconnected(broker(0).link, now, out);
  finish(starts[0].token, success());
  pass(Micros{1'000});
  EXPECT_FALSE(core->is_drained());
  welcome(broker(0), connect(broker(0)));
  ASSERT_EQ(dones(broker(0)).size(), 1u);
  EXPECT_EQ(credit(broker(0)).count, 0u);
  done_ok(broker(0), 1);
  EXPECT_TRUE(core->is_drained());
}

}  // namespace
}  // namespace baozi::worker
