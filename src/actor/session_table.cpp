#include "actor/session_table.hpp"

#include <algorithm>

namespace baozi::actor {

SessionTable::SessionTable(const Options& options, std::uint64_t first, const Rules& rules)
    : options_{options}, rules_{rules}, next_number_{std::max<std::uint64_t>(first, 1)} {}

void SessionTable::refuse(Received& out, std::uint64_t session, wire::ErrorCode code, std::string_view text) {
  out.event = Event::answer;
  out.reply = wire::encode(session, 0, wire::ErrorMessage{.code = code, .text = text});
}

void SessionTable::on_frame(PeerKey peer, BytesView bytes, Now now, Received& out) {
  out.event = Event::nothing;
  out.session = nullptr;
  const Micros liveness{static_cast<std::int64_t>(options_.heartbeats.liveness_us)};
  if (ran_ && now.mono - last_run_ > liveness) woke_late_ = true;  // D2: expire() ends every session
  ran_ = true;
  last_run_ = now.mono;
  if (woke_late_) return;

  auto opened = wire::open_frame(bytes);
  if (!opened) {
    switch (opened.error().code) {
      case Errc::unknown_version:
        ++counters_.unknown_version;
        return refuse(out, 0, wire::ErrorCode::unknown_version, "this node speaks version 1");
      case Errc::unknown_type: {
        ++counters_.unknown_type;
        // The frame still counts: a newer peer's extra message must not look like a gap.
        Reader in{bytes};
        in.array(), in.uinteger();
        const std::uint64_t type = in.uinteger();
        const std::uint64_t number = in.uinteger();
        const std::uint64_t seq = in.uinteger();
        if (Session* session = find(number); session != nullptr && session->peer == peer &&
                                             seq == session->received + 1) {
          session->received = seq;
          session->last_heard = now.mono;
        }
        return refuse(out, number, wire::ErrorCode::unknown_type,
                      "message type " + std::to_string(type) + " is unknown");
      }
      default:
        ++counters_.malformed;
        return refuse(out, 0, wire::ErrorCode::malformed, opened.error().message);
    }
  }
  out.frame = *opened;
  const wire::Header& header = out.frame.header;
  if (header.type == wire::Type::hello) {
    if (auto decoded = wire::decode(out.frame, out.hello); !decoded) {
      ++counters_.malformed;
      return refuse(out, 0, wire::ErrorCode::malformed, "HELLO: " + decoded.error().message);
    }
    const auto known = known_.find(Identity{std::string{out.hello.name}, out.hello.incarnation});
    if (known != known_.end() && out.hello.nonce <= known->second.nonce) {
      ++counters_.old_hellos;
      return;
    }
    if (sessions_.size() >= options_.sessions_max && known == known_.end()) {
      ++counters_.overloaded;
      return refuse(out, 0, wire::ErrorCode::overloaded, "this node serves as many peers as it may");
    }
    out.event = Event::hello;
    return;
  }
  Session* const session = find(header.session);
  if (header.type == wire::Type::error) return;  // never answered, so that two nodes cannot quarrel for ever
  if (session == nullptr || session->peer != peer) {
    if (!rules_.d1_sessions) {  // the seeded bug: take the frame for the peer's present session
      for (auto& [number, candidate] : sessions_) {
        const auto known = known_.find(Identity{candidate->name, static_cast<std::uint64_t>(candidate->incarnation)});
        if (candidate->peer == peer || (known != known_.end() && session == nullptr && header.session < number)) {
          out.session = candidate.get();
          out.event = Event::message;
          return;
        }
      }
    }
    ++counters_.no_session;
    return refuse(out, header.session, wire::ErrorCode::no_session, "say HELLO");
  }
  if (rules_.d1_sessions) {
    if (header.seq <= session->received) {
      ++counters_.duplicates;
      return;
    }
    if (header.seq != session->received + 1) {
      ++counters_.gaps;
      refuse(out, header.session, wire::ErrorCode::gap, "a frame of this session is missing: say HELLO");
      out.event = Event::ended;
      out.closed = *session;
      close(session->number);
      return;
    }
  }
  session->received = header.seq;
  session->last_heard = now.mono;
  out.session = session;
  out.event = Event::message;
}

Session& SessionTable::open(PeerKey peer, const wire::Hello& hello, Now now, std::vector<Session>& ended) {
  if (Session* other = find(peer)) {  // one session per connection
    ended.push_back(*other);
    close(other->number);
  }
  Known& known = known_[Identity{std::string{hello.name}, hello.incarnation}];
  if (Session* older = find(known.session)) {
    ended.push_back(*older);
    close(older->number);
  }
  auto session = std::make_unique<Session>();
  session->number = next_number_++;
  session->peer = peer;
  session->role = hello.role;
  session->name = hello.name;
  session->incarnation = Incarnation{hello.incarnation};
  session->last_heard = now.mono;
  known = {.nonce = hello.nonce, .session = session->number, .last_seen = now.mono};
  by_peer_[static_cast<std::uint64_t>(peer)] = session->number;
  Session& opened = *session;
  sessions_.emplace(opened.number, std::move(session));
  return opened;
}

void SessionTable::close(std::uint64_t number) {
  const auto found = sessions_.find(number);
  if (found == sessions_.end()) return;
  const Session& session = *found->second;
  const auto peer = by_peer_.find(static_cast<std::uint64_t>(session.peer));
  if (peer != by_peer_.end() && peer->second == number) by_peer_.erase(peer);
  const auto known = known_.find(Identity{session.name, static_cast<std::uint64_t>(session.incarnation)});
  if (known != known_.end()) known->second.last_seen = std::max(known->second.last_seen, session.last_heard);
  sessions_.erase(found);
}

Session* SessionTable::find(std::uint64_t number) {
  const auto found = sessions_.find(number);
  return found == sessions_.end() ? nullptr : found->second.get();
}

Session* SessionTable::find(PeerKey peer) {
  const auto found = by_peer_.find(static_cast<std::uint64_t>(peer));
  return found == by_peer_.end() ? nullptr : find(found->second);
}

void SessionTable::expire(Now now, std::vector<Session>& ended) {
  const Micros liveness{static_cast<std::int64_t>(options_.heartbeats.liveness_us)};
  if (ran_ && now.mono - last_run_ > liveness) woke_late_ = true;
  ran_ = true;
  last_run_ = now.mono;
  if (woke_late_) {
    woke_late_ = false;
    ++counters_.slept;
    for (const auto& [number, session] : sessions_) ended.push_back(*session);
  } else if (now.mono >= next_sweep_) {
    // A sweep every eighth of the liveness is exact enough: silence is measured, not the sweep.
    next_sweep_ = now.mono + liveness / 8;
    for (const auto& [number, session] : sessions_) {
      if (now.mono - session->last_heard >= liveness) {
        ++counters_.expired;
        ended.push_back(*session);
      }
    }
    forget_old(now);
  }
  for (const Session& session : ended) close(session.number);
}

void SessionTable::forget_old(Now now) {
  const Micros age{static_cast<std::int64_t>(options_.heartbeats.liveness_us * 6)};
  std::erase_if(known_, [&](const auto& entry) {
    return !sessions_.contains(entry.second.session) && now.mono - entry.second.last_seen > age;
  });
}

std::optional<MonoTime> SessionTable::next_deadline() const {
  if (sessions_.empty()) return std::nullopt;
  return next_sweep_;
}

}  // namespace baozi::actor
