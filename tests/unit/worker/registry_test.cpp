// What a registry refuses, and what a task's settings mean.
#include <gtest/gtest.h>

#include "task_bench.hpp"

namespace baozi::worker {
namespace {

using namespace std::chrono_literals;

int add(int a, int b) { return a + b; }

template <class Fill>
std::string refusal(Fill fill) {
  Registry registry;
  try {
    fill(registry);
  } catch (const RegistrationError& error) {
    return error.what();
  }
  return "taken";
}

TEST(Registry, RefusesWhatCannotWork) {
  EXPECT_EQ(refusal([](Registry& r) { r.task("x", add, {"a"}); }),
            "task \"x\": 1 names for 2 parameters (name all or none)");
  EXPECT_EQ(refusal([](Registry& r) {
              r.task("x", add, {"a", "a"});
            }),
            "task \"x\": two parameters named 'a'");
  EXPECT_EQ(refusal([](Registry& r) {
              r.task("x", add, {arg("a") = 1, "b"});
            }),
            "task \"x\": parameter 'b' without a default follows one with a default");
  EXPECT_EQ(refusal([](Registry& r) {
              r.task("x", add, {"a", arg("b") = "three"});
            }),
            "task \"x\": default of argument 'b': expected integer, got string \"three\"");
  EXPECT_EQ(refusal([](Registry& r) { r.task("", add); }),
            "task \"\": a name is 1 to 255 bytes without control characters");
  EXPECT_EQ(refusal([](Registry& r) {
              r.task("x", add);
              r.task("x", add);
            }),
            "task \"x\": registered twice");
}

TEST(Registry, RefusesSettingsThatMakeNoSense) {
  EXPECT_NE(refusal([](Registry& r) { r.task("x", add).backoff(1s, 0.5, 60s); }), "taken");
  EXPECT_NE(refusal([](Registry& r) { r.task("x", add).backoff(60s, 2.0, 1s); }), "taken");
  EXPECT_NE(refusal([](Registry& r) { r.task("x", add).jitter(1.5); }), "taken");
  EXPECT_NE(refusal([](Registry& r) { r.task("x", add).time_limit(0s); }), "taken");
  EXPECT_EQ(refusal([](Registry& r) { r.task("x", add).rate_limit("often"); }),
            "task \"x\": a rate is a number and /s, /m or /h, as \"10/s\"; got \"often\"");
  EXPECT_EQ(refusal([](Registry& r) { r.task("x", add).rate_limit("0.5/m"); }), "taken");
}

TEST(Registry, KeepsEverySetting) {
  Registry registry;
  const TaskDefinition& task = registry.task("x", add, {"a", "b"})
                                   .max_retries(5)
                                   .backoff(1s, 2.0, 60s)
                                   .acks_early()
                                   .ignore_result()
                                   .time_limit(30s)
                                   .soft_time_limit(20s)
                                   .rate_limit("10/s");
  EXPECT_EQ(task.settings().policy.max_retries, 5);
  EXPECT_TRUE(task.settings().acks_early);
  EXPECT_TRUE(task.settings().ignore_result);
  EXPECT_EQ(task.settings().time_limit, 30s);
  EXPECT_EQ(task.settings().soft_time_limit, 20s);
  EXPECT_EQ(task.settings().rate_limit, "10/s");
}

TEST(Registry, ATimeToRetryForGoesWithAnyNumberOfRetriesUnlessOneIsNamed) {
  Registry registry;
  const TaskDefinition& endless = registry.task("x", add).retry_for(1h);
  EXPECT_EQ(endless.settings().policy.max_retries, -1);
  EXPECT_EQ(endless.settings().policy.retry_for, 1h);
  EXPECT_TRUE(endless.settings().policy.allows(1'000, 59min));
  EXPECT_FALSE(endless.settings().policy.allows(0, 1h));
  EXPECT_EQ(registry.task("y", add).max_retries(5).retry_for(1h).settings().policy.max_retries, 5);
  EXPECT_EQ(registry.task("z", add).default_retry_delay(7s).retry_delay(9, 0.5), 7s);
}

TEST(RetryDelay, ABackoffGrowsByItsFactorUpToTheLongest) {
  Registry registry;
  const TaskDefinition& task = registry.task("x", add).backoff(1s, 2.0, 60s);
  EXPECT_EQ(task.retry_delay(0, 0.5), 1s);
  EXPECT_EQ(task.retry_delay(1, 0.5), 2s);
  EXPECT_EQ(task.retry_delay(5, 0.5), 32s);
  EXPECT_EQ(task.retry_delay(6, 0.5), 60s);
  EXPECT_EQ(task.retry_delay(4'000'000'000, 0.5), 60s);
}

TEST(RetryDelay, JitterIsAShareOfIt) {
  Registry registry;
  const TaskDefinition& task = registry.task("x", add).backoff(10s, 2.0, 60s).jitter(0.5);
  EXPECT_EQ(task.retry_delay(0, 0.0), 5s);
  EXPECT_EQ(task.retry_delay(0, 0.75), 12500ms);
}

TEST(RetryDelay, APolicyReplacesABackoff) {
  Registry registry;
  const TaskDefinition& task = registry.task("x", add)
                                   .backoff(1s, 2.0, 60s)
                                   .retry_policy({.max_retries = 7, .interval_start = 3s});
  EXPECT_EQ(task.retry_delay(4, 0.5), 3s);
  EXPECT_EQ(task.settings().policy.max_retries, 7);
}

TEST(TaskTable, NamesBothSourcesOfANameThatComesTwice) {
  Registry one;
  one.task("c.add", add);
  Registry two;
  two.task("c.other", add);
  two.task("c.add", add);
  TaskTable table;
  table.add(std::move(one), "liba.so");
  try {
    table.add(std::move(two), "libb.so");
    FAIL() << "taken";
  } catch (const RegistrationError& error) {
    EXPECT_STREQ(error.what(), "task \"c.add\" of libb.so is registered already, by liba.so");
  }
  EXPECT_EQ(table.names(), std::vector<std::string>{"c.add"});
  EXPECT_EQ(table.find("c.other"), nullptr);
}

TEST(TaskTable, TellsTheCoreWhatItNeeds) {
  Registry registry;
  registry.task("x", add).max_retries(5).backoff(1s, 2.0, 60s).ignore_result();
  TaskTable table;
  table.add(std::move(registry), "this test");
  const TaskFacts* const facts = table.find("x");
  ASSERT_NE(facts, nullptr);
  EXPECT_EQ(facts->retry.max_retries, 5);
  EXPECT_TRUE(facts->ignore_result);
  EXPECT_EQ(table.retry_delay(*facts, 3, 0.5), 8s);
  EXPECT_EQ(facts->definition, table.definition("x"));
}

}  // namespace
}  // namespace baozi::worker
