#include "collector/collector_core.hpp"

#include "baozi/codec.hpp"
#include "baozi/value.hpp"
#include "collector_fixture.hpp"

namespace baozi::collector::test {
namespace {

TEST_F(CollectorTest, AResultIsShownAtOnceAndAnsweredOnlyAfterItsCommit) {
  start();
  Peer& producer = connect(wire::Role::producer, "app", origin_of('p'));
  Peer& worker = connect(wire::Role::worker, "w1");
  report(worker, origin_of('p'), {{.task = 1, .number = 11}});
  ASSERT_EQ(seen(producer).size(), 1U);
  EXPECT_EQ(seen(producer)[0].id, "task-1");
  EXPECT_EQ(seen(producer)[0].worker, "w1");
  EXPECT_FALSE(seen(producer)[0].durable);
  pass(5ms);
  EXPECT_TRUE(stored(worker).empty());
  store_works();
  ASSERT_EQ(stored(worker).size(), 1U);
  EXPECT_EQ(stored(worker)[0].upto, 1U);
  EXPECT_TRUE(stored(worker)[0].losses.empty());
}

TEST_F(CollectorTest, ACommitWaitsFiveMillisecondsForCompany) {
  start();
  Peer& worker = connect(wire::Role::worker, "w1");
  report(worker, {}, {{.task = 1, .number = 11}});
  pass(4999us);
  EXPECT_TRUE(commits_.empty());
  EXPECT_EQ(core_->next_deadline(), now_.mono + 1us);
  pass(1us);
  ASSERT_EQ(commits_.size(), 1U);
  EXPECT_EQ(commits_[0].rows.size(), 1U);
}

TEST_F(CollectorTest, AThousandResultsAreCommittedAtOnce) {
  start();
  Peer& worker = connect(wire::Role::worker, "w1");
  std::vector<Row> rows;
  for (int i = 0; i < 1000; ++i)
    rows.push_back({.task = i, .number = static_cast<std::uint64_t>(i) + 1});
  report(worker, {}, rows);
  ASSERT_EQ(commits_.size(), 1U);
  EXPECT_EQ(commits_[0].rows.size(), 1000U);
  store_works();
  ASSERT_EQ(stored(worker).size(), 1U);
  EXPECT_EQ(stored(worker)[0].upto, 1000U);
}

TEST_F(CollectorTest, WhileTheStoreIsBusyResultsGatherForTheNextCommit) {
  start();
  Peer& worker = connect(wire::Role::worker, "w1");
  for (int i = 0; i < 5; ++i) {
    report(worker, {}, {{.task = i, .number = static_cast<std::uint64_t>(i) + 1}});
    pass(5ms);
  }
  EXPECT_EQ(commits_.size(), 2U);  // two with the store, three results gather
  store_commits_one();
  ASSERT_EQ(commits_.size(), 2U);
  EXPECT_EQ(commits_[1].rows.size(), 3U);
  store_works();
  EXPECT_EQ(stored(worker).back().upto, 5U);
}

TEST_F(CollectorTest, TheLoserIsToldTheWinnerWithItsFollowUps) {
  start();
  Peer& first = connect(wire::Role::worker, "w1");
  Peer& second = connect(wire::Role::worker, "w2");
  Bytes follow_ups;
  Writer out{follow_ups};
  out.array(1);
  wire::pack_task(out, {.uuid = false, .bytes = "next"}, "c.next", "", {}, Bytes{"body"});
  report(first, {}, {{.task = 1, .number = 11, .follow_ups = follow_ups}});
  report(second, {},
         {{.task = 5, .number = 21}, {.task = 1, .number = 22, .state = wire::TaskState::failure}});
  pass(5ms);
  store_works();
  EXPECT_TRUE(stored(first)[0].losses.empty());
  ASSERT_EQ(stored(second).size(), 1U);
  EXPECT_EQ(stored(second)[0].upto, 2U);
  ASSERT_EQ(stored(second)[0].losses.size(), 1U);
  EXPECT_EQ(stored(second)[0].losses[0].entry, 2U);
  EXPECT_EQ(stored(second)[0].losses[0].code, wire::Lost::to_winner);
  EXPECT_EQ(stored(second)[0].losses[0].record, record_of(1));
  EXPECT_EQ(stored(second)[0].losses[0].raw_follow_ups, follow_ups);
}

TEST_F(CollectorTest, AResultThatIsSentAgainByItsOwnDeliveryLosesToNobody) {
  start();
  Peer& worker = connect(wire::Role::worker, "w1");
  report(worker, {}, {{.task = 1, .number = 11}});
  report(worker, {}, {{.task = 1, .number = 11}});
  pass(5ms);
  store_works();
  EXPECT_EQ(stored(worker).back().upto, 2U);
  EXPECT_TRUE(stored(worker).back().losses.empty());
}

TEST_F(CollectorTest, WhoWasShownALoserIsShownTheWinner) {
  start();
  Peer& producer = connect(wire::Role::producer, "app", origin_of('p'));
  Peer& first = connect(wire::Role::worker, "w1");
  Peer& second = connect(wire::Role::worker, "w2");
  report(first, origin_of('p'), {{.task = 1, .number = 11}});
  report(second, origin_of('p'), {{.task = 1, .number = 22}});
  pass(5ms);
  store_works();
  const auto shown = seen(producer);
  ASSERT_EQ(shown.size(), 3U);
  EXPECT_EQ(shown[1].number, 22U);
  EXPECT_EQ(shown[2].number, 11U);
  EXPECT_TRUE(shown[2].durable);
}

TEST_F(CollectorTest, ADurableStandingWatchIsShownEachResultAgainAfterItsCommit) {
  start();
  Peer& producer = connect(wire::Role::producer, "app", origin_of('p'), true);
  Peer& worker = connect(wire::Role::worker, "w1");
  report(worker, origin_of('p'), {{.task = 1, .number = 11}});
  pass(5ms);
  ASSERT_EQ(seen(producer).size(), 1U);
  store_works();
  ASSERT_EQ(seen(producer).size(), 2U);
  EXPECT_TRUE(seen(producer)[1].durable);
  EXPECT_EQ(seen(producer)[1].id, "task-1");
}

TEST_F(CollectorTest, EachProducerSeesItsOwnResultsAndNoFollowUps) {
  start();
  Peer& one = connect(wire::Role::producer, "one", origin_of('1'));
  Peer& two = connect(wire::Role::producer, "two", origin_of('2'));
  Peer& worker = connect(wire::Role::worker, "w1");
  const Bytes first = record_of(1);
  const Bytes second = record_of(2);
  const Bytes origins[] = {origin_of('1'), origin_of('2'), origin_of('3')};
  Bytes follow_ups;
  Writer out{follow_ups};
  out.array(1);
  wire::pack_task(out, {.uuid = false, .bytes = "next"}, "c.next", "", {}, Bytes{"body"});
  wire::ResultMessage message;
  message.first = 1;
  message.groups.resize(3);
  for (std::size_t i = 0; i < 3; ++i) {
    message.groups[i].origin = origins[i];
    message.groups[i].worker = "w1";
    wire::ResultEntry& entry = message.groups[i].entries.emplace_back();
    entry.number = i + 1;
    entry.record.raw = i == 1 ? second : first;
    entry.raw_follow_ups = follow_ups;
  }
  worker.entries = 3;
  say(worker, message);
  ASSERT_EQ(seen(one).size(), 1U);
  EXPECT_EQ(seen(one)[0].id, "task-1");
  EXPECT_EQ(seen(one)[0].follow_up_bytes, 0U);
  ASSERT_EQ(seen(two).size(), 1U);
  EXPECT_EQ(seen(two)[0].id, "task-2");
  pass(5ms);
  ASSERT_EQ(commits_.size(), 1U);
  EXPECT_EQ(commits_[0].rows[0].followups, follow_ups);
}

TEST_F(CollectorTest, AWatchedIdIsShownWhenItsResultComes) {
  start();
  Peer& admin = connect(wire::Role::admin, "cli");
  Peer& worker = connect(wire::Role::worker, "w1");
  const TaskId id = id_of(1);
  say(admin, wire::Watch{0, {wire::view_of(id)}});
  store_works();
  EXPECT_TRUE(seen(admin).empty());
  report(worker, origin_of('p'), {{.task = 1, .number = 11}, {.task = 2, .number = 12}});
  ASSERT_EQ(seen(admin).size(), 1U);
  EXPECT_EQ(seen(admin)[0].id, "task-1");
  report(worker, origin_of('p'), {{.task = 1, .number = 11}});
  EXPECT_EQ(seen(admin).size(), 1U);  // a watch is used up by what it showed
}

TEST_F(CollectorTest, AWatchedIdIsShownNowWhenItsResultIsThereAlreadyEvenUncommitted) {
  start();
  Peer& worker = connect(wire::Role::worker, "w1");
  report(worker, origin_of('p'), {{.task = 1, .number = 11}});
  Peer& admin = connect(wire::Role::admin, "cli");
  const TaskId id = id_of(1);
  say(admin, wire::Watch{0, {wire::view_of(id)}});
  ASSERT_EQ(commits_.size(), 1U);  // a question does not wait for the five milliseconds
  store_works();
  ASSERT_EQ(seen(admin).size(), 1U);
  EXPECT_TRUE(seen(admin)[0].durable);
}

TEST_F(CollectorTest, ADurableWatchByIdIsShownOnlyWhatIsCommitted) {
  start();
  Peer& admin = connect(wire::Role::admin, "cli");
  Peer& worker = connect(wire::Role::worker, "w1");
  const TaskId id = id_of(1);
  say(admin, wire::Watch{wire::flag::watch_durable, {wire::view_of(id)}});
  store_works();
  report(worker, {}, {{.task = 1, .number = 11}});
  pass(5ms);
  EXPECT_TRUE(seen(admin).empty());
  store_works();
  ASSERT_EQ(seen(admin).size(), 1U);
  EXPECT_TRUE(seen(admin)[0].durable);
}

TEST_F(CollectorTest, AFetchSeesWhatWasReportedBeforeItAndSaysPendingOtherwise) {
  start();
  Peer& worker = connect(wire::Role::worker, "w1");
  Peer& producer = connect(wire::Role::producer, "app");
  report(worker, {}, {{.task = 1, .number = 11, .state = wire::TaskState::failure}});
  const TaskId one = id_of(1);
  const TaskId two = id_of(2);
  say(producer, wire::Fetch{9, {wire::view_of(one), wire::view_of(two)}});
  store_works();
  const auto fetched = of<wire::Fetched>(producer, wire::Type::fetched);
  ASSERT_EQ(fetched.size(), 1U);
  EXPECT_EQ(fetched[0].request, 9U);
  ASSERT_EQ(fetched[0].entries.size(), 2U);
  EXPECT_EQ(fetched[0].entries[0].state, wire::TaskState::failure);
  EXPECT_EQ(fetched[0].entries[0].number, 11U);
  EXPECT_EQ(fetched[0].entries[0].record, record_of(1, wire::TaskState::failure));
  EXPECT_EQ(fetched[0].entries[1].state, wire::TaskState::pending);
  EXPECT_TRUE(fetched[0].entries[1].record.empty());
}

TEST_F(CollectorTest, QuestionsThatComeTogetherShareOneLookUp) {
  start();
  Peer& producer = connect(wire::Role::producer, "app");
  const TaskId one = id_of(1);
  say(producer, wire::Fetch{1, {wire::view_of(one)}});
  say(producer, wire::Fetch{2, {wire::view_of(one)}});
  say(producer, wire::Fetch{3, {wire::view_of(one)}});
  EXPECT_EQ(finds_.size(), 1U);  // the second and third wait for the first
  EXPECT_EQ(finds_[0].ids.size(), 1U);
  store_works();
  EXPECT_EQ(of<wire::Fetched>(producer, wire::Type::fetched).size(), 3U);
}

TEST_F(CollectorTest, TheLatestStateIsShownToWaitersAndToWhoAsksLater) {
  start();
  Peer& producer = connect(wire::Role::producer, "app", origin_of('p'));
  Peer& worker = connect(wire::Role::worker, "w1");
  const TaskId one = id_of(1);
  const Bytes origin = origin_of('p');
  wire::StateMessage message;
  message.groups.push_back(
      {.origin = origin, .worker = "w1", .entries = {{wire::view_of(one), "RETRY", {}}}});
  say(worker, message);
  ASSERT_EQ(of<wire::StateMessage>(producer, wire::Type::state).size(), 1U);
  Peer& later = connect(wire::Role::admin, "cli");
  say(later, wire::Fetch{1, {wire::view_of(one)}});
  store_works();
  const auto states = of<wire::StateMessage>(later, wire::Type::state);
  ASSERT_EQ(states.size(), 1U);
  EXPECT_EQ(states[0].groups[0].entries[0].state, "RETRY");
  EXPECT_EQ(of<wire::Fetched>(later, wire::Type::fetched)[0].entries[0].state,
            wire::TaskState::retry);
}

TEST_F(CollectorTest, ForgetErasesAndSaysHowMany) {
  start();
  Peer& worker = connect(wire::Role::worker, "w1");
  Peer& producer = connect(wire::Role::producer, "app");
  report(worker, {}, {{.task = 1, .number = 11}});
  const TaskId one = id_of(1);
  const TaskId two = id_of(2);
  say(producer, wire::Forget{4, {wire::view_of(one), wire::view_of(two)}});
  store_works();
  const auto replies = of<wire::Reply>(producer, wire::Type::reply);
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(replies[0].request, 4U);
  EXPECT_EQ(replies[0].code, 0U);
  EXPECT_EQ(Reader{replies[0].payload}.uinteger(), 1U);
  EXPECT_TRUE(stored_.empty());
}

TEST_F(CollectorTest, AnOversizedResultIsRefusedInItsPlaceAndTheOthersAreStored) {
  options_.result_bytes_max = 200;
  start();
  Peer& producer = connect(wire::Role::producer, "app", origin_of('p'));
  Peer& worker = connect(wire::Role::worker, "w1");
  report(worker, origin_of('p'),
         {{.task = 1, .number = 11},
          {.task = 2, .number = 12, .body_bytes = 300},
          {.task = 3, .number = 13}});
  pass(5ms);
  store_works();
  ASSERT_EQ(stored(worker).size(), 1U);
  EXPECT_EQ(stored(worker)[0].upto, 3U);
  ASSERT_EQ(stored(worker)[0].losses.size(), 1U);
  EXPECT_EQ(stored(worker)[0].losses[0].entry, 2U);
  EXPECT_EQ(stored(worker)[0].losses[0].code, wire::Lost::refused);
  EXPECT_NE(stored(worker)[0].losses[0].text.find("this collector takes 200"), std::string::npos);
  EXPECT_EQ(seen(producer).size(), 2U);
  EXPECT_EQ(stored_.size(), 2U);
}

TEST_F(CollectorTest, ARefusalAloneIsAnsweredWithoutTheStore) {
  options_.result_bytes_max = 200;
  start();
  Peer& worker = connect(wire::Role::worker, "w1");
  report(worker, {}, {{.task = 1, .number = 11, .body_bytes = 300}});
  pass(5ms);
  EXPECT_TRUE(commits_.empty());
  ASSERT_EQ(stored(worker).size(), 1U);
  EXPECT_EQ(stored(worker)[0].losses[0].code, wire::Lost::refused);
}

TEST_F(CollectorTest, ARefusalAloneStillWaitsForTheResultsBeforeIt) {
  options_.result_bytes_max = 200;
  start();
  Peer& worker = connect(wire::Role::worker, "w1");
  report(worker, {}, {{.task = 1, .number = 11}});
  pass(5ms);
  report(worker, {}, {{.task = 2, .number = 12, .body_bytes = 300}});
  pass(5ms);
  EXPECT_TRUE(stored(worker).empty());
  store_works();
  ASSERT_EQ(stored(worker).size(), 2U);
  EXPECT_EQ(stored(worker)[0].upto, 1U);
  EXPECT_EQ(stored(worker)[1].upto, 2U);
}

TEST_F(CollectorTest, AResultThatDoesNotFollowTheLastOneEndsTheSession) {
  start();
  Peer& worker = connect(wire::Role::worker, "w1");
  worker.entries = 4;
  report(worker, {}, {{.task = 1, .number = 11}});
  EXPECT_EQ(worker.link.state(), actor::Link::State::down);
  EXPECT_EQ(core_->counters().out_of_order, 1U);
}

TEST_F(CollectorTest, WhatIsStoredAfterItsSessionEndedIsAnsweredToNobody) {
  start();
  Peer& worker = connect(wire::Role::worker, "w1");
  report(worker, {}, {{.task = 1, .number = 11}});
  pass(5ms);
  worker.entries = 0;
  core_->on_frame(worker.key, worker.link.greet(worker.hello, now_), now_, out_);
  turn();
  store_works();
  EXPECT_TRUE(stored(worker).empty());
  report(worker, {}, {{.task = 1, .number = 11}});
  pass(5ms);
  store_works();
  ASSERT_EQ(stored(worker).size(), 1U);
  EXPECT_EQ(stored(worker)[0].upto, 1U);
}

TEST_F(CollectorTest, WhenTooMuchWaitsForTheDiskWorkersAreTurnedAwayLoudly) {
  options_.pending_bytes_max = 2'000;
  start();
  Peer& worker = connect(wire::Role::worker, "w1");
  report(worker, {}, {{.task = 1, .number = 11, .body_bytes = 3'000}});
  EXPECT_TRUE(worker.link.is_open());
  report(worker, {}, {{.task = 2, .number = 12}});
  EXPECT_FALSE(worker.link.is_open());
  Peer& other = connect(wire::Role::worker, "w2");
  EXPECT_FALSE(other.link.is_open());
  ASSERT_EQ(errors(other).size(), 1U);
  EXPECT_EQ(errors(other)[0].code, wire::ErrorCode::overloaded);
  EXPECT_TRUE(connect(wire::Role::producer, "app").link.is_open());
  pass(5ms);
  store_works();
  EXPECT_TRUE(connect(wire::Role::worker, "w3").link.is_open());
  EXPECT_EQ(core_->counters().turned_away, 2U);
}

TEST_F(CollectorTest, AQuestionWaitsUntilTheStoreWasGivenWhatCameBeforeIt) {
  start();
  Peer& worker = connect(wire::Role::worker, "w1");
  Peer& producer = connect(wire::Role::producer, "app");
  for (int i = 0; i < 3; ++i) {
    report(worker, {}, {{.task = i, .number = static_cast<std::uint64_t>(i) + 1}});
    pass(5ms);
  }
  const TaskId two = id_of(2);
  say(producer, wire::Fetch{1, {wire::view_of(two)}});
  EXPECT_TRUE(finds_.empty());  // the third result is not with the store yet
  store_commits_one();
  EXPECT_EQ(finds_.size(), 1U);
  store_works();
  EXPECT_EQ(of<wire::Fetched>(producer, wire::Type::fetched)[0].entries[0].state,
            wire::TaskState::success);
}

TEST_F(CollectorTest, ResultsAreShownWhileTheStoreHasNoSpace) {
  start();
  Peer& producer = connect(wire::Role::producer, "app", origin_of('p'));
  Peer& worker = connect(wire::Role::worker, "w1");
  core_->on_store_stalled();
  report(worker, origin_of('p'), {{.task = 1, .number = 11}});
  pass(5ms);
  EXPECT_EQ(seen(producer).size(), 1U);
  EXPECT_TRUE(stored(worker).empty());
  core_->on_store_resumed();
  store_works();
  EXPECT_EQ(stored(worker).size(), 1U);
  EXPECT_EQ(core_->counters().stalls, 1U);
}

TEST_F(CollectorTest, AProducerMayNotReportResultsAndAWorkerMayNotForget) {
  start();
  Peer& producer = connect(wire::Role::producer, "app");
  Peer& worker = connect(wire::Role::worker, "w1");
  report(producer, {}, {{.task = 1, .number = 11}});
  const TaskId one = id_of(1);
  say(worker, wire::Forget{1, {wire::view_of(one)}});
  ASSERT_EQ(errors(producer).size(), 1U);
  EXPECT_EQ(errors(producer)[0].code, wire::ErrorCode::not_allowed);
  ASSERT_EQ(errors(worker).size(), 1U);
  EXPECT_EQ(core_->counters().not_allowed, 2U);
  pass(5ms);
  EXPECT_TRUE(commits_.empty());
}

TEST_F(CollectorTest, StatusIsAMapThatSaysHowManyResultsCame) {
  start();
  Peer& worker = connect(wire::Role::worker, "w1");
  report(worker, {},
         {{.task = 1, .number = 11}, {.task = 2, .number = 12, .state = wire::TaskState::failure}});
  Peer& admin = connect(wire::Role::admin, "cli");
  say(admin, wire::Control{3, "status", {}});
  const auto replies = of<wire::Reply>(admin, wire::Type::reply);
  ASSERT_EQ(replies.size(), 1U);
  const auto status = unpack<Value>(replies[0].payload);
  EXPECT_EQ(status.at("node").at("role").as_string(), "collector");
  EXPECT_EQ(status.at("results").at("taken").to<int>(), 2);
  EXPECT_EQ(status.at("results").at("succeeded").to<int>(), 1);
  EXPECT_EQ(status.at("results").at("failed").to<int>(), 1);
  EXPECT_EQ(status.at("peers").as_array().size(), 2U);
  EXPECT_EQ(status.at("counters").at("malformed_frames").to<int>(), 0);
}

TEST_F(CollectorTest, OldResultsAreErasedInStepsThatFollowEachOtherQuicklyUntilTheRoundEnds) {
  options_.results_age = 24h;
  start();
  pass(10s);
  ASSERT_EQ(out_.expiries.size(), 1U);
  EXPECT_EQ(out_.expiries[0].finished_before_us, micros(now_.wall - Micros{24h}));
  out_.expiries.clear();
  core_->on_expired({.erased = 3, .end_reached = false}, now_);
  pass(50ms);
  ASSERT_EQ(out_.expiries.size(), 1U);
  out_.expiries.clear();
  core_->on_expired({.erased = 0, .end_reached = true}, now_);
  pass(9s);
  EXPECT_TRUE(out_.expiries.empty());
  pass(1s);
  EXPECT_EQ(out_.expiries.size(), 1U);
  EXPECT_EQ(core_->counters().expired, 3U);
}

TEST_F(CollectorTest, WhenMoreResultsAreKeptThanMayBeTheOldestMakeRoom) {
  options_.results_age = 24h;
  options_.results_max = 2;
  start();
  pass(10s);
  out_.expiries.clear();
  const auto ago = [&](Micros age) { return micros(now_.wall - age); };
  core_->on_expired({.erased = 0,
                     .end_reached = true,
                     .rows = 4,
                     .kept = {ago(1h), ago(10h), ago(5h), ago(1min)}},
                    now_);
  pass(50ms);  // at once
  ASSERT_EQ(out_.expiries.size(), 1U);
  EXPECT_LE(out_.expiries[0].finished_before_us, ago(4h));
  EXPECT_GT(out_.expiries[0].finished_before_us, ago(5h));
  out_.expiries.clear();
  core_->on_expired({.erased = 2, .end_reached = true, .rows = 2, .kept = {ago(1h), ago(1min)}},
                    now_);
  EXPECT_EQ(core_->counters().dropped, 2U);
  EXPECT_EQ(core_->counters().expired, 0U);
  pass(10s);
  ASSERT_EQ(out_.expiries.size(), 1U);
  EXPECT_EQ(out_.expiries[0].finished_before_us, ago(24h));
}

TEST_F(CollectorTest, ALookUpThatTheStoreCouldNotDoIsDoneAgainAfterAWhile) {
  start();
  Peer& producer = connect(wire::Role::producer, "p1", origin_of('p'));
  const TaskId id = id_of(1);
  say(producer, wire::Fetch{5, {wire::view_of(id)}});
  ASSERT_EQ(finds_.size(), 1U);
  const std::uint64_t failed = finds_.front().request;
  finds_.clear();
  core_->on_request_failed(failed, now_, out_);
  turn();
  EXPECT_TRUE(finds_.empty());
  say(producer, wire::Fetch{6, {wire::view_of(id)}});
  EXPECT_TRUE(finds_.empty());
  EXPECT_LE(*core_->next_deadline(), now_.mono + 1s);
  pass(1s);
  store_works();
  const auto answers = of<wire::Fetched>(producer, wire::Type::fetched);
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_EQ(answers[0].request, 5U);
  EXPECT_EQ(answers[1].request, 6U);
}

TEST_F(CollectorTest, AnEraseThatTheStoreCouldNotDoIsRefusedAndASweepGoesOn) {
  start();
  Peer& producer = connect(wire::Role::producer, "p1", origin_of('p'));
  const TaskId id = id_of(1);
  say(producer, wire::Forget{5, {wire::view_of(id)}});
  ASSERT_EQ(erases_.size(), 1U);
  core_->on_request_failed(erases_.front().request, now_, out_);
  turn();
  const auto replies = of<wire::Reply>(producer, wire::Type::reply);
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(replies[0].code, static_cast<std::uint64_t>(wire::ErrorCode::overloaded));
  pass(options_.sweep_interval);  // it is swept
  core_->on_request_failed(0, now_, out_);
  EXPECT_LE(*core_->next_deadline(), now_.mono + options_.sweep_interval);
}

TEST_F(CollectorTest, DrainingCommitsAndAnswersWhatItHasAndThenSaysGoodbye) {
  start();
  Peer& worker = connect(wire::Role::worker, "w1");
  report(worker, {}, {{.task = 1, .number = 11}});
  core_->drain(now_, out_);
  turn();
  EXPECT_FALSE(core_->is_drained());
  report(worker, {}, {{.task = 2, .number = 12}});  // too late: its worker keeps it
  store_works();
  EXPECT_TRUE(core_->is_drained());
  ASSERT_EQ(stored(worker).size(), 1U);
  EXPECT_EQ(stored(worker)[0].upto, 1U);
  EXPECT_EQ(of<wire::Goodbye>(worker, wire::Type::goodbye).size(), 1U);
  EXPECT_EQ(stored_.size(), 1U);
}

TEST_F(CollectorTest, LeftOutRuleD18TellsTheLoserNothing) {
  rules_.d18_winner_decides = false;
  start();
  Peer& first = connect(wire::Role::worker, "w1");
  Peer& second = connect(wire::Role::worker, "w2");
  report(first, {}, {{.task = 1, .number = 11}});
  report(second, {}, {{.task = 1, .number = 22}});
  pass(5ms);
  store_works();
  EXPECT_TRUE(stored(second)[0].losses.empty());
}

}  // namespace
}  // namespace baozi::collector::test
