// What a store of schedules promises, the same for memory, SQLite and PostgreSQL. "Two openings"
// are two connections, as two processes have them.
#include "store/schedule_store.hpp"

#include <gtest/gtest.h>

#include "beat/schedule/instant.hpp"
#include "schedule_places.hpp"

namespace baozi::store {
namespace {

using beat::Entry;
using test::entry;
using test::noon;
using test::SchedulePlace;

class ScheduleStores : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    place_ = test::schedule_place(GetParam());
    store_ = place_->open();
  }
  void put(const Entry& entry, const char* what = "add") {
    const Result<void> done = store_->put(std::span{&entry, 1}, what, "eva@host", noon);
    ASSERT_TRUE(done) << done.error().message;
  }
  std::uint64_t version() { return *store_->version(); }
  StoredEntry stored(const std::string& name) { return **store_->find(name); }

  std::unique_ptr<SchedulePlace> place_;
  std::unique_ptr<ScheduleStore> store_;
};

TEST_P(ScheduleStores, EveryFieldOfEveryKindComesBack) {
  const Entry all = entry("all", R"({
    "crontab": {"minute": "*/3", "day_of_week": "mon-fri"}, "zone": "Asia/Shanghai",
    "task": "c.add", "args": [10, 2.5, "zwölf", null], "kwargs": {"c": {"d": [true]}},
    "queue": "math", "priority": 9, "headers": {"tenant": "x"}, "expires": "30s", "one_off": true,
    "start": "2026-01-01T00:00:00.000001Z", "end": "2027-01-01T00:00:00Z", "max_runs": 7,
    "enabled": false, "missed": "all", "missed_limit": 5, "overlap": "skip", "jitter": "2.5s",
    "description": "adds 'numbers'; --"})");
  put(all);
  EXPECT_EQ(stored("all").entry, all);
  for (
      const char* json :
      {R"({"every": "1h30m", "relative": true, "task": "t"})", R"({"every": 0.5, "task": "t"})",
       R"({"crontab": {"hour": 4, "minute": [1, 2]}, "task": "t"})",
       R"({"cron": "30 0 4 * * MON#1", "task": "t"})",
       R"({"solar": {"event": "sunset", "latitude": -33.8688197, "longitude": 151.2}, "task": "t"})",
       R"({"clocked": "2026-12-01T10:00:00Z", "task": "t"})"}) {
    const Entry one = entry("one", json);
    put(one);
    EXPECT_EQ(stored("one").entry, one) << json;
  }
}

TEST_P(ScheduleStores, EntriesComeInTheOrderOfTheirNamesWhateverTheDatabaseSortsBy) {
  for (const char* name : {"b", "ä", "a", "B", "a b", "a-b"}) put(entry(name));
  std::vector<std::string> broken;
  const auto all = store_->load(broken);
  ASSERT_TRUE(all) << all.error().message;
  std::string names;
  for (const StoredEntry& one : *all) names += one.entry.name + ",";
  EXPECT_EQ(names, "B,a,a b,a-b,b,ä,");
  EXPECT_TRUE(broken.empty());
}

TEST_P(ScheduleStores, WhatIsNotThereIsAnAnswer) {
  EXPECT_FALSE(store_->find("x")->has_value());
  EXPECT_FALSE(*store_->remove("x", "eva@host", noon));
  EXPECT_FALSE(*store_->request_run("x", "eva@host", noon));
  EXPECT_FALSE(*store_->edit(
      "x", [](const Entry& e) { return e; }, "edit", "eva@host", noon));
  EXPECT_TRUE(store_->changes("x", 10)->empty());
}

TEST_P(ScheduleStores, TheVersionGrowsWithChangesAndRequestsAndNotWithProgress) {
  const std::uint64_t empty = version();
  put(entry("a"));
  const std::uint64_t added = version();
  EXPECT_GT(added, empty);
  put(entry("a"));  // equal: no change
  EXPECT_EQ(version(), added);
  put(entry("a", R"({"every": "31s", "task": "c.add"})"), "edit");
  const std::uint64_t edited = version();
  EXPECT_GT(edited, added);
  ASSERT_TRUE(*store_->request_run("a", "eva@host", noon));
  const std::uint64_t requested = version();
  EXPECT_GT(requested, edited);
  ASSERT_TRUE(*store_->lead("beat1", Micros{60'000'000}));
  ASSERT_TRUE(
      store_->record(std::vector<EntryProgress>{{"a", {noon, noon, 1, "id", 1}, false}}, "beat1"));
  EXPECT_EQ(version(), requested);
  ASSERT_TRUE(*store_->remove("a", "eva@host", noon));
  EXPECT_GT(version(), requested);
}

TEST_P(ScheduleStores, ProgressStaysWhenAnEntryIsEditedAndGoesWithIt) {
  put(entry("a"));
  ASSERT_TRUE(*store_->lead("beat1", Micros{60'000'000}));
  const beat::EntryRecord record{noon, noon + Micros{1}, 12, "some-id", 3};
  ASSERT_TRUE(store_->record(
      std::vector<EntryProgress>{{"a", record, false}, {"gone", record, false}}, "beat1"));
  put(entry("a", R"({"every": "31s", "task": "c.add"})"), "edit");
  EXPECT_EQ(stored("a").record, record);
  ASSERT_TRUE(*store_->remove("a", "eva@host", noon));
  put(entry("a"));
  EXPECT_EQ(stored("a").record, beat::EntryRecord{});
}

TEST_P(ScheduleStores, RequestsOfARunAreCounted) {
  put(entry("a"));
  ASSERT_TRUE(*store_->request_run("a", "eva@host", noon));
  ASSERT_TRUE(*store_->request_run("a", "eva@host", noon));
  EXPECT_EQ(stored("a").run_requests, 2U);
}

TEST_P(ScheduleStores, TheHistoryTellsWhoDidWhatWhen) {
  put(entry("a"));
  put(entry("b"));
  const auto disable = [](const Entry& before) {
    Entry after = before;
    after.enabled = false;
    return after;
  };
  ASSERT_TRUE(*store_->edit("a", disable, "disable", "tom@desk", noon + Micros{1'500'000}));
  ASSERT_TRUE(*store_->edit("a", disable, "disable", "tom@desk", noon));  // it is: no change
  ASSERT_TRUE(*store_->remove("a", "eva@host", noon));
  const auto all = store_->changes("a", 10);
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), 3U);
  const ScheduleChange& removed = (*all)[0];
  const ScheduleChange& disabled = (*all)[1];
  const ScheduleChange& added = (*all)[2];
  EXPECT_EQ(removed.what + removed.after, "remove");
  EXPECT_EQ(removed.before, disabled.after);
  EXPECT_EQ(disabled.number, 3U);
  EXPECT_EQ(disabled.who, "tom@desk");
  EXPECT_EQ(disabled.at, noon + Micros{1'500'000});
  EXPECT_EQ(disabled.before, added.after);
  EXPECT_EQ(Value::from_json(disabled.after).at("enabled"), Value{false});
  EXPECT_EQ(added.before, "");
  EXPECT_EQ(store_->changes("", 2)->size(), 2U);
  EXPECT_EQ(store_->changes("", 2)->front().number, 4U);
}

TEST_P(ScheduleStores, AnEditThatIsRefusedChangesNothing) {
  put(entry("a"));
  const std::uint64_t before = version();
  const auto done = store_->edit(
      "a", [](const Entry&) -> Result<Entry> { return unexpected(Errc::invalid, "no"); }, "edit",
      "eva@host", noon);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message, "no");
  EXPECT_EQ(version(), before);
  EXPECT_EQ(store_->changes("a", 10)->size(), 1U);
}

TEST_P(ScheduleStores, OneLeadsUntilItGivesUpOrItsTimeIsOver) {
  EXPECT_EQ(*store_->leader(), "");
  EXPECT_TRUE(*store_->lead("beat1", Micros{60'000'000}));
  EXPECT_FALSE(*store_->lead("beat2", Micros{60'000'000}));
  EXPECT_TRUE(*store_->lead("beat1", Micros{60'000'000}));
  EXPECT_EQ(*store_->leader(), "beat1");
  ASSERT_TRUE(store_->yield_lead("beat2"));  // which has nothing to give
  EXPECT_EQ(*store_->leader(), "beat1");
  ASSERT_TRUE(store_->yield_lead("beat1"));
  EXPECT_EQ(*store_->leader(), "");
  EXPECT_TRUE(*store_->lead("beat2", Micros{1}));
  EXPECT_TRUE(test::eventually([&] { return *store_->lead("beat1", Micros{60'000'000}); }));
}

TEST_P(ScheduleStores, OnlyTheLeaderWritesProgress) {
  put(entry("a"));
  const std::vector<EntryProgress> progress{{"a", {noon, noon, 1, "id", 0}, false}};
  EXPECT_EQ(store_->record(progress, "beat1").error().code, Errc::invalid);
  ASSERT_TRUE(*store_->lead("beat1", Micros{1}));
  ASSERT_TRUE(test::eventually([&] { return *store_->lead("beat2", Micros{60'000'000}); }));
  EXPECT_EQ(store_->record(progress, "beat1").error().code, Errc::invalid);
  EXPECT_EQ(stored("a").record, beat::EntryRecord{});
  EXPECT_TRUE(store_->record(progress, "beat2"));
}

TEST_P(ScheduleStores, AnEntryThatHasRunOutIsDisabledAndTheHistorySaysSo) {
  put(entry("a"));
  ASSERT_TRUE(*store_->lead("beat1", Micros{60'000'000}));
  const std::uint64_t before = version();
  const std::vector<EntryProgress> progress{{"a", {noon, noon, 1, "id", 0}, true}};
  ASSERT_TRUE(store_->record(progress, "beat1"));
  EXPECT_FALSE(stored("a").entry.enabled);
  EXPECT_GT(version(), before);
  EXPECT_EQ(store_->changes("a", 1)->front().what, "disable");
  EXPECT_EQ(store_->changes("a", 1)->front().who, "beat1");
}

TEST_P(ScheduleStores, AThousandAtOnce) {
  std::vector<Entry> many;
  std::vector<EntryProgress> progress;
  for (int i = 0; i < 1'000; ++i) {
    many.push_back(entry("e" + std::to_string(i)));
    progress.push_back({many.back().name, {noon, noon, 5, "id", 0}, i % 2 == 1});
  }
  const std::uint64_t before = version();
  ASSERT_TRUE(store_->put(many, "import", "eva@host", noon));
  EXPECT_GT(version(), before);
  ASSERT_TRUE(*store_->lead("beat1", Micros{60'000'000}));
  const Result<void> recorded = store_->record(progress, "beat1");
  ASSERT_TRUE(recorded) << recorded.error().message;
  std::vector<std::string> broken;
  const auto all = store_->load(broken);
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(all->size(), 1'000U);
  EXPECT_EQ(all->back().record.total_run_count, 5U);
  EXPECT_FALSE(stored("e999").entry.enabled);
  EXPECT_TRUE(stored("e998").entry.enabled);
}

INSTANTIATE_TEST_SUITE_P(Each, ScheduleStores, ::testing::ValuesIn(test::schedule_place_kinds()),
                         [](const auto& kind) { return std::string{kind.param}; });

}  // namespace
}  // namespace baozi::store
