// From the end of a task to its settlement.
#include "worker_bench.hpp"

namespace baozi::worker {
namespace {

class WorkerResult : public WorkerBench {
 protected:
  /// One task delivered and started.
  Token run(std::uint64_t number = 1, std::string_view name = "add", BytesView task_options = {},
            std::string_view home = "c1") {
    const std::size_t before = starts.size();
    deliver(broker(),
            {{.number = number,
              .task = task_bytes(number, name, task_options),
              .key = 40,
              .position = 9}},
            home);
    EXPECT_EQ(starts.size(), before + 1);
    return starts.back().token;
  }
};

TEST_F(WorkerResult, AResultGoesToTheHomeCollectorInTheTurnOfItsEnd) {
  open_all();
  finish(run(), success("\x2A"));
  const auto messages = collector->take<wire::ResultMessage>(wire::Type::result);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].first, 1u);
  ASSERT_EQ(messages[0].groups.size(), 1u);
  EXPECT_EQ(messages[0].groups[0].origin, origin_a.view());
  EXPECT_EQ(messages[0].groups[0].worker, "w1@test");
  const wire::RecordView& record = messages[0].groups[0].entries.at(0).record;
  EXPECT_EQ(record.id.bytes, uuid(1).view());
  EXPECT_EQ(record.name, "add");
  EXPECT_EQ(record.state, wire::TaskState::success);
  EXPECT_EQ(record.body, "\x2A");
  EXPECT_EQ(record.started_us, 10);
  EXPECT_EQ(record.finished_us, 20);
}

TEST_F(WorkerResult, DoneWaitsForStoredAndIsKeptUntilItIsAnswered) {
  open_all();
  finish(run(), success());
  pass(Micros{2'000});
  EXPECT_TRUE(dones(broker()).empty());
  stored(*collector, 1);
  pass(Micros{1'000});
  const auto done = dones(broker());
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0].number, 1u);
  EXPECT_EQ(done[0].state, wire::TaskState::success);
  EXPECT_EQ(done[0].flags, 0u);
  EXPECT_EQ(core->status().settling, 1u);
  done_ok(broker(), 1);
  EXPECT_EQ(core->status().settling, 0u);
  EXPECT_EQ(core->counters().settled, 1u);
}

TEST_F(WorkerResult, FollowUpsTravelInTheResultAndInTheDone) {
  open_all();
  const Bytes follow_ups = packed_list_of(task_bytes(50, "next"));
  Finished end = success();
  end.follow_ups = follow_ups;
  finish(run(), end);
  EXPECT_EQ(results(*collector).at(0).raw_follow_ups, follow_ups);
  stored(*collector, 1);
  pass(Micros{1'000});
  const auto done = dones(broker());
  ASSERT_EQ(done.at(0).follow_ups.size(), 1u);
  EXPECT_EQ(done[0].follow_ups[0].name, "next");
}

TEST_F(WorkerResult, OneAnswerSettlesEverythingUpToIt) {
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}, {.number = 2, .task = task_bytes(2)}});
  core->on_finished(starts[0].token, success(), now);
  core->on_finished(starts[1].token, success(), now);
  turn();
  const auto messages = collector->take<wire::ResultMessage>(wire::Type::result);
  ASSERT_EQ(messages.size(), 1u) << "results of a turn share a frame";
  stored(*collector, 2);
  pass(Micros{1'000});
  const auto done = broker().take<wire::Done>(wire::Type::done);
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0].first, 1u);
  EXPECT_EQ(done[0].entries.size(), 2u);
}

TEST_F(WorkerResult, EntriesOfASessionAreNumberedOneAfterTheOther) {
  open_all();
  finish(run(1), success());
  finish(run(2), success());
  const auto messages = collector->take<wire::ResultMessage>(wire::Type::result);
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].first, 1u);
  EXPECT_EQ(messages[1].first, 2u);
  stored(*collector, 1);
  pass(Micros{1'000});
  stored(*collector, 2);
  pass(Micros{1'000});
  const auto done = broker().take<wire::Done>(wire::Type::done);
  ASSERT_EQ(done.size(), 2u);
  EXPECT_EQ(done[0].first, 1u);
  EXPECT_EQ(done[1].first, 2u);
}

TEST_F(WorkerResult, TheWinnersOutcomeAndFollowUpsAreWhatDoneCarries) {
  open_all();
  finish(run(), success());
  const Bytes follow_ups = packed_list_of(task_bytes(60, "winner.next"));
  const Uuid id = uuid(1);
  Bytes winner;
  Writer packed{winner};
  wire::pack_record(packed, {.id = {true, id.view()},
                             .name = "add",
                             .state = wire::TaskState::failure,
                             .body = boom,
                             .exhausted = true,
                             .raw = {}});
  stored(*collector, 1,
         {{.entry = 1,
           .code = wire::Lost::to_winner,
           .record = winner,
           .raw_follow_ups = follow_ups,
           .text = {}}});
  pass(Micros{1'000});
  const auto done = dones(broker());
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0].state, wire::TaskState::failure);
  EXPECT_EQ(done[0].flags, wire::flag::done_exhausted);
  ASSERT_EQ(done[0].follow_ups.size(), 1u);
  EXPECT_EQ(done[0].follow_ups[0].name, "winner.next");
  EXPECT_EQ(core->counters().results_lost, 1u);
}

TEST_F(WorkerResult, WithoutRuleD18TheLoserInsistsOnItsOwn) {
  rules.d18_winner_decides = false;
  open_all();
  finish(run(), success());
  const Uuid id = uuid(1);
  Bytes winner;
  Writer packed{winner};
  wire::pack_record(packed, {.id = {true, id.view()},
                             .name = "add",
                             .state = wire::TaskState::failure,
                             .body = boom,
                             .raw = {}});
  stored(*collector, 1,
         {{.entry = 1,
           .code = wire::Lost::to_winner,
           .record = winner,
           .raw_follow_ups = {},
           .text = {}}});
  pass(Micros{1'000});
  EXPECT_EQ(dones(broker()).at(0).state, wire::TaskState::success);
}

TEST_F(WorkerResult, ARefusedResultBecomesAFailureThatSaysSo) {
  open_all();
  Finished end = success();
  const Bytes follow_ups = packed_list_of(task_bytes(50, "next"));
  end.follow_ups = follow_ups;
  finish(run(), end);
  collector->frames.clear();
  stored(*collector, 1,
         {{.entry = 1,
           .code = wire::Lost::refused,
           .record = {},
           .raw_follow_ups = {},
           .text = "too large"}});
  const auto again = results(*collector);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].record.state, wire::TaskState::failure);
  EXPECT_EQ(failure_type(again[0].record), "ResultRefused");
  EXPECT_NE(failure_message(again[0].record).find("too large"), std::string::npos);
  EXPECT_EQ(again[0].record.started_us, 10);
  EXPECT_TRUE(again[0].raw_follow_ups.empty()) << "a failure continues nothing";
  stored(*collector, 2);
  pass(Micros{1'000});
  const auto done = dones(broker());
  EXPECT_EQ(done.at(0).state, wire::TaskState::failure);
  EXPECT_TRUE(done.at(0).follow_ups.empty());
}

TEST_F(WorkerResult, AFailureThatIsRefusedTooEndsTheTaskWithoutARecord) {
  open_all();
  finish(run(), success());
  stored(
      *collector, 1,
      {{.entry = 1, .code = wire::Lost::refused, .record = {}, .raw_follow_ups = {}, .text = {}}});
  stored(
      *collector, 2,
      {{.entry = 2, .code = wire::Lost::refused, .record = {}, .raw_follow_ups = {}, .text = {}}});
  pass(Micros{1'000});
  EXPECT_EQ(dones(broker()).at(0).state, wire::TaskState::failure);
}

TEST_F(WorkerResult, AResultLargerThanTheLimitIsAFailureFromTheStart) {
  open_all();
  finish(run(), success(Bytes(limits::result_bytes_max, 'x')));
  const auto sent = results(*collector);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(failure_type(sent[0].record), "ResultRefused");
}

TEST_F(WorkerResult, AResultLargerThanTheCollectorsFramesIsAFailureInItsPlace) {
  frame_bytes_max = 4'096;
  open_all();
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}, {.number = 2, .task = task_bytes(2)}});
  core->on_finished(starts[0].token, success("\x01"), now);
  core->on_finished(starts[1].token, success(Bytes(5'000, 'x')), now);
  turn();
  const auto sent = results(*collector);
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].record.state, wire::TaskState::success);
  EXPECT_EQ(failure_type(sent[1].record), "ResultRefused");
}

TEST_F(WorkerResult, AnIgnoredSuccessIsDoneAtOnceAndStoresNothing) {
  open_all();
  finish(run(1, "add", flag_option(wire::Option::ignore_result)), success());
  finish(run(2, "quiet"), success());
  pass(Micros{1'000});
  EXPECT_TRUE(results(*collector).empty());
  const auto done = dones(broker());
  ASSERT_EQ(done.size(), 2u);
  EXPECT_EQ(done[0].state, wire::TaskState::ignored);
  EXPECT_EQ(done[1].state, wire::TaskState::ignored);
}

TEST_F(WorkerResult, AFailureReportsEvenWhenItsResultIsIgnored) {
  open_all();
  finish(run(1, "add", flag_option(wire::Option::ignore_result)), failure());
  EXPECT_EQ(results(*collector).at(0).record.state, wire::TaskState::failure);
}

TEST_F(WorkerResult, AMemberOfAJoinReportsEvenWhenItsResultIsIgnored) {
  open_all();
  Bytes both;
  Writer packed{both};
  packed.map(2);
  packed.uinteger(13), packed.boolean(true);
  packed.uinteger(23), packed.array(0);
  finish(run(1, "add", both), success());
  EXPECT_EQ(results(*collector).size(), 1u);
}

TEST_F(WorkerResult, ResultsWaitForTheirHomeCollectorAndOthersGoOn) {
  open_all();
  finish(run(1, "add", {}, "away"), success());
  finish(run(2, "add", {}, "c1"), success());
  EXPECT_EQ(results(*collector).size(), 1u);
  EXPECT_EQ(core->status().results, 2u);
  // when the broker lists it at last, and it says welcome
  say(broker(), wire::Collectors{{{"c1", {"tcp://c1"}}, {"away", {"tcp://away"}}}});
  FakePeer& away = peers[opened.back()];
  ASSERT_EQ(endpoints[opened.back()], "tcp://away");
  welcome(away, connect(away));
  const auto sent = results(away);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].number, 1u);
}

TEST_F(WorkerResult, WithoutAHomeAnyCollectorTakesItAndKeepsIt) {
  open_all();
  finish(run(1, "add", {}, ""), success());
  ASSERT_EQ(results(*collector).size(), 1u);
  say(broker(), wire::Collectors{{{"c1", {"tcp://c1"}}, {"c0", {"tcp://c0"}}}});
  FakePeer& other = peers[opened.back()];
  welcome(other, connect(other));
  core->on_disconnected(collector->link, now, out);
  turn();
  EXPECT_TRUE(results(other).empty()) << "the first one may have stored it";
  welcome(*collector, connect(*collector));
  EXPECT_EQ(results(*collector).size(), 1u);
}

TEST_F(WorkerResult, WithoutAnyCollectorAHomelessResultWaitsForTheFirst) {
  make_core();
  welcome(broker(), connect(broker()));
  finish(run(1, "add", {}, ""), success());
  EXPECT_EQ(core->status().homeless, 1u);
  say(broker(), wire::Collectors{{{"c9", {"tcp://c9"}}}});
  FakePeer& first = peers[opened.back()];
  welcome(first, connect(first));
  EXPECT_EQ(results(first).size(), 1u);
  EXPECT_EQ(core->status().homeless, 0u);
}

TEST_F(WorkerResult, AFailureThatNobodyWantedAndThatHasNoHomeGoesByTheBroker) {
  open_all();
  finish(run(1, "add", flag_option(wire::Option::ignore_result), ""), failure());
  EXPECT_TRUE(results(*collector).empty()) << "another delivery of it may have another home";
  const auto done = dones(broker());
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0].state, wire::TaskState::failure);
  EXPECT_FALSE(done[0].record.empty());
  EXPECT_EQ(core->counters().results_carried, 1u);
}

TEST_F(WorkerResult, ANewCollectorSessionIsToldEverythingThatIsNotStored) {
  open_all();
  finish(run(1), success());
  finish(run(2), success());
  stored(*collector, 1);
  collector->frames.clear();
  core->on_disconnected(collector->link, now, out);
  finish(run(3), success());
  welcome(*collector, connect(*collector));
  const auto messages = collector->take<wire::ResultMessage>(wire::Type::result);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].first, 1u);
  ASSERT_EQ(messages[0].groups.at(0).entries.size(), 2u);
  EXPECT_EQ(messages[0].groups[0].entries[0].number, 2u);
  EXPECT_EQ(messages[0].groups[0].entries[1].number, 3u);
}

TEST_F(WorkerResult, ANewBrokerSessionIsToldEverythingThatIsNotAnswered) {
  open_all();
  finish(run(1), success());
  stored(*collector, 1);
  pass(Micros{1'000});
  ASSERT_EQ(dones(broker()).size(), 1u);
  core->on_disconnected(broker().link, now, out);
  const wire::Hello hello = connect(broker());
  ASSERT_EQ(hello.holds.size(), 1u);
  EXPECT_EQ(hello.holds[0].number, 1u);
  EXPECT_EQ(hello.holds[0].key, 40);
  EXPECT_EQ(hello.holds[0].position, 9u);
  EXPECT_EQ(hello.holds[0].phase, wire::Hold::done_unanswered);
  EXPECT_EQ(hello.holds[0].id.bytes, uuid(1).view());
  welcome(broker(), hello);
  const auto again = broker().take<wire::Done>(wire::Type::done);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].first, 1u);
  EXPECT_EQ(again[0].entries.at(0).number, 1u);
}

TEST_F(WorkerResult, WithoutRuleD11DoneIsForgottenOnceItIsSent) {
  rules.d11_done_answered = false;
  open_all();
  finish(run(1), success());
  stored(*collector, 1);
  pass(Micros{1'000});
  ASSERT_EQ(dones(broker()).size(), 1u);
  core->on_disconnected(broker().link, now, out);
  EXPECT_TRUE(connect(broker()).holds.empty());
}

TEST_F(WorkerResult, AStaleSettlementIsForgottenAndCounted) {
  open_all();
  finish(run(1), success());
  stored(*collector, 1);
  pass(Micros{1'000});
  done_ok(broker(), 1, {{1, wire::Settled::stale}});
  EXPECT_EQ(core->counters().stale, 1u);
  EXPECT_EQ(core->status().settling, 0u);
}

TEST_F(WorkerResult, ASettlementThatTheBrokerHoldsIsKeptUntilItsOwnAnswer) {
  open_all();
  finish(run(1), success());
  finish(run(2), success());
  stored(*collector, 2);
  pass(Micros{1'000});
  done_ok(broker(), 2, {{1, wire::Settled::held}});
  EXPECT_EQ(core->status().settling, 1u);
  EXPECT_EQ(core->holds(0).at(0).number, 1u);
  done_ok(broker(), 2, {{1, wire::Settled::ok}});
  EXPECT_EQ(core->status().settling, 0u);
}

TEST_F(WorkerResult, AHeldSettlementIsSentAgainInANewSession) {
  open_all();
  finish(run(1), success());
  stored(*collector, 1);
  pass(Micros{1'000});
  done_ok(broker(), 1, {{1, wire::Settled::held}});
  broker().frames.clear();
  core->on_disconnected(broker().link, now, out);
  const wire::Hello hello = connect(broker());
  ASSERT_EQ(hello.holds.size(), 1u);
  welcome(broker(), hello);
  EXPECT_EQ(dones(broker()).size(), 1u);
}

TEST_F(WorkerResult, AnAnswerToWhatWasNeverSentEndsTheSession) {
  open_all();
  finish(run(1), success());
  stored(*collector, 2);
  ASSERT_EQ(reset.size(), 1u);
  EXPECT_EQ(reset[0], static_cast<std::uint32_t>(collector->link));
  EXPECT_EQ(core->counters().malformed, 1u);
  welcome(*collector, connect(*collector));
  collector->frames.clear();
  done_ok(broker(), 1);
  EXPECT_EQ(reset.size(), 2u);
}

TEST_F(WorkerResult, ResultsOfSeveralProducersAreGroupedByOrigin) {
  open_all();
  const Uuid origin_b = uuid(88);
  deliver(broker(), {{.number = 1, .task = task_bytes(1)}});
  deliver(broker(), {{.number = 2, .task = task_bytes(2)}}, "c1", origin_b);
  core->on_finished(starts[0].token, success(), now);
  core->on_finished(starts[1].token, success(), now);
  turn();
  const auto messages = collector->take<wire::ResultMessage>(wire::Type::result);
  ASSERT_EQ(messages.size(), 1u);
  ASSERT_EQ(messages[0].groups.size(), 2u);
  EXPECT_EQ(messages[0].groups[1].origin, origin_b.view());
}

}  // namespace
}  // namespace baozi::worker
