#include "net/options.hpp"

#include <zmq.h>

#include "net/error.hpp"
#include "net/socket.hpp"

namespace baozi::net {
namespace {

int milliseconds(Micros duration) {
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(duration).count());
}

}  // namespace

void apply(const WireOptions& options, Socket& socket) {
  if (options.curve) throw NetError{"keys are configured, but this build cannot encrypt"};
  socket.set(ZMQ_MAXMSGSIZE, static_cast<std::int64_t>(options.frame_bytes_max));
  socket.set(ZMQ_SNDHWM, options.frames_queued_max);
  socket.set(ZMQ_RCVHWM, options.frames_queued_max);
  socket.set(ZMQ_HANDSHAKE_IVL, milliseconds(options.handshake_max));
  const int heartbeat = milliseconds(options.heartbeat);
  socket.set(ZMQ_HEARTBEAT_IVL, heartbeat);
  socket.set(ZMQ_HEARTBEAT_TIMEOUT, 3 * heartbeat);
  socket.set(ZMQ_HEARTBEAT_TTL, 4 * heartbeat);
  socket.set(ZMQ_TCP_KEEPALIVE, 1);
  socket.set(ZMQ_TCP_KEEPALIVE_IDLE, 60);
  socket.set(ZMQ_TCP_KEEPALIVE_INTVL, 15);
  socket.set(ZMQ_TCP_KEEPALIVE_CNT, 4);
}

}  // namespace baozi::net
