#include "network.hpp"

#include <algorithm>

#include "frame_text.hpp"
#include "process.hpp"

namespace baozi::sim {

std::size_t Network::add(Process& process) {
  processes_.push_back(&process);
  if (!process.endpoint().empty()) endpoints_[process.endpoint()] = processes_.size() - 1;
  return processes_.size() - 1;
}

// ---- connecting

void Network::open(Process& dealer, actor::LinkId link, const std::string& endpoint) {
  Link& state = links_[Key{dealer.index(), static_cast<std::uint32_t>(link)}];
  state = {.endpoint = endpoint, .connection = SIZE_MAX, .attempt = state.attempt, .failures = 0};
  connect(dealer.index(), link, Micros{0});
}

void Network::connect(std::size_t dealer, actor::LinkId link, Micros delay) {
  Link& state = links_.at(Key{dealer, static_cast<std::uint32_t>(link)});
  state.connection = SIZE_MAX;
  const std::uint64_t number = ++state.attempt;
  const Micros handshake = world_.chance.between(weather.latency_min * 3, weather.latency_max * 3);
  processes_[dealer]->later(delay + handshake,
                            [this, dealer, link, number] { attempt(dealer, link, number); });
}

void Network::attempt(std::size_t dealer, actor::LinkId link, std::uint64_t number) {
  Link& state = links_.at(Key{dealer, static_cast<std::uint32_t>(link)});
  if (state.attempt != number) return;
  const auto target = endpoints_.find(state.endpoint);
  const bool there = target != endpoints_.end() && processes_[target->second]->is_up() &&
                     !processes_[target->second]->is_paused() &&
                     !is_blocked(dealer, target->second) && !is_blocked(target->second, dealer);
  if (!there) {
    state.failures = std::min(state.failures + 1, 7);
    return connect(dealer, link,
                   world_.chance.between(Micros{10'000}, Micros{10'000} * (1 << state.failures)));
  }
  state.failures = 0;
  Process& router = *processes_[target->second];
  Connection connection;
  connection.dealer = dealer;
  connection.router = target->second;
  connection.dealer_start = processes_[dealer]->starts();
  connection.router_start = router.starts();
  connection.link = link;
  connection.peer = actor::PeerKey{next_peer_++};
  state.connection = connections_.size();
  by_peer_[{connection.router, static_cast<std::uint64_t>(connection.peer)}] = state.connection;
  connections_.push_back(connection);
  if (world_.logging) world_.say(processes_[dealer]->name(), "connected to " + router.name());
  Process& process = *processes_[dealer];
  process.post([this, &process, link, at = state.connection](Now now) {
    if (!connections_[at].abandoned) process.on_connected(link, now);
  });
}

void Network::reset(Process& dealer, actor::LinkId link) {
  const auto found = links_.find(Key{dealer.index(), static_cast<std::uint32_t>(link)});
  if (found == links_.end()) return;
  const std::size_t old = found->second.connection;
  if (old == SIZE_MAX) return;  // it is being made anew already
  if (world_.logging)
    world_.say(dealer.name(), "gives up its connection to " + found->second.endpoint);
  break_connection(old, true, false);
  connect(dealer.index(), link, Micros{0});
}

void Network::close(Process& dealer, actor::LinkId link) {
  const auto found = links_.find(Key{dealer.index(), static_cast<std::uint32_t>(link)});
  if (found == links_.end()) return;
  if (found->second.connection != SIZE_MAX) break_connection(found->second.connection, true, false);
  ++found->second.attempt;
  found->second.connection = SIZE_MAX;
}

// ---- frames

void Network::send(Process& dealer, actor::LinkId link, Bytes frame) {
  const auto found = links_.find(Key{dealer.index(), static_cast<std::uint32_t>(link)});
  if (found == links_.end() || found->second.connection == SIZE_MAX) {
    if (world_.logging)
      world_.say(dealer.name(), "sends without a connection: " + frame_text(frame));
    return;
  }
  transmit(found->second.connection, up, std::move(frame));
}

void Network::send(Process& router, actor::PeerKey peer, Bytes frame) {
  const auto found = by_peer_.find({router.index(), static_cast<std::uint64_t>(peer)});
  if (found == by_peer_.end()) return;
  Connection& connection = connections_[found->second];
  const bool overflow = !connection.broken && world_.chance.yes(weather.overflow);
  if (overflow) break_connection(found->second, false, true);
  if (connection.broken && connection.router_knows) {
    if (world_.logging) world_.say(router.name(), "peer is gone: " + frame_text(frame));
    Process& dealer = *processes_[connection.dealer];
    witness_.on_sent(router, dealer, peer, frame);
    tell_gone(router, dealer, peer);
    return;
  }
  transmit(found->second, down, std::move(frame));
}

void Network::transmit(std::size_t index, Direction direction, Bytes frame) {
  Connection& connection = connections_[index];
  Process& source = *processes_[from(connection, direction)];
  Process& target = *processes_[to(connection, direction)];
  if (world_.logging) world_.say(source.name(), "-> " + target.name() + "  " + frame_text(frame));
  witness_.on_sent(source, target, connection.peer, frame);
  if (connection.broken) return;
  ++frames_;
  if (world_.chance.yes(weather.loss)) {
    if (world_.logging) world_.say(source.name(), "   (that frame is lost)");
    return;
  }
  std::int64_t& last = connection.last_arrival[direction];
  const Micros latency = world_.chance.between(weather.latency_min, weather.latency_max);
  last = std::max(last + 1, world_.time.now() + latency.count());
  const bool twice = world_.chance.yes(weather.twice);
  if (twice) {
    const Micros later = world_.chance.spread(Micros{100}, Micros{2'000'000});
    world_.time.at(last + later.count(),
                   [this, index, direction, frame] { deliver(index, direction, frame); });
  }
  world_.time.at(last, [this, index, direction, frame = std::move(frame)] {
    arrive(index, direction, frame);
  });
}

void Network::arrive(std::size_t index, Direction direction, const Bytes& frame) {
  Connection& connection = connections_[index];
  if (connection.broken && !connection.leftovers[direction]) return;
  if (is_blocked(from(connection, direction), to(connection, direction)) ||
      !connection.stalled[direction].empty()) {
    connection.stalled[direction].push_back(frame);
    return;
  }
  deliver(index, direction, frame);
}

void Network::deliver(std::size_t index, Direction direction, const Bytes& frame) {
  Connection& connection = connections_[index];
  Process& source = *processes_[from(connection, direction)];
  Process& target = *processes_[to(connection, direction)];
  const std::uint64_t start = direction == up ? connection.router_start : connection.dealer_start;
  if (!target.is_up() || target.starts() != start) return;
  if (direction == up) {
    target.post([this, &source, &target, peer = connection.peer, frame](Now now) {
      world_.mix(frame);
      witness_.on_delivered(source, target, peer, frame);
      target.on_frame(peer, frame, now);
    });
    return;
  }
  target.post([this, &source, &target, index, frame](Now now) {
    const Connection& carried = connections_[index];
    // A fresh socket has nothing of the old one in it. Other clients' may: that is what leftovers
    // stand for.
    if (carried.abandoned && !carried.leftovers[down]) return;
    world_.mix(frame);
    witness_.on_delivered(source, target, carried.peer, frame);
    target.on_frame(carried.link, frame, now);
  });
}

// ---- breaking

void Network::break_connection(std::size_t index, bool dealer_knows, bool router_knows) {
  Connection& connection = connections_[index];
  if (connection.broken) {
    connection.abandoned = connection.abandoned || dealer_knows;
    return;
  }
  connection.broken = true;
  connection.leftovers[up] = world_.chance.yes(weather.leftovers);
  connection.leftovers[down] = world_.chance.yes(weather.leftovers / 4);
  if (dealer_knows) {
    connection.abandoned = true;
  } else {
    notify_dealer(index);
  }
  if (router_knows) {
    connection.router_knows = true;
  } else {
    notify_router(index);
  }
}

void Network::notify_dealer(std::size_t index) {
  Connection& connection = connections_[index];
  Process& dealer = *processes_[connection.dealer];
  if (!dealer.is_up() || dealer.starts() != connection.dealer_start) return;
  // Where no packet gets through, only silence tells: ZMTP's own heartbeats give up after a while.
  const bool silent = is_blocked(connection.router, connection.dealer);
  const Micros delay =
      silent ? Micros{15'000'000} : world_.chance.between(Micros{50}, Micros{3'000});
  dealer.later(delay, [this, &dealer, index] {
    Connection& broken = connections_[index];
    if (broken.abandoned) return;
    dealer.post([this, &dealer, index](Now now) {
      Connection& gone = connections_[index];
      if (gone.abandoned) return;
      gone.abandoned = true;
      if (world_.logging)
        world_.say(dealer.name(), "loses its connection to " + processes_[gone.router]->name());
      connect(gone.dealer, gone.link, Micros{0});
      dealer.on_disconnected(gone.link, now);
    });
  });
}

void Network::notify_router(std::size_t index) {
  Connection& connection = connections_[index];
  Process& router = *processes_[connection.router];
  if (!router.is_up() || router.starts() != connection.router_start) return;
  const bool silent = is_blocked(connection.dealer, connection.router);
  const Micros delay =
      silent ? Micros{15'000'000} : world_.chance.between(Micros{50}, Micros{3'000});
  router.later(delay, [this, &router, index] {
    Connection& broken = connections_[index];
    broken.router_knows = true;
    // The shell is told of broken connections too, unless a reconnect was faster.
    if (world_.chance.yes(0.5)) {
      tell_gone(router, *processes_[broken.dealer], broken.peer);
    }
  });
}

void Network::tell_gone(Process& router, Process& dealer, actor::PeerKey peer) {
  router.post([this, &router, &dealer, peer](Now now) {
    witness_.on_gone(router, dealer, peer);
    router.on_gone(peer, now);
  });
}

void Network::on_process_ended(Process& process) {
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    Connection& connection = connections_[i];
    if (connection.broken) continue;
    if (connection.dealer == process.index()) {
      break_connection(i, true, false);
    } else if (connection.router == process.index()) {
      break_connection(i, false, true);
    }
  }
  for (auto& [key, link] : links_) {
    if (key.first != process.index()) continue;
    ++link.attempt;
    link.connection = SIZE_MAX;
  }
}

bool Network::break_any() {
  std::vector<std::size_t> standing;
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    if (!connections_[i].broken) standing.push_back(i);
  }
  if (standing.empty()) return false;
  const std::size_t index = standing[world_.chance.index(standing.size())];
  if (world_.logging) {
    world_.say("network", "breaks " + processes_[connections_[index].dealer]->name() + " - " +
                              processes_[connections_[index].router]->name());
  }
  break_connection(index, false, false);
  return true;
}

void Network::break_between(std::size_t a, std::size_t b) {
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    const Connection& c = connections_[i];
    if (!c.broken && ((c.dealer == a && c.router == b) || (c.dealer == b && c.router == a))) {
      break_connection(i, false, false);
    }
  }
}

void Network::block(std::size_t from, std::size_t to) {
  ++blocked_[{from, to}];
  if (world_.logging)
    world_.say("network", "cuts " + processes_[from]->name() + " -> " + processes_[to]->name());
}

void Network::unblock(std::size_t from, std::size_t to) {
  int& count = blocked_[{from, to}];
  if (count == 0 || --count > 0) return;
  if (world_.logging)
    world_.say("network", "heals " + processes_[from]->name() + " -> " + processes_[to]->name());
  flush_stalled(from, to);
}

void Network::flush_stalled(std::size_t source, std::size_t target) {
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    for (const Direction direction : {up, down}) {
      Connection& connection = connections_[i];
      if (from(connection, direction) != source || to(connection, direction) != target) continue;
      auto stalled = std::exchange(connection.stalled[direction], {});
      if (connection.broken && !connection.leftovers[direction]) continue;
      for (Bytes& frame : stalled) {
        std::int64_t& last = connection.last_arrival[direction];
        last = std::max(
            last + 1, world_.time.now() +
                          world_.chance.between(weather.latency_min, weather.latency_max).count());
        world_.time.at(
            last, [this, i, direction, frame = std::move(frame)] { arrive(i, direction, frame); });
      }
    }
  }
}

void Network::heal() {
  for (auto& [pair, count] : blocked_) {
    if (count == 0) continue;
    count = 0;
    flush_stalled(pair.first, pair.second);
  }
  weather.loss = weather.twice = weather.leftovers = weather.overflow = 0;
}

}  // namespace baozi::sim
