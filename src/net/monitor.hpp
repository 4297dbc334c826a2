/// \file monitor.hpp
/// What happens to a socket's connections, as libzmq's I/O thread reports it, in its order.
/// Threading: owned by the thread that owns the watched socket.
/// In-process (inproc) connections report nothing.
#pragma once
#include <cstdint>

#include "net/socket.hpp"

namespace baozi::net {

class Monitor {
 public:
  enum class Event : std::uint8_t {
    none,
    accepted,      ///< listening side: a connection stands, nobody has said anything yet
    connected,     ///< connecting side: the same
    retried,       ///< connecting side: an attempt failed, the next follows
    ready,         ///< the handshake is done; frames can flow
    refused,       ///< the handshake failed: not ZeroMQ, another version, or not let in
    disconnected,  ///< over; its file descriptor is about to be closed
  };
  struct Report {
    Event event = Event::none;
    int fd = -1;  ///< the connection, for accepted, connected and disconnected
  };

  /// Watches `socket` from now on. To be made before the socket is bound or connected.
  Monitor(const Context& context, Socket& socket);
  /// Before the socket goes: libzmq's I/O thread waits for a reader that is not there any more.
  ~Monitor();
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  /// The next report; `none` when there is none.
  [[nodiscard]] Report next();
  [[nodiscard]] int fd() const { return reader_.fd(); }
  [[nodiscard]] bool is_dry() const { return reader_.is_dry(); }
  void wet() { reader_.wet(); }
  void hand_over() { reader_.hand_over(); }

 private:
  Socket& watched_;
  Socket reader_;
  Message message_;
};

}  // namespace baozi::net
