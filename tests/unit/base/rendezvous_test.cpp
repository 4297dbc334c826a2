#include "base/rendezvous.hpp"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

namespace baozi::base {
namespace {

TEST(KeyHash, IsThatOfTheProtocol) {
  EXPECT_EQ(key_hash(""), 0xCBF29CE484222325ULL);   // FNV-1a's offset basis
  EXPECT_EQ(key_hash("a"), 0xAF63DC4C8601EC8CULL);  // its published test vector
  EXPECT_EQ(key_hash("foobar"), 0x85944171F73967E8ULL);
}

TEST(Rendezvous, SpreadsKeysEvenlyAndMovesOnlyThoseOfANodeThatGoes) {
  std::vector<std::uint64_t> nodes;
  for (int i = 0; i < 4; ++i)
    nodes.push_back(key_hash("tcp://10.0.0." + std::to_string(i) + ":7170"));
  std::vector<std::uint64_t> fewer{nodes.begin(), nodes.end() - 1};
  std::vector<int> shares(4);
  for (int i = 0; i < 8'000; ++i) {
    const std::uint64_t key = key_hash("customer " + std::to_string(i));
    const std::size_t home = rendezvous(nodes, key);
    ++shares[home];
    if (home != 3) {
      EXPECT_EQ(rendezvous(fewer, key), home);
    }
  }
  EXPECT_GT(*std::min_element(shares.begin(), shares.end()), 1'800);
}

TEST(Rendezvous, IsTheSameWhateverTheOrderOfTheNodes) {
  const std::vector<std::uint64_t> one{key_hash("a"), key_hash("b"), key_hash("c")};
  const std::vector<std::uint64_t> other{one[2], one[0], one[1]};
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t key = key_hash(std::to_string(i));
    EXPECT_EQ(one[rendezvous(one, key)], other[rendezvous(other, key)]);
  }
}

}  // namespace
}  // namespace baozi::base
