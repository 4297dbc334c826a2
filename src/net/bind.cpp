#include "net/bind.hpp"

#include <array>
#include <cstddef>
#include <cstring>

#include <net/if.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include "base/assert.hpp"
#include "net/error.hpp"

namespace baozi::net {
namespace {

[[noreturn]] void refuse(const Endpoint& endpoint, const std::string& why) {
  throw NetError{"cannot listen on " + endpoint.to_string() + ": " + why};
}

/// Whether somebody accepts connections on this socket file.
bool is_listened_on(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path.front() == '@') address.sun_path[0] = '\0';
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd == -1) return false;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() +
                                           (path.front() == '@' ? 0 : 1));
  const int rc = connect(fd, reinterpret_cast<const sockaddr*>(&address), size);
  const bool listened = rc == 0 || errno == EAGAIN || errno == EINPROGRESS;
  close(fd);
  return listened;
}

void check_socket_file(const Endpoint& endpoint) {
  if (is_listened_on(endpoint.name)) refuse(endpoint, "another process listens there");
  struct stat status {};
  if (endpoint.name.front() != '@' && lstat(endpoint.name.c_str(), &status) == 0 &&
      !S_ISSOCK(status.st_mode)) {
    refuse(endpoint, "a file that is not a socket stands there");
  }
}

/// The address of a host name, as an endpoint. Interface names are left to libzmq.
Endpoint look_up(const Endpoint& endpoint) {
  if (if_nametoindex(endpoint.host.c_str()) != 0) return endpoint;
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int rc = getaddrinfo(endpoint.host.c_str(), nullptr, &hints, &found); rc != 0) {
    refuse(endpoint, gai_strerror(rc));
  }
  std::array<char, NI_MAXHOST> text{};
  const int rc = getnameinfo(found->ai_addr, found->ai_addrlen, text.data(), text.size(), nullptr,
                             0, NI_NUMERICHOST);
  freeaddrinfo(found);
  if (rc != 0) refuse(endpoint, gai_strerror(rc));
  Endpoint numeric = endpoint;
  numeric.host = text.data();
  return numeric;
}

}  // namespace

std::string zmq_address(const Endpoint& endpoint) {
  if (endpoint.transport != Transport::tcp || endpoint.host != "localhost") {
    return endpoint.to_string();
  }
  Endpoint numeric = endpoint;
  numeric.host = "127.0.0.1";
  return numeric.to_string();
}

Endpoint bind_endpoint(Socket& socket, const Endpoint& endpoint) {
  Endpoint to_bind = endpoint;
  if (endpoint.transport == Transport::ipc) check_socket_file(endpoint);
  if (endpoint.transport == Transport::tcp) {
    if (endpoint.host != "*" && endpoint.host != "localhost" &&
        host_kind(endpoint) == HostKind::name) {
      to_bind = look_up(endpoint);
    }
    // With IPv6 on, `*` is both families. An IPv4 address would become an IPv6 one in every text.
    socket.set(ZMQ_IPV6, to_bind.host == "*" || host_kind(to_bind) == HostKind::ipv6 ? 1 : 0);
  }
  if (const std::string why = socket.bind(zmq_address(to_bind)); !why.empty())
    refuse(endpoint, why);
  auto bound = parse_endpoint(socket.last_endpoint(), Purpose::listen);
  BAOZI_ASSERT(bound.has_value());
  return *bound;
}

}  // namespace baozi::net
