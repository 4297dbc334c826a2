/// \file connector.hpp
/// The connecting side: one DEALER that is connected to one endpoint, and connected again when that
/// breaks.
///
/// One connection, one socket: after a break or a `reset` the old socket is closed with all that it
/// held and a fresh one is opened, so that nothing of an older connection can come between the
/// frames of a newer one, and nothing that was sent before is sent again. (libzmq alone reconnects
/// by itself, gives up after some errors, and keeps quiet about both.)
///
/// Order of what `try_receive` hands out: `connected`, frames, `gone`, `connected`, … When a
/// connection breaks, libzmq throws away what came by it and was not received yet.
///
/// Threading: owned by the loop's thread. Time: passed to `prepare_wait`.
/// A host *name* is looked up by libzmq's I/O thread, which all sockets of the process share: a
/// slow name server stalls them. Addresses do not have that weakness.
#pragma once
#include <memory>
#include <optional>

#include "base/random.hpp"
#include "net/context.hpp"
#include "net/endpoint.hpp"
#include "net/monitor.hpp"
#include "net/options.hpp"
#include "net/socket.hpp"
#include "net/source.hpp"

namespace baozi::net {

class Connector final : public Source {
 public:
  /// Begins to connect. That nobody listens there (yet) is not an error.
  /// \throws NetError  keys that this build cannot use, or no file descriptor left.
  Connector(const Context& context, Endpoint endpoint, const ConnectorOptions& options = {});
  ~Connector() override;

  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  [[nodiscard]] bool is_connected() const { return state_ == State::up; }

  /// The next frame or event. False: nothing now.
  [[nodiscard]] bool try_receive(Received& out);
  /// `gone` while there is no connection: nothing is kept for the next one.
  Sent send(Bytes&& frame);
  /// Gives the connection up, with everything under way on it, and makes a fresh one; `connected`
  /// follows when it stands. Nothing of the old one is handed out any more, no `gone` either. While
  /// there is no connection: nothing.
  void reset();
  /// The thread that uses it next may be another. The caller orders the two: by a mutex, say.
  void hand_over() {
    if (socket_) socket_->hand_over();
    if (monitor_) monitor_->hand_over();
  }

  bool prepare_wait(MonoTime now) override;
  void poll_fds(std::vector<int>& fds) const override;
  void on_readable(std::size_t index) override;
  [[nodiscard]] std::optional<MonoTime> next_deadline() const override;

  struct Counters {
    std::uint64_t frames_in = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t frames_out = 0;
    std::uint64_t bytes_out = 0;
    std::uint64_t queued = 0;
    std::uint64_t connected = 0;
    std::uint64_t disconnected = 0;     ///< broken by the other side or the network
    std::uint64_t resets = 0;           ///< asked for
    std::uint64_t failed_attempts = 0;  ///< nobody there
    std::uint64_t failed_handshakes =
        0;  ///< somebody there who is not a node, or does not let us in
    std::uint64_t self_connections = 0;
    std::uint64_t dropped_multipart = 0;
    std::uint64_t overflows = 0;
  };
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  enum class State : std::uint8_t {
    waiting,  // no socket; opened at reopen_at_
    connecting,
    up,
    draining,  // the connection is over; what came by it is still being handed out
  };

  void open();
  void close();
  void read_monitor();
  void on_report(const Monitor::Report& report);
  void give_up(Gone why);
  [[nodiscard]] Micros backoff();
  void flush();

  Context context_;
  Endpoint endpoint_;
  ConnectorOptions options_;
  Random random_;
  std::unique_ptr<Socket> socket_;
  std::unique_ptr<Monitor> monitor_;  // after the socket: destroyed first. None for inproc.
  State state_ = State::waiting;
  bool connected_pending_ = false;
  std::optional<Gone> gone_pending_;
  bool prefer_ipv6_ = false;
  int failures_ = 0;  // connections in a row that did not stand for a second
  MonoTime up_since_{};
  MonoTime reopen_at_{};
  Message staged_;  // refused by the pipe: goes before the outbox
  bool has_staged_ = false;
  std::size_t staged_bytes_ = 0;
  Outbox outbox_;
  Counters counters_;
};

}  // namespace baozi::net
