#include "actor/session_table.hpp"

#include <gtest/gtest.h>

#include "frames.hpp"

namespace baozi::actor_test {
namespace {

using actor::PeerKey;
using actor::Session;
using actor::SessionTable;

class Table : public testing::Test {
 protected:
  explicit Table(std::size_t sessions_max = 100, const Rules& rules = {})
      : table{{.heartbeats = {heartbeat_us, liveness_us}, .sessions_max = sessions_max},
              1'000,
              rules} {}

  SessionTable::Event receive(PeerKey peer, BytesView frame, std::int64_t us) {
    table.on_frame(peer, frame, at(us), got);
    return got.event;
  }
  template <class Message>
  SessionTable::Event receive(PeerKey peer, std::uint64_t session, std::uint64_t seq,
                              const Message& message, std::int64_t us) {
    sent = wire::encode(session, seq, message);
    return receive(peer, sent, us);
  }
  SessionTable::Event hello(PeerKey peer, std::string_view name, std::uint64_t incarnation,
                            std::uint64_t nonce, std::int64_t us) {
    return receive(peer, 0, 0,
                   wire::Hello{.nonce = nonce, .name = name, .incarnation = incarnation}, us);
  }
  /// A HELLO that is taken; the number of the session.
  std::uint64_t open(PeerKey peer, std::string_view name, std::uint64_t incarnation,
                     std::uint64_t nonce, std::int64_t us) {
    EXPECT_EQ(hello(peer, name, incarnation, nonce, us), SessionTable::Event::hello);
    return table.open(peer, got.hello, at(us), ended).number;
  }
  std::vector<std::uint64_t> expire(std::int64_t us) {
    std::vector<Session> gone;
    table.expire(at(us), gone);
    std::vector<std::uint64_t> numbers;
    for (const Session& session : gone) numbers.push_back(session.number);
    return numbers;
  }

  SessionTable table;
  SessionTable::Received got;
  std::vector<Session> ended;
  Bytes sent;
};
class TableOfTwo : public Table {
 protected:
  TableOfTwo() : Table{2} {}
};
class TableWithoutD1 : public Table {
 protected:
  TableWithoutD1()
      : Table{100, [] {
                Rules r;
                r.d1_sessions = false;
                return r;
              }()} {}
};

constexpr PeerKey a{11};
constexpr PeerKey b{12};
constexpr PeerKey c{13};

TEST_F(Table, SessionsAreNumberedFromWhereTheOwnerSays) {
  EXPECT_EQ(open(a, "w1", 1, 1, 0), 1'000U);
  EXPECT_EQ(open(b, "w2", 1, 1, 0), 1'001U);
  EXPECT_EQ(table.size(), 2U);
  EXPECT_EQ(table.find(a)->name, "w1");
  EXPECT_EQ(table.find(1'001)->peer, b);
}

TEST(TableNumbers, ZeroIsNoSession) {
  SessionTable table{{}, 0};
  std::vector<Session> ended;
  EXPECT_EQ(table.open(a, wire::Hello{.nonce = 1, .name = "w1"}, at(0), ended).number, 1U);
}

TEST_F(Table, FramesOfASessionAreHandedOverInOrder) {
  const std::uint64_t session = open(a, "w1", 1, 1, 0);
  EXPECT_EQ(receive(a, session, 1, wire::Ping{}, 10), SessionTable::Event::message);
  EXPECT_EQ(got.session->number, session);
  EXPECT_EQ(got.frame.header.type, wire::Type::ping);
  EXPECT_EQ(receive(a, session, 2, wire::Ping{}, 20), SessionTable::Event::message);
  EXPECT_EQ(got.session->last_heard, start + Micros{20});
}

TEST_F(Table, AFrameWithoutASessionIsToldToSayHello) {
  EXPECT_EQ(receive(a, 999, 1, wire::Ping{}, 0), SessionTable::Event::answer);
  EXPECT_EQ(error_in(got.reply).code, wire::ErrorCode::no_session);
  EXPECT_EQ(error_in(got.reply).about, 1U);
  EXPECT_EQ(wire::open_frame(got.reply)->header.session, 999U);
  EXPECT_EQ(table.counters().no_session, 1U);
}

TEST_F(Table, ANumberOfASessionIsNoGoodOnAnotherConnection) {
  const std::uint64_t session = open(a, "w1", 1, 1, 0);
  EXPECT_EQ(receive(b, session, 1, wire::Ping{}, 10), SessionTable::Event::answer);
  EXPECT_EQ(error_in(got.reply).code, wire::ErrorCode::no_session);
  EXPECT_EQ(receive(a, session, 1, wire::Ping{}, 20), SessionTable::Event::message);
}

TEST_F(Table, AFrameThatComesTwiceIsTakenOnce) {
  const std::uint64_t session = open(a, "w1", 1, 1, 0);
  EXPECT_EQ(receive(a, session, 1, wire::Ping{}, 10), SessionTable::Event::message);
  EXPECT_EQ(receive(a, session, 1, wire::Ping{}, 20), SessionTable::Event::nothing);
  EXPECT_EQ(receive(a, session, 0, wire::Ping{}, 30), SessionTable::Event::nothing);
  EXPECT_EQ(table.counters().duplicates, 2U);
}

TEST_F(Table, AMissingFrameEndsTheSessionAndSaysSo) {
  const std::uint64_t session = open(a, "w1", 5, 1, 0);
  EXPECT_EQ(receive(a, session, 2, wire::Ping{}, 10), SessionTable::Event::ended);
  EXPECT_EQ(error_in(got.reply).code, wire::ErrorCode::gap);
  EXPECT_EQ(error_in(got.reply).about, 2U);
  EXPECT_EQ(got.closed.number, session);
  EXPECT_EQ(got.closed.name, "w1");
  EXPECT_EQ(got.closed.incarnation, Incarnation{5});
  EXPECT_EQ(got.closed.last_heard, at(10).mono);  // it lives, whatever was lost
  EXPECT_EQ(table.find(session), nullptr);
  EXPECT_EQ(table.find(a), nullptr);
  EXPECT_EQ(receive(a, session, 3, wire::Ping{}, 20), SessionTable::Event::answer);
  EXPECT_EQ(error_in(got.reply).code, wire::ErrorCode::no_session);
}

TEST_F(Table, ANewerHelloEndsTheOlderSessionOfThePeer) {
  const std::uint64_t first = open(a, "w1", 1, 1, 0);
  const std::uint64_t second = open(b, "w1", 1, 2, 100);  // it reconnected: another connection
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].number, first);
  EXPECT_EQ(ended[0].peer, a);
  EXPECT_EQ(table.size(), 1U);
  EXPECT_EQ(receive(a, first, 1, wire::Ping{}, 200),
            SessionTable::Event::answer);  // still in the old pipe
  EXPECT_EQ(receive(b, second, 1, wire::Ping{}, 300), SessionTable::Event::message);
}

TEST_F(Table, AStaleHelloFromAnOldConnectionChangesNothing) {
  const std::uint64_t session = open(b, "w1", 1, 7, 0);
  EXPECT_EQ(hello(a, "w1", 1, 6, 100), SessionTable::Event::nothing);
  EXPECT_EQ(hello(b, "w1", 1, 7, 200), SessionTable::Event::nothing);  // the same one again
  EXPECT_EQ(table.counters().old_hellos, 2U);
  EXPECT_EQ(receive(b, session, 1, wire::Ping{}, 300), SessionTable::Event::message);
}

TEST_F(Table, AStaleHelloIsKnownEvenAfterItsSessionEnded) {
  const std::uint64_t session = open(a, "w1", 1, 7, 0);
  table.close(session);
  EXPECT_EQ(hello(b, "w1", 1, 6, 100), SessionTable::Event::nothing);
  EXPECT_EQ(hello(b, "w1", 1, 8, 200), SessionTable::Event::hello);
}

TEST_F(Table, AnotherIncarnationIsAnotherPeer) {
  const std::uint64_t before = open(a, "w1", 1, 900, 0);
  const std::uint64_t after = open(b, "w1", 2, 5, 100);  // restarted: its clock may be lower
  EXPECT_TRUE(ended.empty());
  EXPECT_NE(table.find(before), nullptr);
  EXPECT_NE(table.find(after), nullptr);
}

TEST_F(Table, AConnectionHasOneSession) {
  const std::uint64_t first = open(a, "w1", 1, 1, 0);
  open(a, "somebody else", 2, 1, 100);
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].number, first);
  EXPECT_EQ(table.size(), 1U);
}

TEST_F(Table, AHelloThatTheOwnerRefusesLeavesNothingBehind) {
  EXPECT_EQ(hello(a, "w1", 1, 1, 0), SessionTable::Event::hello);
  EXPECT_EQ(table.size(), 0U);
  EXPECT_EQ(table.remembered(), 0U);
  EXPECT_EQ(hello(a, "w1", 1, 1, 10), SessionTable::Event::hello);
}

TEST_F(Table, NonsenseIsAnsweredAndCounted) {
  EXPECT_EQ(receive(a, "rubbish", 0), SessionTable::Event::answer);
  EXPECT_EQ(error_in(got.reply).code, wire::ErrorCode::malformed);
  EXPECT_EQ(table.counters().malformed, 1U);
}

TEST_F(Table, AHelloThatDoesNotParseIsAnswered) {
  Bytes cut = wire::encode(0, 0, wire::Hello{.nonce = 1, .name = "w1"});
  cut.resize(cut.size() - 1);
  EXPECT_EQ(receive(a, cut, 0), SessionTable::Event::answer);
  EXPECT_EQ(error_in(got.reply).code, wire::ErrorCode::malformed);
  const std::string name(300, 'x');
  EXPECT_EQ(hello(a, name, 1, 1, 0), SessionTable::Event::answer);
  EXPECT_EQ(error_in(got.reply).code, wire::ErrorCode::too_large);
  EXPECT_EQ(table.counters().malformed, 1U);
  EXPECT_EQ(table.counters().too_large, 1U);
}

TEST_F(Table, AVersionOfTheFutureHearsWhatWeSpeak) {
  Bytes frame;
  Writer out{frame};
  out.array(2);
  out.uinteger(2);
  out.str("a wholly different shape");
  EXPECT_EQ(receive(a, frame, 0), SessionTable::Event::answer);
  const wire::ErrorMessage error = error_in(got.reply);
  EXPECT_EQ(error.code, wire::ErrorCode::unknown_version);
  EXPECT_EQ(error.version_min, 1U);
  EXPECT_EQ(error.version_max, 1U);
  EXPECT_EQ(table.counters().unknown_version, 1U);
}

TEST_F(Table, AMessageOfANewerPeerIsAnsweredAndHasItsNumber) {
  const std::uint64_t session = open(a, "w1", 1, 1, 0);
  EXPECT_EQ(receive(a, unknown_frame(session, 1), 500), SessionTable::Event::answer);
  EXPECT_EQ(error_in(got.reply).code, wire::ErrorCode::unknown_type);
  EXPECT_EQ(error_in(got.reply).about, 1U);
  EXPECT_EQ(table.counters().unknown_type, 1U);
  EXPECT_EQ(table.find(session)->last_heard, start + Micros{500});
  EXPECT_EQ(receive(a, session, 2, wire::Ping{}, 600), SessionTable::Event::message);
  EXPECT_EQ(receive(a, unknown_frame(session, 4), 700),
            SessionTable::Event::ended);  // 3 is missing
}

TEST_F(Table, AnUnknownMessageOfAStrangerTouchesNobodysSession) {
  const std::uint64_t session = open(a, "w1", 1, 1, 0);
  EXPECT_EQ(receive(b, unknown_frame(session, 1), 500), SessionTable::Event::answer);
  EXPECT_EQ(receive(b, unknown_frame(session, 9), 600), SessionTable::Event::answer);
  EXPECT_EQ(receive(a, session, 1, wire::Ping{}, 700), SessionTable::Event::message);
}

TEST_F(Table, AnErrorIsNeverAnswered) {
  EXPECT_EQ(receive(a, error_frame(77, wire::ErrorCode::no_session), 0),
            SessionTable::Event::nothing);
}

TEST_F(Table, ASilentPeerIsNoticedAtTheLiveness) {
  const std::uint64_t session = open(a, "w1", 1, 1, 0);
  for (std::int64_t us = 0; us < 4'000'000; us += 500'000) EXPECT_TRUE(expire(us).empty()) << us;
  EXPECT_TRUE(expire(3'999'999).empty());
  EXPECT_EQ(expire(4'500'000), std::vector{session});
  EXPECT_EQ(table.counters().expired, 1U);
  EXPECT_EQ(table.size(), 0U);
}

TEST_F(Table, SilenceIsNoticedAtMostAnEighthOfTheLivenessLate) {
  open(a, "w1", 1, 1, 0);
  std::int64_t us = 0;
  while (table.size() > 0) {
    const auto next = table.next_deadline();
    ASSERT_TRUE(next);
    us = std::max<std::int64_t>((*next - start).count(), us + 1);
    expire(us);
  }
  EXPECT_GE(us, 4'000'000);
  EXPECT_LE(us, 4'500'000);
}

TEST_F(Table, AnyFrameIsAHeartbeat) {
  const std::uint64_t session = open(a, "w1", 1, 1, 0);
  for (std::uint64_t i = 1; i <= 20; ++i) {
    const auto us = static_cast<std::int64_t>(i) * 3'000'000;
    EXPECT_EQ(receive(a, session, i, wire::Credit{}, us), SessionTable::Event::message);
    EXPECT_TRUE(expire(us).empty());
  }
}

TEST_F(Table, AfterASleepNothingIsActedOnAndAllSessionsEnd) {
  const std::uint64_t first = open(a, "w1", 1, 1, 0);
  const std::uint64_t second = open(b, "w2", 1, 1, 0);
  expire(0);
  EXPECT_EQ(receive(a, first, 1, wire::Ping{}, 4'000'001), SessionTable::Event::nothing);
  EXPECT_EQ(hello(c, "w3", 1, 1, 4'000'002),
            SessionTable::Event::nothing);  // not before the end was told
  EXPECT_EQ(expire(4'000'003), (std::vector{first, second}));
  EXPECT_EQ(table.counters().slept, 1U);
  EXPECT_EQ(hello(c, "w3", 1, 1, 4'000'004), SessionTable::Event::hello);
}

// A worker was taken for lost although what it had said was still to be read (sim seeds 2416, 2696,
// 3677).
TEST_F(Table, WhileWeWereStoppedNobodyWasSilent) {
  open(a, "w1", 1, 1, 0);
  for (std::int64_t us = 0; us <= 2'000'000; us += 500'000) EXPECT_TRUE(expire(us).empty()) << us;
  EXPECT_TRUE(expire(5'000'000).empty());  // shorter than the liveness
  for (std::int64_t us = 5'500'000; us <= 6'000'000; us += 500'000)
    EXPECT_TRUE(expire(us).empty()) << us;
  for (std::int64_t us = 6'500'000; us <= 7'500'000 && table.size() > 0; us += 500'000) expire(us);
  EXPECT_EQ(table.size(), 0U);  // it is really gone
  EXPECT_EQ(table.counters().slept, 0U);
}

TEST_F(Table, TellsItsOwnerHowLongItWasDeaf) {
  std::vector<Session> gone;
  EXPECT_EQ(table.expire(at(0), gone), Micros{0});
  EXPECT_EQ(table.expire(at(500'000), gone), Micros{0});
  EXPECT_EQ(table.expire(at(2'000'000), gone), Micros{1'000'000});
  EXPECT_EQ(table.expire(at(2'500'000), gone), Micros{0});
}

TEST_F(Table, ANodeWithoutPeersMayRestAsLongAsItLikes) {
  expire(0);
  EXPECT_FALSE(table.next_deadline());
  EXPECT_EQ(hello(a, "w1", 1, 1, 3'600'000'000), SessionTable::Event::hello);
  EXPECT_EQ(table.counters().slept, 0U);
}

TEST_F(TableOfTwo, MorePeersThanItMayServeAreTurnedAway) {
  open(a, "w1", 1, 1, 0);
  const std::uint64_t second = open(b, "w2", 1, 1, 0);
  EXPECT_EQ(hello(c, "w3", 1, 1, 10), SessionTable::Event::answer);
  EXPECT_EQ(error_in(got.reply).code, wire::ErrorCode::overloaded);
  EXPECT_EQ(table.counters().overloaded, 1U);
  EXPECT_EQ(hello(c, "w1", 1, 2, 20),
            SessionTable::Event::hello);  // one that comes back takes its own place
  EXPECT_EQ(hello(b, "w4", 1, 1, 20),
            SessionTable::Event::hello);  // and so does another on its connection
  table.close(second);
  EXPECT_EQ(hello(c, "w3", 1, 1, 30), SessionTable::Event::hello);
}

TEST_F(TableOfTwo, ManyNamesOnOneConnectionDoNotFillTheMemory) {
  for (std::uint64_t i = 1; i <= 1'000; ++i) open(a, "w" + std::to_string(i), i, 1, 0);
  EXPECT_EQ(table.size(), 1U);
  EXPECT_LE(table.remembered(), 4U);
}

TEST_F(Table, APeerIsForgottenSixLivenessesAfterItLeft) {
  table.close(open(a, "w1", 1, 7, 0));
  expire(24'000'000);
  EXPECT_EQ(table.remembered(), 1U);
  expire(25'000'000);
  EXPECT_EQ(table.remembered(), 0U);
}

TEST_F(Table, APeerThatCameBackIsNotForgottenWithItsOldSession) {
  open(a, "w1", 1, 7, 0);
  open(b, "w1", 1, 8, 10);
  std::uint64_t seq = 0;
  for (std::int64_t us = 1'000'000; us <= 30'000'000; us += 1'000'000) {
    receive(b, 1'001, ++seq, wire::Ping{}, us);
    expire(us);
  }
  EXPECT_EQ(table.remembered(), 1U);
  EXPECT_EQ(hello(c, "w1", 1, 8, 30'000'001),
            SessionTable::Event::nothing);  // its nonce is still known
}

TEST_F(TableWithoutD1, TheSeededBugTakesAFrameOfAnEndedSession) {
  const std::uint64_t first = open(a, "w1", 1, 1, 0);
  const std::uint64_t second = open(b, "w1", 1, 2, 10);
  EXPECT_EQ(receive(a, first, 55, wire::Ping{}, 20), SessionTable::Event::message);
  EXPECT_EQ(got.session->number, second);
}

}  // namespace
}  // namespace baozi::actor_test
