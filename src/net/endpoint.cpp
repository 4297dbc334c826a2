#include "net/endpoint.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include <arpa/inet.h>
#include <sys/un.h>

#include "base/limits.hpp"

namespace baozi::net {
namespace {

constexpr std::size_t path_bytes_max = sizeof(sockaddr_un::sun_path) - 1;
constexpr std::size_t name_bytes_max = 255;
constexpr std::size_t host_bytes_max = 253;  // RFC 1035, without the final dot
static_assert(limits::endpoints_max == 16);  // the text below says so

Unexpected refuse(std::string_view text, std::string_view why) {
  return unexpected(Errc::invalid, "bad endpoint '" + std::string{text} + "': " + std::string{why});
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

bool is_ipv4(const std::string& host) {
  in_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

std::optional<in6_addr> as_ipv6(const std::string& host) {
  in6_addr address{};
  const std::string bare = host.substr(0, host.find('%'));  // fe80::1%eth0
  if (inet_pton(AF_INET6, bare.c_str(), &address) != 1) return std::nullopt;
  return address;
}

bool is_host_name(std::string_view host) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  };
  // Digits and dots alone are a mistyped address, not a name.
  const auto numeric = [](char c) { return (c >= '0' && c <= '9') || c == '.'; };
  return !host.empty() && host.size() <= host_bytes_max &&
         std::all_of(host.begin(), host.end(), allowed) &&
         !std::all_of(host.begin(), host.end(), numeric);
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

Result<Endpoint> parse_tcp(std::string_view text, std::string_view rest, Purpose purpose,
                           std::uint16_t port_if_none) {
  Endpoint endpoint;
  endpoint.port = port_if_none;
  std::string_view port;
  bool has_port = false;
  if (rest.starts_with('[')) {
    const auto close = rest.find(']');
    if (close == std::string_view::npos) return refuse(text, "the bracket is not closed");
    endpoint.host = rest.substr(1, close - 1);
    if (!as_ipv6(endpoint.host)) return refuse(text, "brackets are for an IPv6 address");
    rest.remove_prefix(close + 1);
    if (!rest.empty() && !rest.starts_with(':'))
      return refuse(text, "want a port after the bracket");
    has_port = !rest.empty();
    if (has_port) port = rest.substr(1);
  } else {
    const auto colon = rest.rfind(':');
    has_port = colon != std::string_view::npos;
    endpoint.host = rest.substr(0, colon);
    if (has_port) port = rest.substr(colon + 1);
    if (endpoint.host.find(':') != std::string::npos) {
      return refuse(text, "an IPv6 address stands in brackets: tcp://[::1]:7170");
    }
    const bool anywhere = endpoint.host == "*";
    if (anywhere && purpose == Purpose::connect)
      return refuse(text, "'*' is no host to connect to");
    if (!anywhere && !is_ipv4(endpoint.host) && !is_host_name(endpoint.host)) {
      return refuse(text, endpoint.host.empty() ? "no host" : "not an address or a host name");
    }
  }
  if (has_port) {
    const auto number = port == "*" ? std::optional<std::uint16_t>{0} : parse_port(port);
    if (!number) return refuse(text, "the port is a number from 1 to 65535");
    endpoint.port = *number;
  }
  if (endpoint.port == 0 && purpose == Purpose::connect) {
    return refuse(text, "a port is needed to connect to");
  }
  return endpoint;
}

}  // namespace

std::string Endpoint::to_string() const {
  switch (transport) {
    case Transport::ipc: return "ipc://" + name;
    case Transport::inproc: return "inproc://" + name;
    case Transport::tcp: break;
  }
  const bool bracket = host.find(':') != std::string::npos;
  return "tcp://" + (bracket ? "[" + host + "]" : host) + ":" +
         (port == 0 ? "*" : std::to_string(port));
}

Result<Endpoint> parse_endpoint(std::string_view text, Purpose purpose,
                                std::uint16_t port_if_none) {
  if (!is_printable(text)) return refuse(text, "spaces and control characters are not allowed");
  const auto scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) {
    return refuse(text, "want tcp://HOST:PORT, ipc://PATH or inproc://NAME");
  }
  const std::string_view scheme = text.substr(0, scheme_end);
  const std::string_view rest = text.substr(scheme_end + 3);
  if (scheme == "tcp") return parse_tcp(text, rest, purpose, port_if_none);

  Endpoint endpoint;
  endpoint.name = rest;
  if (scheme == "ipc") {
    endpoint.transport = Transport::ipc;
    if (rest.empty() || rest == "@") return refuse(text, "no path");
    if (rest == "*") return refuse(text, "want a path");
    if (rest.size() > path_bytes_max) {
      return refuse(text, "the path is longer than " + std::to_string(path_bytes_max) + " bytes");
    }
    return endpoint;
  }
  if (scheme == "inproc") {
    endpoint.transport = Transport::inproc;
    if (rest.empty()) return refuse(text, "no name");
    if (rest.size() > name_bytes_max) return refuse(text, "the name is longer than 255 bytes");
    return endpoint;
  }
  return refuse(text, "want tcp://, ipc:// or inproc://");
}

Result<std::vector<Endpoint>> parse_endpoints(std::string_view list, Purpose purpose,
                                              std::uint16_t port_if_none) {
  std::vector<Endpoint> endpoints;
  while (true) {
    const auto comma = list.find(',');
    std::string_view text = list.substr(0, comma);
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    auto endpoint = parse_endpoint(text, purpose, port_if_none);
    if (!endpoint) return Unexpected{endpoint.error()};
    const bool any_port = endpoint->transport == Transport::tcp && endpoint->port == 0;
    if (!any_port && std::find(endpoints.begin(), endpoints.end(), *endpoint) != endpoints.end()) {
      return refuse(text, "it is in the list twice");
    }
    if (endpoints.size() == limits::endpoints_max) return refuse(text, "more than 16 in one list");
    endpoints.push_back(std::move(*endpoint));
    if (comma == std::string_view::npos) return endpoints;
    list.remove_prefix(comma + 1);
  }
}

bool is_loopback(const Endpoint& endpoint) {
  if (endpoint.transport != Transport::tcp || endpoint.host == "localhost") return true;
  if (is_ipv4(endpoint.host)) return endpoint.host.starts_with("127.");
  const auto address = as_ipv6(endpoint.host);
  if (!address) return false;
  return IN6_IS_ADDR_LOOPBACK(&*address) ||
         (IN6_IS_ADDR_V4MAPPED(&*address) && address->s6_addr[12] == 127);
}

HostKind host_kind(const Endpoint& endpoint) {
  if (is_ipv4(endpoint.host)) return HostKind::ipv4;
  return as_ipv6(endpoint.host) ? HostKind::ipv6 : HostKind::name;
}

}  // namespace baozi::net
