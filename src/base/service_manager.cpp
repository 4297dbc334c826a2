#include "base/service_manager.hpp"

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace baozi::base {

bool notify_service_manager(std::string_view state, const char* socket_path) {
  if (socket_path == nullptr || (socket_path[0] != '/' && socket_path[0] != '@')) return false;
  const std::size_t length = std::strlen(socket_path);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (length >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, socket_path, length);
  if (socket_path[0] == '@') address.sun_path[0] = '\0';

  const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return false;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  const ssize_t sent = ::sendto(descriptor, state.data(), state.size(), MSG_NOSIGNAL,
                                reinterpret_cast<const sockaddr*>(&address), size);
  ::close(descriptor);
  return sent == static_cast<ssize_t>(state.size());
}

bool notify_service_manager(std::string_view state) {
  return notify_service_manager(state, std::getenv("NOTIFY_SOCKET"));
}

}  // namespace baozi::base
