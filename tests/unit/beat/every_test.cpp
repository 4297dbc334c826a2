#include <gtest/gtest.h>

#include "beat/schedule/instant.hpp"
#include "beat/schedule/schedule.hpp"

namespace baozi::beat {
namespace {

WallTime at(std::string_view text) {
  const auto parsed = parse_instant(text);
  EXPECT_TRUE(parsed.has_value()) << text;
  return *parsed;
}

Schedule schedule(const char* json) {
  auto parsed = Schedule::parse(Value::from_json(json));
  EXPECT_TRUE(parsed.has_value()) << json << ": " << parsed.error().message;
  return *parsed;
}

std::string after(const Schedule& schedule, std::string_view from, const NextTerms& terms) {
  const auto tick = schedule.next(at(from), terms);
  return tick ? to_text(*tick) : "never";
}

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
            "2026-06-08T00:00:00Z");         // a Monday
  terms.zone = *Zone::find("Asia/Kolkata");  // +05:30
  EXPECT_EQ(after(schedule(R"({"every": "1h", "relative": true})"), "2026-06-01T10:07:31Z", terms),
            "2026-06-01T10:30:00Z");
}

TEST(Every, CountsElapsedTimeOverAChangeOfTheClock) {
  const NextTerms terms{.zone = *Zone::find("Europe/Berlin"), .start = at("2026-03-28T12:00:00Z")};
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

}  // namespace
}  // namespace baozi::beat
