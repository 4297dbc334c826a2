// Credit: what a worker asks for, and when it says so.
#include "worker_bench.hpp"

namespace baozi::worker {
namespace {

class WorkerCredit : public WorkerBench {
 protected:
  /// Tasks `first` to `first + count - 1`, each run for `ran`, one after the other.
  void run_through(FakePeer& peer, std::uint64_t first, std::uint64_t count, Micros ran) {
    for (std::uint64_t i = first; i < first + count; ++i) {
      deliver(peer, {{.number = i, .task = task_bytes(i, "quiet")}});
      finish(starts.back().token, success("\x03", ran));
    }
  }
};

TEST_F(WorkerCredit, ReturnsWithTheEndOfATaskAndNotWithItsSettlement) {
  open_all();
  const Bytes task = task_bytes(1);
  deliver(broker(), {{.number = 1, .task = task}});
  finish(starts[0].token, success());
  pass(Micros{1'000});
  const wire::Credit told = credit(broker());
  EXPECT_EQ(told.returned, 1u);
  EXPECT_EQ(told.returned_bytes, task.size());
  EXPECT_EQ(core->status().results, 1u);
}

TEST_F(WorkerCredit, IsToldAtOnceWhenTheBrokerCouldGiveLessThanHalf) {
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}});
  finish(starts[0].token, success("\x03", Micros{200'000}));
  EXPECT_EQ(broker().take<wire::Credit>(wire::Type::credit).size(), 1u);
}

TEST_F(WorkerCredit, WaitsAMillisecondForCompanyWhenThereIsPlenty) {
  open_all();
  run_through(broker(), 1, 50, Micros{10});
  pass(Micros{1'000});
  broker().frames.clear();
  deliver(broker(), {{.number = 100, .task = task_bytes(100, "quiet")}});
  finish(starts.back().token, success("\x03", Micros{10}));
  EXPECT_TRUE(broker().frames.empty());
  EXPECT_LE(*core->next_deadline(), now.mono + Micros{1'000});
  pass(Micros{999});
  EXPECT_TRUE(broker().frames.empty());
  pass(Micros{1});
  EXPECT_EQ(dones(broker()).size(), 1u);
  EXPECT_EQ(credit(broker()).returned, 51u);
}

TEST_F(WorkerCredit, GrowsWithShortTasks) {
  open_all();
  run_through(broker(), 1, 50, Micros{100});
  pass(Micros{1'000});
  EXPECT_EQ(credit(broker()).count, 2u * 200 + 1);
}

TEST_F(WorkerCredit, IsNothingWhileTheSettleWindowIsFull) {
  options.settle_window = 3;
  open_all();
  for (std::uint64_t i = 1; i <= 3; ++i) {
    deliver(broker(), {{.number = i, .task = task_bytes(i)}});
    finish(starts.back().token, success());
  }
  pass(Micros{1'000});
  EXPECT_EQ(credit(broker()).count, 0u);
  stored(*collector, 3);
  pass(Micros{1'000});
  done_ok(broker(), 3);
  pass(Micros{1'000});
  EXPECT_GT(credit(broker()).count, 0u);
}

TEST_F(WorkerCredit, IsNothingWhileTheSettleWindowIsFullOfBytes) {
  options.settle_window_bytes = 1'000;
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}});
  finish(starts.back().token, success(Bytes(2'000, 'x')));
  pass(Micros{1'000});
  EXPECT_EQ(credit(broker()).count, 0u);
}

TEST_F(WorkerCredit, CountsFromTheHoldsInANewSession) {
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}});
  core->on_disconnected(broker().link, now, out);
  welcome(broker(), connect(broker()));
  EXPECT_EQ(credit(broker()).returned, 0u);
  finish(starts[0].token, success());
  pass(Micros{1'000});
  EXPECT_EQ(credit(broker()).returned, 1u);
}

TEST_F(WorkerCredit, IsSharedByTheBrokersThatHaveWork) {
  options.brokers = {"tcp://b0", "tcp://b1"};
  options.concurrency = 4;
  options.prefetch = 8;
  make_core();
  welcome(broker(0), connect(broker(0)));
  welcome(broker(1), connect(broker(1)));
  EXPECT_EQ(credit(broker(0)).count, 8u) << "alone for now";
  EXPECT_EQ(credit(broker(1)).count, 4u);
  pass(Micros{1'000});
  EXPECT_EQ(credit(broker(0)).count, 4u);
  // only the first has work
  deliver(broker(0), {{.number = 1, .task = task_bytes(1)}});
  pass(Micros{1'000});
  EXPECT_EQ(credit(broker(0)).count, 8u);
  EXPECT_EQ(credit(broker(1)).count, 1u) << "and never nothing";
  // then both
  deliver(broker(1), {{.number = 1, .task = task_bytes(2)}});
  pass(Micros{1'000});
  EXPECT_EQ(credit(broker(0)).count, 4u);
  EXPECT_EQ(credit(broker(1)).count, 4u);
}

TEST_F(WorkerCredit, WhatWaitsBehindLongTasksIsHandedBackAndNoMoreIsAskedFor) {
  options.concurrency = 1;
  open_all();
  run_through(broker(), 1, 20, Micros{1'000});  // 20 deliveries at a time are right for such tasks
  std::vector<Parcel> parcels;
  for (std::uint64_t i = 100; i < 110; ++i)
    parcels.push_back({.number = i, .task = task_bytes(i, "quiet")});
  deliver(broker(), parcels);
  pass(Micros{1'000});
  broker().frames.clear();
  const std::size_t begun = starts.size();
  pass(options.stall_patience);
  pass(options.stall_patience);
  pass(Micros{1'000});
  const auto all = nacks(broker());
  EXPECT_EQ(all.size(), 9u);
  for (const auto& nack : all) EXPECT_EQ(nack.kind, wire::NackKind::requeue);
  EXPECT_EQ(credit(broker()).count, 1u);
  EXPECT_EQ(starts.size(), begun);
  finish(starts.back().token, success("\x03", Micros{400'000}));
  EXPECT_GE(credit(broker()).count, 1u);
}

TEST_F(WorkerCredit, AFixedPrefetchIsTheOperatorsWish) {
  options.concurrency = 1;
  options.prefetch = 5;
  open_all();
  std::vector<Parcel> parcels;
  for (std::uint64_t i = 1; i <= 5; ++i) parcels.push_back({.number = i, .task = task_bytes(i)});
  deliver(broker(), parcels);
  for (int i = 0; i < 20; ++i) pass(Micros{100'000});
  EXPECT_TRUE(nacks(broker()).empty());
  EXPECT_EQ(core->status().ready, 4u);
}

}  // namespace
}  // namespace baozi::worker
