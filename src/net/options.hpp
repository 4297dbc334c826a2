/// \file options.hpp
/// What can be set on the two ends of a connection. The defaults are those of docs/operations.md.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/limits.hpp"
#include "base/time.hpp"
#include "net/outbox.hpp"

namespace baozi::net {

/// Keys for CURVE, as 40 characters of Z85. This build does not encrypt yet: a socket with keys
/// refuses to open rather than to pretend.
struct CurveKeys {
  std::string public_key;
  std::string secret_key;
  std::string server_key;  ///< connecting side: who we expect there
};

/// The same at both ends.
struct WireOptions {
  /// A larger frame ends the connection that it comes by, before it is stored. Without a bound a
  /// stranger could make libzmq hold any amount (reliability: 196 MB before a handshake).
  std::size_t frame_bytes_max = limits::frame_bytes_max;
  /// Frames that libzmq holds in each direction for one peer. What is more waits in the outbox,
  /// where it is counted in bytes too, or in the kernel, where it slows the sender down.
  int frames_queued_max = 64;
  OutboxLimits outbox;  ///< for one peer
  /// ZeroMQ's own heartbeats find dead hosts and half-open connections (after three times this).
  /// They are answered by the I/O thread, so they say nothing about whether the node behind it
  /// works.
  Micros heartbeat{5'000'000};
  Micros handshake_max{5'000'000};  ///< a connection that has not shaken hands by then is closed
  std::optional<CurveKeys> curve;
};

struct ListenerOptions : WireOptions {
  /// Connections at once; those above it are closed as soon as they are accepted. 0: what the
  /// process may have of file descriptors, less a reserve for everything else.
  std::size_t connections_max = 0;
  /// All outboxes together.
  std::size_t outboxes_bytes_max = std::size_t{256} << 20U;
  /// A connection by which no frame came for so long after it was accepted is closed.
  Micros silence_max{30'000'000};
  /// Bytes of one connection that libzmq may hold beyond whole frames, before it is closed. It
  /// bounds a message of endless parts, which none of libzmq's settings does. Judged once a second,
  /// for tcp.
  std::size_t unfinished_bytes_max = std::size_t{32} << 20U;
};

struct ConnectorOptions : WireOptions {
  /// Attempts are this far apart at first, then twice, and so on up to the second, with jitter. The
  /// second stays well below the liveness: a broker that was away waits one liveness for its
  /// workers (delivery.md D14), and who comes later is taken for lost.
  Micros reconnect_min{100'000};
  Micros reconnect_max{1'000'000};
  Micros connect_max{5'000'000};  ///< one attempt
  /// How long what was sent last may still leave after the connector is destroyed.
  Micros linger{1'000'000};
};

class Socket;
/// Sets what both ends have in common.
/// \throws NetError  when keys are set.
void apply(const WireOptions& options, Socket& socket);

}  // namespace baozi::net
