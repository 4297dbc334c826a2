// `baozi schedule next`, which needs no network.
#include "programs.hpp"

namespace baozi::test {
namespace {

using Words = std::vector<std::string>;

class ScheduleCommand : public testing::Test {
 protected:
  static Ran run(Words words) {
    words.insert(words.begin(), {program("baozi"), "schedule"});
    Process process{words};
    Ran ran;
    ran.code = process.wait(std::chrono::seconds{60}).value_or(-1);
    ran.out = process.out();
    ran.err = process.err();
    return ran;
  }
  static Ran next(Words words) {
    words.insert(words.begin(), "next");
    return run(words);
  }
  /// "A B C" of the JSON array.
  static std::string instants(Words words) {
    words.emplace_back("--json");
    const Ran ran = next(words);
    EXPECT_EQ(ran.code, 0) << ran.err;
    std::string line;
    const Value printed = Value::from_json(ran.out);
    for (const Value& instant : printed.as_array()) {
      line += (line.empty() ? "" : " ") + instant.as_string();
    }
    return line;
  }
};

TEST_F(ScheduleCommand, PrintsInstantsInUtcAsAJsonArray) {
  EXPECT_EQ(instants({"--crontab", "3 * * * *", "--zone", "Europe/Berlin", "--from",
                      "2026-03-28T00:00:00Z", "-n", "3"}),
            "2026-03-28T00:03:00Z 2026-03-28T01:03:00Z 2026-03-28T02:03:00Z");
  EXPECT_EQ(instants({"--crontab", "30 2 * * *", "--zone", "Europe/Berlin", "--from",
                      "2026-03-28T02:00:00Z", "-n", "2"}),
            "2026-03-29T01:00:00Z 2026-03-30T00:30:00Z");
  EXPECT_EQ(instants({"--cron", "0 0 13 * fri", "--from", "2026-01-09T00:00:00Z", "-n", "2"}),
            "2026-01-13T00:00:00Z 2026-01-16T00:00:00Z");
  EXPECT_EQ(instants({"--every", "1.5", "--from", "2026-01-01T00:00:00Z", "-n", "2"}),
            "2026-01-01T00:00:01.5Z 2026-01-01T00:00:03Z");
  EXPECT_EQ(instants({"--every", "1h", "--relative", "--from", "2026-01-01T00:20:00Z", "-n", "1"}),
            "2026-01-01T01:00:00Z");
  EXPECT_EQ(instants({"--every", "1h", "--start", "2026-01-01T00:05:00Z", "--from",
                      "2026-01-01T03:20:00Z", "-n", "1"}),
            "2026-01-01T04:05:00Z");
  EXPECT_EQ(instants({"--clocked", "2026-12-01T10:00:00Z", "--from", "2026-01-01T00:00:00Z"}),
            "2026-12-01T10:00:00Z");
  EXPECT_EQ(instants({"--clocked", "2025-12-01T10:00:00Z", "--from", "2026-01-01T00:00:00Z"}), "");
  EXPECT_TRUE(instants({"--solar", "sunset", "--latitude", "-33.86", "--longitude", "151.2",
                        "--from", "2026-01-01T00:00:00Z", "-n", "1"})
                  .starts_with("2026-01-01T09:"));
}

TEST_F(ScheduleCommand, PrintsTheLocalTimeBesideIt) {
  const Ran ran = next({"--crontab", "3 * * * *", "--zone", "Europe/Berlin", "--from",
                        "2026-03-29T00:30:00Z", "-n", "1"});
  EXPECT_EQ(ran.out, "2026-03-29T01:03:00Z  2026-03-29 03:03:00 CEST\n");
  EXPECT_EQ(next({"--clocked", "2025-12-01T10:00:00Z", "--from", "2026-01-01T00:00:00Z"}).out,
            "never\n");
}

TEST_F(ScheduleCommand, RefusesInOneLine) {
  const std::pair<Words, std::string> wrong[] = {
      {{"--crontab", "61 * * * *"}, "baozi schedule: minute: '61' is outside 0 to 59"},
      {{"--crontab", "* * * * *", "--zone", "Berlin"},
       "baozi schedule: zone: there is no 'Berlin' in the tz database; did you mean "
       "'Europe/Berlin'?"},
      {{}, "baozi schedule: say when with one of --crontab, --cron, --every, --solar, --clocked"},
      {{"--every", "3", "--cron", "@daily"},
       "baozi schedule: say when with one of --crontab, --cron, --every, --solar, --clocked"},
      {{"--cron", "@daily", "--relative"}, "baozi schedule: --relative belongs to --every"},
      {{"--cron", "@daily", "--latitude", "1"},
       "baozi schedule: --latitude and --longitude belong to --solar"},
      {{"--cron", "@daily", "--from", "tomorrow"},
       "baozi schedule: --from: 'tomorrow' is no instant"},
      {{"--solar", "sunset", "--latitude", "95", "--longitude", "0"},
       "baozi schedule: latitude: '95' is outside -90 to 90"},
  };
  for (const auto& [words, says] : wrong) {
    const Ran ran = next(words);
    EXPECT_EQ(ran.code, 2) << says;
    EXPECT_EQ(ran.out, "") << says;
    EXPECT_TRUE(ran.err.starts_with(says)) << ran.err;
    EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
  }
  EXPECT_EQ(run({}).code, 2);
  EXPECT_EQ(run({"--help"}).code, 0);
  EXPECT_TRUE(run({"nxt"}).err.starts_with(
      "baozi schedule: there is no action 'nxt'; did you mean 'next'?"));
}

}  // namespace
}  // namespace baozi::test
