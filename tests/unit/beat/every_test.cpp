#include "schedules.hpp"

namespace baozi::beat {
namespace {

TEST(Every, TicksLieAtMultiplesOfTheIntervalFromTheStart) {
  const NextTerms terms{.start = at("2026-01-01T00:00:01.5Z")};
  const Schedule three = schedule(R"({"every": 3})");
  EXPECT_EQ(after(three, "2025-01-01T00:00:00Z", terms),
            "2026-01-01T00:00:01.5Z");  // the start itself
  EXPECT_EQ(after(three, "2026-01-01T00:00:01.5Z", terms), "2026-01-01T00:00:04.5Z");
  EXPECT_EQ(after(three, "2026-01-01T00:00:04.499999Z", terms), "2026-01-01T00:00:04.5Z");
  EXPECT_EQ(after(three, "2036-01-01T00:00:00Z", terms), "2036-01-01T00:00:01.5Z");
}

TEST(Every, FractionsOfASecondDoNotDrift) {
  const Schedule tenth = schedule(R"({"every": 0.1})");
  const NextTerms terms{.start = at("2026-01-01T00:00:00Z")};
  WallTime tick = terms.start;
  for (int i = 0; i < 864'000; ++i) tick = *tenth.next(tick, terms);
  EXPECT_EQ(to_text(tick), "2026-01-02T00:00:00Z");
}

TEST(Every, RelativeIsAlignedToTheClock) {
  NextTerms terms{.start = at("2026-06-01T10:07:31Z")};
  EXPECT_EQ(after(schedule(R"({"every": "15m", "relative": true})"), "2026-06-01T10:07:31Z", terms),
            "2026-06-01T10:15:00Z");
  EXPECT_EQ(after(schedule(R"({"every": "7d", "relative": true})"), "2026-06-01T10:07:31Z", terms),
            "2026-06-08T00:00:00Z");          // a Monday
  terms.zone = in_zone("Asia/Kolkata").zone;  // +05:30
  EXPECT_EQ(after(schedule(R"({"every": "1h", "relative": true})"), "2026-06-01T10:07:31Z", terms),
            "2026-06-01T10:30:00Z");
}

TEST(Every, CountsElapsedTimeOverAChangeOfTheClock) {
  const NextTerms terms{.zone = in_zone("Europe/Berlin").zone, .start = at("2026-03-28T12:00:00Z")};
  EXPECT_EQ(after(schedule(R"({"every": "1d"})"), "2026-03-28T12:00:00Z", terms),
            "2026-03-29T12:00:00Z");
}

TEST(Every, EndsWithTheEnd) {
  const NextTerms terms{.start = at("2026-01-01T00:00:00Z"), .end = at("2026-01-01T00:00:10Z")};
  const Schedule five = schedule(R"({"every": "5s"})");
  EXPECT_EQ(after(five, "2026-01-01T00:00:05Z", terms), "2026-01-01T00:00:10Z");
  EXPECT_EQ(after(five, "2026-01-01T00:00:10Z", terms), "never");
}

TEST(Clocked, TicksOnce) {
  const Schedule once = schedule(R"({"clocked": "2026-12-01T11:00:00+01:00"})");
  EXPECT_EQ(after(once, "2026-12-01T09:59:59.999999Z", {}), "2026-12-01T10:00:00Z");
  EXPECT_EQ(after(once, "2026-12-01T10:00:00Z", {}), "never");
}

struct WrongInterval {
  const char* json;
  const char* says;
};
const WrongInterval wrong_intervals[] = {
    {R"({"every": 0})", "every: '0' is outside 1ms to 36500d"},
    {R"({"every": -3})", "every: '-3' is outside 1ms to 36500d"},
    {R"({"every": 0.0001})", "every: '0.0001' is outside 1ms to 36500d"},
    {R"({"every": 1e300})", "every: '1e+300' is outside 1ms to 36500d"},
    {R"({"every": "40000d"})", "every: '40000d' is outside 1ms to 36500d"},
    {R"({"every": true})",
     "every: 'true' is neither a number of seconds nor a duration such as 30s or 1h30m"},
    {R"({"every": 3, "relative": "no"})", "relative: 'no' is neither true nor false"},
    {R"({"every": 3, "relativ": true})",
     "schedule: 'relativ' does not belong beside 'every'; did you mean 'relative'?"},
    {R"({"every": 3, "clocked": "2026-12-01T10:00:00Z"})",
     "schedule: 'clocked' and 'every' exclude each other"},
    {R"({"relative": true})", "schedule: one of every, crontab, cron, solar, clocked is needed"},
    {R"({})", "schedule: one of every, crontab, cron, solar, clocked is needed"},
    {R"(3)", "schedule: '3' is no map such as {every: 30s}"},
    {R"({"clocked": 3})", "clocked: '3' is no text such as 2026-12-01T10:00:00Z"},
    {R"({"clocked": "2026-12-01T10:00:00"})",
     "clocked: '2026-12-01T10:00:00' is no instant: write 2026-12-01T10:00:00Z, or an offset such "
     "as +01:00 instead of Z"},
    {R"({"clocked": "2026-02-30T10:00:00Z"})",
     "clocked: '2026-02-30T10:00:00Z' is no instant: there is no such day"},
    {R"({"clocked": "2026-02-03T24:00:00Z"})",
     "clocked: '2026-02-03T24:00:00Z' is no instant: there is no such time"},
    {R"({"clocked": "0026-02-03T20:00:00Z"})",
     "clocked: '0026-02-03T20:00:00Z' is outside the years 1900 to 9999"},
};
TEST(Schedule, RefusesWithFieldValueAndWhatIsAllowed) {
  for (const WrongInterval& wrong : wrong_intervals) EXPECT_EQ(refusal(wrong.json), wrong.says);
  EXPECT_NE(refusal(R"({"every": "soon"})").find("every: "), std::string::npos);
}

TEST(Schedule, IsReadBackFromItsValue) {
  for (const char* const json :
       {R"({"every": "1.5"})", R"({"every": 86400, "relative": true})",
        R"({"clocked": "2026-12-01T10:00:00.25+01:00"})", R"({"crontab": {}})",
        R"({"crontab": {"minute": [0, "15-20", 40], "day_of_week": "mon-fri"}})",
        R"({"crontab": "3 * * * *"})", R"({"cron": "@weekly"})", R"({"cron": " 30 0   4 LW * ?"})",
        R"({"solar": {"event": "dusk", "latitude": "52.52", "longitude": -13}})"}) {
    const Schedule given = schedule(json);
    const auto again = Schedule::parse(Value::from_json(given.to_value().to_json()));
    ASSERT_TRUE(again.has_value()) << again.error().message;
    EXPECT_EQ(*again, given) << given.to_value().to_json();
  }
}

TEST(Schedule, TellsWhatItIs) {
  EXPECT_EQ(schedule(R"({"every": 5400})").text(), "every 1h30m");
  EXPECT_EQ(schedule(R"({"every": 10, "relative": true})").text(), "every 10s by the clock");
  EXPECT_EQ(schedule(R"({"crontab": {"minute": 3}})").text(), "crontab 3 * * * *");
  EXPECT_EQ(cron("@daily").text(), "cron 0 0 * * *");
  EXPECT_EQ(
      schedule(R"({"solar": {"event": "noon", "latitude": 52.52, "longitude": 13.4}})").text(),
      "solar_noon at 52.52, 13.4");
  EXPECT_EQ(schedule(R"({"clocked": "2026-12-01T10:00:00Z"})").text(),
            "once at 2026-12-01T10:00:00Z");
}

TEST(Schedule, NothingIsDueBeforeTheStartOrAfterTheEnd) {
  const NextTerms terms{.start = at("2026-06-01T10:00:00Z"), .end = at("2026-06-01T12:00:00Z")};
  EXPECT_EQ(ticks(cron("@hourly"), "2020-01-01T00:00:00Z", 9, terms),
            (std::vector<std::string>{"2026-06-01T10:00:00Z", "2026-06-01T11:00:00Z",
                                      "2026-06-01T12:00:00Z"}));
  EXPECT_EQ(
      after(schedule(R"({"clocked": "2026-06-01T13:00:00Z"})"), "2020-01-01T00:00:00Z", terms),
      "never");
}

TEST(Schedule, FarTimesAreNoTrouble) {
  const Schedule hourly = cron("@hourly");
  for (const Schedule& any : {hourly, schedule(R"({"every": 3})"), cron("0 3 * * *")}) {
    EXPECT_FALSE(any.next(WallTime::max(), in_zone("Europe/Berlin")).has_value());
    EXPECT_TRUE(any.next(WallTime::min(), in_zone("Europe/Berlin")).has_value());
    EXPECT_FALSE(any.next(at("9999-12-31T23:59:59Z"), in_zone("America/New_York")).has_value());
  }
}

}  // namespace
}  // namespace baozi::beat
