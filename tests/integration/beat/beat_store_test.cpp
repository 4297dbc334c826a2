// A schedule in a database, and the progress of a file in one: who leads, what is seen of a change,
// what a restart knows.
#include <algorithm>

#include "beat_fixture.hpp"
#include "store/open_store.hpp"
#include "support/postgres_server.hpp"

namespace baozi::test {
namespace {

class BeatStore : public BeatProgram, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    BeatProgram::SetUp();
    if (GetParam() == std::string{"Postgres"}) {
      server = std::make_unique<PostgresServer>();
      url = server->url();
    }
    auto opened = store::open_schedule_store(url);
    ASSERT_TRUE(opened) << opened.error().message;
    store = std::move(*opened);
  }
  void put(const std::string& name, const std::string& json) {
    auto entry = beat::Entry::parse(name, Value::from_json(json));
    ASSERT_TRUE(entry) << entry.error().message;
    const std::vector<beat::Entry> entries{*entry};
    ASSERT_TRUE(store->put(entries, "add", "this test", base::wall_now()));
  }
  void put_ticking() {
    put("e",
        R"({"every": "0.2", "task": "t.mark_id", "missed": "all", "args": [")" + marks + R"("]})");
  }
  std::unique_ptr<Process> start_on_store(const std::string& name) {
    logs.push_back(cluster.folder() / ("beat." + std::to_string(logs.size()) + ".log"));
    return std::make_unique<Process>(std::vector<std::string>{
        std::string{BAOZI_BINARY_DIR} + "/bin/baozi-beat", "-f", logs.back(), "-n", name + "@test",
        "--broker", cluster.address(), "--store", url});
  }
  [[nodiscard]] beat::EntryRecord record(const std::string& name) {
    auto found = store->find(name);
    return found && *found ? (*found)->record : beat::EntryRecord{};
  }

  std::unique_ptr<PostgresServer> server;
  std::string url = "sqlite:" + (cluster.folder() / "schedule.db");
  std::unique_ptr<store::ScheduleStore> store;
};

TEST_P(BeatStore, AnotherBeatTakesOverWithinSecondsAndNoTickIsLostOrRunTwice) {
  const WallTime begin = base::wall_now();
  put_ticking();
  auto first = start_on_store("first");
  ASSERT_TRUE(has_run(3));
  auto second = start_on_store("second");
  ASSERT_TRUE(says("another beat leads (first@test "));
  first->kill();
  ASSERT_TRUE(says("this beat leads"));
  ASSERT_TRUE(has_run(runs().size() + 3));
  first = start_on_store("first");
  ASSERT_TRUE(says("another beat leads (second@test "));
  second->signal(SIGTERM);  // gives the lead back: the next need not wait for its end
  EXPECT_EQ(second->wait(), 0);
  ASSERT_TRUE(says("this beat leads"));
  ASSERT_TRUE(has_run(runs().size() + 3));
  first->signal(SIGTERM);
  EXPECT_EQ(first->wait(), 0);
  ASSERT_TRUE(eventually(
      [&] { return cluster.status("books.queued") == 0 && cluster.status("books.leased") == 0; }));
  expect_no_gap_and_none_twice(begin);
  EXPECT_EQ(record("e").total_run_count, runs().size());
}

TEST_P(BeatStore, ChangesAreSeenWhileItRuns) {
  put("slow", R"({"every": 3600, "task": "t.mark_id", "args": [")" + marks + R"("]})");
  auto beat = start_on_store("beat");
  ASSERT_TRUE(says("the schedule has 1 entry"));
  put_ticking();
  ASSERT_TRUE(has_run(2));
  ASSERT_TRUE(store->remove("e", "this test", base::wall_now()));
  ASSERT_TRUE(eventually(
      [&] {
        const std::string log = TempDir::read(logs.back());
        const std::size_t first = log.find("the schedule has 1 entry");
        return log.find("the schedule has 1 entry", first + 1) != std::string::npos;
      },
      30s));
  ASSERT_TRUE(eventually(
      [&] { return cluster.status("books.queued") == 0 && cluster.status("books.leased") == 0; }));
  const std::size_t before = runs().size();
  ASSERT_TRUE(store->request_run("slow", "this test", base::wall_now()));
  ASSERT_TRUE(has_run(before + 1));
  EXPECT_TRUE(eventually([&] { return record("slow").runs_answered == 1; }));
  EXPECT_EQ(record("slow").total_run_count, 1u);
}

TEST_P(BeatStore, WhatHasRunOutIsDisabledThere) {
  put("once",
      R"({"every": "0.2", "task": "t.mark_id", "one_off": true, "args": [")" + marks + R"("]})");
  auto beat = start_on_store("beat");
  ASSERT_TRUE(has_run(1));
  EXPECT_TRUE(eventually([&] {
    auto found = store->find("once");
    return found && *found && !(*found)->entry.enabled && (*found)->record.total_run_count == 1;
  }));
}

TEST_P(BeatStore, TheProgressOfAFileOutlivesItsBeat) {
  const WallTime begin = base::wall_now();
  write(ticking());
  auto beat = start_beat({"--state", url});
  ASSERT_TRUE(has_run(3));
  beat->kill();
  const WallTime later = base::wall_now() + 6 * interval;
  ASSERT_TRUE(eventually([&] { return base::wall_now() >= later; }));
  beat = start_beat({"--state", url});
  ASSERT_TRUE(has_run(runs().size() + 8)) << "those that were due while no beat ran, and more";
  beat->signal(SIGTERM);
  EXPECT_EQ(beat->wait(), 0);
  ASSERT_TRUE(eventually(
      [&] { return cluster.status("books.queued") == 0 && cluster.status("books.leased") == 0; }));
  expect_no_gap_and_none_twice(begin);
}

INSTANTIATE_TEST_SUITE_P(On, BeatStore, testing::Values("Sqlite", "Postgres"),
                         [](const auto& kind) { return std::string{kind.param}; });

class BeatOnAServer : public BeatStore {};

TEST_P(BeatOnAServer, GoesOnWithWhatItKnowsWhileTheServerIsAway) {
  const WallTime begin = base::wall_now();
  put_ticking();
  auto beat = start_on_store("beat");
  ASSERT_TRUE(has_run(3));
  server->stop();
  ASSERT_TRUE(has_run(runs().size() + 10));
  server->start();
  ASSERT_TRUE(has_run(runs().size() + 3));
  put("slow", R"({"every": 3600, "task": "t.mark_id"})");  // a change is seen again
  ASSERT_TRUE(says("the schedule has 2 entries"));
  beat->signal(SIGTERM);
  EXPECT_EQ(beat->wait(), 0);
  ASSERT_TRUE(eventually(
      [&] { return cluster.status("books.queued") == 0 && cluster.status("books.leased") == 0; }));
  expect_no_gap_and_none_twice(begin);
  EXPECT_EQ(record("e").total_run_count, runs().size());
}

INSTANTIATE_TEST_SUITE_P(On, BeatOnAServer, testing::Values("Postgres"),
                         [](const auto& kind) { return std::string{kind.param}; });

}  // namespace
}  // namespace baozi::test
