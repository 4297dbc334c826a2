// The picture of baozi top, from events and answers to a screen of any size.
#include <gtest/gtest.h>

#include "client/cli/top_view.hpp"

namespace baozi::cli {
namespace {

constexpr std::int64_t second = 1'000'000;
constexpr std::int64_t start = 1'700'000'000 * second;

class TopTest : public testing::Test {
 protected:
  void tell(std::string type, std::string id = "", std::string task = "",
            Value fields = Value::object(), std::string node = "w1") {
    Event event;
    event.type = std::move(type);
    event.time = std::chrono::sys_time<std::chrono::microseconds>{std::chrono::microseconds{now}};
    event.node = std::move(node);
    event.task_id = std::move(id);
    event.task = std::move(task);
    event.fields = std::move(fields);
    model.on_event(event);
  }
  void online(const std::string& node, std::uint64_t active = 0) {
    tell("worker-heartbeat", "", "",
         Value::object({{"freq_us", 2 * second},
                        {"concurrency", 4},
                        {"active", active},
                        {"processed", 17},
                        {"loadavg", Value::array({0.5, 0.25, 0.0})}}),
         node);
  }
  static Value status(std::uint64_t accepted, std::uint64_t succeeded, std::uint64_t ready = 0) {
    return Value::object(
        {{"books", Value::object({{"accepted", accepted},
                                  {"succeeded", succeeded},
                                  {"failed", 0},
                                  {"dead", 2},
                                  {"queued", ready},
                                  {"leased", 1},
                                  {"revoked", Value::object({{"asked", 1}, {"expired", 2}})}})},
         {"peers",
          Value::array(
              {Value::object(
                   {{"role", "worker"}, {"name", "w1"}, {"leases", 3}, {"concurrency", 4}}),
               Value::object({{"role", "producer"}, {"name", "app"}})})},
         {"queues", Value::array({Value::object({{"name", "default"},
                                                 {"ready", ready},
                                                 {"scheduled", 5},
                                                 {"leased", 1},
                                                 {"bytes", 2'048},
                                                 {"consumers", 1}})})}});
  }
  void answer(std::uint64_t accepted, std::uint64_t succeeded, std::uint64_t ready = 0) {
    model.on_status({{"b1", status(accepted, succeeded, ready)}}, 0, wall_time(now));
  }
  std::string text(TopPicture picture = {}) {
    std::string all;
    for (const ScreenLine& line : draw_top(model, picture, wall_time(now))) all += line.text + "\n";
    return all;
  }
  static void expect_has(const std::string& all, std::string_view part) {
    EXPECT_NE(all.find(part), std::string::npos) << "no '" << part << "' in\n" << all;
  }

  TopModel model;
  std::int64_t now = start;
};

TEST_F(TopTest, ATaskRunsUntilItsEndIsTold) {
  tell("task-started", "a", "c.add");
  tell("task-started", "b", "c.add");
  EXPECT_EQ(model.running().size(), 2U);
  tell("task-succeeded", "a", "c.add", Value::object({{"runtime_us", 100}}));
  tell("task-failed", "b", "c.add",
       Value::object({{"runtime_us", 300}, {"exception", "E: no flour"}}));
  EXPECT_TRUE(model.running().empty());
  EXPECT_EQ(model.tasks().at("c.add").succeeded, 1U);
  EXPECT_EQ(model.tasks().at("c.add").failed, 1U);
  ASSERT_EQ(model.failures().size(), 1U);
  EXPECT_EQ(model.failures()[0].exception, "E: no flour");
  expect_has(text(), "200us");  // the mean
  expect_has(text(), "E: no flour");
}

TEST_F(TopTest, WhatAWorkerRanIsForgottenWhenItLeavesOrStartsAnewOrFallsSilent) {
  online("w1", 1);
  tell("task-started", "a", "f");
  tell("task-started", "b", "f", Value::object(), "w2");
  tell("worker-offline");
  EXPECT_EQ(model.running().size(), 1U);
  online("w2");
  now += 10 * second;
  answer(0, 0);
  EXPECT_TRUE(model.running().empty());
  expect_has(text(), "silent");
  expect_has(text(), "offline");
}

TEST_F(TopTest, LostEventsLeaveNothingRunningThatMayHaveEnded) {
  tell("task-started", "a", "f");
  EventBatch batch;
  batch.lost = 3;
  model.on_batch(batch);
  EXPECT_TRUE(model.running().empty());
  EXPECT_EQ(model.lost(), 3U);
}

TEST_F(TopTest, RatesComeFromTheBooksAndSurviveABrokersRestart) {
  answer(100, 90);
  EXPECT_EQ(model.rates().accepted, 0);
  now += 2 * second;
  answer(300, 290);
  EXPECT_DOUBLE_EQ(model.rates().accepted, 100);
  EXPECT_DOUBLE_EQ(model.rates().succeeded, 100);
  now += second;
  answer(5, 5);
  EXPECT_EQ(model.rates().accepted, 0);
  EXPECT_EQ(model.totals().revoked, 3U);
}

TEST_F(TopTest, ARateIsTheMeanOfTheLastTenWholeSeconds) {
  RateWindow rate;
  for (int i = 0; i < 5; ++i) rate.add(wall_time(start + i * second), 10);
  EXPECT_DOUBLE_EQ(rate.per_second(wall_time(start + 5 * second)), 5);
  EXPECT_DOUBLE_EQ(rate.per_second(wall_time(start + 12 * second)), 3);
  EXPECT_DOUBLE_EQ(rate.per_second(wall_time(start + 100 * second)), 0);
  rate.add(wall_time(start - 1'000 * second), 7);  // from long ago: of no rate
  EXPECT_DOUBLE_EQ(rate.per_second(wall_time(start + 5 * second)), 5);
}

TEST_F(TopTest, WorkersKnownToBrokersOnlyAreThereToo) {
  answer(1, 1, 9);
  const std::string all = text();
  expect_has(all, "WORKERS");
  expect_has(all, "w1");
  expect_has(all, "default");
  expect_has(all, "2.0 KiB");
  expect_has(all, "enable_events");
}

TEST_F(TopTest, SortingChangesTheOrder) {
  online("a", 1);
  online("b", 3);
  const auto first_of = [&](TopSort sort) {
    const std::string all = text({.sort = sort});
    return all.find("\na ") < all.find("\nb ") ? 'a' : 'b';
  };
  EXPECT_EQ(first_of(TopSort::busiest), 'b');
  EXPECT_EQ(first_of(TopSort::name), 'a');
  EXPECT_EQ(next(next(next(TopSort::busiest))), TopSort::busiest);
}

TEST_F(TopTest, ThePictureFitsAnyScreen) {
  for (int i = 0; i < 40; ++i) {
    online("worker" + std::to_string(i));
    tell("task-started", "id" + std::to_string(i),
         "task.with.a.long.name.ä.ö.ü" + std::to_string(i));
    tell("task-failed", "x", "f" + std::to_string(i), Value::object({{"exception", "E: …"}}));
  }
  answer(1, 1, 9);
  for (const int height : {1, 2, 5, 10, 24, 60, 200}) {
    for (const int width : {20, 79, 300}) {
      const auto lines = draw_top(model, {.width = width, .height = height}, wall_time(now));
      EXPECT_EQ(lines.size(), static_cast<std::size_t>(height));
      for (const ScreenLine& line : lines) {
        std::size_t columns = 0;
        for (const char c : line.text)
          columns += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1U : 0U;
        EXPECT_LE(columns, static_cast<std::size_t>(width)) << line.text;
      }
    }
  }
  expect_has(text({.width = 100, .height = 40}), "more");
  expect_has(text({.width = 100, .height = 40}), "q quit");
}

TEST_F(TopTest, WhatTasksSayMovesNoCursor) {
  tell("task-failed", "x", "f", Value::object({{"exception", "\x1b[2Jboo\n"}}));
  EXPECT_EQ(text().find('\x1b'), std::string::npos);
  expect_has(text(), "\\x1b[2Jboo\\n");
}

TEST_F(TopTest, TroubleAndAPauseAreSaid) {
  model.on_trouble("no broker can be reached");
  expect_has(text(), "no broker can be reached");
  expect_has(text({.paused = true}), "PAUSED");
  answer(1, 1);
  EXPECT_EQ(text().find("no broker"), std::string::npos);
}

TEST_F(TopTest, AsJsonItHasTheSameFigures) {
  online("w1", 2);
  tell("task-started", "a", "c.add");
  answer(10, 9, 4);
  const Value value = top_value(model, wall_time(now));
  EXPECT_EQ(value.at("queued").to<int>(), 4);
  EXPECT_EQ(value.at("workers").at(0).at("active").to<int>(), 2);
  EXPECT_EQ(value.at("workers").at(0).at("leases").to<int>(), 3);
  EXPECT_EQ(value.at("running").at(0).at("uuid").as_string(), "a");
}

}  // namespace
}  // namespace baozi::cli
