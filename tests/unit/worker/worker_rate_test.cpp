// Rate limits: what has to wait blocks nothing, hoards nothing, and starts in its turn.
#include "worker/rate_limits.hpp"
#include "worker_bench.hpp"

namespace baozi::worker {
namespace {

constexpr Micros one_second{1'000'000};

class WorkerRate : public WorkerBench {
 protected:
  WorkerRate() {
    TaskFacts limited;
    limited.definition = this;
    limited.rate = 10;
    policies.tasks["limited"] = limited;
    limited.rate = 1.0 / 60;
    policies.tasks["rare"] = limited;
    options.concurrency = 4;
  }
  std::vector<Parcel> parcels(std::uint64_t first, std::uint64_t count, std::string_view name) {
    std::vector<Parcel> list;
    for (std::uint64_t i = first; i < first + count; ++i)
      list.push_back({.number = i, .task = task_bytes(i, name)});
    return list;
  }
  void finish_all() {
    for (; finished < starts.size(); ++finished) finish(starts[finished].token, success());
  }
  std::size_t finished = 0;
};

TEST_F(WorkerRate, StartsAreSpacedEvenly) {
  open_all();
  deliver(broker(), parcels(1, 5, "limited"));
  EXPECT_EQ(starts.size(), 1u);
  for (std::size_t i = 2; i <= 5; ++i) {
    finish_all();
    pass(Micros{99'999});
    EXPECT_EQ(starts.size(), i - 1);
    pass(Micros{1});
    ASSERT_EQ(starts.size(), i);
    EXPECT_EQ(starts.back().id.bytes, uuid(i).view());
  }
}

TEST_F(WorkerRate, APauseSavesNothingUp) {
  open_all();
  deliver(broker(), parcels(1, 1, "limited"));
  finish_all();
  pass(3 * one_second);
  deliver(broker(), parcels(2, 3, "limited"));
  EXPECT_EQ(starts.size(), 2u);
}

TEST_F(WorkerRate, WhatWaitsDoesNotBlockOtherTasks) {
  open_all();
  auto list = parcels(1, 4, "limited");
  for (auto& parcel : parcels(10, 3, "add")) list.push_back(parcel);
  deliver(broker(), list);
  EXPECT_EQ(starts.size(), 4u);  // one that is limited, and all that are not
  EXPECT_EQ(starts.back().name, "add");
}

TEST_F(WorkerRate, WhatWaitsTakesNothingFromTheCreditOfOthers) {
  open_all();
  pass(Micros{1'000});
  const std::uint64_t before = core->status().brokers[0].credit;
  deliver(broker(), parcels(1, 4, "limited"));
  pass(Micros{1'000});
  EXPECT_EQ(core->status().resting, 3u);
  EXPECT_EQ(credit(broker()).count, before + 3);
  EXPECT_TRUE(core->next_deadline().has_value());
}

TEST_F(WorkerRate, WhatIsTooFarOffGoesBackUnchargedUntilItsTurn) {
  open_all();
  deliver(broker(), parcels(1, 3, "rare"));
  EXPECT_EQ(starts.size(), 1u);
  pass(Micros{1'000});
  const auto back = nacks(broker());
  ASSERT_EQ(back.size(), 2u);
  for (const wire::NackEntry& nack : back) {
    EXPECT_EQ(nack.kind, wire::NackKind::retry);
    EXPECT_EQ(nack.flags, wire::flag::nack_uncharged);
    EXPECT_GE(nack.delay_us, 59'000'000u);
    EXPECT_LE(nack.delay_us, 60'000'000u);
  }
  EXPECT_EQ(core->counters().rate_limited, 2u);
  EXPECT_EQ(core->status().resting, 0u);
}

TEST_F(WorkerRate, NoMoreThanTheTurnsOfTwoSecondsRestHere) {
  open_all();
  deliver(broker(), parcels(1, 200, "limited"));
  EXPECT_EQ(core->status().resting, 20u);
  pass(Micros{1'000});
  const auto back = nacks(broker());
  ASSERT_EQ(back.size(), 179u);
  EXPECT_EQ(back[0].delay_us, 2'100'000u);
  EXPECT_EQ(back[1].delay_us, 2'200'000u);
}

TEST_F(WorkerRate, AnOperatorMayChangeTheLimitWhileTasksWait) {
  open_all();
  EXPECT_FALSE(core->set_rate_limit("nobody", 1, now));
  EXPECT_DOUBLE_EQ(core->rate_limit("limited"), 10);
  deliver(broker(), parcels(1, 4, "limited"));
  EXPECT_EQ(starts.size(), 1u);
  EXPECT_TRUE(core->set_rate_limit("limited", 1'000, now));
  EXPECT_DOUBLE_EQ(core->rate_limit("limited"), 1'000);
  for (int i = 0; i < 4; ++i) pass(Micros{1'000});
  EXPECT_EQ(starts.size(), 4u);
  finish_all();
  EXPECT_TRUE(core->set_rate_limit("limited", 0, now));
  deliver(broker(), parcels(5, 3, "limited"));
  EXPECT_EQ(starts.size(), 7u);
  finish_all();
  EXPECT_TRUE(core->set_rate_limit("add", 1, now));  // one that had none
  deliver(broker(), parcels(10, 2, "add"));
  EXPECT_EQ(starts.size(), 8u);
}

TEST_F(WorkerRate, WhatWaitsIsHandedBackWhenTheWorkerStops) {
  open_all();
  deliver(broker(), parcels(1, 4, "limited"));
  core->begin_drain(Drain::warm, now, out);
  turn();
  pass(Micros{1'000});
  EXPECT_EQ(nacks(broker()).size(), 3u);
  EXPECT_EQ(core->status().resting, 0u);
  pass(one_second);
  EXPECT_EQ(starts.size(), 1u);
}

TEST_F(WorkerRate, WhatWaitsIsForgottenWithItsSession) {
  open_all();
  deliver(broker(), parcels(1, 4, "limited"));
  core->on_disconnected(broker().link, now, out);
  turn();
  EXPECT_EQ(core->status().resting, 0u);
  pass(one_second);
  EXPECT_EQ(starts.size(), 1u);
}

TEST_F(WorkerRate, ARevokedTaskThatWaitsEndsAtOnceAndKeepsNobodyElseWaiting) {
  open_all();
  deliver(broker(), parcels(1, 3, "limited"));
  const Uuid id = uuid(2);
  say(broker(), wire::Revoke{.request = 0, .flags = 0, .ids = {{true, id.view()}}});
  EXPECT_EQ(results(*collector).size(), 1u);
  pass(Micros{200'000});
  EXPECT_EQ(starts.size(), 2u);
  EXPECT_EQ(core->status().resting, 0u);
}

TEST(RateLimits, ALimitThatIsRaisedCountsFromTheLastStart) {
  RateLimits limits;
  const MonoTime t = mono_time(1'000'000'000);
  using Kind = RateLimits::Turn::Kind;
  EXPECT_EQ(limits.take("a", 1, t).kind, Kind::start);
  EXPECT_EQ(limits.take("a", 1, t).kind, Kind::rest);
  EXPECT_EQ(limits.take("b", 1, t).kind, Kind::start);  // each task has its own turns
  limits.set("a", 2, t + Micros{100'000});
  EXPECT_EQ(limits.take("a", 1, t + Micros{599'999}).kind, Kind::rest);
}

}  // namespace
}  // namespace baozi::worker
