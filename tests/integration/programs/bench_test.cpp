// `baozi bench`: figures of a network of its own, and of one that runs; it leaves nothing behind.
#include <filesystem>
#include <sstream>

#include "programs.hpp"

namespace baozi::test {
namespace {

using namespace std::chrono_literals;

class BenchCommand : public ProgramsTest {
 protected:
  /// metric → value of the JSON lines of a run.
  static std::map<std::string, double> figures(const std::string& out) {
    std::map<std::string, double> found;
    std::istringstream lines{out};
    for (std::string line; std::getline(lines, line);) {
      const Value figure = Value::from_json(line);
      EXPECT_FALSE(figure.at("unit").as_string().empty());
      EXPECT_FALSE(figure.at("settings").as_string().empty());
      found[figure.at("metric").as_string()] = figure.at("value").to<double>();
    }
    return found;
  }
  [[nodiscard]] bool left_something() const { return !std::filesystem::is_empty(work.path()); }
  TempDir work;
};

TEST_F(BenchCommand, TimesANetworkOfItsOwnAndRemovesIt) {
  Process bench{
      {program("baozi"), "bench", "--tasks", "2000", "--json", "--folder", work.path().string()},
      {.environment = {"BAOZI_BROKER="}}};
  EXPECT_EQ(bench.wait(120s), 0) << bench.err();
  EXPECT_EQ(bench.err(), "");
  const auto found = figures(bench.out());
  for (const char* metric :
       {"e2e_throughput", "e2e_submit_part", "enqueue_rate", "drain_rate", "rtt_p50", "rtt_p99"}) {
    ASSERT_TRUE(found.contains(metric)) << metric << " in:\n" << bench.out();
    EXPECT_GT(found.at(metric), 0) << metric;
  }
  EXPECT_EQ(found.size(), 6u);
  EXPECT_GE(found.at("rtt_p99"), found.at("rtt_p50"));
  EXPECT_FALSE(left_something());
}

TEST_F(BenchCommand, TimesARunningNetworkOnAQueueOfItsOwn) {
  cluster.start_broker();
  cluster.start_collector();
  const std::string waiting =
      cluster.baozi({"call", "c.add", "[1, 2]"}).out;  // somebody else's, in the default queue
  const Ran ran = cluster.baozi({"bench", "enqueue", "rtt", "--tasks", "1000", "--workers", "1",
                                 "--folder", work.path().string()});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.out.find("enqueue_rate"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("tasks/s"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("rtt_p99"), std::string::npos) << ran.out;
  EXPECT_FALSE(left_something());
  EXPECT_TRUE(eventually(
      [&] { return cluster.status("books.queued") == 1 && cluster.status("books.leased") == 0; },
      30s))
      << "only what was there before";
  EXPECT_TRUE(cluster.books_balance());
}

TEST_F(BenchCommand, InterruptedItLeavesNoProcessAndNoFile) {
  Process bench{
      {program("baozi"), "bench", "e2e", "--tasks", "50000000", "--folder", work.path().string()},
      {.environment = {"BAOZI_BROKER="}}};
  std::vector<pid_t> children;
  ASSERT_TRUE(eventually(
      [&] {
        children.clear();
        std::istringstream pids{TempDir::read("/proc/" + std::to_string(bench.pid()) + "/task/" +
                                              std::to_string(bench.pid()) + "/children")};
        for (pid_t pid = 0; pids >> pid;) children.push_back(pid);
        return children.size() == 4 || bench.poll().has_value();
      },
      60s))
      << children.size();
  ASSERT_EQ(children.size(), 4u) << bench.err();
  bench.signal(SIGINT);
  EXPECT_EQ(bench.wait(30s), 130) << bench.err();
  for (const pid_t pid : children) EXPECT_FALSE(executes(pid)) << pid;
  EXPECT_FALSE(left_something());
}

}  // namespace
}  // namespace baozi::test
