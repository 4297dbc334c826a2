/// \file session_table.hpp
/// The listening side of sessions: who said HELLO on which connection, the frames of each numbered
/// and checked, the silent ones found. Pure. Source: docs/protocol.md "Sessions"; delivery.md D1,
/// D2. Threading: owned by one core. Time: passed in.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "actor/peer.hpp"
#include "base/rules.hpp"
#include "base/time.hpp"
#include "wire/codec.hpp"

namespace baozi::actor {

struct Session {
  std::uint64_t number = 0;
  PeerKey peer{};
  wire::Role role{};
  std::string name;
  Incarnation incarnation{};
  MonoTime last_heard{};
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
  void* owner = nullptr;  ///< the core's own record of this peer, if it keeps one

  template <class Message>
  [[nodiscard]] Bytes frame(const Message& message) {
    return wire::encode(number, ++sent, message);
  }
};

class SessionTable {
 public:
  struct Options {
    Heartbeats heartbeats;
    std::size_t sessions_max = 16'384;  ///< a HELLO beyond is answered OVERLOADED
  };
  /// \param first  sessions are numbered from here: random or counted by starts, so that a number
  /// of an
  ///               earlier start of this node is never valid again.
  SessionTable(const Options& options, std::uint64_t first, const Rules& rules = {});

  enum class Event : std::uint8_t {
    nothing,  ///< dropped and counted
    answer,   ///< dropped; `reply` is an ERROR to send to that peer
    hello,    ///< `hello` is decoded: check it, then `open` a session or refuse
    message,  ///< `session` and `frame` are set
    ended,    ///< the session had a gap: it is closed, `closed` is a copy; `reply` is to be sent
  };
  struct Received {
    Event event = Event::nothing;
    Session* session = nullptr;
    wire::OpenFrame frame{.header = {}, .reader = Reader{{}}, .fields = 0};
    wire::Hello hello;
    Bytes reply;
    Session closed;
  };
  void on_frame(PeerKey peer, BytesView bytes, Now now, Received& out);

  /// Opens a session for a HELLO that was accepted. `ended` receives a copy of the older session of
  /// the same (name, incarnation), and of this connection's, if there were any.
  Session& open(PeerKey peer, const wire::Hello& hello, Now now, std::vector<Session>& ended);
  void close(std::uint64_t number);
  [[nodiscard]] Session* find(std::uint64_t number);
  [[nodiscard]] Session* find(PeerKey peer);

  /// Sessions that were silent for the liveness, closed; or all of them when this process slept
  /// (D2). Silence is looked for every eighth of the liveness, so it is noticed at most that much
  /// later. A sleep shorter than the liveness is not held against the peers.
  /// \return how long this process was deaf since the last call: the time beyond `look_every` that
  ///         it did not turn. 0 unless it was stopped, or is overloaded.
  Micros expire(Now now, std::vector<Session>& ended);
  /// An owner that measures silence itself turns at least this often while it does.
  [[nodiscard]] Micros look_every() const { return liveness() / 8; }
  [[nodiscard]] std::optional<MonoTime> next_deadline() const;
  [[nodiscard]] std::size_t size() const { return sessions_.size(); }
  /// Peers that are remembered, with a session or without: at most twice `sessions_max`.
  [[nodiscard]] std::size_t remembered() const { return known_.size(); }
  [[nodiscard]] const Heartbeats& heartbeats() const { return options_.heartbeats; }

  template <class Visit>
  void for_each(Visit&& visit) {
    for (auto& [number, session] : sessions_) visit(*session);
  }

  struct Counters {
    std::uint64_t malformed = 0;
    std::uint64_t too_large = 0;
    std::uint64_t unknown_version = 0;
    std::uint64_t unknown_type = 0;
    std::uint64_t no_session = 0;
    std::uint64_t duplicates = 0;
    std::uint64_t gaps = 0;
    std::uint64_t old_hellos = 0;
    std::uint64_t overloaded = 0;
    std::uint64_t expired = 0;
    std::uint64_t slept = 0;
  };
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  using Identity = std::pair<std::string, std::uint64_t>;
  struct Known {  // outlives a session, so that a HELLO that was delayed is not taken for a new one
    std::uint64_t nonce = 0;
    std::uint64_t session = 0;
  };
  struct Ended {  // whose session ended: remembered for a while, then forgotten
    Identity identity;
    std::uint64_t session = 0;
    MonoTime since{};
  };
  static void refuse(Received& out, std::uint64_t session, const wire::ErrorMessage& error);
  void on_hello(PeerKey peer, Received& out);
  void on_unreadable(PeerKey peer, BytesView bytes, const Error& why, Now now, Received& out);
  /// Whether the frame is the session's next one; if not, it was dropped or the session has ended.
  bool number_fits(Session& session, std::uint64_t seq, Now now, Received& out);
  /// The simulator's seeded bug: a frame of an ended session is taken for one of a present one.
  Session* any_session_of(PeerKey peer, std::uint64_t stale_number);
  bool slept(Now now);
  void forget_oldest();
  [[nodiscard]] Micros liveness() const {
    return Micros{static_cast<std::int64_t>(options_.heartbeats.liveness_us)};
  }

  Options options_;
  Rules rules_;
  std::uint64_t next_number_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Session>> sessions_;
  std::unordered_map<std::uint64_t, std::uint64_t> by_peer_;
  std::map<Identity, Known> known_;
  std::deque<Ended> ended_;  // oldest first
  MonoTime last_run_{};
  Micros deaf_{0};
  bool ran_ = false;
  bool woke_late_ = false;
  MonoTime next_sweep_{};
  Counters counters_;
};

}  // namespace baozi::actor
