/// \file listener.hpp
/// The listening side: many peers behind one ROUTER, each known by a PeerKey that lives as long as
/// its connection. It never blocks, never drops a frame silently, and lets no peer take another's
/// name.
///
/// What comes in: single-part messages of peers that let ROUTER name them. A message of several
/// parts is read to its end without being kept, its peer is cut off and reported gone. A peer that
/// brings its own routing id, or does not speak ZMTP 3, is cut off and counted. The rest is the
/// decoder's business.
///
/// Threading: owned by the loop's thread. Time: passed to `prepare_wait`.
/// Source: docs/protocol.md "Connections"; docs/operations.md "What a stranger can do".
///
/// Known weakness of libzmq 4.3.4: a stranger who breaks the specification and names himself what
/// ROUTER is about to name somebody else ends the process (an assertion), and we are not asked
/// before. Names are made hard to guess, but someone with some hundred thousand connections will
/// hit one. Loopback or keys.
#pragma once
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/connections.hpp"
#include "net/context.hpp"
#include "net/endpoint.hpp"
#include "net/monitor.hpp"
#include "net/options.hpp"
#include "net/socket.hpp"
#include "net/source.hpp"

namespace baozi::net {

class Listener final : public Source {
 public:
  /// Binds all of `endpoints`.
  /// \throws NetError  that names the endpoint: in use, no such address, no permission, keys that
  /// this
  ///                   build cannot use.
  Listener(const Context& context, const std::vector<Endpoint>& endpoints,
           const ListenerOptions& options = {});
  ~Listener() override;

  /// What was bound, with the ports that the system chose.
  [[nodiscard]] const std::vector<Endpoint>& endpoints() const { return bound_; }

  /// The next frame, or the news that a peer is gone. False: nothing now (or much that was dropped:
  /// the next wait returns at once).
  [[nodiscard]] bool try_receive(Received& out);
  /// Never `Sent::yes` for what was not handed over, never a reordered frame.
  Sent send(PeerKey peer, Bytes&& frame);
  /// Ends a peer's connection. It is reported gone (`asked`); what it still sends is dropped.
  void disconnect(PeerKey peer);

  /// "10.0.0.7:40123", empty for a peer that is not connected by tcp. For logs.
  [[nodiscard]] std::string address(PeerKey peer) const;

  bool prepare_wait(MonoTime now) override;
  void poll_fds(std::vector<int>& fds) const override;
  void on_readable(std::size_t index) override;
  [[nodiscard]] std::optional<MonoTime> next_deadline() const override;

  struct Counters {
    std::uint64_t frames_in = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t frames_out = 0;
    std::uint64_t bytes_out = 0;
    std::uint64_t queued = 0;               ///< frames that had to wait in an outbox
    std::uint64_t accepted = 0;             ///< connections, those refused included
    std::uint64_t refused_connections = 0;  ///< beyond connections_max
    std::uint64_t failed_handshakes = 0;
    std::uint64_t silent = 0;             ///< connections closed because nothing came by them
    std::uint64_t unfinished = 0;         ///< connections closed because of an endless message
    std::uint64_t dropped_multipart = 0;  ///< messages
    std::uint64_t dropped_foreign =
        0;  ///< messages of peers with their own routing id, or of old ZMTP
    std::uint64_t dropped_shunned = 0;  ///< messages of peers that were already given up
    std::uint64_t overflows = 0;        ///< peers given up because they did not read
    std::uint64_t out_of_fds = 0;       ///< seconds in which no file descriptor was left
  };
  [[nodiscard]] const Counters& counters() const { return counters_; }
  [[nodiscard]] std::size_t connections() const { return connections_.size(); }
  [[nodiscard]] std::size_t connections_max() const { return connections_max_; }
  /// Bytes in all outboxes.
  [[nodiscard]] std::size_t outboxes_bytes() const { return outboxes_bytes_; }

 private:
  enum class State : std::uint8_t {
    live,
    leaving,  ///< its connection is over; what it sent before is still being handed out
    shunned,  ///< given up: what comes is dropped
  };
  struct Peer {
    State state = State::live;
    int fd = -1;                     // -1: in this process (inproc)
    std::uint64_t bytes = 0;         // that arrived in whole frames
    std::unique_ptr<Outbox> outbox;  // only while it is slow
  };
  struct Leave {
    PeerKey peer{};
    Gone why = Gone::disconnected;
    std::uint64_t after =
        0;                  // reported when the socket is empty or this many messages were received
    bool reported = false;  // when it was given up: now only its last frames are over
  };
  enum class Verdict : std::uint8_t { deliver, drop };

  void bind(const Endpoint& endpoint);
  Verdict judge(const Message& id, Message& body, PeerKey& key);
  Verdict admit(PeerKey key, const Message& body);
  void read_to_end(Message& part);
  bool next_leave(Received& out, bool nothing_else);
  void leave(PeerKey key, Peer& peer);
  void shun(PeerKey key, Peer& peer, Gone why);
  void drop_outbox(Peer& peer);
  Sent enqueue(PeerKey key, Bytes&& frame);
  Socket::Io hand_over(PeerKey key, Bytes& frame, Socket::Look look);
  void flush();
  void read_monitor();
  void sweep(MonoTime now);

  ListenerOptions options_;
  std::size_t connections_max_;
  Socket socket_;
  Monitor monitor_;
  std::vector<Endpoint> bound_;
  bool has_inproc_ = false;
  Message id_;
  Connections connections_;
  std::unordered_map<PeerKey, Peer> peers_;
  std::vector<PeerKey> slow_;  // those with an outbox
  std::size_t outboxes_bytes_ = 0;
  std::deque<Leave> leaves_;
  std::uint64_t messages_ = 0;
  MonoTime next_sweep_{};
  Counters counters_;
};

}  // namespace baozi::net
