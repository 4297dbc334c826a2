/// \file raw_peer.hpp
/// A stranger on a plain TCP socket, who sends bytes of his own making. Speaks as much ZMTP 3.0
/// (rfc.zeromq.org/spec/23) as is needed to misuse it.
#pragma once
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace baozi::net {

class RawPeer {
 public:
  explicit RawPeer(std::uint16_t port) : fd_{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd_ == -1 || ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error{"cannot connect"};
    }
  }
  ~RawPeer() {
    if (fd_ != -1) close(fd_);
  }
  RawPeer(RawPeer&& other) noexcept
      : fd_{std::exchange(other.fd_, -1)}, received_{std::move(other.received_)} {}
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  static std::string greeting() {
    std::string bytes("\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL", 16);
    bytes.resize(64, '\0');
    return bytes;
  }
  static std::string ready(std::string_view socket_type, std::string_view identity = {}) {
    std::string body{"\5READY"};
    const auto property = [&](std::string_view name, std::string_view value) {
      body += static_cast<char>(name.size());
      body += name;
      body += std::string{"\0\0\0", 3} + static_cast<char>(value.size());
      body += value;
    };
    property("Socket-Type", socket_type);
    property("Identity", identity);
    return framed(4, body);
  }
  static std::string part(std::string_view body, bool more) { return framed(more ? 1 : 0, body); }
  static std::string framed(int flags, std::string_view body) {
    std::string bytes;
    if (body.size() < 256) {
      bytes += static_cast<char>(flags);
      bytes += static_cast<char>(body.size());
    } else {
      bytes += static_cast<char>(flags | 2);
      for (int shift = 56; shift >= 0; shift -= 8) {
        bytes += static_cast<char>(static_cast<std::uint64_t>(body.size()) >> shift);
      }
    }
    return bytes.append(body);
  }

  /// False when the other side has closed.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n == -1 && errno == EINTR) continue;
      if (n == -1) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  /// Sends what the kernel takes at once; -1 when the other side has closed.
  ssize_t send_some(std::string_view bytes) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return n == -1 && errno == EAGAIN ? 0 : n;
  }
  /// Waits for the other side's part of it: libzmq takes no message before it has sent that.
  void shake_hands(std::string_view identity = {}, std::string_view socket_type = "DEALER") {
    send(greeting());
    send(ready(socket_type, identity));
    std::string heard;
    char buffer[256];
    while (heard.find("Identity") == std::string::npos) {
      const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
      if (n == -1 && errno == EINTR) continue;
      if (n <= 0) throw std::runtime_error{"no handshake"};
      heard.append(buffer, static_cast<std::size_t>(n));
    }
    received_ = heard.substr(greeting().size());  // `receive` skips the rest of the handshake
  }
  /// The next whole message of what came since the handshake, of one part; "" when there is none
  /// now. Commands of ZMTP are skipped.
  std::string receive() {
    char buffer[65'536];
    for (ssize_t n = 0; (n = recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT)) > 0;) {
      received_.append(buffer, static_cast<std::size_t>(n));
    }
    while (received_.size() >= 2) {
      const auto at = [&](std::size_t i) { return static_cast<unsigned char>(received_[i]); };
      const bool is_long = (at(0) & 2U) != 0;
      if (is_long && received_.size() < 9) break;
      std::uint64_t size = at(1);
      if (is_long) {
        size = 0;
        for (std::size_t i = 1; i <= 8; ++i) size = size << 8U | at(i);
      }
      const std::size_t begin = is_long ? 9 : 2;
      if (received_.size() - begin < size) break;
      const bool is_command = (at(0) & 4U) != 0;
      std::string body = received_.substr(begin, size);
      received_.erase(0, begin + size);
      if (!is_command) return body;
    }
    return {};
  }
  [[nodiscard]] int fd() const { return fd_; }
  /// Whether the other side has closed or reset, as far as can be told now. Reads and forgets what
  /// came.
  bool is_closed() {
    char buffer[4'096];
    while (true) {
      const ssize_t n = recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
      if (n > 0) continue;
      return n == 0 || (errno != EAGAIN && errno != EINTR);
    }
  }

 private:
  int fd_;
  std::string received_;
};

}  // namespace baozi::net
