/// \file peer.hpp
/// How a node names the connections that it has; what the network and the cores both speak of.
#pragma once
#include <cstdint>

namespace baozi {

/// Listening side: a connection, by the routing id that ROUTER made for it. A reconnect is a new
/// PeerKey.
enum class PeerKey : std::uint64_t {};
/// Connecting side: an index into the node's table of connections; it stays through reconnects.
enum class LinkId : std::uint32_t {};

}  // namespace baozi
