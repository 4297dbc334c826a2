#include "actor/link.hpp"

#include <algorithm>

namespace baozi::actor {

Bytes Link::greet(wire::Hello hello, Now now) {
  state_ = State::greeting;
  // Microseconds of the steady clock make the nonce grow even over a restart of this object.
  nonce_ = std::max(nonce_ + 1, static_cast<std::uint64_t>(std::max<std::int64_t>(1, micros(now.mono))));
  hello.nonce = nonce_;
  greeted_ = last_heard_ = last_sent_ = last_run_ = now.mono;
  return wire::encode(0, 0, hello);
}

Link::Event Link::lose() {
  state_ = State::down;
  return Event::lost;
}

bool Link::slept(Now now) {
  const MonoTime before = std::exchange(last_run_, now.mono);
  if (state_ != State::open || now.mono - before <= liveness()) return false;
  ++counters_.slept;
  return true;
}

Link::Event Link::on_frame(BytesView bytes, Now now, wire::OpenFrame& out) {
  if (state_ == State::down) return Event::nothing;
  if (slept(now)) return lose();  // D2: what waited in the socket while we slept must not be acted on
  auto frame = wire::open_frame(bytes);
  if (!frame) {
    ++counters_.malformed;
    if (frame.error().code == Errc::unknown_type) {  // a newer peer: count its number and go on
      Reader in{bytes};
      in.array(), in.uinteger(), in.uinteger();
      if (in.uinteger() == session_ && in.uinteger() == received_ + 1) ++received_;
    }
    return Event::nothing;
  }
  const wire::Header& header = frame->header;
  if (header.type == wire::Type::welcome) {
    if (state_ != State::greeting) return Event::nothing;
    welcome_bytes_ = bytes;
    auto again = wire::open_frame(welcome_bytes_);
    wire::Welcome welcome;
    if (!wire::decode(*again, welcome)) {
      ++counters_.malformed;
      return Event::nothing;
    }
    if (welcome.nonce != nonce_) {
      ++counters_.old_session;
      return Event::nothing;
    }
    welcome_ = std::move(welcome);
    session_ = header.session;
    sent_ = received_ = 0;
    state_ = State::open;
    last_heard_ = now.mono;
    return Event::welcome;
  }
  if (header.type == wire::Type::error) {
    wire::ErrorMessage error;
    if (!wire::decode(*frame, error)) return Event::nothing;
    const bool about_us = state_ == State::greeting ? header.session == 0 : header.session == session_;
    const bool fatal = error.code == wire::ErrorCode::no_session || error.code == wire::ErrorCode::gap;
    if (fatal) return about_us && state_ == State::open ? lose() : Event::nothing;
    out = *frame;
    return about_us ? Event::message : Event::nothing;
  }
  if (state_ != State::open) return Event::nothing;
  if (rules_.d1_sessions) {
    if (header.session != session_) {
      ++counters_.old_session;
      return Event::nothing;
    }
    if (header.seq <= received_) {
      ++counters_.duplicates;
      return Event::nothing;
    }
    if (header.seq != received_ + 1) {
      ++counters_.gaps;
      return lose();
    }
  }
  received_ = header.seq;
  last_heard_ = now.mono;
  if (header.type == wire::Type::pong) return Event::nothing;
  out = *frame;
  return Event::message;
}

Link::Stamp Link::stamp(Now now) {
  last_sent_ = now.mono;
  return {session_, ++sent_};
}

Link::Event Link::tick(Now now, std::optional<Bytes>& ping) {
  if (state_ == State::down) return Event::nothing;
  if (slept(now)) return lose();
  if (state_ == State::greeting) return now.mono - greeted_ >= greeting_patience ? lose() : Event::nothing;
  if (now.mono - last_heard_ >= liveness()) return lose();
  // Also when only the other side is silent: its PONG is what proves it alive.
  if (now.mono - last_sent_ >= heartbeat() ||
      (now.mono - last_heard_ >= heartbeat() && now.mono - last_sent_ >= heartbeat() / 2)) {
    ping = frame(wire::Ping{}, now);
  }
  return Event::nothing;
}

std::optional<MonoTime> Link::next_deadline() const {
  switch (state_) {
    case State::down: return std::nullopt;
    case State::greeting: return greeted_ + greeting_patience;
    case State::open: break;
  }
  const MonoTime by_sent = last_sent_ + heartbeat();
  const MonoTime by_heard = std::max(last_heard_ + heartbeat(), last_sent_ + heartbeat() / 2);
  return std::min({by_sent, by_heard, last_heard_ + liveness()});
}

bool Link::is_stale(Now now) const {
  return state_ != State::open || now.mono - last_heard_ >= liveness() * 2 / 3;
}

}  // namespace baozi::actor
