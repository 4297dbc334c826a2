#include "baozi/task.hpp"

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using baozi::CallOptions;
using baozi::Expiry;
using baozi::Instant;
using baozi::Outcome;
using baozi::RetryPolicy;
using baozi::State;
using baozi::TaskError;

/// As std::chrono::zoned_time, which g++ 12 does not have yet, and date::zoned_time.
struct Zoned {
  std::chrono::sys_seconds utc;
  [[nodiscard]] std::chrono::sys_seconds get_sys_time() const { return utc; }
};
struct LocalZoned {
  [[nodiscard]] std::chrono::local_seconds get_sys_time() const { return {}; }
};

static_assert(std::convertible_to<std::chrono::sys_seconds, Instant>);
static_assert(std::convertible_to<std::chrono::system_clock::time_point, Instant>);
static_assert(std::convertible_to<Zoned, Instant>);
static_assert(!std::constructible_from<Instant, std::chrono::local_seconds>);
static_assert(!std::constructible_from<Instant, std::chrono::steady_clock::time_point>);
static_assert(!std::constructible_from<Instant, LocalZoned>);
static_assert(!std::constructible_from<Instant, long>);
static_assert(!std::constructible_from<Instant, std::chrono::seconds>);
static_assert(!std::constructible_from<Expiry, std::chrono::local_seconds>);
static_assert(!std::constructible_from<Expiry, long>);
static_assert(std::convertible_to<std::chrono::minutes, Expiry>);
static_assert(std::convertible_to<Zoned, Expiry>);

TEST(State, HasCelerysNames) {
  EXPECT_STREQ(to_string(State::pending), "PENDING");
  EXPECT_STREQ(to_string(State::ignored), "IGNORED");
  for (int i = 0; i < 8; ++i) {
    const auto state = static_cast<State>(i);
    EXPECT_EQ(baozi::parse_state(to_string(state)), state);
  }
  EXPECT_EQ(baozi::parse_state("success"), std::nullopt);
  EXPECT_FALSE(is_final(State::retry));
  EXPECT_TRUE(is_final(State::success));
}

TEST(RetryPolicy, HasCelerysDefaults) {
  const RetryPolicy policy;
  EXPECT_EQ(policy.max_retries, 3);
  EXPECT_EQ(policy.delay(0), 0us);
  EXPECT_EQ(policy.delay(1), 200ms);
  EXPECT_EQ(policy.delay(2), 200ms);
  EXPECT_TRUE(policy.allows(2));
  EXPECT_FALSE(policy.allows(3));
}

TEST(RetryPolicy, GrowsByTheStepUpToTheMaximum) {
  const RetryPolicy policy{
      .max_retries = -1, .interval_start = 1s, .interval_step = 2s, .interval_max = 4s};
  EXPECT_EQ(policy.delay(0), 1s);
  EXPECT_EQ(policy.delay(1), 3s);
  EXPECT_EQ(policy.delay(2), 4s);
  EXPECT_EQ(policy.delay(4'000'000'000), 4s);
  EXPECT_TRUE(policy.allows(4'000'000'000));
}

TEST(RetryPolicy, AStartAboveTheMaximumIsKept) {
  EXPECT_EQ((RetryPolicy{.interval_start = 5s}.delay(3)), 5s);
}

TEST(RetryPolicy, JitterTakesOrAddsItsShareAtMost) {
  const RetryPolicy policy{.interval_start = 10s, .interval_max = 10s, .jitter = 0.2};
  EXPECT_EQ(policy.delay(0, 0.0), 8s);
  EXPECT_EQ(policy.delay(0, 0.5), 10s);
  EXPECT_LT(policy.delay(0, 0.999), 12s);
  EXPECT_GT(policy.delay(0, 0.999), 11s);
}

TEST(CallOptions, AnySubsetOfDesignatedInitialisersCompilesWithoutAWarning) {
  // This folder's tests are compiled with -Wmissing-field-initializers; see its CMakeLists.txt.
  const CallOptions none;
  const CallOptions soon{.countdown = 5s};
  const CallOptions named{.queue = "math", .task_id = "order-7"};
  const CallOptions late{
      .eta = std::chrono::sys_days{std::chrono::January / 1 / 2031}, .expires = 60s, .priority = 9};
  const CallOptions zoned{.eta = Zoned{std::chrono::sys_seconds{7s}}, .ignore_result = true};
  const CallOptions rich{.headers = {{"trace", "abc"}, {"attempt", 3}},
                         .retry = false,
                         .on_failure = RetryPolicy{.max_retries = 5, .interval_start = 1s},
                         .acks_early = true};
  EXPECT_FALSE(none.countdown || none.eta || none.expires || none.priority || none.on_failure);
  EXPECT_TRUE(none.retry);
  EXPECT_EQ(soon.countdown, 5s);
  EXPECT_EQ(named.task_id, "order-7");
  EXPECT_EQ(late.eta->micros(), 1'924'992'000'000'000);
  EXPECT_EQ(late.expires->from(Instant::from_micros(1)).micros(), 60'000'001);
  EXPECT_EQ(zoned.eta->micros(), 7'000'000);
  EXPECT_EQ(rich.headers.at("attempt"), baozi::Value{3});
}

TEST(Expiry, AnInstantStaysWhatItIs) {
  const Expiry at{std::chrono::sys_seconds{100s}};
  EXPECT_FALSE(at.is_relative());
  EXPECT_EQ(at.from(Instant::from_micros(5)).micros(), 100'000'000);
}

TEST(Outcome, ASuccessGivesItsValue) {
  const Outcome<int> outcome{std::in_place, 3};
  EXPECT_TRUE(outcome);
  EXPECT_TRUE(outcome.ready());
  EXPECT_EQ(outcome.value(), 3);
  EXPECT_EQ(outcome.error(), nullptr);
}

TEST(Outcome, AFailureThrowsWhatTheTaskThrew) {
  const Outcome<int> outcome{State::failure,
                             TaskError{"std::out_of_range", "no such order", "    at find"}};
  EXPECT_TRUE(outcome.failed());
  try {
    (void)outcome.value();
    FAIL() << "no exception";
  } catch (const TaskError& error) {
    EXPECT_EQ(error.type(), "std::out_of_range");
    EXPECT_EQ(error.message(), "no such order");
    EXPECT_EQ(error.traceback(), "    at find");
    EXPECT_STREQ(error.what(), "std::out_of_range: no such order");
  }
}

TEST(Outcome, WhatIsNotReadyOrIgnoredSaysSo) {
  try {
    (void)Outcome<void>{}.value();
    FAIL() << "no exception";
  } catch (const TaskError& error) {
    EXPECT_EQ(error.type(), "baozi::NotReady");
  }
  const Outcome<int> ignored{State::ignored};
  EXPECT_TRUE(ignored.successful());
  EXPECT_THROW((void)ignored.value(), TaskError);
}

}  // namespace
