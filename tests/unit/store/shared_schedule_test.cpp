// Several at one database: beats, the command line, and an administrator with SQL.
#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "schedule_places.hpp"

namespace baozi::store {
namespace {

using beat::Entry;
using test::entry;
using test::noon;

class SharedSchedule : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    place_ = test::schedule_place(GetParam());
    first_ = place_->open();
    second_ = place_->open();
  }
  static void put(ScheduleStore& store, const Entry& entry) {
    const Result<void> done = store.put(std::span{&entry, 1}, "add", "eva@host", noon);
    ASSERT_TRUE(done) << done.error().message;
  }
  std::unique_ptr<test::SchedulePlace> place_;
  std::unique_ptr<ScheduleStore> first_;
  std::unique_ptr<ScheduleStore> second_;
};

TEST_P(SharedSchedule, WhatOneChangesTheOtherSees) {
  const std::uint64_t before = *second_->version();
  put(*first_, entry("a"));
  EXPECT_GT(*second_->version(), before);
  EXPECT_EQ((*second_->find("a"))->entry, entry("a"));
}

TEST_P(SharedSchedule, OneOfTwoLeadsAndTheOtherTakesOver) {
  EXPECT_TRUE(*first_->lead("beat1", Micros{60'000'000}));
  EXPECT_FALSE(*second_->lead("beat2", Micros{60'000'000}));
  EXPECT_EQ(*second_->leader(), "beat1");
  ASSERT_TRUE(*first_->lead("beat1", Micros{300'000}));  // and then it is killed
  first_.reset();
  EXPECT_TRUE(test::eventually([&] { return *second_->lead("beat2", Micros{60'000'000}); }));
  EXPECT_EQ(*second_->leader(), "beat2");
}

TEST_P(SharedSchedule, ChangesOfManyAtTheSameTimeAllCount) {
  constexpr int threads = 4;
  constexpr int rounds = 25;
  put(*first_, entry("counted", R"({"every": "30s", "task": "t", "max_runs": 1})"));
  std::atomic<int> failed{0};
  {
    std::vector<std::jthread> all;
    for (int number = 0; number < threads; ++number) {
      all.emplace_back([&, number] {
        const auto mine = place_->open();
        for (int i = 0; i < rounds; ++i) {
          const Entry own = entry("e" + std::to_string(number) + "-" + std::to_string(i));
          if (!mine->put(std::span{&own, 1}, "add", "eva@host", noon)) ++failed;
          const auto more = [](const Entry& before) {
            Entry after = before;
            after.max_runs = *before.max_runs + 1;
            return after;
          };
          if (!mine->edit("counted", more, "edit", "eva@host", noon)) ++failed;
        }
      });
    }
  }
  EXPECT_EQ(failed, 0);
  std::vector<std::string> broken;
  EXPECT_EQ(first_->load(broken)->size(), 1U + threads * rounds);
  EXPECT_EQ((*first_->find("counted"))->entry.max_runs, 1U + threads * rounds);
  EXPECT_EQ(first_->changes("", 1)->front().number, 1U + 2 * threads * rounds);
}

TEST_P(SharedSchedule, AnAdministratorMayAddAndEditRowsWithSql) {
  const std::uint64_t empty = *first_->version();
  place_->sql(
      "INSERT INTO baozi_schedule (name, kind, minute, hour, zone, task, args) VALUES "
      "('nightly', 'crontab', '30', '2', 'Europe/Berlin', 'report.build', '[1]')");
  const std::uint64_t added = *first_->version();
  EXPECT_GT(added, empty);
  EXPECT_EQ((*first_->find("nightly"))->entry,
            entry("nightly", R"({"crontab": {"minute": 30, "hour": 2}, "zone": "Europe/Berlin",
                                 "task": "report.build", "args": [1]})"));
  place_->sql("UPDATE baozi_schedule SET enabled = '0', start_time = '2026-12-01 10:00:00Z'");
  const std::uint64_t edited = *first_->version();
  EXPECT_GT(edited, added);
  EXPECT_FALSE((*first_->find("nightly"))->entry.enabled);
  EXPECT_EQ(micros(*(*first_->find("nightly"))->entry.start), 1'796'119'200'000'000);
  place_->sql("UPDATE baozi_schedule SET total_run_count = 5");  // progress is no change
  EXPECT_EQ(*first_->version(), edited);
  place_->sql("DELETE FROM baozi_schedule");
  EXPECT_GT(*first_->version(), edited);
}

TEST_P(SharedSchedule, ARowThatIsNoEntryIsNamedAndTheOthersGoOn) {
  put(*first_, entry("fine"));
  place_->sql(
      "INSERT INTO baozi_schedule (name, kind, minute, every, zone, task, kwargs) VALUES "
      "('late', 'crontab', '61', NULL, 'UTC', 't', '{}'), "
      "('lost', 'every', NULL, '3s', 'Europe/Berln', 't', '{}'), "
      "('odd', 'every', NULL, NULL, 'UTC', 't', '{}'), "
      "('other', 'every', NULL, '3s', 'UTC', 't', '[]')");
  std::vector<std::string> broken;
  const auto all = first_->load(broken);
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), 1U);
  EXPECT_EQ(all->front().entry.name, "fine");
  EXPECT_EQ(broken, (std::vector<std::string>{
                        "entry 'late': minute: '61' is outside 0 to 59",
                        "entry 'lost': zone: there is no 'Europe/Berln' in the tz database; did "
                        "you mean 'Europe/Berlin'?",
                        "entry 'odd': every: is empty, and kind is 'every'",
                        "entry 'other': kwargs: '[]' is no map"}));
  const auto one = first_->find("late");
  ASSERT_FALSE(one);
  EXPECT_EQ(one.error().code, Errc::store_corrupt);
  EXPECT_TRUE(one.error().message.ends_with(": entry 'late': minute: '61' is outside 0 to 59"))
      << one.error().message;
  put(*first_, entry("late"));  // which mends it
  EXPECT_EQ((*first_->find("late"))->entry, entry("late"));
  EXPECT_TRUE(*first_->remove("lost", "eva@host", noon));
}

TEST_P(SharedSchedule, WhatTheTablesForbidIsRefusedAtOnce) {
  EXPECT_ANY_THROW(
      place_->sql("INSERT INTO baozi_schedule (name, kind, task) VALUES ('a', 'sometimes', 't')"));
  EXPECT_ANY_THROW(place_->sql(
      "INSERT INTO baozi_schedule (name, kind, every, task, priority) VALUES ('a', 'every', '3', "
      "'t', 12)"));
  Entry zero = entry("a");
  zero.description = std::string{"a\0b", 3};
  const auto done = first_->put(std::span{&zero, 1}, "add", "eva@host", noon);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::invalid);
}

TEST_P(SharedSchedule, ANewerSchemaIsRefused) {
  place_->sql(GetParam() == std::string{"Sqlite"}
                  ? "UPDATE about SET value = 7 WHERE name = 'schema'"
                  : "UPDATE baozi_schedule_state SET schema_number = 7");
  try {
    (void)place_->open();
    ADD_FAILURE() << "it was opened";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(
        std::string{error.what()}.find("written by a newer baozi (schema 7, this one knows 1)"),
        std::string::npos)
        << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(Each, SharedSchedule, ::testing::ValuesIn(test::database_kinds()),
                         [](const auto& kind) { return std::string{kind.param}; });

}  // namespace
}  // namespace baozi::store
