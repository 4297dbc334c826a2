// When ticks are sent, and that none is sent twice or lost.
#include "beat_fixture.hpp"

namespace baozi::beat {
namespace {

using Ticks = std::vector<std::string>;

TEST_F(BeatTest, SendsEachTickAtItsTimeAndSleepsBetween) {
  load({entry_of("e", R"({"every": 3, "task": "t"})")});
  run_for(10s);
  EXPECT_EQ(ticks(),
            (Ticks{"2026-01-01T00:00:03Z", "2026-01-01T00:00:06Z", "2026-01-01T00:00:09Z"}));
  for (const Sent& one : sent) EXPECT_EQ(one.when, one.tick);
  EXPECT_LE(wakes, 7) << "one for each tick, and one to keep what came of it";
}

TEST_F(BeatTest, TheKthTickOfAnIntervalLiesAtStartPlusKIntervalsHoweverLateItWasSent) {
  load({entry_of("e", R"({"every": "0.7", "task": "t", "start": "2026-01-01T00:00:00.1Z"})")});
  for (int i = 0; i < 1'000; ++i) run_for(Micros{123'457});
  ASSERT_EQ(sent.size(), 177u);  // 123.457 s
  for (std::size_t k = 0; k < sent.size(); ++k) {
    EXPECT_EQ(sent[k].tick,
              at("2026-01-01T00:00:00.1Z") + static_cast<std::int64_t>(k) * Micros{700'000});
  }
}

TEST_F(BeatTest, WithoutAStartIntervalsCountFrom1970SoThatAllBeatsAgree) {
  const Entry entry = entry_of("e", R"({"every": 7, "task": "t"})");
  load({entry});
  pass(Micros{1'234'567});
  turn();
  run_for(10s);
  ASSERT_FALSE(sent.empty());
  EXPECT_EQ(micros(sent[0].tick) % 7'000'000, 0);
}

TEST_F(BeatTest, AnIdSaysTheEntryTheInstantAndTheNamespaceAndNothingElse) {
  const Uuid id = tick_id(beat_namespace(""), "e", at("2026-01-01T00:00:03Z"));
  EXPECT_EQ(to_string(id), "16d98d22-37ae-512e-9f66-c20e9102099a")
      << "never changes: another beat may be older";
  EXPECT_EQ(id.bytes[6] >> 4U, 5);
  EXPECT_NE(id, tick_id(beat_namespace("mine"), "e", at("2026-01-01T00:00:03Z")));
  EXPECT_NE(id, tick_id(beat_namespace(""), "f", at("2026-01-01T00:00:03Z")));
  EXPECT_NE(id, tick_id(beat_namespace(""), "e", at("2026-01-01T00:00:03.000001Z")));
  load({entry_of("e", R"({"every": 3, "task": "t"})")});
  run_for(3s);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].id, id);
}

TEST_F(BeatTest, AKilledBeatSendsAgainWhatItDidNotRecordUnderTheSameId) {
  const Entry entry = entry_of("e", R"({"every": 1, "task": "t", "missed": "all"})");
  load({entry});
  run_for(5s);
  broker = Broker::is_silent;
  run_for(Micros{900'000});  // nothing due
  run_for(1s);               // one in flight, its answer lost with the process
  ASSERT_EQ(unanswered.size(), 1u);
  taken.insert(unanswered[0].id);  // but the broker took it
  sent.push_back({"e", unanswered[0].tick, unanswered[0].id, now.wall});
  broker = Broker::takes;
  restart({entry});
  run_for(3s);
  EXPECT_EQ(ticks(),
            (Ticks{"2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z", "2026-01-01T00:00:03Z",
                   "2026-01-01T00:00:04Z", "2026-01-01T00:00:05Z", "2026-01-01T00:00:06Z",
                   "2026-01-01T00:00:07Z", "2026-01-01T00:00:08Z", "2026-01-01T00:00:09Z"}));
  EXPECT_EQ(kept["e"].record.total_run_count, 9u);
}

TEST_F(BeatTest, WhatMayHaveBeenTakenIsSentAgainUnderItsIdUntilThatIsKnown) {
  load({entry_of("e", R"({"every": 10, "task": "t"})")});
  broker = Broker::is_silent;
  run_for(10s);
  ASSERT_EQ(unanswered.size(), 1u);
  core.on_unknown(unanswered[0].entry, unanswered[0].id, now);
  run_for(1s);
  ASSERT_EQ(unanswered.size(), 2u);
  EXPECT_EQ(unanswered[0].id, unanswered[1].id);
  core.on_accepted(unanswered[1].entry, unanswered[1].id, now);
  run_for(1s);
  EXPECT_EQ(kept["e"].record.total_run_count, 1u);
  EXPECT_EQ(unanswered.size(), 2u);
}

TEST_F(BeatTest, WhatIsNotAnsweredAtOnceHoldsUpNoLaterTick) {
  load({entry_of("e", R"({"every": "0.2", "task": "t"})")});
  broker = Broker::is_silent;
  run_for(1s);
  ASSERT_EQ(unanswered.size(), 5u);
  core.on_accepted(unanswered[4].entry, unanswered[4].id, now);
  turn();
  EXPECT_LT(*kept["e"].record.last_tick, at("2026-01-01T00:00:00.2Z"))
      << "the first four are not dealt with";
  for (std::size_t i = 0; i < 4; ++i) core.on_accepted(unanswered[i].entry, unanswered[i].id, now);
  turn();
  EXPECT_EQ(*kept["e"].record.last_tick, at("2026-01-01T00:00:01Z"));
}

TEST_F(BeatTest, BehindAnAnswerThatDoesNotComeTicksWaitAndAreThenDealtWithByThePolicy) {
  load({entry_of("last", R"({"every": 1, "task": "t"})"),
        entry_of("all", R"({"every": 1, "task": "t", "missed": "all"})")});
  broker = Broker::is_silent;
  run_for(1min);
  EXPECT_EQ(unanswered.size(), 6u) << "those of the first seconds of both";
  broker = Broker::takes;
  for (const auto& submit : std::vector{unanswered}) answer(submit);
  turn();
  EXPECT_EQ(ticks("all").size(), 60u);
  EXPECT_EQ(ticks("last").back(), "2026-01-01T00:01:00Z");
  EXPECT_EQ(ticks("last").size(), 5u)
      << "three, the latest that was missed, and that of the last second";
}

// ---- missed ticks

struct MissedCase {
  const char* name;
  const char* policy;
  Ticks after;  // what is sent of 00:00:10 to 00:00:50, in which no broker was there
};

class MissedTicks : public BeatTest, public testing::WithParamInterface<MissedCase> {};

TEST_P(MissedTicks, WaitForTheBrokerAsThePolicySays) {
  load({entry_of("e", std::string{R"({"every": 10, "task": "t", )"} + GetParam().policy + "}")});
  run_for(5s);
  broker = Broker::is_away;
  run_for(50s);  // it is 00:00:55
  EXPECT_TRUE(sent.empty());
  broker = Broker::takes;
  run_for(10s);
  Ticks expected = GetParam().after;
  expected.emplace_back("2026-01-01T00:01:00Z");
  EXPECT_EQ(ticks(), expected);
  EXPECT_EQ(kept["e"].record.total_run_count, expected.size());
}

TEST_P(MissedTicks, OfAStoppedBeatAreSentAsThePolicySays) {
  const Entry entry =
      entry_of("e", std::string{R"({"every": 10, "task": "t", )"} + GetParam().policy + "}");
  kept["e"].record.last_tick = at("2026-01-01T00:00:05Z");
  pass(55s);
  load({entry});
  run_for(10s);
  Ticks expected = GetParam().after;
  expected.emplace_back("2026-01-01T00:01:00Z");
  EXPECT_EQ(ticks(), expected);
}

INSTANTIATE_TEST_SUITE_P(
    Policy, MissedTicks,
    testing::Values(MissedCase{"Skip", R"("missed": "skip")", {}},
                    MissedCase{"Last", R"("missed": "last")", {"2026-01-01T00:00:50Z"}},
                    MissedCase{
                        "All",
                        R"("missed": "all")",
                        {"2026-01-01T00:00:10Z", "2026-01-01T00:00:20Z", "2026-01-01T00:00:30Z",
                         "2026-01-01T00:00:40Z", "2026-01-01T00:00:50Z"}},
                    MissedCase{"AllWithALimit",
                               R"("missed": "all", "missed_limit": 2)",
                               {"2026-01-01T00:00:40Z", "2026-01-01T00:00:50Z"}}),
    [](const auto& row) { return std::string{row.param.name}; });

TEST_F(BeatTest, MoreMissedTicksThanMayBeInFlightGoOneAfterTheOther) {
  kept["e"].record.last_tick = at("2025-12-31T00:00:00Z");
  broker = Broker::is_silent;
  load({entry_of("e", R"({"every": 1, "task": "t", "missed": "all", "missed_limit": 250})")});
  EXPECT_EQ(unanswered.size(), 100u);
  for (std::size_t i = 0; i < 250; ++i) {
    ASSERT_LT(i, unanswered.size());
    core.on_accepted(unanswered[i].entry, unanswered[i].id, now);
    turn();
  }
  EXPECT_EQ(unanswered[0].tick, at("2025-12-31T23:55:51Z") - Micros{1'000'000})
      << "the latest 250, but for the last second";
  EXPECT_EQ(kept["e"].record.total_run_count, 250u);
}

TEST_F(BeatTest, YearsOfMissedMillisecondsCostNothing) {
  kept["e"].record.last_tick = at("1971-01-01T00:00:00Z");
  load({entry_of("e", R"({"every": "1ms", "task": "t"})")});
  EXPECT_EQ(sent.size(), 1'001u);  // the last second's, which are in time, and one of those before
}

TEST_F(BeatTest, OneThatWasMetJustNowHasMissedNothing) {
  load({entry_of("e", R"({"crontab": {"minute": "0", "hour": "0"}, "task": "t"})")});
  run_for(1h);
  EXPECT_TRUE(sent.empty());
}

TEST_F(BeatTest, AnInstantThatHasJustGoneByWasMissed) {
  load({entry_of("e", R"({"clocked": "2025-12-31T23:00:00Z", "task": "t", "one_off": true})"),
        entry_of("old", R"({"clocked": "2025-12-01T23:00:00Z", "task": "t", "one_off": true})")});
  EXPECT_EQ(ticks(), Ticks{"2025-12-31T23:00:00Z"});
  EXPECT_TRUE(kept["e"].disable);
}

// ---- the clock

TEST_F(BeatTest, AClockThatIsSetBackSendsNothingTwice) {
  load({entry_of("e", R"({"every": 1, "task": "t"})")});
  run_for(10s);
  now.wall -= 5s;
  run_for(10s);
  ASSERT_EQ(sent.size(), 15u);
  EXPECT_EQ(asked, 15) << "nobody was even asked to take one twice";
  ASSERT_FALSE(warnings.empty());
  EXPECT_NE(warnings[0].find("set back by"), std::string::npos) << warnings[0];
}

TEST_F(BeatTest, AClockThatIsSetForwardMissesTicksByThePolicy) {
  load({entry_of("last", R"({"every": 60, "task": "t"})"),
        entry_of("skip", R"({"every": 60, "task": "t", "missed": "skip"})")});
  run_for(30s);
  now.wall += 1h;
  turn();
  EXPECT_EQ(ticks("last"), Ticks{"2026-01-01T01:00:00Z"});
  EXPECT_EQ(ticks("skip"), Ticks{});
  run_for(1min);
  EXPECT_EQ(ticks("skip"), Ticks{"2026-01-01T01:01:00Z"});
}

TEST_F(BeatTest, DaylightSavingMovesCrontabsAndNoInterval) {
  now.wall = at("2026-03-29T00:00:30Z");  // Berlin: 01:00:30, and at 01:00Z it is 03:00
  load({entry_of(
            "cron",
            R"({"crontab": {"minute": "30", "hour": "2"}, "zone": "Europe/Berlin", "task": "t"})"),
        entry_of("hourly", R"({"cron": "0 * * * *", "zone": "Europe/Berlin", "task": "t"})"),
        entry_of("every", R"({"every": "1h", "zone": "Europe/Berlin", "task": "t"})")});
  run_for(3h);
  EXPECT_EQ(ticks("cron"), Ticks{"2026-03-29T01:00:00Z"})
      << "02:30 does not exist: the first instant after the gap";
  EXPECT_EQ(ticks("hourly"),
            (Ticks{"2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z", "2026-03-29T03:00:00Z"}));
  EXPECT_EQ(ticks("every"),
            (Ticks{"2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z", "2026-03-29T03:00:00Z"}));
}

TEST_F(BeatTest, AnHourThatComesTwiceFiresOnce) {
  now.wall = at("2026-10-24T23:30:00Z");
  load({entry_of(
      "cron",
      R"({"crontab": {"minute": "30", "hour": "2"}, "zone": "Europe/Berlin", "task": "t"})")});
  run_for(5h);
  EXPECT_EQ(ticks(), Ticks{"2026-10-25T00:30:00Z"});
}

// ---- jitter

TEST_F(BeatTest, JitterSpreadsTicksEvenlyAndEveryBeatComputesTheSame) {
  load({entry_of("e", R"({"every": 10, "task": "t", "jitter": "4s"})")});
  run_for(Micros{std::chrono::hours{1}});
  ASSERT_GE(sent.size(), 359u);
  Micros sum{0};
  for (const Sent& one : sent) {
    const Micros late = one.when - one.tick;
    EXPECT_GE(late, 0s);
    EXPECT_LE(late, 4s);
    EXPECT_EQ(late, jitter_of(one.id, 4s));
    sum += late;
  }
  EXPECT_NEAR(static_cast<double>(sum.count()) / static_cast<double>(sent.size()), 2e6, 3e5);
}

}  // namespace
}  // namespace baozi::beat
