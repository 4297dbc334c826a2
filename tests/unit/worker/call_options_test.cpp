// CallOptions to a task's option map, read back by what the broker and what an execution read.
#include "wire/call_options.hpp"

#include <gtest/gtest.h>

#include "wire/codec.hpp"
#include "worker/policies.hpp"

namespace baozi::wire {
namespace {

using namespace std::chrono_literals;

Bytes task_with(const Bytes& options) {
  Bytes raw;
  Writer out{raw};
  pack_task(out, {false, "x"}, "c.add", "", options, "");
  return raw;
}

TEST(CallOptionsOnTheWire, DefaultsTakeNoByte) { EXPECT_EQ(*pack_options({}, wall_time(0)), ""); }

TEST(CallOptionsOnTheWire, TheBrokerReadsItsShare) {
  const Bytes raw = task_with(*pack_options({.countdown = 5s,
                                             .expires = 60s,
                                             .priority = 9,
                                             .ignore_result = true,
                                             .acks_early = true,
                                             .delivery_limit = 3},
                                            wall_time(1'000'000)));
  const auto task = decode_task(raw);
  ASSERT_TRUE(task) << task.error().message;
  EXPECT_EQ(task->options.eta_us, 6'000'000);
  EXPECT_EQ(task->options.expires_us, 61'000'000);
  EXPECT_EQ(task->options.priority, 9);
  EXPECT_TRUE(task->options.ignore_result);
  EXPECT_TRUE(task->options.acks_early);
  EXPECT_EQ(task->options.delivery_limit, 3u);
}

TEST(CallOptionsOnTheWire, AnIdThatCountsIsTheBrokersToRead) {
  const Instant until = std::chrono::sys_seconds{7s};
  const auto packed =
      pack_options({.task_id = "tick", .once_until = until, .home = "entry"}, wall_time(0));
  ASSERT_TRUE(packed);
  const Bytes raw = task_with(*packed);
  EXPECT_EQ(decode_task(raw)->options.once_until_us, 7'000'000);
  EXPECT_NE(raw.find("entry"), Bytes::npos) << "its home, for follow-ups with it";
  EXPECT_EQ(pack_options({.once_until = until}, wall_time(0)).error().message,
            "once_until without a task_id");
  EXPECT_FALSE(pack_options({.home = "a\nb"}, wall_time(0)));
}

TEST(CallOptionsOnTheWire, AnExecutionReadsItsShare) {
  const Bytes options = *pack_options({.eta = std::chrono::sys_seconds{7s},
                                       .headers = {{"a", 1}},
                                       .time_limit = 30s,
                                       .soft_time_limit = 20s,
                                       .shadow = "nice name",
                                       .track_started = true},
                                      wall_time(0), {{false, "root"}, {false, "parent"}});
  const auto read = read_execution_options(options);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->eta_us, 7'000'000);
  EXPECT_EQ(unpack<Value>(read->headers), Value::object({{"a", 1}}));
  EXPECT_EQ(read->time_limit, 30s);
  EXPECT_EQ(read->soft_time_limit, 20s);
  EXPECT_EQ(read->shadow, "nice name");
  EXPECT_EQ(read->root.bytes, "root");
  EXPECT_EQ(read->parent.bytes, "parent");
  EXPECT_TRUE(worker::has_option(options, static_cast<std::uint64_t>(Option::track_started)));
}

TEST(CallOptionsOnTheWire, ARetryPolicyComesBack) {
  const RetryPolicy policy{.max_retries = -1,
                           .interval_start = 1s,
                           .interval_step = 2s,
                           .interval_max = 9s,
                           .jitter = 0.5};
  EXPECT_EQ(worker::retry_policy_in(*pack_options({.on_failure = policy}, wall_time(0))), policy);
}

TEST(CallOptionsOnTheWire, WhatMakesNoSenseIsRefusedBeforeItIsSent) {
  const auto refused = [](const CallOptions& options) {
    return !pack_options(options, wall_time(0));
  };
  EXPECT_TRUE(refused({.countdown = 1s, .eta = std::chrono::sys_seconds{7s}}));
  EXPECT_TRUE(refused({.countdown = -1s}));
  EXPECT_TRUE(refused({.priority = 10}));
  EXPECT_TRUE(refused({.priority = -1}));
  EXPECT_TRUE(refused({.on_failure = RetryPolicy{.jitter = 2}}));
  EXPECT_TRUE(refused({.time_limit = 0s}));
}

TEST(CallOptionsOnTheWire, ABrokenMapIsRefusedAtEveryByte) {
  const Bytes options = *pack_options({.headers = {{"a", 1}}, .time_limit = 30s, .shadow = "x"},
                                      wall_time(0), {{false, "root"}, {false, "parent"}});
  for (std::size_t size = 1; size < options.size(); ++size) {
    EXPECT_FALSE(read_execution_options(BytesView{options}.substr(0, size))) << size;
  }
}

}  // namespace
}  // namespace baozi::wire
