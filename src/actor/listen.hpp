/// \file listen.hpp
/// Where a node may listen: promise P11's first half.
#pragma once
#include <string>
#include <vector>

#include "net/endpoint.hpp"

namespace baozi::actor {

/// Reads `--listen`. Beyond loopback a node refuses to start without keys unless told `--insecure`.
/// \throws base::ConfigError  naming the endpoint and what to do.
[[nodiscard]] std::vector<net::Endpoint> listen_endpoints(const std::vector<std::string>& texts,
                                                          bool insecure);

}  // namespace baozi::actor
