#include "net/socket.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <mutex>

#include <zmq.h>

#include "base/assert.hpp"
#include "base/random.hpp"
#include "net/error.hpp"

#if defined(__SANITIZE_THREAD__)
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);
#endif

namespace baozi::net {
namespace {

// Debian's libzmq is not instrumented, so the sanitizer cannot see that what was written before a
// send is ordered before what is read after the receive. One address for all sockets: it orders
// more than libzmq does, but never less than what a program may rely on.
#if defined(__SANITIZE_THREAD__)
char ordered_by_libzmq;
void released() { __tsan_release(&ordered_by_libzmq); }
void acquired() { __tsan_acquire(&ordered_by_libzmq); }
#else
void released() {}
void acquired() {}
#endif

int zmq_type(Socket::Type type) {
  switch (type) {
    case Socket::Type::router: return ZMQ_ROUTER;
    case Socket::Type::dealer: return ZMQ_DEALER;
    case Socket::Type::push: return ZMQ_PUSH;
    case Socket::Type::pull: return ZMQ_PULL;
    case Socket::Type::pair: break;
  }
  return ZMQ_PAIR;
}

/// A ROUTER counts its peers from rand(), which nobody seeded: the names would be the same in every
/// process, and a peer who takes the next one ends it. So libzmq finds a seeded generator there,
/// and the application finds its own again.
void* open_with_unguessable_names(void* context, int type) {
  static std::mutex mutex;
  const std::lock_guard lock{mutex};
  std::array<char, 128> state{};
  char* const before = initstate(static_cast<unsigned>(entropy64()), state.data(), state.size());
  void* const socket = zmq_socket(context, type);
  setstate(before);
  return socket;
}

}  // namespace

Socket::Socket(Context context, Type type)
    : context_{std::move(context)},
      handle_{open_with_unguessable_names(context_.handle(), zmq_type(type))} {
  if (handle_ == nullptr) {
    throw NetError{std::string{"cannot open a socket: "} + zmq_strerror(zmq_errno())};
  }
  std::size_t size = sizeof fd_;
  const int rc = zmq_getsockopt(handle_, ZMQ_FD, &fd_, &size);
  BAOZI_ASSERT(rc == 0);
  set(ZMQ_LINGER, 0);
}

Socket::~Socket() {
  if (context_.is_ours()) zmq_close(handle_);
}

void Socket::set(int option, int value) {
  const int rc = zmq_setsockopt(handle_, option, &value, sizeof value);
  BAOZI_ASSERT(rc == 0);
}

void Socket::set(int option, std::int64_t value) {
  const int rc = zmq_setsockopt(handle_, option, &value, sizeof value);
  BAOZI_ASSERT(rc == 0);
}

void Socket::set(int option, const std::string& value) {
  const int rc = zmq_setsockopt(handle_, option, value.data(), value.size());
  BAOZI_ASSERT(rc == 0);
}

std::string Socket::bind(const std::string& endpoint) {
  return zmq_bind(handle_, endpoint.c_str()) == 0 ? std::string{} : zmq_strerror(zmq_errno());
}

std::string Socket::connect(const std::string& endpoint) {
  dry_ = false;
  return zmq_connect(handle_, endpoint.c_str()) == 0 ? std::string{} : zmq_strerror(zmq_errno());
}

std::string Socket::last_endpoint() const {
  std::string text(1'024, '\0');
  std::size_t size = text.size();
  const int rc = zmq_getsockopt(handle_, ZMQ_LAST_ENDPOINT, text.data(), &size);
  BAOZI_ASSERT(rc == 0);
  text.resize(size > 0 ? size - 1 : 0);  // without the final zero
  return text;
}

Socket::Io Socket::receive(Message& into) {
  check_owner();
  auto* message = static_cast<zmq_msg_t*>(into.raw());
  while (zmq_msg_recv(message, handle_, ZMQ_DONTWAIT) == -1) {
    if (zmq_errno() == EINTR) continue;
    BAOZI_ASSERT(zmq_errno() == EAGAIN);  // anything else is a socket or a message misused by us
    dry_ = true;
    return Io::again;
  }
  dry_ = false;
  acquired();
  return Io::done;
}

Socket::Io Socket::send(Message& part, bool more, Look look) {
  check_owner();
  dry_ = false;
  released();
  auto* message = static_cast<zmq_msg_t*>(part.raw());
  const int flags = more ? ZMQ_DONTWAIT | ZMQ_SNDMORE : ZMQ_DONTWAIT;
  bool looked = look == Look::no;
  while (zmq_msg_send(message, handle_, flags) == -1) {
    if (zmq_errno() == EINTR) continue;
    // A send looks for news (a new peer, room in a pipe) at most once a millisecond; so "no" may be
    // old.
    if (!looked) {
      static_cast<void>(has_input());
      looked = true;
      continue;
    }
    if (zmq_errno() == EHOSTUNREACH) return Io::unreachable;
    BAOZI_ASSERT(zmq_errno() == EAGAIN);
    return Io::again;
  }
  return Io::done;
}

bool Socket::has_input() {
  check_owner();
  int events = 0;
  std::size_t size = sizeof events;
  while (zmq_getsockopt(handle_, ZMQ_EVENTS, &events, &size) == -1) {
    BAOZI_ASSERT(zmq_errno() == EINTR);
  }
  dry_ = (events & ZMQ_POLLIN) == 0;
  return !dry_;
}

void Socket::monitor(const std::string& endpoint, int events) {
  if (zmq_socket_monitor(handle_, endpoint.c_str(), events) != 0) {
    throw NetError{std::string{"cannot watch a socket: "} + zmq_strerror(zmq_errno())};
  }
}

void Socket::stop_monitor() {
  if (context_.is_ours()) zmq_socket_monitor(handle_, nullptr, 0);
}

void Socket::check_owner() {
#ifndef NDEBUG
  if (owner_ == std::thread::id{}) owner_ = std::this_thread::get_id();
  BAOZI_ASSERT(owner_ == std::this_thread::get_id());
#endif
}

}  // namespace baozi::net
