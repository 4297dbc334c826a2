#include "net/loop.hpp"

#include <thread>

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "net_world.hpp"

namespace baozi::net {
namespace {

TEST(Loop, SleepsUntilTheDeadlineAndNotMuchLonger) {
  Loop loop;
  for (const Micros nap : {Micros{0}, Micros{300}, Micros{5'700}, Micros{50'000}}) {
    const MonoTime start = base::mono_now();
    EXPECT_FALSE(loop.wait(start + nap));
    EXPECT_GE(base::mono_now() - start, nap);
  }
}

TEST(Loop, RunsWhatOtherThreadsPostInTheOrderOfEach) {
  Loop loop;
  constexpr int threads = 4;
  constexpr int posts = 5'000;
  std::vector<int> seen[threads];
  std::vector<std::jthread> posters;
  for (int t = 0; t < threads; ++t) {
    posters.emplace_back([&loop, &seen, t] {
      for (int i = 0; i < posts; ++i) loop.post([&seen, t, i] { seen[t].push_back(i); });
    });
  }
  const MonoTime end = base::mono_now() + 20s;
  const auto complete = [&] {
    return std::ranges::all_of(seen, [](const auto& s) { return s.size() == posts; });
  };
  while (!complete() && base::mono_now() < end) loop.wait(end);
  for (const auto& of_one : seen) {
    ASSERT_EQ(of_one.size(), static_cast<std::size_t>(posts));
    EXPECT_TRUE(std::ranges::is_sorted(of_one));
  }
}

TEST(Loop, APostWakesASleeper) {
  Loop loop;
  bool ran = false;
  std::jthread sleeper_waker{[&] { loop.post([&] { ran = true; }); }};
  const MonoTime end = base::mono_now() + 20s;
  while (!ran && base::mono_now() < end) EXPECT_TRUE(loop.wait(end));
  EXPECT_TRUE(ran);
}

TEST(Loop, WhatAPostedFunctionPostsIsRunTheNextTime) {
  Loop loop;
  int runs = 0;
  std::function<void()> again = [&] {
    if (++runs < 3) loop.post(again);
  };
  loop.post(again);
  EXPECT_TRUE(loop.wait(std::nullopt));
  EXPECT_EQ(runs, 1);
  EXPECT_TRUE(loop.wait(std::nullopt));
  EXPECT_TRUE(loop.wait(std::nullopt));
  EXPECT_EQ(runs, 3);
}

TEST(Loop, AWatchedDescriptorIsTendedUntilItIsUnwatched) {
  Loop loop;
  const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  int calls = 0;
  loop.watch(fd, [&] {
    std::uint64_t count = 0;
    ASSERT_EQ(read(fd, &count, sizeof count), 8);
    if (++calls == 2) loop.unwatch(fd);  // itself, while it runs
  });
  const std::uint64_t one = 1;
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(write(fd, &one, sizeof one), 8);
    EXPECT_EQ(loop.wait(base::mono_now() + 10ms), i < 2);
  }
  EXPECT_EQ(calls, 2);
  close(fd);
}

TEST(Loop, PostsAndDescriptorsAreNotStarvedByASourceThatNeverRunsDry) {
  World world;
  auto& listener = world.listen({at("inproc://never-dry")});
  auto& connector = world.connect(at("inproc://never-dry"));
  world.greet(listener, connector);
  const int fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
  bool posted = false;
  bool watched = false;
  world.loop.watch(fd, [&] {
    watched = true;
    world.loop.unwatch(fd);
  });
  world.loop.post([&] { posted = true; });
  const MonoTime end = base::mono_now() + 20s;
  Received in;
  while (!(posted && watched) && base::mono_now() < end) {
    connector->send("more");  // always one more than is read
    connector->send("more");
    world.loop.wait(std::nullopt);
    static_cast<void>(listener->try_receive(in));
  }
  EXPECT_TRUE(posted);
  EXPECT_TRUE(watched);
  close(fd);
}

TEST(Loop, InputThatWasLeftUnreadEndsTheNextWaitAtOnce) {
  World world;
  auto& listener = world.listen("tcp://127.0.0.1:*");
  auto& connector = world.connect(listener->endpoints().front());
  world.greet(listener, connector);
  for (int i = 0; i < 10; ++i) connector->send("frame");
  Received in;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(world.loop.wait(base::mono_now() + 20s));
    while (!listener->try_receive(in)) ASSERT_TRUE(world.loop.wait(base::mono_now() + 20s));
    EXPECT_EQ(in.frame, "frame");
  }
}

// The edge of ZMQ_FD is swallowed by any call on the socket, sends included: the waits between must
// not hang.
TEST(Loop, NeverSleepsOverAFrameWhoseSignalASendSwallowed) {
  World world;
  auto& listener = world.listen("tcp://127.0.0.1:*");
  auto& connector = world.connect(listener->endpoints().front());
  const PeerKey peer = world.greet(listener, connector);
  Random random{7};
  Received in;
  int heard = 0;
  const MonoTime enough = base::mono_now() + 20s;  // a loaded machine gets through fewer of them
  for (int sent = 0; sent < 2'000 && base::mono_now() < enough; ++sent) {
    connector->send("there");
    for (std::uint64_t n = random.below(4); n > 0; --n) listener->send(peer, "and back");
    if (random.chance(0.3)) std::this_thread::yield();
    const MonoTime overslept = base::mono_now() + 20s;
    while (heard <= sent) {
      world.loop.wait(base::mono_now() + 30s);
      ASSERT_LT(base::mono_now(), overslept);
      while (listener->try_receive(in)) ++heard;
      while (connector->try_receive(in)) {
      }
    }
  }
}

}  // namespace
}  // namespace baozi::net
