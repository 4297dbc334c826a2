#include "actor/session_table.hpp"

#include <algorithm>
#include <utility>

namespace baozi::actor {

SessionTable::SessionTable(const Options& options, std::uint64_t first, const Rules& rules)
    : options_{options}, rules_{rules}, next_number_{std::max<std::uint64_t>(first, 1)} {}

void SessionTable::refuse(Received& out, std::uint64_t session, const wire::ErrorMessage& error) {
  out.event = Event::answer;
  out.reply = wire::encode(session, 0, error);
}

bool SessionTable::slept(Now now) {
  const Micros away = ran_ ? now.mono - last_run_ : Micros{0};
  // Without a session there was no reason to wake up earlier, and there is nothing to end.
  if (away > liveness() && !sessions_.empty()) {
    woke_late_ = true;
  } else if (away > look_every() * 5 / 4) {
    // What was said meanwhile is still to be read: they were not silent, we were deaf.
    const Micros deaf = away - look_every();
    deaf_ += deaf;
    for (const auto& [number, session] : sessions_) session->last_heard += deaf;
  }
  ran_ = true;
  last_run_ = now.mono;
  return woke_late_;
}

void SessionTable::on_frame(PeerKey peer, BytesView bytes, Now now, Received& out) {
  out.event = Event::nothing;
  out.session = nullptr;
  if (slept(now)) return;  // D2: expire() ends every session
  const auto opened = wire::open_frame(bytes);
  if (!opened) return on_unreadable(peer, bytes, opened.error(), now, out);
  out.frame = *opened;
  const wire::Header& header = out.frame.header;
  if (header.type == wire::Type::hello) return on_hello(peer, out);
  if (header.type == wire::Type::error)
    return;  // never answered, so that two nodes cannot quarrel for ever
  Session* session = find(header.session);
  if (session == nullptr || session->peer != peer) {
    if (!rules_.d1_sessions) session = any_session_of(peer, header.session);
    if (rules_.d1_sessions || session == nullptr) {
      ++counters_.no_session;
      return refuse(
          out, header.session,
          {.code = wire::ErrorCode::no_session, .text = "say HELLO", .about = header.seq});
    }
  } else if (!number_fits(*session, header.seq, now, out)) {
    return;
  }
  out.session = session;
  out.event = Event::message;
}

bool SessionTable::number_fits(Session& session, std::uint64_t seq, Now now, Received& out) {
  if (rules_.d1_sessions) {
    if (seq <= session.received) {
      ++counters_.duplicates;
      return false;
    }
    if (seq != session.received + 1) {
      ++counters_.gaps;
      session.last_heard = now.mono;  // the peer lives: only what it said in between is not known
      refuse(out, session.number,
             {.code = wire::ErrorCode::gap,
              .text = "a frame of this session is missing: say HELLO",
              .about = seq});
      out.event = Event::ended;
      out.closed = session;
      close(session.number);
      return false;
    }
  }
  session.received = seq;
  session.last_heard = now.mono;
  return true;
}

Session* SessionTable::any_session_of(PeerKey peer, std::uint64_t stale_number) {
  const bool known = find(stale_number) != nullptr;
  for (auto& [number, candidate] : sessions_) {
    if (candidate->peer == peer || (!known && stale_number < number)) return candidate.get();
  }
  return nullptr;
}

void SessionTable::on_unreadable(PeerKey peer, BytesView bytes, const Error& why, Now now,
                                 Received& out) {
  switch (why.code) {
    case Errc::unknown_version:
      ++counters_.unknown_version;
      return refuse(out, 0,
                    {.code = wire::ErrorCode::unknown_version,
                     .text = "this node speaks version 1",
                     .version_min = wire::protocol_version,
                     .version_max = wire::protocol_version});
    case Errc::unknown_type: {
      ++counters_.unknown_type;
      // A newer peer's message is nothing to us, but it has a number: it must not look like a gap.
      const wire::FrameNumbers numbers = wire::peek_numbers(bytes);
      Session* const session = find(numbers.session);
      if (session != nullptr && session->peer == peer &&
          !number_fits(*session, numbers.seq, now, out))
        return;
      const std::string text = "message type " + std::to_string(numbers.type) + " is unknown";
      return refuse(out, numbers.session,
                    {.code = wire::ErrorCode::unknown_type, .text = text, .about = numbers.seq});
    }
    case Errc::too_large:
      ++counters_.too_large;
      return refuse(out, 0, {.code = wire::ErrorCode::too_large, .text = why.message});
    default:
      ++counters_.malformed;
      return refuse(out, 0, {.code = wire::ErrorCode::malformed, .text = why.message});
  }
}

void SessionTable::on_hello(PeerKey peer, Received& out) {
  if (const auto decoded = wire::decode(out.frame, out.hello); !decoded) {
    const bool limit = decoded.error().code == Errc::too_large;
    ++(limit ? counters_.too_large : counters_.malformed);
    const std::string text = "HELLO: " + decoded.error().message;
    return refuse(
        out, 0,
        {.code = limit ? wire::ErrorCode::too_large : wire::ErrorCode::malformed, .text = text});
  }
  const auto known = known_.find(Identity{std::string{out.hello.name}, out.hello.incarnation});
  if (known != known_.end() && out.hello.nonce <= known->second.nonce) {
    ++counters_.old_hellos;
    return;
  }
  const bool replaces =
      find(peer) != nullptr || (known != known_.end() && find(known->second.session) != nullptr);
  if (!replaces && sessions_.size() >= options_.sessions_max) {
    ++counters_.overloaded;
    return refuse(
        out, 0,
        {.code = wire::ErrorCode::overloaded, .text = "this node serves as many peers as it may"});
  }
  out.event = Event::hello;
}

Session& SessionTable::open(PeerKey peer, const wire::Hello& hello, Now now,
                            std::vector<Session>& ended) {
  if (Session* other = find(peer)) {  // one session per connection
    ended.push_back(*other);
    close(other->number);
  }
  const Identity identity{std::string{hello.name}, hello.incarnation};
  if (const auto known = known_.find(identity); known != known_.end()) {
    if (Session* older = find(known->second.session)) {
      ended.push_back(*older);
      close(older->number);
    }
  }
  auto session = std::make_unique<Session>();
  session->number = next_number_++;
  session->peer = peer;
  session->role = hello.role;
  session->name = hello.name;
  session->incarnation = Incarnation{hello.incarnation};
  session->last_heard = now.mono;
  known_[identity] = {.nonce = hello.nonce, .session = session->number};
  by_peer_[static_cast<std::uint64_t>(peer)] = session->number;
  Session& opened = *session;
  sessions_.emplace(opened.number, std::move(session));
  return opened;
}

void SessionTable::close(std::uint64_t number) {
  const auto found = sessions_.find(number);
  if (found == sessions_.end()) return;
  Session& session = *found->second;
  const auto peer = by_peer_.find(static_cast<std::uint64_t>(session.peer));
  if (peer != by_peer_.end() && peer->second == number) by_peer_.erase(peer);
  ended_.push_back(
      {.identity = {std::move(session.name), static_cast<std::uint64_t>(session.incarnation)},
       .session = number,
       .since = last_run_});
  sessions_.erase(found);
  // A peer that says HELLO under ever new names must not fill the memory with them.
  while (ended_.size() > options_.sessions_max) forget_oldest();
}

void SessionTable::forget_oldest() {
  const Ended& oldest = ended_.front();
  const auto known = known_.find(oldest.identity);
  if (known != known_.end() && known->second.session == oldest.session) known_.erase(known);
  ended_.pop_front();
}

Session* SessionTable::find(std::uint64_t number) {
  const auto found = sessions_.find(number);
  return found == sessions_.end() ? nullptr : found->second.get();
}

Session* SessionTable::find(PeerKey peer) {
  const auto found = by_peer_.find(static_cast<std::uint64_t>(peer));
  return found == by_peer_.end() ? nullptr : find(found->second);
}

Micros SessionTable::expire(Now now, std::vector<Session>& ended) {
  const std::size_t before = ended.size();
  if (slept(now)) {
    woke_late_ = false;
    ++counters_.slept;
    for (const auto& [number, session] : sessions_) ended.push_back(*session);
  } else if (now.mono >= next_sweep_) {
    next_sweep_ = now.mono + look_every();
    for (const auto& [number, session] : sessions_) {
      if (now.mono - session->last_heard < liveness()) continue;
      ++counters_.expired;
      ended.push_back(*session);
    }
    while (!ended_.empty() && now.mono - ended_.front().since > liveness() * 6) forget_oldest();
  }
  // In the order in which they were opened: hash tables must not decide anything that a run shows.
  std::sort(ended.begin() + static_cast<std::ptrdiff_t>(before), ended.end(),
            [](const Session& a, const Session& b) { return a.number < b.number; });
  for (std::size_t i = before; i < ended.size(); ++i) close(ended[i].number);
  return std::exchange(deaf_, Micros{0});
}

std::optional<MonoTime> SessionTable::next_deadline() const {
  if (sessions_.empty()) return std::nullopt;
  return next_sweep_;
}

}  // namespace baozi::actor
