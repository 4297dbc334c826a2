#include "client/send_terms.hpp"

#include <gtest/gtest.h>

#include "base/rendezvous.hpp"

namespace baozi::client {
namespace {

using base::key_hash;

TEST(HomeOfACall, AnyBrokerWillDoForOneWithoutKeys) {
  EXPECT_EQ(home_hash({}), 0u);
  EXPECT_EQ(home_hash({.task_id = "x"}), 0u);
}

TEST(HomeOfACall, IsThatOfItsFirstKey) {
  CallOptions options{.unique = Unique{.key = "u"}, .ordering_key = "o", .concurrency_key = "c"};
  EXPECT_EQ(home_hash(options), key_hash("o"));
  options.ordering_key.clear();
  EXPECT_EQ(home_hash(options), key_hash("u"));
  options.unique.reset();
  EXPECT_EQ(home_hash(options), key_hash("c"));
}

TEST(HomeOfACall, GoesBeforeEveryKeyWhenItIsNamed) {
  const CallOptions options{
      .unique = Unique{.key = "u"}, .ordering_key = "o", .concurrency_key = "c", .home = "h"};
  EXPECT_EQ(home_hash(options), key_hash("h"));
  EXPECT_EQ(home_hash({.home = "h"}), key_hash("h"));
}

TEST(HomeOfACall, AnIdThatCountsHasOneEvenInUpperCase) {
  const Instant t = Instant::from_micros(1);
  EXPECT_EQ(home_hash({.task_id = "x", .once_until = t}), key_hash("x"));
  EXPECT_EQ(home_hash({.task_id = "x", .ordering_key = "o", .once_until = t}), key_hash("o"));
  const std::string id = "01890a5d-ac96-774b-bcce-b302099a8057";
  EXPECT_EQ(home_hash({.task_id = "01890A5D-AC96-774B-BCCE-B302099A8057", .once_until = t}),
            key_hash(id));
  EXPECT_EQ(apart_hash({.task_id = "x", .once_until = t}), key_hash("x"));
  EXPECT_EQ(apart_hash({.task_id = "x"}), 0u);
}

}  // namespace
}  // namespace baozi::client
