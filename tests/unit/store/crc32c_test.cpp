#include "store/crc32c.hpp"

#include <string>

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace baozi::store {
namespace {

TEST(Crc32c, AgreesWithTheKnownAnswersOfRfc3720) {  // appendix B.4
  std::string up;
  std::string down;
  for (int i = 0; i < 32; ++i) {
    up.push_back(static_cast<char>(i));
    down.push_back(static_cast<char>(31 - i));
  }
  EXPECT_EQ(crc32c(0, std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(0, std::string(32, '\xFF')), 0x62A8AB43U);
  EXPECT_EQ(crc32c(0, up), 0x46DD794EU);
  EXPECT_EQ(crc32c(0, down), 0x113FDB5CU);
}

TEST(Crc32c, IsTheSameInPiecesAndByTables) {
  Random random{7};
  for (std::size_t size = 0; size < 100; ++size) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>(random.below(256)));
    const auto whole = crc32c(0, bytes);
    EXPECT_EQ(crc32c_portable(0, bytes), whole);
    const auto cut = random.below(size + 1);
    EXPECT_EQ(crc32c(crc32c(0, bytes.substr(0, cut)), bytes.substr(cut)), whole);
  }
}

TEST(Crc32c, SeesEveryFlippedBit) {
  std::string bytes(200, 'x');
  const auto whole = crc32c(0, bytes);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(crc32c(0, bytes), whole);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
  }
}

}  // namespace
}  // namespace baozi::store
