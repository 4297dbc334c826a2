#include "base/nearest.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace baozi::base {
namespace {

const std::vector<std::string> known{"listen", "loglevel", "logfile", "store", "liveness"};

TEST(EditDistance, CountsEachKindOfSlipAsOne) {
  EXPECT_EQ(edit_distance("listen", "listen"), 0u);
  EXPECT_EQ(edit_distance("lisen", "listen"), 1u);    // dropped
  EXPECT_EQ(edit_distance("lissten", "listen"), 1u);  // doubled
  EXPECT_EQ(edit_distance("lizten", "listen"), 1u);   // changed
  EXPECT_EQ(edit_distance("listne", "listen"), 1u);   // swapped
  EXPECT_EQ(edit_distance("", "listen"), 6u);
  EXPECT_EQ(edit_distance("listen", ""), 6u);
}

TEST(Nearest, FindsTheNameThatWasMeant) {
  EXPECT_EQ(nearest("listne", known), "listen");
  EXPECT_EQ(nearest("log-level", known), "loglevel");
  EXPECT_EQ(nearest("stroe", known), "store");
}

TEST(Nearest, SaysNothingWhenNothingIsNear) {
  EXPECT_EQ(nearest("concurrency", known), "");
  EXPECT_EQ(nearest("", known), "");
  EXPECT_EQ(nearest(std::string(10'000, 'x'), known), "");
}

}  // namespace
}  // namespace baozi::base
