// How a producer sends: batches, numbers, windows, refusals, lost sessions (delivery.md D4 to D8).
#include "unit/client/producer_bench.hpp"

namespace baozi::client {
namespace {

class ProducerSubmits : public ProducerBench {};

TEST_F(ProducerSubmits, WhatOneTurnBroughtTogetherLeavesAsOneBatchNumberedFromOne) {
  start();
  open(broker_a);
  submit(1, 3);
  const SentSubmit first = next_submit(broker_a);
  EXPECT_EQ(first.number, 1U);
  EXPECT_EQ(first.names, names(1, 3));
  EXPECT_EQ(first.origin, "0123456789abcdef");
  submit(4, 4);
  EXPECT_EQ(next_submit(broker_a).number, 2U);
}

TEST_F(ProducerSubmits, NothingIsConfirmedBeforeTheBrokerSaysSo) {
  start();
  open(broker_a);
  submit(1, 2);
  submit(3, 3);
  EXPECT_TRUE(confirmed.empty());
  submitted(broker_a, 1);
  EXPECT_EQ(confirmed, tags(1, 2));
  submitted(broker_a, 2);
  EXPECT_EQ(confirmed, tags(1, 3));
  EXPECT_TRUE(core->is_settled());
}

TEST_F(ProducerSubmits, ABatchHoldsAtMostFiveHundredTasks) {
  start();
  open(broker_a);
  submit(1, 1'201);
  EXPECT_EQ(next_submit(broker_a).names.size(), 500U);
  EXPECT_EQ(next_submit(broker_a).names.size(), 500U);
  EXPECT_EQ(next_submit(broker_a).names.size(), 201U);
}

TEST_F(ProducerSubmits, ABatchHoldsAtMostAQuarterMebibyteUnlessOneTaskIsLarger) {
  start();
  open(broker_a);
  TaskPile tasks;
  for (const std::size_t size : {200'000U, 100'000U, 500'000U, 10U}) {
    Submission task;
    task.tag = Tag{tasks.tasks.size() + 1};
    task.since = now.mono;
    tasks.add(std::move(task), packed_task(tasks.tasks.size() + 1, size));
  }
  core->submit(std::move(tasks), now, out);
  turn();
  EXPECT_EQ(next_submit(broker_a).names, names(1, 1));
  EXPECT_EQ(next_submit(broker_a).names, names(2, 2));
  EXPECT_EQ(next_submit(broker_a).names, names(3, 3));
  EXPECT_EQ(next_submit(broker_a).names, names(4, 4));
}

TEST_F(ProducerSubmits, ATaskAboveTheBrokersLimitIsRejectedWithoutBeingSent) {
  start();
  open(broker_a);
  TaskPile tasks = pile(1, 1);
  Submission large;
  large.tag = Tag{2};
  large.since = now.mono;
  tasks.add(std::move(large), packed_task(2, limits::task_bytes_max + 1));
  core->submit(std::move(tasks), now, out);
  turn();
  EXPECT_EQ(next_submit(broker_a).names, names(1, 1));
  EXPECT_EQ(fate(2), Fate::rejected);
  EXPECT_EQ(failed.at(2).reason, wire::Reason::too_large);
}

TEST_F(ProducerSubmits, TheWindowBoundsWhatIsUnconfirmedAtOneBroker) {
  options.lane.tasks_max = 1'000;
  start();
  open(broker_a);
  submit(1, 2'000);
  EXPECT_EQ(peers[broker_a].submits.size(), 2U);
  submitted(broker_a, 1);
  turn();
  EXPECT_EQ(peers[broker_a].submits.size(), 3U);
}

TEST_F(ProducerSubmits, AConfirmThatSomebodyWaitsForIsAskedForAtOnce) {
  start();
  open(broker_a);
  TaskPile tasks = pile(1, 2);
  tasks.tasks[1].sync = true;
  core->submit(std::move(tasks), now, out);
  turn();
  EXPECT_EQ(next_submit(broker_a).flags, wire::flag::submit_sync);
  submit(3, 3);
  EXPECT_EQ(next_submit(broker_a).flags, 0U);
}

TEST_F(ProducerSubmits, BatchesAreSpreadOverTheLiveBrokers) {
  start({"tcp://a", "tcp://b"});
  open(broker_a);
  open(broker_b);
  for (std::uint64_t tag = 1; tag <= 10; ++tag) submit(tag, tag);
  EXPECT_EQ(peers[broker_a].submits.size(), 5U);
  EXPECT_EQ(peers[broker_b].submits.size(), 5U);
}

TEST_F(ProducerSubmits, ASilentBrokerGetsNothingNewAndKeepsWhatItHas) {
  start({"tcp://a", "tcp://b"});
  open(broker_a);
  open(broker_b);
  submit(1, 1);
  submit(2, 2);
  const bool a_has_first = peers[broker_a].submits.front().names == names(1, 1);
  run_alive(9s, {broker_b});  // a is silent for more than two thirds of the liveness
  const std::size_t before = peers[broker_a].submits.size();
  for (std::uint64_t tag = 3; tag <= 6; ++tag) submit(tag, tag);
  EXPECT_EQ(peers[broker_a].submits.size(), before);
  EXPECT_EQ(peers[broker_b].submits.size(), 5U);
  run_alive(10s, {broker_b});  // its session ends; its batch stays with it all the same
  EXPECT_EQ(peers[broker_b].submits.size(), 5U);
  EXPECT_EQ(resets, std::vector{broker_a});
  open(broker_a, {true, 0, 0});
  turn();
  const SentSubmit again = peers[broker_a].submits.back();
  EXPECT_EQ(again.names, a_has_first ? names(1, 1) : names(2, 2));
  EXPECT_EQ(again.number, 1U);
}

TEST_F(ProducerSubmits, AfterALostSessionOnlyWhatTheBrokerDoesNotHaveIsSentAgain) {
  start();
  open(broker_a);
  for (std::uint64_t tag = 1; tag <= 4; ++tag) submit(tag, tag);
  peers[broker_a].submits.clear();
  disconnect(broker_a);
  open(broker_a, {true, 3, 1});  // three taken, one committed
  turn();
  EXPECT_EQ(confirmed, tags(1, 1));
  const SentSubmit again = next_submit(broker_a);
  EXPECT_EQ(again.number, 4U);
  EXPECT_EQ(again.names, names(4, 4));
  EXPECT_TRUE(peers[broker_a].submits.empty());
  submitted(broker_a, 4);
  EXPECT_EQ(confirmed, tags(1, 4));
}

TEST_F(ProducerSubmits,
       ABrokerThatForgotTheProducerMakesUnconfirmedTasksUnknownAndNumbersStartAgain) {
  start();
  open(broker_a);
  submit(1, 1);
  submitted(broker_a, 1);
  submit(2, 2);
  disconnect(broker_a);
  open(broker_a, {false, 0, 0});
  turn();
  EXPECT_EQ(fate(2), Fate::unknown);
  peers[broker_a].submits.clear();
  submit(3, 3);
  EXPECT_EQ(next_submit(broker_a).number, 1U);
}

TEST_F(ProducerSubmits, AFullBrokerIsAskedAgainWithTheSameNumberAndTheRestFollowsInOrder) {
  start();
  open(broker_a);
  submit(1, 1);
  submit(2, 2);
  submit(3, 3);
  peers[broker_a].submits.clear();
  refuse(broker_a, 1, wire::Refusal::full, wire::Reason::queue_full);
  EXPECT_TRUE(peers[broker_a].submits.empty());  // it waits
  refuse(broker_a, 2, wire::Refusal::out_of_sequence, wire::Reason::none, 1);
  refuse(broker_a, 3, wire::Refusal::out_of_sequence, wire::Reason::none, 1);
  EXPECT_TRUE(peers[broker_a].submits.empty());
  run_for(100ms);
  for (std::uint64_t number = 1; number <= 3; ++number) {
    const SentSubmit again = next_submit(broker_a);
    EXPECT_EQ(again.number, number);
    EXPECT_EQ(again.names, names(number, number));
  }
}

TEST_F(ProducerSubmits, NothingNewOvertakesWhatIsWaitingToBeSentAgain) {
  start();
  open(broker_a);
  submit(1, 1);
  peers[broker_a].submits.clear();
  refuse(broker_a, 1, wire::Refusal::full, wire::Reason::queue_full);
  submit(2, 2);
  EXPECT_TRUE(peers[broker_a].submits.empty());
  run_for(100ms);
  EXPECT_EQ(next_submit(broker_a).names, names(1, 1));
  EXPECT_EQ(next_submit(broker_a).names, names(2, 2));
}

TEST_F(ProducerSubmits, ABackoffGrowsWhileABrokerStaysFullAndEndsWithItsFirstConfirm) {
  start();
  open(broker_a);
  submit(1, 1);
  std::vector<Micros> waits;
  for (int i = 0; i < 8; ++i) {
    peers[broker_a].submits.clear();
    const MonoTime refused = now.mono;
    refuse(broker_a, 1, wire::Refusal::full, wire::Reason::queue_full);
    while (peers[broker_a].submits.empty()) run_for(1ms);
    waits.push_back(now.mono - refused);
  }
  EXPECT_LT(waits.front(), 5ms);
  EXPECT_GT(waits.back(), 200ms);
  submitted(broker_a, 1);
  submit(2, 2);
  peers[broker_a].submits.clear();
  const MonoTime refused = now.mono;
  refuse(broker_a, 2, wire::Refusal::full, wire::Reason::queue_full);
  while (peers[broker_a].submits.empty()) run_for(1ms);
  EXPECT_LT(now.mono - refused, 5ms);
}

TEST_F(ProducerSubmits, WhatAFullBrokerRefusedGoesToAnotherThatHasRoom) {
  start({"tcp://a", "tcp://b"});
  open(broker_a);
  submit(1, 1);
  open(broker_b);
  refuse(broker_a, 1, wire::Refusal::full, wire::Reason::queue_full);
  EXPECT_EQ(next_submit(broker_b).names, names(1, 1));
  run_for(100ms);
  EXPECT_EQ(peers[broker_a].submits.size(), 1U);
  submit(2, 2);
  submit(3, 3);
  EXPECT_EQ(peers[broker_a].submits.back().number, 1U);  // the refused number was not spent
}

TEST_F(ProducerSubmits, WhatABrokerMayHaveTakenBeforeItRestartedGoesToNoOther) {
  start({"tcp://a", "tcp://b"});
  open(broker_a);
  submit(1, 1);
  open(broker_b);
  disconnect(broker_a);
  epoch = 2;
  open(broker_a, {false, 0, 0});  // its commit was lost, but a worker may have the task already
  turn();
  refuse(broker_a, 1, wire::Refusal::full, wire::Reason::queue_full);
  EXPECT_TRUE(peers[broker_b].submits.empty());
  peers[broker_a].submits.clear();
  run_for(1s);
  EXPECT_EQ(next_submit(broker_a).names, names(1, 1));
}

TEST_F(ProducerSubmits, WhatABrokerMayHaveTakenBeforeItRestartedIsNeverSaidNotToExist) {
  start();
  open(broker_a);
  submit(1, 1);
  submit(2, 2);
  disconnect(broker_a);
  epoch = 2;
  open(broker_a, {false, 0, 0});
  turn();
  refuse(broker_a, 1, wire::Refusal::rejected, wire::Reason::bad_task, 0,
         {{.index = 0, .reason = wire::Reason::bad_task, .text = "no"}});
  EXPECT_EQ(fate(1), Fate::unknown);
  disconnect(broker_a);
  run_for(61s);
  EXPECT_EQ(fate(2), Fate::unknown);
  EXPECT_TRUE(core->is_settled());
}

TEST_F(ProducerSubmits, RejectedTasksFailByThemselvesAndTheRestKeepsItsNumber) {
  start();
  open(broker_a);
  submit(1, 3);
  submit(4, 4);
  peers[broker_a].submits.clear();
  refuse(broker_a, 1, wire::Refusal::rejected, wire::Reason::bad_task, 0,
         {{1, wire::Reason::bad_task, "no such option"}});
  EXPECT_EQ(fate(2), Fate::rejected);
  EXPECT_EQ(failed.at(2).text, "no such option");
  refuse(broker_a, 2, wire::Refusal::out_of_sequence, wire::Reason::none, 1);
  const SentSubmit again = next_submit(broker_a);
  EXPECT_EQ(again.number, 1U);
  EXPECT_EQ(again.names, (std::vector<std::string>{"t1", "t3"}));
  EXPECT_EQ(next_submit(broker_a).number, 2U);
  EXPECT_TRUE(confirmed.empty());
}

TEST_F(ProducerSubmits, AfterAWhollyRejectedBatchTheNextOnesMoveUpOneNumber) {
  start();
  open(broker_a);
  submit(1, 1);
  submit(2, 2);
  submit(3, 3);
  peers[broker_a].submits.clear();
  refuse(broker_a, 1, wire::Refusal::rejected, wire::Reason::bad_task);
  submit(4, 4);  // does not go before what will come back
  EXPECT_TRUE(peers[broker_a].submits.empty());
  refuse(broker_a, 2, wire::Refusal::out_of_sequence, wire::Reason::none, 1);
  refuse(broker_a, 3, wire::Refusal::out_of_sequence, wire::Reason::none, 1);
  for (std::uint64_t number = 1; number <= 3; ++number) {
    const SentSubmit again = next_submit(broker_a);
    EXPECT_EQ(again.number, number);
    EXPECT_EQ(again.names, names(number + 1, number + 1));
  }
  submitted(broker_a, 3);
  EXPECT_EQ(confirmed, tags(2, 4));
}

TEST_F(ProducerSubmits, ARefusalThatMayPassIsTriedAgainAsThePolicySaysAndThenRejected) {
  start();
  open(broker_a);
  submit(1, 1);  // three retries, after 0, 200 and 200 ms
  const std::vector<Micros> intervals{0ms, 200ms, 200ms};
  for (const Micros interval : intervals) {
    peers[broker_a].submits.clear();
    const MonoTime refused = now.mono;
    refuse(broker_a, 1, wire::Refusal::rejected, wire::Reason::queue_full, 0,
           {{0, wire::Reason::queue_full, "full"}});
    while (peers[broker_a].submits.empty()) run_for(1ms);
    EXPECT_GE(now.mono - refused, interval);
    EXPECT_LE(now.mono - refused, interval + 2ms);
    EXPECT_TRUE(failed.empty());
  }
  refuse(broker_a, 1, wire::Refusal::rejected, wire::Reason::queue_full, 0,
         {{0, wire::Reason::queue_full, "full"}});
  EXPECT_EQ(fate(1), Fate::rejected);
  EXPECT_EQ(failed.at(1).reason, wire::Reason::queue_full);
}

TEST_F(ProducerSubmits, AConfirmThatDoesNotComeInTimeIsUnknownAndNotFailed) {
  start();
  open(broker_a);
  submit(1, 1);
  run_alive(61s, {broker_a});
  EXPECT_EQ(fate(1), Fate::unknown);
  submitted(broker_a, 1);  // it comes late: counted, told to nobody
  EXPECT_TRUE(confirmed.empty());
  EXPECT_EQ(core->submit_counters().late_confirms, 1U);
}

TEST_F(ProducerSubmits, WhatWasToldUnknownIsNotSentAgain) {
  start();
  open(broker_a);
  submit(1, 1);
  disconnect(broker_a);
  run_for(61s);
  EXPECT_EQ(fate(1), Fate::unknown);
  peers[broker_a].submits.clear();
  open(broker_a, {true, 0, 0});
  turn();
  EXPECT_TRUE(peers[broker_a].submits.empty());
  submit(2, 2);
  EXPECT_EQ(next_submit(broker_a).number, 1U);
}

TEST_F(ProducerSubmits, WithNoBrokerInReachATaskIsNotSentOnceItsPatienceIsOver) {
  start();
  submit(1, 1);
  run_for(4'900ms);
  EXPECT_TRUE(failed.empty());
  run_for(200ms);
  EXPECT_EQ(fate(1), Fate::not_sent);
  EXPECT_EQ(failed.at(1).text, "no broker could be reached (tcp://a: no connection)");
}

TEST_F(ProducerSubmits, PatienceCountsFromTheMomentTheLastBrokerWentAway) {
  options.lane.tasks_max = 1;
  start();
  open(broker_a);
  submit(1, 1);
  submit(2, 2);  // waits for room
  run_alive(6s, {broker_a});
  EXPECT_TRUE(failed.empty());
  disconnect(broker_a);
  run_for(4'900ms);
  EXPECT_TRUE(failed.empty());
  run_for(200ms);
  EXPECT_EQ(fate(2), Fate::not_sent);
  EXPECT_FALSE(failed.contains(1));
}

TEST_F(ProducerSubmits, ABlockedTaskIsNotSentOnceItsDeadlinePasses) {
  start();
  open(broker_a);
  submit(1, 1);
  for (int i = 0; i < 80 && failed.empty(); ++i) {
    refuse(broker_a, 1, wire::Refusal::full, wire::Reason::queue_full);
    run_for(1s);
  }
  EXPECT_EQ(fate(1), Fate::not_sent);
  EXPECT_EQ(failed.at(1).reason, wire::Reason::queue_full);
  EXPECT_TRUE(core->is_settled());
}

TEST_F(ProducerSubmits, ACallBringsItsOwnTerms) {
  start();
  auto hasty = std::make_shared<Terms>();
  hasty->patience = 100ms;
  submit(1, 1, hasty);
  submit(2, 2);
  run_for(200ms);
  EXPECT_EQ(fate(1), Fate::not_sent);
  EXPECT_FALSE(failed.contains(2));
}

TEST_F(ProducerSubmits, WhatWasNeverSentMovesOnToAnotherBroker) {
  start({"tcp://a", "tcp://b"});
  submit(1, 3);
  open(broker_b);
  turn();
  EXPECT_EQ(next_submit(broker_b).names, names(1, 3));
}

TEST_F(ProducerSubmits, ABrokerThatSaysGoodbyeGetsNothingNew) {
  start({"tcp://a", "tcp://b"});
  open(broker_a);
  open(broker_b);
  tell(broker_a, wire::Goodbye{.reason = "draining"});
  for (std::uint64_t tag = 1; tag <= 4; ++tag) submit(tag, tag);
  EXPECT_TRUE(peers[broker_a].submits.empty());
  EXPECT_EQ(peers[broker_b].submits.size(), 4U);
}

TEST_F(ProducerSubmits, RoomEndsWhereTheLimitOfOpenTasksLiesAndReturnsWithTheConfirms) {
  options.open_tasks_max = 10;
  start();
  open(broker_a);
  submit(1, 9);
  EXPECT_TRUE(core->has_room());
  submit(10, 10);
  EXPECT_FALSE(core->has_room());
  submitted(broker_a, 1);
  EXPECT_TRUE(core->has_room());
}

TEST_F(ProducerSubmits, TasksFarBeyondTheRoomAreNotSent) {
  options.open_tasks_max = 10;
  start();
  open(broker_a);
  submit(1, 25);
  EXPECT_EQ(failed.size(), 25U);
  EXPECT_EQ(fate(1), Fate::not_sent);
  EXPECT_EQ(failed.at(1).reason, wire::Reason::memory);
  EXPECT_TRUE(core->is_settled());
}

TEST_F(ProducerSubmits, ClosingTellsEveryOpenTaskItsFateAndSaysGoodbye) {
  options.lane.tasks_max = 1;
  start();
  open(broker_a);
  submit(1, 1);
  submit(2, 2);
  core->close(now, out);
  pump();
  EXPECT_EQ(fate(1), Fate::unknown);
  EXPECT_EQ(fate(2), Fate::closed);
  EXPECT_EQ(peers[broker_a].received.back(), wire::Type::goodbye);
  EXPECT_TRUE(core->is_settled());
  EXPECT_EQ(core->next_deadline(), std::nullopt);
}

TEST_F(ProducerSubmits, ACoreNeverAsksToBeWokenInThePastTwice) {
  start({"tcp://a", "tcp://b"});
  open(broker_a);
  submit(1, 700);
  refuse(broker_a, 1, wire::Refusal::full, wire::Reason::memory);
  int turns = 0;
  for (const MonoTime end = now.mono + 30s; now.mono < end; ++turns) {
    const auto due = core->next_deadline();
    ASSERT_TRUE(due.has_value());
    turn(std::max(*due - now.mono, Micros{0}));
    if (turns % 2 == 1) now.mono += Micros{1};
  }
  EXPECT_LT(turns, 2'000);
}

}  // namespace
}  // namespace baozi::client
