#include "net/listener.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <zmq.h>

#include "base/assert.hpp"
#include "base/system_clock.hpp"
#include "net/bind.hpp"
#include "net/error.hpp"

namespace baozi::net {
namespace {

// File descriptors that are not for connections: stores, logs, plug-ins, and libzmq's own.
constexpr std::size_t fds_reserved = 128;
// Messages dropped in one call before the loop gets a chance to do something else.
constexpr int drops_per_call_max = 256;
// A peer that left is reported once what it sent before is out; under steady load at the latest
// after this many.
constexpr std::uint64_t messages_before_leave_max = 4'096;
constexpr Micros sweep_interval{1'000'000};
constexpr Micros sweep_interval_alarmed{100'000};
// What a connection receives besides frames: a handshake, a few bytes around each frame,
// heartbeats.
constexpr std::uint64_t handshake_bytes = 65'536;
constexpr std::uint64_t frame_overhead_bytes = 16;
constexpr std::int64_t heartbeat_bytes_per_second = 64;

// ROUTER names its peers by a zero byte and 32 bits; the specification keeps names that begin so
// from peers.
constexpr std::size_t routing_id_bytes = 5;

std::optional<PeerKey> unpack(BytesView id) {
  if (id.size() != routing_id_bytes || id[0] != '\0') return std::nullopt;
  std::uint32_t number = 0;
  std::memcpy(&number, id.data() + 1, sizeof number);
  return PeerKey{number};
}

std::array<char, routing_id_bytes> pack(PeerKey key) {
  std::array<char, routing_id_bytes> id{};
  const auto number = static_cast<std::uint32_t>(key);
  std::memcpy(id.data() + 1, &number, sizeof number);
  return id;
}

std::size_t default_connections_max() {
  const std::size_t fds = raise_fd_limit();
  return fds > 2 * fds_reserved ? fds - fds_reserved : fds / 2;
}

}  // namespace

Listener::Listener(const Context& context, const std::vector<Endpoint>& endpoints,
                   const ListenerOptions& options)
    : options_{options},
      connections_max_{options.connections_max != 0 ? options.connections_max
                                                    : default_connections_max()},
      socket_{context, Socket::Type::router},
      monitor_{context, socket_} {
  if (endpoints.empty()) throw NetError{"nothing to listen on: no endpoint"};
  apply(options_, socket_);
  socket_.set(ZMQ_ROUTER_MANDATORY, 1);
  socket_.set(ZMQ_BACKLOG, 4'096);  // libzmq's 100 makes a thousand workers wait for five seconds
  for (const Endpoint& endpoint : endpoints) bind(endpoint);
}

Listener::~Listener() = default;

void Listener::bind(const Endpoint& endpoint) {
  const Endpoint bound = bind_endpoint(socket_, endpoint);
  connections_.add_address(bound.to_string());
  has_inproc_ = has_inproc_ || bound.transport == Transport::inproc;
  bound_.push_back(bound);
}

// Receiving ---------------------------------------------------------------------------------------

bool Listener::try_receive(Received& out) {
  for (int drops = 0; drops < drops_per_call_max; ++drops) {
    if (next_leave(out, false)) return true;
    if (socket_.receive(id_) == Socket::Io::again) return next_leave(out, true);
    const auto rest = socket_.receive(out.message);
    BAOZI_ASSERT(rest == Socket::Io::done);  // libzmq makes a message visible as a whole
    ++messages_;
    if (judge(id_, out.message, out.peer) == Verdict::drop) continue;
    out.kind = Received::Kind::frame;
    out.frame = out.message.view();
    ++counters_.frames_in;
    counters_.bytes_in += out.frame.size();
    return true;
  }
  return false;
}

Listener::Verdict Listener::judge(const Message& id, Message& body, PeerKey& key) {
  const auto known = unpack(id.view());
  auto peer = known ? peers_.find(*known) : peers_.end();
  if (peer == peers_.end()) {
    if (!known || admit(*known, body) == Verdict::drop) {
      ++counters_.dropped_foreign;
      connections_.cut(body.connection_fd());
      read_to_end(body);
      return Verdict::drop;
    }
    peer = peers_.find(*known);  // still unknown when it is in this process
  }
  key = *known;
  if (body.has_more()) {
    ++counters_.dropped_multipart;
    read_to_end(body);
    if (peer == peers_.end()) peer = peers_.try_emplace(key).first;
    if (peer->second.state == State::live) shun(key, peer->second, Gone::multipart);
    return Verdict::drop;
  }
  if (peer == peers_.end()) return Verdict::deliver;
  if (peer->second.state == State::shunned) {
    ++counters_.dropped_shunned;
    return Verdict::drop;
  }
  peer->second.bytes += body.view().size() + frame_overhead_bytes;
  return Verdict::deliver;
}

void Listener::read_to_end(Message& part) {
  while (part.has_more()) {
    const auto next = socket_.receive(part);
    BAOZI_ASSERT(next == Socket::Io::done);
  }
}

/// The first message of a peer: may it stay? Remembers it, unless it is a peer in this process.
Listener::Verdict Listener::admit(PeerKey key, const Message& body) {
  const char* type = body.property("Socket-Type");
  const bool unknown_origin =
      type == nullptr;  // in this process, or a ZMTP so old that it says nothing
  if (unknown_origin) return has_inproc_ ? Verdict::deliver : Verdict::drop;
  if (std::strcmp(type, "DEALER") != 0) return Verdict::drop;
  const int fd = body.connection_fd();
  if (fd == -1)
    return Verdict::drop;  // libzmq could not even ask for its address: it is gone already

  read_monitor();  // so that `fd` means this connection and not an earlier one
  Peer& peer = peers_.try_emplace(key).first->second;
  peer.fd = fd;
  auto* connection = connections_.find(fd);
  if (connection == nullptr || connection->cut) {
    leave(key, peer);
    return Verdict::deliver;
  }
  if (connection->peer) {  // never seen: two peers on one connection
    if (const auto old = peers_.find(*connection->peer); old != peers_.end()) {
      leave(*connection->peer, old->second);
    }
  }
  connection->peer = key;
  return Verdict::deliver;
}

bool Listener::next_leave(Received& out, bool nothing_else) {
  while (!leaves_.empty() && (nothing_else || messages_ >= leaves_.front().after)) {
    const Leave next = leaves_.front();
    leaves_.pop_front();
    const auto peer = peers_.find(next.peer);
    const State ended = next.reported ? State::shunned : State::leaving;
    if (peer != peers_.end() && peer->second.state == ended) {
      drop_outbox(peer->second);
      peers_.erase(peer);
    }
    if (next.reported) continue;
    out.kind = Received::Kind::gone;
    out.why = next.why;
    out.peer = next.peer;
    out.frame = {};
    return true;
  }
  return false;
}

void Listener::leave(PeerKey key, Peer& peer) {
  if (peer.state != State::live) return;
  peer.state = State::leaving;
  drop_outbox(peer);
  leaves_.push_back({key, Gone::disconnected, messages_ + messages_before_leave_max, false});
}

void Listener::shun(PeerKey key, Peer& peer, Gone why) {
  BAOZI_ASSERT(peer.state == State::live);
  peer.state = State::shunned;
  drop_outbox(peer);
  connections_.cut(peer.fd);
  leaves_.push_front({key, why, 0, false});
}

void Listener::disconnect(PeerKey key) {
  const auto peer = peers_.find(key);
  if (peer != peers_.end() && peer->second.state == State::live)
    shun(key, peer->second, Gone::asked);
}

std::string Listener::address(PeerKey key) const {
  const auto peer = peers_.find(key);
  return peer == peers_.end() ? std::string{} : Connections::peer_address(peer->second.fd);
}

// Sending -----------------------------------------------------------------------------------------

Socket::Io Listener::hand_over(PeerKey key, Bytes& frame, Socket::Look look) {
  const auto name = pack(key);
  Message part;
  part.copy({name.data(), name.size()});
  const auto to_peer = socket_.send(part, true, look);
  if (to_peer != Socket::Io::done) return to_peer;
  ++counters_.frames_out;
  counters_.bytes_out += frame.size();
  part.take(std::move(frame));
  const auto body = socket_.send(part);
  BAOZI_ASSERT(body == Socket::Io::done);  // the first part reserved the place
  return body;
}

Sent Listener::send(PeerKey key, Bytes&& frame) {
  const auto peer = peers_.find(key);
  if (peer != peers_.end()) {
    if (peer->second.state != State::live) return Sent::gone;
    if (peer->second.outbox) return enqueue(key, std::move(frame));
  } else if (!has_inproc_) {
    // Never heard of, or reported gone: libzmq's monitor tells of the end a little before its pipe
    // refuses frames, and would still take this one.
    leaves_.push_back({key, Gone::disconnected, messages_, false});
    return Sent::gone;
  }
  switch (hand_over(key, frame, Socket::Look::if_refused)) {
    case Socket::Io::done: return Sent::yes;
    case Socket::Io::again: return enqueue(key, std::move(frame));
    case Socket::Io::unreachable: break;
  }
  if (peer != peers_.end()) {
    leave(key, peer->second);
  } else {
    leaves_.push_back({key, Gone::disconnected, messages_, false});
  }
  return Sent::gone;
}

Sent Listener::enqueue(PeerKey key, Bytes&& frame) {
  Peer& peer = peers_.try_emplace(key).first->second;
  if (!peer.outbox) {
    peer.outbox = std::make_unique<Outbox>();
    slow_.push_back(key);
  }
  const std::size_t bytes = frame.size();
  if (outboxes_bytes_ + bytes > options_.outboxes_bytes_max ||
      !peer.outbox->push(std::move(frame), options_.outbox)) {
    ++counters_.overflows;
    shun(key, peer, Gone::overflow);
    return Sent::overflow;
  }
  outboxes_bytes_ += bytes;
  ++counters_.queued;
  return Sent::queued;
}

void Listener::drop_outbox(Peer& peer) {
  if (!peer.outbox) return;
  outboxes_bytes_ -= peer.outbox->bytes();
  peer.outbox.reset();  // its key leaves slow_ in the next flush
}

void Listener::flush() {
  static_cast<void>(
      socket_.has_input());  // room in the pipes is news that libzmq must be made to read
  std::erase_if(slow_, [this](PeerKey key) {
    const auto it = peers_.find(key);
    if (it == peers_.end() || !it->second.outbox) return true;
    Peer& peer = it->second;
    while (!peer.outbox->empty()) {
      const std::size_t before = peer.outbox->bytes();
      Bytes frame = peer.outbox->take_front();
      const auto io = hand_over(key, frame, Socket::Look::no);
      if (io == Socket::Io::again) {
        peer.outbox->put_back(std::move(frame));
        return false;
      }
      outboxes_bytes_ -= before - peer.outbox->bytes();
      if (io == Socket::Io::unreachable) {
        leave(key, peer);
        return true;
      }
    }
    peer.outbox.reset();
    if (peer.fd == -1 && peer.state == State::live) peers_.erase(it);
    return true;
  });
}

// Housekeeping ------------------------------------------------------------------------------------

void Listener::read_monitor() {
  while (true) {
    const auto [event, fd] = monitor_.next();
    switch (event) {
      case Monitor::Event::none: return;
      case Monitor::Event::accepted:
        ++counters_.accepted;
        connections_.opened(fd, base::mono_now());
        if (connections_.size() > connections_max_) {
          ++counters_.refused_connections;
          connections_.cut(fd);
        }
        break;
      case Monitor::Event::disconnected:
        if (const auto key = connections_.closed(fd)) {
          const auto peer = peers_.find(*key);
          if (peer == peers_.end()) break;
          if (peer->second.state == State::shunned) {
            // Remembered until its last frames were received: they are not a new peer's.
            leaves_.push_back(
                {*key, Gone::disconnected, messages_ + messages_before_leave_max, true});
          } else {
            leave(*key, peer->second);
          }
        }
        break;
      case Monitor::Event::refused: ++counters_.failed_handshakes; break;
      case Monitor::Event::connected:
      case Monitor::Event::retried:
      case Monitor::Event::ready: break;
    }
  }
}

void Listener::sweep(MonoTime now) {
  if (!has_fd_left()) ++counters_.out_of_fds;
  bool alarmed = false;
  connections_.for_each([&](int fd, Connections::Connection& connection) {
    if (connection.cut) return;
    if (!connection.peer && now - connection.since >= options_.silence_max) {
      ++counters_.silent;
      connections_.cut(fd);
      return;
    }
    // With nothing left to receive, whole frames were counted; what else came by is a frame under
    // way.
    const auto received = socket_.is_dry() ? connections_.bytes_received(fd) : std::nullopt;
    if (!received) return;
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(now - connection.since);
    std::uint64_t expected =
        handshake_bytes + static_cast<std::uint64_t>(age.count() * heartbeat_bytes_per_second);
    if (connection.peer) {
      if (const auto peer = peers_.find(*connection.peer); peer != peers_.end()) {
        expected += peer->second.bytes;
      }
    }
    const std::uint64_t unfinished = *received > expected ? *received - expected : 0;
    alarmed = alarmed || unfinished > options_.unfinished_bytes_max / 2;
    if (unfinished > options_.unfinished_bytes_max) {
      ++counters_.unfinished;
      connections_.cut(fd);
    }
  });
  next_sweep_ = now + (alarmed ? sweep_interval_alarmed : sweep_interval);
}

bool Listener::prepare_wait(MonoTime now) {
  if (!monitor_.is_dry()) read_monitor();
  if (!slow_.empty()) flush();
  if (now >= next_sweep_) sweep(now);
  if (!leaves_.empty()) return true;
  return !socket_.is_dry() && socket_.has_input();
}

void Listener::poll_fds(std::vector<int>& fds) const {
  fds.push_back(socket_.fd());
  fds.push_back(monitor_.fd());
}

void Listener::on_readable(std::size_t index) {
  if (index == 0) {
    socket_.wet();
  } else {
    monitor_.wet();
  }
}

std::optional<MonoTime> Listener::next_deadline() const {
  return connections_.size() == 0 ? std::nullopt : std::optional{next_sweep_};
}

}  // namespace baozi::net
