// Events through real programs: from a task in a worker to a line on the screen.
#include <csignal>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <baozi/client.hpp>

#include "support/cluster.hpp"

namespace baozi::test {
namespace {

using namespace std::chrono_literals;

class EventsTest : public testing::Test {
 protected:
  void TearDown() override {
    if (HasFailure()) std::cerr << cluster.logs();
  }
  void start(const std::vector<std::string>& worker = {"-E"},
             const std::vector<std::string>& collector = {},
             const std::vector<std::string>& broker = {}) {
    cluster.start_broker(broker);
    cluster.start_collector(collector);
    cluster.start_worker(0, 2, worker);
  }
  App app() const { return App{AppOptions{.broker = cluster.address()}}; }
  void run_adds(int count) {
    App client = app();
    auto add = client.task<std::int64_t(std::int64_t, std::int64_t)>("c.add");
    std::vector<AsyncResult<std::int64_t>> results;
    for (int i = 0; i < count; ++i) results.push_back(add.delay(i, i));
    for (auto& result : results) result.get(30s);
  }
  static std::vector<Value> json_lines(const std::string& text) {
    std::vector<Value> lines;
    std::istringstream in{text};
    for (std::string line; std::getline(in, line);) lines.push_back(Value::from_json(line));
    return lines;
  }
  static std::string resume_of(const std::string& err) {
    const std::string mark = "go on with --from ";
    const std::size_t at = err.rfind(mark);
    if (at == std::string::npos) return "";
    return err.substr(at + mark.size(), err.find('\n', at) - at - mark.size());
  }
  static std::string text(const Value& line, const char* field) {
    const Value* const value = line.find(field);
    return value == nullptr ? "" : value->is_string() ? value->as_string() : value->to_json();
  }

  Cluster cluster;
};

TEST_F(EventsTest, ATaskIsToldOfFromItsReceiptToItsResult) {
  start();
  run_adds(1);
  const Ran ran =
      cluster.baozi({"events", "--from", "oldest", "--json", "--task", "c.add", "--limit", "3"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto lines = json_lines(ran.out);
  ASSERT_EQ(lines.size(), 3U) << ran.out;
  EXPECT_EQ(text(lines[0], "type"), "task-received");
  EXPECT_EQ(text(lines[0], "name"), "c.add");
  EXPECT_EQ(text(lines[0], "hostname").substr(0, 3), "w0@");
  EXPECT_EQ(text(lines[0], "args"), "[0,0]");
  EXPECT_EQ(text(lines[1], "type"), "task-started");
  EXPECT_EQ(text(lines[2], "type"), "task-succeeded");
  EXPECT_EQ(text(lines[2], "result"), "0");
  EXPECT_FALSE(text(lines[2], "runtime_us").empty());
  EXPECT_EQ(text(lines[0], "uuid"), text(lines[2], "uuid"));
  EXPECT_GT(lines[0].at("timestamp_us").to<std::int64_t>(), 1'700'000'000'000'000);
}

TEST_F(EventsTest, WithoutESwitchOnlyNodesTellOfThemselves) {
  start({});
  run_adds(5);
  const Ran ran = cluster.baozi({"events", "--from", "oldest", "--json", "--limit", "4"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  std::set<std::string> types;
  for (const Value& line : json_lines(ran.out)) {
    types.insert(text(line, "type"));
    EXPECT_NE(text(line, "type").substr(0, 5), "task-") << ran.out;
  }
  EXPECT_TRUE(types.contains("worker-online")) << ran.out;
  EXPECT_TRUE(types.contains("broker-online")) << ran.out;
}

TEST_F(EventsTest, TheyAreSwitchedWhileAWorkerRuns) {
  start({});
  run_adds(1);
  EXPECT_NE(cluster.baozi({"control", "enable_events"}).out.find("task events enabled"),
            std::string::npos);
  EXPECT_NE(cluster.baozi({"control", "enable_events"}).out.find("already enabled"),
            std::string::npos);
  run_adds(1);
  Ran ran =
      cluster.baozi({"events", "--from", "oldest", "--json", "--type", "task-*", "--limit", "4"});
  std::set<std::string> types;
  for (const Value& line : json_lines(ran.out)) types.insert(text(line, "type"));
  EXPECT_EQ(types,
            (std::set<std::string>{"task-sent", "task-received", "task-started", "task-succeeded"}))
      << "of the broker and of the worker; " << ran.err;
  EXPECT_NE(cluster.baozi({"control", "disable_events"}).out.find("task events disabled"),
            std::string::npos);
}

TEST_F(EventsTest, AReaderGoesOnWhereItWas) {
  start();
  run_adds(20);
  Ran ran =
      cluster.baozi({"events", "--from", "oldest", "--json", "--type", "task-*", "--limit", "7"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  std::uint64_t last = 0;
  std::size_t count = 0;
  const auto check = [&](const std::string& out) {
    for (const Value& line : json_lines(out)) {
      const auto offset = line.at("offset").to<std::uint64_t>();
      EXPECT_GT(offset, last);
      last = offset;
      ++count;
    }
  };
  check(ran.out);
  ran = cluster.baozi(
      {"events", "--from", resume_of(ran.err), "--json", "--type", "task-*", "--limit", "53"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  check(ran.out);
  EXPECT_EQ(count, 60U);
}

TEST_F(EventsTest, WhoComesTooLateIsToldHowManyAreGone) {
  start({"-E"}, {"--events-max", "100"});
  run_adds(1);
  const Ran first = cluster.baozi({"events", "--from", "oldest", "--limit", "1"});
  run_adds(300);
  ASSERT_TRUE(eventually([&] {
    return cluster.baozi({"events", "--from", resume_of(first.err), "--limit", "1"})
               .err.find("are gone") != std::string::npos;
  }));
  const Ran ran =
      cluster.baozi({"events", "--from", resume_of(first.err), "--json", "--limit", "1"});
  const auto lines = json_lines(ran.out);
  ASSERT_EQ(lines.size(), 2U) << ran.out;
  EXPECT_EQ(text(lines[0], "type"), "stream-lost");
  const auto from = std::stoull(resume_of(first.err).substr(resume_of(first.err).rfind(':') + 1));
  EXPECT_EQ(from + lines[0].at("count").to<std::uint64_t>(),
            lines[1].at("offset").to<std::uint64_t>());
}

TEST_F(EventsTest, CtrlCEndsItWithThePlaceToGoOnAt) {
  start();
  Process follower{{std::string{BAOZI_BINARY_DIR} + "/bin/baozi", "events", "--broker",
                    cluster.address(), "--from", "oldest", "--type", "task-failed"}};
  App client = app();
  EXPECT_THROW(client.send<std::int64_t>("t.fail", "out of flour").get(30s), TaskError);
  EXPECT_TRUE(follower.says("std::runtime_error: out of flour")) << follower.err();
  follower.signal(SIGINT);
  EXPECT_EQ(follower.wait(), 0);
  EXPECT_FALSE(resume_of(follower.err()).empty()) << follower.err();
}

TEST_F(EventsTest, TheBrokerTellsWhatItTookAndWhatItEnded) {
  start({"-E"}, {}, {"-E"});
  App client = app();
  AsyncResult<Value> late =
      client.apply("c.add", {Value{1}, Value{2}}, {},
                   {.countdown = 60s, .expires = std::chrono::microseconds{200'000}});
  static_cast<void>(late.wait(20s));
  const Ran ran =
      cluster.baozi({"events", "--from", "oldest", "--json", "--task", "c.*", "--limit", "2"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto lines = json_lines(ran.out);
  ASSERT_EQ(lines.size(), 2U) << ran.out;
  EXPECT_EQ(text(lines[0], "type"), "task-sent");
  EXPECT_EQ(text(lines[0], "hostname").substr(0, 7), "broker@");
  EXPECT_EQ(text(lines[1], "type"), "task-revoked");
  EXPECT_EQ(text(lines[1], "expired"), "true");
}

TEST_F(EventsTest, AStreamLivesThroughARestartOfItsCollector) {
  start();
  App client = app();
  EventStream stream = client.events({.from = "oldest", .types = {"task-succeeded"}, .tasks = {}});
  const auto read_some = [&] {
    std::size_t count = 0;
    return eventually(
        [&] {
          if (const auto batch = stream.next(100ms)) count += batch->events.size();
          return count > 0;
        },
        20s);
  };
  run_adds(3);
  EXPECT_TRUE(read_some());
  cluster.collector().kill();
  cluster.start_collector();
  run_adds(3);
  EXPECT_TRUE(read_some());
}

TEST_F(EventsTest, AWorkerThatLeavesSaysSo) {
  start();
  run_adds(1);  // so that it has found the collector: what it never reached it cannot tell
  cluster.worker(0).signal(SIGTERM);
  EXPECT_EQ(cluster.worker(0).wait(), 0);
  const Ran ran =
      cluster.baozi({"events", "--from", "oldest", "--type", "worker-offline", "--limit", "1"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_NE(ran.out.find("worker-offline"), std::string::npos);
}

TEST_F(EventsTest, WrongWordsAreRefusedWithALineThatSaysWhatThereIs) {
  start();
  Ran ran = cluster.baozi({"events", "--type", "task-exploded"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_NE(ran.err.find("task-succeeded"), std::string::npos) << ran.err;
  ran = cluster.baozi({"events", "--from", "yesterday"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_NE(ran.err.find("oldest"), std::string::npos) << ran.err;
}

}  // namespace
}  // namespace baozi::test
