#include "worker/delivery_table.hpp"

#include <set>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "worker/number_index.hpp"
#include "worker_bench.hpp"

namespace baozi::worker {
namespace {

TEST(NumberIndex, TellsWhatItHoldsFromWhatItDoesNot) {
  NumberIndex index;
  EXPECT_TRUE(index.insert(5));
  EXPECT_FALSE(index.insert(5));
  index.erase(5);
  index.erase(6);
  EXPECT_TRUE(index.insert(5));
}

TEST(NumberIndex, AgreesWithASetWhateverTheOrder) {
  NumberIndex index;
  std::set<std::uint64_t> model;
  Random random{3};
  for (int step = 0; step < 200'000; ++step) {
    const std::uint64_t number = 1 + random.below(3'000);
    if (random.chance(0.5)) {
      ASSERT_EQ(index.insert(number), model.insert(number).second);
    } else {
      index.erase(number);
      model.erase(number);
    }
    ASSERT_EQ(index.size(), model.size());
  }
}

TEST(DeliveryTable, ATokenIsWorthNothingOnceItsDeliveryHasGone) {
  DeliveryTable table;
  const Slot slot = table.add();
  const Token token = table.token_of(slot);
  ASSERT_NE(table.find(token), nullptr);
  table.remove(slot);
  EXPECT_EQ(table.find(token), nullptr);
  EXPECT_EQ(table.add(), slot);  // the slot is used again
  EXPECT_EQ(table.find(token), nullptr);
  EXPECT_EQ(table.find(Token{12'345}), nullptr);
}

TEST(DeliveryTable, EntriesDoNotMoveWhenItGrows) {
  DeliveryTable table;
  Held* const first = &table[table.add()];
  for (int i = 0; i < 1'000; ++i) static_cast<void>(table.add());
  EXPECT_EQ(first, &table[0]);
  EXPECT_EQ(table.size(), 1'001u);
}

TEST(DeliveryTable, PartsOfATaskAreFoundInItsBytes) {
  Bytes bytes;
  Writer out{bytes};
  wire::pack_task(out, {false, "my id"}, "some.name", "queue",
                  flag_option(wire::Option::acks_early), "the body");
  Held held;
  held.take_task(*wire::decode_task(bytes));
  bytes.assign(bytes.size(), 'x');  // the frame has gone
  EXPECT_EQ(held.id().bytes, "my id");
  EXPECT_FALSE(held.id().uuid);
  EXPECT_EQ(held.name(), "some.name");
  EXPECT_EQ(held.queue(), "queue");
  EXPECT_EQ(held.body(), "the body");
  EXPECT_TRUE(has_option(held.raw_options(), 19));
}

TEST(DeliveryTable, ALargeTaskThatEndedKeepsOnlyItsIdAndName) {
  const Bytes bytes = task_bytes(1, "some.name", {}, Bytes(100'000, 'b'));
  Held held;
  held.take_task(*wire::decode_task(bytes));
  held.shed_body();
  EXPECT_LT(held.task.capacity(), 200u);
  EXPECT_EQ(held.id().bytes, uuid(1).view());
  EXPECT_EQ(held.name(), "some.name");
  EXPECT_TRUE(held.body().empty());
}

TEST(Policies, AreReadFromATasksOptions) {
  const auto policy = retry_policy_in(retry_option(3, 1'000, 200, 5'000));
  ASSERT_TRUE(policy.has_value());
  EXPECT_EQ(policy->max_retries, 3);
  EXPECT_EQ(policy->delay(1), Micros{1'200});
  EXPECT_FALSE(retry_policy_in({}).has_value());
  EXPECT_FALSE(retry_policy_in(flag_option(wire::Option::retry_policy)).has_value());
  EXPECT_FALSE(retry_policy_in(flag_option(wire::Option::ignore_result)).has_value());
}

}  // namespace
}  // namespace baozi::worker
