/// \file collector_core.hpp
/// What a collector decides: it is the arbiter of results (the first one stored wins), shows them
/// to those who wait, and answers who asks. Pure: frames, store reports and the time come in,
/// frames and store requests go out. Threading: owned by one loop. Time: passed in. Source:
/// docs/protocol.md "Results"; delivery.md D18 to D24.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "actor/effects.hpp"
#include "actor/link.hpp"
#include "actor/session_table.hpp"
#include "base/limits.hpp"
#include "base/random.hpp"
#include "base/rules.hpp"
#include "base/time.hpp"
#include "collector/commit_queue.hpp"
#include "collector/event_history.hpp"
#include "collector/event_publishers.hpp"
#include "collector/push_board.hpp"
#include "collector/results_cap.hpp"
#include "collector/state_cache.hpp"
#include "collector/watch_table.hpp"
#include "store/result_store.hpp"

namespace baozi::collector {

struct CollectorOptions {
  std::string name = "collector";
  std::string version;
  std::string host;
  std::uint64_t pid = 0;
  Incarnation incarnation{1};
  std::vector<std::string>
      endpoints;                     ///< where producers and workers reach it; told to the brokers
  std::vector<std::string> brokers;  ///< the brokers that it serves, by endpoint
  actor::Heartbeats heartbeats;
  std::size_t sessions_max = 16'384;
  std::size_t result_bytes_max = limits::result_bytes_max;
  std::size_t pending_bytes_max = std::size_t{512}
                                  << 20U;  ///< results not yet committed; more are turned away
  std::size_t watches_max = 1'000'000;     ///< ids that are watched one by one
  std::size_t states_max = 65'536;         ///< tasks whose latest transient state is kept
  std::size_t state_bytes_max = std::size_t{32} << 20U;
  std::size_t lookups_max = 4'096;  ///< FETCH, WATCH or FORGET frames that wait for the store
  Micros results_age{24LL * 3600 * 1'000'000};  ///< results are erased when they are so old
  std::uint64_t results_max = 10'000'000;  ///< results that are kept; the oldest make room (D31)
  Micros sweep_interval{10'000'000};       ///< between rounds of that sweep
  std::size_t sweep_rows = 5'000;          ///< rows looked at in one step of it
  CommitQueue::Options commits;
  EventHistory::Options events;          ///< how many events are kept for who follows them
  std::size_t event_nodes_max = 10'000;  ///< nodes whose numbers are remembered
};

struct CollectorEffects {
  struct Find {
    std::uint64_t request = 0;
    std::vector<TaskId> ids;
  };
  struct Erase {
    std::uint64_t request = 0;
    std::vector<TaskId> ids;
  };
  struct Expire {
    std::int64_t finished_before_us = 0;
    std::size_t rows_max = 0;
  };
  actor::NetEffects net;
  /// For the store, in this order: commits, finds, erases, expiries. It works them off one after
  /// the other, so a find sees every commit that was asked for before it.
  std::vector<CommitQueue::Commit> commits;
  std::vector<Find> finds;
  std::vector<Erase> erases;
  std::vector<Expire> expiries;

  void clear() {
    net.clear();
    commits.clear();
    finds.clear();
    erases.clear();
    expiries.clear();
  }
};

class CollectorCore {
 public:
  struct Counters {
    std::uint64_t results = 0;  ///< taken from workers and brokers, again ones included
    std::uint64_t succeeded = 0;
    std::uint64_t failed = 0;
    std::uint64_t revoked = 0;
    std::uint64_t committed = 0;    ///< answered by STORED
    std::uint64_t lost = 0;         ///< another delivery's result was there before (D18)
    std::uint64_t refused = 0;      ///< too large (D23)
    std::uint64_t turned_away = 0;  ///< sessions ended because too much waits for the disk
    std::uint64_t pushed = 0;
    std::uint64_t pushed_durable = 0;
    std::uint64_t states = 0;
    std::uint64_t fetched = 0;
    std::uint64_t forgotten = 0;
    std::uint64_t expired = 0;
    std::uint64_t dropped = 0;         ///< results that made room for others before their age
    std::uint64_t stalls = 0;          ///< times that the store had no space for a commit
    std::uint64_t store_failures = 0;  ///< look-ups, erases and sweeps that the store could not do
    std::uint64_t malformed = 0;
    std::uint64_t not_allowed = 0;
    std::uint64_t out_of_order = 0;  ///< RESULT whose first entry does not follow the one before
    std::uint64_t overloaded = 0;
    std::uint64_t events = 0;       ///< taken from workers and brokers, each once
    std::uint64_t events_lost = 0;  ///< that their nodes had to drop
    std::uint64_t followed = 0;     ///< answers to FOLLOW
  };

  CollectorCore(const CollectorOptions& options, std::uint64_t seed, const Rules& rules = {});

  /// Opens the links to the brokers; once, before anything else.
  void start(Now now, CollectorEffects& out);

  // The listening side.
  void on_frame(actor::PeerKey peer, BytesView frame, Now now, CollectorEffects& out);
  void on_gone(actor::PeerKey peer, Now now, CollectorEffects& out);

  // The links to brokers.
  void on_connected(actor::LinkId link, Now now, CollectorEffects& out);
  void on_disconnected(actor::LinkId link, Now now, CollectorEffects& out);
  void on_frame(actor::LinkId link, BytesView frame, Now now, CollectorEffects& out);

  // What the store reports.
  void on_committed(std::uint64_t seq, std::vector<store::Loss> losses, Now now,
                    CollectorEffects& out);
  /// It cannot commit (no space) and tries again by itself until it can: results and questions wait
  /// meanwhile.
  void on_store_stalled();
  void on_store_resumed() { store_stalled_ = false; }
  void on_found(std::uint64_t request, std::vector<store::ResultRow> rows, Now now,
                CollectorEffects& out);
  void on_erased(std::uint64_t request, std::size_t erased, Now now, CollectorEffects& out);
  void on_expired(store::Sweep sweep, Now now);
  /// It could not serve a find, an erase or (request 0) an expiry, and goes on all the same:
  /// look-ups and sweeps are tried again after a while, who wanted to forget is told to come back.
  void on_request_failed(std::uint64_t request, Now now, CollectorEffects& out);

  /// At the end of every turn of the loop: commits, look-ups, heartbeats, silent peers.
  void turn(Now now, CollectorEffects& out);
  [[nodiscard]] std::optional<MonoTime> next_deadline() const;

  /// Takes nothing more, commits what it has, answers it, then says goodbye to everybody.
  void drain(Now now, CollectorEffects& out);
  [[nodiscard]] bool is_drained() const { return drained_; }

  /// Results that are not committed and answered yet.
  [[nodiscard]] bool has_pending() const { return !commits_.empty(); }
  [[nodiscard]] const Counters& counters() const { return counters_; }
  /// A packed map for people and `baozi status`.
  [[nodiscard]] Bytes status(Now now);
  /// What the shell counts (connections, strangers' bytes), to be shown with the rest.
  void set_shell_counters(std::map<std::string, std::uint64_t> counters) {
    shell_counters_ = std::move(counters);
  }

 private:
  struct Client {
    wire::Role role{};
    Bytes origin;
    std::uint64_t entries = 0;  // of RESULT, taken so far
  };
  struct Broker {
    std::string endpoint;
    actor::Link link;
    Giver giver{};  // of the present session
    std::uint64_t entries = 0;
    MonoTime retry_at{};
  };
  struct Lookup {  // a FETCH or a WATCH that waits for the store
    Giver from{};
    std::uint64_t request = 0;
    bool watch = false;
    std::vector<TaskId> ids;
  };
  struct Follower {  // a FOLLOW that waits for events
    std::uint64_t session = 0;
    std::uint64_t request = 0;
    std::uint64_t next = 0;
    std::size_t count_max = 0;
    std::size_t bytes_max = 0;
    EventFilter filter;
    bool at_once = false;
    bool anew = false;
  };
  struct Forgetting {
    Giver from{};
    std::uint64_t request = 0;
  };

  // collector_core.cpp: sessions and links
  void on_hello(actor::PeerKey peer, const wire::Hello& hello, Now now, CollectorEffects& out);
  void on_message(actor::Session& session, wire::OpenFrame& frame, Now now, CollectorEffects& out);
  void on_broker_message(actor::LinkId id, wire::OpenFrame& frame, Now now, CollectorEffects& out);
  void ended(const actor::Session& session);
  void end_session(actor::Session& session, wire::ErrorCode code, std::string_view text,
                   CollectorEffects& out);
  void lose(actor::LinkId id, CollectorEffects& out);
  void refuse(actor::Session& session, wire::ErrorCode code, std::string_view text,
              CollectorEffects& out);
  [[nodiscard]] Client* client_of(std::uint64_t session);
  template <class Message>
  void send(Giver to, const Message& message, Now now, CollectorEffects& out);
  template <class Message>
  void send(actor::Session& to, const Message& message, CollectorEffects& out);

  // collector_results.cpp: RESULT to STORED, pushes
  enum class Taken : std::uint8_t { yes, out_of_order, malformed, overloaded };
  Taken take_results(Giver giver, Incarnation incarnation, std::uint64_t& entries,
                     wire::OpenFrame& frame, Now now, CollectorEffects& out);
  /// \param again  a standing watch wants it once more when it is durable.
  /// \return false when the entry was refused.
  bool take_entry(Giver giver, Incarnation incarnation, std::uint64_t number,
                  const wire::ResultGroup& group, const wire::ResultEntry& entry, bool again,
                  Now now);
  void push_standing(CollectorEffects& out);
  void push(std::uint64_t session, const wire::ResultMessage& message, bool durable,
            CollectorEffects& out);
  void flush_board(bool durable, CollectorEffects& out);
  void commit(Now now, bool all, CollectorEffects& out);
  void answer(CommitQueue::Completed& completed, const std::vector<store::Loss>& losses, Now now,
              CollectorEffects& out);
  void send_stored(const Answer& answer, Now now, CollectorEffects& out);

  // collector_queries.cpp: WATCH, STATE, FETCH, FORGET, CONTROL
  [[nodiscard]] bool on_watch(actor::Session& session, wire::OpenFrame& frame,
                              CollectorEffects& out);
  [[nodiscard]] bool on_fetch(Giver from, wire::OpenFrame& frame, Now now, CollectorEffects& out);
  [[nodiscard]] bool on_state(wire::OpenFrame& frame, CollectorEffects& out);
  [[nodiscard]] bool on_forget(Giver from, wire::OpenFrame& frame, Now now, CollectorEffects& out);
  [[nodiscard]] bool on_control(actor::Session& session, wire::OpenFrame& frame, Now now,
                                CollectorEffects& out);
  bool look_up(Lookup lookup);
  void start_lookups(Now now, CollectorEffects& out);
  using RowsById = std::unordered_map<TaskId, const store::ResultRow*>;
  void answer_fetch(const Lookup& lookup, const RowsById& rows, Now now, CollectorEffects& out);
  void answer_watch(const Lookup& lookup, const RowsById& rows);
  void tell_states(std::uint64_t session, const std::vector<TaskId>& ids, CollectorEffects& out);

  // collector_events.cpp: EVENTS and FOLLOW
  [[nodiscard]] bool on_events(Giver from, std::string_view node, Incarnation incarnation,
                               wire::OpenFrame& frame, Now now, CollectorEffects& out);
  [[nodiscard]] bool on_follow(actor::Session& session, wire::OpenFrame& frame,
                               CollectorEffects& out);
  void serve_followers(CollectorEffects& out);

  CollectorOptions options_;
  Rules rules_;
  actor::SessionTable sessions_;
  std::unordered_map<std::uint64_t, Client> clients_;  // by session number
  std::vector<Broker> brokers_;                        // index is the LinkId
  std::uint64_t next_link_giver_;
  CommitQueue commits_;
  WatchTable watches_;
  StateCache states_;
  std::vector<Lookup> lookups_waiting_;
  std::vector<Lookup> lookups_asked_;
  std::uint64_t lookup_request_ = 0;
  std::optional<MonoTime> lookups_after_;           // the last one failed: not before
  std::map<std::uint64_t, Forgetting> forgetting_;  // by our request number
  std::uint64_t next_request_ = 1;
  std::vector<CollectorEffects::Erase> erases_waiting_;
  EventHistory history_;
  ResultsCap cap_;
  EventPublishers publishers_;
  std::vector<Follower> followers_;
  bool store_stalled_ = false;
  bool sweeping_ = false;
  std::uint64_t kept_ = 0;  ///< results in the store, as the last step of the sweep found them
  MonoTime next_sweep_{};
  std::map<std::string, std::uint64_t> shell_counters_;
  bool draining_ = false;
  bool drained_ = false;
  Counters counters_;

  // Scratch that keeps its capacity from frame to frame.
  actor::SessionTable::Received received_;
  wire::ResultMessage results_;
  wire::Events events_;
  PushBoard board_;
  std::vector<actor::Session> ended_;
};

}  // namespace baozi::collector
