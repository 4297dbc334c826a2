/// \file network.hpp
/// Connections as the cores meet them over ZeroMQ: each keeps the order of its frames, breaks at
/// any moment with everything under way on it, and is made anew by the side that connects. Whoever
/// sends learns nothing. On top of that the weather: delay, loss, frames that come twice, frames of
/// a broken connection that come late, between those of the new one, and partitions in one
/// direction or both. Source: docs/protocol.md "Connections".
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "actor/peer.hpp"
#include "base/bytes.hpp"
#include "world.hpp"

namespace baozi::sim {

class Process;

struct Weather {
  Micros latency_min{50};
  Micros latency_max{400};
  double loss = 0;   ///< of a frame
  double twice = 0;  ///< a frame comes a second time
  double leftovers =
      0;  ///< a direction of a connection that breaks still delivers what is under way
  double overflow = 0;  ///< a router gives a peer up while sending to it
};

class Network {
 public:
  /// Sees every frame that is delivered to a process, when its loop takes it.
  struct Witness {
    virtual ~Witness() = default;
    virtual void on_delivered(Process& from, Process& to, actor::PeerKey connection,
                              BytesView frame) = 0;
    virtual void on_sent(Process& from, Process& to, actor::PeerKey connection,
                         BytesView frame) = 0;
    /// The router's loop was told that this connection is gone.
    virtual void on_gone(Process& router, Process& dealer, actor::PeerKey connection) = 0;
  };

  Network(World& world, Witness& witness) : world_{world}, witness_{witness} {}

  std::size_t add(Process& process);

  // What processes ask for.
  void open(Process& dealer, actor::LinkId link, const std::string& endpoint);
  void reset(Process& dealer, actor::LinkId link);
  void close(Process& dealer, actor::LinkId link);
  void send(Process& dealer, actor::LinkId link, Bytes frame);
  void send(Process& router, actor::PeerKey peer, Bytes frame);
  void on_process_ended(Process& process);

  // What the weather does.
  Weather weather;
  void block(std::size_t from, std::size_t to);
  void unblock(std::size_t from, std::size_t to);
  /// Breaks one connection that stands; false when there is none.
  bool break_any();
  /// Breaks those between the two.
  void break_between(std::size_t a, std::size_t b);
  /// No partitions, and weather that loses nothing.
  void heal();

  [[nodiscard]] std::uint64_t frames() const { return frames_; }

 private:
  enum Direction : std::size_t { up, down };  // up: from the side that connected
  struct Connection {
    std::size_t dealer = 0;
    std::size_t router = 0;
    std::uint64_t dealer_start = 0;
    std::uint64_t router_start = 0;
    actor::LinkId link{};
    actor::PeerKey peer{};
    bool broken = false;  // nothing new gets into it
    bool router_knows = false;
    bool abandoned = false;  // by the dealer: nothing of it reaches the core any more
    bool leftovers[2] = {false, false};
    std::int64_t last_arrival[2] = {0, 0};
    std::deque<Bytes> stalled[2];
  };
  struct Link {
    std::string endpoint;
    std::size_t connection = SIZE_MAX;
    std::uint64_t attempt = 0;  // grows with every one: older ones are void
    int failures = 0;
  };
  using Key = std::pair<std::size_t, std::uint32_t>;

  void connect(std::size_t dealer, actor::LinkId link, Micros delay);
  void attempt(std::size_t dealer, actor::LinkId link, std::uint64_t number);
  void transmit(std::size_t connection, Direction direction, Bytes frame);
  void arrive(std::size_t connection, Direction direction, const Bytes& frame);
  void deliver(std::size_t connection, Direction direction, const Bytes& frame);
  /// \param dealer_knows  the dealer did it itself, or is gone.
  void break_connection(std::size_t connection, bool dealer_knows, bool router_knows);
  void notify_dealer(std::size_t connection);
  void notify_router(std::size_t connection);
  void tell_gone(Process& router, Process& dealer, actor::PeerKey peer);
  [[nodiscard]] bool is_blocked(std::size_t from, std::size_t to) const {
    const auto found = blocked_.find({from, to});
    return found != blocked_.end() && found->second > 0;
  }
  [[nodiscard]] std::size_t from(const Connection& c, Direction d) const {
    return d == up ? c.dealer : c.router;
  }
  [[nodiscard]] std::size_t to(const Connection& c, Direction d) const {
    return d == up ? c.router : c.dealer;
  }
  void flush_stalled(std::size_t from, std::size_t to);

  World& world_;
  Witness& witness_;
  std::vector<Process*> processes_;
  std::map<std::string, std::size_t> endpoints_;
  std::map<Key, Link> links_;
  std::deque<Connection> connections_;
  std::map<std::pair<std::size_t, std::uint64_t>, std::size_t> by_peer_;
  std::map<std::pair<std::size_t, std::size_t>, int> blocked_;
  std::uint64_t next_peer_ = 1;
  std::uint64_t frames_ = 0;
};

}  // namespace baozi::sim
