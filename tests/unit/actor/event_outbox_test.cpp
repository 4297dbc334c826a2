// Events on their way out: batches, numbers, answers, and what happens while nobody takes them.
#include "actor/event_outbox.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace baozi::actor {
namespace {

using namespace std::chrono_literals;

struct Sent {
  std::uint64_t first;
  std::uint64_t lost;
  std::size_t count;
};

class EventOutboxTest : public testing::Test {
 protected:
  void tell(int events, std::size_t bytes = 0) {
    for (int i = 0; i < events; ++i) {
      outbox_.add(wire::EventType::task_started, nullptr, "f", [&](Writer& out) {
        out.map(1);
        out.str("x");
        out.str(std::string(bytes, 'x'));
      });
    }
  }
  void at(Micros time) {
    outbox_.at({mono_time(0) + time, wall_time(1'700'000'000'000'000) + time});
  }
  std::vector<Sent> flush(bool all = false) {
    std::vector<Sent> sent;
    outbox_.flush(all, [&](const wire::PackedEvents& message) {
      sent.push_back({message.first, message.lost, message.count});
      const Bytes frame = wire::encode(1, 1, message);
      wire::Events back;
      const auto open = wire::open_frame(frame);
      EXPECT_TRUE(open && wire::decode(*open, back));
      EXPECT_EQ(back.events.size(), message.count);
    });
    return sent;
  }

  EventOutbox outbox_{{.events_max = 100,
                       .bytes_max = 100'000,
                       .batch_events = 10,
                       .batch_bytes = 4'096,
                       .frames_max = 3,
                       .delay = 50ms}};
};

TEST_F(EventOutboxTest, AnEventWaitsForCompanyAndThenLeavesWithIt) {
  at(0ms);
  EXPECT_EQ(outbox_.next_deadline(), std::nullopt);
  tell(1);
  EXPECT_EQ(outbox_.next_deadline(), mono_time(50'000));
  at(49ms);
  tell(2);
  EXPECT_TRUE(flush().empty());
  at(50ms);
  const auto sent = flush();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].first, 1U);
  EXPECT_EQ(sent[0].count, 3U);
  EXPECT_EQ(outbox_.next_deadline(), std::nullopt);  // the answer is what comes next
}

TEST_F(EventOutboxTest, AFullBatchDoesNotWait) {
  at(0ms);
  tell(25);
  const auto sent = flush();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[1].first, 11U);
  EXPECT_EQ(flush(true).size(), 1U);
}

TEST_F(EventOutboxTest, BytesFillABatchToo) {
  at(0ms);
  tell(3, 2'000);
  const auto sent = flush();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].count, 3U);
}

TEST_F(EventOutboxTest, ASlowCollectorGetsOnlySoManyFramesBeforeItAnswers) {
  at(0ms);
  tell(50);
  EXPECT_EQ(flush().size(), 3U);
  EXPECT_TRUE(flush().empty());
  EXPECT_EQ(outbox_.next_deadline(), std::nullopt);
  EXPECT_TRUE(outbox_.on_ok(20));
  EXPECT_EQ(outbox_.events(), 30U);
  EXPECT_EQ(flush().size(), 2U);
}

TEST_F(EventOutboxTest, WhatIsUnansweredIsSentAgainInTheNextSession) {
  at(0ms);
  tell(20);
  EXPECT_EQ(flush().size(), 2U);
  EXPECT_TRUE(outbox_.on_ok(10));
  outbox_.restart();
  const auto again = flush();
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].first, 11U);
}

TEST_F(EventOutboxTest, WhileNobodyTakesThemTheOldestGoAndAreCounted) {
  at(0ms);
  tell(135);
  EXPECT_LE(outbox_.events(), 100U);
  EXPECT_EQ(outbox_.lost() + outbox_.events(), 135U);
  const auto sent = flush(true);
  ASSERT_FALSE(sent.empty());
  EXPECT_EQ(sent[0].lost, outbox_.lost());
  EXPECT_EQ(sent[0].first, outbox_.lost() + 1);
  std::size_t count = 0;
  for (const Sent& frame : sent) count += frame.count;
  EXPECT_EQ(count, outbox_.events());
  EXPECT_EQ(sent.back().lost, 0U);
}

TEST_F(EventOutboxTest, TheBytesAreBoundedLikewise) {
  at(0ms);
  tell(99, 3'000);
  EXPECT_GT(outbox_.lost(), 0U);
  EXPECT_EQ(outbox_.lost() + outbox_.events(), 99U);
  EXPECT_LE(outbox_.events() * 3'000, 110'000U);
}

TEST_F(EventOutboxTest, AnAnswerForWhatWasNeverToldIsRefused) {
  at(0ms);
  tell(5);
  EXPECT_EQ(flush(true).size(), 1U);
  EXPECT_FALSE(outbox_.on_ok(6));
  EXPECT_TRUE(outbox_.on_ok(5));
  EXPECT_TRUE(outbox_.empty());
  EXPECT_TRUE(outbox_.on_ok(5));  // an old answer says nothing new
}

TEST_F(EventOutboxTest, ADropOfWhatIsUnderWayDoesNotConfuseTheAnswers) {
  at(0ms);
  tell(30);
  EXPECT_EQ(flush().size(), 3U);
  tell(80);  // the first batch is dropped though it was sent
  EXPECT_EQ(outbox_.lost(), 10U);
  EXPECT_TRUE(outbox_.on_ok(10));
  EXPECT_EQ(outbox_.events(), 100U);
  EXPECT_TRUE(outbox_.on_ok(30));
  EXPECT_EQ(outbox_.events(), 80U);
  const auto sent = flush();
  ASSERT_EQ(sent.size(), 3U);
  EXPECT_EQ(sent[0].first, 31U);
  EXPECT_EQ(sent[0].lost, 0U);
}

}  // namespace
}  // namespace baozi::actor
