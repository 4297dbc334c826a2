#include "actor/listen.hpp"

#include "base/config.hpp"

namespace baozi::actor {

std::vector<net::Endpoint> listen_endpoints(const std::vector<std::string>& texts, bool insecure) {
  std::vector<net::Endpoint> endpoints;
  for (const std::string& text : texts) {
    const auto parsed = net::parse_endpoints(text, net::Purpose::listen);
    if (!parsed) throw base::ConfigError{"--listen: " + parsed.error().message};
    for (const net::Endpoint& endpoint : *parsed) {
      if (!net::is_loopback(endpoint) && !insecure) {
        throw base::ConfigError{
            "--listen " + endpoint.to_string() +
            ": this address can be reached from other machines, and nobody has to show a key; "
            "listen on 127.0.0.1, or say --insecure"};
      }
      endpoints.push_back(endpoint);
    }
  }
  return endpoints;
}

}  // namespace baozi::actor
