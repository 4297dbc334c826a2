/// \file bind.hpp
/// Where libzmq's own `bind` and `connect` are not enough: names, both families of addresses, and
/// socket files that belong to somebody else.
#pragma once
#include <string>

#include "net/endpoint.hpp"
#include "net/socket.hpp"

namespace baozi::net {

/// Binds, and returns what was bound (with the port that the system chose). A host name is looked
/// up, which may block. A socket file is taken over only when nobody listens on it; libzmq would
/// remove whatever stands there.
///
/// \throws NetError  that names the endpoint and the reason.
Endpoint bind_endpoint(Socket& socket, const Endpoint& endpoint);

/// How libzmq wants to read it. `localhost` is 127.0.0.1 here: nodes listen there, and not on ::1.
[[nodiscard]] std::string zmq_address(const Endpoint& endpoint);

}  // namespace baozi::net
