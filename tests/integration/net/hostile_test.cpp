// What strangers may send to a listener while it goes on to serve a good peer (promise P10).
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "net_world.hpp"
#include "raw_peer.hpp"

namespace baozi::net {
namespace {

class Hostile : public testing::Test {
 protected:
  void start(const ListenerOptions& options = {}) {
    listener = &world.listen("tcp://127.0.0.1:*", options);
    good = &world.connect((*listener)->endpoints().front());
    good_peer = world.greet(*listener, *good);
    ASSERT_NE(good_peer, PeerKey{});
    start_frames = listener->heard.frames.size();
  }
  [[nodiscard]] RawPeer stranger() { return RawPeer{(*listener)->endpoints().front().port}; }
  [[nodiscard]] const Listener::Counters& counters() { return (*listener)->counters(); }

  /// An echo with the good peer.
  void expect_service() {
    ++echoes;
    const std::string ping = "ping " + std::to_string(echoes);
    (*good)->send(Bytes{ping});
    ASSERT_TRUE(world.until([&] { return listener->heard.has(ping); }));
    ASSERT_EQ((*listener)->send(good_peer, Bytes{ping}), Sent::yes);
    ASSERT_TRUE(world.until([&] { return good->heard.has(ping); }));
  }
  /// Frames that did not come from the good peer.
  [[nodiscard]] std::size_t strange_frames() {
    return static_cast<std::size_t>(std::ranges::count_if(
        listener->heard.frames, [&](const auto& f) { return f.first != good_peer; }));
  }

  World world;
  Heeded<Listener>* listener = nullptr;
  Heeded<Connector>* good = nullptr;
  PeerKey good_peer{};
  std::size_t start_frames = 0;
  int echoes = 0;
};

TEST_F(Hostile, RandomBytesReachNobodyAndStopNobody) {
  start();
  Random random{1};
  std::vector<RawPeer> strangers;
  for (int i = 0; i < 200; ++i) {
    strangers.push_back(stranger());
    std::string bytes;
    for (int n = 0; n < 2'000; ++n) bytes += static_cast<char>(random.next());
    if (i % 4 == 1) bytes = RawPeer::greeting() + bytes;  // noise where the handshake should go on
    if (i % 4 == 2)
      bytes = RawPeer::greeting() + RawPeer::ready("DEALER") + bytes;  // or where frames should
    if (i % 4 == 3) bytes[0] = '\x01';  // the length of a routing id in ZMTP 1.0
    strangers.back().send(bytes);
    if (i % 20 == 0) expect_service();
  }
  expect_service();
  strangers.clear();
  EXPECT_TRUE(world.until([&] { return (*listener)->connections() == 1; }));
  expect_service();
}

TEST_F(Hostile, HalfHandshakesAreEndedAfterTheirTime) {
  ListenerOptions options;
  options.handshake_max = 200ms;
  start(options);
  std::vector<RawPeer> strangers;
  const std::string whole = RawPeer::greeting() + RawPeer::ready("DEALER");
  for (std::size_t length = 0; length < whole.size(); length += 3) {
    strangers.push_back(stranger());
    strangers.back().send(std::string_view{whole}.substr(0, length));
  }
  EXPECT_TRUE(world.until(
      [&] { return std::ranges::all_of(strangers, [](auto& s) { return s.is_closed(); }); }));
  EXPECT_EQ(strange_frames(), 0u);
  EXPECT_TRUE(world.until([&] { return counters().failed_handshakes >= strangers.size(); }));
  expect_service();
}

TEST_F(Hostile, AConnectionThatShakesHandsAndThenSaysNothingIsEnded) {
  ListenerOptions options;
  options.silence_max = 300ms;
  start(options);
  RawPeer silent = stranger();
  silent.shake_hands();
  EXPECT_TRUE(world.until([&] { return silent.is_closed(); }));
  EXPECT_EQ(counters().silent, 1u);
  expect_service();
}

TEST_F(Hostile, AFrameAboveTheLimitEndsItsConnectionBeforeItIsStored) {
  ListenerOptions options;
  options.frame_bytes_max = 10'000;
  start(options);
  RawPeer stranger_ = stranger();
  stranger_.shake_hands();
  stranger_.send(RawPeer::part(Bytes(10'000, 'x'), false));
  ASSERT_TRUE(world.until([&] { return strange_frames() == 1; }));
  std::string header{"\2"};
  header += std::string("\0\0\x7f\xff\xff\xff\xff\xff", 8);  // 140 TB to come
  stranger_.send(header);
  EXPECT_TRUE(world.until([&] { return stranger_.is_closed(); }));
  EXPECT_TRUE(world.until([&] { return !listener->heard.gone.empty(); }));
  expect_service();
}

TEST_F(Hostile, AMessageOfSeveralPartsEndsItsPeer) {
  start();
  RawPeer peer = stranger();
  peer.shake_hands();
  peer.send(RawPeer::part("fine", false));
  ASSERT_TRUE(world.until([&] { return strange_frames() == 1; }));
  peer.send(RawPeer::part("one", true) + RawPeer::part("two", true) +
            RawPeer::part("three", false));
  peer.send(RawPeer::part("and a good one", false));
  EXPECT_TRUE(world.until([&] { return peer.is_closed(); }));
  ASSERT_TRUE(world.until([&] { return !listener->heard.gone.empty(); }));
  EXPECT_EQ(listener->heard.gone.front().second, Gone::multipart);
  EXPECT_EQ(strange_frames(), 1u);
  EXPECT_EQ(counters().dropped_multipart, 1u);
  EXPECT_TRUE(world.until([&] { return (*listener)->connections() == 1; }));
  expect_service();
}

TEST_F(Hostile, AFloodOfMessagesOfSeveralPartsIsCutOff) {
  start();
  RawPeer peer = stranger();
  peer.shake_hands();
  std::string flood;
  for (int i = 0; i < 2'000; ++i) {
    flood += RawPeer::part("a", true) + RawPeer::part("b", true) + RawPeer::part("c", false);
  }
  EXPECT_TRUE(world.until([&] { return peer.send_some(flood) == -1; }));
  EXPECT_TRUE(world.until([&] { return (*listener)->connections() == 1; }));
  EXPECT_EQ(strange_frames(), 0u);
  EXPECT_EQ(listener->heard.gone.size(), 1u);
  expect_service();
}

std::size_t resident_bytes() {
  std::ifstream statm{"/proc/self/statm"};
  std::size_t size = 0;
  std::size_t resident = 0;
  statm >> size >> resident;
  return resident * 4'096;
}

TEST_F(Hostile, AMessageOfEndlessPartsIsCutOffBeforeItFillsTheMemory) {
  ListenerOptions options;
  options.frame_bytes_max = 65'536;
  options.unfinished_bytes_max = 4 << 20;
  start(options);
  RawPeer peer = stranger();
  peer.shake_hands();
  const std::size_t before = resident_bytes();
  std::size_t most = before;
  const std::string part = RawPeer::part(Bytes(60'000, 'x'), true);
  std::size_t offset = 0;  // into the part that is under way
  const bool cut = world.until([&] {
    std::size_t budget = 1 << 20;  // a turn: about 50 MB a second
    while (budget > 0) {
      const ssize_t n = peer.send_some(std::string_view{part}.substr(offset));
      if (n == -1) return true;
      if (n == 0) break;
      offset = (offset + static_cast<std::size_t>(n)) % part.size();
      budget -= std::min(budget, static_cast<std::size_t>(n));
    }
    most = std::max(most, resident_bytes());
    return false;
  });
  EXPECT_TRUE(cut);
  EXPECT_EQ(counters().unfinished, 1u);
  EXPECT_LT(most - before, std::size_t{256} << 20U);
  EXPECT_TRUE(world.until([&] { return (*listener)->connections() == 1; }));
  expect_service();
}

TEST_F(Hostile, APeerThatNamesItselfIsCutOff) {
  start();
  const std::string names[] = {"worker-1", "5byte", std::string("\0four", 6), std::string(255, 'n'),
                               "x"};
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    const auto dropped = counters().dropped_foreign;
    RawPeer peer = stranger();
    peer.shake_hands(name);
    peer.send(RawPeer::part("hello", false));
    EXPECT_TRUE(world.until([&] { return counters().dropped_foreign > dropped; }));
    EXPECT_TRUE(world.until([&] { return peer.is_closed(); }));
  }
  EXPECT_EQ(strange_frames(), 0u);
  EXPECT_TRUE(listener->heard.gone.empty());
  expect_service();
}

TEST_F(Hostile, ASocketOfAnotherKindIsCutOff) {
  start();
  RawPeer peer = stranger();
  peer.shake_hands({}, "REQ");
  peer.send(RawPeer::part("", true) + RawPeer::part("hello", false));
  EXPECT_TRUE(world.until([&] { return peer.is_closed(); }));
  EXPECT_EQ(counters().dropped_foreign, 1u);
  EXPECT_EQ(strange_frames(), 0u);
  expect_service();
}

TEST_F(Hostile, ConnectionsThatComeAndGoLeaveNothingBehind) {
  start();
  for (int round = 0; round < 500; ++round) {
    RawPeer peer = stranger();
    peer.shake_hands();
    peer.send(RawPeer::part("in and out", false));
    if (round % 50 == 0) expect_service();
  }
  ASSERT_TRUE(world.until([&] { return listener->heard.gone.size() == 500; }));
  EXPECT_EQ((*listener)->connections(), 1u);
  expect_service();
}

}  // namespace
}  // namespace baozi::net
