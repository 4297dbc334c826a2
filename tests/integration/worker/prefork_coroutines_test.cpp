// Coroutine tasks of baozi-worker -P prefork, between a real broker and a real collector: one that
// misbehaves costs itself, its process is replaced, and those that waited beside it end well.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <baozi/client.hpp>

#include "support/cluster.hpp"

namespace baozi::test {
namespace {

using namespace std::chrono_literals;

/// Without the one that names stacks, which starts when it is time.
void gather_descendants(pid_t pid, std::set<pid_t>& all) {
  std::ifstream list{"/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children"};
  for (pid_t child = 0; list >> child;) {
    std::string name;
    std::getline(std::ifstream{"/proc/" + std::to_string(child) + "/comm"}, name);
    if (name == "bz-namer") continue;
    all.insert(child);
    gather_descendants(child, all);
  }
}

class PreforkCoroutines : public testing::Test {
 protected:
  Cluster cluster;
  std::unique_ptr<App> app;

  void SetUp() override {
    cluster.start_broker();
    cluster.start_collector();
    app = std::make_unique<App>(cluster.address());
  }
  void TearDown() override {
    if (HasFailure()) std::fputs(cluster.logs().c_str(), stderr);
  }
  Process& start_worker(std::vector<std::string> more = {}) {
    more.insert(more.end(), {"-A", BAOZI_ZOO, "-P", "prefork"});
    return cluster.start_worker(1, 1, more);
  }
  /// So many, all of which have begun.
  template <class T = double>
  std::vector<AsyncResult<T>> begin(const std::string& task, int count, double seconds) {
    std::vector<AsyncResult<T>> naps;
    const auto begun = std::make_shared<Begun>();
    for (int i = 0; i < count; ++i) {
      naps.push_back(app->task<T(double)>(task).delay(seconds));
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
        60s));
    return naps;
  }
  template <class R, class... Args>
  Outcome<R> outcome(const std::string& task, const Args&... args) {
    return app->task<R(Args...)>(task).delay(args...).get_for(60s);
  }
  std::int64_t pid() { return app->task<std::int64_t()>("co.pid").delay().get(60s); }
  [[nodiscard]] bool logged(std::string_view text) const {
    return cluster.logs().find(text) != std::string::npos;
  }
  std::set<pid_t> processes() {
    std::set<pid_t> all;
    gather_descendants(cluster.worker(1).pid(), all);
    return all;
  }
  /// Everybody below the worker executes: nobody is dead and unburied.
  bool has_no_zombie() {
    return eventually([&] {
      for (const pid_t pid : processes()) {
        if (!executes(pid)) return false;
      }
      return true;
    });
  }
  void expect_worker_as_before() {
    EXPECT_FALSE(cluster.worker(1).poll()) << "the worker lives";
    EXPECT_TRUE(has_no_zombie());
    EXPECT_TRUE(eventually([&] { return processes().size() == 3; }))
        << "the fork server, a slot's child, and one for coroutines";
    EXPECT_TRUE(eventually([&] { return cluster.books_balance(); }));
  }

 private:
  struct Begun {
    std::mutex mutex;
    std::set<int> which;
  };
};

TEST_F(PreforkCoroutines, AThousandSleepAtTheSameTimeInOneProcess) {
  start_worker();
  const auto naps = begin("co.nap", 1'000, 3.0);
  EXPECT_EQ(processes().size(), 3U);
  EXPECT_EQ(when_all(naps).get(60s).size(), 1'000U);
  expect_worker_as_before();
  EXPECT_EQ(cluster.status("counters.redelivered"), 0);
}

TEST_F(PreforkCoroutines, AnExceptionHasItsStackAndItsProcessReadsNoNames) {
  start_worker();
  const std::int64_t before = pid();
  const auto resident_mib = [before] {
    std::ifstream file{"/proc/" + std::to_string(before) + "/statm"};
    long total = 0;
    long resident = 0;
    file >> total >> resident;
    return resident * 4'096 >> 20;
  };
  const long small = resident_mib();
  const auto failure = outcome<void>("co.fail");
  ASSERT_TRUE(failure.failed());
  EXPECT_EQ(failure.error()->type(), "std::runtime_error");
  EXPECT_NE(failure.error()->traceback().find("    at zoo::throw_from_the_depth"),
            std::string::npos)
      << failure.error()->traceback();
#ifndef __SANITIZE_ADDRESS__
  EXPECT_LT(resident_mib() - small, 6) << "MiB";
#endif
  EXPECT_EQ(pid(), before);
}

TEST_F(PreforkCoroutines, OneThatCrashesCostsItselfOnly) {
  start_worker();
  const auto naps = begin("co.nap", 200, 2.0);
  const std::int64_t before = pid();
  const auto crash = outcome<int>("co.crash");
  ASSERT_TRUE(crash.failed());
  EXPECT_EQ(crash.error()->type(), "WorkerLostError");
  EXPECT_NE(crash.error()->message().find("signal 11"), std::string::npos)
      << crash.error()->message();
#ifndef __SANITIZE_ADDRESS__
  EXPECT_NE(crash.error()->traceback().find("zoo::null_dereference"), std::string::npos)
      << crash.error()->traceback();
#endif
  EXPECT_EQ(when_all(naps).get(60s).size(), 200U);
  EXPECT_NE(pid(), before);
  EXPECT_TRUE(logged("200 coroutine tasks that were in flight beside it are handed back"));
  EXPECT_EQ(cluster.status("counters.lost_deliveries"), 0) << "nobody else is charged";
  expect_worker_as_before();
}

TEST_F(PreforkCoroutines, ManyThatCrashAmongManyThatWaitLoseNobody) {
  start_worker();
  std::vector<AsyncResult<double>> naps;
  std::vector<AsyncResult<int>> crashes;
  for (int i = 0; i < 300; ++i) {
    naps.push_back(app->task<double(double)>("co.nap").delay(0.2));
    if (i % 15 == 0) crashes.push_back(app->task<int()>("co.crash").delay());
  }
  EXPECT_EQ(when_all(naps).get(100s).size(), 300U);
  for (const auto& crash : crashes) {
    const auto end = crash.get_for(60s);
    ASSERT_TRUE(end.failed());
    EXPECT_EQ(end.error()->type(), "WorkerLostError");
  }
  EXPECT_EQ(cluster.status("counters.lost_deliveries"), 0);
  expect_worker_as_before();
}

TEST_F(PreforkCoroutines, AnExitAndAnOverflowOfTheStackAreCrashes) {
  start_worker();
  const auto left = outcome<void>("co.leave", 0);
  ASSERT_TRUE(left.failed());
  EXPECT_NE(left.error()->message().find("exit code 0"), std::string::npos);
  const auto overflow = outcome<int>("co.overflow");
  ASSERT_TRUE(overflow.failed());
  EXPECT_EQ(overflow.error()->type(), "WorkerLostError");
#ifndef __SANITIZE_ADDRESS__
  EXPECT_NE(overflow.error()->traceback().find("zoo::never_enough_stack"), std::string::npos)
      << overflow.error()->traceback();
#endif
  EXPECT_GT(pid(), 0);
}

TEST_F(PreforkCoroutines, OneWithCrashRetryRunsAgainAndAloneUntilItIsADeadLetter) {
  start_worker();
  const auto naps = begin("co.nap", 10, 1.0);
  const auto crash = outcome<int>("co.crash_again");
  ASSERT_TRUE(crash.failed());
  EXPECT_NE(crash.error()->message().find("5 deliveries were lost"), std::string::npos)
      << crash.error()->message();
  EXPECT_EQ(when_all(naps).get(60s).size(), 10U);
  expect_worker_as_before();
}

TEST_F(PreforkCoroutines, WhereNobodyRanEachLosesADeliveryAndTheCauseEndsAsADeadLetter) {
  start_worker();
  const auto naps = begin("co.nap", 5, 0.3);
  const auto crash = outcome<void>("co.crash_elsewhere");
  ASSERT_TRUE(crash.failed());
  EXPECT_NE(crash.error()->message().find("5 deliveries were lost"), std::string::npos)
      << crash.error()->message();
  EXPECT_EQ(when_all(naps).get(60s).size(), 5U);
  EXPECT_TRUE(logged("nobody knows which of"));
  expect_worker_as_before();
}

TEST_F(PreforkCoroutines, OneThatMustNotRunTwiceFailsWithItsProcess) {
  start_worker();
  const auto once = begin("co.nap_once", 3, 600.0);
  EXPECT_TRUE(outcome<int>("co.crash").failed());
  for (const auto& one : once) {
    const auto end = one.get_for(60s);
    ASSERT_TRUE(end.failed());
    EXPECT_EQ(end.error()->type(), "WorkerLostError");
    EXPECT_NE(end.error()->message().find("in another coroutine task, co.crash"), std::string::npos)
        << end.error()->message();
  }
}

TEST_F(PreforkCoroutines, OneThatAwaitsNothingIsKilledAfterItsLimitAndTheOthersRunAgain) {
  start_worker();
  const auto naps = begin("co.nap", 20, 1.0);
  const auto spin = app->task<void()>("co.spin").apply_async({}, {.time_limit = 300ms});
  const auto end = spin.get_for(60s);
  ASSERT_TRUE(end.failed());
  EXPECT_EQ(end.error()->type(), "TimeLimitExceeded");
  EXPECT_EQ(when_all(naps).get(60s).size(), 20U);
  EXPECT_TRUE(logged("coroutine task co.spin has not awaited anything for"));
  EXPECT_EQ(cluster.status("counters.lost_deliveries"), 0);
  expect_worker_as_before();
}

TEST_F(PreforkCoroutines, ARevokeEndsOneAndNoOther) {
  start_worker();
  const auto naps = begin("co.nap", 10, 600.0);
  const std::int64_t before = pid();
  app->revoke({naps[0].id()}, true);
  EXPECT_THROW((void)naps[0].get(30s), TaskRevoked);
  EXPECT_EQ(pid(), before);
  std::vector<std::string> ids;
  for (const auto& nap : naps) ids.push_back(nap.id());
  const Ran active = cluster.baozi({"inspect", "active", "--json"});
  for (std::size_t i = 1; i < ids.size(); ++i) {
    EXPECT_NE(active.out.find(ids[i]), std::string::npos) << "it goes on";
  }
  EXPECT_NE(active.out.find("\"worker_pid\": " + std::to_string(before)), std::string::npos)
      << active.out;
  app->revoke(ids, true);
  for (const auto& nap : naps) EXPECT_THROW((void)nap.get(30s), TaskRevoked);
}

TEST_F(PreforkCoroutines, ItsProcessIsReplacedAfterSoManyTasksAndEndsAfterItsLast) {
  start_worker({"--max-tasks-per-child", "3"});
  const auto naps = begin("co.nap", 5, 1.0);
  std::set<std::int64_t> pids;
  for (int i = 0; i < 12; ++i) pids.insert(pid());
  EXPECT_GE(pids.size(), 3U);
  EXPECT_EQ(when_all(naps).get(60s).size(), 5U);
  EXPECT_EQ(cluster.status("counters.redelivered"), 0);
  expect_worker_as_before();
}

TEST_F(PreforkCoroutines, ItsProcessIsReplacedOnceItIsTooLarge) {
  start_worker({"--max-memory-per-child", "400MiB"});
  const std::int64_t before = app->task<std::int64_t(int)>("co.leak").delay(500).get(60s);
  EXPECT_TRUE(eventually([&] { return pid() != before; }, 30s));
  EXPECT_TRUE(eventually([&] { return !executes(static_cast<pid_t>(before)); }));
  expect_worker_as_before();
}

TEST_F(PreforkCoroutines, ARestartOfThePoolReplacesItsProcessAndInterruptsNobody) {
  start_worker();
  const auto naps = begin("co.nap", 10, 1.0);
  const std::int64_t before = pid();
  EXPECT_EQ(cluster.baozi({"control", "pool_restart"}).code, 0);
  EXPECT_NE(pid(), before);
  EXPECT_EQ(when_all(naps).get(60s).size(), 10U);
  EXPECT_TRUE(eventually([&] { return !executes(static_cast<pid_t>(before)); }));
  EXPECT_EQ(cluster.status("counters.redelivered"), 0);
  expect_worker_as_before();
}

TEST_F(PreforkCoroutines, OneThatClosesAllDescriptorsCostsTheProcessAndNotTheWorker) {
  start_worker();
  const auto closed = outcome<void>("co.close_everything");
  ASSERT_TRUE(closed.failed());
  EXPECT_NE(closed.error()->message().find("5 deliveries were lost"), std::string::npos)
      << closed.error()->message();
  EXPECT_GT(pid(), 0);
  expect_worker_as_before();
}

TEST_F(PreforkCoroutines, AProcessThatIsTooLargeFromTheBeginningIsReplacedAfterATaskAndNotBefore) {
  start_worker({"--max-memory-per-child", "1MiB"});
  std::set<std::int64_t> pids;
  for (int i = 0; i < 5; ++i) pids.insert(pid());
  EXPECT_GE(pids.size(), 2U);
  // The latest one has run nothing yet, and stays.
  const auto process = [&] {
    const std::string report = cluster.baozi({"inspect", "report"}).out;
    const std::string_view before_it = "of 1000 coroutines, in process ";
    const std::size_t at = report.find(before_it);
    return at == std::string::npos ? 0 : std::atoll(report.c_str() + at + before_it.size());
  };
  EXPECT_TRUE(eventually([&] { return process() != 0 && !pids.contains(process()); }));
  const auto latest = process();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(process(), latest);
}

TEST_F(PreforkCoroutines, WhereLoadingStartsThreadsTheirProcessLoadsTheLibraryAnew) {
  cluster.start_worker(1, 1, {"-A", BAOZI_THREADED, "-P", "prefork"});
  const auto co = app->task<std::int64_t()>("threaded.co");
  const std::int64_t before = co.delay().get(60s);
  EXPECT_NE(before, cluster.worker(1).pid());
  const auto crash = outcome<void>("threaded.co_crash");
  ASSERT_TRUE(crash.failed());
  EXPECT_EQ(crash.error()->type(), "WorkerLostError");
  EXPECT_NE(co.delay().get(60s), before);
}

TEST_F(PreforkCoroutines, NobodyIsLeftWhenTheWorkerIsKilled) {
  Process& worker = start_worker();
  const auto naps = begin("co.nap", 10, 600.0);
  const std::set<pid_t> all = processes();
  EXPECT_EQ(all.size(), 3U);
  worker.kill();
  for (const pid_t pid : all) {
    EXPECT_TRUE(eventually([&] { return !executes(pid); })) << "process " << pid << " lives";
  }
}

TEST_F(PreforkCoroutines, ALostForkServerIsStartedAgainAndSoAreThey) {
  start_worker();
  const auto naps = begin("co.nap", 10, 2.0);
  std::set<pid_t> all;
  std::ifstream list{"/proc/" + std::to_string(cluster.worker(1).pid()) + "/task/" +
                     std::to_string(cluster.worker(1).pid()) + "/children"};
  pid_t server = 0;
  ASSERT_TRUE(list >> server);
  kill(server, SIGKILL);
  EXPECT_EQ(when_all(naps).get(60s).size(), 10U);
  expect_worker_as_before();
}

TEST_F(PreforkCoroutines, ReportsAndTheLogTellOfIt) {
  start_worker();
  const auto naps = begin("co.nap", 3, 600.0);
  const std::string process = std::to_string(pid());
  const Ran stats = cluster.baozi({"inspect", "stats", "--json"});
  EXPECT_NE(stats.out.find("\"coroutine-processes\""), std::string::npos) << stats.out;
  EXPECT_NE(stats.out.find(process), std::string::npos) << stats.out;
  const Ran report = cluster.baozi({"inspect", "report"});
  EXPECT_NE(report.out.find("3 of 1000 coroutines, in process " + process), std::string::npos)
      << report.out;
  EXPECT_TRUE(eventually([&] {
    cluster.worker(1).signal(SIGUSR1);
    return logged("report: coroutines in process " + process + ": 3 in flight");
  }));
  app->task<void(std::string)>("co.say").delay("hello from one").get(30s);
  EXPECT_TRUE(
      eventually([&] { return logged("coroutines (process " + process + "): hello from one"); }));
  cluster.worker(1).signal(SIGQUIT);
  EXPECT_EQ(cluster.worker(1).wait(20s), 0);
}

}  // namespace
}  // namespace baozi::test
