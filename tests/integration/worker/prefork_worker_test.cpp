// baozi-worker with a pool of processes, between a real broker and a real collector: how it is
// stopped, what it leaves behind (nobody), and what becomes of tasks that crash it.
#include <algorithm>
#include <csignal>
#include <fstream>
#include <future>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include <baozi/arguments.hpp>
#include <baozi/codec.hpp>

#include "support/cluster.hpp"
#include "support/raw_producer.hpp"

namespace baozi::test {
namespace {

using namespace std::chrono_literals;

void gather_descendants(pid_t pid, std::set<pid_t>& all) {
  std::ifstream list{"/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children"};
  for (pid_t child = 0; list >> child;) {
    all.insert(child);
    gather_descendants(child, all);
  }
}

class PreforkWorker : public testing::Test {
 protected:
  Cluster cluster;
  std::unique_ptr<RawProducer> producer;

  void SetUp() override {
    cluster.start_broker();
    cluster.start_collector();
    producer = std::make_unique<RawProducer>(cluster.address());
  }
  void TearDown() override {
    if (HasFailure()) std::fputs(cluster.logs().c_str(), stderr);
  }
  Process& start_worker(int number, int children, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"-P", "prefork", "-A", BAOZI_ZOO});
    // Beside the producer, which would lose its sessions if it were silent meanwhile.
    auto started =
        std::async(std::launch::async, [&] { cluster.start_worker(number, children, more); });
    producer->pump([&] { return started.wait_for(0s) == std::future_status::ready; }, 60s);
    started.get();
    return cluster.worker(number);
  }
  TaskId submit(const std::string& name, const Bytes& body, BytesView options = {}) {
    const TaskId id = producer->new_id();
    producer->submit({RawProducer::task(id, name, body, options)});
    return id;
  }
  /// Tasks that each leave a line in a file.
  void submit_marks(int count, double seconds) {
    std::vector<std::pair<TaskId, Bytes>> tasks;
    for (int i = 0; i < count; ++i) {
      tasks.push_back(RawProducer::task(producer->new_id(), "zoo.mark",
                                        pack_body(marks(), marks_submitted_++, seconds)));
    }
    producer->submit(tasks);
  }
  [[nodiscard]] std::string marks() const { return cluster.folder() / "marks"; }
  /// How often each of them ran to its end.
  [[nodiscard]] std::map<int, int> runs() const {
    std::map<int, int> counts;
    std::ifstream file{marks()};
    for (int number = 0; file >> number;) ++counts[number];
    return counts;
  }
  [[nodiscard]] Bytes body_of(const TaskId& id) const { return producer->results().at(id).body; }
  [[nodiscard]] std::set<pid_t> processes_of(pid_t worker) const {
    std::set<pid_t> all;
    gather_descendants(worker, all);
    return all;
  }
  /// All tasks ended well, and each ran `once`, or at least once.
  void expect_all_ran(bool once) {
    ASSERT_TRUE(producer->wait_for_all(60s));
    for (const auto& [id, result] : producer->results()) {
      EXPECT_EQ(result.state, wire::TaskState::success);
    }
    const std::map<int, int> counts = runs();
    EXPECT_EQ(counts.size(), static_cast<std::size_t>(marks_submitted_));
    if (once) {
      for (const auto& [number, count] : counts) EXPECT_EQ(count, 1) << "task " << number;
    }
    EXPECT_TRUE(eventually([&] { return cluster.books_balance(); }));
  }

 private:
  int marks_submitted_ = 0;
};

TEST_F(PreforkWorker, ATaskThatCrashesFailsWithItsStackAndTheWorkerGoesOn) {
  Process& worker = start_worker(1, 2);
  const TaskId crash = submit("zoo.null", pack_body());
  submit_marks(100, 0.0);
  ASSERT_TRUE(producer->wait_for_all(60s));
  EXPECT_EQ(producer->results().at(crash).state, wire::TaskState::failure);
  EXPECT_NE(body_of(crash).find("WorkerLostError"), Bytes::npos);
  EXPECT_NE(body_of(crash).find("signal 11"), Bytes::npos);
  EXPECT_EQ(runs().size(), 100u);
  EXPECT_FALSE(worker.poll()) << "the worker lives";
  const std::string logs = cluster.logs();
  const std::size_t told = logs.find("killed by signal 11");
  ASSERT_NE(told, std::string::npos) << logs;
  const std::string line = logs.substr(logs.rfind('\n', told) + 1, told - logs.rfind('\n', told));
  EXPECT_NE(line.find("zoo.null"), std::string::npos) << line;
  EXPECT_NE(line.find(crash.text()), std::string::npos) << line;
  EXPECT_EQ(logs.find("killed by signal 11", told + 1), std::string::npos) << "once: " << logs;
}

TEST_F(PreforkWorker, ATaskWithCrashRetryRunsAgainUntilItIsADeadLetter) {
  start_worker(1, 1);
  submit("zoo.null_again", pack_body());
  ASSERT_TRUE(producer->wait_for_all(60s));
  const auto& [id, result] = *producer->results().begin();
  EXPECT_EQ(result.state, wire::TaskState::failure);
  EXPECT_NE(result.body.find("5 deliveries were lost"), Bytes::npos) << result.body;
  // The failure is shown before it is stored, and only then does the broker lay the task aside.
  Ran dead;
  EXPECT_TRUE(eventually([&] {
    dead = cluster.baozi({"dead", "list"});
    return dead.out.find("zoo.null_again") != std::string::npos;
  })) << dead.out;
  const TaskId after = submit("zoo.add", pack_body(1, 1));
  ASSERT_TRUE(producer->wait_for_all());
  EXPECT_EQ(body_of(after), "\x02");
}

TEST_F(PreforkWorker, ALimitOfTheCallEndsAnEndlessTask) {
  start_worker(1, 1);
  Bytes limited;
  Writer out{limited};
  out.map(1);
  out.uinteger(static_cast<std::uint64_t>(wire::Option::time_limit));
  out.integer(300'000);
  const TaskId endless = submit("zoo.never_end", pack_body(), limited);
  ASSERT_TRUE(producer->wait_for_all(60s));
  EXPECT_NE(body_of(endless).find("TimeLimitExceeded"), Bytes::npos);
}

TEST_F(PreforkWorker, NobodyIsLeftWhenTheWorkerIsKilled) {
  Process& worker = start_worker(1, 3);
  submit("zoo.never_end", pack_body());
  const TaskId near = submit("zoo.leave_somebody", pack_body(false));
  const TaskId far = submit("zoo.leave_somebody", pack_body(true));
  ASSERT_TRUE(producer->pump([&] { return producer->results().size() >= 2; }, 60s));
  std::set<pid_t> all = processes_of(worker.pid());
  all.insert(unpack<int>(body_of(near)));
  all.insert(unpack<int>(body_of(far)));
  EXPECT_GE(all.size(), 6u) << "the fork server, three children, and two that were left";
  worker.kill();
  for (const pid_t pid : all) {
    EXPECT_TRUE(eventually([&] { return !executes(pid); })) << "process " << pid << " lives";
  }
}

TEST_F(PreforkWorker, ANodeOfSeveralRolesHasAPoolOfProcessesToo) {
  Process node{{std::string{BAOZI_BINARY_DIR} + "/bin/baozi-node", "--roles", "worker", "--broker",
                cluster.address(), "-P", "prefork", "-c", "1", "-A", BAOZI_ZOO}};
  submit("zoo.null", pack_body());
  const TaskId after = submit("zoo.add", pack_body(1, 2));
  ASSERT_TRUE(producer->wait_for_all(60s)) << node.err();
  EXPECT_EQ(body_of(after), "\x03");
  node.signal(SIGTERM);
  EXPECT_EQ(node.wait(20s), 0) << node.err();
}

TEST_F(PreforkWorker, WhatAKilledForkServerRanIsDeliveredAgain) {
  Process& worker = start_worker(1, 2);
  submit_marks(2, 1.0);
  ASSERT_TRUE(eventually([&] {
    worker.signal(SIGUSR1);
    return cluster.logs().find("runs zoo.mark") != std::string::npos;
  }));
  const std::string pid = std::to_string(worker.pid());
  pid_t server = 0;
  std::ifstream{"/proc/" + pid + "/task/" + pid + "/children"} >> server;
  ASSERT_GT(server, 0);
  ASSERT_EQ(::kill(server, SIGKILL), 0);
  expect_all_ran(false);
  EXPECT_GE(cluster.status("counters.lost_deliveries"), 1);
  EXPECT_FALSE(worker.poll()) << "the worker lives";
}

TEST_F(PreforkWorker, AWarmStopUnderLoadLosesNothingAndRepeatsNothing) {
  start_worker(1, 3);
  submit_marks(600, 0.002);
  ASSERT_TRUE(producer->pump([&] { return producer->results().size() > 50; }, 60s));
  const std::set<pid_t> all = processes_of(cluster.worker(1).pid());
  cluster.worker(1).signal(SIGTERM);
  EXPECT_EQ(cluster.worker(1).wait(60s), 0);
  for (const pid_t pid : all) EXPECT_FALSE(executes(pid)) << pid;
  start_worker(2, 3);
  expect_all_ran(true);
  EXPECT_EQ(cluster.status("counters.redelivered"), 0);
}

TEST_F(PreforkWorker, AColdStopHandsBackWhatRuns) {
  start_worker(1, 2);
  submit_marks(2, 3.0);
  submit_marks(100, 0.001);
  ASSERT_TRUE(producer->pump([&] { return producer->all_confirmed(); }, 60s));
  ASSERT_TRUE(cluster.worker(1).poll() == std::nullopt);
  cluster.worker(1).signal(SIGQUIT);
  EXPECT_EQ(cluster.worker(1).wait(20s), 0);
  start_worker(2, 4);
  expect_all_ran(false);
}

TEST_F(PreforkWorker, TwoInterruptsStopNow) {
  start_worker(1, 2);
  submit("zoo.never_end", pack_body());
  submit_marks(200, 0.005);
  ASSERT_TRUE(producer->pump([&] { return producer->results().size() > 20; }, 60s));
  const std::set<pid_t> all = processes_of(cluster.worker(1).pid());
  cluster.worker(1).signal(SIGINT);
  ASSERT_TRUE(eventually([&] {
    return cluster.logs().find("draining; a second one stops at once") != std::string::npos;
  }));
  cluster.worker(1).signal(SIGINT);
  EXPECT_EQ(cluster.worker(1).wait(20s), 0);
  for (const pid_t pid : all) EXPECT_TRUE(eventually([&] { return !executes(pid); })) << pid;
}

TEST_F(PreforkWorker, ASoftStopGivesWhatRunsItsTime) {
  start_worker(1, 2, {"--soft-shutdown-timeout", "20s"});
  submit_marks(1, 0.5);
  ASSERT_TRUE(eventually([&] {
    cluster.worker(1).signal(SIGUSR1);
    return cluster.logs().find("runs zoo.mark") != std::string::npos;
  }));
  cluster.worker(1).signal(SIGQUIT);
  EXPECT_EQ(cluster.worker(1).wait(20s), 0);
  EXPECT_EQ(runs().size(), 1u);
}

TEST_F(PreforkWorker, TellsOnRequestWhatEverySlotDoes) {
  start_worker(1, 2);
  submit("zoo.nap", pack_body(60.0));
  EXPECT_TRUE(eventually([&] {
    cluster.worker(1).signal(SIGUSR1);
    const std::string log = cluster.logs();
    return log.find("runs zoo.nap") != std::string::npos &&
           log.find("has been idle for") != std::string::npos;
  }));
}

TEST_F(PreforkWorker, GrowsWithItsWork) {
  start_worker(1, 1, {"--autoscale", "4,1"});
  submit_marks(40, 0.1);
  ASSERT_TRUE(producer->wait_for_all(60s));
  EXPECT_NE(cluster.logs().find("the pool has 4 slots"), std::string::npos);
}

}  // namespace
}  // namespace baozi::test
