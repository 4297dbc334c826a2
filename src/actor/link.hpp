/// \file link.hpp
/// The connecting side of a session: HELLO, WELCOME, numbered frames, heartbeats, and the signs
/// that the session is over. Pure: the owner sends what it returns and tells it what arrives.
/// Threading: owned by one core. Time: passed in.
/// Source: docs/protocol.md "Sessions"; delivery.md D1 to D3.
#pragma once
#include <memory>
#include <optional>

#include "base/rules.hpp"
#include "base/time.hpp"
#include "wire/codec.hpp"

namespace baozi::actor {

class Link {
 public:
  enum class State : std::uint8_t { down, greeting, open };
  enum class Event : std::uint8_t {
    nothing,  ///< dropped and counted: an old session's frame, a duplicate, nonsense
    welcome,  ///< `welcome()` holds the answer; the session is open
    message,  ///< `out` holds a frame of the session, or an ERROR that ends nothing (also while
              ///< greeting)
    lost,     ///< the session is over: reset the connection, then wait for `on_connected`
  };

  explicit Link(const Rules& rules = {}) : rules_{rules} {}

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] bool is_open() const { return state_ == State::open; }
  /// The last WELCOME. Its views live until the next one, moves of the Link included.
  [[nodiscard]] const wire::Welcome& welcome() const { return welcome_; }

  /// The HELLO to send now. Its nonce is set here: each is greater than any earlier one of this
  /// process.
  [[nodiscard]] Bytes greet(wire::Hello hello, Now now);
  Event on_frame(BytesView frame, Now now, wire::OpenFrame& out);
  /// The connection broke, or the owner gives the session up. Nothing more is sent until the next
  /// `greet`.
  void drop() { state_ = State::down; }

  /// Session and number for the next frame; only while open.
  struct Stamp {
    std::uint64_t session;
    std::uint64_t seq;
  };
  [[nodiscard]] Stamp stamp(Now now);
  template <class Message>
  [[nodiscard]] Bytes frame(const Message& message, Now now) {
    const Stamp s = stamp(now);
    return wire::encode(s.session, s.seq, message);
  }

  /// Call at the end of every turn: `lost` when the peer (or this process) was silent for the
  /// liveness, or no WELCOME came; otherwise perhaps a PING to send.
  Event tick(Now now, std::optional<Bytes>& ping);
  [[nodiscard]] std::optional<MonoTime> next_deadline() const;

  /// D3: not heard for two thirds of the liveness.
  [[nodiscard]] bool is_stale(Now now) const;
  /// When it will be stale if nothing is heard until then; only while open. Not part of
  /// `next_deadline`.
  [[nodiscard]] MonoTime stale_at() const { return last_heard_ + liveness() * 2 / 3; }
  [[nodiscard]] MonoTime last_heard() const { return last_heard_; }

  struct Counters {
    std::uint64_t old_session = 0;
    std::uint64_t duplicates = 0;
    std::uint64_t gaps = 0;
    std::uint64_t malformed = 0;
    std::uint64_t unknown_type = 0;  ///< a newer peer's messages
    std::uint64_t errors = 0;        ///< ERROR frames, of this session or not
    std::uint64_t silent = 0;        ///< sessions ended because nothing was heard
    std::uint64_t slept = 0;
  };
  [[nodiscard]] const Counters& counters() const { return counters_; }

  static constexpr Micros greeting_patience{2'000'000};

 private:
  [[nodiscard]] Micros liveness() const {
    return Micros{static_cast<std::int64_t>(welcome_.liveness_us)};
  }
  [[nodiscard]] Micros heartbeat() const {
    return Micros{static_cast<std::int64_t>(welcome_.heartbeat_us)};
  }
  bool slept(Now now);
  Event lose();
  Event on_welcome(const wire::OpenFrame& frame, BytesView bytes, Now now);
  Event on_error(const wire::OpenFrame& frame, wire::OpenFrame& out);
  Event on_numbered(std::uint64_t session, std::uint64_t seq, Now now);

  Rules rules_;
  State state_ = State::down;
  std::uint64_t nonce_ = 0;
  std::uint64_t session_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
  MonoTime greeted_{};
  MonoTime last_heard_{};
  MonoTime last_sent_{};
  MonoTime last_run_{};
  wire::Welcome welcome_;
  std::unique_ptr<const Bytes> welcome_bytes_;  // what the views in welcome_ point into
  Counters counters_;
};

}  // namespace baozi::actor
