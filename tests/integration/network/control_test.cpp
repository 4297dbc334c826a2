// Every inspect and control command against two real workers.
#include <csignal>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include <baozi/client.hpp>

#include "support/cluster.hpp"

namespace baozi::test {
namespace {

using namespace std::chrono_literals;

/// Nodes are named after their host, too.
std::string at_host(const std::string& name) {
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  return name + "@" + host;
}
const std::string w0 = at_host("w0");
const std::string w1 = at_host("w1");
const std::string the_broker = at_host("broker");

class ControlTest : public testing::Test {
 protected:
  void SetUp() override {
    cluster.start_broker();
    cluster.start_collector();
  }
  void TearDown() override {
    if (HasFailure()) std::cerr << cluster.logs();
  }
  /// Both workers, known to the broker.
  void start_two(const std::vector<std::string>& more_of_first = {}) {
    cluster.start_worker(0, 2, more_of_first);
    cluster.start_worker(1, 2);
    ASSERT_TRUE(eventually([&] { return inspect({"ping"}).size() == 2; }));
  }
  App app() const { return App{AppOptions{.broker = cluster.address()}}; }
  /// `baozi COMMAND… --json`, which must succeed.
  Value run(std::vector<std::string> words, int code = 0) {
    words.emplace_back("--json");
    last = cluster.baozi(words);
    EXPECT_EQ(last.code, code) << words[0] << ' ' << words[1] << '\n' << last.out << last.err;
    return last.out.empty() ? Value{} : Value::from_json(last.out);
  }
  Value inspect(std::vector<std::string> words, int code = 0) {
    words.insert(words.begin(), "inspect");
    return run(std::move(words), code);
  }
  Value control(std::vector<std::string> words, int code = 0) {
    words.insert(words.begin(), "control");
    return run(std::move(words), code);
  }
  static const Value& ok(const Value& answer, const std::string& worker) {
    return answer.at(worker).at("ok");
  }
  int lines() const {
    std::ifstream in{path};
    int count = 0;
    for (std::string line; std::getline(in, line);) ++count;
    return count;
  }
  /// One task that runs until a file is there, for each slot of both workers and some more.
  std::vector<AsyncResult<std::int64_t>> hold(App& client, int count, CallOptions options = {}) {
    auto task = client.task<std::int64_t(std::string, std::string)>("t.until_file");
    std::vector<AsyncResult<std::int64_t>> results;
    for (int i = 0; i < count; ++i) results.push_back(task.apply_async({path, gate}, options));
    return results;
  }
  void open_gate() const { std::ofstream{gate} << "open\n"; }

  Cluster cluster;
  Ran last;
  std::string path = cluster.folder() / "lines";
  std::string gate = cluster.folder() / "gate";
};

TEST_F(ControlTest, PingNamesEveryWorkerAndWhoIsMissing) {
  start_two();
  const Value all = inspect({"ping"});
  EXPECT_EQ(ok(all, w0), Value{"pong"});
  EXPECT_EQ(ok(all, w1), Value{"pong"});
  EXPECT_EQ(inspect({"ping", "-d", w1}), Value::object({{w1, Value::object({{"ok", "pong"}})}}));
  EXPECT_EQ(inspect({"ping", "-d", "w[0-9]@*"}).size(), 2u);
  EXPECT_EQ(inspect({"ping", "-d", w1 + ",nobody"}, 1).size(), 1u);
  EXPECT_NE(last.err.find("no worker matches 'nobody'"), std::string::npos) << last.err;
  const std::string shown = cluster.baozi({"inspect", "ping"}).out;
  EXPECT_NE(shown.find(w0), std::string::npos) << shown;
  EXPECT_NE(shown.find("pong"), std::string::npos) << shown;
  const Ran nothing = cluster.baozi({"inspect", "reserved", "-d", w1});
  EXPECT_EQ(nothing.out, "nothing at " + w1 + "\n") << nothing.err;
  const Ran wrong = cluster.baozi({"inspect", "pong"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_EQ(wrong.err,
            "baozi inspect: there is no 'pong'; did you mean 'ping'? (see baozi inspect --help)\n");
  EXPECT_EQ(cluster.baozi({"control", "rate_limit", "c.add"}).code, 2);
}

TEST_F(ControlTest, TwoWorkersOfOneNameAreAskedAsOneAndSaidToBeTwo) {
  start_two();
  cluster.start_worker(2, 1, {"-n", "w1"});
  ASSERT_TRUE(eventually([&] { return inspect({"ping"}).size() == 3; }));
  const Ran both = cluster.baozi({"inspect", "ping", "-d", w1});
  EXPECT_NE(both.err.find("2 workers bear the name " + w1), std::string::npos) << both.err;
}

TEST_F(ControlTest, ASilentWorkerIsNamedSilent) {
  start_two();
  ::kill(cluster.worker(1).pid(), SIGSTOP);
  const Value all = inspect({"ping", "--timeout", "300ms"}, 1);
  EXPECT_EQ(ok(all, w0), Value{"pong"});
  EXPECT_EQ(all.at(w1).at("silent").as_string(), "it did not answer in time");
  ::kill(cluster.worker(1).pid(), SIGCONT);
}

TEST_F(ControlTest, ActiveReservedAndQueryTaskSayWhereTasksStand) {
  start_two({"--prefetch", "10"});
  App client = app();
  auto results = hold(client, 12);
  ASSERT_TRUE(eventually([&] { return lines() == 4; }));
  const auto count = [&](const char* what, const std::string& worker) {
    return ok(inspect({what}), worker).size();
  };
  EXPECT_EQ(count("active", w0), 2u);
  EXPECT_EQ(count("active", w1), 2u);
  EXPECT_TRUE(eventually([&] { return count("reserved", w0) > 0; }));
  const Value active = inspect({"active"});
  const Value& task = ok(active, w0).at(std::size_t{0});
  EXPECT_EQ(task.at("name").as_string(), "t.until_file");
  EXPECT_EQ(task.at("args"), Value::array({path, gate}));
  EXPECT_TRUE(task.at("time_start").is_number());
  const Value found = inspect({"query_task", task.at("id").as_string(), "nonsense"});
  EXPECT_EQ(ok(found, w0).at(task.at("id").as_string()).at(std::size_t{0}).as_string(), "active");
  EXPECT_EQ(ok(found, w1).size(), 0u);
  EXPECT_NE(cluster.baozi({"inspect", "active"}).out.find("t.until_file"), std::string::npos);
  open_gate();
  for (auto& result : results) result.get(60s);
}

TEST_F(ControlTest, ActiveShowsTheNameThatTheTaskWasRegisteredToBeShownBy) {
  start_two();
  App client = app();
  auto result = client.send<std::int64_t>("t.until_file_unnamed", path, gate);
  ASSERT_TRUE(eventually([&] { return lines() == 1; }));
  const Value active = inspect({"active"});
  const Value& tasks = ok(active, w0).size() > 0 ? ok(active, w0) : ok(active, w1);
  ASSERT_EQ(tasks.size(), 1u);
  EXPECT_EQ(tasks.at(std::size_t{0}).at("name").as_string(), "something");
  EXPECT_EQ(tasks.at(std::size_t{0}).at("type").as_string(), "t.until_file_unnamed");
  open_gate();
  result.get(60s);
}

TEST_F(ControlTest, RegisteredStatsConfQueuesAndReportDescribeAWorker) {
  start_two({"-Q", "default,math,slow", "-X", "slow", "--label", "gpu=1", "--worker-direct"});
  App client = app();
  EXPECT_EQ(client.send<std::int64_t>("c.add", 1, 2, CallOptions{.queue = "direct:" + w0}).get(30s),
            3);
  const Value registered = inspect({"registered"});
  EXPECT_NE(ok(registered, w1).to_json().find("\"c.add\""), std::string::npos);
  const Value stats = inspect({"stats"});
  EXPECT_EQ(ok(stats, w0).at("total").at("c.add"), Value{1});
  EXPECT_EQ(ok(stats, w0).at("pool").at("max-concurrency"), Value{2});
  EXPECT_EQ(ok(stats, w0).at("brokers").at(std::size_t{0}).at("connected"), Value{true});
  EXPECT_EQ(ok(stats, w1).at("pid"), Value{cluster.worker(1).pid()});
  const Value conf = inspect({"conf"});
  EXPECT_EQ(ok(conf, w0).at("label"), Value::array({"gpu=1"}));
  EXPECT_EQ(ok(conf, w0).at("concurrency"), Value{2});
  for (const char* const option : {"autoscale", "max-tasks-per-child", "max-memory-per-child",
                                   "soft-shutdown-timeout", "task-events", "event-heartbeat"}) {
    EXPECT_NE(ok(conf, w0).find(option), nullptr) << option;
  }
  const Value queues = inspect({"active_queues"});
  std::vector<std::string> names;
  for (const Value& queue : ok(queues, w0).as_array())
    names.push_back(queue.at("name").as_string());
  EXPECT_EQ(names, (std::vector<std::string>{"default", "math", "direct:" + w0}));
  EXPECT_TRUE(ok(queues, w1).at(std::size_t{0}).at("name").is_null());
  EXPECT_NE(ok(inspect({"report"}), w0).as_string().find("broker    " + cluster.address()),
            std::string::npos);
}

TEST_F(ControlTest, ScheduledAndRevokedAreTheBrokers) {
  App client = app();
  auto later =
      client.task<std::int64_t(std::int64_t, std::int64_t)>("c.add").with().countdown(1h).delay(1,
                                                                                                2);
  later.wait_submitted();
  const Value scheduled = inspect({"scheduled"});
  EXPECT_EQ(scheduled.at(the_broker).at("ok").at("tasks").at(std::size_t{0}).at("id").as_string(),
            later.id());
  const std::string shown = cluster.baozi({"inspect", "scheduled"}).out;
  EXPECT_NE(shown.find("eta "), std::string::npos)
      << "as an instant, not in microseconds: " << shown;
  EXPECT_EQ(shown.find("eta_us"), std::string::npos) << shown;
  run({"revoke", "not-yet-here"}, 1);
  const Value revoked = inspect({"revoked"});
  EXPECT_EQ(revoked.at(the_broker).at("ok").at("marks").at(std::size_t{0}).at("id").as_string(),
            "not-yet-here");
}

TEST_F(ControlTest, ARevokeWithASignalThatIsNoneRevokesNothing) {
  const Ran refused = cluster.baozi({"revoke", "x", "--terminate", "--signal", "SIGFOO"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("--signal: 'SIGFOO' is no signal"), std::string::npos) << refused.err;
  EXPECT_EQ(inspect({"revoked"}).at(the_broker).at("ok").at("marks").size(), 0u);
}

TEST_F(ControlTest, RevokeGivesOneOfFourVerdicts) {
  start_two();
  App client = app();
  auto done = client.send<std::int64_t>("c.add", 1, 2);
  done.get(30s);
  // Its result is shown before the broker has heard of it: until then a revoke is "pending".
  ASSERT_TRUE(eventually([&] { return done.revoke().verdict == Revocation::Verdict::too_late; }));
  auto later =
      client.task<std::int64_t(std::int64_t, std::int64_t)>("c.add").with().countdown(1h).delay(1,
                                                                                                2);
  later.wait_submitted();
  auto runs = hold(client, 1);
  ASSERT_TRUE(eventually([&] { return lines() == 1; }));
  const Value rows = control({"revoke", done.id(), later.id(), runs[0].id(), "nonsense"}, 1);
  EXPECT_EQ(rows.at(std::size_t{0}).at("verdict").as_string(), "too_late");
  EXPECT_EQ(rows.at(std::size_t{0}).at("state").as_string(), "SUCCESS");
  EXPECT_EQ(rows.at(std::size_t{1}).at("verdict").as_string(), "revoked");
  EXPECT_EQ(rows.at(std::size_t{2}).at("verdict").as_string(), "pending");
  EXPECT_EQ(rows.at(std::size_t{3}).at("verdict").as_string(), "unknown");
  EXPECT_THROW(later.get(30s), TaskRevoked);
  EXPECT_THROW(runs[0].get(30s), TaskRevoked);  // it looks at its context
}

TEST_F(ControlTest, ARevokeReachesAWorkerThatWasAwayAndABrokerThatWasRestarted) {
  cluster.start_worker(0, 2);
  App client = app();
  auto runs = hold(client, 1);
  ASSERT_TRUE(eventually([&] { return lines() == 1; }));
  ::kill(cluster.worker(0).pid(), SIGSTOP);
  const Revocation answer = runs[0].revoke(true, "SIGTERM");
  EXPECT_EQ(answer.verdict, Revocation::Verdict::pending);
  cluster.broker().kill();
  cluster.start_broker();
  ::kill(cluster.worker(0).pid(), SIGCONT);
  EXPECT_THROW(runs[0].get(60s), TaskRevoked);
  EXPECT_EQ(lines(), 1);
}

TEST_F(ControlTest, ThePoolGrowsShrinksAndIsRestarted) {
  start_two();
  EXPECT_EQ(control({"pool_grow", "2", "-d", w0}),
            Value::object({{w0, Value::object({{"ok", "the pool has 4 slots"}})}}));
  App client = app();
  auto results = hold(client, 8);
  EXPECT_TRUE(eventually([&] { return lines() == 6; }));
  const Value shrunk = control({"pool_shrink", "-d", w1});
  EXPECT_EQ(ok(shrunk, w1).as_string(), "the pool has 1 slots");
  control({"pool_shrink", "-d", w1}, 1);
  control({"pool_restart"});
  open_gate();
  for (auto& result : results) result.get(60s);
  EXPECT_EQ(ok(inspect({"stats"}), w0).at("pool").at("max-concurrency"), Value{4});
}

TEST_F(ControlTest, AutoscaleSetsTheBoundsAndRulesOutOtherSizes) {
  start_two();
  EXPECT_EQ(ok(control({"autoscale", "4", "2", "-d", w0}), w0).as_string(),
            "the pool has 2 to 4 slots");
  EXPECT_NE(control({"pool_grow", "-d", w0}, 1).at(w0).at("error").as_string().find("autoscale"),
            std::string::npos);
  App client = app();
  auto results = hold(client, 10);
  EXPECT_TRUE(eventually([&] { return lines() == 6; }));  // four there, two at the other
  EXPECT_EQ(ok(inspect({"stats"}), w0).at("pool").at("max-concurrency"), Value{4});
  EXPECT_EQ(ok(inspect({"stats"}), w1).at("pool").at("max-concurrency"), Value{2});
  open_gate();
  for (auto& result : results) result.get(60s);
}

TEST_F(ControlTest, ARateLimitSlowsATaskDownAndIsLifted) {
  start_two();
  control({"rate_limit", "no.such", "1/s"}, 1);
  control({"rate_limit", "c.add", "ten"}, 1);
  EXPECT_EQ(ok(control({"rate_limit", "c.add", "2/s"}), w1).as_string(),
            "new rate limit set successfully");
  App client = app();
  const auto started = std::chrono::steady_clock::now();
  std::vector<AsyncResult<std::int64_t>> results;
  for (int i = 0; i < 8; ++i) results.push_back(client.send<std::int64_t>("c.add", i, 1));
  for (auto& result : results) result.get(60s);
  // Four a second at most, and the first of each worker at once.
  EXPECT_GE(std::chrono::steady_clock::now() - started, 1s);
  EXPECT_EQ(ok(control({"rate_limit", "c.add", "0"}), w1).as_string(),
            "rate limit disabled successfully");
}

TEST_F(ControlTest, ExcludingTheDefaultQueueNeedsNoListOfQueues) {
  cluster.start_worker(0, 2, {"-X", "default"});
  ASSERT_TRUE(eventually([&] { return inspect({"ping"}).size() == 1; }));
  App client = app();
  auto waits = client.send<std::int64_t>("c.add", 1, 2);
  auto direct = client.send<std::int64_t>("c.add", 2, 3, CallOptions{.queue = "other"});
  EXPECT_FALSE(ok(control({"add_consumer", "other", "-d", w0}), w0).as_string().empty());
  EXPECT_EQ(direct.get(30s), 5);
  EXPECT_FALSE(waits.ready()) << "it would have come first";
  EXPECT_FALSE(ok(control({"add_consumer", "default", "-d", w0}), w0).as_string().empty());
  EXPECT_EQ(waits.get(30s), 3);
}

TEST_F(ControlTest, ATimeLimitEndsATaskThatRunsLonger) {
  start_two();
  control({"time_limit", "no.such", "1s"}, 1);
  EXPECT_EQ(ok(control({"time_limit", "t.until_file", "0", "300ms"}), w0).as_string(),
            "time limits set successfully");
  App client = app();
  auto results = hold(client, 1);
  try {
    results[0].get(60s);
    FAIL() << "it ended by itself";
  } catch (const TaskError& error) {
    EXPECT_EQ(error.type(), "TimeLimitExceeded");
  }
  open_gate();
}

TEST_F(ControlTest, EventsAreSwitchedOnAndOff) {
  start_two();
  EXPECT_EQ(ok(control({"enable_events", "-d", w0}), w0).as_string(), "task events enabled");
  EXPECT_EQ(ok(control({"enable_events", "-d", w0}), w0).as_string(),
            "task events already enabled");
  EXPECT_NE(cluster.baozi({"control", "enable_events"}).out.find("broker@"), std::string::npos)
      << "and the broker";
  EXPECT_EQ(ok(control({"disable_events"}), w0).as_string(), "task events disabled");
  EXPECT_EQ(ok(control({"disable_events"}), w1).as_string(), "task events already disabled");
}

TEST_F(ControlTest, TerminatingATaskInAProcessEndsItAndNoOther) {
  cluster.start_worker(0, 2, {"-P", "prefork"});
  App client = app();
  auto sleeper =
      client.task<std::int64_t(std::string, std::int64_t, std::int64_t)>("t.mark_slowly");
  auto doomed = sleeper.delay(path, 1, 600'000);  // it looks at nothing
  auto spared = hold(client, 1);
  ASSERT_TRUE(eventually([&] { return lines() == 2; }, 60s));
  EXPECT_EQ(doomed.revoke(true, "SIGKILL").verdict, Revocation::Verdict::pending);
  EXPECT_THROW(doomed.get(60s), TaskRevoked);
  EXPECT_FALSE(spared[0].ready());
  open_gate();
  EXPECT_EQ(spared[0].get(60s), 1);
}

TEST_F(ControlTest, ArgumentsThatAreNotToBeSeenAreNotShown) {
  start_two();
  App client = app();
  auto results = hold(client, 1, CallOptions{.shown_arguments = "secret"});
  ASSERT_TRUE(eventually([&] { return lines() == 1; }));
  const std::string shown = inspect({"active"}).to_json();
  EXPECT_NE(shown.find("secret"), std::string::npos) << shown;
  EXPECT_EQ(shown.find(gate), std::string::npos) << shown;
  open_gate();
  results[0].get(60s);
}

TEST_F(ControlTest, ConsumersComeAndGo) {
  start_two();
  App client = app();
  auto task = client.send<std::int64_t>("c.add", 1, 2, CallOptions{.queue = "math"});
  EXPECT_FALSE(task.get_for(300ms).ready());
  EXPECT_EQ(ok(control({"add_consumer", "math", "-d", w1}), w1).as_string(), "add consumer math");
  EXPECT_EQ(task.get(30s), 3);
  EXPECT_EQ(task.worker(), w1);
  control({"cancel_consumer", "default"});
  auto waits = client.send<std::int64_t>("c.add", 1, 2);
  EXPECT_FALSE(waits.get_for(300ms).ready());
  control({"add_consumer", "default"});
  EXPECT_EQ(waits.get(30s), 3);
}

TEST_F(ControlTest, APauseOfAQueueOutlivesItsBrokerAndOneOfAWorkerStopsItsConsuming) {
  start_two();
  App client = app();
  EXPECT_EQ(client.send<std::int64_t>("c.add", 1, 2).get(30s), 3);
  control({"pause", "default"});
  auto waits = client.send<std::int64_t>("c.add", 2, 2);
  waits.wait_submitted();
  EXPECT_NE(cluster.baozi({"queues"}).out.find("paused"), std::string::npos);
  cluster.broker().kill();
  cluster.start_broker();
  EXPECT_FALSE(waits.get_for(1s).ready());
  control({"resume", "default"});
  EXPECT_EQ(waits.get(60s), 4);

  ASSERT_TRUE(eventually([&] { return inspect({"ping"}).size() == 2; }));
  control({"pause"});
  auto later = client.send<std::int64_t>("c.add", 3, 3);
  EXPECT_FALSE(later.get_for(300ms).ready());
  control({"resume", "-d", w1});
  EXPECT_EQ(later.get(30s), 6);
  EXPECT_EQ(later.worker(), w1);
}

TEST_F(ControlTest, ALabelledTaskWaitsForAWorkerThatHasItsLabels) {
  cluster.start_worker(0, 2);
  App client = app();
  auto task =
      client.task<std::int64_t(std::int64_t, std::int64_t)>("c.add").with().labels({"gpu=1"}).delay(
          1, 2);
  task.wait_submitted();
  EXPECT_FALSE(task.get_for(300ms).ready());
  EXPECT_NE(cluster.baozi({"queues"}).out.find("no worker takes these"), std::string::npos);
  cluster.start_worker(1, 2, {"--label", "gpu=1"});
  EXPECT_EQ(task.get(30s), 3);
  EXPECT_EQ(task.worker(), w1);
}

TEST_F(ControlTest, AWorkerShutsDownWhenItIsTold) {
  start_two();
  control({"shutdown", "-d", w0});
  EXPECT_EQ(cluster.worker(0).wait(30s), 0);
  EXPECT_TRUE(eventually([&] { return inspect({"ping"}).size() == 1; }));
}

}  // namespace
}  // namespace baozi::test
