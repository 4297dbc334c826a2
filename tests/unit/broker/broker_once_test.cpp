// Ids that count as taken until an instant (delivery.md D26).
#include "unit/broker/broker_fixture.hpp"

namespace baozi::broker {
namespace {

class BrokerOnce : public BrokerFixture {
 protected:
  /// A task whose id counts for so long from now.
  Bytes once(const std::string& id, std::int64_t for_us) {
    return once_at(id, micros(now.wall) + for_us);
  }
  Bytes once_at(const std::string& id, std::int64_t until_us) {
    Bytes packed;
    Writer option{packed};
    option.map(1);
    option.uinteger(static_cast<std::uint64_t>(wire::Option::once_until));
    option.integer(until_us);
    return task(id, {}, packed);
  }
  void open(std::uint64_t credit = 0) {
    start();
    connect_collector();
    connect_producer();
    connect_worker(worker_a, 1, credit);
  }
  /// Another process: its id and its numbers are new.
  void another_producer() {
    connect_producer(make_uuid7(wall_time(5), 1, ++producers));
    numbers = 0;
  }
  void hand_in(const std::vector<Bytes>& tasks) { submit(++numbers, tasks); }
  struct Answer {
    std::uint64_t upto = 0;
    std::vector<wire::TaskRefusal> refused;
  };
  std::optional<Answer> answer() {
    const auto message = next<wire::Submitted>(*producer, wire::Type::submitted);
    if (!message) return std::nullopt;
    Answer all{message->upto, {}};
    if (!message->refusals.empty()) {
      all.refused = message->refusals.front().tasks;
      --numbers;  // a rejection spends no number
    }
    return all;
  }
  /// The one reason of the next answer; nothing when it was accepted.
  std::optional<wire::Reason> refusal(const std::vector<Bytes>& tasks) {
    hand_in(tasks);
    settle();
    const auto all = answer();
    if (!all) return wire::Reason::none;
    if (all->refused.empty()) return std::nullopt;
    text = all->refused.front().text;
    return all->refused.front().reason;
  }
  std::vector<std::string> delivered() {
    std::vector<std::string> ids;
    for (const auto& one : deliveries(*worker_a)) {
      ids.push_back(one.task.id.to_id().to_string());
      last_number = one.number;
    }
    return ids;
  }
  void give_credit(std::uint64_t count) {
    say(*worker_a,
        wire::Credit{.count = count, .bytes = 1 << 30, .returned = 0, .returned_bytes = 0});
  }
  std::size_t marks() const {
    std::size_t count = 0;
    for (const auto& [key, value] : store.records)
      count += key.first == store::Space::marks ? 1 : 0;
    return count;
  }
  using Ids = std::vector<std::string>;
  std::uint64_t producers = 100;
  std::uint64_t numbers = 0;
  std::uint64_t last_number = 0;
  std::string text;
};

TEST_F(BrokerOnce, ASecondTaskOfTheIdIsADuplicateWhoeverBringsIt) {
  open();
  EXPECT_FALSE(refusal({once("tick", 60 * second)}));
  EXPECT_EQ(refusal({once("tick", 60 * second)}), wire::Reason::duplicate);
  EXPECT_EQ(text, "tick");
  another_producer();
  EXPECT_EQ(refusal({once("tick", 90 * second)}), wire::Reason::duplicate);
  EXPECT_EQ(core->books().accepted, 1u);
  EXPECT_EQ(core->counters().duplicates, 2u);
  expect_books_balance();
}

TEST_F(BrokerOnce, ItCountsWhateverBecameOfTheTask) {
  open(10);
  EXPECT_FALSE(refusal({once("tick", 60 * second)}));
  EXPECT_EQ(delivered(), (Ids{"tick"}));
  EXPECT_EQ(refusal({once("tick", 60 * second)}), wire::Reason::duplicate);  // leased
  done(*worker_a, last_number);
  settle();
  EXPECT_EQ(core->open_tasks(), 0u);
  EXPECT_EQ(refusal({once("tick", 60 * second)}), wire::Reason::duplicate);  // done
  crash_and_start();
  another_producer();
  EXPECT_EQ(refusal({once("tick", 60 * second)}),
            wire::Reason::duplicate);  // and the broker was started anew
  EXPECT_EQ(core->books().accepted, 1u);
}

TEST_F(BrokerOnce, TheRestOfABatchIsNotHeldUp) {
  open();
  EXPECT_FALSE(refusal({once("a", 60 * second)}));
  hand_in({once("a", 60 * second), once("b", 60 * second), task("c"), once("b", 60 * second)});
  settle();
  const auto all = answer();
  ASSERT_TRUE(all);
  ASSERT_EQ(all->refused.size(), 2u);
  EXPECT_EQ(all->refused[0].index, 0u);
  EXPECT_EQ(all->refused[1].index, 3u);
  EXPECT_EQ(all->refused[1].text, "b");
  EXPECT_EQ(core->books().accepted, 1u);  // whole or not at all
  EXPECT_FALSE(refusal({once("b", 60 * second), task("c")}));
  EXPECT_EQ(core->books().accepted, 3u);
}

TEST_F(BrokerOnce, ATaskWithoutTheOptionIsNotLookedAt) {
  open();
  EXPECT_FALSE(refusal({once("tick", 60 * second)}));
  EXPECT_FALSE(refusal({task("tick")}));
  EXPECT_EQ(core->books().accepted, 2u);
}

TEST_F(BrokerOnce, WhatWasNotCommittedIsNotThereAfterACrash) {
  open();
  hand_in({once("tick", 60 * second)});
  ASSERT_EQ(pending.size(), 1u);
  crash_and_start();
  another_producer();
  EXPECT_FALSE(refusal({once("tick", 60 * second)}));
}

// Sim --once seed 4104: run early, lost with its mark, and run again for another submitter.
TEST_F(BrokerOnce, ItIsDeliveredAfterTheCommitOfItsMark) {
  open(10);
  hand_in({once("tick", 60 * second), task("early")});
  ASSERT_EQ(pending.size(), 1u);
  EXPECT_EQ(delivered(), (Ids{"early"}));
  settle();
  EXPECT_EQ(delivered(), (Ids{"tick"}));
}

TEST_F(BrokerOnce, ADuplicateIsToldOfWhatIsDurable) {
  open();
  hand_in({once("tick", 60 * second)});
  hand_in({once("tick", 60 * second)});
  EXPECT_FALSE(answer());
  commit();
  turn();
  commit();
  const auto refused = answer();
  ASSERT_TRUE(refused);
  ASSERT_EQ(refused->refused.size(), 1u);
  EXPECT_EQ(refused->refused[0].reason, wire::Reason::duplicate);
  EXPECT_EQ(answer()->upto, 1u);
}

TEST_F(BrokerOnce, AfterwardsItIsTooLateForTheId) {
  open();
  EXPECT_FALSE(refusal({once("tick", 5 * second)}));
  const Bytes again = once("tick", 4 * second);
  pass(30 * second);
  EXPECT_EQ(marks(), 0u) << "forgotten";
  EXPECT_EQ(refusal({again}), wire::Reason::too_late);
  EXPECT_NE(text.find("once_until had passed"), std::string::npos) << text;
  EXPECT_EQ(core->counters().once_too_late, 1u);
  EXPECT_FALSE(refusal({once("tick", 60 * second)})) << "a later instant is another promise";
}

TEST_F(BrokerOnce, AClockThatIsSetBackLetsNoForgottenIdIn) {
  open(10);
  const Bytes tick = once("tick", 5 * second);
  EXPECT_FALSE(refusal({tick}));
  EXPECT_EQ(delivered(), (Ids{"tick"}));
  done(*worker_a, last_number);
  pass(30 * second);
  EXPECT_EQ(marks(), 0u);
  now.wall -= Micros{3600 * second};
  EXPECT_EQ(refusal({tick}), wire::Reason::too_late);
  crash_and_start();
  another_producer();
  EXPECT_EQ(refusal({tick}), wire::Reason::too_late);
  now.wall += Micros{3600 * second};
  EXPECT_EQ(refusal({tick}), wire::Reason::too_late);
  EXPECT_EQ(core->books().accepted, 1u);
}

TEST_F(BrokerOnce, AClockThatIsSetForwardAndBackDoesNotForget) {
  open();
  const Bytes tick = once("tick", 3600 * second);
  EXPECT_FALSE(refusal({tick}));
  now.wall += Micros{7200 * second};
  pass(30 * second);
  now.wall -= Micros{7200 * second};
  crash_and_start();
  another_producer();
  const auto why = refusal({tick});
  EXPECT_TRUE(why == wire::Reason::too_late || why == wire::Reason::duplicate);
  EXPECT_EQ(core->books().accepted, 1u);
}

TEST_F(BrokerOnce, AtItsCapItRefusesAloud) {
  options.once_max = 2;
  open();
  EXPECT_FALSE(refusal({once("a", 60 * second), once("b", 20 * second)}));
  EXPECT_EQ(refusal({once("c", 60 * second)}), wire::Reason::memory);
  EXPECT_NE(text.find("--once-max"), std::string::npos) << text;
  EXPECT_EQ(core->counters().once_full, 1u);
  EXPECT_FALSE(refusal({task("d")}));
  pass(40 * second);  // the second one is over
  EXPECT_FALSE(refusal({once("c", 60 * second)}));
}

TEST_F(BrokerOnce, AFollowUpWhoseIdIsTakenIsDropped) {
  open(10);
  EXPECT_FALSE(refusal({once("child", 60 * second)}));
  EXPECT_FALSE(refusal({task("parent")}));
  EXPECT_EQ(delivered(), (Ids{"child", "parent"}));
  Bytes follow_ups;
  Writer children{follow_ups};
  children.array(2);
  children.raw(once("child", 60 * second));
  children.raw(once("other", 60 * second));
  done(*worker_a, last_number, wire::TaskState::success, follow_ups);
  settle();
  EXPECT_EQ(delivered(), (Ids{"other"}));
  EXPECT_EQ(core->counters().duplicate_follow_ups, 1u);
  expect_books_balance();
  EXPECT_EQ(refusal({once("other", 60 * second)}), wire::Reason::duplicate);
}

TEST_F(BrokerOnce, FollowUpsGoOnBeyondTheCapAndTheirIdsAreNotRememberedBeyondTwiceIt) {
  options.once_max = 1;
  open(10);
  EXPECT_FALSE(refusal({task("parent")}));
  EXPECT_EQ(delivered(), (Ids{"parent"}));
  Bytes follow_ups;
  Writer children{follow_ups};
  children.array(3);
  for (const char* id : {"a", "b", "c"}) children.raw(once(id, 60 * second));
  done(*worker_a, last_number, wire::TaskState::success, follow_ups);
  settle();
  EXPECT_EQ(delivered(), (Ids{"a", "b", "c"}));
  EXPECT_EQ(marks(), 2u);
  EXPECT_EQ(core->counters().once_unmarked, 1u);
  expect_books_balance();
}

TEST_F(BrokerOnce, AClockThatIsWrongForAMomentForgetsNothing) {
  open();
  const Bytes tick = once("tick", 60 * second);
  EXPECT_FALSE(refusal({tick}));
  crash_and_start();
  now.wall += Micros{86'400 * second};  // until somebody sets it right
  another_producer();
  EXPECT_EQ(refusal({tick}), wire::Reason::too_late);
  pass(5 * second);
  now.wall -= Micros{86'400 * second};
  pass(20 * second);
  EXPECT_EQ(refusal({tick}), wire::Reason::duplicate);
  EXPECT_FALSE(refusal({once("other", 60 * second)}));
}

TEST_F(BrokerOnce, ADeadLetterThatIsRetriedIsItsOwnTaskStill) {
  open(10);
  EXPECT_FALSE(refusal({once("tick", 60 * second)}));
  EXPECT_EQ(delivered(), (Ids{"tick"}));
  wire::Done message;
  message.first = 1;
  wire::Settlement entry;
  entry.number = last_number;
  entry.state = wire::TaskState::failure;
  entry.flags = wire::flag::done_exhausted;
  message.entries.push_back(entry);
  say(*worker_a, message);
  settle();
  EXPECT_EQ(core->books().dead, 1u);
  EXPECT_EQ(refusal({once("tick", 60 * second)}), wire::Reason::duplicate);  // dead
  wire::Control control;
  control.request = 1;
  control.command = "dead.retry";
  Bytes arguments;
  Writer in{arguments};
  in.map(1);
  in.str("id");
  in.str("tick");
  control.arguments = arguments;
  say(*producer, control);
  settle();
  EXPECT_EQ(delivered(), (Ids{"tick"}));
  EXPECT_EQ(refusal({once("tick", 60 * second)}), wire::Reason::duplicate);
  expect_books_balance();
}

TEST_F(BrokerOnce, ManyMarksAreReadAtTheStartAndForgottenWithoutHoldingTheLoopUp) {
  options.once_max = 100'000;
  start();
  const std::int64_t until = micros(now.wall) + 5 * second;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    store.records[{store::Space::marks, OnceTable::key(make_uuid7(now.wall, i, i))}] =
        OnceTable::pack(until);
  }
  crash_and_start();
  now.mono += Micros{20 * second};
  now.wall += Micros{20 * second};
  std::size_t largest = 0;
  for (int turns = 0; marks() > 0 && turns < 100; ++turns) {
    now.mono += Micros{second / 10};
    now.wall += Micros{second / 10};
    turn();
    for (const auto& batch : pending) largest = std::max(largest, batch.records.size());
    commit();
  }
  EXPECT_EQ(marks(), 0u);
  EXPECT_LE(largest, 1'010u);
}

}  // namespace
}  // namespace baozi::broker
