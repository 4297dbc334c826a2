#include "net/outbox.hpp"

#include <gtest/gtest.h>

namespace baozi::net {
namespace {

TEST(Outbox, GivesFramesBackInTheirOrder) {
  Outbox outbox;
  ASSERT_TRUE(outbox.push("one", {}));
  ASSERT_TRUE(outbox.push("two", {}));
  EXPECT_EQ(outbox.bytes(), 6u);
  EXPECT_EQ(outbox.take_front(), "one");
  outbox.put_back("one");  // refused by the network: it stays the first
  EXPECT_EQ(outbox.take_front(), "one");
  EXPECT_EQ(outbox.take_front(), "two");
  EXPECT_TRUE(outbox.empty());
  EXPECT_EQ(outbox.bytes(), 0u);
}

TEST(Outbox, RefusesAFrameThatWouldPassItsLimits) {
  Outbox by_count;
  const OutboxLimits two_frames{.frames_max = 2, .bytes_max = 100};
  EXPECT_TRUE(by_count.push("a", two_frames));
  EXPECT_TRUE(by_count.push("b", two_frames));
  Bytes third = "c";
  EXPECT_FALSE(by_count.push(std::move(third), two_frames));
  EXPECT_EQ(by_count.size(), 2u);

  Outbox by_bytes;
  const OutboxLimits ten_bytes{.frames_max = 100, .bytes_max = 10};
  EXPECT_TRUE(by_bytes.push(Bytes(10, 'x'), ten_bytes));
  EXPECT_FALSE(by_bytes.push("y", ten_bytes));
  EXPECT_EQ(by_bytes.bytes(), 10u);
}

}  // namespace
}  // namespace baozi::net
