// Streams of events: one piece at a time from each collector, gone on with after a lost session.
#include "client/event_reader.hpp"
#include "producer_bench.hpp"

namespace baozi::client {
namespace {

class FollowTest : public ProducerBench {
 protected:
  static constexpr Tag tag{7};

  void follow(EventWish wish) {
    core->follows().follow(tag, std::move(wish));
    turn();
  }
  void more(const std::string& name = "c1") {
    core->follows().more(tag, name);
    turn();
  }
  /// The FOLLOW frames that came there since the last look.
  std::vector<wire::Follow> asked(actor::LinkId link) {
    std::vector<wire::Follow> all;
    for (Bytes& bytes : peers[link].other) {
      kept.push_back(std::move(bytes));
      const auto frame = wire::open_frame(kept.back());
      if (frame->header.type != wire::Type::follow) continue;
      EXPECT_TRUE(wire::decode(*frame, all.emplace_back()));
    }
    peers[link].other.clear();
    return all;
  }
  void answer(actor::LinkId link, std::uint64_t request, std::uint64_t offset, int count,
              std::uint64_t lost = 0) {
    std::deque<Bytes> raw;
    wire::Followed message;
    message.request = request;
    message.next = offset + static_cast<std::uint64_t>(count);
    message.lost = lost;
    wire::FollowedGroup& group = message.groups.emplace_back();
    group.node = "w1";
    for (int i = 0; i < count; ++i) {
      Writer packed{raw.emplace_back()};
      const TaskId id = id_of_tag(1);
      const wire::IdView view = wire::view_of(id);
      wire::pack_event(packed, wire::EventType::task_started, 42, &view, "f");
      packed.map(0);
      wire::FollowedEntry& entry = group.entries.emplace_back();
      entry.offset = offset + static_cast<std::uint64_t>(i);
      entry.event.raw = raw.back();
    }
    tell(link, message);
    turn();
  }
  std::deque<Bytes> kept;
};

TEST_F(FollowTest, TheNextPieceIsAskedForWhenTheLastWasTaken) {
  start();
  const actor::LinkId collector = open_with_collector();
  follow({.from = 0, .from_of = {}, .types = {wire::EventType::task_started}, .names = {"f"}});
  auto first = asked(collector);
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].from, 0U);
  EXPECT_EQ(first[0].types.size(), 1U);
  EXPECT_EQ(first[0].names.at(0), "f");
  answer(collector, first[0].request, 100, 3);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].collector, "c1");
  EXPECT_EQ(events[0].next, 103U);
  EXPECT_EQ(events[0].events.at(0).node, "w1");
  EXPECT_EQ(events[0].events.at(0).name, "f");
  EXPECT_EQ(events[0].events.at(0).time_us, 42);
  EXPECT_TRUE(asked(collector).empty());  // its reader is slow
  more();
  const auto second = asked(collector);
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0].from, 103U);
}

TEST_F(FollowTest, ALostSessionIsGoneOnWithInTheNext) {
  start();
  const actor::LinkId collector = open_with_collector();
  follow({});
  auto first = asked(collector);
  ASSERT_EQ(first.size(), 1U);
  EXPECT_FALSE(first[0].from.has_value());
  answer(collector, first[0].request, 100, 0);
  more();
  EXPECT_EQ(asked(collector).size(), 1U);
  disconnect(collector);
  open(collector);
  turn();
  const auto again = asked(collector);
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].from, 100U);
}

TEST_F(FollowTest, AnAnswerToAnOldQuestionIsNotTakenTwice) {
  start();
  const actor::LinkId collector = open_with_collector();
  follow({.from = 0});
  const auto first = asked(collector);
  answer(collector, first.at(0).request, 100, 1);
  answer(collector, first.at(0).request, 100, 1);
  EXPECT_EQ(events.size(), 1U);
}

TEST_F(FollowTest, EachCollectorHasItsOwnPlace) {
  start();
  const actor::LinkId collector = open_with_collector();
  follow({.from = 0, .from_of = {{"c1", 500}, {"c2", 900}}, .types = {}, .names = {}});
  const auto first = asked(collector);
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].from, 500U);
}

TEST_F(FollowTest, AStreamThatEndedAsksNoMore) {
  start();
  const actor::LinkId collector = open_with_collector();
  follow({.from = 0});
  const auto first = asked(collector);
  core->follows().end(tag);
  answer(collector, first.at(0).request, 100, 1);
  EXPECT_TRUE(events.empty());
  EXPECT_TRUE(asked(collector).empty());
}

TEST(EventWishTest, ReadsWherePeopleSayToStart) {
  EXPECT_FALSE(read_wish({.from = "now"}).from.has_value());
  EXPECT_EQ(read_wish({.from = "oldest"}).from, 0U);
  EXPECT_EQ(read_wish({.from = "123"}).from, 123U);
  const EventWish two = read_wish({.from = "c1@host:5,app@host:4711:9"});
  EXPECT_EQ(two.from_of.at("c1@host"), 5U);
  EXPECT_EQ(two.from_of.at("app@host:4711"), 9U);
  for (const char* wrong : {"", "yesterday", "c1:", "c1:x", "5x", "-1"}) {
    EXPECT_THROW(static_cast<void>(read_wish({.from = wrong})), std::invalid_argument) << wrong;
  }
}

TEST(EventWishTest, ReadsTypesAndFamiliesOfThem) {
  EXPECT_EQ(read_wish({.types = {"task-failed"}}).types, std::vector{wire::EventType::task_failed});
  EXPECT_EQ(read_wish({.types = {"worker-*"}}).types.size(), 3U);
  EXPECT_EQ(read_wish({.types = {"task-*"}}).types.size(), 8U);
  EXPECT_THROW(static_cast<void>(read_wish({.types = {"task-exploded"}})), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(read_wish({.types = {"x*"}})), std::invalid_argument);
}

}  // namespace
}  // namespace baozi::client
