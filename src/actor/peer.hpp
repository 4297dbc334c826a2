/// \file peer.hpp
/// How a node names those that it talks to.
#pragma once
#include <cstdint>

namespace baozi::actor {

/// Listening side: a connection, by the routing id that ROUTER made for it. A reconnect is a new
/// PeerKey.
enum class PeerKey : std::uint64_t {};
/// Connecting side: an index into the node's table of connections; it stays through reconnects.
enum class LinkId : std::uint32_t {};

/// What a node announces in WELCOME and expects of its peers.
struct Heartbeats {
  std::uint64_t interval_us = 2'500'000;   ///< a peer that sent nothing for so long sends PING
  std::uint64_t liveness_us = 10'000'000;  ///< a peer that was silent for so long is lost
};

}  // namespace baozi::actor
