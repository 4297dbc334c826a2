#include "net/context.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net_world.hpp"

namespace baozi::net {
namespace {

TEST(Context, IsOneForTheWholeProcess) {
  const Context first = Context::shared();
  void* elsewhere = nullptr;
  std::thread{[&] { elsewhere = Context::shared().handle(); }}.join();
  EXPECT_EQ(first.handle(), elsewhere);
}

TEST(Context, EndsWithItsLastCopyAndCanBeMadeAgain) {
  const auto threads = [] {
    return std::distance(std::filesystem::directory_iterator{"/proc/self/task"}, {});
  };
  std::thread{[] {
  }}.join();  // the thread sanitizer has a thread of its own once there was a second one
  const auto before = threads();
  for (int round = 0; round < 3; ++round) {
    World world;
    EXPECT_GT(threads(), before);
    auto& listener = world.listen("tcp://127.0.0.1:*");
    EXPECT_NE(world.greet(listener, world.connect(listener->endpoints().front())), PeerKey{});
  }
  EXPECT_EQ(threads(), before);
}

TEST(Context, ItsThreadsLeaveSignalsToOthers) {
  const Context context = Context::shared();
  int others = 0;
  for (const auto& task : std::filesystem::directory_iterator{"/proc/self/task"}) {
    if (task.path().filename() == std::to_string(getpid())) continue;
    std::ifstream status{task.path() / "status"};
    for (std::string line; std::getline(status, line);) {
      if (!line.starts_with("SigBlk:")) continue;
      const auto blocked = std::stoull(line.substr(7), nullptr, 16);
      for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1}) {
        EXPECT_NE(blocked & (1ULL << (signal - 1)), 0u) << signal;
      }
      ++others;
    }
  }
  EXPECT_GE(others, 2);  // libzmq's I/O thread and its reaper
}

TEST(Context, AForkedChildAbandonsItAndMakesItsOwn) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the thread sanitizer allows no threads in a child";
#endif
  World world;
  auto& listener = world.listen("tcp://127.0.0.1:*");
  auto& connector = world.connect(listener->endpoints().front());
  world.greet(listener, connector);
  const pid_t child = fork();
  ASSERT_NE(child, -1);
  if (child == 0) {
    alarm(30);  // a hang is a failure
    bool good = !world.context.is_ours();
    world.close(connector);  // neither hangs nor touches the parent's connections
    world.close(listener);
    good = good && Context::shared().handle() != world.context.handle();
    _exit(good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_NE(world.greet(listener, connector), PeerKey{});  // the parent's still stands
}

}  // namespace
}  // namespace baozi::net
