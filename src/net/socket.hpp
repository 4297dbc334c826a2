/// \file socket.hpp
/// The one wrapper around a ZeroMQ socket: nothing else in the project calls zmq_send, zmq_recv or
/// zmq_poll. It never blocks, retries EINTR, and tells the thread sanitizer what libzmq orders.
///
/// Threading: may be made on one thread and handed to another; from its first use for I/O on it
/// belongs to that thread, which debug builds assert, until it is handed over.
///
/// Waiting: `fd()` is an edge of its own kind. It becomes readable when something *happened* to the
/// socket, not while something is there, and any call on the socket may swallow the edge. The rule
/// that makes it safe to block on it: after `receive` said `again` or `has_input` said no, and with
/// no other call since, the next arrival makes `fd()` readable, and it stays so until the next
/// call. (libzmq puts a pipe to sleep when it finds it empty; whoever writes to a sleeping pipe
/// signals.) `is_dry()` says whether that holds now.
#pragma once
#include <cstdint>
#include <string>

#include "net/context.hpp"
#include "net/message.hpp"

#ifndef NDEBUG
#include <thread>
#endif

namespace baozi::net {

class Socket {
 public:
  enum class Type : std::uint8_t { router, dealer, pair, push, pull };
  enum class Io : std::uint8_t {
    done,
    again,        ///< nothing to receive, or no room to send
    unreachable,  ///< router only: no such peer (any more)
  };

  /// \throws NetError  when there is no file descriptor or no place in the context.
  Socket(Context context, Type type);
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  /// Options by zmq.h's numbers. They count for what is bound or connected afterwards.
  void set(int option, int value);
  void set(int option, std::int64_t value);
  void set(int option, const std::string& value);

  /// \return empty, or why not, in the system's words.
  [[nodiscard]] std::string bind(const std::string& endpoint);
  [[nodiscard]] std::string connect(const std::string& endpoint);
  /// What the last `bind` chose: `tcp://127.0.0.1:40123`.
  [[nodiscard]] std::string last_endpoint() const;

  /// One part. A message that is not wholly there is not there.
  [[nodiscard]] Io receive(Message& into);
  /// libzmq looks for news (a new peer, room in a pipe) at most once a millisecond while it sends,
  /// so its "no" may be old: a refused send looks and tries once more, unless the caller has just
  /// looked.
  enum class Look : std::uint8_t { if_refused, no };
  /// One part. After `again` and `unreachable` the part is unchanged. A router's first part names
  /// the peer.
  [[nodiscard]] Io send(Message& part, bool more = false, Look look = Look::if_refused);
  [[nodiscard]] bool has_input();
  /// The thread that uses it next may be another. The caller orders the two: by a mutex, say.
  void hand_over() {
#ifndef NDEBUG
    owner_ = {};
#endif
  }

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool is_dry() const { return dry_; }
  /// The poller saw `fd()` readable: ask again.
  void wet() { dry_ = false; }

  /// Reports events (ZMQ_EVENT_…) to this inproc endpoint, which must be connected to before
  /// anything happens.
  void monitor(const std::string& endpoint, int events);
  void stop_monitor();

 private:
  void check_owner();

  Context context_;
  void* handle_;
  int fd_ = -1;
  bool dry_ = false;
#ifndef NDEBUG
  std::thread::id owner_;
#endif
};

}  // namespace baozi::net
