// The commands of `baozi`, as a user reads them and as a script does.
#include "programs.hpp"

namespace baozi::test {
namespace {

using namespace std::chrono_literals;
using Words = std::vector<std::string>;

class Command : public ProgramsTest {
 protected:
  void SetUp() override {
    cluster.start_broker();
    cluster.start_collector();
    cluster.start_worker(0);
  }
  /// A command that works, and its output without the last line end.
  std::string run(const Words& words, int code = 0) {
    const Ran ran = cluster.baozi(words);
    EXPECT_EQ(ran.code, code) << words[0] << ": " << ran.err;
    if (code == 0) {
      EXPECT_EQ(ran.err, "") << words[0];
    }
    return ran.out.substr(0, ran.out.find_last_not_of('\n') + 1);
  }
  Value json(Words words, int code = 0) {
    words.emplace_back("--json");
    return Value::from_json(run(words, code));
  }
};

TEST_F(Command, CallWaitsForAResultAndResultFindsItAgain) {
  EXPECT_EQ(run({"call", "c.add", "[1, 2]", "--wait"}), "3");
  EXPECT_EQ(run({"call", "c.add", "--kwargs", R"({"a": 4, "b": 5})", "--wait=30s"}), "9");
  const Value called = json({"call", "c.add", "[20, 22]", "--wait", "--id", "answer"});
  EXPECT_EQ(called.at("id").as_string(), "answer");
  EXPECT_EQ(called.at("state").as_string(), "SUCCESS");
  EXPECT_EQ(called.at("result").to<int>(), 42);
  EXPECT_TRUE(called.at("worker").as_string().starts_with("w0@"));
  EXPECT_EQ(run({"result", "answer"}), "42");
  EXPECT_EQ(json({"result", "answer"}).to_json(), called.to_json()) << "the same, seen later";
  EXPECT_EQ(run({"forget", "answer"}), "1 of 1 results erased");
  EXPECT_EQ(json({"forget", "answer"}, 1).at("forgotten").to<int>(), 0);
}

TEST_F(Command, ACallWithAnIdThatCountsIsMadeOnce) {
  const Words call{"call", "c.add", "[1, 2]", "--id", "report", "--once", "1h"};
  EXPECT_FALSE(json(call).at("duplicate").to<bool>());
  EXPECT_TRUE(json(call).at("duplicate").to<bool>());
  EXPECT_EQ(run({"call", "c.add", "[3, 4]", "--id", "report", "--once", "1h", "--wait"}), "3")
      << "the first one's result";
  const Ran ran = cluster.baozi({"call", "c.add", "[1, 2]", "--once", "1h"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_NE(ran.err.find("--once needs --id"), std::string::npos) << ran.err;
}

TEST_F(Command, ACallMayHaveLimitsAndKeys) {
  const Words call{"call", "c.add", "[1, 2]", "--unique", "the report", "--countdown", "1h"};
  EXPECT_FALSE(json(call).at("duplicate").to<bool>());
  EXPECT_TRUE(json(call).at("duplicate").to<bool>());
  EXPECT_EQ(run({"call", "c.add", "[1, 2]", "--ordering-key", "customer 7", "--time-limit", "30s",
                 "--soft-time-limit", "20s", "--wait"}),
            "3");
}

TEST_F(Command, AFailureIsToldWithItsTypeItsMessageAndWhereItWasThrown) {
  const Ran ran = cluster.baozi({"call", "t.fail", R"(["out of flour"])", "--wait"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_EQ(ran.out, "");
  EXPECT_NE(ran.err.find("FAILURE: std::runtime_error: out of flour\n"), std::string::npos)
      << ran.err;
  EXPECT_NE(ran.err.find("test_tasks.cpp"), std::string::npos) << ran.err;
  const Value told = json({"call", "t.fail", R"(["out of flour"])", "--wait"}, 1);
  EXPECT_EQ(told.at("type").as_string(), "std::runtime_error");
  EXPECT_EQ(told.at("message").as_string(), "out of flour");
}

TEST_F(Command, ATaskThatNobodyKnowsIsPendingAndSaidToBeUnknown) {
  const Ran ran = cluster.baozi({"result", "no-such-task"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.out, "PENDING\n");
  EXPECT_NE(ran.err.find("no result is kept of no-such-task"), std::string::npos) << ran.err;
  EXPECT_EQ(json({"result", "no-such-task"}).at("state").as_string(), "PENDING");
  const Ran waited = cluster.baozi({"result", "no-such-task", "--wait=300ms"});
  EXPECT_EQ(waited.code, 1);
  EXPECT_NE(waited.err.find("has not ended in time (PENDING)"), std::string::npos) << waited.err;
}

TEST_F(Command, CtrlCWhileWaitingTellsHowToFindTheTaskAgain) {
  Process waiting{{program("baozi"), "call", "t.mark_slowly", "[\"" + path + "\", 1, 3000]",
                   "--wait", "--id", "slow", "--broker", cluster.address()}};
  ASSERT_TRUE(eventually([&] { return marks().size() == 1; }));
  waiting.signal(SIGINT);
  EXPECT_EQ(waiting.wait(20s), 130);
  EXPECT_NE(waiting.err().find("baozi result slow --wait"), std::string::npos) << waiting.err();
  EXPECT_EQ(run({"result", "slow", "--wait=30s"}), "1") << "it went on";
}

TEST_F(Command, RevokeEndsATaskBeforeItRuns) {
  const std::string id = run({"call", "c.add", "[1, 2]", "--countdown", "1h"});
  const Value rows = json({"revoke", id});
  ASSERT_EQ(rows.as_array().size(), 1u);
  EXPECT_EQ(rows.at(0).at("verdict").as_string(), "revoked");
  EXPECT_EQ(json({"result", id}, 1).at("state").as_string(), "REVOKED");
  EXPECT_EQ(json({"revoke", "no-such-task"}, 1).at(0).at("verdict").as_string(), "unknown");
}

TEST_F(Command, StatusShowsTheBrokerItsPeersAndTheCollector) {
  EXPECT_EQ(run({"call", "c.add", "[1, 2]", "--wait"}), "3");
  ASSERT_TRUE(eventually([&] { return cluster.status("books.succeeded") == 1; }));
  const std::string text = run({"status"});
  for (const char* part :
       {"broker@", "collector@", "accepted 1", "succeeded 1", "w0@", "default", "counters"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in:\n" << text;
  }
  const Value all = json({"status"});
  EXPECT_EQ(all.at("books").at("accepted").to<int>(), 1);
  ASSERT_EQ(all.at("collectors").as_array().size(), 1u);
  EXPECT_EQ(all.at("collectors").at(0).at("results").at("succeeded").to<int>(), 1);
}

TEST_F(Command, QueuesAndPurge) {
  for (int i = 0; i < 3; ++i) run({"call", "c.add", "[1, 2]", "--queue", "nobodys"});
  const Value queues = json({"queues"});
  const auto& rows = queues.as_array();
  const auto found = std::find_if(rows.begin(), rows.end(), [](const Value& row) {
    return row.at("name").as_string() == "nobodys";
  });
  ASSERT_NE(found, rows.end());
  EXPECT_EQ(found->at("ready").to<int>(), 3);
  EXPECT_NE(run({"queues"}).find("nobodys"), std::string::npos);
  EXPECT_EQ(json({"purge", "nobodys", "--force"}).at("purged").to<int>(), 3);
  EXPECT_TRUE(eventually([&] { return cluster.status("books.revoked.purged") == 3; }));
  const Ran unknown = cluster.baozi({"purge", "no-such-queue", "--force"});
  EXPECT_EQ(unknown.code, 1);
  EXPECT_NE(unknown.err.find("no-such-queue"), std::string::npos);
}

TEST_F(Command, DeadLettersAreListedShownRetriedAndDropped) {
  EXPECT_NE(run({"dead", "list"}).find("no dead letters"), std::string::npos);
  App app{AppOptions{.broker = cluster.address()}};
  CallOptions options;
  options.task_id = "poor";
  options.on_failure = RetryPolicy{
      .max_retries = 1, .interval_start = 10ms, .interval_step = 0ms, .interval_max = 10ms};
  EXPECT_THROW(app.send<std::int64_t>("t.fail", "again", options).get(30s), TaskError);
  ASSERT_TRUE(eventually([&] { return cluster.status("books.dead") == 1; }));
  EXPECT_NE(run({"dead", "list"}).find("poor"), std::string::npos);
  EXPECT_EQ(json({"dead", "list"}).at("total").to<int>(), 1);
  EXPECT_EQ(json({"dead", "show", "poor"}).at(0).at("name").as_string(), "t.fail");
  EXPECT_EQ(cluster.baozi({"dead", "retry", "nobody"}).code, 1);
  EXPECT_EQ(json({"dead", "retry", "poor"}).at("retried").to<int>(), 1);
  ASSERT_TRUE(eventually(
      [&] {
        return cluster.status("books.dead") == 1 && cluster.status("books.leased") == 0 &&
               cluster.status("books.queued") == 0;
      },
      30s));
  EXPECT_EQ(json({"dead", "drop", "--all"}).at("dropped").to<int>(), 1);
  EXPECT_TRUE(eventually([&] { return cluster.status("books.dead") == 0; }));
  EXPECT_TRUE(cluster.books_balance());
}

TEST_F(Command, ABrokerThatIsAwayIsToldInOneLineWithinTheTimeout) {
  cluster.broker().signal(SIGSTOP);
  const Ran ran = cluster.baozi({"status", "--timeout", "500ms"});
  cluster.broker().signal(SIGCONT);
  EXPECT_EQ(ran.code, 1);
  EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
  EXPECT_NE(ran.err.find(cluster.address()), std::string::npos) << ran.err;
}

}  // namespace
}  // namespace baozi::test
