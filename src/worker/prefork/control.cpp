#include "worker/prefork/control.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include <poll.h>
#include <sys/socket.h>

namespace baozi::worker::prefork {

namespace {

constexpr std::size_t descriptors_max = 4;

struct Head {
  Order order;
  std::uint32_t slot;
  std::uint64_t child;
  std::int64_t pid;
  std::int64_t value;
  Usage usage;
};

}  // namespace

bool send(int socket, const Packet& packet, const std::vector<int>& descriptors) {
  Head head{packet.order, packet.slot, packet.child, packet.pid, packet.value, packet.usage};
  iovec parts[2] = {
      {&head, sizeof head},
      {const_cast<char*>(packet.text.data()), std::min(packet.text.size(), packet_text_max)}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  alignas(cmsghdr) char control[CMSG_SPACE(descriptors_max * sizeof(int))] = {};
  if (!descriptors.empty()) {
    const std::size_t bytes = descriptors.size() * sizeof(int);
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(bytes);
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(bytes);
    std::memcpy(CMSG_DATA(rights), descriptors.data(), bytes);
  }
  while (sendmsg(socket, &message, MSG_NOSIGNAL) < 0) {
    if (errno == EAGAIN) {
      pollfd writable{socket, POLLOUT, 0};
      poll(&writable, 1, 1'000);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

Arrival receive(int socket, Received& out) {
  thread_local const std::unique_ptr<char[]> buffer{new char[sizeof(Head) + packet_text_max]};
  iovec part{buffer.get(), sizeof(Head) + packet_text_max};
  alignas(cmsghdr) char control[CMSG_SPACE(descriptors_max * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t size = 0;
  do {
    size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return errno == EAGAIN ? Arrival::nothing : Arrival::gone;
  out.descriptors.clear();
  for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
    if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (one->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    out.descriptors.resize(count);
    std::memcpy(out.descriptors.data(), CMSG_DATA(one), count * sizeof(int));
  }
  if (static_cast<std::size_t>(size) < sizeof(Head)) return Arrival::gone;  // also: the end
  Head head{};
  std::memcpy(&head, buffer.get(), sizeof head);
  out.packet = {head.order,
                head.slot,
                head.child,
                head.pid,
                head.value,
                head.usage,
                Bytes{buffer.get() + sizeof head, static_cast<std::size_t>(size) - sizeof head}};
  return Arrival::packet;
}

}  // namespace baozi::worker::prefork
