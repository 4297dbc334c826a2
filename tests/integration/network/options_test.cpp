// Options of tasks and calls, with real programs: what one process was told is what happens in
// another.
#include <algorithm>
#include <fstream>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <baozi/client.hpp>

#include "support/cluster.hpp"
#include "support/eventually.hpp"

namespace baozi::test {
namespace {

using namespace std::chrono_literals;

class OptionsTest : public testing::Test {
 protected:
  void SetUp() override {
    cluster.start_broker();
    cluster.start_collector();
  }
  void TearDown() override {
    if (HasFailure()) std::cerr << cluster.logs();
  }
  App app(AppOptions more = {}) const {
    more.broker = cluster.address();
    return App{std::move(more)};
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> all;
    std::ifstream in{path};
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
  }
  void expect_books_balance() {
    EXPECT_TRUE(eventually([&] {
      return cluster.books_balance() && cluster.status("books.queued") == 0 &&
             cluster.status("books.leased") == 0;
    })) << cluster.logs();
  }

  Cluster cluster;
  std::string path = cluster.folder() / "marks";
};

TEST_F(OptionsTest, ASnoozedTaskRunsAgainAndIsNotChargedWithARetry) {
  cluster.start_worker(0);
  App client = app();
  EXPECT_EQ(client.send<std::int64_t>("t.snooze_once", path).get(30s), 0);
  EXPECT_EQ(lines().size(), 2u);
  expect_books_balance();
}

TEST_F(OptionsTest, WhoWaitsForATaskThatIsIgnoredIsToldAndWhoAsksLaterToo) {
  cluster.start_worker(0);
  App client = app();
  const auto call = client.send<std::int64_t>("t.ignored");
  EXPECT_EQ(call.get_for(30s).state(), State::ignored);
  EXPECT_TRUE(call.successful());
  EXPECT_THROW((void)call.get(30s), TaskError);
  App later = app();
  EXPECT_EQ(later.result<std::int64_t>(call.id()).get_for(30s).state(), State::ignored);
  expect_books_balance();
}

TEST_F(OptionsTest, ProgressIsPushedToACallback) {
  cluster.start_worker(0);
  App client = app();
  std::mutex mutex;
  std::vector<std::int64_t> seen;
  auto result = client.send<std::int64_t>("t.steps", 5);
  result.on_progress([&](const std::string& word, const Value& value) {
    const std::lock_guard lock{mutex};
    EXPECT_EQ(word, "STEP");
    seen.push_back(value.to<std::int64_t>());
  });
  EXPECT_EQ(result.get(30s), 5);
  client.close();
  EXPECT_FALSE(seen.empty());
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST_F(OptionsTest, MiddlewareStandsAroundEverySubmitAndEveryExecution) {
  cluster.start_worker(0);
  std::vector<std::string> trail;
  const auto named = [&trail](const std::string& name) {
    return SubmitMiddleware{
        name, [&trail, name](OutgoingCall& call, const std::function<void()>& submit) {
          trail.push_back(name + " " + std::string{call.name});
          if (call.name == "t.forbidden") throw std::runtime_error{"no"};
          call.options.headers["trace"] = name;
          submit();
          trail.push_back(name + (call.id.empty() ? " without an id" : " with its id"));
        }};
  };
  App client = app({.middleware = {named("outer"), named("inner")}});
  EXPECT_EQ(client.send<std::string>("t.header").get(30s), "inner");
  EXPECT_EQ(trail, (std::vector<std::string>{"outer t.header", "inner t.header",
                                             "inner with its id", "outer with its id"}));
  try {
    client.send("t.forbidden");
    FAIL() << "it was handed in";
  } catch (const MiddlewareError& error) {
    EXPECT_STREQ(error.what(), "middleware 'outer': no");
    EXPECT_FALSE(error.submitted());
  }
  try {
    client.send<std::int64_t>("c.add", 1, 2, CallOptions{.headers = {{"refused", true}}}).get(30s);
    FAIL() << "it ran";
  } catch (const TaskError& error) {
    EXPECT_EQ(error.message(), "middleware 'counts': not today");
  }
}

TEST_F(OptionsTest, AHookThatThrowsFailsTheTask) {
  cluster.start_worker(0);
  App client = app();
  EXPECT_EQ(client.send<std::int64_t>("t.hooked", 3).get(30s), 3);
  try {
    client.send<std::int64_t>("t.hooked", 13).get(30s);
    FAIL() << "it succeeded";
  } catch (const TaskError& error) {
    EXPECT_EQ(error.message(), "on_success: an unlucky number");
  }
}

TEST_F(OptionsTest, TheLogTellsFailuresAsTheirTaskWantsThemTold) {
  cluster.start_worker(0);
  App client = app();
  EXPECT_TRUE(client.send<std::int64_t>("t.expected", "my secret").get_for(30s).failed());
  EXPECT_TRUE(client.send<std::int64_t>("t.fail", "out of flour", CallOptions{.shadow = "bakery"})
                  .get_for(30s)
                  .failed());
  std::string log;
  EXPECT_TRUE(eventually([&] {
    log = cluster.logs();
    return log.find("out of flour") != std::string::npos;
  }));
  EXPECT_NE(log.find("](***) failed: std::out_of_range: as ever 9"), std::string::npos) << log;
  EXPECT_EQ(log.find("my secret"), std::string::npos);
  EXPECT_NE(log.find("task bakery["), std::string::npos);
  EXPECT_NE(log.find("    at "), std::string::npos);  // of the unexpected one
}

TEST_F(OptionsTest, ASecondCallWithAUniqueKeyIsTheFirstOne) {
  App one = app();
  App other = app();
  const CallOptions options{.unique = Unique{"report"}};
  auto first = one.send<std::int64_t>("t.mark", path, 1, options);
  first.wait_submitted(30s);
  auto second = other.send<std::int64_t>("t.mark", path, 2, options);
  second.wait_submitted(30s);
  EXPECT_FALSE(first.is_duplicate());
  EXPECT_TRUE(second.is_duplicate());
  EXPECT_EQ(second.id(), first.id());
  cluster.broker().kill();  // keys are durable
  cluster.start_broker();
  auto third = other.send<std::int64_t>("t.mark", path, 3, options);
  third.wait_submitted(30s);
  EXPECT_EQ(third.id(), first.id());
  cluster.start_worker(0);
  EXPECT_EQ(first.get(30s), 1);
  EXPECT_EQ(second.get(30s), 1);
  EXPECT_EQ(third.get(30s), 1);
  AsyncResult<std::int64_t> fourth;
  EXPECT_TRUE(eventually(
      [&] {  // the key is free with the commit that ends the first, a little after its result
        fourth = one.send<std::int64_t>("t.mark", path, 4, options);
        fourth.wait_submitted(30s);
        return !fourth.is_duplicate();
      }));
  EXPECT_EQ(fourth.get(30s), 4);
  EXPECT_EQ(lines(), (std::vector<std::string>{"1", "4"}));
  expect_books_balance();
}

TEST_F(OptionsTest, TasksOfOneOrderingKeyKeepTheirOrderOverWorkersAndAKilledBroker) {
  cluster.start_worker(0, 4);
  cluster.start_worker(1, 4);
  App client = app();
  std::vector<AsyncResult<std::int64_t>> results;
  for (int i = 0; i < 60; ++i)
    results.push_back(
        client.send<std::int64_t>("t.span", path, i, 2, CallOptions{.ordering_key = "k"}));
  results[10].wait(30s);
  cluster.broker().kill();
  cluster.start_broker();
  for (int i = 0; i < 60; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)].get(60s), i);
  std::vector<std::string> want;
  for (int i = 0; i < 60; ++i) {
    want.push_back("+" + std::to_string(i));
    want.push_back("-" + std::to_string(i));
  }
  EXPECT_EQ(lines(), want);
  expect_books_balance();
}

TEST_F(OptionsTest, NoMoreThanItsLimitRunsOfAConcurrencyKey) {
  cluster.start_worker(0, 4);
  cluster.start_worker(1, 4);
  App client = app();
  std::vector<AsyncResult<std::int64_t>> results;
  for (int i = 0; i < 30; ++i) {
    results.push_back(client.send<std::int64_t>(
        "t.span", path, i, 5, CallOptions{.concurrency_key = "k", .concurrency_limit = 3}));
  }
  for (auto& result : results) (void)result.get(60s);
  int running = 0;
  int most = 0;
  for (const std::string& line : lines()) {
    running += line[0] == '+' ? 1 : -1;
    most = std::max(most, running);
  }
  EXPECT_LE(most, 3);
  EXPECT_GE(most, 1);
  expect_books_balance();
}

}  // namespace
}  // namespace baozi::test
