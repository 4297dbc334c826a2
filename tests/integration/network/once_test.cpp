// Ids that count as taken until an instant (delivery.md D26), with real programs that are killed.
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <baozi/client.hpp>

#include "support/cluster.hpp"
#include "support/eventually.hpp"

namespace baozi::test {
namespace {

using namespace std::chrono_literals;

class OnceTest : public testing::Test {
 protected:
  void SetUp() override {
    cluster.start_broker();
    cluster.start_collector();
  }
  void TearDown() override {
    if (HasFailure()) std::cerr << cluster.logs();
  }
  App app() const { return App{AppOptions{.broker = cluster.address(), .submit_timeout = 120s}}; }
  AsyncResult<std::int64_t> tick(App& from, std::int64_t number, Instant until) const {
    return from.send<std::int64_t>(
        "t.mark", path, number,
        CallOptions{.task_id = "tick " + std::to_string(number), .once_until = until});
  }
  /// How often each number was marked.
  std::map<std::int64_t, int> marks() const {
    std::map<std::int64_t, int> counts;
    std::ifstream in{path};
    for (std::int64_t number = 0; in >> number;) ++counts[number];
    return counts;
  }

  Cluster cluster;
  std::string path = cluster.folder() / "marks";
  const Instant in_an_hour = std::chrono::system_clock::now() + 1h;
};

TEST_F(OnceTest, ASecondCallIsAHandleOfTheFirstTaskWhateverBecameOfItAndItsBroker) {
  App one = app();
  auto first = tick(one, 1, in_an_hour);
  first.wait_submitted(30s);
  EXPECT_FALSE(first.is_duplicate());
  const auto expect_duplicate = [&](AsyncResult<std::int64_t> again) {
    again.wait_submitted(30s);
    EXPECT_TRUE(again.is_duplicate());
    EXPECT_EQ(again.submit_state(), SubmitState::confirmed);
    EXPECT_EQ(again.id(), first.id());
    return again;
  };
  auto queued = expect_duplicate(tick(one, 1, in_an_hour));
  cluster.broker().kill();
  cluster.start_broker();
  App other = app();
  auto after_a_crash = expect_duplicate(tick(other, 1, in_an_hour));
  cluster.start_worker(0);
  EXPECT_EQ(first.get(60s), 1);
  EXPECT_EQ(queued.get(60s), 1);
  EXPECT_EQ(after_a_crash.get(60s), 1);
  EXPECT_TRUE(eventually([&] { return cluster.status("books.succeeded") == 1; }));
  EXPECT_EQ(expect_duplicate(tick(other, 1, in_an_hour)).get(60s), 1) << "done long ago";
  cluster.broker().kill();
  cluster.start_broker();
  App third = app();
  EXPECT_EQ(expect_duplicate(tick(third, 1, in_an_hour)).get(60s), 1);
  EXPECT_EQ(marks(), (std::map<std::int64_t, int>{{1, 1}}));
  EXPECT_EQ(cluster.status("kept.once_marks"), 1);
  EXPECT_EQ(cluster.status("books.accepted"), 1);
}

TEST_F(OnceTest, WhatComesAfterItsInstantIsRejectedAndSaysSo) {
  App one = app();
  auto late = tick(one, 1, std::chrono::system_clock::now() - 1s);
  try {
    (void)late.get(30s);
    FAIL() << "it was taken";
  } catch (const Rejected& error) {
    EXPECT_EQ(error.reason(), "too_late");
    EXPECT_NE(std::string{error.what()}.find("once_until"), std::string::npos) << error.what();
  }
  EXPECT_THROW(one.send<std::int64_t>("c.add", 1, 2, CallOptions{.once_until = in_an_hour}),
               std::invalid_argument);
}

TEST_F(OnceTest, TwoThatSubmitTheSameWhileTheirBrokerIsKilledMakeEachTaskOnce) {
  constexpr std::int64_t count = 150;
  cluster.start_worker(0, 4);
  App one = app();
  App other = app();
  std::vector<AsyncResult<std::int64_t>> results;
  const auto submit_some = [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t i = from; i < to; ++i) {
      results.push_back(tick(one, i, in_an_hour));
      results.push_back(tick(other, i, in_an_hour));
    }
  };
  submit_some(0, count / 3);
  results.back().wait(60s);
  submit_some(count / 3, 2 * count / 3);
  cluster.broker().kill();  // some were committed, some were not, some run
  submit_some(2 * count / 3, count);
  cluster.start_broker();
  App third = app();  // it begins from the beginning
  for (std::int64_t i = 0; i < count; ++i) results.push_back(tick(third, i, in_an_hour));
  for (auto& result : results) (void)result.get(90s);
  const auto counts = marks();
  EXPECT_EQ(counts.size(), static_cast<std::size_t>(count));
  for (const auto& [number, times] : counts) EXPECT_EQ(times, 1) << "tick " << number;
  EXPECT_TRUE(eventually(
      [&] { return cluster.books_balance() && cluster.status("books.succeeded") == count; }, 60s));
  EXPECT_EQ(cluster.status("books.accepted"), count);
}

}  // namespace
}  // namespace baozi::test
