/// \file endpoint.hpp
/// Addresses as an operator writes them: `tcp://HOST[:PORT]`, `ipc://PATH`, `inproc://NAME`, and
/// lists of them separated by commas. Pure: nothing is looked up and nothing is opened.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace baozi::net {

/// Where a broker listens unless told otherwise. Below the range that the kernel takes ports of
/// outgoing connections from, so that nobody's connection can sit on it, or connect to itself.
inline constexpr std::uint16_t default_port = 7170;

enum class Transport : std::uint8_t { tcp, ipc, inproc };

/// Listening allows what connecting does not: `*` as host (all interfaces), port `*` or 0 (a free
/// one).
enum class Purpose : std::uint8_t { listen, connect };

struct Endpoint {
  Transport transport = Transport::tcp;
  std::string host;        ///< tcp: address, name or `*`; an IPv6 address has no brackets here
  std::uint16_t port = 0;  ///< tcp: 0 is "any free port"
  std::string name;        ///< ipc: path, `@` first for the abstract namespace; inproc: name

  /// As it was written, in its canonical form: `tcp://[::1]:7170`, `tcp://127.0.0.1:*`,
  /// `ipc:///run/b`.
  [[nodiscard]] std::string to_string() const;
  bool operator==(const Endpoint&) const = default;
};

/// \return Errc::invalid  with one line that names the text and what is wrong with it.
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view text, Purpose purpose,
                                              std::uint16_t port_if_none = default_port);
/// One or more endpoints, separated by commas; spaces around them do not matter.
[[nodiscard]] Result<std::vector<Endpoint>> parse_endpoints(
    std::string_view list, Purpose purpose, std::uint16_t port_if_none = default_port);

/// Whether what is sent there cannot leave this machine: 127.0.0.0/8, ::1, `localhost`, ipc and
/// inproc. Any other name says no, whatever it would resolve to: a node that listens there needs
/// keys.
[[nodiscard]] bool is_loopback(const Endpoint& endpoint);

/// Whether the host is an IPv6 address, an IPv4 address, or a name (which may turn out to be
/// either).
enum class HostKind : std::uint8_t { ipv4, ipv6, name };
[[nodiscard]] HostKind host_kind(const Endpoint& endpoint);

}  // namespace baozi::net
