#include "net/listener.hpp"

#include <cstdlib>
#include <fstream>
#include <set>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "net/error.hpp"
#include "net_world.hpp"
#include "raw_peer.hpp"
#include "support/temp_dir.hpp"

namespace baozi::net {
namespace {

std::uint16_t port_of(Heeded<Listener>& listener) { return listener->endpoints().front().port; }

std::string refusal(const std::vector<Endpoint>& endpoints, const ListenerOptions& options = {}) {
  try {
    const Listener listener{Context::shared(), endpoints, options};
  } catch (const NetError& error) {
    return error.what();
  }
  return "it was accepted";
}

// Endpoints ---------------------------------------------------------------------------------------

TEST(Listener, BindsSeveralEndpointsAtOnceAndTellsThePortsItGot) {
  World world;
  const test::TempDir folder;
  const std::string file = "ipc://" + (folder.path() / "socket").string();
  auto& listener = world.listen({at(any_port), at(any_port), at(file), at("inproc://several")});
  ASSERT_EQ(listener->endpoints().size(), 4u);
  EXPECT_NE(listener->endpoints()[0].port, 0);
  EXPECT_NE(listener->endpoints()[0].port, listener->endpoints()[1].port);
  EXPECT_EQ(listener->endpoints()[2].to_string(), file);
  std::set<PeerKey> peers;
  for (const auto& endpoint : listener->endpoints()) {
    auto& connector = world.connect(endpoint);
    peers.insert(world.greet(listener, connector));
  }
  EXPECT_EQ(peers.size(), 4u);
}

TEST(Listener, NamesTheEndpointThatIsInUse) {
  World world;
  auto& listener = world.listen(any_port);
  const Endpoint taken = listener->endpoints().front();
  const std::string why = refusal({taken});
  EXPECT_NE(why.find(taken.to_string()), std::string::npos) << why;
  EXPECT_NE(why.find("in use"), std::string::npos) << why;
}

TEST(Listener, RefusesAnAddressThatIsNotOurs) {
  EXPECT_NE(refusal({at("tcp://192.0.2.1:7170")}).find("192.0.2.1"), std::string::npos);
  EXPECT_NE(refusal({at("tcp://no-such-host.invalid:7170")}).find("no-such-host"),
            std::string::npos);
  EXPECT_NE(refusal({at("ipc:///no/such/folder/socket")}).find("No such file"), std::string::npos);
  EXPECT_NE(refusal({}).find("no endpoint"), std::string::npos);
}

TEST(Listener, LeavesAloneASocketFileThatAnotherListensOn) {
  World world;
  const test::TempDir folder;
  const Endpoint file = at("ipc://" + (folder.path() / "socket").string());
  auto& listener = world.listen({file});
  EXPECT_NE(refusal({file}).find("another process listens there"), std::string::npos);
  EXPECT_NE(world.greet(listener, world.connect(file)), PeerKey{});
}

TEST(Listener, TakesOverASocketFileThatACrashLeftBehind) {
  World world;
  const test::TempDir folder;
  const auto path = folder.path() / "socket";
  {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.string().copy(address.sun_path, sizeof address.sun_path - 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    close(fd);  // the file stays
  }
  const Endpoint file = at("ipc://" + path.string());
  auto& listener = world.listen({file});
  EXPECT_NE(world.greet(listener, world.connect(file)), PeerKey{});
}

TEST(Listener, NeverRemovesAFileThatIsNoSocket) {
  const test::TempDir folder;
  const auto path = folder.path() / "precious";
  std::ofstream{path} << "data";
  EXPECT_NE(refusal({at("ipc://" + path.string())}).find("not a socket"), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST(Listener, RefusesKeysRatherThanToListenWithoutThem) {
  ListenerOptions options;
  options.curve = CurveKeys{};
  EXPECT_NE(refusal({at(any_port)}, options).find("cannot encrypt"), std::string::npos);
}

// Frames ------------------------------------------------------------------------------------------

class Transports : public testing::TestWithParam<const char*> {
 protected:
  Endpoint endpoint() const {
    const std::string kind = GetParam();
    if (kind == "Ipc") return at("ipc://" + (folder_.path() / "socket").string());
    return at(kind == "Tcp" ? any_port : "inproc://transports");
  }
  test::TempDir folder_;
};

TEST_P(Transports, CarryFramesOfEverySizeBothWaysInOrder) {
  World world;
  auto& listener = world.listen({endpoint()});
  auto& connector = world.connect(listener->endpoints().front());
  const PeerKey peer = world.greet(listener, connector);
  const std::size_t sizes[] = {0,   1,     33,    64,      255,
                               256, 8'191, 8'192, 100'000, limits::frame_bytes_max};
  std::vector<Bytes> frames;
  for (const std::size_t size : sizes)
    frames.emplace_back(size, static_cast<char>('a' + size % 26));
  for (const Bytes& frame : frames) {
    EXPECT_NE(connector->send(Bytes{frame}), Sent::gone);
    EXPECT_NE(listener->send(peer, Bytes{frame}), Sent::gone);
  }
  ASSERT_TRUE(world.until([&] {
    return listener.heard.frames.size() == 1 + frames.size() &&
           connector.heard.frames.size() == frames.size();
  }));
  for (std::size_t i = 0; i < frames.size(); ++i) {
    EXPECT_EQ(listener.heard.frames[i + 1], (std::pair{peer, frames[i]})) << i;
    EXPECT_EQ(connector.heard.frames[i].second, frames[i]) << i;
  }
}

TEST_P(Transports, KeepEverythingForAPeerThatReadsLate) {
  World world;
  auto& listener = world.listen({endpoint()});
  auto& connector = world.connect(listener->endpoints().front());
  const PeerKey peer = world.greet(listener, connector);
  world.set_deaf(connector, true);
  constexpr int count = 3'000;
  int queued = 0;
  for (int i = 0; i < count; ++i) {
    const Sent sent = listener->send(peer, std::to_string(i) + Bytes(4'000, 'x'));
    ASSERT_TRUE(sent == Sent::yes || sent == Sent::queued);
    if (sent == Sent::queued) ++queued;
  }
  EXPECT_GT(queued, 0);
  EXPECT_GT(listener->outboxes_bytes(), 0u);
  world.set_deaf(connector, false);
  ASSERT_TRUE(world.until([&] { return connector.heard.frames.size() == count; }));
  for (int i = 0; i < count; ++i) {
    EXPECT_TRUE(connector.heard.frames[static_cast<std::size_t>(i)].second.starts_with(
        std::to_string(i) + "x"));
  }
  EXPECT_EQ(listener->outboxes_bytes(), 0u);
  EXPECT_EQ(listener->counters().overflows, 0u);
}

INSTANTIATE_TEST_SUITE_P(Net, Transports, testing::Values("Tcp", "Ipc", "Inproc"),
                         [](const auto& row) { return std::string{row.param}; });

TEST(Listener, GivesUpAPeerWhoseOutboxOverflowsAndSaysSo) {
  World world;
  ListenerOptions options;
  options.outbox.frames_max = 10;
  auto& listener = world.listen(any_port, options);
  RawPeer slow{port_of(listener)};
  slow.shake_hands();
  slow.send(RawPeer::part("hello", false));
  auto& other = world.connect(listener->endpoints().front());
  const PeerKey good = world.greet(listener, other);
  ASSERT_TRUE(world.until([&] { return listener.heard.has("hello"); }));
  const PeerKey peer =
      std::ranges::find(listener.heard.frames, "hello", [](auto& f) { return f.second; })->first;

  std::vector<Sent> answers;
  do {
    answers.push_back(listener->send(peer, Bytes(100'000, 'x')));
  } while (answers.back() != Sent::overflow && answers.size() < 100'000);
  ASSERT_EQ(answers.back(), Sent::overflow);
  EXPECT_EQ(std::ranges::count(answers, Sent::queued), 10);
  EXPECT_EQ(listener->send(peer, "more"), Sent::gone);
  EXPECT_EQ(listener->outboxes_bytes(), 0u);

  ASSERT_TRUE(world.until([&] { return !listener.heard.gone.empty(); }));
  EXPECT_EQ(listener.heard.gone.front(), (std::pair{peer, Gone::overflow}));
  EXPECT_TRUE(world.until([&] { return slow.is_closed(); }));
  EXPECT_EQ(listener->send(good, "still there"), Sent::yes);
  EXPECT_TRUE(world.until([&] { return other.heard.has("still there"); }));
  EXPECT_TRUE(world.until([&] { return listener->connections() == 1; }));
}

TEST(Listener, BoundsAllOutboxesTogether) {
  World world;
  ListenerOptions options;
  options.outboxes_bytes_max = 1'000'000;
  auto& listener = world.listen({at("inproc://together")}, options);
  std::vector<PeerKey> peers;
  for (int i = 0; i < 4; ++i) {
    auto& connector = world.connect(at("inproc://together"));
    peers.push_back(world.greet(listener, connector));
    world.set_deaf(connector, true);
  }
  int overflows = 0;
  for (int i = 0; i < 400; ++i) {
    for (const PeerKey peer : peers) {
      if (listener->send(peer, Bytes(10'000, 'x')) == Sent::overflow) ++overflows;
      EXPECT_LE(listener->outboxes_bytes(), 1'000'000u);
    }
  }
  EXPECT_EQ(overflows, 4);
}

// Peers that leave --------------------------------------------------------------------------------

TEST(Listener, ReportsThatAPeerIsGoneAfterItsLastFrame) {
  World world;
  auto& listener = world.listen(any_port);
  constexpr std::size_t count = 500;  // more than libzmq holds at once
  {
    RawPeer peer{port_of(listener)};
    peer.shake_hands();
    for (std::size_t i = 0; i < count; ++i) peer.send(RawPeer::part("last words", false));
  }
  ASSERT_TRUE(world.until([&] { return !listener.heard.gone.empty(); }));
  EXPECT_EQ(listener.heard.order, std::string(count, 'f') + 'g');
  const auto [peer, why] = listener.heard.gone.front();
  EXPECT_EQ(peer, listener.heard.frames.front().first);
  EXPECT_EQ(why, Gone::disconnected);
  EXPECT_EQ(listener->send(peer, "anybody?"), Sent::gone);
}

TEST(Listener, TakesAReconnectForANewPeer) {
  World world;
  auto& listener = world.listen(any_port);
  auto& connector = world.connect(listener->endpoints().front());
  const PeerKey first = world.greet(listener, connector);
  connector->reset();
  const PeerKey second = world.greet(listener, connector);
  EXPECT_NE(first, second);
  EXPECT_TRUE(world.until([&] { return !listener.heard.gone.empty(); }));
  EXPECT_EQ(listener.heard.gone.front().first, first);
  EXPECT_EQ(listener->send(first, "x"), Sent::gone);
  EXPECT_EQ(listener->send(second, "x"), Sent::yes);
}

TEST(Listener, EndsAConnectionWhenAsked) {
  World world;
  auto& listener = world.listen(any_port);
  auto& connector = world.connect(listener->endpoints().front());
  const PeerKey peer = world.greet(listener, connector);
  EXPECT_TRUE(listener->address(peer).starts_with("127.0.0.1:")) << listener->address(peer);
  listener->disconnect(peer);
  ASSERT_TRUE(world.until([&] { return connector.heard.order.starts_with("cgc"); }));
  EXPECT_EQ(listener.heard.gone, (std::vector{std::pair{peer, Gone::asked}}));
  EXPECT_NE(world.greet(listener, connector), peer);
}

TEST(Listener, SaysOfAnUnknownPeerThatItIsGone) {
  World world;
  auto& listener = world.listen(any_port);
  EXPECT_EQ(listener->send(PeerKey{12'345}, "x"), Sent::gone);
  EXPECT_TRUE(world.until([&] { return !listener.heard.gone.empty(); }));
}

TEST(Listener, GivesPeersNamesThatNobodyCanForetellAndLeavesTheApplicationItsRandomNumbers) {
  std::set<PeerKey> first_names;
  std::set<int> numbers;
  for (int i = 0; i < 3; ++i) {
    World world;
    srand(1);
    auto& listener = world.listen(any_port);
    numbers.insert(rand());
    first_names.insert(world.greet(listener, world.connect(listener->endpoints().front())));
  }
  EXPECT_EQ(first_names.size(), 3u);
  EXPECT_EQ(numbers.size(), 1u);
}

// Many --------------------------------------------------------------------------------------------

TEST(Listener, ServesAThousandConnectionsAtOnce) {
  World world;
  auto& listener = world.listen(any_port);
  constexpr std::size_t count = 1'000;
  for (std::size_t i = 0; i < count; ++i) world.connect(listener->endpoints().front());
  ASSERT_TRUE(world.all_connected());
  for (auto& connector : world.connectors()) ASSERT_EQ(connector->side->send("hello"), Sent::yes);
  ASSERT_TRUE(world.until([&] { return listener.heard.frames.size() == count; }));
  std::set<PeerKey> peers;
  for (const auto& [peer, frame] : listener.heard.frames) {
    peers.insert(peer);
    EXPECT_EQ(listener->send(peer, "welcome"), Sent::yes);
  }
  EXPECT_EQ(peers.size(), count);
  EXPECT_EQ(listener->connections(), count);
  ASSERT_TRUE(world.until([&] {
    return std::ranges::all_of(world.connectors(), [](auto& c) { return c->heard.has("welcome"); });
  }));
}

TEST(Listener, ClosesTheConnectionsAboveItsLimitAndServesTheRest) {
  World world;
  ListenerOptions options;
  options.connections_max = 3;
  auto& listener = world.listen(any_port, options);
  for (int i = 0; i < 3; ++i) {
    ASSERT_NE(world.greet(listener, world.connect(listener->endpoints().front())), PeerKey{});
  }
  std::vector<RawPeer> strangers;
  for (int i = 0; i < 5; ++i) strangers.emplace_back(port_of(listener));
  EXPECT_TRUE(world.until(
      [&] { return std::ranges::all_of(strangers, [](auto& s) { return s.is_closed(); }); }));
  EXPECT_EQ(listener->counters().refused_connections, 5u);
  EXPECT_TRUE(world.until([&] { return listener->connections() == 3; }));

  world.close(*world.connectors().front());  // a place becomes free
  EXPECT_TRUE(world.until([&] { return listener->connections() == 2; }));
  EXPECT_NE(world.greet(listener, world.connect(listener->endpoints().front())), PeerKey{});
}

}  // namespace
}  // namespace baozi::net
