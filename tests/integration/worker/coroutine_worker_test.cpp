// Coroutine tasks in baozi-worker, between a real broker and a real collector: the same from a
// thread of the worker and from a process beside its slots.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <set>
#include <thread>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <baozi/client.hpp>
#include <baozi/worker.hpp>

#include "support/cluster.hpp"

namespace baozi::test {
namespace {

using namespace std::chrono_literals;

/// Compiles: an end that comes on an executor may be awaited, too.
[[maybe_unused]] Task<int> resumed_by(AsyncResult<int> result) {
  co_return co_await result.on([](const auto& function) { function(); });
}

class CoroutineWorker : public testing::TestWithParam<const char*> {
 protected:
  Cluster cluster;
  std::unique_ptr<App> app;

  void SetUp() override {
    cluster.start_broker();
    cluster.start_collector();
    setenv("BAOZI_BROKER", cluster.address().c_str(), 1);  // for the task library's App
    app = std::make_unique<App>(cluster.address());
  }
  void TearDown() override {
    if (HasFailure()) std::fputs(cluster.logs().c_str(), stderr);
  }
  void start_worker(int number, int concurrency, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"-A", BAOZI_COROUTINES, "-P", GetParam()});
    cluster.start_worker(number, concurrency, more);
  }
  /// So many naps, all of which have begun.
  std::vector<AsyncResult<double>> begin_naps(int count, double seconds,
                                              const CallOptions& options = {}) {
    std::vector<AsyncResult<double>> naps;
    const auto begun = std::make_shared<Begun>();
    for (int i = 0; i < count; ++i) {
      naps.push_back(app->task<double(double)>("c.nap").apply_async({seconds}, options));
      naps.back().on_progress([begun, i](const std::string&, const Value&) {
        const std::lock_guard lock{begun->mutex};
        begun->which.insert(i);
      });
    }
    EXPECT_TRUE(eventually(
        [&] {
          const std::lock_guard lock{begun->mutex};
          return begun->which.size() == naps.size();
        },
        30s));
    return naps;
  }

 private:
  struct Begun {
    std::mutex mutex;
    std::set<int> which;
  };
};

TEST_P(CoroutineWorker, TwoThousandWaitAtTheSameTime) {
  start_worker(1, 1, {"--coroutines", "2000"});
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::tuple<double>> calls(2'000, std::tuple{1.0});
  const auto naps = app->task<double(double)>("c.nap").map(calls);
  EXPECT_EQ(when_all(naps).get(60s).size(), 2'000U);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  RecordProperty("seconds", std::to_string(took.count()));
  // One after the other they would take 2,000 s, and 50 at a time 40 s.
  EXPECT_LT(took.count(), 30.0);
}

TEST_P(CoroutineWorker, MoreThanTheLimitWaitTheirTurn) {
  start_worker(1, 1, {"--coroutines", "10"});
  std::vector<std::tuple<double>> calls(100, std::tuple{0.05});
  EXPECT_EQ(when_all(app->task<double(double)>("c.nap").map(calls)).get(60s).size(), 100U);
}

TEST_P(CoroutineWorker, AwaitsTasksThatItsOwnWorkerRunsInItsOnlySlot) {
  start_worker(1, 1);
  std::vector<std::int64_t> numbers;
  for (int i = 1; i <= 64; ++i) numbers.push_back(i);
  const auto total = app->task<std::int64_t(std::vector<std::int64_t>)>("c.total");
  EXPECT_EQ(total.delay(numbers).get(60s), 64 * 65 / 2);
}

TEST_P(CoroutineWorker, AwaitsTheFirstOfMany) {
  start_worker(1, 1);
  const auto quickest = app->task<std::uint64_t(std::vector<double>)>("c.quickest");
  EXPECT_EQ(quickest.delay(std::vector<double>{20.0, 0.01, 20.0}).get(60s), 1U);
}

TEST_P(CoroutineWorker, ManyThatWaitForTheSameSlotEndWithMoreOfThemThanTheLimit) {
  start_worker(1, 1, {"--coroutines", "4"});
  const auto total = app->task<std::int64_t(std::vector<std::int64_t>)>("c.total");
  std::vector<AsyncResult<std::int64_t>> totals;
  for (int i = 0; i < 40; ++i) totals.push_back(total.delay(std::vector<std::int64_t>{1, 2, 3, i}));
  std::int64_t sum = 0;
  for (const std::int64_t one : when_all(totals).get(100s)) sum += one;
  EXPECT_EQ(sum, 40 * 6 + 39 * 40 / 2);
}

TEST_P(CoroutineWorker, WaitsForAServerOnTheNetwork) {
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(server, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(server, 8), 0);
  ASSERT_EQ(getsockname(server, reinterpret_cast<sockaddr*>(&address), &size), 0);
  start_worker(1, 1);
  const auto banner = app->task<std::string(std::uint16_t)>("c.banner");
  const auto result = banner.delay(ntohs(address.sin_port));
  const int client = accept(server, nullptr, nullptr);
  ASSERT_GE(client, 0);
  EXPECT_EQ(write(client, "220 hel", 7), 7);
  EXPECT_EQ(app->task<std::int64_t(std::int64_t, std::int64_t)>("c.add").delay(1, 2).get(30s), 3);
  EXPECT_EQ(write(client, "lo\n", 3), 3);
  EXPECT_EQ(result.get(30s), "220 hello\n");
  close(client);
  close(server);
  EXPECT_THROW((void)banner.with()
                   .on_failure(RetryPolicy{.max_retries = 0})
                   .delay(ntohs(address.sin_port))
                   .get(30s),
               TaskError);
}

TEST_P(CoroutineWorker, AKilledWorkersCoroutinesRunElsewhere) {
  start_worker(1, 1);
  const auto naps = begin_naps(50, 5.0);
  cluster.worker(1).kill();
  start_worker(2, 1);
  EXPECT_EQ(when_all(naps).get(60s).size(), 50U);
  EXPECT_GT(cluster.status("counters.redelivered"), 0);
}

TEST_P(CoroutineWorker, AWarmShutdownLetsThemFinish) {
  start_worker(1, 1);
  const auto naps = begin_naps(50, 2.0);
  cluster.worker(1).signal(SIGTERM);
  EXPECT_EQ(when_all(naps).get(60s).size(), 50U);
  EXPECT_EQ(cluster.worker(1).wait(20s), 0);
  EXPECT_NE(cluster.logs().find("stopped: everything is settled"), std::string::npos);
}

TEST_P(CoroutineWorker, AColdShutdownHandsThemBack) {
  start_worker(1, 1);
  const auto naps = begin_naps(20, 5.0);
  cluster.worker(1).signal(SIGTERM);
  ASSERT_TRUE(eventually([&] { return cluster.logs().find("draining") != std::string::npos; }));
  cluster.worker(1).signal(SIGTERM);
  EXPECT_EQ(cluster.worker(1).wait(20s), 0);
  start_worker(2, 1);
  EXPECT_EQ(when_all(naps).get(60s).size(), 20U);
}

TEST_P(CoroutineWorker, ARevokeEndsThemWhereTheyWait) {
  start_worker(1, 1);
  const auto naps = begin_naps(1, 600.0);
  app->revoke({naps[0].id()}, true);
  EXPECT_THROW((void)naps[0].get(30s), TaskRevoked);
}

TEST_P(CoroutineWorker, TimeLimitsEndThemWhereTheyWait) {
  start_worker(1, 1, {"--soft-time-limit", "60s"});
  const auto hard = app->task<double(double)>("c.nap").apply_async({600.0}, {.time_limit = 200ms});
  const auto soft =
      app->task<double(double)>("c.nap").apply_async({600.0}, {.soft_time_limit = 200ms});
  for (const auto& [result, type] :
       {std::pair{hard, "TimeLimitExceeded"}, std::pair{soft, "baozi::SoftTimeLimitExceeded"}}) {
    const Outcome<double> outcome = result.get_for(30s);
    ASSERT_TRUE(outcome.failed()) << type;
    EXPECT_EQ(outcome.error()->type(), type);
  }
}

TEST_P(CoroutineWorker, InspectTellsOfThem) {
  start_worker(1, 2);
  const auto naps = begin_naps(3, 600.0);
  const Ran active = cluster.baozi({"inspect", "active", "--json"});
  for (const auto& nap : naps)
    EXPECT_NE(active.out.find(nap.id()), std::string::npos) << active.out;
  const Ran stats = cluster.baozi({"inspect", "stats", "--json"});
  EXPECT_NE(stats.out.find("\"max-coroutines\""), std::string::npos) << stats.out;
  std::vector<std::string> ids;
  for (const auto& nap : naps) ids.push_back(nap.id());
  app->revoke(ids, true);
  for (const auto& nap : naps) EXPECT_THROW((void)nap.get(30s), TaskRevoked);
}

INSTANTIATE_TEST_SUITE_P(Pool, CoroutineWorker, testing::Values("threads", "prefork", "solo"),
                         [](const auto& pool) { return std::string{pool.param}; });

}  // namespace
}  // namespace baozi::test
