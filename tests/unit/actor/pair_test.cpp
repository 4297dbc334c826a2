// Link and SessionTable against each other, over a network that loses, doubles and delays frames:
// inside a session everything arrives once and in order, or the session ends and a new one begins.
#include <deque>
#include <optional>

#include <gtest/gtest.h>

#include "actor/link.hpp"
#include "actor/session_table.hpp"
#include "base/random.hpp"
#include "frames.hpp"

namespace baozi::actor_test {
namespace {

using actor::Link;
using actor::PeerKey;
using actor::SessionTable;

class Pair : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Pair, DeliversEachSessionsFramesOnceAndInOrder) {
  SCOPED_TRACE("seed " + std::to_string(GetParam()));
  Random random{GetParam()};
  Link link;
  SessionTable table{{.heartbeats = {heartbeat_us, liveness_us}, .sessions_max = 10}, 1};
  std::uint64_t connection = 1;
  struct Wire {
    std::uint64_t connection;
    Bytes frame;
  };
  std::deque<Wire> up;
  std::deque<Wire> down;
  // The number that the next CREDIT of a session carries; what each side expects of it.
  std::uint64_t to_send = 1;
  std::uint64_t to_receive = 1;
  std::uint64_t confirm_to_send = 1;
  std::uint64_t confirm_to_receive = 1;
  std::uint64_t sessions = 0;
  std::uint64_t delivered = 0;
  std::int64_t us = 0;
  const auto connect = [&] {
    ++connection;
    up.push_back({connection, link.greet({.name = "w1", .incarnation = 1}, at(us))});
  };
  const auto run = [&](double loss) {
    us += static_cast<std::int64_t>(random.below(300'000));
    if (link.is_open() && random.chance(0.7)) {
      up.push_back({connection, link.frame(wire::Credit{.count = to_send++}, at(us))});
    }
    for (std::deque<Wire>* pipe : {&up, &down}) {
      if (!pipe->empty() && random.chance(loss))
        pipe->erase(pipe->begin() + static_cast<std::ptrdiff_t>(random.below(pipe->size())));
      if (!pipe->empty() && random.chance(loss)) pipe->push_back(pipe->front());
    }
    for (std::uint64_t n = random.below(4); n > 0 && !up.empty(); --n) {
      const Wire wire = up.front();
      up.pop_front();
      SessionTable::Received got;
      table.on_frame(PeerKey{wire.connection}, wire.frame, at(us), got);
      if (got.event == SessionTable::Event::answer || got.event == SessionTable::Event::ended) {
        down.push_back({wire.connection, got.reply});
      } else if (got.event == SessionTable::Event::hello) {
        std::vector<actor::Session> ended;
        wire::Welcome welcome{.nonce = got.hello.nonce, .name = "b1"};
        welcome.heartbeat_us = heartbeat_us;
        welcome.liveness_us = liveness_us;
        const actor::Session& session =
            table.open(PeerKey{wire.connection}, got.hello, at(us), ended);
        down.push_back({wire.connection, wire::encode(session.number, 0, welcome)});
        to_receive = confirm_to_send = 1;
      } else if (got.event == SessionTable::Event::message) {
        if (got.frame.header.type == wire::Type::ping) {
          down.push_back({wire.connection, got.session->frame(wire::Pong{})});
        } else {
          wire::Credit credit;
          ASSERT_TRUE(wire::decode(got.frame, credit));
          ASSERT_EQ(credit.count, to_receive++);
          ++delivered;
          down.push_back({wire.connection, got.session->frame(wire::Submitted{
                                               .upto = confirm_to_send++, .refusals = {}})});
        }
      }
    }
    std::vector<actor::Session> ended;
    table.expire(at(us), ended);
    for (std::uint64_t n = random.below(4); n > 0 && !down.empty(); --n) {
      const Wire wire = down.front();
      down.pop_front();
      if (wire.connection != connection)
        continue;  // a socket that was closed delivers nothing more
      wire::OpenFrame out{.header = {}, .reader = Reader{{}}, .fields = 0};
      switch (link.on_frame(wire.frame, at(us), out)) {
        case Link::Event::welcome:
          ++sessions;
          to_send = confirm_to_receive = 1;
          break;
        case Link::Event::message: {
          wire::Submitted submitted;
          if (out.header.type != wire::Type::submitted) break;
          ASSERT_TRUE(wire::decode(out, submitted));
          ASSERT_EQ(submitted.upto, confirm_to_receive++);
          break;
        }
        case Link::Event::lost: connect(); break;
        case Link::Event::nothing: break;
      }
    }
    std::optional<Bytes> ping;
    if (link.tick(at(us), ping) == Link::Event::lost) connect();
    if (ping) up.push_back({connection, *ping});
  };
  connect();
  for (int turn = 0; turn < 400 && !HasFatalFailure(); ++turn) run(0.03);
  const std::uint64_t before = delivered;
  for (int turn = 0; turn < 200 && !HasFatalFailure(); ++turn)
    run(0.0);  // healed: it must get going again
  EXPECT_GT(delivered, before);
  EXPECT_GE(sessions, 1U);
  EXPECT_TRUE(link.is_open());
  EXPECT_EQ(table.size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Pair, testing::Range<std::uint64_t>(1, 101));

}  // namespace
}  // namespace baozi::actor_test
