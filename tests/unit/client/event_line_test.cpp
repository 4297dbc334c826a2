// An event as a line for people, and as JSON.
#include "client/cli/event_line.hpp"

#include <gtest/gtest.h>

namespace baozi::cli {
namespace {

Event succeeded() {
  Event event;
  event.offset = 7;
  event.type = "task-succeeded";
  event.time = std::chrono::sys_time<std::chrono::microseconds>{
      std::chrono::microseconds{1'700'000'000'000'042}};
  event.node = "w1@host";
  event.task_id = "id-1";
  event.task = "c.add";
  event.fields = Value::object({{"runtime_us", 1'500}, {"result", 3}});
  return event;
}

TEST(EventLine, SaysWhenWhoWhatAndWhatElseThereIs) {
  EXPECT_EQ(
      event_line(succeeded()),
      "2023-11-14 22:13:20.000042  w1@host  task-succeeded  c.add  id-1  result 3  runtime 1.5ms");
}

TEST(EventLine, StaysOneLineThatMovesNoCursor) {
  Event event = succeeded();
  event.fields = Value::object({{"exception", "a\nb\x1b[2J"}, {"traceback", "long"}});
  const std::string line = event_line(event);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(line.find('\x1b'), std::string::npos);
  EXPECT_NE(line.find("exception a\\nb\\x1b[2J"), std::string::npos) << line;
  EXPECT_EQ(line.find("traceback"), std::string::npos);
}

TEST(EventLine, AsJsonHasCelerysNames) {
  const Value json = Value::from_json(event_json(succeeded(), "c1"));
  EXPECT_EQ(json.at("type").as_string(), "task-succeeded");
  EXPECT_EQ(json.at("uuid").as_string(), "id-1");
  EXPECT_EQ(json.at("name").as_string(), "c.add");
  EXPECT_EQ(json.at("hostname").as_string(), "w1@host");
  EXPECT_EQ(json.at("timestamp_us").to<std::int64_t>(), 1'700'000'000'000'042);
  EXPECT_EQ(json.at("offset").to<int>(), 7);
  EXPECT_EQ(json.at("collector").as_string(), "c1");
  EXPECT_EQ(json.at("result").to<int>(), 3);
}

TEST(EventLine, DurationsHaveTheUnitThatFits) {
  EXPECT_EQ(duration_text(7), "7us");
  EXPECT_EQ(duration_text(1'500), "1.5ms");
  EXPECT_EQ(duration_text(2'340'000), "2.34s");
  EXPECT_EQ(duration_text(123'000'000), "2m03s");
}

}  // namespace
}  // namespace baozi::cli
