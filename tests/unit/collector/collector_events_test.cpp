// EVENTS to EVENTS_OK, FOLLOW to FOLLOWED.
#include <gtest/gtest.h>

#include "collector_fixture.hpp"

namespace baozi::collector::test {
namespace {

using wire::EventType;

class CollectorEventsTest : public CollectorTest {
 protected:
  void tell(Peer& worker, std::uint64_t first, std::size_t count,
            EventType type = EventType::task_started, std::string_view name = "f",
            std::uint64_t lost = 0) {
    Bytes packed;
    Writer out{packed};
    for (std::size_t i = 0; i < count; ++i) {
      wire::pack_event(out, type, static_cast<std::int64_t>(first + i), nullptr, name);
      out.map(0);
    }
    core_->on_frame(worker.key,
                    worker.link.frame(wire::PackedEvents{first, lost, count, packed}, now_), now_,
                    out_);
    turn();
  }
  void follow(Peer& peer, std::uint64_t request, std::optional<std::uint64_t> from,
              std::vector<EventType> types = {}, std::vector<std::string_view> names = {},
              std::uint64_t count = 100) {
    wire::Follow message;
    message.request = request;
    message.from = from;
    message.count_max = count;
    message.bytes_max = 1'000'000;
    message.types = std::move(types);
    message.names = std::move(names);
    say(peer, message);
  }
  static std::vector<wire::Followed> followed(const Peer& peer) {
    return of<wire::Followed>(peer, wire::Type::followed);
  }
  static std::vector<std::uint64_t> offsets(const wire::Followed& answer) {
    std::vector<std::uint64_t> all;
    for (const auto& group : answer.groups) {
      for (const auto& entry : group.entries) all.push_back(entry.offset);
    }
    return all;
  }
  static constexpr std::uint64_t begun = 1'700'000'000'000'000;  // the wall clock at the start
};

TEST_F(CollectorEventsTest, EventsAreTakenOnceAndAnswered) {
  start();
  Peer& worker = connect(wire::Role::worker, "w");
  tell(worker, 1, 5);
  tell(worker, 1, 5);
  tell(worker, 6, 5);
  const auto answers = of<wire::EventsOk>(worker, wire::Type::events_ok);
  ASSERT_EQ(answers.size(), 3U);
  EXPECT_EQ(answers[1].upto, 5U);
  EXPECT_EQ(answers[2].upto, 10U);
  EXPECT_EQ(core_->counters().events, 10U);
}

TEST_F(CollectorEventsTest, AFollowerReadsFromTheOldestAndGoesOnWhereItWas) {
  start();
  Peer& worker = connect(wire::Role::worker, "w");
  Peer& reader = connect(wire::Role::admin, "top");
  tell(worker, 1, 5);
  follow(reader, 1, 0, {}, {}, 3);
  ASSERT_EQ(followed(reader).size(), 1U);
  EXPECT_EQ(offsets(followed(reader)[0]),
            (std::vector<std::uint64_t>{begun, begun + 1, begun + 2}));
  EXPECT_EQ(followed(reader)[0].next, begun + 3);
  EXPECT_EQ(followed(reader)[0].groups[0].node, "w");
  follow(reader, 2, begun + 3);
  EXPECT_EQ(offsets(followed(reader)[1]), (std::vector<std::uint64_t>{begun + 3, begun + 4}));
  follow(reader, 3, begun + 5);  // nothing yet: it waits
  turn();
  EXPECT_EQ(followed(reader).size(), 2U);
  tell(worker, 6, 1);
  ASSERT_EQ(followed(reader).size(), 3U);
  EXPECT_EQ(followed(reader)[2].request, 3U);
  EXPECT_EQ(offsets(followed(reader)[2]), (std::vector<std::uint64_t>{begun + 5}));
  tell(worker, 7, 1);  // nobody asked for more
  EXPECT_EQ(followed(reader).size(), 3U);
}

TEST_F(CollectorEventsTest, FromNowOnSaysAtOnceWhereThatIs) {
  start();
  Peer& worker = connect(wire::Role::worker, "w");
  Peer& reader = connect(wire::Role::admin, "top");
  tell(worker, 1, 5);
  follow(reader, 1, std::nullopt);
  ASSERT_EQ(followed(reader).size(), 1U);
  EXPECT_EQ(followed(reader)[0].next, begun + 5);
  EXPECT_TRUE(followed(reader)[0].groups.empty());
}

TEST_F(CollectorEventsTest, WhoComesTooLateIsToldHowManyAreGone) {
  options_.events.events_max = 20;
  start();
  Peer& worker = connect(wire::Role::worker, "w");
  Peer& reader = connect(wire::Role::admin, "top");
  tell(worker, 1, 100);
  follow(reader, 1, begun + 10);
  ASSERT_EQ(followed(reader).size(), 1U);
  const wire::Followed answer = followed(reader)[0];
  EXPECT_EQ(begun + 10 + answer.lost, offsets(answer).front());
  EXPECT_GE(answer.lost, 70U);
  EXPECT_EQ(answer.next, begun + 100);
  EXPECT_EQ(answer.flags, 0U);
}

TEST_F(CollectorEventsTest, AnOffsetOfAnotherHistoryIsAnsweredAnew) {
  start();
  Peer& worker = connect(wire::Role::worker, "w");
  Peer& reader = connect(wire::Role::admin, "top");
  tell(worker, 1, 2);
  follow(reader, 1, begun - 1);
  follow(reader, 2, begun + 3);
  ASSERT_EQ(followed(reader).size(), 2U);
  for (const wire::Followed& answer : followed(reader)) {
    EXPECT_EQ(answer.flags, wire::flag::followed_anew);
    EXPECT_EQ(offsets(answer), (std::vector<std::uint64_t>{begun, begun + 1}));
    EXPECT_EQ(answer.lost, 0U);
  }
}

TEST_F(CollectorEventsTest, WhatANodeDroppedIsAnEventOfItsOwn) {
  start();
  Peer& worker = connect(wire::Role::worker, "w");
  Peer& reader = connect(wire::Role::admin, "top");
  tell(worker, 1, 2);
  tell(worker, 23, 1, EventType::task_started, "f", 20);
  follow(reader, 1, 0, {EventType::events_lost});
  ASSERT_EQ(followed(reader).size(), 1U);
  ASSERT_EQ(offsets(followed(reader)[0]), (std::vector<std::uint64_t>{begun + 2}));
  Reader fields{followed(reader)[0].groups[0].entries[0].event.fields};
  EXPECT_EQ(fields.map(), 1U);
  EXPECT_EQ(fields.str(), "count");
  EXPECT_EQ(fields.uinteger(), 20U);
}

TEST_F(CollectorEventsTest, AFilterIsTheCollectorsWorkAndWaitsForWhatItWants) {
  start();
  Peer& worker = connect(wire::Role::worker, "w");
  Peer& reader = connect(wire::Role::admin, "top");
  follow(reader, 1, 0, {EventType::task_failed}, {"c.*"});
  tell(worker, 1, 3, EventType::task_failed, "d.x");
  tell(worker, 4, 3, EventType::task_started, "c.x");
  EXPECT_TRUE(followed(reader).empty());
  tell(worker, 7, 1, EventType::task_failed, "c.x");
  ASSERT_EQ(followed(reader).size(), 1U);
  EXPECT_EQ(offsets(followed(reader)[0]), (std::vector<std::uint64_t>{begun + 6}));
}

TEST_F(CollectorEventsTest, ASessionHasOnlySoManyQuestionsOpenAndTheyEndWithIt) {
  start();
  Peer& worker = connect(wire::Role::worker, "w");
  Peer& reader = connect(wire::Role::admin, "top");
  for (std::uint64_t request = 1; request <= 8; ++request) follow(reader, request, 0);
  follow(reader, 8, 0);  // in the place of its namesake
  EXPECT_TRUE(of<wire::Reply>(reader, wire::Type::reply).empty());
  follow(reader, 9, 0);
  const auto replies = of<wire::Reply>(reader, wire::Type::reply);
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(replies[0].request, 9U);
  EXPECT_EQ(replies[0].code, static_cast<std::uint64_t>(wire::ErrorCode::overloaded));
  say(reader, wire::Goodbye{});
  tell(worker, 1, 1);
  EXPECT_TRUE(followed(reader).empty());
}

}  // namespace
}  // namespace baozi::collector::test
