// Sessions and links: who talks to the collector, and what may be said.
#include "collector/collector_core.hpp"

#include <algorithm>
#include <utility>

#include "collector/collector_send.hpp"

namespace baozi::collector {

namespace {

// Session numbers start at random, so that one of an earlier start is never valid again (D1).
std::uint64_t first_session(std::uint64_t seed) { return (Random{seed}.next() >> 24U) | 1U; }

}  // namespace

CollectorCore::CollectorCore(const CollectorOptions& options, std::uint64_t seed,
                             const Rules& rules)
    : options_{options},
      rules_{rules},
      sessions_{{.heartbeats = options.heartbeats, .sessions_max = options.sessions_max},
                first_session(seed),
                rules},
      next_link_giver_{giver_is_link | 1U},
      commits_{options.commits},
      watches_{options.watches_max},
      states_{options.states_max, options.state_bytes_max},
      history_{options.events},
      cap_{options.results_max},
      publishers_{options.event_nodes_max} {
  for (const std::string& endpoint : options.brokers) {
    brokers_.push_back({.endpoint = endpoint, .link = actor::Link{rules}});
  }
}

void CollectorCore::start(Now now, CollectorEffects& out) {
  next_sweep_ = now.mono + options_.sweep_interval;
  // Offsets grow over restarts, too: no node tells more than an event in each microsecond.
  history_.begin(static_cast<std::uint64_t>(std::max<std::int64_t>(micros(now.wall), 1)));
  for (std::size_t i = 0; i < brokers_.size(); ++i) {
    out.net.open_links.push_back(
        {actor::LinkId{static_cast<std::uint32_t>(i)}, brokers_[i].endpoint});
  }
}

CollectorCore::Client* CollectorCore::client_of(std::uint64_t session) {
  const auto found = clients_.find(session);
  return found == clients_.end() ? nullptr : &found->second;
}

void CollectorCore::refuse(actor::Session& session, wire::ErrorCode code, std::string_view text,
                           CollectorEffects& out) {
  // ERROR carries the session, but no number: it must be sendable when the numbers are in doubt.
  out.net.to_peers.push_back(
      {session.peer, wire::encode(session.number, 0, wire::ErrorMessage{code, text})});
}

void CollectorCore::ended(const actor::Session& session) {
  const auto found = clients_.find(session.number);
  if (found == clients_.end()) return;
  watches_.drop(session.number, found->second.origin);
  clients_.erase(found);
}

void CollectorCore::end_session(actor::Session& session, wire::ErrorCode code,
                                std::string_view text, CollectorEffects& out) {
  refuse(session, code, text, out);
  ended(session);
  sessions_.close(session.number);
}

// ---- listening side ----

void CollectorCore::on_frame(actor::PeerKey peer, BytesView frame, Now now, CollectorEffects& out) {
  if (drained_) return;
  sessions_.on_frame(peer, frame, now, received_);
  switch (received_.event) {
    case actor::SessionTable::Event::nothing: break;
    case actor::SessionTable::Event::answer:
      out.net.to_peers.push_back({peer, std::move(received_.reply)});
      break;
    case actor::SessionTable::Event::hello: on_hello(peer, received_.hello, now, out); break;
    case actor::SessionTable::Event::message:
      on_message(*received_.session, received_.frame, now, out);
      break;
    case actor::SessionTable::Event::ended:
      out.net.to_peers.push_back({peer, std::move(received_.reply)});
      ended(received_.closed);
      break;
  }
}

void CollectorCore::on_gone(actor::PeerKey peer, Now, CollectorEffects&) {
  actor::Session* const session = sessions_.find(peer);
  if (session == nullptr) return;
  ended(*session);
  sessions_.close(session->number);
}

void CollectorCore::on_hello(actor::PeerKey peer, const wire::Hello& hello, Now now,
                             CollectorEffects& out) {
  const auto turn_away = [&](wire::ErrorCode code, std::string_view text) {
    out.net.to_peers.push_back({peer, wire::encode(0, 0, wire::ErrorMessage{code, text})});
  };
  if (draining_) return turn_away(wire::ErrorCode::draining, "this collector is stopping");
  if (hello.role == wire::Role::collector) {
    ++counters_.not_allowed;
    return turn_away(wire::ErrorCode::not_allowed, "collectors do not connect to each other");
  }
  if (hello.role == wire::Role::worker && commits_.bytes() > options_.pending_bytes_max) {
    ++counters_.turned_away;
    return turn_away(wire::ErrorCode::overloaded, "too many results wait for the disk");
  }
  ended_.clear();
  actor::Session& session = sessions_.open(peer, hello, now, ended_);
  for (const actor::Session& older : ended_) ended(older);
  Client& client = clients_[session.number];
  client.role = hello.role;
  if (hello.role != wire::Role::worker && !hello.origin.empty()) {
    client.origin = hello.origin;
    watches_.stand(Uuid::from_bytes(hello.origin), {session.number, hello.durable_results});
  }
  wire::Welcome welcome;
  welcome.nonce = hello.nonce;
  welcome.name = options_.name;
  welcome.incarnation = static_cast<std::uint64_t>(options_.incarnation);
  welcome.heartbeat_us = options_.heartbeats.interval_us;
  welcome.liveness_us = options_.heartbeats.liveness_us;
  welcome.frame_bytes_max = limits::frame_bytes_max;
  welcome.task_bytes_max = options_.result_bytes_max;
  out.net.to_peers.push_back({peer, wire::encode(session.number, 0, welcome)});
}

void CollectorCore::on_message(actor::Session& session, wire::OpenFrame& frame, Now now,
                               CollectorEffects& out) {
  Client* const client = client_of(session.number);
  if (client == nullptr) return;
  const Giver from{session.number};
  const bool is_worker = client->role == wire::Role::worker;
  bool understood = true;
  switch (frame.header.type) {
    case wire::Type::ping: return send(session, wire::Pong{}, out);
    case wire::Type::pong: return;
    case wire::Type::goodbye: ended(session); return sessions_.close(session.number);
    case wire::Type::result:
      if (!is_worker) break;
      if (draining_)
        return;  // its worker keeps it and hands it to another collector, or to us after the
                 // restart
      switch (take_results(from, session.incarnation, client->entries, frame, now, out)) {
        case Taken::yes: return;
        case Taken::out_of_order:
          return end_session(session, wire::ErrorCode::gap,
                             "RESULT does not go on where the last one ended", out);
        case Taken::malformed:
          return end_session(session, wire::ErrorCode::malformed, "RESULT does not parse", out);
        case Taken::overloaded:
          return end_session(session, wire::ErrorCode::no_session,
                             "too many results wait for the disk", out);
      }
      return;
    case wire::Type::state:
      if (!is_worker) break;
      understood = on_state(frame, out);
      if (!understood) break;
      return;
    case wire::Type::watch:
      understood = on_watch(session, frame, out);
      if (!understood) break;
      return;
    case wire::Type::fetch:
      understood = on_fetch(from, frame, now, out);
      if (!understood) break;
      return;
    case wire::Type::forget:
      if (is_worker) break;
      understood = on_forget(from, frame, now, out);
      if (!understood) break;
      return;
    case wire::Type::events:
      understood = on_events(from, session.name, session.incarnation, frame, now, out);
      if (!understood) break;
      return;
    case wire::Type::follow:
      understood = on_follow(session, frame, out);
      if (!understood) break;
      return;
    case wire::Type::control:
      understood = on_control(session, frame, now, out);
      if (!understood) break;
      return;
    default: break;
  }
  if (!understood) {
    ++counters_.malformed;
    return refuse(session, wire::ErrorCode::malformed,
                  std::string{to_string(frame.header.type)} + " does not parse", out);
  }
  ++counters_.not_allowed;
  refuse(session, wire::ErrorCode::not_allowed,
         std::string{"a "} + to_string(client->role) + " may not send " +
             to_string(frame.header.type) + " to a collector",
         out);
}

// ---- links to brokers ----

void CollectorCore::on_connected(actor::LinkId id, Now now, CollectorEffects& out) {
  if (drained_) return;
  Broker& broker = brokers_.at(static_cast<std::uint32_t>(id));
  wire::Hello hello;
  hello.role = wire::Role::collector;
  hello.name = options_.name;
  hello.incarnation = static_cast<std::uint64_t>(options_.incarnation);
  hello.software = options_.version;
  hello.host = options_.host;
  hello.pid = options_.pid;
  hello.endpoints.assign(options_.endpoints.begin(), options_.endpoints.end());
  out.net.to_links.push_back({id, broker.link.greet(std::move(hello), now)});
}

void CollectorCore::on_disconnected(actor::LinkId id, Now, CollectorEffects&) {
  Broker& broker = brokers_.at(static_cast<std::uint32_t>(id));
  broker.link.drop();
  broker.giver = {};
}

void CollectorCore::lose(actor::LinkId id, CollectorEffects& out) {
  Broker& broker = brokers_.at(static_cast<std::uint32_t>(id));
  broker.link.drop();
  broker.giver = {};
  out.net.reset_links.push_back(id);
}

void CollectorCore::on_frame(actor::LinkId id, BytesView bytes, Now now, CollectorEffects& out) {
  Broker& broker = brokers_.at(static_cast<std::uint32_t>(id));
  wire::OpenFrame frame{.header = {}, .reader = Reader{{}}, .fields = 0};
  switch (broker.link.on_frame(bytes, now, frame)) {
    case actor::Link::Event::nothing: break;
    case actor::Link::Event::welcome:
      broker.giver = Giver{next_link_giver_++};
      broker.entries = 0;
      break;
    case actor::Link::Event::lost: lose(id, out); break;
    case actor::Link::Event::message: on_broker_message(id, frame, now, out); break;
  }
}

void CollectorCore::on_broker_message(actor::LinkId id, wire::OpenFrame& frame, Now now,
                                      CollectorEffects& out) {
  Broker& broker = brokers_.at(static_cast<std::uint32_t>(id));
  switch (frame.header.type) {
    case wire::Type::result: {
      if (draining_) return;
      const Incarnation incarnation{broker.link.welcome().incarnation};
      const Taken taken = take_results(broker.giver, incarnation, broker.entries, frame, now, out);
      if (taken != Taken::yes) lose(id, out);
      break;
    }
    case wire::Type::fetch:
      if (!on_fetch(broker.giver, frame, now, out)) {
        ++counters_.malformed;
        lose(id, out);
      }
      break;
    case wire::Type::events: {
      const wire::Welcome& welcome = broker.link.welcome();
      if (!on_events(broker.giver, welcome.name, Incarnation{welcome.incarnation}, frame, now,
                     out)) {
        ++counters_.malformed;
        lose(id, out);
      }
      break;
    }
    case wire::Type::goodbye: lose(id, out); break;
    default: break;  // COLLECTORS and ERROR: nothing that we could do about them
  }
}

// ---- time ----

void CollectorCore::turn(Now now, CollectorEffects& out) {
  if (drained_) return;
  ended_.clear();
  sessions_.expire(now, ended_);
  for (const actor::Session& session : ended_) ended(session);
  for (std::size_t i = 0; i < brokers_.size(); ++i) {
    const actor::LinkId id{static_cast<std::uint32_t>(i)};
    std::optional<Bytes> ping;
    if (brokers_[i].link.tick(now, ping) == actor::Link::Event::lost) lose(id, out);
    if (ping) out.net.to_links.push_back({id, std::move(*ping)});
  }
  commit(now, draining_, out);
  start_lookups(now, out);
  if (!followers_.empty()) serve_followers(out);
  if (!sweeping_ && now.mono >= next_sweep_) {
    sweeping_ = true;
    const std::int64_t by_age = micros(now.wall - options_.results_age);
    out.expiries.push_back(
        {std::max(by_age, cap_.finished_before_us().value_or(by_age)), options_.sweep_rows});
  }
  if (draining_ && commits_.empty()) {
    drained_ = true;
    const wire::Goodbye goodbye{.reason = "this collector is stopping"};
    std::vector<actor::Session*> sessions;
    sessions_.for_each([&](actor::Session& session) { sessions.push_back(&session); });
    std::sort(sessions.begin(), sessions.end(),
              [](auto* a, auto* b) { return a->number < b->number; });
    for (actor::Session* session : sessions) send(*session, goodbye, out);
    for (std::size_t i = 0; i < brokers_.size(); ++i) {
      if (!brokers_[i].link.is_open()) continue;
      out.net.to_links.push_back(
          {actor::LinkId{static_cast<std::uint32_t>(i)}, brokers_[i].link.frame(goodbye, now)});
    }
  }
}

void CollectorCore::drain(Now, CollectorEffects&) { draining_ = true; }

std::optional<MonoTime> CollectorCore::next_deadline() const {
  if (drained_) return std::nullopt;
  std::optional<MonoTime> earliest = commits_.next_deadline();
  const auto also = [&](std::optional<MonoTime> time) {
    if (time && (!earliest || *time < *earliest)) earliest = time;
  };
  also(sessions_.next_deadline());
  for (const Broker& broker : brokers_) also(broker.link.next_deadline());
  if (!sweeping_) also(next_sweep_);
  if (lookups_asked_.empty()) also(lookups_after_);
  return earliest;
}

}  // namespace baozi::collector
