// From DELIVER to the pool.
#include "worker_bench.hpp"

namespace baozi::worker {
namespace {

class WorkerDeliver : public WorkerBench {};

TEST_F(WorkerDeliver, ATaskIsStartedInTheTurnThatBringsIt) {
  open_all();
  deliver(broker(), {{.number = 5,
                      .task = task_bytes(1),
                      .count = 2,
                      .retries = 1,
                      .flags = wire::flag::deliver_redelivered}});
  ASSERT_EQ(starts.size(), 1u);
  EXPECT_EQ(starts[0].id.bytes, uuid(1).view());
  EXPECT_EQ(starts[0].name, "add");
  EXPECT_EQ(starts[0].body, "body");
  EXPECT_EQ(starts[0].origin, origin_a.view());
  EXPECT_EQ(starts[0].delivery_count, 2u);
  EXPECT_EQ(starts[0].retries, 1u);
  EXPECT_TRUE(starts[0].redelivered);
  EXPECT_EQ(starts[0].definition, &policies);
}

TEST_F(WorkerDeliver, NoMoreThanTheConcurrencyIsWithThePoolWhileDurationsAreUnknown) {
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)},
                     {.number = 2, .task = task_bytes(2)},
                     {.number = 3, .task = task_bytes(3)}});
  EXPECT_EQ(starts.size(), 2u);
  finish(starts[0].token, success("\x03", Micros{50'000}));
  EXPECT_EQ(starts.size(), 3u);
}

TEST_F(WorkerDeliver, TasksStartInTheOrderOfTheirDelivery) {
  options.concurrency = 1;
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)},
                     {.number = 2, .task = task_bytes(2)},
                     {.number = 3, .task = task_bytes(3)}});
  finish(starts.back().token, success());
  finish(starts.back().token, success());
  ASSERT_EQ(starts.size(), 3u);
  for (std::uint64_t i = 0; i < 3; ++i) EXPECT_EQ(starts[i].id.bytes, uuid(i + 1).view());
}

TEST_F(WorkerDeliver, ADeliveryThatIsHeldAlreadyIsIgnoredAndItsCreditReturned) {
  open_all();
  deliver(broker(), {{.number = 5, .task = task_bytes(1)}});
  deliver(broker(), {{.number = 5, .task = task_bytes(1)}});
  EXPECT_EQ(starts.size(), 1u);
  EXPECT_EQ(core->counters().duplicates, 1u);
  pass(Micros{1'000});
  EXPECT_EQ(credit(broker()).returned, 1u);
}

TEST_F(WorkerDeliver, AnUnknownTaskFailsAndTheFailureNamesTaskAndWorker) {
  open_all();
  deliver(broker(), {{.number = 5, .task = task_bytes(1, "no.such")}});
  EXPECT_TRUE(starts.empty());
  const auto sent = results(*collector);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].record.state, wire::TaskState::failure);
  EXPECT_EQ(failure_type(sent[0].record), "NotRegistered");
  EXPECT_NE(failure_message(sent[0].record).find("no.such"), std::string::npos);
  EXPECT_NE(failure_message(sent[0].record).find("w1@test"), std::string::npos);
}

TEST_F(WorkerDeliver, ATaskThatExpiredOnItsWayIsRevokedAndNotStarted) {
  open_all();
  const Bytes late = option(wire::Option::expires, [&](Writer& w) { w.integer(micros(now.wall)); });
  const Bytes early =
      option(wire::Option::expires, [&](Writer& w) { w.integer(micros(now.wall) + 1); });
  deliver(broker(), {{.number = 5, .task = task_bytes(1, "add", late)},
                     {.number = 6, .task = task_bytes(2, "add", early)}});
  ASSERT_EQ(starts.size(), 1u);
  EXPECT_EQ(starts[0].id.bytes, uuid(2).view());
  const auto sent = results(*collector);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].record.state, wire::TaskState::revoked);
  EXPECT_EQ(failure_type(sent[0].record), "TaskRevokedError");
  EXPECT_EQ(failure_message(sent[0].record), "expired");
  EXPECT_EQ(core->counters().expired, 1u);
}

TEST_F(WorkerDeliver, ATaskThatMustBeAloneWaitsUntilNothingElseRuns) {
  options.concurrency = 4;
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)},
                     {.number = 2, .task = task_bytes(2), .flags = wire::flag::deliver_alone},
                     {.number = 3, .task = task_bytes(3)}});
  ASSERT_EQ(starts.size(), 1u);
  finish(starts[0].token, success("\x03", Micros{50'000}));
  ASSERT_EQ(starts.size(), 2u);
  EXPECT_EQ(starts[1].id.bytes, uuid(2).view());
  finish(starts[1].token, success("\x03", Micros{50'000}));
  ASSERT_EQ(starts.size(), 3u);
}

TEST_F(WorkerDeliver, ATaskRevokedBeforeItsStartNeverRuns) {
  options.concurrency = 1;
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}, {.number = 2, .task = task_bytes(2)}});
  const Uuid second = uuid(2);
  say(broker(), wire::Revoke{0, 0, {{true, second.view()}}});
  const auto sent = results(*collector);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].number, 2u);
  EXPECT_EQ(sent[0].record.state, wire::TaskState::revoked);
  EXPECT_EQ(failure_message(sent[0].record), "revoked");
  finish(starts[0].token, success());
  EXPECT_EQ(starts.size(), 1u);
}

TEST_F(WorkerDeliver, ARunningTaskIsToldThatItWasRevokedAndMayStillSucceed) {
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}});
  const Uuid id = uuid(1);
  say(broker(), wire::Revoke{0, 0, {{true, id.view()}}});
  ASSERT_EQ(interrupts.size(), 1u);
  EXPECT_EQ(interrupts[0], starts[0].token);
  finish(starts[0].token, success());
  EXPECT_EQ(results(*collector).at(0).record.state, wire::TaskState::success);
}

TEST_F(WorkerDeliver, ARevokedTaskThatThePoolHadNotBegunEndsRevoked) {
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}});
  const Uuid id = uuid(1);
  say(broker(), wire::Revoke{0, 0, {{true, id.view()}}});
  cancelled(starts[0].token);
  EXPECT_EQ(results(*collector).at(0).record.state, wire::TaskState::revoked);
}

TEST_F(WorkerDeliver, ARevokeOfAnIdThatIsNotHereChangesNothing) {
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}});
  const Uuid id = uuid(9);
  say(broker(), wire::Revoke{0, 0, {{true, id.view()}, {false, "text"}}});
  EXPECT_TRUE(interrupts.empty());
  EXPECT_TRUE(results(*collector).empty());
}

TEST_F(WorkerDeliver, WhatATaskSaysOfItsStateGoesToItsCollector) {
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}, {.number = 2, .task = task_bytes(2)}});
  ASSERT_FALSE(starts.empty());
  EXPECT_TRUE(collector->take<wire::StateMessage>(wire::Type::state).empty())
      << "the pool has it, no more";
  core->on_state_update(starts[0].token, "STARTED", "\xc0");
  turn();
  const auto messages = collector->take<wire::StateMessage>(wire::Type::state);
  ASSERT_EQ(messages.size(), 1u);
  ASSERT_EQ(messages[0].groups.size(), 1u);
  EXPECT_EQ(messages[0].groups[0].origin, origin_a.view());
  EXPECT_EQ(messages[0].groups[0].worker, "w1@test");
  ASSERT_EQ(messages[0].groups[0].entries.size(), 1u);
  EXPECT_EQ(messages[0].groups[0].entries[0].state, "STARTED");
  EXPECT_EQ(messages[0].groups[0].entries[0].id.bytes, uuid(1).view());
}

TEST_F(WorkerDeliver, ALimitOfTheCallGoesBeforeTheTasksAndThatBeforeTheWorkers) {
  options.time_limit = Micros{9'000};
  options.soft_time_limit = Micros{8'000};
  TaskFacts limited = policies.tasks["add"];
  limited.time_limit = Micros{5'000};
  policies.tasks["limited"] = limited;
  open_all();
  const Bytes own = option(wire::Option::time_limit, [](Writer& packed) { packed.integer(3'000); });
  deliver(broker(),
          {{.number = 1, .task = task_bytes(1)}, {.number = 2, .task = task_bytes(2, "limited")}});
  finish(starts.at(0).token, success());
  deliver(broker(), {{.number = 3, .task = task_bytes(3, "limited", own)}});
  ASSERT_EQ(starts.size(), 3u);
  EXPECT_EQ(starts[0].time_limit, Micros{9'000});
  EXPECT_EQ(starts[0].soft_time_limit, Micros{8'000});
  EXPECT_EQ(starts[1].time_limit, Micros{5'000});
  EXPECT_EQ(starts[2].time_limit, Micros{3'000});
}

TEST_F(WorkerDeliver, ProgressGoesToTheHomeCollectorAndIsToldAgainWhenThatComesBack) {
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}});
  core->on_state_update(starts[0].token, "PROGRESS", "\x05");
  turn();
  const auto messages = collector->take<wire::StateMessage>(wire::Type::state);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].groups[0].entries[0].meta, "\x05");
  core->on_disconnected(collector->link, now, out);
  core->on_state_update(starts[0].token, "PROGRESS", "\x06");
  turn();
  EXPECT_EQ(core->counters().states_late, 1u);
  welcome(*collector, connect(*collector));
  const auto again = collector->take<wire::StateMessage>(wire::Type::state);
  ASSERT_EQ(again.size(), 1u);
  ASSERT_EQ(again[0].groups.at(0).entries.size(), 1u) << "the latest word only";
  EXPECT_EQ(again[0].groups[0].entries[0].meta, "\x06");
  EXPECT_EQ(again[0].groups[0].entries[0].id.bytes, uuid(1).view());

  finish(starts[0].token, success());
  core->on_disconnected(collector->link, now, out);
  turn();
  welcome(*collector, connect(*collector));
  EXPECT_TRUE(collector->take<wire::StateMessage>(wire::Type::state).empty()) << "it has ended";
}

TEST_F(WorkerDeliver, AnswersOfThePoolForStrangeTokensAreCountedAndIgnored) {
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}});
  core->on_finished(Token{999}, success(), now);
  core->on_cancelled(Token{999}, now);
  core->on_state_update(Token{999}, "PROGRESS", {});
  EXPECT_EQ(core->counters().unknown_tokens, 3u);
  finish(starts[0].token, success());
  core->on_finished(starts[0].token, success(), now);
  EXPECT_EQ(core->counters().unknown_tokens, 4u);
}

}  // namespace
}  // namespace baozi::worker
