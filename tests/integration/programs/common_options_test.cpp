// What every node can be told, on every node: help, version, log files and their reopening, pid
// files, detaching, files and variables of options, names, the service manager.
#include <sstream>

#include <baozi/version.hpp>

#include "programs.hpp"
#include "support/notify_socket.hpp"

namespace baozi::test {
namespace {

using namespace std::chrono_literals;
using Words = std::vector<std::string>;

struct Node {
  std::string program;
  Words arguments;  ///< what it needs to serve here
  std::string sample;
};

std::vector<Node> all_nodes() {
  const std::string nobody = "tcp://127.0.0.1:9";
  return {
      {"baozi-broker", {"--listen", "tcp://127.0.0.1:0", "--store", "memory:"}, "broker.yaml"},
      {"baozi-collector",
       {"--listen", "tcp://127.0.0.1:0", "--store", "memory:", "--broker", nobody},
       "collector.yaml"},
      {"baozi-worker", {"-A", BAOZI_SAMPLE_TASKS, "--broker", nobody}, "worker.yaml"},
      {"baozi-beat",
       {"--schedule", std::string{BAOZI_SOURCE_DIR} + "/configs/schedule.yaml", "--broker", nobody},
       "beat.yaml"},
      {"baozi-node",
       {"--broker-listen", "tcp://127.0.0.1:0", "--broker-store", "memory:", "--collector-listen",
        "tcp://127.0.0.1:0", "--collector-store", "memory:"},
       "node.yaml"},
  };
}

class CommonOptions : public testing::TestWithParam<Node> {
 protected:
  [[nodiscard]] Words command(Words more) const {
    Words words = {program(GetParam().program)};
    words.insert(words.end(), GetParam().arguments.begin(), GetParam().arguments.end());
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  [[nodiscard]] ProcessOptions here(Words environment = {}) const {
    return {.folder = folder.path().string(), .environment = std::move(environment)};
  }
  [[nodiscard]] bool serves(const std::string& file) const {
    return eventually(
        [&] {
          const std::string log = TempDir::read(folder / file);
          return log.find("listening on") != std::string::npos ||
                 log.find("ready") != std::string::npos;
        },
        30s);
  }
  TempDir folder;
};

TEST_P(CommonOptions, HelpAndVersionSayWhatItIs) {
  Process help{{program(GetParam().program), "--help"}};
  EXPECT_EQ(help.wait(), 0);
  for (const char* option : {"usage: ", "--help", "--version", "--loglevel", "--logfile",
                             "--pidfile", "--detach", "--config", "--name"}) {
    EXPECT_NE(help.out().find(option), std::string::npos) << option;
  }
  Process version{{program(GetParam().program), "--version"}};
  EXPECT_EQ(version.wait(), 0);
  EXPECT_EQ(version.out(), GetParam().program + ' ' + library_version() + '\n');
}

TEST_P(CommonOptions, ItsSampleFileIsRead) {
  Words words =
      command({"--config", std::string{BAOZI_SOURCE_DIR} + "/configs/" + GetParam().sample, "-f",
               "node.log"});
  Process node{words, here()};
  EXPECT_TRUE(serves("node.log")) << node.err();
  // Every line of it, and not only what is not behind a '#'.
  std::istringstream lines{
      TempDir::read(std::string{BAOZI_SOURCE_DIR} + "/configs/" + GetParam().sample)};
  std::string every;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("#") && !line.starts_with("# ")) line.erase(0, 1);
    if (line.starts_with("logfile") || line.starts_with("pidfile"))
      continue;  // in folders of the system
    if (GetParam().program == "baozi-beat" && line.starts_with("store:"))
      continue;  // instead of what its sample has
    every += line + '\n';
  }
  folder.write("every.yaml", every);
  Process second{command({"--config", "every.yaml", "-f", "second.log"}), here()};
  EXPECT_TRUE(serves("second.log")) << second.err();
}

TEST_P(CommonOptions, LogsAreReopenedOnHangupAndNamedAfterTheNode) {
  Process node{command({"-n", "n7@%h", "-f", "%n.log", "--pidfile", "%n.pid", "-l", "debug"}),
               here()};
  ASSERT_TRUE(serves("n7.log")) << node.err();
  EXPECT_EQ(std::stol(TempDir::read(folder / "n7.pid")), node.pid());
  std::filesystem::rename(folder / "n7.log", folder / "n7.log.1");
  node.signal(SIGHUP);
  EXPECT_TRUE(eventually(
      [&] { return TempDir::read(folder / "n7.log").find("reopened") != std::string::npos; }));
  node.signal(SIGTERM);
  EXPECT_EQ(node.wait(30s), 0);
  EXPECT_NE(TempDir::read(folder / "n7.log").find("stopped"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder / "n7.pid"));
}

TEST_P(CommonOptions, DetachedItServesWhenTheCommandReturns) {
  Process starter{command({"--detach", "--pidfile", "node.pid", "-n", "d1"}), here()};
  EXPECT_EQ(starter.wait(30s), 0) << starter.err();
  EXPECT_EQ(starter.err(), "");
  const auto pid = static_cast<pid_t>(std::stol(TempDir::read(folder / "node.pid")));
  EXPECT_TRUE(executes(pid));
  EXPECT_TRUE(serves("d1.log"));
  ::kill(pid, SIGTERM);
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(folder / "node.pid"); }, 30s));
}

TEST_P(CommonOptions, TheEnvironmentIsReadAndTheCommandLineWins) {
  Process node{command({"-l", "debug"}),
               here({"BAOZI_NAME=env9@here", "BAOZI_LOGFILE=env.log", "BAOZI_LOGLEVEL=critical"})};
  EXPECT_TRUE(serves("env.log")) << node.err();
  EXPECT_NE(TempDir::read(folder / "env.log").find("env9@here"), std::string::npos);
}

TEST_P(CommonOptions, TheServiceManagerIsToldWhenItServesAndWhenItStops) {
  NotifySocket manager{folder / "notify"};
  ASSERT_TRUE(manager.bound());
  Process node{command({}), here({"NOTIFY_SOCKET=" + folder / "notify"})};
  std::string heard;
  const auto hears = [&](const char* text) {
    return eventually(
        [&] {
          heard += manager.heard();
          return heard.find(text) != std::string::npos;
        },
        30s);
  };
  EXPECT_TRUE(hears("READY=1")) << node.err();
  node.signal(SIGTERM);
  EXPECT_TRUE(hears("STOPPING=1"));
  EXPECT_EQ(node.wait(30s), 0);
}

INSTANTIATE_TEST_SUITE_P(Every, CommonOptions, testing::ValuesIn(all_nodes()),
                         [](const auto& test) { return test.param.program.substr(6); });

}  // namespace
}  // namespace baozi::test
