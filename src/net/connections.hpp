/// \file connections.hpp
/// The accepted connections of a listener, by file descriptor: how many, since when, whose. And the
/// means to end one, which libzmq does not offer.
///
/// The descriptors belong to libzmq. They are only ever asked (addresses, byte counts) or cut, and
/// cutting checks first that the descriptor is, at this moment, a connection of this listener. In
/// the worst race a connection that was accepted a moment ago in place of the one meant is cut; its
/// owner connects again. Threading: owned by the listener's thread.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/peer.hpp"
#include "base/time.hpp"

namespace baozi::net {

/// How many file descriptors this process may have. Raises the soft limit to the hard one first.
std::size_t raise_fd_limit();
/// False when the process has no file descriptor left.
[[nodiscard]] bool has_fd_left();
/// Whether a connecting socket is connected to itself, and ends that: what happens now and then
/// when a port of the range that the kernel picks from is connected to again and again while nobody
/// listens there. It is reset, since a closed one would keep the port from its listener for a
/// minute.
[[nodiscard]] bool cut_self_connection(int fd);

class Connections {
 public:
  struct Connection {
    MonoTime since{};
    std::optional<PeerKey> peer;
    bool cut = false;
  };

  /// An address that we listen on, as libzmq gives it after the bind.
  void add_address(const std::string& bound);

  void opened(int fd, MonoTime now) { by_fd_[fd] = Connection{now, std::nullopt, false}; }
  /// The peer that used it, if one did.
  std::optional<PeerKey> closed(int fd);
  [[nodiscard]] Connection* find(int fd);
  [[nodiscard]] std::size_t size() const { return by_fd_.size(); }

  /// Ends a connection at once, whatever is under way on it.
  void cut(int fd);
  /// Bytes that came by a tcp connection since it was made; nothing for other transports.
  [[nodiscard]] std::optional<std::uint64_t> bytes_received(int fd) const;
  /// "10.0.0.7:40123"; empty when it cannot be told (any more).
  [[nodiscard]] static std::string peer_address(int fd);

  template <class Visit>
  void for_each(Visit&& visit) {
    for (auto& [fd, connection] : by_fd_) visit(fd, connection);
  }

 private:
  [[nodiscard]] bool is_one_of_ours(int fd) const;

  std::unordered_map<int, Connection> by_fd_;
  std::vector<std::uint16_t> ports_;
  std::vector<std::string> paths_;
};

}  // namespace baozi::net
