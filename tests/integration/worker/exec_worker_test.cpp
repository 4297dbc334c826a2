// baozi-worker with a file of programs as its tasks.
#include <csignal>

#include <gtest/gtest.h>

#include <baozi/arguments.hpp>
#include <baozi/value.hpp>

#include "support/cluster.hpp"
#include "support/raw_producer.hpp"

namespace baozi::test {
namespace {

constexpr std::string_view programs = R"(
p.echo:
  command: [cat]
p.fail:
  command: [sh, -c, "echo to the log >&2; exit 3"]
p.flaky:
  command: [sh, -c, "test $BAOZI_TASK_RETRIES -ge 2 || exit 75"]
  retry_on: 75
  max_retries: 3
  backoff: [10ms, 1, 10ms]
  output: text
p.rated:
  command: [cat]
  rate_limit: 1/h
p.limited:
  command: [sleep, "1000"]
  time_limit: 200ms
p.long:
  shell: true
  command: sleep 1000 & echo $! > {0}.part; mv {0}.part {0}; wait
)";

class ExecWorker : public testing::Test {
 protected:
  Cluster cluster;
  std::unique_ptr<RawProducer> producer;

  void SetUp() override {
    cluster.start_broker();
    cluster.start_collector();
    producer = std::make_unique<RawProducer>(cluster.address());
    cluster.start_worker(
        1, 2, {"-A", "exec:" + cluster.folder().write("programs.yaml", std::string{programs})});
  }
  void TearDown() override {
    if (HasFailure()) std::fputs(cluster.logs().c_str(), stderr);
  }
  TaskId submit(const std::string& name, const Bytes& body) {
    const TaskId id = producer->new_id();
    producer->submit({RawProducer::task(id, name, body)});
    return id;
  }
  RawProducer::Result result(const TaskId& id) {
    EXPECT_TRUE(producer->pump([&] {
      const auto found = producer->results().find(id);
      return found != producer->results().end() && found->second.pushed > 0;
    }));
    return producer->results().at(id);
  }
  /// Starts a long one, and returns the process that its program left in the background.
  pid_t start_long() {
    const std::string file = cluster.folder() / "pid";
    submit("p.long", pack_body(file));
    EXPECT_TRUE(producer->pump([&] { return !TempDir::read(file).empty(); }));
    EXPECT_TRUE(producer->pump([&] { return producer->all_confirmed(); }));
    return static_cast<pid_t>(std::stol(TempDir::read(file)));
  }
};

TEST_F(ExecWorker, ProgramsRunBesideFunctions) {
  const auto echoed = result(submit("p.echo", pack_body(1, arg("b") = "x")));
  EXPECT_EQ(echoed.state, wire::TaskState::success);
  EXPECT_EQ(unpack<Value>(echoed.body),
            Value::object({{"args", Value::array({1})}, {"kwargs", Value::object({{"b", "x"}})}}));
  EXPECT_EQ(result(submit("c.add", pack_body(1, 2))).body, "\x03");
}

TEST_F(ExecWorker, AFailureHasTheExitCodeAndTheLogHasStderr) {
  const auto failed = result(submit("p.fail", pack_body()));
  EXPECT_EQ(failed.state, wire::TaskState::failure);
  EXPECT_EQ(unpack<Value>(failed.body),
            Value::array({"ExecError", "sh ended with exit code 3", "to the log\n"}));
  EXPECT_NE(cluster.logs().find(": to the log\n"), std::string::npos);
}

TEST_F(ExecWorker, RetryOnMeansARetryByTheTasksPolicy) {
  EXPECT_EQ(result(submit("p.flaky", pack_body())).state, wire::TaskState::success);
}

TEST_F(ExecWorker, TheRateLimitOfTheFileHolds) {
  const TaskId first = submit("p.rated", pack_body(1));
  EXPECT_EQ(result(first).state, wire::TaskState::success);
  const TaskId second = submit("p.rated", pack_body(2));
  // Its turn is an hour away: so long the broker keeps it.
  EXPECT_TRUE(producer->pump([&] {
    return cluster.baozi({"inspect", "query_task", second.to_string()}).out.find("scheduled") !=
           std::string::npos;
  }));
  // Another one passes it by.
  EXPECT_EQ(result(submit("p.echo", pack_body(3))).state, wire::TaskState::success);
  EXPECT_FALSE(producer->results().contains(second));
}

TEST_F(ExecWorker, TheTimeLimitLeavesTheWorkersThreadsAlone) {
  for (int i = 0; i < 4; ++i) {
    const auto limited = result(submit("p.limited", pack_body()));
    EXPECT_EQ(limited.state, wire::TaskState::failure);
    EXPECT_EQ(unpack<Value>(limited.body).at(0), Value{"TimeLimitExceeded"});
  }
  EXPECT_EQ(cluster.logs().find("is left to it"), std::string::npos);
}

TEST_F(ExecWorker, AWorkerThatIsToldToStopNowEndsItsPrograms) {
  const pid_t left = start_long();
  EXPECT_TRUE(executes(left));
  cluster.worker(1).signal(SIGTERM);
  cluster.worker(1).signal(SIGINT);
  EXPECT_TRUE(cluster.worker(1).wait().has_value());
  EXPECT_TRUE(eventually([&] { return !executes(left); }));
}

TEST_F(ExecWorker, AWorkerThatIsKilledTakesItsProgramsAlong) {
  const pid_t left = start_long();
  EXPECT_TRUE(executes(left));
  cluster.worker(1).signal(SIGKILL);
  EXPECT_TRUE(eventually([&] { return !executes(left); }));
}

}  // namespace
}  // namespace baozi::test
