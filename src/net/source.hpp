/// \file source.hpp
/// What the loop waits for, and what a source hands out. Listener and Connector are sources.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "base/peer.hpp"
#include "base/time.hpp"
#include "net/message.hpp"

namespace baozi::net {

/// Why a peer or a connection is gone.
enum class Gone : std::uint8_t {
  disconnected,  ///< the connection broke or was closed
  overflow,      ///< it did not read for so long that its outbox was full; the outbox is dropped
  multipart,     ///< it sent a message of several parts, which no client of the protocol does
  asked,         ///< the owner ended it
};

/// How a send went. None of them blocks, and no frame is ever dropped without saying so.
enum class Sent : std::uint8_t {
  yes,       ///< libzmq has it (which promises nothing: only an answer does)
  queued,    ///< the peer reads slowly: kept in its outbox, in order, and sent when there is room
  overflow,  ///< the outbox is full: dropped with everything in it; `gone` follows
  gone,      ///< there is no such peer, or no connection: dropped
};

/// What `try_receive` hands out. One object is reused for many calls.
struct Received {
  enum class Kind : std::uint8_t {
    frame,      ///< `frame` is valid until the next `try_receive` into this object
    connected,  ///< connector only: a fresh connection stands; nothing of an older one follows
    gone,  ///< `why` says why. At least once for every peer that sent a frame, after its last one.
  };
  Kind kind = Kind::frame;
  Gone why = Gone::disconnected;
  PeerKey peer{};  ///< listener only
  BytesView frame;
  Message message;  ///< what `frame` points into
};

/// Something with file descriptors, input that may be there already, and deadlines.
class Source {
 public:
  virtual ~Source() = default;
  /// Does what is due (retries, housekeeping). True when there is something to receive now; when it
  /// says no, the file descriptors of `poll_fds` may be waited for.
  [[nodiscard]] virtual bool prepare_wait(MonoTime now) = 0;
  virtual void poll_fds(std::vector<int>& fds) const = 0;
  /// The `index`th of `poll_fds` is readable.
  virtual void on_readable(std::size_t index) = 0;
  [[nodiscard]] virtual std::optional<MonoTime> next_deadline() const = 0;
};

}  // namespace baozi::net
