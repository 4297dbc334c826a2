// baozi-worker as a process, between a real broker and a real collector.
#include <algorithm>
#include <csignal>

#include <gtest/gtest.h>

#include <baozi/arguments.hpp>
#include <baozi/codec.hpp>

#include "support/cluster.hpp"
#include "support/raw_producer.hpp"

namespace baozi::test {
namespace {

class WorkerNode : public testing::Test {
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
  void submit(int count, const std::string& name, const Bytes& body, BytesView options = {}) {
    std::vector<std::pair<TaskId, Bytes>> tasks;
    for (int i = 0; i < count; ++i)
      tasks.push_back(RawProducer::task(producer->new_id(), name, body, options));
    producer->submit(tasks);
  }
  /// A worker that has run something: both its sessions are open.
  void start_worker(int number, int concurrency) {
    cluster.start_worker(number, concurrency);
    submit(1, "c.add", pack_body(1, 1));
    ASSERT_TRUE(producer->wait_for_all());
  }
  /// The same, and waits until they all run. These tell their progress, which may come instead of
  /// STARTED.
  [[nodiscard]] bool start(int count, const std::string& name, const Bytes& body) {
    Bytes tracked;
    Writer out{tracked};
    out.map(1);
    out.uinteger(static_cast<std::uint64_t>(wire::Option::track_started));
    out.boolean(true);
    const int before = producer->tasks_reported("PROGRESS");
    submit(count, name, body, tracked);
    // Confirmed too: this producer does not send again what a broker lost before its commit.
    return producer->pump([&] {
      return producer->tasks_reported("PROGRESS") == before + count && producer->all_confirmed();
    });
  }
  /// How many of the results are of this state.
  [[nodiscard]] int count(wire::TaskState state) const {
    int n = 0;
    for (const auto& [id, result] : producer->results()) n += result.state == state ? 1 : 0;
    return n;
  }
  [[nodiscard]] int count(const std::string& worker) const {
    int n = 0;
    for (const auto& [id, result] : producer->results())
      n += result.worker.starts_with(worker + "@") ? 1 : 0;
    return n;
  }
};

TEST_F(WorkerNode, RunsTasksAndTheirResultsArrive) {
  cluster.start_worker(1);
  submit(2'000, "c.add", pack_body(20, 22));
  ASSERT_TRUE(producer->wait_for_all());
  EXPECT_EQ(count(wire::TaskState::success), 2'000);
  for (const auto& [id, result] : producer->results()) ASSERT_EQ(result.body, "\x2A");
  EXPECT_TRUE(producer->pump([&] { return producer->all_confirmed(); }));
}

TEST_F(WorkerNode, AFailureArrivesWithItsTypeAndMessage) {
  cluster.start_worker(1);
  submit(1, "c.fail", pack_body(std::string{"so it goes"}));
  submit(1, "c.nobody.knows", pack_body());
  ASSERT_TRUE(producer->wait_for_all());
  const auto first = producer->results().at(producer->ids()[0]);
  EXPECT_EQ(first.state, wire::TaskState::failure);
  EXPECT_NE(first.body.find("so it goes"), Bytes::npos);
  const auto second = producer->results().at(producer->ids()[1]);
  EXPECT_NE(second.body.find("NotRegistered"), Bytes::npos);
  EXPECT_NE(second.body.find("c.nobody.knows"), Bytes::npos);
}

TEST_F(WorkerNode, TwoWorkersShareTheWork) {
  cluster.start_worker(1, 1);
  cluster.start_worker(2, 1);
  submit(40, "c.sleep", pack_body(0.02));
  ASSERT_TRUE(producer->wait_for_all());
  EXPECT_GT(count("w1"), 5);
  EXPECT_GT(count("w2"), 5);
}

TEST_F(WorkerNode, ADrainFinishesWhatRunsAndLosesNothing) {
  start_worker(1, 2);
  ASSERT_TRUE(start(2, "c.sleep", pack_body(1.0)));
  submit(300, "c.sleep", pack_body(0.001));
  ASSERT_TRUE(producer->pump([&] { return producer->all_confirmed(); }));
  cluster.worker(1).signal(SIGTERM);
  ASSERT_EQ(cluster.worker(1).wait(), 0);
  cluster.start_worker(2, 2);
  ASSERT_TRUE(producer->wait_for_all());
  EXPECT_EQ(count(wire::TaskState::success), 303);
  EXPECT_NE(cluster.logs().find("stopped: everything is settled"), std::string::npos);
}

TEST_F(WorkerNode, ASecondSignalStopsNowAndItsTaskRunsElsewhere) {
  using std::chrono::milliseconds;
  start_worker(1, 1);
  ASSERT_TRUE(start(1, "c.sleep", pack_body(4.0)));
  cluster.worker(1).signal(SIGTERM);
  EXPECT_FALSE(cluster.worker(1).wait(milliseconds{300}).has_value()) << "it finishes what runs";
  cluster.worker(1).signal(SIGTERM);
  ASSERT_EQ(cluster.worker(1).wait(milliseconds{2'500}), 0);
  EXPECT_EQ(producer->results().size(), 1U);
  cluster.start_worker(2, 1);
  ASSERT_TRUE(producer->wait_for_all());
  EXPECT_EQ(count("w2"), 1);
}

TEST_F(WorkerNode, AKilledWorkersTasksAreRunByAnother) {
  cluster.start_worker(1, 2);
  submit(200, "c.sleep", pack_body(0.01));
  ASSERT_TRUE(producer->pump([&] { return producer->results().size() > 20; }));
  cluster.worker(1).kill();
  cluster.start_worker(2, 2);
  ASSERT_TRUE(producer->wait_for_all());
  EXPECT_EQ(count(wire::TaskState::success), 200);
}

TEST_F(WorkerNode, WhatRunsOutlivesABrokerRestart) {
  start_worker(1, 2);
  ASSERT_TRUE(start(2, "c.sleep", pack_body(2.0)));
  cluster.broker().kill();
  cluster.start_broker();
  ASSERT_TRUE(producer->wait_for_all());
  EXPECT_EQ(count(wire::TaskState::success), 3);
  EXPECT_LE(producer->reported("STARTED"), 2) << "nothing was begun twice";
  // A worker that has settled them leaves at once; one that was not answered would wait.
  cluster.worker(1).signal(SIGTERM);
  ASSERT_EQ(cluster.worker(1).wait(), 0);
  EXPECT_NE(cluster.logs().find("stopped: everything is settled"), std::string::npos);
}

TEST_F(WorkerNode, ResultsWaitForACollectorThatIsAway) {
  start_worker(1, 2);
  ASSERT_TRUE(start(2, "c.sleep", pack_body(0.5)));
  cluster.collector().kill();
  cluster.start_collector();
  ASSERT_TRUE(producer->wait_for_all());
  EXPECT_EQ(count(wire::TaskState::success), 3);
}

TEST(WorkerProgram, SaysWhatIsWrongInOneLine) {
  const std::string program = std::string{BAOZI_BINARY_DIR} + "/bin/baozi-worker";
  struct Case {
    std::vector<std::string> arguments;
    int code;
    std::string word;
  };
  const Case cases[] = {
      {{}, 2, "--app"},
      {{"-A", "/nowhere/libtasks.so"}, 1, "/nowhere/libtasks.so"},
      {{"-A", BAOZI_SAMPLE_TASKS, "-P", "fibers"}, 2, "threads, solo"},
      {{"-A", BAOZI_SAMPLE_TASKS, "--prefetch", "some"}, 2, "prefetch"},
      {{"-A", BAOZI_SAMPLE_TASKS, "--autoscale", "1,4"}, 2, "MAX >= MIN"},
      {{"-A", BAOZI_SAMPLE_TASKS, "--broker", "http://x"}, 2, "http://x"},
      {{"-A", BAOZI_SAMPLE_TASKS + std::string{","} + BAOZI_SAMPLE_TASKS}, 1, "c.add"},
  };
  for (const Case& wrong : cases) {
    std::vector<std::string> command{program};
    command.insert(command.end(), wrong.arguments.begin(), wrong.arguments.end());
    Process process{command};
    EXPECT_EQ(process.wait(), wrong.code);
    const std::string said = process.err();
    EXPECT_NE(said.find(wrong.word), std::string::npos) << said;
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
  }
}

}  // namespace
}  // namespace baozi::test
