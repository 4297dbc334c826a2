// Entries of a schedule as maps: what is read, what is refused, and that nothing is lost on the way
// back.
#include "beat/schedule/entry.hpp"

#include <gtest/gtest.h>

#include "beat/schedule/instant.hpp"

namespace baozi::beat {
namespace {

Result<Entry> read(const char* json) { return Entry::parse("nightly", Value::from_json(json)); }

TEST(Entry, OnlyAScheduleAndATaskAreNeeded) {
  const Result<Entry> entry = read(R"({"every": 3, "task": "c.add"})");
  ASSERT_TRUE(entry) << entry.error().message;
  EXPECT_EQ(entry->name, "nightly");
  EXPECT_EQ(entry->task, "c.add");
  EXPECT_EQ(entry->zone.name(), "UTC");
  EXPECT_TRUE(entry->enabled);
  EXPECT_EQ(entry->missed, Missed::last);
  EXPECT_EQ(entry->overlap, Overlap::allow);
  EXPECT_EQ(entry->next(wall_time(1'000'000)), wall_time(3'000'000));
}

TEST(Entry, EveryFieldIsReadAndWrittenBack) {
  const Result<Entry> entry = read(R"({
    "crontab": {"minute": "*/3"}, "zone": "Asia/Shanghai", "task": "c.add", "args": [10, 10],
    "kwargs": {"c": 1}, "queue": "math", "priority": 9, "headers": {"tenant": "x"},
    "expires": "30s", "one_off": true, "start": "2026-01-01T00:00:00Z",
    "end": "2027-01-01T00:00:00Z", "max_runs": "7", "enabled": false, "missed": "all",
    "missed_limit": 5, "overlap": "skip", "jitter": "2s", "description": "adds"})");
  ASSERT_TRUE(entry) << entry.error().message;
  EXPECT_EQ(entry->priority, 9);
  EXPECT_EQ(entry->expires, Micros{30'000'000});
  EXPECT_EQ(entry->max_runs, 7U);
  EXPECT_EQ(entry->missed_limit, 5U);
  EXPECT_EQ(entry->jitter, Micros{2'000'000});
  EXPECT_EQ(to_text(*entry->start), "2026-01-01T00:00:00Z");

  const Result<Entry> again = Entry::parse("nightly", entry->to_value());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again, *entry);
}

TEST(Entry, AZoneCanBeTheBeats) {
  const Zone berlin = *Zone::find("Europe/Berlin");
  const Value value = Value::from_json(R"({"cron": "0 3 * * *", "task": "t"})");
  EXPECT_EQ(Entry::parse("a", value, berlin)->zone, berlin);
}

TEST(Entry, WhatIsWrongIsNamedWithWhatIsAllowed) {
  const struct {
    const char* json;
    const char* message;
  } cases[] = {
      {R"({"every": 3})", "task: the name of the task to send is needed"},
      {R"({"task": "t"})", "schedule: one of every, crontab, cron, solar, clocked is needed"},
      {R"([1])", "'[1]' is no map such as {every: 30s, task: mail.send}"},
      {R"({"every": 3, "task": 5})", "task: '5' is no name of 1 to 255 bytes"},
      {R"({"every": 3, "task": "t", "argz": []})",
       "there is no field 'argz'; did you mean 'args'?"},
      {R"({"every": 3, "task": "t", "args": 1})", "args: '1' is no list"},
      {R"({"every": 3, "task": "t", "kwargs": []})", "kwargs: '[]' is no map"},
      {R"({"every": 3, "task": "t", "priority": 10})",
       "priority: '10' is no whole number from 0 to 9"},
      {R"({"every": 3, "task": "t", "priority": -1})",
       "priority: '-1' is no whole number from 0 to 9"},
      {R"({"every": 3, "task": "t", "enabled": 1})", "enabled: '1' is neither true nor false"},
      {R"({"every": 3, "task": "t", "missed": "none"})",
       "missed: 'none' is none of skip, last, all"},
      {R"({"every": 3, "task": "t", "missed_limit": 0})",
       "missed_limit: '0' is no whole number from 1 to 10000"},
      {R"({"every": 3, "task": "t", "jitter": "2d"})", "jitter: '2d' is above 1d"},
      {R"({"every": 3, "task": "t", "expires": 0})", "expires: '0' is no time after the tick"},
      {R"({"every": 3, "task": "t", "start": "2026-01-02T00:00:00Z",
           "end": "2026-01-01T00:00:00Z"})",
       "end: 2026-01-01T00:00:00Z is before start, 2026-01-02T00:00:00Z"},
  };
  for (const auto& wrong : cases) {
    const Result<Entry> entry = read(wrong.json);
    ASSERT_FALSE(entry) << wrong.json;
    EXPECT_EQ(entry.error().message, wrong.message);
  }
  EXPECT_FALSE(Entry::parse("", Value::from_json(R"({"every": 3, "task": "t"})")));
  EXPECT_FALSE(Entry::parse("a\nb", Value::from_json(R"({"every": 3, "task": "t"})")));
}

}  // namespace
}  // namespace baozi::beat
