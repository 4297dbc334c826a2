#include "net/connections.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/endpoint.hpp"

namespace baozi::net {
namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  [[nodiscard]] sockaddr* raw() { return reinterpret_cast<sockaddr*>(&storage); }
  [[nodiscard]] std::optional<std::uint16_t> port() const {
    if (storage.ss_family == AF_INET) {
      return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
    }
    if (storage.ss_family == AF_INET6) {
      return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
    }
    return std::nullopt;
  }
  [[nodiscard]] bool is_unix() const { return storage.ss_family == AF_UNIX; }
  /// As in an ipc endpoint: `@` first for the abstract namespace.
  [[nodiscard]] std::string path() const {
    const auto* address = reinterpret_cast<const sockaddr_un*>(&storage);
    const std::size_t header = offsetof(sockaddr_un, sun_path);
    if (size <= header) return {};
    std::string path{address->sun_path, size - header};
    if (path.front() == '\0') {
      path.front() = '@';
    } else {
      path.resize(std::strlen(path.c_str()));
    }
    return path;
  }
};

std::optional<Address> local_address(int fd) {
  Address address;
  if (getsockname(fd, address.raw(), &address.size) != 0) return std::nullopt;
  return address;
}

std::optional<Address> remote_address(int fd) {
  Address address;
  if (getpeername(fd, address.raw(), &address.size) != 0) return std::nullopt;
  return address;
}

/// Ends a tcp connection at once and throws away what is queued on it. libzmq reads an error then,
/// and closes it.
void reset(int fd) {
  sockaddr nothing{};
  nothing.sa_family = AF_UNSPEC;
  if (connect(fd, &nothing, sizeof nothing) != 0) shutdown(fd, SHUT_RDWR);
}

}  // namespace

std::size_t raise_fd_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1'024;
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised = limit;
    raised.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return static_cast<std::size_t>(limit.rlim_cur);
}

bool has_fd_left() {
  const int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
  if (fd == -1) return errno != EMFILE && errno != ENFILE;
  close(fd);
  return true;
}

bool cut_self_connection(int fd) {
  const auto local = local_address(fd);
  const auto remote = remote_address(fd);
  if (!local || !remote || local->is_unix() || local->size != remote->size) return false;
  if (std::memcmp(&local->storage, &remote->storage, local->size) != 0) return false;
  reset(fd);
  return true;
}

void Connections::add_address(const std::string& bound) {
  const auto endpoint = parse_endpoint(bound, Purpose::listen);
  if (!endpoint) return;
  if (endpoint->transport == Transport::tcp) ports_.push_back(endpoint->port);
  if (endpoint->transport == Transport::ipc) paths_.push_back(endpoint->name);
}

std::optional<PeerKey> Connections::closed(int fd) {
  const auto it = by_fd_.find(fd);
  if (it == by_fd_.end()) return std::nullopt;
  const auto peer = it->second.peer;
  by_fd_.erase(it);
  return peer;
}

Connections::Connection* Connections::find(int fd) {
  const auto it = by_fd_.find(fd);
  return it == by_fd_.end() ? nullptr : &it->second;
}

bool Connections::is_one_of_ours(int fd) const {
  const auto local = local_address(fd);
  if (!local || !remote_address(fd)) return false;  // closed already, or not a connection
  if (const auto port = local->port()) return std::ranges::count(ports_, *port) != 0;
  return local->is_unix() && std::ranges::count(paths_, local->path()) != 0;
}

void Connections::cut(int fd) {
  auto* connection = find(fd);
  if (connection == nullptr || connection->cut || !is_one_of_ours(fd)) return;
  connection->cut = true;
  if (local_address(fd)->is_unix()) {
    shutdown(fd, SHUT_RDWR);
    return;
  }
  reset(
      fd);  // after a mere shutdown the kernel would go on to hand over what a flooding peer sends
}

std::optional<std::uint64_t> Connections::bytes_received(int fd) const {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
      size < offsetof(tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received) {
    return std::nullopt;
  }
  return info.tcpi_bytes_received;
}

std::string Connections::peer_address(int fd) {
  const auto remote = remote_address(fd);
  if (!remote || !remote->port()) return {};
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* raw = remote->storage.ss_family == AF_INET
                        ? static_cast<const void*>(
                              &reinterpret_cast<const sockaddr_in*>(&remote->storage)->sin_addr)
                        : static_cast<const void*>(
                              &reinterpret_cast<const sockaddr_in6*>(&remote->storage)->sin6_addr);
  if (inet_ntop(remote->storage.ss_family, raw, text.data(), text.size()) == nullptr) return {};
  const bool bracket = remote->storage.ss_family == AF_INET6;
  const std::string host = text.data();
  return (bracket ? "[" + host + "]" : host) + ":" + std::to_string(*remote->port());
}

}  // namespace baozi::net
