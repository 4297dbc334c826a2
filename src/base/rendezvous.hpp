/// \file rendezvous.hpp
/// Which of several nodes is at home for a key: rendezvous hashing, so that everybody who knows the
/// same nodes names the same one, and a node that comes or goes moves only its own keys. Pure; the
/// arithmetic is part of the protocol (docs/protocol.md section 6).
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace baozi::base {

/// FNV-1a of 64 bits. Never 0, which stands for no key.
[[nodiscard]] std::uint64_t key_hash(std::string_view text);
/// The index of the node with the highest weight for the key; 0 when there are none.
/// \param nodes  `key_hash` of each node's name. \param key  `key_hash` of the key.
[[nodiscard]] std::size_t rendezvous(const std::vector<std::uint64_t>& nodes, std::uint64_t key);

}  // namespace baozi::base
