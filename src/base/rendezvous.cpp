#include "base/rendezvous.hpp"

namespace baozi::base {

std::uint64_t key_hash(std::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001B3ULL;
  }
  return hash == 0 ? 1 : hash;
}

std::size_t rendezvous(const std::vector<std::uint64_t>& nodes, std::uint64_t key) {
  // SplitMix64's last steps: FNV alone leaves the high bits of short texts alike.
  const auto weigh = [key](std::uint64_t node) {
    std::uint64_t x = node ^ key;
    x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27U)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31U);
  };
  std::size_t best = 0;
  for (std::size_t i = 1; i < nodes.size(); ++i) {
    if (weigh(nodes[i]) > weigh(nodes[best])) best = i;
  }
  return best;
}

}  // namespace baozi::base
