// What the collector keeps of events, whose they are, and how a reader goes through them.
#include "collector/event_history.hpp"

#include <gtest/gtest.h>

#include "collector/event_publishers.hpp"
#include "wire/codec.hpp"

namespace baozi::collector {
namespace {

class EventHistoryTest : public testing::Test {
 protected:
  void add(std::string_view node, wire::EventType type, std::string_view name,
           std::size_t bytes = 0) {
    Bytes raw;
    Writer out{raw};
    wire::pack_event(out, type, 7, nullptr, name);
    out.map(bytes == 0 ? 0 : 1);
    if (bytes > 0) out.str("x"), out.str(std::string(bytes, 'x'));
    wire::EventView event;
    event.type = type;
    event.raw = raw;
    if (!name.empty()) event.name = BytesView{raw}.substr(raw.find(name), name.size());
    history_.add(node, event);
  }
  std::vector<std::uint64_t> offsets(std::uint64_t& from, const EventFilter& filter = {},
                                     std::size_t count = 100, std::size_t bytes = 1'000'000,
                                     std::size_t looked = 1'000'000) {
    std::vector<wire::FollowedGroup> groups;
    from = history_.read(from, filter, {count, bytes, looked}, groups);
    std::vector<std::uint64_t> all;
    for (const auto& group : groups) {
      for (const auto& entry : group.entries) all.push_back(entry.offset);
    }
    return all;
  }

  EventHistory history_{{.events_max = 40, .bytes_max = 1U << 20U}};
};

using Offsets = std::vector<std::uint64_t>;

TEST_F(EventHistoryTest, OffsetsGrowByOneFromWhereItBegan) {
  history_.begin(1'000);
  std::uint64_t from = 1'000;
  EXPECT_EQ(offsets(from), Offsets{});
  EXPECT_EQ(from, 1'000U);
  add("w1", wire::EventType::task_started, "f");
  add("w2", wire::EventType::task_started, "f");
  add("w1", wire::EventType::task_started, "f");
  EXPECT_EQ(offsets(from), (Offsets{1'000, 1'001, 1'002}));
  EXPECT_EQ(from, 1'003U);
  EXPECT_EQ(history_.next(), 1'003U);
}

TEST_F(EventHistoryTest, EventsOfOneNodeInARowAreOneGroup) {
  history_.begin(1);
  for (const char* node : {"w1", "w1", "w2", "w1"}) add(node, wire::EventType::task_started, "f");
  std::vector<wire::FollowedGroup> groups;
  history_.read(1, {}, {100, 10'000, 100}, groups);
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_EQ(groups[0].node, "w1");
  EXPECT_EQ(groups[0].entries.size(), 2U);
  EXPECT_EQ(groups[2].entries[0].offset, 4U);
}

TEST_F(EventHistoryTest, TheOldestMakeRoom) {
  history_.begin(1);
  for (int i = 0; i < 100; ++i) add("w", wire::EventType::task_started, "f");
  EXPECT_LE(history_.events(), 40U);
  EXPECT_GT(history_.events(), 30U);
  EXPECT_EQ(history_.next(), 101U);
  std::uint64_t from = history_.oldest();
  EXPECT_EQ(offsets(from).front(), history_.oldest());
}

TEST_F(EventHistoryTest, AndSoDoTheirBytes) {
  history_ = EventHistory{{.events_max = 10'000, .bytes_max = 100'000}};
  history_.begin(1);
  for (int i = 0; i < 100; ++i)
    add("w" + std::to_string(i % 3), wire::EventType::task_started, "f", 4'000);
  EXPECT_LE(history_.bytes(), 100'000U);
  EXPECT_GT(history_.events(), 15U);
  EXPECT_EQ(history_.next(), 101U);
}

TEST_F(EventHistoryTest, AFilterLeavesOutWhatIsNotWantedAndMovesOnAllTheSame) {
  history_.begin(1);
  add("w", wire::EventType::task_started, "c.add");
  add("w", wire::EventType::task_failed, "c.add");
  add("w", wire::EventType::task_failed, "c.addx");
  add("w", wire::EventType::worker_heartbeat, "");
  add("w", wire::EventType::events_lost, "");
  std::uint64_t from = 1;
  EXPECT_EQ(offsets(from, {.types = {wire::EventType::task_failed}, .names = {}}),
            (Offsets{2, 3, 5}));
  EXPECT_EQ(from, 6U);
  from = 1;
  EXPECT_EQ(offsets(from, {.types = {}, .names = {"c.add"}}), (Offsets{1, 2, 5}));
  from = 1;
  EXPECT_EQ(offsets(from, {.types = {}, .names = {"c.a*"}}), (Offsets{1, 2, 3, 5}));
  from = 1;
  EXPECT_EQ(offsets(from, {.types = {wire::EventType::task_failed}, .names = {"b", "c.addx"}}),
            (Offsets{3, 5}));
}

TEST_F(EventHistoryTest, APartEndsAtItsLimitsAndTheNextGoesOnThere) {
  history_.begin(1);
  for (int i = 0; i < 10; ++i) add("w", wire::EventType::task_started, "f", 100);
  std::uint64_t from = 1;
  EXPECT_EQ(offsets(from, {}, 3), (Offsets{1, 2, 3}));
  EXPECT_EQ(offsets(from, {}, 100, 250), (Offsets{4, 5}));
  EXPECT_EQ(offsets(from, {}, 100, 1), (Offsets{6}));  // one at least, whatever its size
  EXPECT_EQ(offsets(from, {.types = {wire::EventType::task_failed}, .names = {}}, 100, 1'000, 2),
            Offsets{});
  EXPECT_EQ(from, 9U);
}

TEST(EventPublishersTest, TakesEachEventOfANodeOnce) {
  EventPublishers nodes{100};
  auto taken = nodes.take("w", Incarnation{1}, 1, 0, 10);
  EXPECT_EQ(taken.skip, 0U);
  EXPECT_EQ(taken.upto, 10U);
  taken = nodes.take("w", Incarnation{1}, 1, 0, 10);  // again, its answer was lost
  EXPECT_EQ(taken.skip, 10U);
  EXPECT_EQ(taken.upto, 10U);
  taken = nodes.take("w", Incarnation{1}, 6, 0, 10);
  EXPECT_EQ(taken.skip, 5U);
  EXPECT_EQ(taken.upto, 15U);
  taken = nodes.take("w", Incarnation{2}, 1, 0, 3);  // it was started anew
  EXPECT_EQ(taken.skip, 0U);
  EXPECT_EQ(taken.upto, 3U);
}

TEST(EventPublishersTest, CountsWhatWasDroppedButNotWhatHadComeHereBefore) {
  EventPublishers nodes{100};
  static_cast<void>(nodes.take("w", Incarnation{1}, 1, 0, 10));
  auto taken =
      nodes.take("w", Incarnation{1}, 31, 30, 5);  // 1 to 30 were dropped, 1 to 10 had come
  EXPECT_EQ(taken.lost, 20U);
  EXPECT_EQ(taken.skip, 0U);
  taken = nodes.take("w", Incarnation{1}, 31, 30, 5);
  EXPECT_EQ(taken.lost, 0U);
  EXPECT_EQ(taken.skip, 5U);
  taken = nodes.take("stranger", Incarnation{1}, 100, 7,
                     1);  // what another collector had is none of ours
  EXPECT_EQ(taken.lost, 7U);
}

TEST(EventPublishersTest, ForgetsWhoToldNothingForLongest) {
  EventPublishers nodes{2};
  static_cast<void>(nodes.take("a", Incarnation{1}, 1, 0, 5));
  static_cast<void>(nodes.take("b", Incarnation{1}, 1, 0, 5));
  static_cast<void>(nodes.take("a", Incarnation{1}, 6, 0, 5));
  static_cast<void>(nodes.take("c", Incarnation{1}, 1, 0, 5));
  EXPECT_EQ(nodes.take("a", Incarnation{1}, 1, 0, 5).skip, 5U);  // known
  EXPECT_EQ(nodes.take("b", Incarnation{1}, 1, 0, 5).skip, 0U);  // forgotten
}

}  // namespace
}  // namespace baozi::collector
