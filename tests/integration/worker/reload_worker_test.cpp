// baozi-worker whose task library is replaced while tasks come all the time.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <set>

#include <gtest/gtest.h>
#include <unistd.h>

#include <baozi/arguments.hpp>
#include <baozi/client.hpp>
#include <baozi/codec.hpp>

#include "support/cluster.hpp"
#include "support/raw_producer.hpp"

namespace baozi::test {
namespace {

using namespace std::chrono_literals;

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> all;
  std::ifstream list{"/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children"};
  for (pid_t child = 0; list >> child;) all.push_back(child);
  return all;
}

class ReloadWorker : public testing::Test {
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
  [[nodiscard]] std::string library() const { return cluster.folder() / "libtasks.so"; }
  void install(const std::string& plugin) const {
    const std::string fresh = library() + ".new";
    std::filesystem::copy_file(std::string{BAOZI_PLUGINS} + "libplugin_" + plugin + ".so", fresh,
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::rename(fresh, library());
  }
  /// Beside the producer, which would lose its sessions if it were silent meanwhile.
  template <class Work>
  auto meanwhile(Work work) {
    auto result = std::async(std::launch::async, work);
    producer->pump([&] { return result.wait_for(0s) == std::future_status::ready; }, 60s);
    return result.get();
  }
  void start_worker(const std::string& pool = "prefork") {
    install("version_1");
    meanwhile([&] {
      cluster.start_worker(1, 3, {"-P", pool, "-A", library()});
      return 0;
    });
  }
  /// `baozi control pool_restart --reload`, whose only worker answers so.
  std::string reload(int code = 0) {
    const Ran ran = meanwhile([&] {
      return cluster.baozi({"control", "pool_restart", "--reload", "--timeout", "30s"});
    });
    EXPECT_EQ(ran.code, code) << ran.out << ran.err;
    return ran.out + ran.err;
  }
  TaskId submit(const std::string& name, const Bytes& body) {
    const TaskId id = producer->new_id();
    producer->submit({RawProducer::task(id, name, body)});
    return id;
  }
  void submit_marks(int count) {
    std::vector<std::pair<TaskId, Bytes>> tasks;
    for (int i = 0; i < count; ++i) {
      tasks.push_back(
          RawProducer::task(producer->new_id(), "v.mark", pack_body(marks(), submitted_++)));
      ids_.push_back(tasks.back().first);
    }
    producer->submit(tasks);
  }
  /// Submits as fast as results come, until `done`.
  template <class Done>
  bool work_until(Done done) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      if (producer->ids().size() < producer->results().size() + 200) submit_marks(20);
      producer->pump([] { return false; }, 2ms);
    }
    return true;
  }
  [[nodiscard]] std::string marks() const { return cluster.folder() / "marks"; }
  [[nodiscard]] int value_of(const TaskId& id) const {
    const auto found = producer->results().find(id);
    if (found == producer->results().end()) return 0;
    EXPECT_EQ(found->second.state, wire::TaskState::success) << found->second.body;
    return found->second.state == wire::TaskState::success ? unpack<int>(found->second.body) : -1;
  }
  [[nodiscard]] int latest_version() const {
    for (auto id = ids_.rbegin(); id != ids_.rend(); ++id) {
      if (const int value = value_of(*id); value != 0) return value;
    }
    return 0;
  }
  /// With the broker, by the broker's word.
  [[nodiscard]] long long session_of_worker() const {
    App app{AppOptions{.broker = cluster.address()}};
    const NodeReplies answers = app.control("status");
    for (const NodeReply& reply : answers.replies) {
      for (const Value& peer : reply.payload.at("peers").as_array()) {
        if (peer.at("role") == Value{"worker"}) return peer.at("session").to<long long>();
      }
    }
    return -1;
  }
  /// Tasks that run, by the worker's word.
  [[nodiscard]] std::size_t active() {
    const Ran ran = meanwhile([&] { return cluster.baozi({"inspect", "active", "--json"}); });
    const Value answers = Value::from_json(ran.out);
    for (const auto& [worker, answer] : answers.as_object()) return answer.at("ok").size();
    return 0;
  }
  [[nodiscard]] std::string log() const { return cluster.logs(); }

  std::vector<TaskId> ids_;
  int submitted_ = 0;
};

TEST_F(ReloadWorker, ResultsTurnFromOneVersionToTheNextUnderLoadAndNothingIsLostOrRepeated) {
  start_worker();
  const pid_t worker = cluster.worker(1).pid();
  ASSERT_TRUE(work_until([&] { return producer->results().size() > 300; }));
  const std::vector<pid_t> server = children_of(worker);
  ASSERT_EQ(server.size(), 1u);
  const long long session = session_of_worker();

  // In the middle of the load, without a pause of it.
  install("version_2");
  std::future<Ran> told = std::async(std::launch::async, [&] {
    return cluster.baozi({"control", "pool_restart", "--reload", "--timeout", "30s"});
  });
  ASSERT_TRUE(work_until([&] { return told.wait_for(0s) == std::future_status::ready; }));
  const Ran ran = told.get();
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.out.find("new: v.only_in_2; gone: v.only_in_1"), std::string::npos) << ran.out;
  ASSERT_TRUE(work_until([&] { return latest_version() == 2; }));
  const std::size_t since = ids_.size();
  ASSERT_TRUE(work_until([&] { return ids_.size() > since + 600; }));
  ASSERT_TRUE(producer->wait_for_all(60s));

  int ones = 0;
  for (std::size_t i = 0; i < ids_.size(); ++i) {
    const int value = value_of(ids_[i]);
    ones += value == 1 ? 1 : 0;
    EXPECT_TRUE(value == 2 || (value == 1 && i < since + 300)) << value << " of task " << i;
  }
  EXPECT_GT(ones, 300);
  std::map<int, int> runs;
  std::ifstream file{marks()};
  for (int number = 0; file >> number;) ++runs[number];
  EXPECT_EQ(runs.size(), ids_.size());
  for (const auto& [number, count] : runs) EXPECT_EQ(count, 1) << "task " << number;
  EXPECT_TRUE(eventually([&] { return cluster.books_balance(); }));
  EXPECT_EQ(cluster.status("counters.redelivered"), 0);

  EXPECT_FALSE(cluster.worker(1).poll()) << "the worker is the same process";
  EXPECT_EQ(session_of_worker(), session);
  EXPECT_EQ(log().find("lost the broker"), std::string::npos);
  EXPECT_TRUE(eventually([&] { return !executes(server[0]); }));
  EXPECT_TRUE(eventually([&] { return children_of(worker).size() == 1; })) << "no zombie either";
}

TEST_F(ReloadWorker, TheNewLibraryMayBringTheFirstCoroutine) {
  start_worker();
  install("version_94");
  reload();
  const TaskId coroutine = submit("v.coroutine", pack_body());
  ASSERT_TRUE(producer->pump([&] { return value_of(coroutine) != 0; }, 30s));
  EXPECT_EQ(value_of(coroutine), 94);
  install("version_2");
  reload();
  const TaskId function = submit("v.version", pack_body());
  ASSERT_TRUE(producer->pump([&] { return value_of(function) != 0; }, 30s));
  EXPECT_EQ(value_of(function), 2);
}

TEST_F(ReloadWorker, WhatCannotBeLoadedIsToldInOneLineAndChangesNothing) {
  start_worker();
  install("version_91");
  const std::string said = reload(1);
  EXPECT_NE(said.find("nothing has changed: the process that loads the tasks ended while it did: "
                      "signal 11"),
            std::string::npos)
      << said;
  const TaskId after = submit("v.version", pack_body());
  ASSERT_TRUE(producer->wait_for_all());
  EXPECT_EQ(value_of(after), 1);
}

TEST_F(ReloadWorker, ATaskThatIsGoneIsUnknownAndANewOneIsRun) {
  start_worker();
  const TaskId before = submit("v.only_in_1", pack_body());
  const TaskId early = submit("v.only_in_2", pack_body(1));
  ASSERT_TRUE(producer->wait_for_all());
  EXPECT_EQ(value_of(before), 1);
  EXPECT_NE(producer->results().at(early).body.find("NotRegistered"), Bytes::npos);
  install("version_2");
  reload();
  const TaskId late = submit("v.only_in_1", pack_body());
  const TaskId after = submit("v.only_in_2", pack_body(1));
  ASSERT_TRUE(producer->wait_for_all());
  EXPECT_NE(producer->results().at(late).body.find("NotRegistered"), Bytes::npos);
  EXPECT_EQ(value_of(after), 2);
  const Ran asked = meanwhile([&] { return cluster.baozi({"inspect", "registered"}); });
  EXPECT_EQ(asked.out.find("v.only_in_1"), std::string::npos) << asked.out;
  EXPECT_NE(asked.out.find("v.only_in_2"), std::string::npos) << asked.out;
}

TEST_F(ReloadWorker, WhatRunsEndsByThePolicyThatItBeganWithAndWhatWaitsByTheNewOne) {
  start_worker();
  const std::string gate = cluster.folder() / "gate";
  std::vector<TaskId> running;
  for (int i = 0; i < 3; ++i) running.push_back(submit("v.retry", pack_body(gate)));
  ASSERT_TRUE(eventually([&] { return active() == 3; }));
  const TaskId waiting = submit("v.retry", pack_body(gate));
  install("version_2");
  reload();
  std::ofstream{gate} << "open";
  ASSERT_TRUE(producer->wait_for_all(60s));
  EXPECT_EQ(producer->results().at(waiting).state, wire::TaskState::failure);
  // Seven retries then; none now. Those that are retried run as the new version, which has none.
  std::size_t retried = 0;
  for (std::size_t at = log().find("will be retried"); at != std::string::npos;
       at = log().find("will be retried", at + 1)) {
    ++retried;
  }
  EXPECT_EQ(retried, 3u);
}

TEST_F(ReloadWorker, TwoThatAskOneAfterTheOtherAreBothAnsweredAndTheLastLibraryCounts) {
  start_worker();
  install("version_2");
  const Ran first = meanwhile([&] {
    auto other = std::async(std::launch::async, [&] {
      return cluster.baozi({"control", "pool_restart", "--reload", "--timeout", "30s"});
    });
    const Ran mine = cluster.baozi({"control", "pool_restart", "--reload", "--timeout", "30s"});
    EXPECT_EQ(other.get().code, 0);
    return mine;
  });
  EXPECT_EQ(first.code, 0) << first.err;
  install("version_1");
  reload();
  const TaskId after = submit("v.version", pack_body());
  ASSERT_TRUE(producer->wait_for_all());
  EXPECT_EQ(value_of(after), 1);
  EXPECT_TRUE(eventually([&] { return children_of(cluster.worker(1).pid()).size() == 1; }));
}

TEST_F(ReloadWorker, AWorkerThatStopsLoadsNothing) {
  start_worker();
  const std::string gate = cluster.folder() / "gate";
  submit("v.wait", pack_body(gate));
  ASSERT_TRUE(eventually([&] { return active() == 1; }));
  cluster.worker(1).signal(SIGTERM);
  ASSERT_TRUE(eventually([&] { return log().find("draining") != std::string::npos; }));
  EXPECT_NE(reload(1).find("the worker is stopping"), std::string::npos);
  std::ofstream{gate} << "open";
  EXPECT_EQ(cluster.worker(1).wait(60s), 0);
}

TEST_F(ReloadWorker, NobodyIsLeftWhenTheWorkerIsKilledWhileALibraryNeverLoads) {
  start_worker();
  const pid_t worker = cluster.worker(1).pid();
  install("version_92");
  auto told = std::async(std::launch::async, [&] {
    return cluster.baozi({"control", "pool_restart", "--reload", "--timeout", "1s"});
  });
  ASSERT_TRUE(eventually([&] { return children_of(worker).size() == 2; }));
  const std::vector<pid_t> servers = children_of(worker);
  const Ran ran = told.get();
  EXPECT_EQ(ran.code, 1);
  EXPECT_NE(ran.err.find("did not answer in time"), std::string::npos) << ran.err;
  cluster.worker(1).kill();
  for (const pid_t pid : servers) EXPECT_TRUE(eventually([&] { return !executes(pid); })) << pid;
}

TEST_F(ReloadWorker, ThreadsCannotAndSaySo) {
  start_worker("threads");
  EXPECT_NE(reload(1).find("only a pool of processes"), std::string::npos);
  const Ran plain = meanwhile([&] { return cluster.baozi({"control", "pool_restart"}); });
  EXPECT_EQ(plain.code, 0) << plain.err;
  const Ran wrong = meanwhile([&] { return cluster.baozi({"control", "shutdown", "--reload"}); });
  EXPECT_EQ(wrong.code, 2) << wrong.err;
}

}  // namespace
}  // namespace baozi::test
