#include "base/node_main.hpp"

#include <filesystem>

#include <gtest/gtest.h>

#include "base/node_name.hpp"
#include "support/notify_socket.hpp"
#include "support/process.hpp"

namespace baozi::base {
namespace {

using test::eventually;
using test::Process;
using test::ProcessOptions;
using test::TempDir;

class NodeMain : public testing::Test {
 protected:
  std::vector<std::string> probe(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), BAOZI_BINARY_DIR "/tests/node_probe");
    return arguments;
  }
  ProcessOptions here() const { return {dir.path().string(), {}}; }
  [[nodiscard]] std::string file(const std::string& name) const {
    return TempDir::read(dir / name);
  }
  [[nodiscard]] bool exists(const std::string& name) const {
    return std::filesystem::exists(dir / name);
  }
  [[nodiscard]] pid_t pid_in(const std::string& name) const {
    const std::string text = file(name);
    return text.empty() ? 0 : static_cast<pid_t>(std::stol(text));
  }
  /// Detached processes are no children of ours: they are ended by the number in their pid file.
  void end(const std::string& pid_file) const {
    const pid_t pid = pid_in(pid_file);
    if (pid > 0) ::kill(pid, SIGTERM);
    EXPECT_TRUE(eventually([&] { return !exists(pid_file); }));
  }

  TempDir dir;
};

TEST_F(NodeMain, PrintsHelpAndVersionAndExitsWithZero) {
  Process help{probe({"--help"})};
  EXPECT_EQ(help.wait(), 0);
  for (const char* option :
       {"--loglevel LEVEL", "-f, --logfile", "--pidfile", "--detach", "--config", "-n, --name"}) {
    EXPECT_NE(help.out().find(option), std::string::npos) << option;
  }
  Process version{probe({"--version"})};
  EXPECT_EQ(version.wait(), 0);
  EXPECT_TRUE(version.out().starts_with("node-probe 0."));
}

TEST_F(NodeMain, ExitsWithTwoAndOneLineOnAWrongOption) {
  Process process{probe({"--loglevle", "info"})};
  EXPECT_EQ(process.wait(), 2);
  EXPECT_EQ(process.err(),
            "node-probe: there is no option '--loglevle'; did you mean '--loglevel'? (see "
            "node-probe --help)\n");
  EXPECT_EQ(process.out(), "");
}

TEST_F(NodeMain, ExitsWithTwoWhenTheWorkFindsAnOptionWrong) {
  Process process{probe({"--does", "misconfigured"})};
  EXPECT_EQ(process.wait(), 2);
  EXPECT_TRUE(process.err().starts_with("node-probe: --store: no such kind"));
}

TEST_F(NodeMain, ExitsWithOneAndOneLineWhenTheWorkFails) {
  Process process{probe({"--does", "throw"})};
  EXPECT_EQ(process.wait(), 1);
  EXPECT_EQ(process.err(), "node-probe: the port\\nis taken\n");
}

TEST_F(NodeMain, SurvivesAnExceptionThatIsNoException) {
  Process process{probe({"--does", "odd"})};
  EXPECT_EQ(process.wait(), 1);
  EXPECT_EQ(process.err(), "node-probe: failed with an exception of unknown type\n");
}

TEST_F(NodeMain, ExitsWithWhatTheWorkReturns) {
  EXPECT_EQ(Process{probe({"--does", "code3"})}.wait(), 3);
}

TEST_F(NodeMain, DrainsOnTermAndExitsWithZero) {
  Process process{probe({"-n", "w1@here"})};
  ASSERT_TRUE(process.says("w1@here serves"));
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait(), 0);
  EXPECT_NE(process.err().find("w1@here: drains"), std::string::npos) << process.err();
}

TEST_F(NodeMain, StopsAtTheSecondInterrupt) {
  Process process{probe({"--does", "stubborn"})};
  ASSERT_TRUE(process.says("serves"));
  process.signal(SIGINT);
  ASSERT_TRUE(process.says("drains"));
  process.signal(SIGINT);
  EXPECT_EQ(process.wait(), 0);
  EXPECT_TRUE(process.says("stops"));
}

TEST_F(NodeMain, ReopensItsLogOnHangup) {
  Process process{probe({"-f", "x.log"}), here()};
  ASSERT_TRUE(eventually([&] { return file("x.log").find("serves") != std::string::npos; }));
  std::filesystem::rename(dir / "x.log", dir / "x.log.1");
  process.signal(SIGHUP);
  EXPECT_TRUE(eventually([&] { return file("x.log").find("logs reopened") != std::string::npos; }));
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait(), 0);
  EXPECT_NE(file("x.log").find("drains"), std::string::npos);
}

TEST_F(NodeMain, LogsNothingBelowTheLevelThatIsAsked) {
  Process process{probe({"-l", "ERROR"})};
  ASSERT_TRUE(process.says("on stderr"));
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait(), 0);
  EXPECT_EQ(process.err(), "on stderr\n");
}

TEST_F(NodeMain, NamesItsFilesAfterTheNode) {
  Process process{probe({"-n", "w7@cook.example.com", "--pidfile", "%n.pid", "-f", "%p.log"}),
                  here()};
  EXPECT_TRUE(eventually([&] {
    return file("w7@cook.example.com.log").find("w7@cook.example.com serves") != std::string::npos;
  }));
  EXPECT_EQ(pid_in("w7.pid"), process.pid());
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait(), 0);
  EXPECT_FALSE(exists("w7.pid"));
}

TEST_F(NodeMain, IsCalledAfterItsRoleAndItsHostWhenNothingElseIsSaid) {
  Process process{probe({})};
  EXPECT_TRUE(process.says("probe@" + host_name() + " serves"));
}

TEST_F(NodeMain, RefusesAPidFileThatIsHeldAndLeavesTheLogOfItsHolderAlone) {
  Process first{probe({"--pidfile", "x.pid", "-f", "x.log"}), here()};
  ASSERT_TRUE(eventually([&] { return file("x.log").find("serves") != std::string::npos; }));
  const std::string before = file("x.log");
  Process second{probe({"--pidfile", "x.pid", "-f", "x.log"}), here()};
  EXPECT_EQ(second.wait(), 1);
  EXPECT_EQ(second.err(), "node-probe: pid file 'x.pid': process " + std::to_string(first.pid()) +
                              " is running\n");
  EXPECT_EQ(file("x.log"), before);
  EXPECT_EQ(pid_in("x.pid"), first.pid());
}

TEST_F(NodeMain, StartsAgainAfterAKillLeftThePidFileBehind) {
  {
    Process first{probe({"--pidfile", "x.pid"}), here()};
    ASSERT_TRUE(first.says("serves"));
    first.kill();
  }
  EXPECT_TRUE(exists("x.pid"));
  Process second{probe({"--pidfile", "x.pid"}), here()};
  EXPECT_TRUE(second.says("serves"));
  EXPECT_EQ(pid_in("x.pid"), second.pid());
}

TEST_F(NodeMain, ReturnsFromDetachingWhenTheNodeServes) {
  Process command{probe({"--detach", "--pidfile", "x.pid", "-f", "x.log"}), here()};
  EXPECT_EQ(command.wait(), 0) << command.err();
  EXPECT_EQ(command.err(), "");
  EXPECT_NE(file("x.log").find("serves"), std::string::npos);  // by now, not soon
  const pid_t node = pid_in("x.pid");
  EXPECT_NE(node, command.pid());
  EXPECT_TRUE(test::executes(node));
  EXPECT_NE(::getsid(node), ::getsid(0));
  EXPECT_TRUE(eventually([&] { return file("x.log").find("on stderr") != std::string::npos; }));
  end("x.pid");
  EXPECT_TRUE(eventually([&] { return !test::executes(node); }));
  EXPECT_NE(file("x.log").find("drains"), std::string::npos);
}

TEST_F(NodeMain, LogsToAFileOfItsOwnWhenDetachedWithoutOne) {
  Process command{probe({"--detach", "--pidfile", "x.pid", "-n", "w3"}), here()};
  EXPECT_EQ(command.wait(), 0);
  EXPECT_NE(file("w3.log").find("serves"), std::string::npos);
  end("x.pid");
}

TEST_F(NodeMain, BringsTheFailureOfADetachedNodeToTheOneWhoStartedIt) {
  Process command{probe({"--detach", "-f", "x.log", "--pidfile", "x.pid", "--does", "throw"}),
                  here()};
  EXPECT_EQ(command.wait(), 1);
  EXPECT_EQ(command.err(), "node-probe: the port\\nis taken\n");
  EXPECT_NE(file("x.log").find("the port\\nis taken"), std::string::npos);
  EXPECT_FALSE(exists("x.pid"));
}

TEST_F(NodeMain, BringsAUsageErrorOfADetachedNodeToo) {
  Process command{probe({"--detach", "--does", "misconfigured"}), here()};
  EXPECT_EQ(command.wait(), 2);
  EXPECT_TRUE(command.err().starts_with("node-probe: --store")) << command.err();
}

TEST_F(NodeMain, SaysSoWhenADetachedNodeDiesBeforeItServes) {
  Process command{probe({"--detach", "--does", "die"}), here()};
  EXPECT_EQ(command.wait(), 1);
  EXPECT_NE(command.err().find("ended before it was ready"), std::string::npos);
}

TEST_F(NodeMain, SaysSoWhenADetachedNodeReturnsBeforeItServes) {
  Process command{probe({"--detach", "--does", "code3"}), here()};
  EXPECT_EQ(command.wait(), 3);
  EXPECT_NE(command.err().find("ended before it was ready"), std::string::npos);
}

TEST_F(NodeMain, RaisesItsLimitOfOpenFilesAsFarAsItMay) {
  Process process{{"/bin/sh", "-c",
                   "ulimit -S -n 64; exec " BAOZI_BINARY_DIR "/tests/node_probe --does limit"}};
  EXPECT_EQ(process.wait(), 0);
  const std::string out = process.out();
  EXPECT_EQ(out.substr(5, out.find(" hard") - 5),
            out.substr(out.find("hard ") + 5, out.size() - out.find("hard ") - 6))
      << out;
}

TEST_F(NodeMain, TakesItsOptionsFromTheEnvironmentToo) {
  Process process{probe({}), {dir.path().string(), {"BAOZI_NAME=w9@env", "BAOZI_LOGLEVEL=debug"}}};
  EXPECT_TRUE(process.says("w9@env serves"));
}

TEST_F(NodeMain, TellsTheServiceManagerWhenItServesAndWhenItStops) {
  const std::string path = dir / "notify";
  const test::NotifySocket manager{path};
  ASSERT_TRUE(manager.bound());
  Process process{probe({}), {dir.path().string(), {"NOTIFY_SOCKET=" + path}}};
  std::string heard;
  EXPECT_TRUE(eventually([&] { return !(heard = manager.heard()).empty(); }));
  EXPECT_EQ(heard, "READY=1\nMAINPID=" + std::to_string(process.pid()));
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait(), 0);
  EXPECT_EQ(manager.heard(), "STOPPING=1");
}

TEST(RunGuarded, TurnsWhatIsThrownIntoAnExitCode) {
  EXPECT_EQ(run_guarded("x", [] { return 5; }), 5);
  EXPECT_EQ(run_guarded("x", []() -> int { throw std::runtime_error{"a"}; }), 1);
  EXPECT_EQ(run_guarded("x", []() -> int { throw ConfigError{"a"}; }), 2);
}

}  // namespace
}  // namespace baozi::base
