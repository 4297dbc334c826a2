#include "base/signals.hpp"

#include <filesystem>

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.hpp"
#include "support/temp_dir.hpp"

namespace baozi::base {
namespace {

using Asked = Signals::Asked;

bool readable(const Signals& signals) {
  pollfd poll_me{signals.fd(), POLLIN, 0};
  return ::poll(&poll_me, 1, 0) == 1;
}

TEST(SignalsTest, AskNothingWhileNothingComes) {
  Signals signals;
  EXPECT_FALSE(readable(signals));
  EXPECT_EQ(signals.asked(), Asked::nothing);
}

TEST(SignalsTest, AskToDrainOnTheFirstAndToStopOnTheSecond) {
  Signals signals;
  ::kill(::getpid(), SIGTERM);
  EXPECT_TRUE(readable(signals));
  EXPECT_EQ(signals.asked(), Asked::drain);
  EXPECT_FALSE(readable(signals));
  EXPECT_EQ(signals.asked(), Asked::drain);
  ::kill(::getpid(), SIGTERM);
  EXPECT_EQ(signals.asked(), Asked::stop);
}

TEST(SignalsTest, CountDifferentSignalsTogether) {
  Signals signals;
  ::kill(::getpid(), SIGINT);
  ::kill(::getpid(), SIGTERM);
  EXPECT_EQ(signals.asked(), Asked::stop);
}

TEST(SignalsTest, ReopenTheLogOnHangupAndAskNothing) {
  const test::TempDir dir;
  const std::string path = dir / "x.log";
  log::open({log::Level::info, path, "x", false});
  Signals signals;
  std::filesystem::rename(path, dir / "x.log.1");
  ::kill(::getpid(), SIGHUP);
  EXPECT_EQ(signals.asked(), Asked::nothing);
  EXPECT_TRUE(std::filesystem::exists(path));
  log::open({log::Level::warning, "", "baozi", false});
}

TEST(SignalsTest, AreOrdinaryAgainInARestoredChild) {
  const Signals signals;
  const pid_t child = ::fork();
  if (child == 0) {
    Signals::restore_in_child();
    for (;;) ::pause();
  }
  ::kill(child, SIGTERM);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

}  // namespace
}  // namespace baozi::base
