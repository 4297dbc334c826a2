#include "actor/link.hpp"

#include <optional>

#include <gtest/gtest.h>

#include "frames.hpp"

namespace baozi::actor_test {
namespace {

using actor::Link;

/// A link with an open session 9, at time 0.
class OpenLink : public testing::Test {
 protected:
  OpenLink() {
    const Bytes hello = link.greet({.name = "w1"}, at(0));
    EXPECT_EQ(link.on_frame(welcome_frame(9, nonce_of(hello)), at(0), out), Link::Event::welcome);
  }
  template <class Message>
  Link::Event receive(std::uint64_t session, std::uint64_t seq, const Message& message,
                      std::int64_t us) {
    frame = wire::encode(session, seq, message);
    return link.on_frame(frame, at(us), out);
  }
  bool pings_at(std::int64_t us) {
    std::optional<Bytes> ping;
    EXPECT_EQ(link.tick(at(us), ping), Link::Event::nothing);
    EXPECT_TRUE(!ping || type_of(*ping) == wire::Type::ping);
    return ping.has_value();
  }

  Link link;
  Bytes frame;
  wire::OpenFrame out{.header = {}, .reader = Reader{{}}, .fields = 0};
};

TEST(LinkGreeting, EveryHelloHasAGreaterNonceThanTheOneBefore) {
  Link link;
  const std::uint64_t first = nonce_of(link.greet({.name = "w1"}, at(0)));
  const std::uint64_t second = nonce_of(link.greet({.name = "w1"}, at(0)));
  EXPECT_GT(first, 0U);
  EXPECT_GT(second, first);
  EXPECT_GT(nonce_of(Link{}.greet({.name = "w1"}, at(1'000))),
            second);  // a later object of the same process
}

TEST(LinkGreeting, TheWelcomeOpensTheSessionAndCanBeReadLater) {
  Link link;
  wire::OpenFrame out{.header = {}, .reader = Reader{{}}, .fields = 0};
  const std::uint64_t nonce = nonce_of(link.greet({.name = "w1"}, at(0)));
  {
    const Bytes frame = welcome_frame(9, nonce);
    EXPECT_EQ(link.on_frame(frame, at(10), out), Link::Event::welcome);
  }
  EXPECT_TRUE(link.is_open());
  EXPECT_EQ(link.welcome().name, "a broker with a long name");
  const Link moved = std::move(link);
  EXPECT_EQ(moved.welcome().name, "a broker with a long name");
}

TEST(LinkGreeting, AWelcomeForAnOlderHelloIsDropped) {
  Link link;
  wire::OpenFrame out{.header = {}, .reader = Reader{{}}, .fields = 0};
  const std::uint64_t old = nonce_of(link.greet({.name = "w1"}, at(0)));
  const std::uint64_t now = nonce_of(link.greet({.name = "w1"}, at(5)));
  EXPECT_EQ(link.on_frame(welcome_frame(8, old), at(10), out), Link::Event::nothing);
  EXPECT_FALSE(link.is_open());
  EXPECT_EQ(link.counters().old_session, 1U);
  EXPECT_EQ(link.on_frame(welcome_frame(9, now), at(11), out), Link::Event::welcome);
}

TEST(LinkGreeting, AForeignWelcomeLeavesTheLastOneReadable) {
  Link link;
  wire::OpenFrame out{.header = {}, .reader = Reader{{}}, .fields = 0};
  const std::uint64_t first = nonce_of(link.greet({.name = "w1"}, at(0)));
  ASSERT_EQ(link.on_frame(welcome_frame(9, first), at(0), out), Link::Event::welcome);
  static_cast<void>(link.greet({.name = "w1"}, at(100)));
  EXPECT_EQ(
      link.on_frame(welcome_frame(10, first, "another name that is quite as long"), at(110), out),
      Link::Event::nothing);
  EXPECT_EQ(link.welcome().name, "a broker with a long name");
}

TEST(LinkGreeting, NoWelcomeForTwoSecondsMeansANewConnection) {
  Link link;
  std::optional<Bytes> ping;
  static_cast<void>(link.greet({.name = "w1"}, at(0)));
  EXPECT_EQ(link.next_deadline(), start + Link::greeting_patience);
  EXPECT_EQ(link.tick(at(1'999'999), ping), Link::Event::nothing);
  EXPECT_EQ(link.tick(at(2'000'000), ping), Link::Event::lost);
  EXPECT_EQ(link.state(), Link::State::down);
  EXPECT_FALSE(ping);
  EXPECT_FALSE(link.next_deadline());
}

TEST(LinkGreeting, ARefusalReachesTheOwnerWhole) {
  Link link;
  wire::OpenFrame out{.header = {}, .reader = Reader{{}}, .fields = 0};
  static_cast<void>(link.greet({.name = "w1"}, at(0)));
  const Bytes refusal = error_frame(0, wire::ErrorCode::overloaded);
  EXPECT_EQ(link.on_frame(refusal, at(10), out), Link::Event::message);
  wire::ErrorMessage error;
  ASSERT_TRUE(wire::decode(out, error));
  EXPECT_EQ(error.code, wire::ErrorCode::overloaded);
  EXPECT_EQ(error.text, "why");
}

TEST(LinkGreeting, NothingOfTheOldSessionPassesBetweenHelloAndWelcome) {
  Link link;
  wire::OpenFrame out{.header = {}, .reader = Reader{{}}, .fields = 0};
  const std::uint64_t nonce = nonce_of(link.greet({.name = "w1"}, at(0)));
  ASSERT_EQ(link.on_frame(welcome_frame(9, nonce), at(0), out), Link::Event::welcome);
  static_cast<void>(link.greet({.name = "w1"}, at(100)));
  const Bytes old = wire::encode(9, 1, wire::Submitted{.upto = 1, .refusals = {}});
  EXPECT_EQ(link.on_frame(old, at(101), out), Link::Event::nothing);
  EXPECT_EQ(link.on_frame(error_frame(9, wire::ErrorCode::no_session), at(102), out),
            Link::Event::nothing);
  EXPECT_EQ(link.state(), Link::State::greeting);
  EXPECT_EQ(link.counters().old_session, 1U);
}

TEST_F(OpenLink, FramesAreStampedFromOne) {
  const Bytes first = link.frame(wire::Ping{}, at(1));
  const Bytes second = link.frame(wire::Ping{}, at(2));
  EXPECT_EQ(wire::open_frame(first)->header.session, 9U);
  EXPECT_EQ(wire::open_frame(first)->header.seq, 1U);
  EXPECT_EQ(wire::open_frame(second)->header.seq, 2U);
}

TEST_F(OpenLink, FramesInOrderAreHandedOver) {
  EXPECT_EQ(receive(9, 1, wire::Submitted{.upto = 5, .refusals = {}}, 1), Link::Event::message);
  wire::Submitted submitted;
  ASSERT_TRUE(wire::decode(out, submitted));
  EXPECT_EQ(submitted.upto, 5U);
  EXPECT_EQ(receive(9, 2, wire::Submitted{.upto = 6, .refusals = {}}, 2), Link::Event::message);
}

TEST_F(OpenLink, FramesOfAnotherSessionAreDroppedAndCounted) {
  EXPECT_EQ(receive(8, 1, wire::Submitted{.upto = 5, .refusals = {}}, 1), Link::Event::nothing);
  EXPECT_EQ(receive(10, 1, wire::Submitted{.upto = 5, .refusals = {}}, 2), Link::Event::nothing);
  EXPECT_EQ(link.counters().old_session, 2U);
  EXPECT_TRUE(link.is_open());
  EXPECT_EQ(link.last_heard(), start);  // they prove nothing of this session's peer
}

TEST_F(OpenLink, AFrameThatComesTwiceIsTakenOnce) {
  EXPECT_EQ(receive(9, 1, wire::Submitted{.upto = 5, .refusals = {}}, 1), Link::Event::message);
  EXPECT_EQ(receive(9, 1, wire::Submitted{.upto = 5, .refusals = {}}, 2), Link::Event::nothing);
  EXPECT_EQ(receive(9, 0, wire::Submitted{.upto = 5, .refusals = {}}, 3), Link::Event::nothing);
  EXPECT_EQ(link.counters().duplicates, 2U);
  EXPECT_EQ(receive(9, 2, wire::Submitted{.upto = 6, .refusals = {}}, 4), Link::Event::message);
}

TEST_F(OpenLink, AMissingFrameEndsTheSession) {
  EXPECT_EQ(receive(9, 2, wire::Submitted{.upto = 5, .refusals = {}}, 1), Link::Event::lost);
  EXPECT_EQ(link.counters().gaps, 1U);
  EXPECT_EQ(link.state(), Link::State::down);
  EXPECT_EQ(receive(9, 1, wire::Submitted{.upto = 5, .refusals = {}}, 2), Link::Event::nothing);
}

TEST_F(OpenLink, TheOtherSidesWordThatItIsOverEndsTheSession) {
  EXPECT_EQ(link.on_frame(error_frame(8, wire::ErrorCode::no_session), at(1), out),
            Link::Event::nothing);
  EXPECT_TRUE(link.is_open());
  EXPECT_EQ(link.on_frame(error_frame(9, wire::ErrorCode::no_session), at(2), out),
            Link::Event::lost);
  EXPECT_EQ(link.state(), Link::State::down);
  EXPECT_EQ(link.counters().errors, 2U);
}

TEST_F(OpenLink, AGapThatTheOtherSideSawEndsTheSession) {
  EXPECT_EQ(link.on_frame(error_frame(9, wire::ErrorCode::gap), at(1), out), Link::Event::lost);
}

TEST_F(OpenLink, AnotherErrorIsTheOwnersBusiness) {
  const Bytes error = error_frame(9, wire::ErrorCode::not_allowed);
  EXPECT_EQ(link.on_frame(error, at(1), out), Link::Event::message);
  wire::ErrorMessage message;
  ASSERT_TRUE(wire::decode(out, message));
  EXPECT_EQ(message.code, wire::ErrorCode::not_allowed);
  EXPECT_TRUE(link.is_open());
}

TEST_F(OpenLink, NonsenseIsCountedAndTheNextFrameShowsTheGap) {
  EXPECT_EQ(link.on_frame("rubbish", at(1), out), Link::Event::nothing);
  EXPECT_EQ(link.counters().malformed, 1U);
  EXPECT_TRUE(link.is_open());
  EXPECT_EQ(receive(9, 2, wire::Submitted{.upto = 5, .refusals = {}}, 2), Link::Event::lost);
}

TEST_F(OpenLink, AMessageOfANewerPeerHasItsNumberAndProvesItAlive) {
  EXPECT_EQ(link.on_frame(unknown_frame(9, 1), at(700), out), Link::Event::nothing);
  EXPECT_EQ(link.counters().unknown_type, 1U);
  EXPECT_EQ(link.last_heard(), start + Micros{700});
  EXPECT_EQ(receive(9, 2, wire::Submitted{.upto = 5, .refusals = {}}, 800), Link::Event::message);
  EXPECT_EQ(link.on_frame(unknown_frame(8, 3), at(900), out), Link::Event::nothing);
  EXPECT_EQ(link.last_heard(), start + Micros{800});
  EXPECT_EQ(link.on_frame(unknown_frame(9, 4), at(1'000), out), Link::Event::lost);  // 3 is missing
}

TEST_F(OpenLink, ASecondWelcomeChangesNothing) {
  EXPECT_EQ(link.on_frame(welcome_frame(11, 1), at(1), out), Link::Event::nothing);
  EXPECT_EQ(receive(9, 1, wire::Submitted{.upto = 5, .refusals = {}}, 2), Link::Event::message);
}

TEST_F(OpenLink, PingsAfterAHeartbeatOfItsOwnSilenceToTheMicrosecond) {
  EXPECT_EQ(link.next_deadline(), start + Micros{1'000'000});
  EXPECT_FALSE(pings_at(999'999));
  EXPECT_TRUE(pings_at(1'000'000));
  EXPECT_FALSE(pings_at(1'000'001));
}

TEST_F(OpenLink, PingsAtTwiceTheRateWhileOnlyTheOtherSideIsSilent) {
  static_cast<void>(
      link.frame(wire::Ping{}, at(900'000)));  // we said something, so ours is not due
  EXPECT_EQ(link.next_deadline(), start + Micros{1'400'000});
  EXPECT_FALSE(pings_at(1'399'999));
  EXPECT_TRUE(pings_at(1'400'000));
  EXPECT_FALSE(pings_at(1'899'999));
  EXPECT_TRUE(pings_at(1'900'000));
}

TEST_F(OpenLink, APongCountsAsHeardAndIsNobodysBusiness) {
  EXPECT_TRUE(pings_at(3'000'000));
  EXPECT_EQ(receive(9, 1, wire::Pong{}, 3'900'000), Link::Event::nothing);
  EXPECT_EQ(link.last_heard(), start + Micros{3'900'000});
  std::optional<Bytes> ping;
  EXPECT_EQ(link.tick(at(4'000'000), ping), Link::Event::nothing);
}

TEST_F(OpenLink, SilenceForTheLivenessEndsTheSessionToTheMicrosecond) {
  for (std::int64_t us = 500'000; us < 4'000'000; us += 500'000) pings_at(us);
  pings_at(3'999'999);
  EXPECT_TRUE(link.is_open());
  EXPECT_EQ(link.next_deadline(), start + Micros{4'000'000});
  std::optional<Bytes> ping;
  EXPECT_EQ(link.tick(at(4'000'000), ping), Link::Event::lost);
  EXPECT_FALSE(ping);
  EXPECT_EQ(link.counters().silent, 1U);
}

TEST_F(OpenLink, TheDeadlineLiesAheadAfterEveryTick) {
  std::int64_t now_us = 0;
  for (int turn = 0; turn < 100 && link.is_open(); ++turn) {
    const auto next = link.next_deadline();
    ASSERT_TRUE(next);
    ASSERT_GT(*next, start + Micros{now_us}) << "a loop that polls until then would spin";
    now_us = (*next - start).count();
    std::optional<Bytes> ping;
    link.tick(at(now_us), ping);
  }
  EXPECT_EQ(now_us, 4'000'000);
}

TEST_F(OpenLink, IsStaleAfterTwoThirdsOfTheLiveness) {
  EXPECT_EQ(link.stale_at(), start + Micros{2'666'666});
  EXPECT_FALSE(link.is_stale(at(2'666'665)));
  EXPECT_TRUE(link.is_stale(at(2'666'666)));
  EXPECT_TRUE(link.is_open());
  pings_at(1'000'000);
  pings_at(2'700'000);
  EXPECT_EQ(receive(9, 1, wire::Pong{}, 2'800'000), Link::Event::nothing);
  EXPECT_FALSE(link.is_stale(at(2'800'000)));  // heard again in time: nothing was lost
}

TEST_F(OpenLink, ALinkWithoutASessionIsStale) {
  link.drop();
  EXPECT_TRUE(link.is_stale(at(0)));
  EXPECT_EQ(link.state(), Link::State::down);
}

TEST_F(OpenLink, AfterASleepTheFirstFrameIsNotActedOn) {
  // The frame waited in the socket while this process stood still for longer than the liveness.
  EXPECT_EQ(receive(9, 1, wire::Submitted{.upto = 5, .refusals = {}}, 4'000'001),
            Link::Event::lost);
  EXPECT_EQ(link.counters().slept, 1U);
  EXPECT_EQ(link.state(), Link::State::down);
}

TEST_F(OpenLink, AfterASleepTheTickEndsTheSession) {
  std::optional<Bytes> ping;
  EXPECT_EQ(link.tick(at(4'000'001), ping), Link::Event::lost);
  EXPECT_EQ(link.counters().slept, 1U);
  EXPECT_FALSE(ping);
}

TEST_F(OpenLink,
       AShorterSleepEndsTheSessionTooWhenTheOtherSideHasHeardNothingForNearlyTheLiveness) {
  // It was about to say something when it was stopped: by the time it goes on it may have been
  // given up.
  std::optional<Bytes> ping;
  EXPECT_EQ(link.tick(at(900'000), ping), Link::Event::nothing);
  EXPECT_FALSE(ping);
  EXPECT_EQ(receive(9, 1, wire::Submitted{.upto = 5, .refusals = {}}, 3'400'000),
            Link::Event::lost);
  EXPECT_EQ(link.counters().slept, 1U);
}

TEST_F(OpenLink, ALoopThatRanAllTheTimeHasNotSlept) {
  for (std::int64_t us = 0; us <= 20'000'000; us += 500'000) {
    pings_at(us);
    receive(9, static_cast<std::uint64_t>(us / 500'000) + 1, wire::Pong{}, us);
  }
  EXPECT_TRUE(link.is_open());
  EXPECT_EQ(link.counters().slept, 0U);
}

TEST(LinkSleep, AfterDropAndGreetTheNewSessionStartsFresh) {
  Link link;
  wire::OpenFrame out{.header = {}, .reader = Reader{{}}, .fields = 0};
  const std::uint64_t first = nonce_of(link.greet({.name = "w1"}, at(0)));
  ASSERT_EQ(link.on_frame(welcome_frame(9, first), at(0), out), Link::Event::welcome);
  static_cast<void>(link.frame(wire::Ping{}, at(1)));
  link.drop();
  const std::uint64_t second = nonce_of(link.greet({.name = "w1"}, at(60'000'000)));  // long after
  ASSERT_EQ(link.on_frame(welcome_frame(12, second), at(60'000'001), out), Link::Event::welcome);
  EXPECT_EQ(wire::open_frame(link.frame(wire::Ping{}, at(60'000'002)))->header.seq, 1U);
  EXPECT_EQ(link.counters().slept, 0U);
}

TEST(LinkRules, TheSeededBugTakesFramesOfOldSessions) {
  Rules rules;
  rules.d1_sessions = false;
  Link link{rules};
  wire::OpenFrame out{.header = {}, .reader = Reader{{}}, .fields = 0};
  const std::uint64_t nonce = nonce_of(link.greet({.name = "w1"}, at(0)));
  ASSERT_EQ(link.on_frame(welcome_frame(9, nonce), at(0), out), Link::Event::welcome);
  const Bytes old = wire::encode(8, 77, wire::Submitted{.upto = 1, .refusals = {}});
  EXPECT_EQ(link.on_frame(old, at(1), out), Link::Event::message);
}

}  // namespace
}  // namespace baozi::actor_test
