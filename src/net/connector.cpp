#include "net/connector.hpp"

#include <algorithm>

#include <zmq.h>

#include "base/assert.hpp"
#include "base/system_clock.hpp"
#include "net/bind.hpp"
#include "net/connections.hpp"
#include "net/error.hpp"

namespace baozi::net {
namespace {

// A connection that stood for so long was a good one: the next attempt is made at once.
constexpr Micros good_connection{1'000'000};
constexpr int doublings_max = 20;

int milliseconds(Micros duration) {
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(duration).count());
}

}  // namespace

Connector::Connector(const Context& context, Endpoint endpoint, const ConnectorOptions& options)
    : context_{context}, endpoint_{std::move(endpoint)}, options_{options}, random_{entropy64()} {
  open();
}

Connector::~Connector() = default;

// The life of a connection ------------------------------------------------------------------------

void Connector::open() {
  auto socket = std::make_unique<Socket>(context_, Socket::Type::dealer);
  apply(options_, *socket);
  socket->set(ZMQ_IMMEDIATE, 1);  // nothing is queued for a connection that does not stand
  socket->set(ZMQ_LINGER, milliseconds(options_.linger));
  // libzmq's own jitter is the same in every process: it never seeds it.
  const double jitter = 1 + random_.unit() / 2;
  const auto interval = std::chrono::duration_cast<Micros>(options_.reconnect_min * jitter);
  socket->set(ZMQ_RECONNECT_IVL, milliseconds(interval));
  socket->set(ZMQ_RECONNECT_IVL_MAX, milliseconds(options_.reconnect_max));
  socket->set(ZMQ_CONNECT_TIMEOUT, milliseconds(options_.connect_max));
  const bool is_tcp = endpoint_.transport == Transport::tcp;
  if (is_tcp) {
    const HostKind kind = host_kind(endpoint_);
    socket->set(ZMQ_IPV6,
                kind == HostKind::ipv6 || (kind == HostKind::name && prefer_ipv6_) ? 1 : 0);
  }
  const bool in_process = endpoint_.transport == Transport::inproc;
  auto monitor = in_process ? nullptr : std::make_unique<Monitor>(context_, *socket);
  if (const std::string why = socket->connect(zmq_address(endpoint_)); !why.empty()) {
    monitor.reset();  // before the socket that it watches
    throw NetError{"cannot connect to " + endpoint_.to_string() + ": " + why};
  }
  socket_ = std::move(socket);
  monitor_ = std::move(monitor);
  state_ = State::connecting;
  if (in_process) on_report({Monitor::Event::ready, -1});  // libzmq reports nothing of these
}

/// Closes the socket with everything in it; the next one is opened when it is due.
void Connector::close() {
  const MonoTime now = base::mono_now();
  const bool was_good = state_ != State::connecting && now - up_since_ >= good_connection;
  failures_ = was_good ? 0 : std::min(failures_ + 1, doublings_max);
  monitor_.reset();
  if (socket_) socket_->set(ZMQ_LINGER, 0);
  socket_.reset();
  staged_.copy({});
  has_staged_ = false;
  outbox_.clear();
  connected_pending_ = false;
  state_ = State::waiting;
  reopen_at_ = now + backoff();
}

Micros Connector::backoff() {
  if (failures_ == 0) return Micros{0};
  const Micros delay = std::min(options_.reconnect_min * (std::int64_t{1} << (failures_ - 1)),
                                options_.reconnect_max);
  return std::chrono::duration_cast<Micros>(delay * (0.5 + random_.unit() / 2));
}

void Connector::reset() {
  if (state_ != State::up && state_ != State::draining) return;
  ++counters_.resets;
  gone_pending_.reset();
  close();
}

void Connector::give_up(Gone why) {
  close();
  gone_pending_ = why;
}

void Connector::read_monitor() {
  while (monitor_) {
    const auto report = monitor_->next();
    if (report.event == Monitor::Event::none) return;
    on_report(report);
  }
}

void Connector::on_report(const Monitor::Report& report) {
  switch (report.event) {
    case Monitor::Event::connected:
      if (cut_self_connection(report.fd)) {
        ++counters_.self_connections;
        close();
      }
      break;
    case Monitor::Event::ready:
      ++counters_.connected;
      state_ = State::up;
      up_since_ = base::mono_now();
      connected_pending_ = true;
      break;
    case Monitor::Event::retried:
      ++counters_.failed_attempts;
      if (state_ == State::connecting && host_kind(endpoint_) == HostKind::name &&
          endpoint_.transport == Transport::tcp && endpoint_.host != "localhost") {
        prefer_ipv6_ =
            !prefer_ipv6_;  // libzmq tries one address of a name: try the other family's next
        close();
      }
      break;
    case Monitor::Event::refused:
      ++counters_.failed_handshakes;
      close();  // libzmq itself would not try again after some of these
      break;
    case Monitor::Event::disconnected:
      if (state_ == State::up) {
        ++counters_.disconnected;
        state_ = State::draining;
      } else if (state_ == State::connecting) {
        close();
      }
      break;
    case Monitor::Event::none:
    case Monitor::Event::accepted: break;
  }
}

// Frames ------------------------------------------------------------------------------------------

bool Connector::try_receive(Received& out) {
  if (state_ == State::connecting || (monitor_ && !monitor_->is_dry())) read_monitor();
  out.frame = {};
  if (gone_pending_) {
    out.kind = Received::Kind::gone;
    out.why = *gone_pending_;
    gone_pending_.reset();
    return true;
  }
  if (connected_pending_) {
    connected_pending_ = false;
    out.kind = Received::Kind::connected;
    return true;
  }
  if (state_ != State::up && state_ != State::draining) return false;
  if (socket_->receive(out.message) == Socket::Io::done) {
    if (out.message.has_more()) {
      ++counters_.dropped_multipart;
      out.kind = Received::Kind::gone;
      out.why = Gone::multipart;
      close();
      return true;
    }
    out.kind = Received::Kind::frame;
    out.frame = out.message.view();
    ++counters_.frames_in;
    counters_.bytes_in += out.frame.size();
    return true;
  }
  if (state_ == State::up) return false;
  out.kind = Received::Kind::gone;
  out.why = Gone::disconnected;
  close();
  return true;
}

Sent Connector::send(Bytes&& frame) {
  if (state_ != State::up) return Sent::gone;
  const std::size_t bytes = frame.size();
  if (!has_staged_) {
    staged_.take(std::move(frame));
    if (socket_->send(staged_) == Socket::Io::done) {
      ++counters_.frames_out;
      counters_.bytes_out += bytes;
      return Sent::yes;
    }
    has_staged_ = true;
    staged_bytes_ = bytes;
  } else if (!outbox_.push(std::move(frame), options_.outbox)) {
    ++counters_.overflows;
    give_up(Gone::overflow);
    return Sent::overflow;
  }
  ++counters_.queued;
  return Sent::queued;
}

void Connector::flush() {
  while (has_staged_ && state_ == State::up) {
    if (socket_->send(staged_) != Socket::Io::done) return;
    ++counters_.frames_out;
    counters_.bytes_out += staged_bytes_;
    has_staged_ = !outbox_.empty();
    if (!has_staged_) return;
    Bytes frame = outbox_.take_front();
    staged_bytes_ = frame.size();
    staged_.take(std::move(frame));
  }
}

// Waiting -----------------------------------------------------------------------------------------

bool Connector::prepare_wait(MonoTime now) {
  if (monitor_ && !monitor_->is_dry()) read_monitor();
  if (state_ == State::waiting && now >= reopen_at_) {
    try {
      open();
      read_monitor();            // until it is dry: before that its descriptor does not tell
    } catch (const NetError&) {  // out of file descriptors: later, perhaps
      failures_ = std::min(failures_ + 1, doublings_max);
      reopen_at_ = now + backoff();
    }
  }
  flush();
  if (connected_pending_ || gone_pending_ || state_ == State::draining) return true;
  return state_ == State::up && !socket_->is_dry() && socket_->has_input();
}

void Connector::poll_fds(std::vector<int>& fds) const {
  if (monitor_) fds.push_back(monitor_->fd());
  if (state_ == State::up) fds.push_back(socket_->fd());
}

void Connector::on_readable(std::size_t index) {
  if (monitor_ && index == 0) {
    monitor_->wet();
  } else if (socket_) {
    socket_->wet();
  }
}

std::optional<MonoTime> Connector::next_deadline() const {
  return state_ == State::waiting ? std::optional{reopen_at_} : std::nullopt;
}

}  // namespace baozi::net
