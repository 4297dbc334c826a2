// Our schedules beside Celery's recorded answers (celery_schedules.py says what a line is).
#include <cstdlib>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "beat/schedule/instant.hpp"
#include "beat/schedule/schedule.hpp"

namespace baozi::beat {
namespace {

Value::Array cases_with(std::string_view field) {
  std::ifstream file{BAOZI_SOURCE_DIR "/tests/compat/schedule/celery_schedules.jsonl"};
  Value::Array cases;
  for (std::string line; std::getline(file, line);) {
    Value one = Value::from_json(line);
    if (one.find(field) != nullptr) cases.push_back(std::move(one));
  }
  return cases;
}

/// As many ticks as are recorded.
Value::Array ticks(const Value& one, const Schedule& schedule, const Zone& zone) {
  Value::Array list;
  auto tick = parse_instant(one.at("after").as_string()).value();
  while (list.size() < one.at("next").size()) {
    const auto next = schedule.next(tick, {.zone = zone});
    if (!next) break;
    tick = *next;
    list.emplace_back(to_text(tick));
  }
  return list;
}

TEST(CelerySchedules, CrontabsAreDueWhenCelerysAre) {
  std::size_t compared = 0;
  for (const Value& one : cases_with("zone")) {
    const auto schedule = Schedule::parse(Value::object({{"crontab", one.at("crontab")}}));
    ASSERT_TRUE(schedule.has_value()) << one.to_json() << ": " << schedule.error().message;
    const auto zone = Zone::find(one.at("zone").as_string());
    ASSERT_TRUE(zone.has_value()) << zone.error().message;
    const Value* const ours = one.find("ours");
    EXPECT_EQ(Value{ticks(one, *schedule, *zone)}, ours == nullptr ? one.at("next") : *ours)
        << one.to_json();
    if (ours != nullptr) {
      EXPECT_NE(*ours, one.at("next")) << "no longer a difference: " << one.to_json();
    }
    ++compared;
  }
  EXPECT_GT(compared, 300U);
}

TEST(CelerySchedules, WhatIsNoCrontabThereIsNoneHereButForWhatIsListed) {
  const Value::Array cases = cases_with("taken");
  EXPECT_GT(cases.size(), 20U);
  for (const Value& one : cases) {
    const auto schedule = Schedule::parse(Value::object({{"crontab", one.at("crontab")}}));
    EXPECT_EQ(Value{schedule.has_value()}, one.at("ours")) << one.to_json();
  }
}

TEST(CelerySchedules, TheSunIsWithinAMinuteOfCelerys) {
  const Value::Array cases = cases_with("solar");
  EXPECT_GT(cases.size(), 50U);
  for (const Value& one : cases) {
    const auto schedule = Schedule::parse(Value::object({{"solar", one.at("solar")}}));
    ASSERT_TRUE(schedule.has_value()) << schedule.error().message;
    const auto next = schedule->next(parse_instant(one.at("after").as_string()).value(), {});
    ASSERT_TRUE(next.has_value()) << one.to_json();
    const auto theirs = parse_instant(one.at("next").at(0).as_string()).value();
    EXPECT_LE(std::abs((*next - theirs).count()), 60'000'000)
        << one.to_json() << ": " << to_text(*next);
  }
}

}  // namespace
}  // namespace baozi::beat
