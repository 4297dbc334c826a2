// What a worker and its coroutine child say to each other, without processes: both ends are in this
// test.
#include "worker/prefork/coroutine_link.hpp"

#include <cerrno>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <baozi/codec.hpp>

#include "base/system_clock.hpp"
#include "worker/prefork/messages.hpp"

namespace baozi::worker::prefork {
namespace {

Start some_start(std::uint64_t token, BytesView body = "\x92\x90\x80") {
  Start start;
  start.token = Token{token};
  start.id = {true, "0123456789abcdef"};
  start.name = "co.nap";
  start.body = body;
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
  Pair() {
    const int memory = make_memory_file(sizeof(CoroutineSegment));
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    link = std::make_unique<CoroutineLink>(memory, ends[0]);
    child = SharedMemory<CoroutineSegment>{memory};
    socket = ends[1];
    close(memory);
  }
  ~Pair() { hang_up(); }
  void hang_up() {
    if (socket >= 0) close(std::exchange(socket, -1));
  }

  bool push(std::uint64_t token, BytesView body = "\x92\x90\x80") {
    return link->push(some_start(token, body), base::mono_now());
  }
  /// What the child has been told since, as "start 7 in 0".
  std::vector<std::string> heard() {
    link->flush();
    EXPECT_EQ(notes.read(socket, 64UL << 20U), NoteReader::Stream::open);
    std::vector<std::string> all;
    Note kind{};
    BytesView payload;
    while (notes.next(kind, payload) == NoteReader::Got::note) {
      const auto number = [&](Token token) {
        return std::to_string(static_cast<std::uint64_t>(token));
      };
      switch (kind) {
        case Note::start: {
          std::uint32_t place = 0;
          std::memcpy(&place, payload.data(), sizeof place);
          const Start start = read_start(payload.substr(sizeof place));
          places[start.token] = place;
          all.push_back("start " + number(start.token) + " in " + std::to_string(place));
          break;
        }
        case Note::recall: all.push_back("recall " + number(*token_in(payload))); break;
        case Note::interrupt: all.push_back("interrupt " + number(*token_in(payload))); break;
        case Note::leave: all.emplace_back("leave"); break;
        default: all.emplace_back("?");
      }
    }
    return all;
  }
  void say(BytesView bytes) const {
    EXPECT_EQ(::send(socket, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }
  void say(Note kind, BytesView payload = {}) const {
    Bytes out;
    append_note(out, kind, payload);
    say(out);
  }
  void say_end(std::uint64_t token) const { say(Note::ended, pack_ended(some_end(token))); }
  void begin(std::uint64_t token) {
    child->began_us[places.at(Token{token})].store(micros(base::mono_now()));
  }
  CoroutineLink::Said collect() {
    ended.clear();
    updates.clear();
    returned.clear();
    return link->collect({ended, updates, returned});
  }

  std::unique_ptr<CoroutineLink> link;
  SharedMemory<CoroutineSegment> child;
  int socket = -1;
  NoteReader notes;
  std::unordered_map<Token, std::uint32_t> places;
  std::vector<Ended> ended;
  std::vector<StateUpdate> updates;
  std::vector<Token> returned;
};

using Texts = std::vector<std::string>;
using Said = CoroutineLink::Said;

TEST(CoroutineLink, EndsComeInAnyOrderAndGiveTheirPlacesBack) {
  Pair pair;
  for (std::uint64_t token = 1; token <= 3; ++token) EXPECT_TRUE(pair.push(token));
  EXPECT_EQ(pair.heard(), (Texts{"start 1 in 0", "start 2 in 1", "start 3 in 2"}));
  pair.say_end(3);
  pair.say_end(1);
  EXPECT_EQ(pair.collect(), Said::sense);
  ASSERT_EQ(pair.ended.size(), 2u);
  EXPECT_EQ(pair.ended[0].token, Token{3});
  EXPECT_EQ(pair.ended[1].token, Token{1});
  EXPECT_EQ(pair.link->in_flight(), 1u);
  EXPECT_EQ(pair.link->answered(), 2u);
  EXPECT_TRUE(pair.push(4));
  EXPECT_EQ(pair.heard(), Texts{"start 4 in 0"});
  EXPECT_EQ(pair.child->began_us[0].load(), 0) << "the place says nothing of who had it before";
}

TEST(CoroutineLink, WhatComesInPiecesIsOne) {
  Pair pair;
  EXPECT_TRUE(pair.push(1));
  Bytes out;
  append_note(out, Note::up);
  append_note(out, Note::ended, pack_ended(some_end(1)));
  for (const char c : out) {
    EXPECT_TRUE(pair.ended.empty());
    pair.say(BytesView{&c, 1});
    EXPECT_EQ(pair.collect(), Said::sense);
  }
  EXPECT_TRUE(pair.link->is_up());
  EXPECT_EQ(pair.ended.size(), 1u);
}

TEST(CoroutineLink, HoldsBackWhatItsSocketDoesNotTake) {
  Pair pair;
  const std::string large(100'000, 'x');
  std::uint64_t token = 0;
  while (pair.push(token + 1, large)) {
    ++token;
    pair.link->flush();
    ASSERT_LT(token, 1'000u);
  }
  EXPECT_TRUE(pair.link->has_unwritten());
  std::size_t heard = 0;
  for (int i = 0; i < 100 && heard < token; ++i) heard += pair.heard().size();
  EXPECT_EQ(heard, token);
  EXPECT_FALSE(pair.link->has_unwritten());
  EXPECT_TRUE(pair.push(token + 1, large));
}

TEST(CoroutineLink, NoMoreThanThereArePlaces) {
  Pair pair;
  for (std::uint64_t token = 1; token <= coroutine_places; ++token) {
    ASSERT_TRUE(pair.push(token));
    if (token % 1'000 == 0) pair.heard();
  }
  pair.heard();
  EXPECT_FALSE(pair.push(1'000'000));
  pair.say_end(77);
  EXPECT_EQ(pair.collect(), Said::sense);
  EXPECT_TRUE(pair.push(1'000'000));
}

TEST(CoroutineLink, WhatIsAskedBackComesBackOrNot) {
  Pair pair;
  pair.push(1);
  pair.push(2);
  pair.link->ask_back(Token{1}, false);
  pair.link->ask_back(Token{2}, true);
  pair.link->ask_to_leave();
  EXPECT_EQ(pair.heard(),
            (Texts{"start 1 in 0", "start 2 in 1", "recall 1", "interrupt 2", "leave"}));
  Bytes out;
  append_note(out, Note::returned, Token{1});
  pair.say(out);
  EXPECT_EQ(pair.collect(), Said::sense);
  EXPECT_EQ(pair.returned, std::vector<Token>{Token{1}});
  EXPECT_EQ(pair.link->in_flight(), 1u);
  EXPECT_EQ(pair.link->answered(), 0u);
}

TEST(CoroutineLink, AnUpdateOfOneThatHasEndedIsNoNews) {
  Pair pair;
  pair.push(1);
  Bytes update;
  pack_update(Token{1}, "PROGRESS", pack(1), update);
  pair.say(Note::update, update);
  pair.say_end(1);
  pair.say(Note::update, update);
  EXPECT_EQ(pair.collect(), Said::sense);
  EXPECT_EQ(pair.updates.size(), 1u);
  EXPECT_EQ(pair.ended.size(), 1u);
}

TEST(CoroutineLink, NothingThatMakesNoSenseIsBelieved) {
  const auto said = [](auto say) {
    Pair pair;
    pair.push(1);
    say(pair);
    return pair.collect();
  };
  EXPECT_EQ(said([](Pair& p) { p.say_end(2); }), Said::nonsense) << "it has no such task";
  EXPECT_EQ(said([](Pair& p) { p.say_end(1), p.say_end(1); }), Said::nonsense) << "twice";
  EXPECT_EQ(said([](Pair& p) { p.say(Note::ended, "x"); }), Said::nonsense);
  EXPECT_EQ(said([](Pair& p) { p.say(Note::update, "x"); }), Said::nonsense);
  EXPECT_EQ(said([](Pair& p) { p.say(Note::returned, "1234567"); }), Said::nonsense);
  EXPECT_EQ(said([](Pair& p) { p.say(Note::leave); }), Said::nonsense) << "that is the worker's";
  EXPECT_EQ(said([](Pair& p) { p.say(BytesView{"\0\0\0\0\x63", 5}); }), Said::nonsense) << "kind";
  EXPECT_EQ(said([](Pair& p) { p.say("\xff\xff\xff\xff\x05"); }), Said::nonsense) << "size";
  EXPECT_EQ(said([](Pair& p) { p.hang_up(); }), Said::goodbye);
  EXPECT_EQ(said([](Pair& p) {
              p.say_end(1);
              p.hang_up();
            }),
            Said::goodbye);
}

TEST(CoroutineLink, KnowsWhoBeganAndBelievesNoTimeThatCannotBe) {
  Pair pair;
  pair.push(1);
  pair.heard();
  const MonoTime now = base::mono_now();
  CoroutineLink::Item one;
  pair.link->for_each([&](const CoroutineLink::Item& item) { one = item; });
  EXPECT_FALSE(pair.link->began(one, now));
  pair.child->began_us[0].store(micros(one.pushed) + 5);
  EXPECT_EQ(pair.link->began(one, one.pushed + Micros{10}), one.pushed + Micros{5});
  pair.child->began_us[0].store(1);
  EXPECT_EQ(pair.link->began(one, now), one.pushed);
  pair.child->began_us[0].store(micros(now + Micros{3'600'000'000}));
  EXPECT_EQ(pair.link->began(one, now), one.pushed);
}

TEST(CoroutineLink, WhatADeadChildLeavesIsTheOneThatRanThoseThatHadBegunAndTheRest) {
  Pair pair;
  for (std::uint64_t token = 1; token <= 5; ++token) pair.push(token);
  pair.heard();
  for (const std::uint64_t token : {1U, 3U, 4U}) pair.begin(token);
  pair.child->step.begin(Token{3}, base::mono_now());
  const auto left = pair.link->bury(base::mono_now());
  ASSERT_TRUE(left.culprit);
  EXPECT_EQ(left.culprit->start.token, Token{3});
  ASSERT_EQ(left.begun.size(), 2u);
  EXPECT_EQ(left.begun[0].start.token, Token{1});
  EXPECT_EQ(left.begun[1].start.token, Token{4});
  ASSERT_EQ(left.waiting.size(), 2u);
  EXPECT_EQ(left.waiting[0].token, Token{2});
  EXPECT_EQ(left.waiting[1].token, Token{5});
  EXPECT_EQ(pair.link->in_flight(), 0u);
}

TEST(CoroutineLink, WhereNobodyRanOrOneThatItNeverHadThereIsNoCulprit) {
  for (const bool scribbled : {false, true}) {
    Pair pair;
    pair.push(1);
    pair.heard();
    pair.begin(1);
    pair.child->step.begin(scribbled ? Token{0x5A5A5A5A} : Token{1}, base::mono_now());
    if (!scribbled) pair.child->step.end();
    const auto left = pair.link->bury(base::mono_now());
    EXPECT_FALSE(left.culprit);
    EXPECT_EQ(left.begun.size(), 1u);
  }
}

TEST(CoroutineLink, TheLateEndOfOneThatWasTakenIsIgnored) {
  Pair pair;
  pair.push(1);
  pair.push(2);
  EXPECT_EQ(pair.link->take(Token{1}).start.token, Token{1});
  pair.say_end(1);
  pair.say_end(2);
  EXPECT_EQ(pair.collect(), Said::sense);
  ASSERT_EQ(pair.ended.size(), 1u);
  EXPECT_EQ(pair.ended[0].token, Token{2});
}

}  // namespace
}  // namespace baozi::worker::prefork
