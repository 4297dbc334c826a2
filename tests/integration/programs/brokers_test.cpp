// Two brokers, that know nothing of each other or each other's address: workers and the collector
// serve both, a producer spreads over them.
#include "programs.hpp"

namespace baozi::test {
namespace {

using namespace std::chrono_literals;

class TwoBrokers : public ProgramsTest {
 protected:
  void SetUp() override {
    cluster.start_broker();
    second.start_broker({"-n", "second"});
    cluster.start_collector({"--broker", second.address()});
    for (int i = 0; i < 2; ++i) cluster.start_worker(i, 2, {"--broker", second.address()});
  }
  void TearDown() override {
    if (HasFailure()) std::cerr << "==== the second broker\n" << second.logs();
    ProgramsTest::TearDown();
  }
  [[nodiscard]] std::string addresses() const { return cluster.address() + "," + second.address(); }
  [[nodiscard]] std::int64_t both(const std::string& field) const {
    return cluster.status(field) + second.status(field);
  }
  void expect_all_ended(std::int64_t accepted) {
    // Both are looked at together: what one ends may be the other's next task.
    EXPECT_TRUE(eventually(
        [&] {
          return both("books.succeeded") >= accepted && both("books.queued") == 0 &&
                 both("books.leased") == 0;
        },
        60s));
    for (const Cluster* broker : {&cluster, &second}) {
      EXPECT_TRUE(broker->books_balance());
      EXPECT_EQ(broker->status("books.accepted"), broker->status("books.succeeded"));
    }
    EXPECT_EQ(both("books.accepted"), accepted)
        << "each task is one broker's, and no more than one's";
  }

  Cluster second;
};

TEST_F(TwoBrokers, AProducerSpreadsOverThemAndWorkersServeBoth) {
  App app{AppOptions{.broker = addresses()}};
  auto mark = app.task<std::int64_t(std::string, std::int64_t)>("t.mark");
  std::vector<AsyncResult<std::int64_t>> results;
  for (int i = 0; i < 3'000; ++i) {
    results.push_back(mark.delay(path, i));
    if (i % 100 != 99) continue;
    ASSERT_TRUE(app.flush(30s));  // many batches, so that there is something to spread
  }
  for (std::size_t i = 0; i < results.size(); ++i)
    EXPECT_EQ(results[i].get(60s), static_cast<std::int64_t>(i));
  ASSERT_TRUE(app.flush(60s));  // a result may be here before its task's confirm
  const auto counts = marks();
  EXPECT_EQ(counts.size(), results.size());
  for (const auto& [number, times] : counts) EXPECT_EQ(times, 1) << "task " << number;
  EXPECT_GT(cluster.status("books.accepted"), 0);
  EXPECT_GT(second.status("books.accepted"), 0);
  expect_all_ended(3'000);
  const Ran ran = cluster.baozi({"status", "--json", "--broker", second.address()});
  EXPECT_EQ(Value::from_json(ran.out).as_array().size(), 2u) << "status shows both";
}

TEST_F(TwoBrokers, CallsWithOneHomeGoToOneBrokerAndWaitForItWhileItIsAway) {
  App app{AppOptions{.broker = addresses()}};
  auto mark = app.task<std::int64_t(std::string, std::int64_t)>("t.mark");
  const auto call = [&](std::int64_t number) {
    auto handle = mark.with().home("one entry").delay(path, number);
    EXPECT_TRUE(app.flush(30s));
    return handle;
  };
  for (int i = 0; i < 20; ++i) EXPECT_EQ(call(i).get(60s), i);
  Cluster& home = cluster.status("books.accepted") > 0 ? cluster : second;
  Cluster& other = &home == &cluster ? second : cluster;
  home.broker().kill();
  ASSERT_TRUE(eventually([&] { return app.control("queues").silent.size() == 1; }, 30s));
  auto waiting = mark.with().home("one entry").delay(path, 20);
  EXPECT_EQ(mark.with().delay(path, 21).get(60s),
            21);  // the other broker is there for what has no home
  EXPECT_FALSE(waiting.ready());
  home.start_broker(&home == &second ? std::vector<std::string>{"-n", "second"}
                                     : std::vector<std::string>{});
  EXPECT_EQ(waiting.get(60s), 20);
  for (const auto& [number, times] : marks()) EXPECT_EQ(times, 1) << "task " << number;
  EXPECT_EQ(other.status("books.accepted"), 1);
  expect_all_ended(22);
}

TEST_F(TwoBrokers, WhenOneIsKilledTheProducerMovesOnAndNothingIsLostOrDoubled) {
  App app{AppOptions{.broker = addresses(), .submit_timeout = 120s}};
  auto mark = app.task<std::int64_t(std::string, std::int64_t)>("t.mark");
  std::vector<AsyncResult<std::int64_t>> results;
  std::int64_t next = 0;
  const auto call = [&](int count) {
    for (int i = 0; i < count; ++i) results.push_back(mark.delay(path, next++));
  };
  for (int batch = 0; batch < 20; ++batch) {
    call(100);
    if (batch < 10) {
      ASSERT_TRUE(app.flush(30s));
    }
  }
  second.broker().kill();
  call(1'000);
  // Once the producer has noticed, everything new goes to the one that is left, and is done while
  // the other is away.
  ASSERT_TRUE(eventually(
      [&] {
        const NodeReplies asked = app.control("queues");
        return asked.replies.size() == 1 && asked.silent.size() == 1;
      },
      30s));
  const std::size_t first_after = results.size();
  call(1'000);
  for (std::size_t i = first_after; i < results.size(); ++i)
    EXPECT_EQ(results[i].get(60s), static_cast<std::int64_t>(i));
  second.start_broker({"-n", "second", "--liveness", "10s"});  // time for its workers to come back
  for (std::size_t i = 0; i < results.size(); ++i)
    EXPECT_EQ(results[i].get(120s), static_cast<std::int64_t>(i));
  ASSERT_TRUE(app.flush(60s));  // a result may be here before its task's confirm
  const auto counts = marks();
  EXPECT_EQ(counts.size(), results.size());
  for (const auto& [number, times] : counts) EXPECT_EQ(times, 1) << "task " << number;
  expect_all_ended(next);
}

// ---- brokers that know each other

class KnownBrokers : public TwoBrokers {
 protected:
  void SetUp() override {
    cluster.start_broker();  // to have their ports
    second.start_broker({"-n", "second"});
    start_first();
    start_second();
    cluster.start_collector({"--broker", second.address()});
    for (int i = 0; i < 2; ++i) cluster.start_worker(i, 4, {"--broker", second.address()});
  }
  void start_first() { cluster.start_broker({"--brokers", addresses()}); }
  void start_second() { second.start_broker({"-n", "second", "--brokers", addresses()}); }
  /// What the first one says of the second.
  [[nodiscard]] Value peer() const { return status().at("brokers").at(std::size_t{0}); }
  [[nodiscard]] std::string path_of(const std::string& key) const { return path + "." + key; }
  /// "+7" and "-7" of every number once, and never a second one in between.
  void expect_one_at_a_time(const std::string& key, std::map<std::int64_t, int>& seen) const {
    std::ifstream in{path_of(key)};
    std::string before;
    for (std::string line; in >> line;) {
      if (line[0] == '+') {
        EXPECT_EQ(before, "") << line << " began while " << before << " was running, key " << key;
        before = line;
        ++seen[std::stoll(line.substr(1))];
      } else {
        EXPECT_EQ(before.substr(1), line.substr(1)) << "key " << key;
        before.clear();
      }
    }
    EXPECT_EQ(before, "") << "key " << key;
  }
};

TEST_F(KnownBrokers, FollowUpsOfOneKeyAreOneAtATimeOverBothThoughOneIsKilled) {
  App app{AppOptions{.broker = addresses(), .submit_timeout = 120s}};
  auto parent = app.task<std::int64_t(std::string, std::string, std::int64_t)>("t.parent_ordered");
  std::vector<AsyncResult<std::int64_t>> results;
  constexpr std::int64_t calls = 600;
  constexpr std::int64_t keys =
      24;  // so many that, whatever the ports, each broker is home of some
  const auto key_of = [](std::int64_t number) { return "k" + std::to_string(number % keys); };
  for (std::int64_t i = 0; i < calls; ++i) {
    results.push_back(parent.delay(path, key_of(i), i));
    if (i % 20 == 19) {
      ASSERT_TRUE(app.flush(60s));
    }
    if (i == calls / 3) {
      // What a broker has not answered waits for that broker: nothing may be in doubt, or the next
      // flush would wait for its return.
      ASSERT_TRUE(app.flush(60s));
      second.broker().kill();
      ASSERT_TRUE(eventually([&] { return peer().at("state").as_string() == "away"; }, 30s));
    }
    if (i == calls * 2 / 3) {
      ASSERT_TRUE(eventually([&] { return peer().at("waiting").to<std::int64_t>() > 0; }, 30s));
      start_second();
    }
  }
  for (std::int64_t i = 0; i < calls; ++i)
    EXPECT_EQ(results[static_cast<std::size_t>(i)].get(120s), i);
  expect_all_ended(2 * calls);
  EXPECT_EQ(peer().at("state").as_string(), "connected");
  // A task may have run before its confirm reached the outbox that it came from.
  EXPECT_TRUE(eventually(
      [&] {
        return peer().at("waiting").to<std::int64_t>() == 0 && second.status("kept.outbox") == 0;
      },
      30s));
  std::map<std::int64_t, int> seen;
  for (int k = 0; k < keys; ++k) expect_one_at_a_time("k" + std::to_string(k), seen);
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(calls));
  for (const auto& [number, times] : seen) EXPECT_EQ(times, 1) << "follow-up " << number;
  EXPECT_GT(cluster.status("counters.passed_on"), 0);
}

TEST_F(KnownBrokers, ANameWithALimitOfOneRunsOneAtATimeOverBothThoughOneIsKilled) {
  App app{AppOptions{.broker = addresses(), .submit_timeout = 120s}};
  constexpr std::int64_t calls = 480;
  constexpr std::int64_t names = 16;  // so many that, whatever the ports, each is home of some
  std::vector<Task<std::int64_t(std::string, std::int64_t, std::int64_t)>> alone;
  for (std::int64_t k = 0; k < names; ++k) {
    alone.push_back(app.task<std::int64_t(std::string, std::int64_t, std::int64_t)>(
        "t.alone_" + std::to_string(k)));
  }
  // Several calls of a name in a row, in batches that go to either broker.
  const auto name_of = [](std::int64_t number) { return number / 10 % names; };
  std::vector<AsyncResult<std::int64_t>> results;
  const auto call = [&](std::int64_t upto) {
    while (static_cast<std::int64_t>(results.size()) < upto) {
      const auto i = static_cast<std::int64_t>(results.size());
      results.push_back(alone[static_cast<std::size_t>(name_of(i))].delay(
          path_of("n" + std::to_string(name_of(i))), i, std::int64_t{5}));
      if (i % 2 == 1) {
        ASSERT_TRUE(app.flush(60s));
      }
    }
  };
  call(calls / 3);
  EXPECT_GT(cluster.status("counters.moved") + second.status("counters.moved"), 0)
      << "whatever the ports, one of them has had what belongs to the other";
  ASSERT_TRUE(app.flush(60s));  // nothing may be in doubt with the one that is killed
  second.broker().kill();
  ASSERT_TRUE(eventually([&] { return peer().at("state").as_string() == "away"; }, 30s));
  call(calls * 2 / 3);
  EXPECT_TRUE(eventually([&] { return peer().at("waiting").to<std::int64_t>() > 0; }, 30s));
  start_second();
  call(calls);
  for (std::int64_t i = 0; i < calls; ++i)
    EXPECT_EQ(results[static_cast<std::size_t>(i)].get(120s), i);
  ASSERT_TRUE(app.flush(60s));
  expect_all_ended(calls);
  EXPECT_TRUE(eventually(
      [&] {
        return peer().at("waiting").to<std::int64_t>() == 0 && second.status("kept.outbox") == 0;
      },
      30s));
  std::map<std::int64_t, int> seen;
  for (int k = 0; k < names; ++k) expect_one_at_a_time("n" + std::to_string(k), seen);
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(calls));
  for (const auto& [number, times] : seen) EXPECT_EQ(times, 1) << "task " << number;
}

TEST_F(KnownBrokers, WhoLeavesTheListIsToldOfAndItsFollowUpsAreKept) {
  second.broker().kill();
  App app{AppOptions{.broker = cluster.address()}};
  auto parent = app.task<std::int64_t(std::string, std::string, std::int64_t)>("t.parent_ordered");
  for (std::int64_t i = 0; i < 20; ++i)
    EXPECT_EQ(parent.delay(path, "k" + std::to_string(i), i).get(60s), i);
  const std::int64_t waiting = peer().at("waiting").to<std::int64_t>();
  ASSERT_GT(waiting, 0);
  cluster.broker().kill();
  cluster.start_broker();
  EXPECT_EQ(peer().at("state").as_string(), "not in --brokers");
  EXPECT_EQ(peer().at("waiting").to<std::int64_t>(), waiting);
  EXPECT_NE(cluster.logs().find(std::to_string(waiting) + " tasks wait for the broker " +
                                second.address() + ", which is not among --brokers"),
            std::string::npos);
  cluster.broker().kill();
  start_first();
  start_second();
  ASSERT_TRUE(eventually([&] { return peer().at("waiting").to<std::int64_t>() == 0; }, 60s));
  EXPECT_TRUE(eventually([&] { return second.status("books.succeeded") == waiting; }, 60s));
  const Ran ran = cluster.baozi({"status"});
  EXPECT_NE(ran.out.find(second.address()), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("connected"), std::string::npos) << ran.out;
}

}  // namespace
}  // namespace baozi::test
