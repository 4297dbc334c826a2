#include "base/result.hpp"

#include <memory>
#include <string_view>

#include <gtest/gtest.h>

namespace baozi {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return unexpected(Errc::invalid, "odd");
  return value / 2;
}

TEST(Result, HoldsAValueOrAnError) {
  const auto good = half(4);
  ASSERT_TRUE(good.has_value());
  EXPECT_EQ(*good, 2);

  const auto bad = half(3);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, Errc::invalid);
  EXPECT_EQ(bad.error().message, "odd");
}

TEST(Result, MovesAValueThatCannotBeCopied) {
  Result<std::unique_ptr<int>> result{std::make_unique<int>(7)};
  const std::unique_ptr<int> taken = std::move(*result);
  EXPECT_EQ(*taken, 7);
}

TEST(Result, OfVoidSaysOnlyWhetherItWorked) {
  EXPECT_TRUE(Result<void>{}.has_value());
  const Result<void> bad = unexpected(Errc::store_full, "no space");
  EXPECT_FALSE(bad);
  EXPECT_EQ(bad.error().code, Errc::store_full);
}

TEST(Errc, HasANameForEveryCode) {
  for (int code = 0; code <= static_cast<int>(Errc::invalid); ++code) {
    EXPECT_NE(std::string_view{to_string(static_cast<Errc>(code))}, "unknown") << code;
  }
}

}  // namespace
}  // namespace baozi
