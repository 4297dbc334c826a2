/// \file producer_core.hpp
/// What a producer decides: which broker gets which tasks, what is sent again, whose results have
/// come. Pure: no socket, clock, thread or chance of its own; the same core runs in `baozi::App`
/// and in the simulator.
///
/// A task goes through: `submit` → UnsentQueue (any live broker) → BrokerLane (one broker, numbered
/// batch) → told its fate once (SubmitLedger). Its result is awaited in the ResultTable from the
/// moment it is handed in. Threading: owned by one loop. Time: passed in, read once per turn.
/// Source: docs/delivery.md D4 to D8, D21, D22, D28; docs/protocol.md.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/random.hpp"
#include "client/broker_lane.hpp"
#include "client/collector_set.hpp"
#include "client/follow_table.hpp"
#include "client/question_table.hpp"
#include "client/unsent_queue.hpp"

namespace baozi::client {

struct ProducerOptions {
  std::string name = "producer";     ///< node name, shown by brokers
  ProducerId origin{};               ///< random per App and process (D4)
  Incarnation incarnation{1};        ///< random per process start, renewed after fork (D2)
  std::uint64_t seed = 1;            ///< for the choice of a home and the spread of backoffs
  std::vector<std::string> brokers;  ///< endpoints; batches are spread over those that are alive
  wire::Role role = wire::Role::producer;
  std::string software;
  std::string host;
  std::uint64_t pid = 0;
  bool durable_results = false;  ///< results are shown only after the collector's commit (D22)
  Terms terms;                   ///< of calls that bring none of their own
  LaneLimits lane;
  std::size_t open_tasks_max = 100'000;  ///< handed in and not settled; beyond, `has_room` is false
  std::size_t open_bytes_max = std::size_t{64} << 20U;
  std::size_t results_max = 4'000'000;  ///< awaited results
  std::size_t batch_tasks_max = 500;    ///< of one SUBMIT
  std::size_t batch_bytes_max = std::size_t{256} << 10U;
};

class ProducerCore {
 public:
  explicit ProducerCore(ProducerOptions options, const Rules& rules = {});
  ProducerCore(const ProducerCore&) = delete;
  ProducerCore& operator=(const ProducerCore&) = delete;
  ~ProducerCore();

  /// Asks for the connections to the brokers. Once, before anything else.
  void start(Now now, ProducerEffects& out);

  void on_connected(actor::LinkId link, Now now, ProducerEffects& out);
  void on_disconnected(actor::LinkId link, Now now, ProducerEffects& out);
  void on_frame(actor::LinkId link, BytesView frame, Now now, ProducerEffects& out);

  /// Takes tasks in. Each is told exactly one fate (`confirmed` or `failed`); with `wants_result`,
  /// then or before, at most one result. It never waits: look at `has_room` first; beyond twice its
  /// limits tasks are not sent.
  void submit(TaskPile&& pile, Now now, ProducerEffects& out);
  [[nodiscard]] bool has_room() const;
  /// Waits for the result of an id from elsewhere, for as long as it takes.
  void watch(Tag tag, const TaskId& id, Now now, ProducerEffects& out);
  /// The caller no longer cares for a result. False when it was not awaited (any more).
  bool drop_interest(Tag tag, const TaskId& id);
  /// One answer with its tag follows, within its patience.
  void ask(Question question, Now now);

  /// Streams of events, see FollowTable.
  [[nodiscard]] FollowTable& follows() { return follows_; }

  /// Call once at the end of every shell turn: timers, resends, batches.
  void turn(Now now, ProducerEffects& out);
  [[nodiscard]] std::optional<MonoTime> next_deadline() const;

  /// Everything that was handed in has met its fate.
  [[nodiscard]] bool is_settled() const { return ledger_.open_tasks() == 0; }
  /// Since when no broker can be given anything; nothing while one can.
  [[nodiscard]] std::optional<MonoTime> unreachable_since() const { return unreachable_since_; }
  /// What keeps us from the brokers, for error messages.
  [[nodiscard]] std::string trouble() const;
  /// Says GOODBYE and tells everything that is open its fate: never sent `closed`, sent `unknown`.
  /// Awaited results are given up.
  void close(Now now, ProducerEffects& out);

  struct Counters {
    std::uint64_t results = 0;
    std::uint64_t unawaited_results =
        0;  ///< of tasks whose callers no longer care, and second ones
    std::uint64_t malformed = 0;
    std::uint64_t errors = 0;  ///< ERROR frames from peers
    std::uint64_t lost_sessions = 0;
  };
  [[nodiscard]] const Counters& counters() const { return counters_; }
  [[nodiscard]] const SubmitCounters& submit_counters() const { return ledger_.counters; }
  [[nodiscard]] std::size_t open_tasks() const { return ledger_.open_tasks(); }
  [[nodiscard]] std::size_t open_bytes() const { return ledger_.open_bytes(); }
  [[nodiscard]] std::size_t awaited_results() const { return results_.size(); }

 private:
  struct Broker : ProducerPeer {
    Broker(actor::LinkId link_id, std::string where, const LaneLimits& limits, SubmitLedger& ledger,
           const Rules& rules)
        : ProducerPeer{link_id, std::move(where), rules}, lane{limits, ledger, rules} {}
    BrokerLane lane;
    UnsentQueue keyed;     ///< tasks whose keys are at home there (D27)
    bool leaving = false;  ///< it said that it is stopping
  };
  using Collector = CollectorSet::Collector;

  Broker* broker_of(actor::LinkId link);
  ProducerPeer* peer_of(actor::LinkId link);
  void greet(ProducerPeer& peer, Now now, ProducerEffects& out);
  void lose(ProducerPeer& peer, ProducerEffects& out);
  void lost(ProducerPeer& peer);
  void on_broker_open(Broker& broker, Now now, ProducerEffects& out);
  void on_broker_frame(Broker& broker, wire::OpenFrame& frame, Now now, ProducerEffects& out);
  void on_collector_frame(Collector& collector, wire::OpenFrame& frame, Now now,
                          ProducerEffects& out);
  void on_other_frame(ProducerPeer& peer, wire::OpenFrame& frame, Now now);
  void on_results(wire::OpenFrame& frame, ProducerEffects& out);
  void on_states(wire::OpenFrame& frame, ProducerEffects& out);
  void on_fetched(Collector& collector, wire::OpenFrame& frame, ProducerEffects& out);
  void complete(const wire::RecordView& record, std::string_view worker, ProducerEffects& out);

  void tick_links(Now now, ProducerEffects& out);
  void note_reachability(Now now);
  void send_batches(Now now, ProducerEffects& out);
  void send_due(Broker& broker, Now now, ProducerEffects& out);
  [[nodiscard]] bool is_usable(const Broker& broker, Now now) const;
  Broker* choose(Now now);
  /// To the queue of their home broker, or to that of any.
  void put(TaskPile&& pile, bool front);
  /// The next batch out of `queue`; false when there is none.
  bool send_batch(Broker& broker, UnsentQueue& queue, Now now, ProducerEffects& out);

  const ProducerOptions options_;
  const Rules rules_;
  Random random_;
  ResultTable results_;
  SubmitLedger ledger_;
  UnsentQueue unsent_;
  std::vector<std::unique_ptr<Broker>> brokers_;
  std::vector<std::uint64_t> broker_hashes_;  ///< of their endpoints
  CollectorSet collectors_;
  QuestionTable questions_;
  FollowTable follows_;
  std::uint32_t next_link_ = 0;
  std::size_t rotation_ = 0;
  std::optional<MonoTime> unreachable_since_;
  Now last_turn_{};
  bool closed_ = false;
  Counters counters_;

  // decoded into again and again, so that their vectors keep their memory
  wire::Submitted submitted_;
  wire::ResultMessage result_;
  wire::StateMessage state_;
  wire::Fetched fetched_;
  wire::Followed followed_;
  std::vector<Tag> tags_;
};

}  // namespace baozi::client
