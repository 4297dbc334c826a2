// What an entry's own terms do: overlap, one_off, max_runs, runs at once; changes while it runs;
// many of them.
#include "beat_fixture.hpp"

namespace baozi::beat {
namespace {

using Ticks = std::vector<std::string>;

TEST_F(BeatTest, ATickIsLeftOutWhileTheLastTaskHasNotEnded) {
  load({entry_of("e", R"({"every": 1, "task": "t", "overlap": "skip"})")});
  run_for(Micros{3'500'000});
  EXPECT_EQ(ticks(), Ticks{"2026-01-01T00:00:01Z"});
  EXPECT_EQ(core.counters().overlaps, 2u);
  ended(to_string(sent[0].id));
  run_for(1s);
  EXPECT_EQ(ticks(), (Ticks{"2026-01-01T00:00:01Z", "2026-01-01T00:00:04Z"}));
}

TEST_F(BeatTest, OneThatIsNotAnsweredOverlapsAsWell) {
  load({entry_of("e", R"({"every": 1, "task": "t", "overlap": "skip"})")});
  broker = Broker::is_silent;
  run_for(5s);
  EXPECT_EQ(unanswered.size(), 1u);
}

TEST_F(BeatTest, AfterARestartItIsAskedHowTheLastTaskEnded) {
  const Entry entry = entry_of("e", R"({"every": 10, "task": "t", "overlap": "skip"})");
  load({entry});
  run_for(10s);
  restart({entry});
  EXPECT_EQ(watched, std::vector<std::string>{to_string(sent[0].id)});
  run_for(10s);
  EXPECT_EQ(sent.size(), 1u) << "nobody has answered yet";
  run_for(Micros{std::chrono::hours{25}});
  EXPECT_GT(sent.size(), 1u) << "what nobody knew for a day has ended";
}

TEST_F(BeatTest, OneOffIsDisabledOnceATaskOfItWasTaken) {
  load({entry_of("e", R"({"every": 1, "task": "t", "one_off": true})")});
  broker = Broker::is_away;
  run_for(3s);
  EXPECT_FALSE(kept["e"].disable);
  broker = Broker::takes;
  run_for(10s);
  EXPECT_EQ(sent.size(), 1u);
  EXPECT_TRUE(kept["e"].disable);
}

TEST_F(BeatTest, MaxRunsCountsWhatWasTakenOverRestarts) {
  const Entry entry = entry_of("e", R"({"every": 1, "task": "t", "max_runs": 5})");
  load({entry});
  run_for(2s);
  restart({entry});
  broker = Broker::is_silent;
  run_for(10s);
  EXPECT_EQ(unanswered.size(), 3u);
  for (const auto& one : std::vector{unanswered}) core.on_accepted(one.entry, one.id, now);
  run_for(10s);
  EXPECT_EQ(kept["e"].record.total_run_count, 5u);
  EXPECT_TRUE(kept["e"].disable);
  EXPECT_EQ(unanswered.size(), 3u);
}

TEST_F(BeatTest, StartAndEndBoundTheTicks) {
  load({entry_of(
      "e",
      R"({"every": 2, "task": "t", "start": "2026-01-01T00:00:05Z", "end": "2026-01-01T00:00:09Z"})")});
  run_for(1min);
  EXPECT_EQ(ticks(),
            (Ticks{"2026-01-01T00:00:05Z", "2026-01-01T00:00:07Z", "2026-01-01T00:00:09Z"}));
}

TEST_F(BeatTest, ARefusedTickIsNotSentAgainAndIsTold) {
  load({entry_of("e", R"({"every": 10, "task": "t"})")});
  broker = Broker::refuses;
  run_for(10s);
  broker = Broker::takes;
  run_for(10s);
  EXPECT_EQ(ticks(), Ticks{"2026-01-01T00:00:20Z"});
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0], "e: the task of 2026-01-01T00:00:10Z was refused: no");
}

TEST_F(BeatTest, RunsAtOnceAreSentOnceEachAlsoOfADisabledEntryAndOverARestart) {
  const Entry entry = entry_of("e", R"({"every": 3600, "task": "t", "enabled": false})");
  load({entry});
  requests["e"] = 2;
  load({entry});
  EXPECT_EQ(sent.size(), 2u);
  EXPECT_EQ(kept["e"].record.runs_answered, 2u);
  restart({entry});
  EXPECT_EQ(sent.size(), 2u);
  requests["e"] = 3;
  broker = Broker::is_silent;
  load({entry});
  ASSERT_EQ(unanswered.size(), 1u);
  const Uuid third = unanswered[0].id;
  broker = Broker::takes;
  restart({entry});  // its answer was lost
  EXPECT_EQ(sent.size(), 3u);
  EXPECT_EQ(sent[2].id, third);
}

// ---- changes

TEST_F(BeatTest, EntriesThatDidNotChangeGoOnWhereTheyWere) {
  const Entry e = entry_of("e", R"({"every": 10, "task": "t"})");
  load({e});
  run_for(9s);
  load({e, entry_of("f", R"({"every": 1, "task": "t"})")});
  run_for(1s);
  EXPECT_EQ(ticks("e"), Ticks{"2026-01-01T00:00:10Z"});
  EXPECT_EQ(ticks("f"), Ticks{"2026-01-01T00:00:10Z"});
  load({e});
  run_for(10s);
  EXPECT_EQ(ticks("f").size(), 1u) << "it is gone";
  EXPECT_EQ(ticks("e").size(), 2u);
}

TEST_F(BeatTest, AChangedScheduleBeginsNow) {
  load({entry_of("e", R"({"every": 3600, "task": "t"})")});
  run_for(30min);
  load({entry_of("e", R"({"every": 60, "task": "t"})")});
  EXPECT_TRUE(sent.empty()) << "the minutes before were not missed";
  run_for(1min);
  EXPECT_EQ(ticks(), Ticks{"2026-01-01T00:31:00Z"});
}

TEST_F(BeatTest, OneThatIsEnabledAgainHasMissedNothing) {
  load({entry_of("e", R"({"every": 60, "task": "t", "enabled": false})")});
  run_for(30min);
  load({entry_of("e", R"({"every": 60, "task": "t"})")});
  EXPECT_TRUE(sent.empty());
  run_for(1min);
  EXPECT_EQ(sent.size(), 1u);
}

TEST_F(BeatTest, AnAnswerForAnEntryThatIsGoneIsDropped) {
  broker = Broker::is_silent;
  load({entry_of("e", R"({"every": 1, "task": "t"})")});
  run_for(1s);
  ASSERT_EQ(unanswered.size(), 1u);
  load({});
  EXPECT_EQ(core.in_flight(), 0u);
  load({entry_of("f", R"({"every": 1, "task": "t"})")});  // it has the place of the other
  core.on_accepted(unanswered[0].entry, unanswered[0].id, now);
  core.on_unknown(unanswered[0].entry, unanswered[0].id, now);
  core.on_not_sent(unanswered[0].entry, unanswered[0].id, now);
  turn();
  EXPECT_EQ(kept.count("f") == 0 ? 0 : kept["f"].record.total_run_count, 0u);
  EXPECT_EQ(core.find(unanswered[0].entry), nullptr);
}

TEST_F(BeatTest, WhoLostTheLeadSendsNothingUntilItGetsItsEntriesAgain) {
  const Entry entry = entry_of("e", R"({"every": 1, "task": "t", "missed": "all"})");
  load({entry});
  run_for(2s);
  core.stop();
  run_for(5s);
  EXPECT_EQ(sent.size(), 2u);
  EXPECT_EQ(core.next_deadline(now), std::nullopt);
  kept["e"].record.last_tick = at("2026-01-01T00:00:06Z");  // the other came so far
  load({entry});
  EXPECT_EQ(ticks().back(), "2026-01-01T00:00:07Z");
  EXPECT_EQ(sent.size(), 3u);
}

// ---- many

TEST_F(BeatTest, AHundredThousandEntriesSleepUntilTheNextIsDue) {
  std::vector<Entry> entries;
  entries.reserve(100'000);
  const Entry sample = entry_of("e", R"({"every": 3600, "task": "t"})");
  for (int i = 0; i < 100'000; ++i) {
    entries.push_back(sample);
    entries.back().name = "entry " + std::to_string(i);
    entries.back().start = at("2026-01-01T00:00:00Z") + i * Micros{36'000};
  }
  load(entries);
  EXPECT_EQ(core.entries(), 100'000u);
  sent.clear();
  wakes = 0;
  run_for(Micros{360'000});
  EXPECT_EQ(sent.size(), 10u);
  EXPECT_LE(wakes, 20);
  load(entries);  // nothing changed, nothing is lost
  sent.clear();
  run_for(Micros{360'000});
  EXPECT_EQ(sent.size(), 10u);
}

TEST_F(BeatTest, AHundredThousandTicksAtOnceGoInPieces) {
  std::vector<Entry> entries;
  const Entry sample = entry_of("e", R"({"every": 3600, "task": "t"})");
  for (int i = 0; i < 20'000; ++i) {
    entries.push_back(sample);
    entries.back().name = "entry " + std::to_string(i);
  }
  load(entries);
  broker = Broker::is_silent;
  pass(1h);
  core.turn(now, out);
  EXPECT_LE(out.submits.size(), 2'000u) << "answers are heard between";
  turn();
  EXPECT_LE(unanswered.size(), 5'000u);
  std::size_t answered = 0;
  for (; answered < unanswered.size(); ++answered) {
    core.on_accepted(unanswered[answered].entry, unanswered[answered].id, now);
    if (answered % 1'000 == 0) turn();
  }
  EXPECT_EQ(core.counters().sent, 20'000u);
}

}  // namespace
}  // namespace baozi::beat
