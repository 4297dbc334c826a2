// Coroutine tasks in the core: they take no slot, have room of their own, and keep nobody away.
#include <set>

#include "worker_bench.hpp"

namespace baozi::worker {
namespace {

constexpr Micros one_second{1'000'000};

class WorkerCoroutines : public WorkerBench {
 protected:
  struct Policies : FixedPolicies {
    [[nodiscard]] bool has_coroutines() const override { return true; }
  };
  Policies with_coroutines;

  WorkerCoroutines() {
    options.concurrency = 1;
    options.coroutines = 8;
    TaskFacts facts;
    facts.definition = this;
    facts.coroutine = true;
    with_coroutines.tasks["co"] = facts;
    facts.rate = 1;
    with_coroutines.tasks["rare"] = facts;
  }
  void open_all() {
    core = std::make_unique<WorkerCore>(options, with_coroutines, 1, rules);
    core->start(now, out);
    turn();
    welcome(broker(), connect(broker()), {{"c1", {"tcp://c1"}}});
    collector = &peers[opened.back()];
    welcome(*collector, connect(*collector));
  }
  std::vector<Parcel> parcels(std::uint64_t first, std::uint64_t count,
                              std::string_view name = "co") {
    std::vector<Parcel> list;
    for (std::uint64_t i = first; i < first + count; ++i)
      list.push_back({.number = i, .task = task_bytes(i, name)});
    return list;
  }
  static Finished lost_beside(Verdict verdict) {
    static const Bytes why = wire::pack_failure("WorkerLostError", "gone", "");
    Finished end;
    end.verdict = verdict;
    end.value = why;
    return end;
  }
  std::set<std::string> started() const {
    std::set<std::string> names;
    for (const Start& start : starts) names.insert(std::string{start.name});
    return names;
  }
};

TEST_F(WorkerCoroutines, StartThoughEverySlotIsTaken) {
  open_all();
  deliver(broker(), parcels(1, 2, "add"));
  deliver(broker(), parcels(3, 2, "co"));
  ASSERT_EQ(starts.size(), 3u);
  EXPECT_EQ(core->status().ready, 1u) << "the second function waits for the slot";
  EXPECT_EQ(core->status().coroutines, 2u);
}

TEST_F(WorkerCoroutines, LeaveTheSlotsToFunctions) {
  open_all();
  deliver(broker(), parcels(1, 4, "co"));
  deliver(broker(), parcels(5, 1, "add"));
  EXPECT_EQ(starts.size(), 5u);
  EXPECT_TRUE(started().contains("add"));
}

TEST_F(WorkerCoroutines, NeverMoreInFlightThanTheirLimit) {
  open_all();
  deliver(broker(), parcels(1, 12, "co"));
  EXPECT_EQ(starts.size(), 8u);
  finish(starts[0].token, success());
  EXPECT_EQ(starts.size(), 9u);
  EXPECT_EQ(core->status().coroutines, 8u);
}

TEST_F(WorkerCoroutines, RoomForMoreIsToldUntilTheLimitAndNotBeyond) {
  open_all();
  pass(Micros{1'000});
  std::uint64_t ceiling = credit(broker()).count;
  std::uint64_t next = 1;
  // A broker with more than enough of them always gives what it was allowed to.
  for (int rounds = 0; rounds < 20 && next - 1 < ceiling; ++rounds) {
    deliver(broker(), parcels(next, ceiling - (next - 1), "co"));
    next = ceiling + 1;
    pass(Micros{1'000});
    for (const auto& told : broker().take<wire::Credit>(wire::Type::credit)) ceiling = told.count;
  }
  EXPECT_EQ(core->status().coroutines, 8u);
  EXPECT_EQ(ceiling, 8u + 1) << "those in flight, and the slot's";
}

TEST_F(WorkerCoroutines, TheirEndGivesTheRoomBack) {
  open_all();
  deliver(broker(), parcels(1, 8, "co"));
  pass(Micros{1'000});
  EXPECT_EQ(credit(broker()).count, 9u);
  for (std::size_t i = 0; i < 8; ++i) finish(starts[i].token, success());
  pass(Micros{1'000});
  const wire::Credit told = credit(broker());
  EXPECT_EQ(told.returned, 8u);
  EXPECT_EQ(told.count, 1u + 1) << "the slot's, and room for the first one";
}

TEST_F(WorkerCoroutines, HowLongTheyWaitSaysNothingAboutSlots) {
  open_all();
  for (std::uint64_t i = 1; i <= 50; ++i) {
    deliver(broker(), parcels(i, 1, "quiet"));
    finish(starts.back().token, success("\x03", Micros{100}));
  }
  const Micros before = core->status().average;
  deliver(broker(), parcels(100, 1, "co"));
  finish(starts.back().token, success("\x03", 60 * one_second));
  EXPECT_EQ(core->status().average, before);
}

TEST_F(WorkerCoroutines, ThoseThatWaitInVainGoBackForASecondSoThatOthersMayCome) {
  open_all();
  deliver(broker(), parcels(1, 9, "co"));
  EXPECT_EQ(starts.size(), 8u);
  pass(options.stall_patience - Micros{1});
  EXPECT_TRUE(nacks(broker()).empty());
  pass(Micros{1'001});
  pass(Micros{1'000});
  const auto back = nacks(broker());
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].kind, wire::NackKind::retry);
  EXPECT_EQ(back[0].delay_us, 1'000'000u);
  deliver(broker(), parcels(20, 1, "add"));  // what they wait for
  EXPECT_TRUE(started().contains("add"));
  finish(starts.back().token, success());
  finish(starts[0].token, success());
  deliver(broker(), parcels(30, 1, "co"));
  EXPECT_EQ(starts.back().name, "co");
}

TEST_F(WorkerCoroutines, ATaskThatMustRunAloneKeepsNobodyAwayForLong) {
  open_all();
  deliver(broker(), parcels(1, 1, "co"));
  deliver(broker(), {{.number = 2,
                      .task = task_bytes(2, "add"),
                      .count = 3,
                      .flags = wire::flag::deliver_alone}});
  EXPECT_EQ(starts.size(), 1u);
  pass(options.stall_patience);
  pass(Micros{1'000});
  EXPECT_EQ(nacks(broker()).size(), 1u);
  deliver(broker(), parcels(3, 1, "add"));
  EXPECT_EQ(starts.size(), 2u);
}

TEST_F(WorkerCoroutines, ATaskThatMustRunAloneRunsOnceTheyHaveEnded) {
  open_all();
  deliver(broker(), parcels(1, 1, "co"));
  deliver(broker(), {{.number = 2,
                      .task = task_bytes(2, "add"),
                      .count = 3,
                      .flags = wire::flag::deliver_alone}});
  finish(starts[0].token, success());
  ASSERT_EQ(starts.size(), 2u);
  deliver(broker(), parcels(3, 1, "co"));
  EXPECT_EQ(starts.size(), 2u) << "nothing beside it";
  finish(starts[1].token, success());
  EXPECT_EQ(starts.size(), 3u);
}

TEST_F(WorkerCoroutines, TheirRateLimitHolds) {
  open_all();
  deliver(broker(), parcels(1, 2, "rare"));
  EXPECT_EQ(starts.size(), 1u);
  pass(one_second);
  EXPECT_EQ(starts.size(), 2u);
  EXPECT_EQ(core->status().coroutines, 2u);
}

TEST_F(WorkerCoroutines, ADrainWaitsForThemAndHandsBackTheRest) {
  open_all();
  deliver(broker(), parcels(1, 9, "co"));
  core->begin_drain(Drain::warm, now, out);
  turn();
  EXPECT_EQ(cancels.size(), 8u);
  EXPECT_TRUE(interrupts.empty());
  pass(Micros{1'000});
  EXPECT_EQ(nacks(broker()).size(), 1u);
  core->begin_drain(Drain::cold, now, out);
  turn();
  EXPECT_EQ(interrupts.size(), 8u);
  pass(Micros{1'000});
  EXPECT_EQ(nacks(broker()).size(), 8u);
  for (std::size_t i = 0; i < 8; ++i) finish(starts[i].token, success());
  EXPECT_EQ(core->status().coroutines, 0u);
}

TEST_F(WorkerCoroutines, OneWhoseProcessWasLostInAnotherIsHandedBackUncharged) {
  open_all();
  deliver(broker(), parcels(1, 2, "co"));
  finish(starts[0].token, lost_beside(Verdict::displaced));
  pass(Micros{1'000});
  const auto back = nacks(broker());
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].kind, wire::NackKind::requeue);
  EXPECT_EQ(core->status().coroutines, 1u);
  EXPECT_EQ(core->counters().handed_back, 1u);
  EXPECT_TRUE(results(*collector).empty());
}

TEST_F(WorkerCoroutines, WhereNobodyKnowsWhoCostTheProcessEachHasLostADelivery) {
  open_all();
  deliver(broker(), parcels(1, 2, "co"));
  for (int i = 0; i < 2; ++i) {
    finish(starts[static_cast<std::size_t>(i)].token, lost_beside(Verdict::suspect));
  }
  pass(Micros{1'000});
  const auto lost = nacks(broker());
  ASSERT_EQ(lost.size(), 2u);
  for (const auto& one : lost) {
    EXPECT_EQ(one.kind, wire::NackKind::lost);
    EXPECT_EQ(one.reason, "WorkerLostError: gone");
  }
  EXPECT_EQ(core->counters().crashed, 2u);
}

TEST_F(WorkerCoroutines, OneThatMustNotRunTwiceFailsWithItsProcess) {
  with_coroutines.tasks["co"].acks_early = true;
  open_all();
  deliver(broker(), parcels(1, 2, "co"));
  finish(starts[0].token, lost_beside(Verdict::displaced));
  finish(starts[1].token, lost_beside(Verdict::suspect));
  const auto ends = results(*collector);
  ASSERT_EQ(ends.size(), 2u);
  for (const auto& end : ends) {
    EXPECT_EQ(end.record.state, wire::TaskState::failure);
    EXPECT_EQ(failure_type(end.record), "WorkerLostError");
  }
  EXPECT_TRUE(nacks(broker()).empty());
}

TEST_F(WorkerCoroutines, ARevokedOneEndsAsThatWithItsProcess) {
  open_all();
  deliver(broker(), parcels(1, 1, "co"));
  const Bytes task = task_bytes(1, "co");
  const auto view = wire::decode_task(task);
  ASSERT_TRUE(view);
  say(broker(), wire::Revoke{.ids = {view->id}});
  ASSERT_EQ(interrupts.size(), 1u);
  finish(starts[0].token, lost_beside(Verdict::displaced));
  ASSERT_EQ(results(*collector).at(0).record.state, wire::TaskState::revoked);
}

TEST_F(WorkerCoroutines, ANewSessionCountsThoseInFlight) {
  open_all();
  deliver(broker(), parcels(1, 4, "co"));
  core->on_disconnected(broker().link, now, out);
  turn();
  const wire::Hello hello = connect(broker());
  EXPECT_EQ(hello.holds.size(), 4u);
  welcome(broker(), hello);
  pass(Micros{1'000});
  EXPECT_EQ(credit(broker()).count, 1u + 4 + 2);
}

}  // namespace
}  // namespace baozi::worker
