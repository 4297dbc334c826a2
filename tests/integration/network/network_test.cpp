// Real programs on real sockets and disks, one fault at a time; every test reconciles the counts at
// its end.
#include <csignal>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <baozi/client.hpp>

#include "support/cluster.hpp"

namespace baozi::test {
namespace {

using namespace std::chrono_literals;

class NetworkTest : public testing::Test {
 protected:
  void TearDown() override {
    if (HasFailure()) std::cerr << cluster.logs();
  }
  App app() const { return App{AppOptions{.broker = cluster.address()}}; }
  /// How often each number was marked.
  std::map<long long, int> marks() const {
    std::map<long long, int> counts;
    std::ifstream in{path};
    for (long long number = 0; in >> number;) ++counts[number];
    return counts;
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

TEST_F(NetworkTest, TwoWorkersShareTheWorkAndEveryResultArrives) {
  cluster.start_broker();
  cluster.start_collector();
  cluster.start_worker(0);
  cluster.start_worker(1);
  App client = app();
  auto add = client.task<std::int64_t(std::int64_t, std::int64_t)>("c.add");
  std::vector<AsyncResult<std::int64_t>> results;
  for (int i = 0; i < 2'000; ++i) results.push_back(add.delay(i, i));
  for (int i = 0; i < 2'000; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)].get(30s), 2 * i);
  expect_books_balance();
  EXPECT_EQ(cluster.status("books.succeeded"), 2'000);
  EXPECT_EQ(cluster.status("counters.redelivered"), 0);
}

TEST_F(NetworkTest, AFailureArrivesWithTypeMessageAndTrace) {
  cluster.start_broker();
  cluster.start_collector();
  cluster.start_worker(0);
  App client = app();
  try {
    client.send<std::int64_t>("t.fail", "out of flour").get(30s);
    FAIL() << "it did not throw";
  } catch (const TaskError& error) {
    EXPECT_EQ(error.type(), "std::runtime_error");
    EXPECT_EQ(error.message(), "out of flour");
    EXPECT_FALSE(error.traceback().empty());
  }
  try {
    client.send("nobody.knows", 1).get(30s);
    FAIL() << "it did not throw";
  } catch (const TaskError& error) {
    EXPECT_NE(error.message().find("nobody.knows"), std::string::npos);
  }
}

TEST_F(NetworkTest, AWorkerKilledUnderLoadLosesNothing) {
  cluster.start_broker();
  cluster.start_collector();
  cluster.start_worker(0);
  cluster.start_worker(1);
  App client = app();
  auto mark = client.task<std::int64_t(std::string, std::int64_t, std::int64_t)>("t.mark_slowly");
  std::vector<AsyncResult<std::int64_t>> results;
  for (int i = 0; i < 300; ++i) results.push_back(mark.delay(path, i, 5));
  results[20].get(30s);
  cluster.worker(0).kill();
  for (int i = 0; i < 300; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)].get(60s), i);
  const auto counts = marks();
  EXPECT_EQ(counts.size(), 300u);
  expect_books_balance();
  EXPECT_EQ(cluster.status("books.succeeded"), 300);
}

TEST_F(NetworkTest, ABrokerKilledWithTasksInFlightRepeatsNothing) {
  cluster.start_broker();
  cluster.start_collector();
  cluster.start_worker(0, 4);
  App client = app();
  auto mark = client.task<std::int64_t(std::string, std::int64_t, std::int64_t)>("t.mark_slowly");
  std::vector<AsyncResult<std::int64_t>> results;
  for (int i = 0; i < 40; ++i) results.push_back(mark.delay(path, i, 300));
  ASSERT_TRUE(eventually([&] { return marks().size() >= 4; }));
  cluster.broker().kill();
  cluster.start_broker();
  for (int i = 0; i < 40; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)].get(60s), i);
  for (const auto& [number, times] : marks()) EXPECT_EQ(times, 1) << "task " << number;
  expect_books_balance();
}

TEST_F(NetworkTest, ABrokerKilledUnderLoadKeepsWhatItConfirmed) {
  cluster.start_broker();
  cluster.start_collector();
  cluster.start_worker(0);
  cluster.start_worker(1);
  App client = app();
  auto mark = client.task<std::int64_t(std::string, std::int64_t)>("t.mark");
  std::vector<AsyncResult<std::int64_t>> results;
  for (int i = 0; i < 20'000; ++i) {
    results.push_back(mark.delay(path, i));
    if (i == 10'000) {
      cluster.broker().kill();
      cluster.start_broker();
    }
  }
  for (std::size_t i = 0; i < results.size(); ++i)
    EXPECT_EQ(results[i].get(60s), static_cast<std::int64_t>(i));
  const auto counts = marks();
  EXPECT_EQ(counts.size(), results.size());
  for (const auto& [number, times] : counts) EXPECT_EQ(times, 1) << "task " << number;
  expect_books_balance();
}

TEST_F(NetworkTest, ACollectorKilledUnderLoadLosesNoResult) {
  cluster.start_broker();
  cluster.start_collector();
  cluster.start_worker(0);
  App client = app();
  auto mark = client.task<std::int64_t(std::string, std::int64_t)>("t.mark");
  std::vector<AsyncResult<std::int64_t>> results;
  for (int i = 0; i < 5'000; ++i) {
    results.push_back(mark.delay(path, i));
    if (i == 2'500) {
      cluster.collector().kill();
      cluster.start_collector();
    }
  }
  for (std::size_t i = 0; i < results.size(); ++i)
    EXPECT_EQ(results[i].get(60s), static_cast<std::int64_t>(i));
  for (const auto& [number, times] : marks()) EXPECT_EQ(times, 1) << "task " << number;
  expect_books_balance();
}

TEST_F(NetworkTest, AWorkerFrozenPastItsLivenessAndWokenChangesNoResult) {
  cluster.start_broker();
  cluster.start_collector();
  cluster.start_worker(0, 2);
  App client = app();
  auto mark = client.task<std::int64_t(std::string, std::int64_t, std::int64_t)>("t.mark_slowly");
  std::vector<AsyncResult<std::int64_t>> results;
  for (int i = 0; i < 20; ++i) results.push_back(mark.delay(path, i, 100));
  ASSERT_TRUE(eventually([&] { return marks().size() >= 2; }));
  cluster.worker(0).signal(SIGSTOP);
  cluster.start_worker(1, 2);
  ASSERT_TRUE(eventually([&] { return cluster.status("counters.lost_workers") == 1; }));
  cluster.worker(0).signal(SIGCONT);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)].get(60s), i);
  expect_books_balance();
  EXPECT_EQ(cluster.status("books.succeeded"), 20);
}

TEST_F(NetworkTest, AnEtaIsKeptAcrossABrokerRestart) {
  cluster.start_broker();
  cluster.start_collector();
  cluster.start_worker(0);
  App client = app();
  auto add = client.task<std::int64_t(std::int64_t, std::int64_t)>("c.add");
  const auto start = std::chrono::steady_clock::now();
  auto later = add.with().countdown(3s).delay(20, 22);
  ASSERT_TRUE(client.flush(20s));
  cluster.broker().kill();
  cluster.start_broker();
  EXPECT_EQ(later.get(60s), 42);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 2900ms);
}

TEST_F(NetworkTest, ARetryPolicyOfTheCallIsObeyed) {
  cluster.start_broker();
  cluster.start_collector();
  cluster.start_worker(0);
  App client = app();
  auto fail = client.task<std::int64_t(std::int64_t)>("t.fail_until");
  CallOptions options;
  options.on_failure = RetryPolicy{
      .max_retries = 3, .interval_start = 50ms, .interval_step = 0ms, .interval_max = 50ms};
  EXPECT_EQ(fail.apply_async({2}, options).get(30s), 2);
  EXPECT_THROW(fail.apply_async({9}, options).get(30s), TaskError);
  EXPECT_TRUE(eventually([&] { return cluster.status("books.dead") == 1; }));
}

TEST_F(NetworkTest, FollowUpsRunExactlyOnceAndOnlyAfterSuccess) {
  cluster.start_broker();
  cluster.start_collector();
  cluster.start_worker(0);
  App client = app();
  EXPECT_EQ(client.send<std::int64_t>("t.parent", path, 50).get(30s), 50);
  EXPECT_TRUE(eventually([&] { return marks().size() == 50; }));
  expect_books_balance();
  for (const auto& [number, times] : marks()) EXPECT_EQ(times, 1) << "child " << number;
}

TEST_F(NetworkTest, ADrainedWorkerHandsBackAndNothingRunsTwice) {
  cluster.start_broker();
  cluster.start_collector();
  cluster.start_worker(0, 2);
  App client = app();
  auto mark = client.task<std::int64_t(std::string, std::int64_t, std::int64_t)>("t.mark_slowly");
  std::vector<AsyncResult<std::int64_t>> results;
  for (int i = 0; i < 60; ++i) results.push_back(mark.delay(path, i, 50));
  ASSERT_TRUE(eventually([&] { return marks().size() >= 4; }));
  cluster.worker(0).signal(SIGTERM);
  EXPECT_EQ(cluster.worker(0).wait(30s), 0);
  cluster.start_worker(1, 2);
  for (int i = 0; i < 60; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)].get(60s), i);
  for (const auto& [number, times] : marks()) EXPECT_EQ(times, 1) << "task " << number;
  expect_books_balance();
  EXPECT_EQ(cluster.status("counters.redelivered"), 0);
}

TEST_F(NetworkTest, ARevokedTaskNeverRuns) {
  cluster.start_broker();
  cluster.start_collector();
  App client = app();
  auto mark = client.task<std::int64_t(std::string, std::int64_t)>("t.mark");
  auto result = mark.delay(path, 1);
  ASSERT_TRUE(client.flush(20s));
  const auto verdicts = client.revoke({result.id()});
  ASSERT_EQ(verdicts.size(), 1u);
  cluster.start_worker(0);
  EXPECT_THROW(result.get(30s), TaskRevoked);
  EXPECT_EQ(mark.delay(path, 2).get(30s), 2);
  EXPECT_FALSE(marks().contains(1));
}

TEST_F(NetworkTest, WithNoBrokerACallReturnsAtOnceAndSaysThatItWasNotSent) {
  App client{AppOptions{.broker = "tcp://127.0.0.1:9", .connect_timeout = 500ms}};
  auto add = client.task<std::int64_t(std::int64_t, std::int64_t)>("c.add");
  const auto start = std::chrono::steady_clock::now();
  auto result = add.delay(1, 2);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 400ms);
  EXPECT_THROW(result.get(20s), NotSent);
}

TEST_F(NetworkTest, ASecondBrokerOnTheSameStoreIsRefusedAndTheFirstIsUnhurt) {
  cluster.start_broker();
  Process second{{std::string{BAOZI_BINARY_DIR} + "/bin/baozi-broker", "--listen",
                  "tcp://127.0.0.1:0", "--store", "sqlite:" + (cluster.folder() / "broker.db")}};
  EXPECT_EQ(second.wait(20s), 1);
  EXPECT_NE(second.err().find("broker.db"), std::string::npos) << second.err();
  EXPECT_EQ(cluster.status("books.accepted"), 0);
}

TEST_F(NetworkTest, WrongOptionsAreOneLineAndAnExitCode) {
  const std::string broker = std::string{BAOZI_BINARY_DIR} + "/bin/baozi-broker";
  const std::vector<std::pair<std::vector<std::string>, int>> wrong = {
      {{broker, "--no-such-option"}, 2},
      {{broker, "--listen", "tcp://0.0.0.0:7999", "--store", "memory:"}, 2},
      {{broker, "--queue", "math:tasks=zero", "--store", "memory:", "--listen",
        "tcp://127.0.0.1:0"},
       2},
      {{broker, "--store", "sqlite:/no/such/folder/b.db", "--listen", "tcp://127.0.0.1:0"}, 1},
      {{std::string{BAOZI_BINARY_DIR} + "/bin/baozi-worker", "-A", "/no/such/libtasks.so"}, 1},
  };
  for (const auto& [command, code] : wrong) {
    Process process{command};
    EXPECT_EQ(process.wait(20s), code) << command[0] << ' ' << command[1] << '\n' << process.err();
    EXPECT_FALSE(process.err().empty()) << command[1];
  }
}

}  // namespace
}  // namespace baozi::test
