/// \file ledger.hpp
/// What really happened, kept outside of the system under test, and the promises that it must keep:
/// checked at every step where they can be broken, and once more when all is quiet. Source:
/// docs/delivery.md; promises P1 to P9.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "client/producer_effects.hpp"
#include "network.hpp"
#include "plan.hpp"
#include "store/result_store.hpp"
#include "store/task_store.hpp"
#include "world.hpp"

namespace baozi::sim {

inline constexpr std::size_t nobody = SIZE_MAX;

struct Execution {
  enum class End : std::uint8_t { running, success, failure, retried, revoked, rejected, killed };
  std::size_t worker = nobody;
  std::uint64_t start = 0;  ///< of the worker's process
  std::int64_t began = 0;
  std::uint64_t restarts = 0;  ///< of its broker until then
  End end = End::running;
  std::vector<TaskId> follow_ups;
};

struct Truth {
  enum class Told : std::uint8_t {
    nothing,
    confirmed,
    rejected,
    not_sent,
    unknown,
    closed,
    duplicate
  };
  TaskId id;
  std::uint64_t serial = 0;
  Plan plan;
  std::size_t producer = nobody;  ///< nobody: a follow-up
  std::uint64_t producer_start = 0;
  bool wants_result = false;
  std::optional<TaskId> parent;
  std::optional<TaskId> first;  ///< told duplicate: of which task
  Told told = Told::nothing;
  bool told_result = false;
  bool revoke_asked = false;
  bool revoked = false;  ///< somebody was told so
  std::vector<Execution> executions;
  std::size_t broker = nobody;  ///< that stores or delivers it
  std::set<std::int64_t> rows;  ///< its keys in that broker's file
  bool ever_stored = false;
  bool passed_on = false;          ///< it went through an outbox (D27), and so no second time
  std::set<std::size_t> outboxes;  ///< of brokers, in which it waits for its home
  bool removed = false;            ///< its row is gone for good
  bool delivered = false;
  bool dead = false;
  bool homeless = false;  ///< its producer knew no collector when it sent it
  bool started = false;   ///< its row says that its unique key went with its first delivery
  std::optional<store::ResultRow> result;
  std::size_t collector = nobody;
  // An operator's deliberate retries of a dead letter (D24).
  std::uint32_t generation = 0;
  std::size_t first_execution = 0;     ///< of this generation
  std::vector<store::ResultRow> past;  ///< of earlier ones
  bool retry_asked = false;
  bool dead_dropped = false;              ///< somebody was told that its dead letter is gone
  std::optional<std::int64_t> purged_at;  ///< somebody was told that it is purged

  /// Those of its generation.
  [[nodiscard]] std::span<const Execution> runs() const {
    return std::span{executions}.subspan(first_execution);
  }
  void begin_generation(std::uint32_t next);
};

class Ledger : public Network::Witness {
 public:
  struct Settings {
    Micros liveness{10'000'000};
    std::uint32_t delivery_limit = 5;
    bool keys_in_order = false;      ///< nothing is refused for a while: order holds within a key
    bool networked = false;          ///< the brokers know each other: keys count in all of them
    std::uint32_t name_limit = 0;    ///< of tasks with the limited name; 0: none
    std::uint32_t queue_limit = 0;   ///< of tasks in queue 1
    bool in_order = false;           ///< no faults and no refusals: first deliveries are in order
    bool clocks_agree = true;        ///< no wall clock is stepped
    bool tasks_are_dropped = false;  ///< some queue drops its head
  };
  Ledger(World& world, const Settings& settings) : world_{world}, settings_{settings} {}

  void know(const std::vector<Process*>& brokers, const std::vector<Process*>& workers);

  Truth& create(const Plan& plan);
  Truth& create_as(const TaskId& id, const Plan& plan);
  [[nodiscard]] Truth& of(const TaskId& id);
  [[nodiscard]] bool knows(const TaskId& id) const { return truths_.contains(id); }
  [[nodiscard]] const std::map<TaskId, Truth>& all() const { return truths_; }

  // Producers and those who ask.
  void told_confirmed(Truth& truth);
  void told_failed(Truth& truth, client::Fate fate);
  void told_duplicate(Truth& truth, const TaskId& first);
  void told_result(Truth& truth, const wire::RecordView& record, bool durable);
  void told_verdict(Truth& truth, wire::Verdict verdict);

  // Those who may submit the same id, each several times (D26): there is one task of it, whoever
  // asks.
  void told_there(Truth& truth);
  /// \param epoch_us  what a right wall clock says when the virtual time is 0.
  void told_too_late(const Truth& truth, std::int64_t epoch_us);

  // Operators. Queues by their number in plans, brokers by their process's name.
  void queue_is_paused(std::string_view broker, std::uint8_t queue);
  void queue_may_go_on(std::uint8_t queue);
  /// Those that wait in the queue as far as anybody can know; all of them must be gone with a purge
  /// that is asked now.
  [[nodiscard]] std::vector<TaskId> purge_asked(std::uint8_t queue);
  void purged(std::string_view broker, const std::vector<TaskId>& waited);
  void label(const Process& worker);

  // Workers.
  std::size_t execution_begins(Truth& truth, const Process& worker, std::int64_t wall_us);
  void execution_ends(Truth& truth, std::size_t execution, Execution::End end,
                      std::vector<TaskId> follow_ups);
  void worker_died(const Process& worker);

  // Files.
  void tasks_committed(const Process& broker, const store::TaskBatch& batch);
  void results_committed(const Process& collector, const std::vector<store::ResultRow>& rows,
                         const std::vector<store::Loss>& losses);
  void broker_started(const Process& broker);
  void broker_ended(const Process& broker);

  // Frames.
  void on_sent(Process& from, Process& to, actor::PeerKey connection, BytesView frame) override;
  void on_delivered(Process& from, Process& to, actor::PeerKey connection,
                    BytesView frame) override;
  void on_gone(Process& router, Process& dealer, actor::PeerKey connection) override;

  /// Whether the process that submitted a task still runs.
  using IsAlive = std::function<bool(const Truth&)>;
  /// A result is stored that its producer waits for and was not told.
  [[nodiscard]] bool owes_results(const IsAlive& producer_is_alive) const;
  /// Everything is quiet: what must be true of the whole.
  /// \param accepted  what the brokers' books say together.
  void check_end(const IsAlive& producer_is_alive, std::uint64_t accepted);
  /// Of all tasks that are stored; wall clock, 0: none.
  [[nodiscard]] std::int64_t last_eta_us() const;
  [[nodiscard]] std::string open_text() const;

 private:
  Truth& create_as(const TaskId& id, const Plan& plan, std::uint64_t serial);
  struct Hearing {               // of one worker's process by one broker
    std::int64_t last = 0;       // in the broker's awake time
    std::uint64_t session = 0;   // 0: none that counts
    std::uint64_t received = 0;  // frames of it
    std::uint64_t nonce = 0;     // of the last HELLO
    actor::PeerKey connection{};
    std::vector<std::pair<std::int64_t, std::int64_t>>
        silences;  // virtual time of their end, length
  };
  [[nodiscard]] bool owes_result(const Truth& truth) const;
  [[nodiscard]] bool is_finished(const Truth& truth) const;
  [[nodiscard]] bool is_arbitrated(const Truth& truth) const;
  [[nodiscard]] bool is_safe(const Truth& truth) const;
  void check_follow_ups_safe(const Truth& truth, const char* when);
  [[nodiscard]] std::vector<TaskId> winning_follow_ups(const Truth& truth) const;
  void check_may_exist(const Truth& truth, const char* what);
  void check_keys_before_run(const Truth& truth);
  void check_limits_before_run(const Truth& truth);
  /// Somebody runs it, as far as its broker can know.
  [[nodiscard]] bool runs(const Truth& truth) const;
  [[nodiscard]] std::string limit_name(const Truth& truth) const;
  /// A key, or its id, decides where it belongs.
  [[nodiscard]] static bool has_own_home(const Truth& truth);
  [[nodiscard]] const Process& home_of(const std::string& key) const;
  void check_unique_row(const Truth& truth);
  void check_home(const Truth& truth);
  void outbox_committed(const Process& broker, const store::Record& record);
  [[nodiscard]] bool was_lost(const Truth& truth, const Execution& execution) const;
  Hearing& hearing(const Process& broker, const Process& worker);
  void heard(const Process& broker, Hearing& hearing);
  void check_first_delivery_order(const Truth& truth, std::size_t broker);
  [[nodiscard]] bool is_broker(const Process& process) const;
  [[nodiscard]] std::size_t broker_named(std::string_view name) const;
  void check_delivery(Truth& truth, std::size_t broker);
  [[nodiscard]] bool is_worker(const Process& process) const;
  [[noreturn]] void violated(const Truth& truth, const std::string& text) const;
  [[nodiscard]] std::string story(const Truth& truth) const;

  World& world_;
  Settings settings_;
  std::uint64_t next_serial_ = 1;
  std::map<TaskId, Truth> truths_;
  std::map<std::uint8_t, std::vector<const Truth*>> by_unique_;
  std::map<std::uint8_t, std::vector<const Truth*>> by_order_;
  std::map<std::uint8_t, std::vector<const Truth*>> by_concurrency_;
  std::map<std::string, std::vector<const Truth*>> by_limit_;
  std::vector<Process*> brokers_;
  std::vector<Process*> workers_;
  std::map<std::size_t, std::map<std::int64_t, TaskId>> rows_;  // by broker and key
  std::map<std::pair<std::size_t, Bytes>, TaskId> outbox_rows_;
  std::map<std::pair<std::size_t, std::pair<std::size_t, std::uint64_t>>, Hearing> hearings_;
  // By broker. What is out with workers when a broker ends is not counted as lost: once for each
  // start.
  std::map<std::size_t, std::uint64_t> restarts_;
  std::set<std::pair<std::size_t, std::uint8_t>> paused_;  // broker and queue
  std::set<std::uint8_t> purges_asked_;
  std::set<std::size_t> labelled_;  // workers that have the label
  struct Order {  // of first deliveries in one lane; those of one turn go to several workers at
                  // once
    std::int64_t turn = 0;
    std::uint64_t last_before = 0;
    std::uint64_t last = 0;
  };
  std::map<std::tuple<std::size_t, std::size_t, std::uint8_t, std::uint8_t>, Order> order_;
};

}  // namespace baozi::sim
