#include "actor/link.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace baozi::actor {

Bytes Link::greet(wire::Hello hello, Now now) {
  state_ = State::greeting;
  // Microseconds of the steady clock make the nonce grow even over a restart of this object.
  nonce_ =
      std::max(nonce_ + 1, static_cast<std::uint64_t>(std::max<std::int64_t>(1, micros(now.mono))));
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
  // Also when it slept for less, but has said nothing for nearly the liveness: the peer may have
  // given it up.
  const bool mute =
      now.mono - last_sent_ >= std::max(liveness() * 5 / 6, heartbeat() + liveness() / 6);
  if (state_ != State::open || (now.mono - before <= liveness() && !mute)) return false;
  ++counters_.slept;
  return true;
}

Link::Event Link::on_frame(BytesView bytes, Now now, wire::OpenFrame& out) {
  if (state_ == State::down) return Event::nothing;
  if (slept(now))
    return lose();  // D2: what waited in the socket while we slept must not be acted on
  const auto frame = wire::open_frame(bytes);
  if (!frame) {
    if (frame.error().code != Errc::unknown_type) {
      ++counters_.malformed;
      return Event::nothing;
    }
    ++counters_.unknown_type;
    if (state_ != State::open) return Event::nothing;
    // A newer peer's message is nothing to us, but it has a number and it proves the peer alive.
    const wire::FrameNumbers numbers = wire::peek_numbers(bytes);
    return on_numbered(numbers.session, numbers.seq, now) == Event::lost ? Event::lost
                                                                         : Event::nothing;
  }
  const wire::Header& header = frame->header;
  if (header.type == wire::Type::welcome) return on_welcome(*frame, bytes, now);
  if (header.type == wire::Type::error) return on_error(*frame, out);
  if (state_ != State::open) {
    ++counters_.old_session;
    return Event::nothing;
  }
  if (const Event event = on_numbered(header.session, header.seq, now); event != Event::message)
    return event;
  if (header.type == wire::Type::pong) return Event::nothing;
  out = *frame;
  return Event::message;
}

Link::Event Link::on_welcome(const wire::OpenFrame& frame, BytesView bytes, Now now) {
  wire::Welcome welcome;
  if (!wire::decode(frame, welcome)) {
    ++counters_.malformed;
    return Event::nothing;
  }
  if (state_ != State::greeting || welcome.nonce != nonce_) {
    ++counters_.old_session;
    return Event::nothing;
  }
  // Only now: an answer to an older HELLO must leave what `welcome()` shows alone.
  welcome_bytes_ = std::make_unique<const Bytes>(bytes);
  const auto kept = wire::open_frame(*welcome_bytes_);
  BAOZI_ASSERT(kept.has_value());
  const auto decoded = wire::decode(*kept, welcome_);
  BAOZI_ASSERT(decoded.has_value());
  session_ = frame.header.session;
  sent_ = received_ = 0;
  state_ = State::open;
  last_heard_ = now.mono;
  return Event::welcome;
}

Link::Event Link::on_error(const wire::OpenFrame& frame, wire::OpenFrame& out) {
  ++counters_.errors;
  wire::ErrorMessage error;
  if (!wire::decode(frame, error)) {
    ++counters_.malformed;
    return Event::nothing;
  }
  // One with session 0 answers a HELLO, or a frame so broken that nobody could tell whose it was:
  // while a session is open, the gap that follows will end it.
  const std::uint64_t ours = state_ == State::greeting ? 0 : session_;
  if (frame.header.session != ours) return Event::nothing;
  if (error.code == wire::ErrorCode::no_session || error.code == wire::ErrorCode::gap) {
    return state_ == State::open ? lose() : Event::nothing;
  }
  out = frame;
  return Event::message;
}

Link::Event Link::on_numbered(std::uint64_t session, std::uint64_t seq, Now now) {
  if (rules_.d1_sessions) {
    if (session != session_) {
      ++counters_.old_session;
      return Event::nothing;
    }
    if (seq <= received_) {
      ++counters_.duplicates;
      return Event::nothing;
    }
    if (seq != received_ + 1) {
      ++counters_.gaps;
      return lose();
    }
  }
  received_ = seq;
  last_heard_ = now.mono;
  return Event::message;
}

Link::Stamp Link::stamp(Now now) {
  last_sent_ = now.mono;
  return {session_, ++sent_};
}

Link::Event Link::tick(Now now, std::optional<Bytes>& ping) {
  if (state_ == State::down) return Event::nothing;
  if (slept(now)) return lose();
  if (state_ == State::greeting)
    return now.mono - greeted_ >= greeting_patience ? lose() : Event::nothing;
  if (now.mono - last_heard_ >= liveness()) {
    ++counters_.silent;
    return lose();
  }
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

bool Link::is_stale(Now now) const { return state_ != State::open || now.mono >= stale_at(); }

}  // namespace baozi::actor
