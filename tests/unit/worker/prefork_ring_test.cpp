// What a worker and its child say to each other through shared memory, without processes: both ends
// are in this test.
#include <gtest/gtest.h>
#include <unistd.h>

#include <baozi/codec.hpp>

#include "wire/codec.hpp"
#include "worker/prefork/child_link.hpp"
#include "worker/prefork/messages.hpp"
#include "worker/prefork/segment.hpp"

namespace baozi::worker::prefork {
namespace {

const MonoTime t0 = mono_time(1'000'000'000);

Start some_start(std::uint64_t token, BytesView body = "\x92\x90\x80") {
  Start start;
  start.token = Token{token};
  start.id = {true, "0123456789abcdef"};
  start.name = "c.add";
  start.queue = "math";
  start.body = body;
  start.origin = "fedcba9876543210";
  start.delivery_count = 2;
  start.retries = 1;
  start.priority = 9;
  start.redelivered = true;
  start.time_limit = Micros{5};
  start.soft_time_limit = Micros{4};
  return start;
}

Ended some_end(std::uint64_t token) {
  Ended ended;
  ended.token = Token{token};
  ended.verdict = Verdict::success;
  ended.value = pack(42);
  ended.started = wall_time(7);
  ended.ran = Micros{3};
  return ended;
}

/// A link and, by hand, the child at its other end.
struct Pair {
  Pair() : fd{make_segment_file()}, link{fd}, child{fd}, replies{*child} { close(fd); }
  Request& at(std::uint64_t place) { return child->requests[place % ring_slots]; }
  bool take(std::uint64_t place) {
    Place ready = Place::ready;
    return at(place).place.compare_exchange_strong(ready, Place::taken);
  }
  Start read(std::uint64_t place) {
    return read_start({child->arena + at(place).offset, at(place).size});
  }
  void answer(std::uint64_t place, const Ended& end) {
    replies.write(pack_ended(end), [] {});
    Place taken = Place::taken;
    at(place).place.compare_exchange_strong(taken, Place::done);
    child->head.store(place + 1);
  }
  bool collect() {
    ended.clear();
    return link.collect(ended, updates);
  }
  int fd;
  ChildLink link;
  Mapping child;
  ReplyWriter replies;
  std::vector<Ended> ended;
  std::vector<StateUpdate> updates;
};

TEST(PreforkMessages, AStartArrivesAsItWasSent) {
  const Start sent = some_start(77);
  std::string bytes(start_size(sent), '\0');
  write_start(sent, bytes.data());
  const Start got = read_start(bytes);
  EXPECT_EQ(got.token, sent.token);
  EXPECT_TRUE(got.id.uuid);
  EXPECT_EQ(got.id.bytes, sent.id.bytes);
  EXPECT_EQ(got.name, sent.name);
  EXPECT_EQ(got.queue, sent.queue);
  EXPECT_EQ(got.body, sent.body);
  EXPECT_EQ(got.origin, sent.origin);
  EXPECT_EQ(got.delivery_count, 2u);
  EXPECT_EQ(got.retries, 1u);
  EXPECT_EQ(got.priority, 9);
  EXPECT_TRUE(got.redelivered);
  EXPECT_EQ(got.time_limit, Micros{5});
  EXPECT_EQ(got.soft_time_limit, Micros{4});
}

TEST(PreforkMessages, AnEndArrivesAsItWasSent) {
  Ended sent = some_end(5);
  sent.verdict = Verdict::retry;
  sent.value = wire::pack_failure("a", "b", "c");
  sent.delay = Micros{9};
  sent.max_retries = -1;
  const auto got = unpack_ended(pack_ended(sent));
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->token, Token{5});
  EXPECT_EQ(got->verdict, Verdict::retry);
  EXPECT_EQ(got->value, sent.value);
  EXPECT_EQ(got->delay, sent.delay);
  EXPECT_EQ(got->max_retries, -1);
  EXPECT_EQ(got->started, sent.started);
  EXPECT_EQ(got->ran, sent.ran);
}

TEST(PreforkMessages, WhatMakesNoSenseIsNoEnd) {
  const auto damaged = [](auto damage) {
    Ended ended = some_end(1);
    damage(ended);
    return !unpack_ended(pack_ended(ended)).has_value();
  };
  EXPECT_TRUE(damaged([](Ended& e) { e.value = "\x92\x01"; })) << "half of an array";
  EXPECT_TRUE(damaged([](Ended& e) { e.value += '\x01'; })) << "more than a value";
  EXPECT_TRUE(damaged([](Ended& e) { e.verdict = Verdict::lost; })) << "a child cannot say that";
  EXPECT_TRUE(damaged([](Ended& e) { e.verdict = Verdict::failure; })) << "without its three texts";
  EXPECT_TRUE(damaged([](Ended& e) { e.follow_ups = "\x91\x01"; })) << "no task";
  EXPECT_TRUE(damaged([](Ended& e) { e.ran = Micros{-1}; }));
  EXPECT_FALSE(unpack_ended("short").has_value());
  const Bytes whole = pack_ended(some_end(1));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(unpack_ended(BytesView{whole}.substr(0, size)).has_value()) << size;
  }
}

TEST(PreforkRing, ATaskIsTakenAnsweredAndForgotten) {
  Pair pair;
  ASSERT_TRUE(pair.link.push(some_start(1), t0));
  ASSERT_TRUE(pair.link.push(some_start(2), t0));
  EXPECT_EQ(pair.link.running(), nullptr);
  ASSERT_TRUE(pair.take(0));
  EXPECT_EQ(pair.read(0).token, Token{1});
  ASSERT_NE(pair.link.running(), nullptr);
  EXPECT_EQ(pair.link.running()->start.token, Token{1});
  pair.answer(0, some_end(1));
  ASSERT_TRUE(pair.collect());
  ASSERT_EQ(pair.ended.size(), 1u);
  EXPECT_EQ(pair.ended[0].token, Token{1});
  EXPECT_EQ(pair.link.live(), 1u);
}

TEST(PreforkRing, OneOfBothWinsAPlace) {
  Pair pair;
  ASSERT_TRUE(pair.link.push(some_start(1), t0));
  ASSERT_TRUE(pair.link.push(some_start(2), t0));
  ASSERT_TRUE(pair.take(0));
  EXPECT_EQ(pair.link.take_back(Token{1}), ChildLink::TookBack::runs);
  EXPECT_EQ(pair.link.take_back(Token{2}), ChildLink::TookBack::yes);
  EXPECT_FALSE(pair.take(1));
  EXPECT_EQ(pair.link.take_back(Token{2}), ChildLink::TookBack::unknown);
  EXPECT_EQ(pair.link.live(), 1u);
}

TEST(PreforkRing, AClaimedTaskIsNotFollowedByAnother) {
  Pair pair;
  ASSERT_TRUE(pair.link.push(some_start(1), t0));
  EXPECT_EQ(pair.link.claim(Token{1}), nullptr) << "it has not begun";
  ASSERT_TRUE(pair.take(0));
  EXPECT_EQ(pair.link.claim(Token{2}), nullptr);
  ASSERT_NE(pair.link.claim(Token{1}), nullptr);
  Place taken = Place::taken;
  EXPECT_FALSE(pair.at(0).place.compare_exchange_strong(taken, Place::done));
  pair.link.release();
  taken = Place::taken;
  EXPECT_TRUE(pair.at(0).place.compare_exchange_strong(taken, Place::done));
  EXPECT_EQ(pair.link.claim(Token{1}), nullptr) << "it is over";
}

TEST(PreforkRing, ADeadChildIsChargedWithWhatItHadTakenAndNothingElse) {
  Pair pair;
  for (std::uint64_t i = 1; i <= 4; ++i) ASSERT_TRUE(pair.link.push(some_start(i), t0));
  ASSERT_TRUE(pair.take(0));
  pair.answer(0, some_end(1));
  ASSERT_TRUE(pair.take(1));
  ASSERT_TRUE(pair.collect());
  std::vector<ChildLink::Item> begun;
  std::vector<Start> ready;
  pair.link.bury(begun, ready);
  ASSERT_EQ(begun.size(), 1u);
  EXPECT_EQ(begun[0].start.token, Token{2});
  ASSERT_EQ(ready.size(), 2u);
  EXPECT_EQ(ready[0].token, Token{3});
  EXPECT_EQ(pair.link.live(), 0u);
}

TEST(PreforkRing, GoesRoundWithoutEnd) {
  Pair pair;
  const std::string body(10'000, 'b');
  std::uint64_t pushed = 0;
  std::uint64_t answered = 0;
  while (answered < 5'000) {
    while (pair.link.push(some_start(pushed + 1, body), t0)) ++pushed;
    ASSERT_GT(pushed, answered);
    for (int i = 0; i < 60 && answered < pushed; ++i) {
      ASSERT_TRUE(pair.take(answered));
      ASSERT_EQ(pair.read(answered).token, Token{answered + 1});
      ASSERT_EQ(pair.read(answered).body, body);
      pair.answer(answered, some_end(answered + 1));
      ++answered;
    }
    ASSERT_TRUE(pair.collect());
  }
}

TEST(PreforkRing, WhatAChildSaysOutOfTurnIsDamage) {
  {
    Pair pair;
    ASSERT_TRUE(pair.link.push(some_start(1), t0));
    pair.replies.write(pack_ended(some_end(9)), [] {});
    EXPECT_FALSE(pair.collect()) << "the end of a task that it does not have";
  }
  {
    Pair pair;
    ASSERT_TRUE(pair.link.push(some_start(1), t0));
    pair.child->head.store(1);
    EXPECT_FALSE(pair.collect()) << "a task behind it that it has not answered";
  }
  {
    Pair pair;
    pair.child->head.store(1'000);
    EXPECT_FALSE(pair.collect()) << "more behind it than it was given";
  }
  {
    Pair pair;
    pair.child->written.store(reply_bytes * 2);
    EXPECT_FALSE(pair.collect()) << "more bytes than there is room for";
  }
  {
    Pair pair;
    pair.replies.write("rubbish", [] {});
    EXPECT_FALSE(pair.collect());
  }
}

TEST(PreforkRing, TheBeginThatAChildTellsIsBelievedWithinReason) {
  Pair pair;
  ASSERT_TRUE(pair.link.push(some_start(1), t0));
  ASSERT_TRUE(pair.take(0));
  const ChildLink::Item* const item = pair.link.running();
  ASSERT_NE(item, nullptr);
  const auto began = [&](MonoTime said) {
    pair.at(0).began_us.store(micros(said));
    return pair.link.began(*item, t0 + Micros{100});
  };
  EXPECT_EQ(began(t0 + Micros{50}), t0 + Micros{50});
  EXPECT_EQ(began(t0 - Micros{1}), t0);
  EXPECT_EQ(began(t0 + Micros{101}), t0);
}

TEST(PreforkArena, GivesOutWhatIsFreeAndNothingElse) {
  Arena arena;
  constexpr std::uint32_t half = arena_bytes / 2;
  EXPECT_EQ(arena.take(half), 0u);
  EXPECT_EQ(arena.take(half), half);
  EXPECT_FALSE(arena.take(1).has_value());
  arena.give_back();
  EXPECT_EQ(arena.take(half - 10), 0u);
  EXPECT_FALSE(arena.take(11).has_value());
  EXPECT_EQ(arena.take(10), half - 10);
  arena.give_back();
  arena.give_back();
  arena.give_back();
  EXPECT_EQ(arena.take(100), 0u) << "an empty one begins anew, so that small tasks touch few pages";
}

}  // namespace
}  // namespace baozi::worker::prefork
