/// \file peer.hpp
/// How a node names those that it talks to, and how often it wants to hear from them.
#pragma once
#include <cstdint>

#include "base/peer.hpp"

namespace baozi::actor {

using baozi::LinkId;
using baozi::PeerKey;

/// What a node announces in WELCOME and expects of its peers.
struct Heartbeats {
  std::uint64_t interval_us = 2'500'000;   ///< a peer that sent nothing for so long sends PING
  std::uint64_t liveness_us = 10'000'000;  ///< a peer that was silent for so long is lost
};

}  // namespace baozi::actor
