// Other tasks are registered while deliveries are held.
#include <baozi/coroutine.hpp>

#include "worker/task_table.hpp"
#include "worker_bench.hpp"

namespace baozi::worker {
namespace {

struct LimitedPolicies : FixedPolicies {
  std::vector<BrokerLimit> limits;
  std::vector<std::string> early;
  [[nodiscard]] std::vector<BrokerLimit> broker_limits() const override { return limits; }
  [[nodiscard]] std::vector<std::string> at_most_once() const override { return early; }
};

class WorkerRegistered : public WorkerBench {
 protected:
  void SetUp() override {
    options.concurrency = 2;
    options.prefetch = 8;
  }
  void change() {
    core->set_policies(later, now, out);
    turn();
  }
  std::vector<Parcel> parcels(std::uint64_t first, std::uint64_t count, std::string_view name) {
    std::vector<Parcel> list;
    for (std::uint64_t i = first; i < first + count; ++i)
      list.push_back({.number = i, .task = task_bytes(i, name)});
    return list;
  }
  std::vector<wire::Tasks> told() { return broker().take<wire::Tasks>(wire::Type::tasks); }

  LimitedPolicies later;
};

TEST_F(WorkerRegistered, WhatRunsEndsByThePolicyThatItBeganWith) {
  open_all();
  deliver(broker(), parcels(1, 1, "stubborn"));
  ASSERT_EQ(starts.size(), 1u);
  later.tasks.erase("stubborn");
  change();
  EXPECT_TRUE(core->needs(policies));
  finish(starts[0].token, failure(true));
  pass(Micros{2'000});
  const auto back = nacks(broker());
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].kind, wire::NackKind::retry);
  EXPECT_EQ(back[0].delay_us, 1'000u);
  done_ok(broker(), 1);
  EXPECT_FALSE(core->needs(policies));
}

TEST_F(WorkerRegistered, WhatHasNotBegunStartsAgainByTheNewOnesInItsOrder) {
  options.concurrency = 4;
  open_all();
  deliver(broker(), parcels(1, 4, "add"));
  ASSERT_GE(starts.size(), 3u);
  const std::size_t with_pool = starts.size();
  later.tasks["add"].time_limit = Micros{77};
  change();
  ASSERT_EQ(cancels.size(), with_pool);
  // The pool gives all back but the first one, which runs.
  for (const Token token : cancels) {
    if (token != starts[0].token) core->on_cancelled(token, now);
  }
  const Token first = starts[0].token;
  starts.clear();
  turn();
  EXPECT_EQ(starts.size(), with_pool - 1);
  for (std::size_t i = 0; i < starts.size(); ++i) {
    EXPECT_EQ(starts[i].id.bytes, uuid(i + 2).view());
    EXPECT_EQ(starts[i].time_limit, Micros{77});
  }
  EXPECT_EQ(core->totals().at("add"), with_pool) << "none is counted twice";
  EXPECT_TRUE(nacks(broker()).empty()) << "none goes back to the broker";
  finish(first, success());
  for (const Start& start : std::vector<Start>{starts}) finish(start.token, success());
  pass(Micros{2'000});
  EXPECT_EQ(results(*collector).size(), with_pool);
  EXPECT_EQ(core->status().running, 0u);
  EXPECT_EQ(core->status().brokers[0].held, 0u) << "the books are even";
}

TEST_F(WorkerRegistered, ATaskThatHasGoneIsUnknownUnlessItRuns) {
  open_all();
  deliver(broker(), parcels(1, 3, "quiet"));
  ASSERT_GE(starts.size(), 2u);
  later.tasks.erase("quiet");
  change();
  for (const Token token : std::vector<Token>{cancels}) {
    if (token != starts[0].token) cancelled(token);
  }
  pass(Micros{2'000});
  const auto ends = results(*collector);
  ASSERT_EQ(ends.size(), 2u);
  for (const wire::ResultEntry& end : ends) EXPECT_EQ(failure_type(end.record), "NotRegistered");
  finish(starts[0].token, success());
  pass(Micros{2'000});
  EXPECT_TRUE(results(*collector).empty()) << "nobody wants the result of that one, still";
}

TEST_F(WorkerRegistered, WhatItStartedWithIsNotWhatItStartsAgainWith) {
  open_all();
  deliver(broker(), parcels(1, 1, "quiet"));
  ASSERT_EQ(starts.size(), 1u);
  later.tasks["quiet"].ignore_result = false;
  change();
  cancelled(starts[0].token);
  ASSERT_EQ(starts.size(), 2u);
  finish(starts[1].token, success());
  pass(Micros{2'000});
  EXPECT_EQ(results(*collector).size(), 1u);
}

TEST_F(WorkerRegistered, ARevokeAndALostSessionGoBeforeAnotherStart) {
  open_all();
  deliver(broker(), parcels(1, 2, "add"));
  ASSERT_EQ(starts.size(), 2u);
  wire::Revoke revoke;
  const Uuid id = uuid(1);
  revoke.ids = {{true, id.view()}};
  say(broker(), revoke);
  core->set_policies(later, now, out);
  carry_out();
  const Token first = starts[0].token;
  const Token second = starts[1].token;
  core->on_disconnected(broker().link, now, out);
  starts.clear();
  cancelled(first);
  cancelled(second);
  EXPECT_TRUE(starts.empty());
  EXPECT_EQ(core->counters().revoked, 1u);
}

TEST_F(WorkerRegistered, AWorkerThatStopsHandsBackWhatItWouldHaveStartedAgain) {
  open_all();
  deliver(broker(), parcels(1, 1, "add"));
  change();
  core->begin_drain(Drain::warm, now, out);
  turn();
  cancelled(starts[0].token);
  pass(Micros{2'000});
  EXPECT_EQ(nacks(broker()).size(), 1u);
  EXPECT_EQ(starts.size(), 1u);
}

TEST_F(WorkerRegistered, BrokersAreToldWhatHasChangedAndNothingElse) {
  open_all();
  change();
  EXPECT_TRUE(told().empty());
  LimitedPolicies limited;
  limited.limits = {{"add", 3, Micros{0}}, {"quiet", 0, Micros{500}}};
  limited.early = {"stubborn"};
  core->set_policies(limited, now, out);
  turn();
  auto tasks = told();
  ASSERT_EQ(tasks.size(), 1u);
  EXPECT_EQ(tasks[0].early, std::vector<std::string_view>{"stubborn"});
  ASSERT_EQ(tasks[0].limits.size(), 2u);
  EXPECT_EQ(tasks[0].limits[0].name, "add");
  EXPECT_EQ(tasks[0].limits[0].concurrency, 3u);
  EXPECT_EQ(tasks[0].limits[1].interval_us, 500u);
  later.limits = {{"quiet", 0, Micros{500}}};
  change();
  tasks = told();
  ASSERT_EQ(tasks.size(), 1u);
  EXPECT_TRUE(tasks[0].early.empty());
  ASSERT_EQ(tasks[0].limits.size(), 2u);
  EXPECT_EQ(tasks[0].limits[1].name, "add");
  EXPECT_EQ(tasks[0].limits[1].concurrency, 0u) << "a limit that has gone is lifted";
  // Another session is told by its HELLO.
  core->on_disconnected(broker().link, now, out);
  turn();
  const wire::Hello hello = connect(broker());
  ASSERT_EQ(hello.limits.size(), 2u);
  EXPECT_EQ(hello.limits[1].concurrency, 0u);
  welcome(broker(), hello);
  EXPECT_TRUE(told().empty());
}

TEST_F(WorkerRegistered, WhatChangesBetweenHelloAndWelcomeIsToldThen) {
  make_core();
  const wire::Hello hello = connect(broker());
  later.early = {"add"};
  change();
  EXPECT_TRUE(told().empty());
  welcome(broker(), hello);
  const auto tasks = told();
  ASSERT_EQ(tasks.size(), 1u);
  EXPECT_EQ(tasks[0].early, std::vector<std::string_view>{"add"});
}

TEST_F(WorkerRegistered, ANewRateLimitHoldsForWhatWaitsAndAnOperatorsStays) {
  policies.tasks["add"].rate = 0.02;
  policies.tasks["stubborn"].rate = 2;
  options.prefetch = 0;
  options.concurrency = 4;
  open_all();
  deliver(broker(), parcels(1, 1, "add"));
  deliver(broker(), parcels(2, 3, "stubborn"));
  ASSERT_EQ(starts.size(), 2u);
  EXPECT_EQ(core->status().resting, 2u);
  ASSERT_TRUE(core->set_rate_limit("quiet", 5, now));
  later.tasks["stubborn"].rate = 0;  // no limit any more
  later.tasks["add"].rate = 1'000;
  change();
  EXPECT_EQ(core->status().resting, 0u);
  EXPECT_EQ(starts.size(), 4u);
  EXPECT_EQ(core->rate_limit("quiet"), 5);
  deliver(broker(), parcels(10, 1, "add"));
  pass(Micros{1'000});
  EXPECT_EQ(starts.size(), 4u) << "there are four slots";
  for (std::size_t i = 0; i < 4; ++i) finish(starts[i].token, success());
  pass(Micros{1'000});
  EXPECT_EQ(starts.size(), 5u) << "and not a minute later";
}

TEST_F(WorkerRegistered, AFunctionMayBecomeACoroutine) {
  options.concurrency = 1;
  options.prefetch = 1;
  open_all();
  deliver(broker(), parcels(1, 1, "stubborn"));
  deliver(broker(), parcels(2, 1, "add"));
  later.tasks["add"].coroutine = true;
  change();
  EXPECT_EQ(core->status().coroutines, 1u) << "it takes no slot, and none is free";
  EXPECT_EQ(starts.back().name, "add");
}

// ---- the table by description

TEST(TaskDescription, SaysAllThatTheLoopAsks) {
  using namespace std::chrono_literals;
  Registry registry;
  registry.task("a.plain", [](int, int) { return 1; }, {"x", "y"})
      .max_retries(4)
      .backoff(1s, 2.0, 30s)
      .jitter(0.25)
      .acks_early()
      .ignore_result()
      .crash_retry()
      .track_started()
      .redact({"y"})
      .shadow("plain")
      .time_limit(9s)
      .soft_time_limit(3s)
      .rate_limit("10/s")
      .global_rate_limit("100/s")
      .concurrency_limit(7);
  registry.task("a.limited", [] {}).autoretry_for<TimeLimitExceeded>();
  registry.exec("a.program", {"/bin/true"});
  TaskTable here;
  here.add(std::move(registry), "liba.so");
  Registry more;
  more.task("b.coroutine", []() -> Task<int> { co_return 1; });
  here.add(std::move(more), "libb.so");

  const TaskTable there = TaskTable::from_description(here.described());
  EXPECT_EQ(there.described(), here.described());
  EXPECT_EQ(there.names(), here.names());
  EXPECT_TRUE(there.definition("b.coroutine")->is_coroutine());
  EXPECT_EQ(there.at_most_once(), here.at_most_once());
  EXPECT_EQ(there.broker_limits(), here.broker_limits());
  const TaskDefinition& plain = *there.definition("a.plain");
  EXPECT_EQ(plain.parameters().at(1).name, "y");
  EXPECT_EQ(plain.settings().redacted, std::vector<std::string>{"y"});
  EXPECT_EQ(plain.settings().shadow, "plain");
  for (std::uint32_t retry = 0; retry < 7; ++retry) {
    EXPECT_EQ(plain.retry_delay(retry, 0.7), here.definition("a.plain")->retry_delay(retry, 0.7));
  }
  const TaskFacts& facts = *there.find("a.plain");
  EXPECT_EQ(facts.retry, here.find("a.plain")->retry);
  EXPECT_TRUE(facts.acks_early && facts.ignore_result && facts.crash_retry && facts.redacted);
  EXPECT_EQ(facts.time_limit, Micros{9'000'000});
  EXPECT_EQ(facts.soft_time_limit, Micros{3'000'000});
  EXPECT_EQ(facts.rate, 10);
  const auto limit = std::make_exception_ptr(TimeLimitExceeded{"x"});
  EXPECT_TRUE(there.definition("a.limited")->retries_on(limit));
  EXPECT_FALSE(there.definition("a.program")->retries_on(limit));
  EXPECT_TRUE(there.definition("a.program")->keeps_time_limit());
  EXPECT_TRUE(there.definition("b.coroutine")->is_coroutine());
}

TEST(TaskDescription, WhatMakesNoSenseIsRefused) {
  Registry registry;
  registry.task("a", [](int) {}, {"x"}).rate_limit("1/s");
  TaskTable table;
  table.add(std::move(registry), "liba.so");
  const Bytes whole = table.described();
  EXPECT_NO_THROW(TaskTable::from_description(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THROW(TaskTable::from_description(BytesView{whole}.substr(0, size)), RegistrationError)
        << size;
  }
  EXPECT_THROW(TaskTable::from_description(whole + "x"), RegistrationError);
  // Any byte of it may be another one: it is refused or read, and nothing worse.
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const char other : {'\x00', '\x7f', '\xc0', '\xdf', '\xff'}) {
      Bytes damaged = whole;
      damaged[at] = other;
      try {
        static_cast<void>(TaskTable::from_description(damaged).names());
      } catch (const RegistrationError&) {
      }
    }
  }
}

}  // namespace
}  // namespace baozi::worker
