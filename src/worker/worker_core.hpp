/// \file worker_core.hpp
/// What a worker decides: what it asks of its brokers, what it starts, and how each delivery is
/// settled. Pure: no socket, clock, thread, file; the same core runs in baozi-worker and in the
/// simulator. Threading: owned by one loop. Time: passed in, read once per turn. Source:
/// docs/delivery.md (the rules by number), docs/protocol.md.
///
/// A delivery's way: DELIVER, ready, with the pool, ended; then (with a result) RESULT to its home
/// collector until STORED; then DONE to its broker until DONE_OK; then it is forgotten. The sources
/// follow it: worker_deliver, worker_finish, worker_settle; beside it worker_core (links, frames,
/// turns), worker_credit and worker_drain.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actor/effects.hpp"
#include "actor/peer.hpp"
#include "base/random.hpp"
#include "base/rules.hpp"
#include "base/time.hpp"
#include "wire/codec.hpp"
#include "worker/control_desk.hpp"
#include "worker/credit.hpp"
#include "worker/delivery_table.hpp"
#include "worker/execution.hpp"
#include "worker/options.hpp"
#include "worker/peers.hpp"
#include "worker/policies.hpp"
#include "worker/rate_limits.hpp"

namespace baozi::worker {

/// What the log says of a task, as far as `WorkerOptions::task_log` asks for it.
struct TaskNote {
  enum class Level : std::uint8_t { debug, info, warning, error };
  Level level = Level::info;
  std::string text;
  std::string traceback;  ///< lines; of an unexpected failure
};

/// What the shell is to do after a call, in the order of the members.
struct WorkerEffects {
  /// Take these back from the pool if they have not begun: `on_cancelled` for each that had not,
  /// and nothing for the others, whose `on_finished` will come.
  std::vector<Token> cancels;
  /// These were revoked: take them back as above, or else tell the running task so.
  std::vector<Token> interrupts;
  /// These were revoked, and are to end even when they run: by this signal ("SIGTERM"; empty:
  /// whatever the shell thinks fit), sent to what runs this very task. They stand among the
  /// interrupts too.
  struct Termination {
    Token token;
    std::string signal;
  };
  std::vector<Termination> terminations;
  /// Commands for the shell: `answer_command` for each, once.
  struct Command {
    std::uint64_t ticket;
    std::string command;
    Bytes arguments;  ///< packed map
  };
  std::vector<Command> commands;
  std::vector<Start> starts;
  actor::NetEffects net;
  std::vector<std::string> notices;   ///< lines for the log: who came
  std::vector<std::string> warnings;  ///< lines for the log: what an operator should know
  std::vector<TaskNote> tasks;        ///< lines for the log: what became of tasks

  void clear() {
    cancels.clear();
    interrupts.clear();
    terminations.clear();
    commands.clear();
    starts.clear();
    net.clear();
    notices.clear();
    warnings.clear();
    tasks.clear();
  }
};

struct WorkerCounters {
  std::uint64_t delivered = 0;
  std::uint64_t redelivered = 0;
  std::uint64_t duplicates = 0;   ///< deliveries that were held already
  std::uint64_t over_credit = 0;  ///< deliveries handed back because nobody asked for so many
  std::uint64_t started = 0;
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  std::uint64_t ignored = 0;  ///< no failure and no value: nobody wanted one (D20), or it asked so
  std::uint64_t revoked = 0;
  std::uint64_t expired = 0;
  std::uint64_t retried = 0;
  std::uint64_t exhausted = 0;  ///< failed after the last retry
  std::uint64_t rejected = 0;
  std::uint64_t snoozed = 0;
  std::uint64_t rate_limited = 0;  ///< handed back until their turn
  std::uint64_t crashed = 0;       ///< cost their process, and are delivered again
  std::uint64_t not_registered = 0;
  std::uint64_t handed_back = 0;  ///< unstarted, to the broker
  std::uint64_t dropped = 0;      ///< unstarted, when a session ended (D2, D3)
  std::uint64_t recalled = 0;     ///< taken back from the pool unstarted
  std::uint64_t results_sent = 0;
  std::uint64_t results_stored = 0;
  std::uint64_t results_lost = 0;  ///< another result had won (D18)
  std::uint64_t queue_full =
      0;  ///< successes whose follow-ups found their queue full for good (D25)
  std::uint64_t results_refused = 0;  ///< by size here, or for good by the collector (D23)
  std::uint64_t results_carried = 0;  ///< given to the broker, no collector being in reach (D23)
  std::uint64_t settlements_sent = 0;
  std::uint64_t settled = 0;
  std::uint64_t stale = 0;        ///< the broker said that the delivery was no longer ours
  std::uint64_t states_late = 0;  ///< progress that no collector was there to take when it was told
  std::uint64_t sessions_lost = 0;
  std::uint64_t malformed = 0;  ///< frames whose fields do not parse, or answer what was never sent
  std::uint64_t unexpected = 0;      ///< frames that a worker is not sent
  std::uint64_t errors = 0;          ///< ERROR frames
  std::uint64_t unknown_tokens = 0;  ///< answers of the pool for what is not with it
};

/// A look inside, for CONTROL "status" and for tests.
struct WorkerStatus {
  struct Broker {
    std::string endpoint;
    std::string name;  ///< empty before the first WELCOME
    bool open = false;
    std::uint64_t held = 0;
    std::uint64_t credit = 0;
    std::uint64_t unsettled = 0;
  };
  struct Collector {
    std::string name;
    bool open = false;
    std::uint64_t waiting = 0;  ///< results that it has not stored
  };
  std::uint64_t ready = 0;
  std::uint64_t resting = 0;     ///< of them: wait for their rate limit
  std::uint64_t running = 0;     ///< with the pool
  std::uint64_t coroutines = 0;  ///< of them: in flight beside the slots
  std::uint64_t results = 0;     ///< ended, awaiting STORED
  std::uint64_t settling = 0;    ///< DONE or NACK unanswered
  std::uint64_t settle_bytes = 0;
  std::uint64_t homeless = 0;  ///< results that wait for any collector
  Micros average{0};           ///< of the last tasks' durations
  bool draining = false;
  std::vector<Broker> brokers;
  std::vector<Collector> collectors;
};

enum class Drain : std::uint8_t {
  warm,  ///< finish what runs, hand back the rest
  cold,  ///< hand back what runs too (not `acks_early` tasks): it may be run again elsewhere
};

class WorkerCore {
 public:
  /// \param policies  outlives the core, or is replaced (`set_policies`).
  /// \param seed      of the jitter of retries.
  WorkerCore(const WorkerOptions& options, const TaskPolicies& policies, std::uint64_t seed,
             const Rules& rules = {});
  ~WorkerCore();

  /// Opens the links to the brokers. Call once, before anything else.
  void start(Now now, WorkerEffects& out);

  void on_connected(actor::LinkId link, Now now, WorkerEffects& out);
  void on_disconnected(actor::LinkId link, Now now, WorkerEffects& out);
  void on_frame(actor::LinkId link, BytesView frame, Now now, WorkerEffects& out);

  void on_finished(Token token, const Finished& end, Now now);
  /// The pool gave it back unstarted, as it was asked to.
  void on_cancelled(Token token, Now now);
  /// \param meta  packed value, or empty.
  void on_state_update(Token token, std::string_view state, BytesView meta);

  /// The shell's answer to a command.
  /// \param code  0, or a wire::ErrorCode; then the payload is a packed text.
  void answer_command(std::uint64_t ticket, std::uint64_t code, BytesView payload, Now now,
                      WorkerEffects& out);
  struct TimeLimits {
    Micros soft{0};  ///< 0: none
    Micros hard{0};
  };
  /// Of that task from now on, instead of what it and the worker say; a call's own go before.
  void set_time_limits(std::string_view task, const TimeLimits& limits) {
    time_limits_[std::string{task}] = limits;
  }
  /// Every delivery that is held, whatever its phase.
  void visit_held(const std::function<void(Token, const Held&)>& visit) const;
  /// Tasks started so far, by name.
  [[nodiscard]] const std::map<std::string, std::uint64_t, std::less<>>& totals() const {
    return totals_;
  }
  [[nodiscard]] bool is_paused() const { return paused_; }

  // ---- worker_registered.cpp
  /// Other tasks are registered from now on: what has begun ends as it began, everything else is
  /// started by these. \param policies  they live until others are set and `needs` says no.
  void set_policies(const TaskPolicies& policies, Now now, WorkerEffects& out);
  /// Some delivery was started by these.
  [[nodiscard]] bool needs(const TaskPolicies& policies) const;

  /// The pool runs so many tasks at the same time from now on; credit follows.
  void set_concurrency(std::uint32_t concurrency);
  /// Limits the starts of a task, instead of what it was registered with; 0: no limit. What waits
  /// here for a turn is looked at anew. False: no task of that name is registered.
  bool set_rate_limit(std::string_view task, double per_second, Now now);
  /// The limit that counts for a registered task; 0: none.
  [[nodiscard]] double rate_limit(std::string_view task) const;

  /// Takes no more deliveries and hands back what did not begin. Warm first and cold later is fine.
  void begin_drain(Drain mode, Now now, WorkerEffects& out);
  /// Everything is settled and every peer was told GOODBYE.
  [[nodiscard]] bool is_drained() const;
  [[nodiscard]] bool is_draining() const { return drain_.has_value(); }

  /// Switches events of tasks on or off, from the next one on. Those of the worker itself are told
  /// always (`WorkerOptions::event_heartbeat`).
  void set_task_events(bool on);
  [[nodiscard]] bool has_task_events() const { return task_events_; }
  /// Some tasks were handed to the pool, are not known to have begun, and a look is due: the shell
  /// says `on_runs` of all that it finds running, and `saw_what_runs` at the end.
  [[nodiscard]] bool wants_what_runs(Now now) const {
    const auto due = look_deadline();
    return due && now.mono >= *due;
  }
  void on_runs(Token token, MonoTime since, Now now);
  void saw_what_runs(Now now) { last_look_ = now.mono; }
  /// The machine's load averages, for heartbeat events.
  void set_load(const std::array<double, 3>& load) { load_ = load; }
  /// Events told so far, and how many of them had to be dropped since no collector took them.
  [[nodiscard]] const actor::EventOutbox& events() const { return events_; }

  /// Call once at the end of every turn of the shell: silent peers, starts, frames.
  void turn(Now now, WorkerEffects& out);
  [[nodiscard]] std::optional<MonoTime> next_deadline() const;

  [[nodiscard]] const WorkerCounters& counters() const { return counters_; }
  [[nodiscard]] WorkerStatus status() const;
  /// "c.add 0190…": name and id of what is with the pool under this token; for logs.
  [[nodiscard]] std::string describe(Token token) const;
  /// What HELLO would report to that broker (by index in `WorkerOptions::brokers`). The ids are
  /// views into the core, valid until its next event.
  [[nodiscard]] std::vector<wire::HeldDelivery> holds(std::size_t broker) const;

 private:
  struct PeerRef {
    BrokerPeer* broker = nullptr;
    CollectorPeer* collector = nullptr;
  };
  using Phase = Held::Phase;

  // ---- worker_core.cpp: links, frames, turns
  [[nodiscard]] actor::LinkId open_link(const std::string& endpoint, PeerRef peer,
                                        WorkerEffects& out);
  void greet(BrokerPeer& broker, Now now, WorkerEffects& out);
  void greet(CollectorPeer& collector, Now now, WorkerEffects& out);
  void lost(PeerRef peer, Now now, WorkerEffects& out);
  void on_broker_message(BrokerPeer& broker, wire::OpenFrame& frame, Now now, WorkerEffects& out);
  void on_collector_message(CollectorPeer& collector, wire::OpenFrame& frame, Now now,
                            WorkerEffects& out);
  void on_error(std::string_view who, wire::OpenFrame& frame, WorkerEffects& out);
  void broker_welcome(BrokerPeer& broker, Now now, WorkerEffects& out);
  void collector_welcome(CollectorPeer& collector);
  void broker_session_ended(BrokerPeer& broker, WorkerEffects& out);
  /// A frame of an open session that makes no sense: only a new session puts both sides right
  /// again.
  void break_session(PeerRef peer, Now now, WorkerEffects& out);
  void tick(PeerRef peer, Now now, WorkerEffects& out);
  void watch_staleness(BrokerPeer& broker, Now now, WorkerEffects& out);
  template <class Message>
  void send(actor::LinkId id, actor::Link& link, const Message& message, Now now,
            WorkerEffects& out) {
    out.net.to_links.push_back({id, link.frame(message, now)});
  }

  // ---- worker_collectors.cpp
  void list_collectors(Now now, WorkerEffects& out);
  CollectorPeer& collector_named(std::string_view name);
  [[nodiscard]] CollectorPeer* any_open_collector();
  void try_next_endpoint(CollectorPeer& collector, Now now, WorkerEffects& out);
  void disconnect(CollectorPeer& collector, WorkerEffects& out);
  void drop_unused_collectors(WorkerEffects& out);
  void flush_collector(CollectorPeer& collector, Now now, WorkerEffects& out);

  // ---- worker_deliver.cpp
  void on_deliver(BrokerPeer& broker, const wire::Deliver& message, Now now);
  void on_revoke(BrokerPeer& broker, const wire::Revoke& message, Now now, WorkerEffects& out);
  void start_ready(Now now, WorkerEffects& out);
  [[nodiscard]] const TaskFacts* facts_of(std::string_view name);
  /// Those by which it was started, or would be.
  [[nodiscard]] const TaskFacts* facts_of(const Held& held) {
    return held.facts != nullptr ? held.facts : facts_of(held.name());
  }
  /// Takes what is ready out of its list: of one broker, or of all (nullptr).
  [[nodiscard]] std::vector<Slot> take_ready(const BrokerPeer* of);
  /// Ready, or back from the pool unstarted: its broker gets it again.
  /// \param delay  uncharged, and not to be delivered before; nothing: back to the head of its
  /// queue.
  void hand_back(Slot slot, std::string_view why, std::optional<Micros> delay = std::nullopt);
  /// True when its rate limit lets it start now; otherwise it rests or goes back.
  bool take_turn(Slot slot, const TaskFacts& facts, Now now);
  void wake_resting(Now now);
  /// Those that rest look for a turn anew: of one task, or of all (empty).
  void rest_no_more(std::string_view task);
  /// Asks the pool for everything that did not begin: of one broker, or of all (nullptr).
  void recall_all(const BrokerPeer* of, WorkerEffects& out);
  void look_for_stall(Now now, WorkerEffects& out);
  void start_from(std::deque<Token>& list, Now now, WorkerEffects& out);
  void start_one(Slot slot, const TaskFacts& facts, Now now, WorkerEffects& out);
  void leave_pool(Held& held);
  /// No longer queued or running: its credit returns.
  void leave_hands(Held& held);

  // ---- worker_coroutines.cpp
  [[nodiscard]] std::deque<Token>& list_of(const Held& held) {
    return held.coroutine ? ready_coroutines_ : ready_;
  }
  /// To the front of their lists, in this order.
  void put_back(const std::vector<Token>& tokens);
  [[nodiscard]] bool coroutines_are_full() const;
  /// Coroutine tasks that brokers may send beyond those in flight.
  [[nodiscard]] std::uint64_t coroutine_room() const;
  [[nodiscard]] bool must_wait_alone(std::deque<Token>& list);
  void look_for_coroutine_stall(Now now);

  // ---- worker_registered.cpp
  void read_policies();
  void tell_tasks(BrokerPeer& broker, Now now, WorkerEffects& out);
  void recall_to_start_again(WorkerEffects& out);
  void sort_ready();
  void start_again(Slot slot);

  // ---- worker_control.cpp
  void on_control(BrokerPeer& broker, const wire::Control& message, Now now, WorkerEffects& out);
  void answer(std::uint64_t ticket, const ControlDesk::Answer& text, Now now, WorkerEffects& out);
  void send_answer(const ControlDesk::Asker& asker, const ControlDesk::Answer& text, Now now,
                   WorkerEffects& out);
  [[nodiscard]] ControlDesk::Answer active_queues() const;
  ControlDesk::Answer change_queues(bool add, BytesView arguments, Now now, WorkerEffects& out);
  [[nodiscard]] bool takes_default() const;
  void tell_queues(BrokerPeer& broker, Now now, WorkerEffects& out);
  ControlDesk::Answer set_paused(bool paused, WorkerEffects& out);

  // ---- worker_finish.cpp
  void end_unstarted(Slot slot, wire::TaskState state, std::string_view type,
                     std::string_view message, Now now);
  /// The outcome is decided: it goes to the collector, or straight to the broker (D20).
  void end_as(Slot slot, wire::TaskState state, const Finished& end);
  /// Of the queues of these tasks one that its broker says is full, or nullptr.
  [[nodiscard]] const std::string* full_queue_of(const Held& held, BytesView follow_ups) const;
  void end_as_failure(Slot slot, std::string_view type, std::string_view message,
                      const Finished& end);
  void write_record(Held& held, BytesView body, std::int64_t started_us, std::int64_t finished_us);
  /// True when it is to be run again, and was handed back for that. Sets `exhausted` when it would
  /// have been but for the limit.
  void end_as_lost(Slot slot, const Finished& end);
  void end_beside_lost(Slot slot, const Finished& end);
  [[nodiscard]] bool try_retry(Slot slot, const Finished& end, Now now);
  void nack(Slot slot, wire::NackKind kind, Micros delay, std::string_view reason);
  void snooze(Slot slot, const Finished& end);
  void end_ignored(Slot slot, const Finished& end);
  /// For the log: "task <label> <what>".
  void note_task(TaskNote::Level level, const Held& held, std::string_view what,
                 BytesView failure = {}, bool traceback = false);
  [[nodiscard]] bool logs(TaskLog least) const { return options_.task_log >= least; }
  void note_state(Held& held, std::string_view state, BytesView meta);
  void lay_state(CollectorPeer& collector, const Held& held);
  /// To a collector that was not there when it was said, or has forgotten it (it keeps states in
  /// memory).
  void tell_states_again(CollectorPeer& collector);

  // ---- worker_settle.cpp
  void send_result(Slot slot);
  void settle(Slot slot);
  /// D23: its result goes to the broker with its DONE.
  void carry_result(Slot slot);
  void on_stored(CollectorPeer& collector, wire::Stored& message, Now now, WorkerEffects& out);
  /// D23: instead of a result that nobody takes, a FAILURE that says so.
  void replace_result(Slot slot, std::string_view why);
  void on_done_ok(BrokerPeer& broker, const wire::DoneOk& message, Now now, WorkerEffects& out);
  void flush_broker(BrokerPeer& broker, Now now, WorkerEffects& out);
  void forget(Slot slot);
  void count_settling(const Held& held, bool more);

  // ---- worker_credit.cpp
  void plan_credit(Now now);
  [[nodiscard]] bool flush_is_due(BrokerPeer& broker, Now now);
  [[nodiscard]] bool credit_changed(const BrokerPeer& broker) const;

  // ---- worker_drain.cpp
  void drain_turn(Now now, WorkerEffects& out);
  void carry_results(Now now);
  [[nodiscard]] MonoTime patience_ends(const CollectorPeer& collector) const;
  [[nodiscard]] std::optional<MonoTime> carry_deadline() const;

  // ---- worker_events.cpp
  void tell_received(const Held& held);
  void tell_started(Held& held, std::int64_t at_us);
  [[nodiscard]] std::optional<MonoTime> look_deadline() const;
  void tell_ended(const Held& held, const Finished& end);
  void tell_retried(const Held& held, const Finished& end, Micros delay);
  void tell_rejected(const Held& held, bool requeue, std::string_view reason);
  void tell_worker(wire::EventType type);
  /// The one that our events go to; nullptr while none can take them.
  CollectorPeer* events_collector();
  void flush_events(bool all, Now now, WorkerEffects& out);
  [[nodiscard]] std::optional<MonoTime> events_deadline() const;

  WorkerOptions options_;
  const TaskPolicies* policies_;
  Rules rules_;
  Random random_;
  CreditPlan credit_;
  std::vector<TaskPolicies::BrokerLimit> limits_;  ///< of registered tasks, for the brokers to keep
  std::vector<std::string> early_;                 ///< registered tasks that run at most once (D17)
  std::uint64_t policies_version_ = 1;             ///< grows when what brokers are told changes
  DeliveryTable table_;
  std::vector<std::unique_ptr<BrokerPeer>> brokers_;
  std::map<std::string, std::unique_ptr<CollectorPeer>, std::less<>> collectors_;
  std::map<std::uint32_t, PeerRef> links_;
  std::uint32_t next_link_ = 0;
  bool collectors_changed_ = false;

  std::deque<Token> ready_;             // some may be gone: `find` tells
  std::deque<Token> ready_coroutines_;  // the same; they wait for nothing but their own limit
  struct Resting {
    Token token{};
    RateBucket* bucket = nullptr;
  };
  std::multimap<MonoTime, Resting> resting_;  // by their turn; some may be gone
  RateLimits rates_;
  std::vector<TaskNote> notes_;   // until the turn's effects take them
  std::uint64_t pooled_ = 0;      // in slots, or waiting for one there
  bool has_coroutines_ = false;   // some registered task is one
  std::uint64_t coroutines_ = 0;  // with the pool, beside the slots
  std::uint64_t coroutine_bytes_ = 0;
  bool alone_waits_ = false;  // a task that must run alone waits for the others to end
  MonoTime last_coroutine_progress_{};
  std::optional<MonoTime> coroutine_stall_at_;
  bool alone_runs_ = false;  // D16: what is with the pool must stay by itself
  bool stalled_ = false;     // everything that runs is long, and more waits behind it
  MonoTime last_progress_{};
  std::optional<MonoTime> stall_at_;
  std::deque<Slot> homeless_;  // results for any collector, while none is in reach
  std::uint64_t settling_ = 0;
  std::uint64_t settling_bytes_ = 0;

  actor::EventOutbox events_;
  bool task_events_ = false;
  std::size_t starts_owed_ = 0;  // events of starts that are not told yet
  MonoTime last_look_{};
  bool told_offline_ = false;
  MonoTime next_event_heartbeat_{};
  std::array<double, 3> load_{};

  std::optional<Drain> drain_;
  MonoTime drain_began_{};

  ControlDesk desk_;
  std::vector<std::string> queues_;    // "" is the broker's default queue
  std::vector<std::string> excluded_;  // with it: names that are not meant
  bool queues_differ_ = false;         // from what HELLO can say
  bool paused_ = false;
  std::map<std::string, TimeLimits, std::less<>>
      time_limits_;  // as an operator said; registered tasks only
  std::map<std::string, std::uint64_t, std::less<>> totals_;
  std::uint64_t* last_total_ = nullptr;  // of the task looked up last

  std::string last_name_;  // of the task looked up last
  const TaskFacts* last_facts_ = nullptr;
  wire::Deliver deliver_;
  wire::DoneOk done_ok_;
  wire::Stored stored_;
  WorkerCounters counters_;
};

}  // namespace baozi::worker
