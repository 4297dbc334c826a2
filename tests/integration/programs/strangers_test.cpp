// Nonsense at the ports of real nodes: each kind is counted under its name, `baozi status --json`
// shows it, and whoever is no stranger does not notice.
#include "../net/raw_peer.hpp"
#include "actor/link.hpp"
#include "base/random.hpp"
#include "base/system_clock.hpp"
#include "programs.hpp"
#include "wire/codec.hpp"

namespace baozi::test {
namespace {

using namespace std::chrono_literals;
using net::RawPeer;

/// One who speaks the protocol as far as HELLO.
struct Guest {
  RawPeer peer;
  actor::Link link;
  wire::Hello hello;
  std::string name;

  Guest(std::uint16_t port, wire::Role role, std::string called)
      : peer{port}, name{std::move(called)} {
    peer.shake_hands();
    hello.role = role;
    hello.name = name;
    hello.incarnation = entropy64() >> 1U;
    hello.concurrency = 1;
  }
  bool greet() {
    say(link.greet(hello, base::system_now()));
    return eventually([&] {
      for (Bytes frame = peer.receive(); !frame.empty(); frame = peer.receive()) {
        wire::OpenFrame opened{.header = {}, .reader = Reader{{}}, .fields = 0};
        (void)link.on_frame(frame, base::system_now(), opened);
      }
      return link.is_open();
    });
  }
  void say(const Bytes& frame) { peer.send(RawPeer::part(frame, false)); }
};

class Strangers : public ProgramsTest {
 protected:
  void SetUp() override {
    cluster.start_broker({"--liveness", "30s"});  // guests say nothing while others are asked
    cluster.start_collector({"--liveness", "30s"});
    cluster.start_worker(0);
  }
  /// What the node that is looked at counted.
  [[nodiscard]] std::int64_t counted(const std::string& counter) const {
    const Value all = status();
    if (!all.is_object()) return -1;
    const Value& node = at_collector ? all.at("collectors").at(std::size_t{0}) : all;
    const Value* const found = node.at("counters").find(counter);
    return found == nullptr ? -1 : found->to<std::int64_t>();
  }
  void expect_counted(const std::string& counter, std::int64_t before) {
    EXPECT_TRUE(eventually([&] { return counted(counter) > before; }, 30s))
        << counter << " stays at " << counted(counter);
  }
  /// Sends `bytes` after a handshake, as they are, and expects `counter` to grow.
  void send_and_expect(std::string_view bytes, const std::string& counter) {
    SCOPED_TRACE(counter);
    const std::int64_t before = counted(counter);
    EXPECT_GE(before, 0) << "status shows no counter of this name";
    RawPeer peer{port};
    peer.shake_hands();
    peer.send(bytes);
    expect_counted(counter, before);
  }
  void expect_service() {
    App app{AppOptions{.broker = cluster.address()}};
    EXPECT_EQ(app.send<std::int64_t>("c.add", 20, 22).get(30s), 42);
  }
  /// What both kinds of nodes do with what does not even get to be a message of somebody.
  void misbehave() {
    {
      SCOPED_TRACE("random bytes");
      const std::int64_t before = counted("failed_handshakes");
      Random random{7};
      std::string noise(3'000, '\0');
      for (char& c : noise) c = static_cast<char>(random.below(256));
      RawPeer peer{port};
      peer.send(noise);
      EXPECT_TRUE(eventually([&] { return peer.is_closed(); }, 30s));
      expect_counted("failed_handshakes", before);
    }
    {
      SCOPED_TRACE("half a handshake");
      const std::int64_t before = counted("failed_handshakes");
      RawPeer peer{port};
      peer.send(RawPeer::greeting().substr(0, 40));
      EXPECT_TRUE(eventually([&] { return peer.is_closed(); }, 30s));
      expect_counted("failed_handshakes", before);
    }
    {
      SCOPED_TRACE("a frame of 140 TB");
      RawPeer peer{port};
      peer.shake_hands();
      peer.send(std::string{"\2"} + std::string("\0\0\x7f\xff\xff\xff\xff\xff", 8));
      EXPECT_TRUE(eventually([&] { return peer.is_closed(); }, 30s));
    }
    send_and_expect(RawPeer::part("one", true) + RawPeer::part("two", false), "multipart_messages");
    send_and_expect(RawPeer::part("this is no message", false), "malformed_frames");
    send_and_expect(RawPeer::part(Bytes("\x94\x09\x05\x01\x01", 5), false), "unknown_versions");
    send_and_expect(RawPeer::part(Bytes("\x94\x01\xcc\xc8\x01\x01", 6), false), "unknown_types");
    send_and_expect(RawPeer::part(wire::encode(12345, 1, wire::Ping{}), false),
                    "frames_without_session");
    {
      SCOPED_TRACE("a name of its own");
      const std::int64_t before = counted("foreign_routing_ids");
      RawPeer peer{port};
      peer.shake_hands("worker-1");
      peer.send(RawPeer::part("hello", false));
      expect_counted("foreign_routing_ids", before);
    }
  }

  std::uint16_t port = 0;
  bool at_collector = false;
};

TEST_F(Strangers, AtABrokerAreCountedByReasonAndDisturbNobody) {
  port = port_of(cluster.address());
  misbehave();
  expect_service();
}

TEST_F(Strangers, AtACollectorAreCountedByReasonAndDisturbNobody) {
  at_collector = true;
  port = port_of(cluster.collector_address());
  misbehave();
  expect_service();
}

TEST_F(Strangers, AWorkerThatAnswersTasksThatItWasNeverGivenIsRefusedAndCounted) {
  port = port_of(cluster.address());
  Guest guest{port, wire::Role::worker, "liar@test"};
  ASSERT_TRUE(guest.greet());
  const std::int64_t before = counted("foreign_done") + counted("stale_done");
  wire::Done done;
  done.first = 1;
  for (std::uint64_t number : {std::uint64_t{1}, std::uint64_t{0xFFFF}, ~std::uint64_t{0} >> 1U}) {
    done.entries.push_back({.number = number});
  }
  guest.say(guest.link.frame(done, base::system_now()));
  EXPECT_TRUE(eventually(
      [&] { return counted("foreign_done") + counted("stale_done") == before + 3; }, 30s))
      << counted("foreign_done") << " + " << counted("stale_done");
  expect_service();
  expect_books(1, 1);
}

TEST_F(Strangers, ASecondHelloOnAConnectionStartsANewSessionAndAnOldOneIsDropped) {
  port = port_of(cluster.address());
  Guest guest{port, wire::Role::worker, "twice@test"};
  ASSERT_TRUE(guest.greet());
  const Bytes first = wire::encode(0, 0, [&] {
    wire::Hello old = guest.hello;
    old.nonce = 0;
    return old;
  }());
  const std::int64_t before = counted("old_hellos");
  guest.say(first);
  expect_counted("old_hellos", before);
  ASSERT_TRUE(guest.greet()) << "a newer one is welcome";
  const std::int64_t sessions = counted("frames_without_session");
  guest.say(wire::encode(1, 1, wire::Ping{}));
  expect_counted("frames_without_session", sessions);
  expect_service();
}

TEST_F(Strangers, WhoSendsWhatIsNotHisToSendIsRefusedAndCounted) {
  port = port_of(cluster.address());
  Guest guest{port, wire::Role::worker, "confused@test"};
  ASSERT_TRUE(guest.greet());
  const std::int64_t before = counted("not_allowed");
  const Bytes origin(16, 'o');
  wire::Submit submit;
  submit.number = 1;
  submit.origin = origin;
  guest.say(guest.link.frame(submit, base::system_now()));
  expect_counted("not_allowed", before);
  expect_service();
}

}  // namespace
}  // namespace baozi::test
