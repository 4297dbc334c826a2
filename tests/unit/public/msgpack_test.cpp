// include/baozi/msgpack.hpp, and msgpack-c as the oracle of our own codec.
#include "baozi/msgpack.hpp"

#include <gtest/gtest.h>

namespace {

struct Point {
  int x = 0;
  std::vector<std::string> tags;
  MSGPACK_DEFINE(x, tags)
};

struct Keyed {
  int x = 0;
  MSGPACK_DEFINE_MAP(x)
};

template <class T>
std::string oracle(const T& value) {
  msgpack::sbuffer buffer;
  msgpack::pack(buffer, value);
  return {buffer.data(), buffer.size()};
}

TEST(Msgpack, ATypeWithMsgpackDefineIsTakenAsItIs) {
  const Point back = baozi::unpack<Point>(baozi::pack(Point{3, {"a"}}));
  EXPECT_EQ(back.x, 3);
  EXPECT_EQ(back.tags, (std::vector<std::string>{"a"}));
  EXPECT_EQ(baozi::unpack<std::vector<Keyed>>(baozi::pack(std::vector<Keyed>{{7}})).at(0).x, 7);
}

TEST(Msgpack, WhatDoesNotFitIsADecodeErrorWithItsPlace) {
  try {
    (void)baozi::unpack<std::vector<Point>>(baozi::pack(std::vector<std::string>{"x"}));
    FAIL() << "taken";
  } catch (const baozi::DecodeError& error) {
    EXPECT_STREQ(error.what(), "[0]: does not fit the type that MSGPACK_DEFINE describes");
  }
}

TEST(Msgpack, OurBytesAreTheBytesOfMsgpackC) {
  for (const std::int64_t n :
       {INT64_MIN, std::int64_t{INT32_MIN}, std::int64_t{-32769}, std::int64_t{-129},
        std::int64_t{-33}, std::int64_t{-32}, std::int64_t{-1}, std::int64_t{0}, std::int64_t{127},
        std::int64_t{128}, std::int64_t{255}, std::int64_t{256}, std::int64_t{65535},
        std::int64_t{65536}, std::int64_t{UINT32_MAX}, std::int64_t{UINT32_MAX} + 1, INT64_MAX}) {
    EXPECT_EQ(baozi::pack(n), oracle(n)) << n;
  }
  for (const std::size_t size : {0U, 31U, 32U, 255U, 256U, 65535U, 65536U}) {
    EXPECT_EQ(baozi::pack(std::string(size, 'x')), oracle(std::string(size, 'x'))) << size;
    EXPECT_EQ(baozi::pack(std::vector<int>(size, 1)), oracle(std::vector<int>(size, 1))) << size;
    EXPECT_EQ(baozi::pack(std::vector<std::uint8_t>(size, 1)),
              oracle(std::vector<std::uint8_t>(size, 1)))
        << size;
  }
  EXPECT_EQ(baozi::pack(1.5), oracle(1.5));
  EXPECT_EQ(baozi::pack(1.5F), oracle(1.5F));
  EXPECT_EQ(baozi::pack(std::map<std::string, bool>{{"a", true}}),
            oracle(std::map<std::string, bool>{{"a", true}}));
}

}  // namespace
