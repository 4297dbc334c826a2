#include "net/connector.hpp"

#include <fstream>

#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/error.hpp"
#include "net_world.hpp"

namespace baozi::net {
namespace {

/// A TCP port of ours that nobody else is given: bound, and listening or not.
class Port {
 public:
  explicit Port(bool listening) : fd_{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    const int one = 1;
    setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        (listening && listen(fd_, 100) != 0) ||
        getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error{"no port"};
    }
    number_ = ntohs(address.sin_port);
  }
  ~Port() { release(); }
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  void release() {
    if (fd_ != -1) close(std::exchange(fd_, -1));
  }
  /// Takes one connection, answers it with `text` and closes it.
  bool answer(std::string_view text) {
    const int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd == -1) return false;
    static_cast<void>(::send(fd, text.data(), text.size(), MSG_NOSIGNAL));
    close(fd);
    return true;
  }
  void set_non_blocking() {
    timeval brief{.tv_sec = 0, .tv_usec = 1};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &brief, sizeof brief);
  }
  [[nodiscard]] std::uint16_t number() const { return number_; }
  [[nodiscard]] Endpoint endpoint() const {
    return at("tcp://127.0.0.1:" + std::to_string(number_), Purpose::connect);
  }

 private:
  int fd_;
  std::uint16_t number_ = 0;
};

TEST(Connector, SaysWhenItIsConnectedAndNotBefore) {
  World world;
  const Port port{false};  // nobody listens there
  auto& lonely = world.connect(port.endpoint());
  EXPECT_TRUE(world.until([&] { return lonely->counters().failed_attempts >= 2; }));
  EXPECT_FALSE(lonely->is_connected());
  EXPECT_EQ(lonely->send("x"), Sent::gone);
  EXPECT_EQ(lonely.heard.order, "");

  auto& listener = world.listen(any_port);
  auto& connector = world.connect(listener->endpoints().front());
  EXPECT_TRUE(world.until([&] { return connector.heard.connected == 1; }));
  EXPECT_EQ(connector->send("x"), Sent::yes);
}

TEST(Connector, ConnectsAgainWhenTheListenerComesBackAndSendsNothingOld) {
  World world;
  auto* listener = &world.listen(any_port);
  const Endpoint endpoint = (*listener)->endpoints().front();
  auto& connector = world.connect(endpoint);
  world.greet(*listener, connector);
  world.close(*listener);
  ASSERT_TRUE(world.until([&] { return !connector.heard.gone.empty(); }));
  EXPECT_EQ(connector.heard.gone.front().second, Gone::disconnected);
  EXPECT_EQ(connector->send("lost, and says so"), Sent::gone);

  listener = &world.listen({endpoint});
  ASSERT_TRUE(world.until([&] { return connector.heard.connected == 2; }));
  world.greet(*listener, connector);
  EXPECT_EQ(listener->heard.frames.size(), 1u);
  EXPECT_EQ(connector.heard.order, "cgc");
}

TEST(Connector, AConnectionThatComesBackWakesALoopThatHasNothingElseToDo) {
  World world;
  auto& listener = world.listen(any_port);
  const Endpoint endpoint = listener->endpoints().front();
  auto& connector = world.connect(endpoint);
  ASSERT_TRUE(world.until([&] { return connector.heard.connected == 1; }));
  world.close(listener);
  ASSERT_TRUE(world.until([&] { return !connector.heard.gone.empty(); }));
  const Listener again{world.context, {endpoint}};  // not in the loop, which it would wake
  const MonoTime begin = base::mono_now();
  const MonoTime end = begin + 20s;  // until('s own short waits would hide a wake that is missing
  Received in;
  while (!connector->is_connected() && base::mono_now() < end) {
    world.loop.wait(end);
    while (connector->try_receive(in)) connector.heard.note(in);
  }
  EXPECT_EQ(connector.heard.connected, 2);
  EXPECT_LT(base::mono_now() - begin, 10s);
}

TEST(Connector, ResetMakesAFreshConnectionThatNothingOfTheOldOneFollows) {
  World world;
  auto& listener = world.listen(any_port);
  auto& connector = world.connect(listener->endpoints().front());
  for (int round = 0; round < 5; ++round) {
    const PeerKey peer = world.greet(listener, connector);
    for (int i = 0; i < 100; ++i) {
      listener->send(peer, "old");  // under way, or here and not read yet
      connector->send("old");
    }
    const auto connected = connector.heard.connected;
    connector.heard.frames.clear();
    connector->reset();
    EXPECT_FALSE(connector->is_connected());
    EXPECT_EQ(connector->send("not yet"), Sent::gone);
    ASSERT_TRUE(world.until([&] { return connector.heard.connected == connected + 1; }));
    const PeerKey next = world.greet(listener, connector);
    EXPECT_NE(next, peer);
    EXPECT_TRUE(connector.heard.frames.empty());
    const auto last = listener.heard.frames.size();
    world.linger(20ms);
    EXPECT_EQ(listener.heard.frames.size(), last);
  }
  EXPECT_TRUE(connector.heard.gone.empty());
}

TEST(Connector, WaitsLongerAndLongerWhileConnectionsDoNotStand) {
  World world;
  ListenerOptions options;
  auto& listener = world.listen(any_port, options);
  ConnectorOptions patience = World::quick();
  patience.reconnect_min = 20ms;
  patience.reconnect_max = 80ms;
  auto& connector = world.connect(listener->endpoints().front(), patience);
  const MonoTime start = base::mono_now();
  for (int round = 1; round <= 6; ++round) {
    ASSERT_TRUE(world.until([&] { return connector.heard.connected == round; }));
    connector->reset();
  }
  // Half of 20 + 40 + 80 + 80 + 80 at least.
  EXPECT_GE(base::mono_now() - start, Micros{150'000});
}

TEST(Connector, TriesOnWhenSomethingElseAnswersThere) {
  World world;
  Port port{true};
  port.set_non_blocking();
  auto& connector = world.connect(port.endpoint());
  int answered = 0;
  ASSERT_TRUE(world.until([&] {
    if (port.answer("HTTP/1.1 400 Bad Request\r\n\r\n")) ++answered;
    return answered >= 3 && connector->counters().failed_handshakes >= 3;
  }));
  EXPECT_EQ(connector.heard.order, "");
  port.release();
  auto& listener = world.listen({port.endpoint()});
  EXPECT_NE(world.greet(listener, connector), PeerKey{});
}

/// A network of this process alone, whose kernel has one port to give: what else takes ten thousand
/// attempts, to connect to oneself, happens at once. False when this is not allowed here.
bool enter_network_with_one_port(std::uint16_t port) {
  if (unshare(CLONE_NEWNET) != 0) return false;
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq loopback{};
  std::string_view{"lo"}.copy(loopback.ifr_name, sizeof loopback.ifr_name);
  loopback.ifr_flags = IFF_UP | IFF_RUNNING;
  const bool up = ioctl(fd, SIOCSIFFLAGS, &loopback) == 0;
  close(fd);
  std::ofstream range{"/proc/sys/net/ipv4/ip_local_port_range"};
  range << port << ' ' << port << std::flush;
  return up && range.good();
}

TEST(Connector, NoticesAConnectionToItselfAndMakesRoomForTheListener) {
  constexpr int not_allowed = 77;
  constexpr std::uint16_t port = 40'000;
  const pid_t child = fork();
  ASSERT_NE(child, -1);
  if (child == 0) {
    alarm(60);  // a hang is a failure
    if (!enter_network_with_one_port(port)) _exit(not_allowed);
    World world;
    const Endpoint endpoint = at("tcp://127.0.0.1:" + std::to_string(port), Purpose::connect);
    auto& connector = world.connect(endpoint);
    if (!world.until([&] { return connector->counters().self_connections > 0; })) _exit(1);
    if (connector.heard.connected != 0) _exit(2);
    // The kernel has one port: the listener gets it in a moment when no attempt is under way.
    const bool bound = world.until([&] {
      try {
        world.listen({endpoint});
        return true;
      } catch (const NetError&) {
        return false;
      }
    });
    _exit(bound ? 0 : 3);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << status;
  if (WEXITSTATUS(status) == not_allowed) GTEST_SKIP() << "a network of one's own needs root";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Connector, QueuesForASlowListenerThenGivesUpAndSaysSo) {
  World world;
  auto& listener = world.listen({at("inproc://slow-listener")});
  ConnectorOptions options = World::quick();
  options.outbox.frames_max = 100;
  auto& connector = world.connect(at("inproc://slow-listener"), options);
  world.greet(listener, connector);
  world.set_deaf(listener, true);
  std::vector<Sent> answers;
  do {
    answers.push_back(connector->send(std::to_string(answers.size())));
  } while (answers.back() != Sent::overflow && answers.size() < 10'000);
  ASSERT_EQ(answers.back(), Sent::overflow);
  EXPECT_EQ(std::ranges::count(answers, Sent::queued), 101);  // one of them on the threshold
  EXPECT_EQ(connector->send("x"), Sent::gone);
  ASSERT_TRUE(world.until([&] { return connector.heard.order == "cgc"; }));
  EXPECT_EQ(connector.heard.gone.front().second, Gone::overflow);
}

TEST(Connector, SendsWhatItQueuedInOrderWhenThereIsRoom) {
  World world;
  auto& listener = world.listen({at("inproc://resumes")});
  auto& connector = world.connect(at("inproc://resumes"));
  world.greet(listener, connector);
  listener.heard = {};
  world.set_deaf(listener, true);
  for (int i = 0; i < 2'000; ++i) ASSERT_NE(connector->send(std::to_string(i)), Sent::overflow);
  EXPECT_GT(connector->counters().queued, 0u);
  world.set_deaf(listener, false);
  ASSERT_TRUE(world.until([&] { return listener.heard.frames.size() == 2'000; }));
  for (std::size_t i = 0; i < 2'000; ++i)
    EXPECT_EQ(listener.heard.frames[i].second, std::to_string(i));
}

TEST(Connector, RefusesAListenerThatSendsSeveralParts) {
  World world;
  Socket router{world.context, Socket::Type::router};
  ASSERT_EQ(router.bind("tcp://127.0.0.1:*"), "");
  auto& connector = world.connect(at(router.last_endpoint(), Purpose::connect));
  ASSERT_TRUE(world.until([&] { return connector->is_connected(); }));
  connector->send("hello");
  Message id;
  Message body;
  ASSERT_TRUE(world.until([&] { return router.receive(id) == Socket::Io::done; }));
  ASSERT_EQ(router.receive(body), Socket::Io::done);
  body.copy("one");
  ASSERT_EQ(router.send(id, true), Socket::Io::done);
  ASSERT_EQ(router.send(body, true), Socket::Io::done);
  body.copy("two");
  ASSERT_EQ(router.send(body), Socket::Io::done);
  ASSERT_TRUE(world.until([&] { return connector.heard.order.starts_with("cg"); }));
  EXPECT_EQ(connector.heard.gone.front().second, Gone::multipart);
}

TEST(Connector, ConnectsToANameAndOverIpv6) {
  World world;
  auto& listener = world.listen(any_port);
  const auto port = std::to_string(listener->endpoints().front().port);
  EXPECT_NE(world.greet(listener, world.connect(at("tcp://localhost:" + port, Purpose::connect))),
            PeerKey{});
  const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  const bool has_ipv6 =
      fd != -1 && bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  if (fd != -1) close(fd);
  if (!has_ipv6) GTEST_SKIP() << "this machine has no IPv6";
  auto& sixth = world.listen("tcp://[::1]:*");
  EXPECT_NE(world.greet(sixth, world.connect(sixth->endpoints().front())), PeerKey{});
  auto& both = world.listen("tcp://*:*");
  const auto both_port = std::to_string(both->endpoints().front().port);
  EXPECT_NE(world.greet(both, world.connect(at("tcp://127.0.0.1:" + both_port))), PeerKey{});
  EXPECT_NE(world.greet(both, world.connect(at("tcp://[::1]:" + both_port))), PeerKey{});
}

TEST(Connector, WithinTheProcessMayConnectBeforeAnybodyListens) {
  World world;
  auto& connector = world.connect(at("inproc://later"));
  EXPECT_TRUE(world.until([&] { return connector->is_connected(); }));
  auto& listener = world.listen({at("inproc://later")});
  EXPECT_NE(world.greet(listener, connector), PeerKey{});
}

TEST(Connector, RefusesKeysRatherThanToConnectWithoutThem) {
  ConnectorOptions options;
  options.curve = CurveKeys{};
  EXPECT_THROW((Connector{Context::shared(), at("tcp://127.0.0.1:1"), options}), NetError);
}

}  // namespace
}  // namespace baozi::net
