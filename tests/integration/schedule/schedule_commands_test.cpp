// `baozi schedule` on stored entries, as an administrator uses it: programs on a real SQLite file
// and a real PostgreSQL.
#include <algorithm>

#include <gtest/gtest.h>

#include "baozi/value.hpp"
#include "postgres_schedule_places.hpp"
#include "support/process.hpp"

namespace baozi::test {
namespace {

using Words = std::vector<std::string>;

struct Ran {
  int code = -1;
  std::string out;
  std::string err;
};

class ScheduleCommands : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    url_ = GetParam() == std::string{"Sqlite"} ? "sqlite:" + (folder_ / "schedule.db")
                                               : postgres().url(postgres().new_database());
  }
  Ran run(Words words, const std::string& variable = "") {
    words.insert(words.begin(), {std::string{BAOZI_BINARY_DIR} + "/bin/baozi", "schedule"});
    const std::string url = variable.empty() ? url_ : variable;
    Process process{words,
                    {.environment = {"BAOZI_SCHEDULE_STORE=" + url, "BAOZI_QUEUE=nonsense",
                                     "BAOZI_STORE=sqlite:/not/this"}}};
    Ran ran;
    ran.code = process.wait(std::chrono::seconds{60}).value_or(-1);
    ran.out = process.out();
    ran.err = process.err();
    return ran;
  }
  /// Runs what must work; what it printed.
  std::string fine(const Words& words) {
    const Ran ran = run(words);
    EXPECT_EQ(ran.code, 0) << words.front() << ": " << ran.err;
    EXPECT_EQ(ran.err, "") << words.front();
    return ran.out;
  }
  Value json(Words words) {
    words.emplace_back("--json");
    return Value::from_json(fine(words));
  }
  /// Runs what must be refused, in one line.
  void refused(const Words& words, int code, const std::string& says) {
    const Ran ran = run(words);
    EXPECT_EQ(ran.code, code) << says;
    EXPECT_EQ(ran.out, "") << says;
    EXPECT_TRUE(ran.err.starts_with("baozi schedule: " + says)) << ran.err;
    EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
  }
  static std::string text(const Value& map, const char* field) { return map.at(field).as_string(); }

  TempDir folder_;
  std::string url_;
};

TEST_P(ScheduleCommands, AnEntryIsAddedShownEditedAndRemoved) {
  EXPECT_TRUE(fine({"add",
                    "nightly",
                    "--crontab",
                    "30 2 * * *",
                    "--zone",
                    "Europe/Berlin",
                    "--task",
                    "report.build",
                    "--args",
                    "[7, \"x\"]",
                    "--kwargs",
                    R"({"deep": true})",
                    "--queue",
                    "reports",
                    "--priority",
                    "9",
                    "--expires",
                    "1h",
                    "--header",
                    "tenant=a",
                    "--header",
                    "trace=b=c",
                    "--start",
                    "2026-01-01T00:00:00Z",
                    "--end",
                    "2126-01-01T00:00:00Z",
                    "--max-runs",
                    "1000",
                    "--missed",
                    "all",
                    "--missed-limit",
                    "5",
                    "--overlap",
                    "skip",
                    "--jitter",
                    "5s",
                    "--description",
                    "builds it"})
                  .starts_with("nightly added, next 2"));
  const Value shown = json({"show", "nightly"});
  EXPECT_EQ(shown.at("crontab").to_json(), R"({"hour":"2","minute":"30"})");
  EXPECT_EQ(shown.at("args").to_json(), R"([7,"x"])");
  EXPECT_EQ(shown.at("headers").to_json(), R"({"tenant":"a","trace":"b=c"})");
  EXPECT_EQ(text(shown, "queue"), "reports");
  EXPECT_EQ(text(shown, "overlap"), "skip");
  EXPECT_EQ(shown.at("missed_limit"), Value{5});
  EXPECT_EQ(shown.at("total_run_count"), Value{0});
  EXPECT_TRUE(text(shown, "next").ends_with("30:00Z"));

  fine({"edit", "nightly", "--every", "90s", "--queue", "", "--one-off", "--max-runs", ""});
  const Value edited = json({"show", "nightly"});
  EXPECT_EQ(text(edited, "every"), "1m30s");
  EXPECT_EQ(edited.find("crontab"), nullptr);
  EXPECT_EQ(edited.find("queue"), nullptr);
  EXPECT_EQ(edited.find("max_runs"), nullptr);
  EXPECT_EQ(edited.at("one_off"), Value{true});
  EXPECT_EQ(text(edited, "zone"), "Europe/Berlin");
  EXPECT_EQ(edited.at("args"), shown.at("args"));
  fine({"edit", "nightly", "--one-off=false"});
  EXPECT_EQ(json({"show", "nightly"}).find("one_off"), nullptr);

  EXPECT_EQ(fine({"disable", "nightly"}), "nightly disabled\n");
  EXPECT_EQ(json({"show", "nightly"}).at("next"), Value{});
  EXPECT_EQ(json({"show", "nightly"}).at("enabled"), Value{false});
  fine({"enable", "nightly"});
  fine({"run", "nightly"});
  EXPECT_EQ(json({"show", "nightly"}).at("run_requests"), Value{1});
  EXPECT_NE(fine({"list"}).find("every 1m30s"), std::string::npos);
  EXPECT_EQ(json({"list"}).size(), 1U);
  EXPECT_NE(fine({"show", "nightly"}).find("report.build"), std::string::npos);
  EXPECT_EQ(fine({"remove", "nightly"}), "nightly removed\n");
  EXPECT_EQ(json({"list"}).size(), 0U);

  std::string what;
  const Value history = json({"history", "nightly"});
  for (const Value& change : history.as_array()) what += text(change, "what") + " ";
  EXPECT_EQ(what, "remove run enable disable edit edit add ");
  EXPECT_NE(text(history.at(0), "who").find('@'), std::string::npos);
  EXPECT_EQ(history.at(0).at("after"), Value{});
  EXPECT_EQ(history.at(0).at("before"), history.at(2).at("after"));
  EXPECT_NE(fine({"history", "-n", "5"}).find("enabled: - → false"), std::string::npos);
}

TEST_P(ScheduleCommands, WhatIsWrongIsRefusedBeforeAnythingIsStored) {
  fine({"add", "there", "--every", "3", "--task", "t"});
  refused({"add", "a", "--crontab", "61 * * * *", "--task", "t"}, 2,
          "entry 'a': minute: '61' is outside 0 to 59");
  refused({"add", "a", "--every", "3"}, 2,
          "entry 'a': task: the name of the task to send is needed");
  refused({"add", "a", "--every", "3", "--task", "t", "--priority", "12"}, 2,
          "entry 'a': priority: '12' is no whole number from 0 to 9");
  refused({"add", "a", "--every", "3", "--task", "t", "--missed", "some"}, 2,
          "entry 'a': missed: 'some' is none of skip, last, all");
  refused({"add", "a", "--every", "3", "--task", "t", "--header", "x"}, 2,
          "--header: 'x' is not of the form KEY=VALUE");
  refused({"add", "a", "--task", "t"}, 2,
          "say when with one of --crontab, --cron, --every, --solar, --clocked");
  refused({"add", "there", "--every", "3", "--task", "t"}, 1,
          "entry 'there': is there already; `baozi schedule edit` changes it");
  refused({"edit", "there", "--zone", "Berlin"}, 2,
          "entry 'there': zone: there is no 'Berlin' in the tz database; did you mean "
          "'Europe/Berlin'?");
  refused({"edit", "gone", "--queue", "q"}, 1, "there is no entry 'gone'");
  refused({"show", "gone"}, 1, "there is no entry 'gone'");
  refused({"enable", "gone"}, 1, "there is no entry 'gone'");
  EXPECT_EQ(json({"history"}).size(), 1U);
}

TEST_P(ScheduleCommands, NextTellsWhenAStoredEntryIsDue) {
  fine({"add", "a", "--crontab", "3 * * * *", "--zone", "Europe/Berlin", "--task", "t"});
  EXPECT_EQ(json({"next", "a", "--from", "2026-03-28T00:00:00Z", "-n", "2"}).to_json(),
            R"(["2026-03-28T00:03:00Z","2026-03-28T01:03:00Z"])");
  refused({"next", "a", "--every", "3"}, 2,
          "entry 'a' says when, in which zone and from when: leave these options away");
  refused({"next", "b"}, 1, "there is no entry 'b'");
}

TEST_P(ScheduleCommands, FilesAreImportedAndExported) {
  const std::string file = folder_.write("schedule.yaml", R"(
zone: Asia/Shanghai
entries:
  add every 3 seconds: {every: 3, task: c.add, args: [10, 10]}
  'it''s: "quoted"': {crontab: {minute: '*/3'}, task: c.add, description: "a\nb", zone: UTC}
)");
  EXPECT_EQ(fine({"import", file, "--dry-run"}),
            "would be: 2 added, 0 changed, 0 as they were, 0 removed\n");
  EXPECT_EQ(json({"list"}).size(), 0U);
  EXPECT_EQ(fine({"import", file}), "2 added, 0 changed, 0 as they were, 0 removed\n");
  EXPECT_EQ(fine({"import", file}), "0 added, 0 changed, 2 as they were, 0 removed\n");
  EXPECT_EQ(text(json({"show", "add every 3 seconds"}), "zone"), "Asia/Shanghai");

  fine({"add", "more", "--cron", "@daily", "--task", "t"});
  fine({"edit", "add every 3 seconds", "--every", "4"});
  refused({"import", file, "--prune"}, 1,
          "entry 'add every 3 seconds': another one is there already; --replace takes its place");
  const Value before = json({"list"});
  const std::string yaml = folder_ / "out.yaml";
  const std::string js = folder_ / "out.json";
  EXPECT_EQ(fine({"export", yaml}), "3 written to " + yaml + "\n");
  fine({"export", js});
  EXPECT_EQ(fine({"import", file, "--replace", "--prune"}),
            "0 added, 1 changed, 1 as they were, 1 removed\n");
  EXPECT_EQ(json({"list"}).size(), 2U);
  EXPECT_EQ(fine({"import", yaml, "--replace"}), "1 added, 1 changed, 1 as they were, 0 removed\n");
  EXPECT_EQ(fine({"import", js}), "0 added, 0 changed, 3 as they were, 0 removed\n");
  EXPECT_EQ(fine({"export", "--json"}), TempDir::read(js));

  const std::string wrong = folder_.write(
      "wrong.yaml", "entries:\n  fine: {every: 3, task: t}\n  bad: {every: never, task: t}\n");
  const Ran ran = run({"import", wrong});
  EXPECT_EQ(ran.code, 2);
  EXPECT_TRUE(ran.err.starts_with("baozi schedule: " + wrong + ":3:")) << ran.err;
  EXPECT_EQ(json({"list"}).size(), 3U);
}

TEST_P(ScheduleCommands, AStoreThatIsNotThereIsNamed) {
  EXPECT_EQ(run({"list"}, "sqlite:/no/such/folder/x.db").err,
            "baozi schedule: store: folder /no/such/folder does not exist: create it, or give "
            "another path\n");
  EXPECT_EQ(run({"list"}, "postgresql://eva:geheim@127.0.0.1:1/db").code, 1);
  EXPECT_EQ(run({"list"}, "postgresql://eva:geheim@127.0.0.1:1/db").err.find("geheim"),
            std::string::npos);
  EXPECT_EQ(run({"list", "--store", "mysql://x"}).code, 2);
  EXPECT_EQ(run({"list"}, "memory:").code, 2);
}

INSTANTIATE_TEST_SUITE_P(Each, ScheduleCommands, testing::Values("Sqlite", "Postgres"),
                         [](const auto& kind) { return std::string{kind.param}; });

}  // namespace
}  // namespace baozi::test
