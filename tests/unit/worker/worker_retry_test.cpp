// Tasks that are to be run again.
#include "worker_bench.hpp"

namespace baozi::worker {
namespace {

class WorkerRetry : public WorkerBench {
 protected:
  Token run(std::string_view name, std::uint32_t retries = 0, BytesView task_options = {}) {
    deliver(broker(),
            {{.number = 1, .task = task_bytes(1, name, task_options), .retries = retries}});
    EXPECT_EQ(starts.size(), 1u);
    return starts.back().token;
  }
  wire::NackEntry only_nack() {
    pass(Micros{1'000});
    const auto all = nacks(broker());
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? wire::NackEntry{} : all[0];
  }
};

TEST_F(WorkerRetry, AFailureWithoutAPolicyIsFinal) {
  open_all();
  finish(run("add"), failure(true));
  const auto sent = results(*collector);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].record.state, wire::TaskState::failure);
  EXPECT_EQ(failure_type(sent[0].record), "std::runtime_error");
  EXPECT_FALSE(sent[0].record.exhausted);
}

TEST_F(WorkerRetry, AFailureThatTheTaskWantsRetriedGoesBackWithItsDelayAndReason) {
  open_all();
  finish(run("stubborn", 1), failure(true));
  const wire::NackEntry nack = only_nack();
  EXPECT_EQ(nack.kind, wire::NackKind::retry);
  EXPECT_EQ(nack.number, 1u);
  EXPECT_EQ(nack.delay_us, 1'500u);
  EXPECT_EQ(nack.reason, "std::runtime_error: boom");
  const auto states = collector->take<wire::StateMessage>(wire::Type::state);
  ASSERT_EQ(states.size(), 1u);
  EXPECT_EQ(states[0].groups.at(0).entries.at(0).state, "RETRY");
  EXPECT_EQ(states[0].groups.at(0).entries.at(0).meta, boom);
  EXPECT_TRUE(results(*collector).empty());
}

TEST_F(WorkerRetry, AnExceptionThatTheTaskDoesNotWantRetriedIsFinal) {
  open_all();
  finish(run("stubborn"), failure(false));
  const auto sent = results(*collector);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_FALSE(sent[0].record.exhausted);
}

TEST_F(WorkerRetry, TheLastRetryEndsInADeadLetter) {
  open_all();
  finish(run("stubborn", 2), failure(true));
  const auto sent = results(*collector);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].record.exhausted);
  EXPECT_EQ(sent[0].record.retries, 2u);
  stored(*collector, 1);
  pass(Micros{1'000});
  const auto done = dones(broker());
  EXPECT_EQ(done.at(0).state, wire::TaskState::failure);
  EXPECT_EQ(done.at(0).flags, wire::flag::done_exhausted);
}

TEST_F(WorkerRetry, ThePolicyOfTheCallGoesBeforeThatOfTheTask) {
  open_all();
  finish(run("add", 4, retry_option(5, 7'000, 1'000, 9'000)), failure(false));
  EXPECT_EQ(only_nack().delay_us, 9'000u);
}

TEST_F(WorkerRetry, ThePolicyOfTheCallCanForbidWhatTheTaskWants) {
  open_all();
  finish(run("stubborn", 0, retry_option(0, 0, 0, 0)), failure(true));
  ASSERT_EQ(results(*collector).size(), 1u);
}

TEST_F(WorkerRetry, ArgumentsThatDoNotFitAreNeverRetried) {
  open_all();
  Finished end = failure(true);
  end.permanent = true;
  finish(run("stubborn", 0, retry_option(5, 1, 1, 1)), end);
  EXPECT_EQ(results(*collector).size(), 1u);
}

TEST_F(WorkerRetry, ATaskMayAskForARetryWithItsOwnDelay) {
  open_all();
  Finished end = failure();
  end.verdict = Verdict::retry;
  end.delay = Micros{30'000'000};
  end.reason = "not yet";
  finish(run("stubborn"), end);
  const wire::NackEntry nack = only_nack();
  EXPECT_EQ(nack.delay_us, 30'000'000u);
  EXPECT_EQ(nack.reason, "not yet");
}

TEST_F(WorkerRetry, ATaskMayRaiseItsOwnLimit) {
  open_all();
  Finished end = failure();
  end.verdict = Verdict::retry;
  end.max_retries = 10;
  finish(run("stubborn", 9), end);
  EXPECT_EQ(only_nack().kind, wire::NackKind::retry);
}

TEST_F(WorkerRetry, ATaskThatSnoozesIsNotChargedWithARetry) {
  open_all();
  Finished end = failure();
  end.verdict = Verdict::snooze;
  end.delay = Micros{5'000'000};
  finish(run("add", 7), end);
  const wire::NackEntry nack = only_nack();
  EXPECT_EQ(nack.kind, wire::NackKind::retry);
  EXPECT_EQ(nack.flags, wire::flag::nack_uncharged);
  EXPECT_EQ(nack.delay_us, 5'000'000u);
  EXPECT_EQ(core->counters().snoozed, 1u);
  EXPECT_EQ(core->counters().retried, 0u);
}

TEST_F(WorkerRetry, AnIgnoredTaskIsAFinalResultWithoutValueAndFollowUps) {
  open_all();
  Finished end = success();
  end.verdict = Verdict::ignore;
  const Bytes follow_ups = packed_list_of(task_bytes(9, "next"));
  end.follow_ups = follow_ups;
  finish(run("add"), end);
  const auto sent = results(*collector);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].record.state, wire::TaskState::ignored);
  EXPECT_EQ(sent[0].record.body, "\xC0");
  EXPECT_NE(sent[0].raw_follow_ups, follow_ups);
  stored(*collector, 1);
  pass(Micros{1'000});
  const auto done = dones(broker());
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0].state, wire::TaskState::ignored);
}

TEST_F(WorkerRetry, AnIgnoredTaskWhoseCallerWantsNoResultStoresNone) {
  open_all();
  Finished end = success();
  end.verdict = Verdict::ignore;
  finish(run("add", 0, flag_option(wire::Option::ignore_result)), end);
  EXPECT_TRUE(results(*collector).empty());
  const auto done = dones(broker());
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0].state, wire::TaskState::ignored);
}

TEST_F(WorkerRetry, AJoinHearsOfAnIgnoredMember) {
  open_all();
  Finished end = success();
  end.verdict = Verdict::ignore;
  const Bytes member = option(wire::Option::join, [](Writer& packed) { packed.array(0); });
  finish(run("add", 0, member), end);
  const auto sent = results(*collector);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].record.state, wire::TaskState::ignored);
}

TEST_F(WorkerRetry, NoRetryComesLaterThanTheTimeToRetryFor) {
  policies.tasks["stubborn"].retry.max_retries = -1;
  policies.tasks["stubborn"].retry.retry_for = Micros{60'000'000};
  open_all();
  const auto attempt = [&](std::uint64_t number, Micros since) {
    deliver(broker(), {{.number = number,
                        .task = task_bytes(number, "stubborn"),
                        .retries = 3,
                        .since_us = micros(now.wall - since)}});
    finish(starts.back().token, failure(true));
  };
  attempt(1, Micros{59'000'000});
  EXPECT_EQ(only_nack().kind, wire::NackKind::retry);
  attempt(2, Micros{61'000'000});
  const auto sent = results(*collector);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].record.exhausted);
}

TEST_F(WorkerRetry, TheLogTellsFailuresWithTheirTraceAndExpectedOnesWithout) {
  options.task_log = TaskLog::trouble;
  open_all();
  core->on_finished(run("add"), failure(), now);
  core->turn(now, out);
  ASSERT_EQ(out.tasks.size(), 1u);
  EXPECT_EQ(out.tasks[0].level, TaskNote::Level::error);
  EXPECT_EQ(out.tasks[0].text,
            "task add[" + to_string(uuid(1)) + "] failed: std::runtime_error: boom");
  EXPECT_EQ(out.tasks[0].traceback, "at line 1");
  out.tasks.clear();
  carry_out();
  deliver(broker(), {{.number = 2, .task = task_bytes(2)}});
  Finished end = failure();
  end.expected = true;
  core->on_finished(starts.back().token, end, now);
  core->turn(now, out);
  ASSERT_EQ(out.tasks.size(), 1u);
  EXPECT_EQ(out.tasks[0].level, TaskNote::Level::info);
  EXPECT_TRUE(out.tasks[0].traceback.empty());
}

TEST_F(WorkerRetry, ARetryBeyondTheLimitIsAnExhaustedFailure) {
  open_all();
  Finished end = failure();
  end.verdict = Verdict::retry;
  finish(run("stubborn", 2), end);
  EXPECT_TRUE(results(*collector).at(0).record.exhausted);
}

TEST_F(WorkerRetry, JitterIsChanceOfTheCoreAndTheSameForTheSameSeed) {
  policies.tasks["stubborn"].retry.jitter = 1.0;
  policies.tasks["stubborn"].retry.interval_start = Micros{1'000'000};
  policies.tasks["stubborn"].retry.interval_max = Micros{1'000'000};
  std::vector<std::uint64_t> delays;
  for (int i = 0; i < 2; ++i) {
    core.reset();
    starts.clear(), opened.clear(), peers.clear();
    open_all();
    finish(run("stubborn"), failure(true));
    delays.push_back(only_nack().delay_us);
  }
  EXPECT_EQ(delays[0], delays[1]);
  EXPECT_NE(delays[0], 1'000'000u);
  EXPECT_LE(delays[0], 2'000'000u);
}

TEST_F(WorkerRetry, ARevokedTaskIsNotRetried) {
  open_all();
  const Token token = run("stubborn");
  const Uuid id = uuid(1);
  say(broker(), wire::Revoke{0, 0, {{true, id.view()}}});
  Finished end = failure();
  end.verdict = Verdict::retry;
  finish(token, end);
  EXPECT_EQ(results(*collector).at(0).record.state, wire::TaskState::revoked);
}

TEST_F(WorkerRetry, ATaskThatEndsItselfBecauseItWasRevokedIsRevoked) {
  open_all();
  Finished end = failure();
  end.verdict = Verdict::revoked;
  finish(run("stubborn"), end);
  EXPECT_EQ(results(*collector).at(0).record.state, wire::TaskState::revoked);
}

TEST_F(WorkerRetry, ARejectedTaskBecomesADeadLetterAtTheBroker) {
  open_all();
  Finished end = failure();
  end.verdict = Verdict::reject;
  finish(run("stubborn"), end);
  const wire::NackEntry nack = only_nack();
  EXPECT_EQ(nack.kind, wire::NackKind::reject);
  EXPECT_EQ(nack.reason, "std::runtime_error: boom");
}

TEST_F(WorkerRetry, ATaskThatCostItsProcessFailsWhateverItsRetries) {
  open_all();
  Finished end = failure(true);
  end.verdict = Verdict::lost;
  finish(run("stubborn"), end);
  EXPECT_EQ(results(*collector).at(0).record.state, wire::TaskState::failure);
}

TEST_F(WorkerRetry, ACrashOfATaskWithCrashRetryIsALostDelivery) {
  policies.tasks["stubborn"].crash_retry = true;
  open_all();
  Finished end = failure();
  end.verdict = Verdict::lost;
  finish(run("stubborn"), end);
  EXPECT_TRUE(results(*collector).empty());
  const wire::NackEntry nack = only_nack();
  EXPECT_EQ(nack.kind, wire::NackKind::lost);
  EXPECT_EQ(nack.reason, "std::runtime_error: boom");
  EXPECT_EQ(core->counters().crashed, 1u);
}

TEST_F(WorkerRetry, AnUnansweredRetryIsReportedAndSentAgain) {
  open_all();
  finish(run("stubborn"), failure(true));
  only_nack();
  core->on_disconnected(broker().link, now, out);
  const wire::Hello hello = connect(broker());
  ASSERT_EQ(hello.holds.size(), 1u);
  EXPECT_EQ(hello.holds[0].phase, wire::Hold::done_unanswered);
  welcome(broker(), hello);
  const auto again = broker().take<wire::Nack>(wire::Type::nack);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].first, 1u);
  EXPECT_EQ(again[0].entries.at(0).delay_us, 1'000u);
}

TEST_F(WorkerRetry, DoneAndNackAreNumberedTogetherInTheirOrder) {
  options.concurrency = 4;
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1, "quiet")},
                     {.number = 2, .task = task_bytes(2, "stubborn")},
                     {.number = 3, .task = task_bytes(3, "quiet")}});
  core->on_finished(starts[0].token, success(), now);
  core->on_finished(starts[1].token, failure(true), now);
  core->on_finished(starts[2].token, success(), now);
  pass(Micros{0});
  pass(Micros{1'000});
  const auto done = broker().take<wire::Done>(wire::Type::done);
  const auto nack = broker().take<wire::Nack>(wire::Type::nack);
  ASSERT_EQ(done.size(), 2u);
  ASSERT_EQ(nack.size(), 1u);
  EXPECT_EQ(done[0].first, 1u);
  EXPECT_EQ(nack[0].first, 2u);
  EXPECT_EQ(done[1].first, 3u);
}

}  // namespace
}  // namespace baozi::worker
