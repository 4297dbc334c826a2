// How a producer gets results and answers: standing watch, look-ups after a lost session, ids from
// elsewhere, questions to many (delivery.md D21, D22, D28).
#include <algorithm>

#include "unit/client/producer_bench.hpp"

namespace baozi::client {
namespace {

class ProducerResults : public ProducerBench {
 protected:
  ProducerResults() { wants_results = true; }

  template <class Message>
  static Message decoded(const Bytes& frame) {
    Message message;
    auto opened_frame = wire::open_frame(frame);
    EXPECT_TRUE(opened_frame.has_value());
    EXPECT_TRUE(wire::decode(*opened_frame, message).has_value());
    return message;
  }
  Bytes last_frame(actor::LinkId link) { return peers[link].other.back(); }
};

TEST_F(ProducerResults, TheCollectorsThatABrokerNamesAreConnectedToAndGreetedWithTheOrigin) {
  start();
  open(broker_a, {}, {{"c1", {"tcp://c1"}}});
  const actor::LinkId collector{1};
  EXPECT_EQ(opened.at(collector), "tcp://c1");
  hello_origin.clear();
  connect(collector);
  EXPECT_EQ(hello_origin, "0123456789abcdef");
}

TEST_F(ProducerResults, OneOfTheListedCollectorsIsHomeAndStaysIt) {
  start();
  open(broker_a, {}, {{"c1", {"tcp://c1"}}, {"c2", {"tcp://c2"}}});
  submit(1, 1);
  const std::string home = next_submit(broker_a).home;
  EXPECT_TRUE(home == "c1" || home == "c2");
  tell(broker_a,
       wire::Collectors{{{"c1", {"tcp://c1"}}, {"c2", {"tcp://c2"}}, {"c3", {"tcp://c3"}}}});
  for (std::uint64_t tag = 2; tag <= 20; ++tag) {
    submit(tag, tag);
    EXPECT_EQ(next_submit(broker_a).home, home);
  }
}

TEST_F(ProducerResults, AHomeThatIsListedNoMoreIsLeftForLaterTasks) {
  start();
  open(broker_a, {}, {{"c1", {"tcp://c1"}}});
  submit(1, 1);
  EXPECT_EQ(next_submit(broker_a).home, "c1");
  tell(broker_a, wire::Collectors{});  // it restarts
  submit(2, 2);
  EXPECT_EQ(next_submit(broker_a).home, "c1");
  tell(broker_a, wire::Collectors{{{"c2", {"tcp://c2"}}}});
  submit(3, 3);
  EXPECT_EQ(next_submit(broker_a).home, "c2");
}

TEST_F(ProducerResults, APushedResultReachesItsCallerOnce) {
  start();
  const actor::LinkId collector = open_with_collector();
  submit(1, 3);
  push_result(collector, id_of_tag(2), "two");
  EXPECT_EQ(results, (std::map<std::uint64_t, std::string>{{2, "two"}}));
  results.clear();
  push_result(collector, id_of_tag(2), "again");
  EXPECT_TRUE(results.empty());
  EXPECT_EQ(core->counters().unawaited_results, 1U);
}

TEST_F(ProducerResults, AResultMayComeBeforeTheConfirm) {
  start();
  const actor::LinkId collector = open_with_collector();
  submit(1, 1);
  push_result(collector, id_of_tag(1), "one");
  EXPECT_EQ(results.size(), 1U);
  EXPECT_FALSE(core->is_settled());
  submitted(broker_a, 1);
  EXPECT_EQ(confirmed, tags(1, 1));
}

TEST_F(ProducerResults, WithDurableResultsOnlyCommittedOnesAreShown) {
  options.durable_results = true;
  start();
  const actor::LinkId collector = open_with_collector();
  submit(1, 1);
  push_result(collector, id_of_tag(1), "one");
  EXPECT_TRUE(results.empty());
  push_result(collector, id_of_tag(1), "one", wire::flag::result_durable);
  EXPECT_EQ(results.size(), 1U);
}

TEST_F(ProducerResults, AfterACollectorsSessionWasLostPendingResultsAreLookedUp) {
  start();
  const actor::LinkId collector = open_with_collector();
  submit(1, 3);
  push_result(collector, id_of_tag(1), "one");
  disconnect(collector);
  peers[collector].other.clear();
  open(collector);
  turn();
  const auto fetch = decoded<wire::Fetch>(last_frame(collector));
  EXPECT_EQ(fetch.ids.size(), 2U);
  const Bytes record = record_of(id_of_tag(3), "three");
  const TaskId two = id_of_tag(2);
  const TaskId three = id_of_tag(3);
  wire::Fetched fetched{fetch.request, {}};
  fetched.entries.push_back({.id = wire::view_of(two)});
  fetched.entries.push_back(
      {.id = wire::view_of(three), .state = wire::TaskState::success, .record = record});
  tell(collector, fetched);
  EXPECT_EQ(results.at(3), "three");
  EXPECT_FALSE(results.contains(2));
  push_result(collector, id_of_tag(2), "two");  // the rest is still awaited
  EXPECT_EQ(results.at(2), "two");
}

TEST_F(ProducerResults, ManyPendingResultsAreLookedUpAThousandAtATime) {
  start();
  const actor::LinkId collector = open_with_collector();
  submit(1, 2'500);
  disconnect(collector);
  peers[collector].other.clear();
  open(collector);
  turn();
  std::size_t asked = 0;
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(peers[collector].other.size(), 1U);
    const Bytes asking = last_frame(collector);  // what the ids point into
    const auto fetch = decoded<wire::Fetch>(asking);
    asked += fetch.ids.size();
    wire::Fetched answer{fetch.request, {}};
    for (const wire::IdView& id : fetch.ids) answer.entries.push_back({.id = id});
    peers[collector].other.clear();
    tell(collector, answer);
    turn();
  }
  EXPECT_EQ(asked, 2'500U);
  EXPECT_TRUE(peers[collector].other.empty());
}

TEST_F(ProducerResults, WhatIsLookedUpMayComeInSeveralFrames) {
  start();
  const actor::LinkId collector = open_with_collector();
  submit(1, 2);
  disconnect(collector);
  open(collector);
  turn();
  const Bytes asking = last_frame(collector);
  const auto fetch = decoded<wire::Fetch>(asking);
  ASSERT_EQ(fetch.ids.size(), 2U);
  for (const std::uint64_t tag : {1U, 2U}) {
    const TaskId id = id_of_tag(tag);
    const Bytes record = record_of(id, "large");
    tell(collector,
         wire::Fetched{
             fetch.request,
             {{.id = wire::view_of(id), .state = wire::TaskState::success, .record = record}}});
    turn();
  }
  EXPECT_EQ(results.size(), 2U);
  EXPECT_EQ(core->awaited_results(), 0U);
}

TEST_F(ProducerResults, ALookUpThatACollectorHasNoRoomForIsAskedAgain) {
  start();
  const actor::LinkId collector = open_with_collector();
  submit(1, 2);
  disconnect(collector);
  open(collector);
  turn();
  const auto first = decoded<wire::Fetch>(last_frame(collector));
  peers[collector].other.clear();
  tell(collector,
       wire::Reply{first.request, static_cast<std::uint64_t>(wire::ErrorCode::overloaded), {}});
  turn();
  EXPECT_TRUE(peers[collector].other.empty());
  run_for(200ms);
  ASSERT_EQ(peers[collector].other.size(), 1U);
  const auto second = decoded<wire::Fetch>(last_frame(collector));
  EXPECT_NE(second.request, first.request);
  EXPECT_EQ(second.ids.size(), 2U);
}

TEST_F(ProducerResults, AnIdFromElsewhereIsWatchedAtEveryCollectorAndAgainAfterALostSession) {
  start();
  open(broker_a, {}, {{"c1", {"tcp://c1"}}, {"c2", {"tcp://c2"}}});
  const actor::LinkId one{1};
  const actor::LinkId two{2};
  open(one);
  const TaskId id = TaskId::from_text("invoice-7");
  core->watch(Tag{9}, id, now, out);
  pump();
  EXPECT_EQ(decoded<wire::Watch>(last_frame(one)).ids.size(), 1U);
  open(two);
  EXPECT_EQ(decoded<wire::Watch>(last_frame(two)).ids.front().bytes, "invoice-7");
  disconnect(one);
  peers[one].other.clear();
  open(one);
  EXPECT_EQ(decoded<wire::Watch>(last_frame(one)).ids.size(), 1U);
  push_result(two, id, "paid");
  EXPECT_EQ(results.at(9), "paid");
}

TEST_F(ProducerResults, AWatchThatTheCollectorDidNotTakeIsSentAgainALittleLater) {
  start();
  open(broker_a, {}, {{"c1", {"tcp://c1"}}});
  const actor::LinkId one{1};
  open(one);
  core->watch(Tag{9}, TaskId::from_text("invoice-7"), now, out);
  pump();
  const auto watches = [&] {
    return std::count(peers[one].received.begin(), peers[one].received.end(), wire::Type::watch);
  };
  ASSERT_EQ(watches(), 1);
  tell(one,
       wire::ErrorMessage{.code = wire::ErrorCode::overloaded, .text = "too many ids are watched"});
  run_for(900ms);
  EXPECT_EQ(watches(), 1);
  run_for(200ms);
  EXPECT_EQ(watches(), 2);
  EXPECT_EQ(decoded<wire::Watch>(last_frame(one)).ids.front().bytes, "invoice-7");
  run_alive(3s, {one, broker_a});
  EXPECT_EQ(watches(), 2);  // it was taken
}

TEST_F(ProducerResults, TwoCallersMayWaitForOneId) {
  start();
  const actor::LinkId collector = open_with_collector();
  submit(1, 1);
  core->watch(Tag{50}, id_of_tag(1), now, out);
  pump();
  push_result(collector, id_of_tag(1), "one");
  EXPECT_EQ(results.at(1), "one");
  EXPECT_EQ(results.at(50), "one");
  EXPECT_EQ(core->awaited_results(), 0U);
}

TEST_F(ProducerResults, AResultThatNobodyCaresForIsForgotten) {
  start();
  const actor::LinkId collector = open_with_collector();
  submit(1, 1);
  core->drop_interest(Tag{1}, id_of_tag(1));
  EXPECT_EQ(core->awaited_results(), 0U);
  push_result(collector, id_of_tag(1), "one");
  EXPECT_TRUE(results.empty());
}

TEST_F(ProducerResults, TasksThatDoNotExistAreNotWaitedFor) {
  start();
  submit(1, 1);
  EXPECT_EQ(core->awaited_results(), 1U);
  run_for(6s);
  EXPECT_EQ(fate(1), Fate::not_sent);
  EXPECT_EQ(core->awaited_results(), 0U);
}

TEST_F(ProducerResults, ACollectorThatCannotBeReachedIsTriedAtItsNextEndpoint) {
  start();
  open(broker_a, {}, {{"c1", {"inproc://c1", "tcp://c1"}}});
  EXPECT_EQ(opened.at(actor::LinkId{1}), "inproc://c1");
  run_alive(4s, {broker_a});
  EXPECT_FALSE(opened.contains(actor::LinkId{1}));
  EXPECT_EQ(opened.at(actor::LinkId{2}), "tcp://c1");
}

TEST_F(ProducerResults, ALookUpAsksAllCollectorsAndTheMostTellingAnswerCounts) {
  start();
  open(broker_a, {}, {{"c1", {"tcp://c1"}}, {"c2", {"tcp://c2"}}});
  const actor::LinkId one{1};
  const actor::LinkId two{2};
  open(one);
  open(two);
  const TaskId id = id_of_tag(7);
  core->ask({.tag = Tag{5}, .kind = Question::Kind::fetch, .ids = {id}}, now);
  turn();
  const auto ask_one = decoded<wire::Fetch>(last_frame(one));
  const auto ask_two = decoded<wire::Fetch>(last_frame(two));
  tell(one, wire::Fetched{ask_one.request,
                          {{.id = wire::view_of(id), .state = wire::TaskState::started}}});
  turn();
  EXPECT_TRUE(answers.empty());
  const Bytes record = record_of(id, "seven");
  tell(two, wire::Fetched{
                ask_two.request,
                {{.id = wire::view_of(id), .state = wire::TaskState::success, .record = record}}});
  turn();
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].tag, Tag{5});
  EXPECT_EQ(answers[0].found[0].state, wire::TaskState::success);
  EXPECT_EQ(answers[0].found[0].record, record);
  EXPECT_TRUE(answers[0].silent.empty());
}

TEST_F(ProducerResults, AnAnswerToALookUpIsCompleteWhenEveryIdWasNamed) {
  start();
  const actor::LinkId collector = open_with_collector();
  const TaskId one = id_of_tag(1);
  const TaskId two = id_of_tag(2);
  core->ask({.tag = Tag{5}, .kind = Question::Kind::fetch, .ids = {one, two}}, now);
  turn();
  const auto fetch = decoded<wire::Fetch>(last_frame(collector));
  const Bytes record = record_of(two, "two");
  tell(collector, wire::Fetched{fetch.request, {{.id = wire::view_of(one)}}});
  turn();
  EXPECT_TRUE(answers.empty());
  tell(collector,
       wire::Fetched{
           fetch.request,
           {{.id = wire::view_of(two), .state = wire::TaskState::success, .record = record}}});
  turn();
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].found[0].state, wire::TaskState::pending);
  EXPECT_EQ(answers[0].found[1].record, record);
  EXPECT_TRUE(answers[0].silent.empty());
}

TEST_F(ProducerResults, AQuestionNamesThoseThatDidNotAnswerInTime) {
  start({"tcp://a", "tcp://b"});
  open(broker_a);
  core->ask({.tag = Tag{5}, .kind = Question::Kind::control, .command = "queues", .patience = 2s},
            now);
  turn();
  const Bytes asked = last_frame(broker_a);  // what the message's views point into
  const auto control = decoded<wire::Control>(asked);
  EXPECT_EQ(control.command, "queues");
  tell(broker_a, wire::Reply{control.request, 0, "\x01"});
  turn();
  EXPECT_TRUE(answers.empty());
  run_for(2s);
  ASSERT_EQ(answers.size(), 1U);
  ASSERT_EQ(answers[0].replies.size(), 1U);
  EXPECT_EQ(answers[0].replies[0].peer, "a");
  EXPECT_EQ(answers[0].silent, std::vector<std::string>{"tcp://b"});
}

TEST_F(ProducerResults, AControlCommandWhoseAnswerWasLostIsNotDoneTwice) {
  start();
  open(broker_a);
  core->ask({.tag = Tag{5}, .kind = Question::Kind::control, .command = "purge"}, now);
  turn();
  disconnect(broker_a);
  peers[broker_a].other.clear();
  open(broker_a);
  turn();
  EXPECT_TRUE(peers[broker_a].other.empty());
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].silent, std::vector<std::string>{"a"});
}

TEST_F(ProducerResults, RevokingAsksEveryBrokerAndTheStrongestVerdictCounts) {
  start({"tcp://a", "tcp://b"});
  open(broker_a);
  open(broker_b);
  core->ask({.tag = Tag{5},
             .kind = Question::Kind::revoke,
             .ids = {id_of_tag(1), id_of_tag(2), id_of_tag(1), id_of_tag(3)},
             .terminate = true},
            now);
  turn();
  const auto revoke = decoded<wire::Revoke>(last_frame(broker_a));
  EXPECT_EQ(revoke.ids.size(), 4U);
  EXPECT_EQ(revoke.flags, wire::flag::revoke_terminate);
  // Brokers answer for each different id.
  const auto verdicts = [](std::vector<std::pair<wire::Verdict, wire::TaskState>> list) {
    std::uint64_t tag = 0;
    Bytes payload;
    Writer writer{payload};
    writer.array(list.size());
    for (const auto& [verdict, state] : list) {
      writer.array(3);
      wire::pack_id(writer, wire::view_of(id_of_tag(++tag)));
      writer.uinteger(static_cast<std::uint64_t>(verdict));
      writer.uinteger(static_cast<std::uint64_t>(state));
    }
    return payload;
  };
  using enum wire::Verdict;
  const Bytes from_a = verdicts({{wire::Verdict::unknown, wire::TaskState::pending},
                                 {pending, wire::TaskState::started},
                                 {wire::Verdict::unknown, wire::TaskState::pending}});
  const Bytes from_b = verdicts({{revoked, wire::TaskState::revoked},
                                 {wire::Verdict::unknown, wire::TaskState::pending},
                                 {too_late, wire::TaskState::success}});
  tell(broker_a, wire::Reply{revoke.request, 0, from_a});
  tell(broker_b, wire::Reply{revoke.request, 0, from_b});
  turn();
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].verdicts[0].verdict, revoked);
  EXPECT_EQ(answers[0].verdicts[1].verdict, pending);
  EXPECT_EQ(answers[0].verdicts[2].verdict, revoked) << "the first id once more";
  EXPECT_EQ(answers[0].verdicts[3].verdict, too_late);
  EXPECT_EQ(answers[0].verdicts[3].state, wire::TaskState::success);
}

TEST_F(ProducerResults, ForgettingAddsUpWhatTheCollectorsErased) {
  start();
  open(broker_a, {}, {{"c1", {"tcp://c1"}}, {"c2", {"tcp://c2"}}});
  open(actor::LinkId{1});
  open(actor::LinkId{2});
  core->ask({.tag = Tag{5}, .kind = Question::Kind::forget, .ids = {id_of_tag(1)}}, now);
  turn();
  for (const std::uint32_t link : {1U, 2U}) {
    const auto forget = decoded<wire::Forget>(last_frame(actor::LinkId{link}));
    tell(actor::LinkId{link},
         wire::Reply{forget.request, 0, link == 1 ? BytesView{"\x01"} : BytesView{"\x00", 1}});
  }
  turn();
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].erased, 1U);
}

}  // namespace
}  // namespace baozi::client
