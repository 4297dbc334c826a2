/// \file broker_core.hpp
/// What a broker decides: which tasks are taken, who gets them, when they are gone for good. Pure:
/// no socket, clock, thread, file or chance; the same core runs in baozi-broker and in the
/// simulator. Threading: owned by one loop. Time: passed in, read once per turn. Source:
/// docs/delivery.md (the rules by number), docs/protocol.md.
///
/// The sources follow a task's life: broker_submit, broker_dispatch, broker_settle, broker_endings;
/// beside it broker_workers (sessions, leases, restart), broker_paging (what is not in memory),
/// broker_commit (group commit and the answers that wait for it), broker_overflow (hard limits of
/// queues), broker_revoke, broker_peers (other brokers), and what operators ask: broker_control,
/// broker_status, broker_dead.
#pragma once
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "actor/effects.hpp"
#include "actor/peer_outbox.hpp"
#include "actor/session_table.hpp"
#include "broker/once_table.hpp"
#include "broker/options.hpp"
#include "broker/queue_table.hpp"
#include "broker/revocation_table.hpp"
#include "broker/row.hpp"
#include "broker/sweep.hpp"
#include "broker/task_table.hpp"
#include "broker/worker_questions.hpp"
#include "store/task_store.hpp"

namespace baozi::broker {

struct BrokerEffects {
  actor::NetEffects net;
  /// Hand these to the store in order; `on_persisted(n)` follows for each, or for the last of
  /// several.
  std::vector<store::TaskBatch> commits;
  struct Load {
    std::uint64_t request;
    std::int64_t from;
    std::int64_t to;
    std::size_t rows_max;
    std::size_t bytes_max;
  };
  /// Read these after the commits above; `on_loaded` answers each.
  std::vector<Load> loads;
  struct RecordLoad {
    std::uint64_t request;
    store::Space space;
    Bytes after;
    std::size_t rows_max;
  };
  /// The same of small tables; `on_records` answers each.
  std::vector<RecordLoad> record_loads;
  /// Lines for the log: what an operator should know.
  std::vector<std::string> warnings;

  void clear() {
    net.clear();
    commits.clear();
    loads.clear();
    record_loads.clear();
    warnings.clear();
  }
};

/// What the store holds at start.
struct Recovered {
  std::vector<store::Record> records;      ///< of every space, without
  std::vector<OnceMark> once;              ///< these, which may be many
  std::vector<store::PrefixCount> ranges;  ///< counted with `lane_shift`
  struct Outbox {
    std::uint64_t first = 0;
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
  };
  std::map<std::uint64_t, Outbox> outboxes;  ///< by peer; their rows are counted only

  /// Puts it where it belongs.
  void add(store::Record&& record);

 private:
  bool count_outbox_row(const store::Record& record);
};

struct BrokerCounters {
  std::uint64_t submits = 0;
  std::uint64_t submit_duplicates = 0;
  std::uint64_t submit_out_of_sequence = 0;
  std::uint64_t submit_full = 0;
  std::uint64_t submit_rejected = 0;
  std::uint64_t delivered = 0;
  std::uint64_t redelivered = 0;
  std::uint64_t done = 0;
  std::uint64_t stale_done = 0;       ///< DONE or NACK of a delivery that counts no more
  std::uint64_t foreign_done = 0;     ///< of a delivery that this worker was never given
  std::uint64_t cancelled_pairs = 0;  ///< tasks that were never written (D12)
  std::uint64_t adopted = 0;          ///< leases taken over after a restart (D14)
  std::uint64_t orphans = 0;
  std::uint64_t orphans_given_up = 0;
  std::uint64_t lost_workers = 0;
  std::uint64_t lost_deliveries = 0;
  std::uint64_t carried =
      0;  ///< results that came with DONE and were brought to their collector (D23)
  std::uint64_t winners = 0;  ///< endings and redeliveries that obeyed a stored result
  std::uint64_t not_allowed = 0;
  std::uint64_t bad_messages = 0;
  std::uint64_t corrupt_rows = 0;
  std::uint64_t producers_expired = 0;
  std::uint64_t producers_dropped = 0;  ///< that made room before their age
  std::uint64_t books_mismatch = 0;
  std::uint64_t done_held =
      0;  ///< DONE that waited for a queue of their follow-ups that was at its hard limit (D25)
  std::uint64_t done_overdue = 0;  ///< of them, those that waited in vain, and passed it
  std::uint64_t duplicates =
      0;  ///< tasks that were not taken, since their unique key or their id is
  std::uint64_t duplicate_follow_ups =
      0;                            ///< the same, of follow-ups; also of those that came too late
  std::uint64_t once_too_late = 0;  ///< tasks whose `once_until` had passed
  std::uint64_t once_full = 0;      ///< refused since so many ids are remembered
  std::uint64_t once_unmarked = 0;  ///< follow-ups whose id is not remembered, for the same reason
  std::uint64_t passed_on = 0;      ///< follow-ups whose home is another broker (D27)
  std::uint64_t passed_on_refused =
      0;  ///< of them, and of the next, those that it refused for good
  std::uint64_t moved =
      0;  ///< tasks that went to the home of their limit, and are not accepted here
};

class BrokerCore {
 public:
  /// \param session_seed  where session numbers start; different at every start.
  BrokerCore(const BrokerOptions& options, const Recovered& recovered, std::uint64_t session_seed,
             Now now, const Rules& rules = {});
  ~BrokerCore();

  void on_frame(actor::PeerKey peer, BytesView frame, Now now, BrokerEffects& out);
  /// The connection cannot be reached any more, or its outbox overflowed.
  void on_gone(actor::PeerKey peer, Now now);
  // Other brokers, that this one connects to.
  void on_connected(actor::LinkId link, Now now, BrokerEffects& out);
  void on_disconnected(actor::LinkId link, Now now, BrokerEffects& out);
  void on_frame(actor::LinkId link, BytesView frame, Now now, BrokerEffects& out);
  /// Every commit up to `n` is durable.
  void on_persisted(std::uint64_t n, std::uint64_t free_bytes, Now now, BrokerEffects& out);
  /// The store is full: it keeps the batches and goes on trying (D10).
  void on_store_full(Now now, BrokerEffects& out);
  void on_loaded(std::uint64_t request, std::vector<store::TaskRow>&& rows, Now now,
                 BrokerEffects& out);
  void on_records(std::uint64_t request, std::vector<store::Record>&& records, BrokerEffects& out);
  /// Call once at the end of every shell turn: timers, dispatch, commits, frames.
  void turn(Now now, BrokerEffects& out);
  [[nodiscard]] std::optional<MonoTime> next_deadline() const;

  /// Switches events of tasks on or off, from the next one on. Those of the broker itself are told
  /// always (`BrokerOptions::event_heartbeat`).
  void set_task_events(bool on);
  [[nodiscard]] bool has_task_events() const { return task_events_; }
  /// Events told so far, and how many of them had to be dropped since no collector took them.
  [[nodiscard]] const actor::EventOutbox& events() const { return events_; }

  /// Refuses new tasks and delivers nothing more; sessions get GOODBYE once everything is
  /// committed.
  void begin_drain(Now now);
  [[nodiscard]] bool is_drained() const;

  [[nodiscard]] const Books& books() const { return books_; }
  /// Queued and leased tasks: what the books must add up with (D32).
  [[nodiscard]] std::uint64_t open_tasks() const;
  /// The same, as the queues count them; tasks with keys are theirs once all of those are in
  /// memory.
  [[nodiscard]] std::uint64_t tasks_in_queues() const;
  [[nodiscard]] const QueueTable& queues() const { return queues_; }
  [[nodiscard]] const BrokerCounters& counters() const { return counters_; }
  /// Follow-ups that wait for other brokers.
  [[nodiscard]] std::uint64_t tasks_for_peers() const;
  /// What the shell counts (frames that never reach the core), shown with the status.
  void set_shell_counters(std::map<std::string, std::uint64_t> counters) {
    shell_counters_ = std::move(counters);
  }
  [[nodiscard]] std::uint32_t epoch() const { return epoch_; }
  [[nodiscard]] std::uint64_t committed() const { return committed_; }
  /// True after a restart until the workers of before were heard (D14).
  [[nodiscard]] bool is_holding() const { return holding_; }
  /// True after a restart until all tasks with keys were read, and count for their queues.
  [[nodiscard]] bool is_reading_keys() const { return keys_loading_; }

 private:
  struct SlotRef {  // a slot and the key that it had: the task may have gone meanwhile
    Slot slot;
    std::int64_t key;
  };
  struct Producer {
    Uuid id;
    std::uint64_t accepted = 0;
    std::uint64_t committed = 0;
    std::int64_t used_us = 0;
    std::uint64_t session = 0;
    bool dirty = false;
    bool known = false;      ///< it had a row before this session
    bool of_broker = false;  ///< another broker's outbox: remembered for longer
  };
  struct Answer {  // a run of settlement entries that are answered by the same commit
    std::uint64_t upto;
    std::uint64_t n;  ///< `blocked`: not decided yet
    bool stale;
  };
  static constexpr std::uint64_t blocked = UINT64_MAX;
  struct Outgoing {
    Slot slot;
    std::int64_t key;
    std::uint64_t number;
    bool alone;
  };
  struct Worker {
    std::uint32_t index = 0;
    std::string name;
    Incarnation incarnation{};
    std::uint64_t session = 0;  ///< 0: away
    MonoTime last_heard{};
    std::vector<std::uint32_t> queues;
    std::vector<std::string> labels;
    std::uint32_t concurrency = 1;
    std::uint64_t roster_n = 0;                ///< deliveries only after this commit (D14)
    bool local = false;                        ///< lives in the broker's own process (D16)
    std::set<std::string, std::less<>> early;  ///< tasks that it runs at most once, by name (D17)
    bool alone = false;                        ///< holds a task that must be alone
    bool goodbye = false;
    std::uint64_t credit = 0;
    std::uint64_t credit_bytes = 0;
    std::uint64_t delivered = 0;
    std::uint64_t delivered_bytes = 0;
    std::uint64_t returned = 0;
    std::uint64_t returned_bytes = 0;
    Slot leases = no_slot;  ///< list through Task::next
    std::uint64_t lease_count = 0;
    std::uint64_t entries = 0;  ///< settlement entries received in this session
    std::deque<Answer> answers;
    std::vector<Answer> held;  ///< blocked ones that later answers have passed; the worker was told
    std::uint64_t answered = 0;  ///< DONE_OK.upto, as it was sent last in this session
    std::vector<Outgoing> outgoing;

    [[nodiscard]] std::uint64_t outstanding() const { return delivered - returned; }
    [[nodiscard]] std::uint64_t room() const {
      return credit > outstanding() ? credit - outstanding() : 0;
    }
  };
  struct Settle {  // one DONE or NACK entry, kept as long as its claim is open
    bool nack = false;
    wire::TaskState state{};
    std::uint64_t flags = 0;
    Bytes follow_ups;
    Bytes record;
    wire::NackKind kind{};
    std::uint64_t delay_us = 0;
    std::string reason;
    std::uint64_t entry = 0;
    bool waited = false;       ///< for a queue at its hard limit (D25)
    bool waited_long = false;  ///< enough of it
    [[nodiscard]] std::size_t bytes() const { return follow_ups.size() + record.size() + 100; }
  };
  struct HeldDone {        // its follow-ups find no room (D25)
    std::uint32_t worker;  ///< in its present session
    std::uint64_t number;
    MonoTime since;
    Settle entry;
  };
  struct Crowd {  // a queue at its hard limit, or one that was and for which somebody still waits
    std::deque<HeldDone> held{};
    MonoTime moved{};         ///< when somebody was last seen to take tasks from it
    std::uint64_t tasks = 0;  ///< in it, at the last look
    bool stuck = false;       ///< nobody did for long: workers are told
  };
  struct Peer {                // another broker that follow-ups go to
    std::uint64_t number = 0;  ///< in the store
    actor::PeerOutbox outbox;
    std::uint64_t erased_to = 1;  ///< rows before it are erased
    std::deque<HeldDone> held{};  ///< whose follow-ups find no room in the outbox (D31)
    Limiter moves{};  ///< how many rows there are before no task moves there, and those that wait
  };
  struct Claim {  // a delivery of an earlier epoch that a worker reported (D14, D15)
    std::uint32_t worker = 0;
    TaskId id;
    std::int64_t key = 0;
    std::uint64_t position = 0;
    bool executing = false;
    bool orphan = false;  ///< otherwise its row is being read
    bool sought =
        false;  ///< an orphan that an epoch in between may have taken again: looked for by its id
    MonoTime since{};
    std::optional<Settle> settle;
  };
  struct Collector {
    std::string name;
    std::vector<std::string> endpoints;
    std::uint64_t session = 0;
    std::uint64_t results_sent = 0;  ///< entries numbered in this session
    std::deque<std::pair<SlotRef, std::uint64_t>>
        awaiting;  ///< sent endings: (task, number), in order
    std::uint64_t first_awaiting = 1;
    bool gets_events = false;  ///< ours go there, in this session
  };
  struct AskSent {
    std::string collector;
    std::multimap<TaskId, SlotRef> tasks;  ///< those that no answer named yet
  };
  struct RevokeJob {
    std::uint64_t session = 0;
    std::uint64_t request = 0;
    std::vector<TaskId> ids;
    std::vector<wire::Verdict> verdicts;
    std::vector<wire::TaskState> states;
    std::vector<bool> settled;
    std::size_t open = 0;
    std::uint64_t n = 0;  ///< the commit of its marks
  };
  /// Somebody asks where tasks stand.
  struct Query {
    std::uint64_t session = 0;
    std::uint64_t request = 0;
    std::map<TaskId, Bytes> found;  ///< packed descriptions
  };
  enum class LoadKind : std::uint8_t { lane, schedule, claim, sweep, keyed };
  struct LoadPurpose {
    LoadKind kind;
    std::uint32_t queue = 0;
    std::uint32_t priority = 0;
    std::uint64_t number = 0;
    std::size_t rows_max = 0;
    std::size_t bytes_max = 0;
  };

  // ---- broker_core.cpp: frames and turns
  void recover(const Recovered& recovered, Now now);
  void dispatch_message(actor::SessionTable::Received& received, Now now, BrokerEffects& out);
  void on_hello(actor::PeerKey peer, const wire::Hello& hello, Now now, BrokerEffects& out);
  void send_welcome(actor::Session& session, const wire::Hello& hello, const Producer* producer,
                    BrokerEffects& out);
  void session_ended(const actor::Session& session, Now now);
  template <class Message>
  void send(actor::Session& session, const Message& message, BrokerEffects& out) {
    out.net.to_peers.push_back({session.peer, session.frame(message)});
  }
  /// \param about  the number of the frame that it answers; 0: of none.
  void refuse(actor::Session& session, wire::ErrorCode code, std::string_view text,
              BrokerEffects& out, std::uint64_t about = 0);

  // ---- broker_submit.cpp
  void on_submit(actor::Session& session, wire::Submit& message, Now now, BrokerEffects& out);
  Producer& producer_of(const Uuid& id);
  void refuse_batch(actor::Session& session, const wire::BatchRefusal& refusal, BrokerEffects& out);
  struct Drops {  // that make room for a batch
    std::vector<Slot> queued;
    std::vector<std::uint32_t> own;  ///< of the batch itself, by index
  };
  /// What has to be dropped when a batch brings so much to a queue; nothing has happened yet.
  /// False: it does not suffice.
  bool plan_drops(const Queue& queue, std::uint64_t tasks, std::uint64_t bytes,
                  const std::vector<wire::TaskView>& batch, Drops& drops, Now now);
  /// Takes a task in: into its lane, the schedule, or joined with an orphan.
  /// \param home_chosen  its home is this broker's choice (D21).
  /// \param moved  another broker had it, and its limit counts here.
  Slot accept(const wire::TaskView& view, std::uint32_t origin, Now now, bool home_chosen = false,
              bool moved = false);
  void enqueue(Slot slot, Now now);
  void expire_producers(Now now);

  // ---- broker_dispatch.cpp
  void deliver_ready(Now now);
  void deliver_queue(Queue& queue, Now now);
  [[nodiscard]] bool waits_for_home(const Task& task) const;
  std::uint64_t give(Queue& queue, Worker& worker, std::uint64_t count, Now now);
  [[nodiscard]] bool wants_solitude(const Task& task) const { return task.lost >= 2; }
  void lease(Slot slot, Worker& worker);
  void link_lease(Slot slot, Worker& worker);
  void unlease(Slot slot);
  void send_marked();
  void flush_deliveries(Now now, BrokerEffects& out);
  [[nodiscard]] bool may_deliver() const;
  [[nodiscard]] bool is_paused(const Queue& queue) const {
    return queue.paused || (queue.base != no_index && queues_[queue.base].paused);
  }
  [[nodiscard]] bool delivers(const Queue& queue) const {
    return !is_paused(queue) && queue.purged_before == 0;
  }

  // ---- broker_settle.cpp
  void on_credit(Worker& worker, const wire::Credit& message);
  void on_done(Worker& worker, const wire::Done& message, Now now);
  void on_nack(Worker& worker, const wire::Nack& message, Now now);
  /// The commit after which the entry may be answered; `blocked` while its claim is open; 0 when it
  /// is stale.
  std::uint64_t settle(Worker& worker, std::uint64_t number, Settle&& entry, Now now);
  void settle_task(Slot slot, const Settle& entry, Now now);
  /// \param charged  counted as a retry.
  void retry(Slot slot, std::uint64_t delay_us, bool charged, Now now);
  void schedule_retry(Slot slot, Micros delay, Now now);
  void complete(Slot slot, wire::TaskState state, bool exhausted, BytesView follow_ups, Now now);
  void answer(Worker& worker, std::uint64_t entry, std::uint64_t n, bool stale);
  void resolve_answer(Worker& worker, std::uint64_t entry, std::uint64_t n, bool stale);
  /// The commit after which a stale entry may be answered.
  [[nodiscard]] std::uint64_t stale_answered_by();
  void remove_task(Slot slot);
  void bury(Slot slot, std::string reason, Now now);
  void requeue(Slot slot);

  // ---- broker_overflow.cpp
  /// The queue is at its hard limit; call after whatever fills it.
  void note_crowd(const Queue& queue);
  void note_crowds();  ///< of all queues, after a restart
  /// Keeps a DONE whose follow-ups find no room, unanswered; \return false when they find it. While
  /// there are crowds or full outboxes only.
  bool hold(const Worker& worker, std::uint64_t number, Settle& entry, Now now);
  /// With whom a DONE has to wait because of this follow-up; nullptr: it need not.
  [[nodiscard]] std::deque<HeldDone>* where_it_waits(const wire::TaskView& task,
                                                     const Settle& entry);
  /// Settles what was held, as far as there is room by now, or was waited for long enough.
  void look_after_crowds(Now now);
  void look_at_crowds(Now now);
  void let_in(HeldDone&& held, Now now);
  /// Its session ended: in the next one it says it all again.
  void forget_held(const Worker& worker);
  [[nodiscard]] Micros look_every() const;
  /// Queues that are full and that nobody takes tasks from; empty text: the default queue.
  [[nodiscard]] std::vector<std::string> full_queues() const;
  /// Tells workers of them: what they decide from now on is a failure.
  void tell_full_queues(BrokerEffects& out);
  void tell_full_queues(actor::Session& session, const std::vector<std::string>& names,
                        BrokerEffects& out);

  // ---- broker_peers.cpp
  void recover_peers(const Recovered& recovered, Now now);
  void open_peers(BrokerEffects& out);
  /// The other broker that the task belongs to; nullptr: none. Only with several brokers.
  [[nodiscard]] Peer* home_of(const wire::TaskView& task) const;
  /// Puts a follow-up into the outbox of its home, in the open transaction. False: it stays here.
  bool pass_on(const wire::TaskView& task, std::uint32_t origin, Now now);
  void put_out(Peer& peer, BytesView task, std::uint32_t origin, Now now);
  /// The other broker that the limit of its name, or else of its queue, counts at; nullptr: none,
  /// or the task stays all the same. Only with several brokers.
  [[nodiscard]] Peer* limits_at(const Task& task);
  /// Takes a ready task out of this broker, into the outbox of another one; or has it wait for room
  /// there.
  void move(Slot slot, Peer& home, Now now);
  /// The outbox has more rows, or fewer.
  void note_room(Peer& peer);
  void note_full_outboxes();
  void look_after_outboxes(Now now);
  [[nodiscard]] Peer* peer_of(actor::LinkId link);
  void take_passed_on(Peer& peer, Now now);
  void end_refused(const Peer& peer, const actor::PeerOutbox::Refused& refused, Now now);
  void turn_peers(Now now, BrokerEffects& out);
  void close_outboxes();
  [[nodiscard]] std::optional<MonoTime> peers_deadline() const;
  [[nodiscard]] Bytes peers_payload(Now now) const;

  // ---- broker_workers.cpp
  Worker& worker_of(const wire::Hello& hello, Now now);
  /// Whose tasks it takes from now on.
  void consume(Worker& worker, const std::vector<std::string_view>& names,
               const std::vector<std::string_view>& excluded);
  void consume(Worker& worker, Queue& queue);
  void serve_new_queues();
  void take_holds(Worker& worker, const wire::Hello& hello, Now now, BrokerEffects& out);
  bool hold_again(Worker& worker, const wire::HeldDelivery& hold);
  void claim_older(Worker& worker, const wire::HeldDelivery& hold, Now now, BrokerEffects& out);
  /// Opens a claim on the task in `slot`, or on the row under the claim's key when there is none.
  void claim_row(std::uint64_t number, Claim&& claim, Slot slot, Now now, BrokerEffects& out);
  void adopt(Slot slot, Worker& worker, std::uint64_t number);
  void remember_delivery(Slot slot, const Worker& worker, std::uint64_t number,
                         std::string_view why);
  void on_claim_row(std::uint64_t number, std::vector<store::TaskRow>& rows, Now now);
  /// The task of a claim is there: leased to the worker again, or settled if it is done already.
  void close_claim(std::uint64_t number, Slot slot, Now now);
  void give_up_claim(std::uint64_t number);
  /// Looks for the orphans of older epochs, in memory at once and then on disk.
  void seek_orphans(Now now);
  void lose_worker(Worker& worker, std::string_view why, Now now);
  void lose_delivery(Slot slot, std::string_view why, Now now);
  void look_for_lost(Now now);
  void end_holding(Now now);
  void drop_worker(Worker& worker);
  [[nodiscard]] Worker* worker_of_session(const actor::Session& session);
  [[nodiscard]] Slot find_by_key(std::int64_t key) const;

  // ---- broker_endings.cpp
  void begin_ending(Slot slot, Ending kind, std::string text);
  [[nodiscard]] bool may_end_more() const { return endings_open_ < options_.endings_max; }
  void send_endings(Now now, BrokerEffects& out);
  void on_stored(Collector& collector, const wire::Stored& message, Now now, BrokerEffects& out);
  void finish_ending(Slot slot, Now now, BrokerEffects& out);
  void obey_winner(Slot slot, BytesView record, BytesView follow_ups, Now now);
  [[nodiscard]] Bytes ending_record(const Task& task, const wire::TaskView& view, Now now) const;
  void ask(Slot slot);
  /// Whether some collector may have stored a result of an earlier delivery: of an `ignore_result`
  /// task its failure (D20), unless it was delivered without a home (D21).
  [[nodiscard]] bool may_have_result(const Task& task) const {
    return !task.ignore_result || !tasks_.origin(task.origin).home.empty();
  }
  void send_asks(BrokerEffects& out);
  void on_fetched(const wire::Fetched& message, Now now);
  Collector* collector_for(const std::string& home);
  /// Writes a home down for a task whose producer knew none, once there is a collector (D21).
  /// \return true when it was chosen now: nobody may hear of it before the open commit.
  bool choose_home(Slot slot);
  void announce_collectors(BrokerEffects& out);
  [[nodiscard]] std::vector<wire::CollectorInfo> collector_list() const;
  void collector_away(Collector& collector);
  void check_expiry(Now now);
  bool end_if_due(Slot slot, Now now);
  /// Takes the task out of whatever list it stands in, towards `leased`, `asking` or `ending`.
  void detach(Slot slot);
  [[nodiscard]] bool alive(const SlotRef& ref) const {
    return tasks_[ref.slot].stage != Stage::free && tasks_[ref.slot].key == ref.key;
  }

  // ---- broker_events.cpp
  void tell_sent(const wire::TaskView& view);
  void tell_ending(const Task& task);
  void tell_broker(wire::EventType type);
  /// The one that our events go to; nullptr while none can take them.
  Collector* events_collector();
  void flush_events(bool all, Now now, BrokerEffects& out);
  void on_events_ok(Collector& collector, const wire::EventsOk& message);
  [[nodiscard]] std::optional<MonoTime> events_deadline() const;

  // ---- broker_paging.cpp
  void schedule(Slot slot);
  void unschedule(Slot slot);
  void wake_scheduled(Now now);
  /// Scheduled tasks that are due wait while their queue has twice its window in memory.
  [[nodiscard]] bool is_crowded(const Queue& queue) const {
    return queue.in_memory + queue.parked >= options_.window_tasks * 2;
  }
  /// Nothing is read of a lane while so many tasks of its queue wait in memory for a limit, or for
  /// room on their way to another broker: that may take long. A lane without such tasks is read.
  [[nodiscard]] bool is_read_later(const Queue& queue, const Lane& lane) const {
    return queue.parked >= options_.window_tasks && lane.parked > 0;
  }
  void trim_schedule();
  void page_in(BrokerEffects& out);
  void on_lane_rows(const LoadPurpose& purpose, std::vector<store::TaskRow>& rows, Now now);
  void on_schedule_rows(const LoadPurpose& purpose, std::vector<store::TaskRow>& rows, Now now);
  /// Where a task that was read goes: its lane, an ending, a question.
  void admit(Slot slot, Now now);
  void page_out(Slot slot);
  void leave_memory();
  /// A task from its row, not yet in any list; `no_slot` when the row cannot be read.
  Slot restore(const store::TaskRow& row, Now now);
  /// Reads rows; what is open is handed over first, so that none is read that was erased before.
  void load(LoadPurpose purpose, std::int64_t from, std::int64_t to, std::size_t rows,
            std::size_t bytes, BrokerEffects& out);

  // ---- broker_commit.cpp
  void note_insert(Slot slot);
  void note_update(Slot slot);
  void note_erase(const Task& task);
  void note_record(store::Space space, Bytes key, std::optional<Bytes> value);
  void touch(Now now);
  void close_batch(Now now, BrokerEffects& out);
  void commit_if_due(Now now, BrokerEffects& out);
  void answer_committed(Now now, BrokerEffects& out);
  [[nodiscard]] bool is_committed(const Task& task) const { return task.position <= committed_; }

  // ---- broker_revoke.cpp
  void on_revoke(actor::Session& session, const wire::Revoke& message, Now now, BrokerEffects& out);
  void revoke_task(Slot slot, std::uint64_t job, std::size_t index);
  static void say_pending(RevokeJob& job, std::size_t index);
  /// Was it here before the restart, and may a worker have it that was not heard yet (D15)?
  [[nodiscard]] bool may_be_held(const Task& task) const;
  /// Those of `revokes_held_` that nobody has are ended.
  void resume_revokes();
  void mark_revoked(const TaskId& id, const wire::Revoke& message, Now now);
  void unmark_revoked(const TaskId& id);
  /// A task comes into the broker's hands again: true when it bears a mark, which it remembers from
  /// now on.
  bool is_revoked(Slot slot);
  /// Tells workers which of their tasks are revoked.
  void send_revokes(BrokerEffects& out);
  void expire_revocations(Now now);
  void revoke_settled(Slot slot, wire::TaskState state);
  void finish_revokes(BrokerEffects& out);
  Worker* holder_of(const Task& task);
  /// The id at the head of a packed task.
  [[nodiscard]] static wire::IdView id_of(BytesView raw);
  [[nodiscard]] bool marks_in(const Queue& queue) const;
  void on_query(actor::Session& session, const wire::Control& message, BrokerEffects& out);
  void note_found(Sweep& sweep, Slot slot);
  void note_found(Sweep& sweep, const store::TaskRow& row, const TaskRowView& view,
                  const Queue& queue);
  void finish_query(std::uint64_t number, BrokerEffects& out);
  void run_sweep(BrokerEffects& out);
  void on_sweep_rows(const LoadPurpose& purpose, std::vector<store::TaskRow>& rows, Now now,
                     BrokerEffects& out);
  /// Ends all tasks that wait in the queue now; how many. None of them is delivered any more.
  std::uint64_t purge(Queue& queue);
  /// Tasks of the queue that wait for a collector's word before they are delivered again.
  [[nodiscard]] std::vector<Slot> asking_in(const Queue& queue) const;
  void begin_purge(const Queue& queue, std::uint64_t sequence_end);
  /// After a restart: those that were under way.
  void resume_purges();
  Slot take_from_disk(const store::TaskRow& row, Now now);
  /// True when a running sweep wants this task, which was just read for another reason.
  bool swept(Slot slot, Now now);
  [[nodiscard]] std::vector<Sweep::Range> ranges_on_disk() const;
  std::uint64_t sweep_memory(Queue& queue, std::uint64_t sequence_end, std::uint64_t room);

  // ---- broker_gates.cpp
  /// Joins the keys of its options; in `restore` and `accept`.
  void join_gate(Slot slot, const wire::TaskView& view);
  /// Leaves them: the task is gone, and those behind it may go on.
  void leave_gate(Slot slot);
  /// Who holds the key now; nullptr: nobody.
  [[nodiscard]] const UniqueKey* holder_of_key(std::string_view unique, Now now);
  void free_unique(Task& task);
  [[nodiscard]] bool is_head(Slot slot) const;
  void block(Slot slot);
  /// Where a task goes that may run: its lane, near its place.
  void let_go(Slot slot, Now now);
  void open_head(OrderKey& order, Now now);
  /// False: a limit stands in its way, and it was parked there.
  bool pass_limits(Slot slot, Now now);
  void count_in(Slot slot, Now now);
  void count_out(Slot slot);
  std::array<Limiter*, 3> limiters_of(Task& task);
  Limiter* limiter_of_name(std::string_view name);
  Limiter* limiter_of_queue(std::uint32_t number);
  /// Which of `--brokers` the limit of this name, or queue, counts at.
  [[nodiscard]] std::uint32_t home_of_limit(std::string_view name) const;
  void park(Slot slot, Limiter& limiter);
  void not_woken_any_more(Task& task);
  void look_again(Limiter& limiter);
  void wake_limits(Now now);
  void set_limits(const std::vector<wire::TaskLimit>& limits);
  [[nodiscard]] std::optional<MonoTime> next_turn() const;
  void load_keyed(BrokerEffects& out);
  void on_keyed_rows(const LoadPurpose& purpose, std::vector<store::TaskRow>& rows, Now now);
  void admit_keyed(Now now);
  void refuse_late(BrokerEffects& out);

  // ---- broker_once.cpp
  struct OnceOfBatch {
    std::set<Uuid> ids;
    std::uint64_t holders_n =
        0;                   ///< the commit after which all that duplicates are told of is durable
    bool passed_on = false;  ///< follow-ups of another broker: taken beyond the limit
    std::list<std::string> texts;  ///< of refusals
  };
  /// The wall clock, but never earlier than when ids were forgotten last; not after a restart
  /// either.
  [[nodiscard]] std::int64_t once_clock(Now now) const;
  /// Why a task with a `once_until` is not taken; nothing when it is.
  [[nodiscard]] std::optional<wire::TaskRefusal> once_refusal(const wire::TaskView& task,
                                                              OnceOfBatch& batch, Now now);
  /// Remembers the id, in the open commit. False: it is taken, or too late.
  bool mark_once(const wire::TaskView& task, Now now);
  void purge_once(Now now);

  // ---- broker_control.cpp
  void on_control(actor::Session& session, const wire::Control& message, Now now,
                  BrokerEffects& out);
  void reply(std::uint64_t session, std::uint64_t request, BytesView payload, BrokerEffects& out);
  void reply_refusal(std::uint64_t session, std::uint64_t request, wire::ErrorCode code,
                     std::string_view text, BrokerEffects& out);
  /// Leaves once what is open is committed.
  void reply_after_commit(std::uint64_t session, std::uint64_t request, Bytes payload);
  void ask_workers(actor::Session& session, const wire::Control& message, Now now,
                   BrokerEffects& out);
  void carry_questions(Now now, BrokerEffects& out);
  [[nodiscard]] Bytes queues_payload();
  [[nodiscard]] Bytes scheduled_payload(std::uint64_t limit);
  [[nodiscard]] Bytes revoked_payload(std::uint64_t limit) const;

  // ---- broker_status.cpp
  [[nodiscard]] Bytes status_payload(Now now);

  // ---- broker_dead.cpp
  /// \param changed  the answer waits for the open commit.
  bool dead_command(const wire::Control& message, Now now, Bytes& payload, bool& changed);
  bool retry_dead(std::int64_t key, Now now);
  void drop_dead(std::int64_t key);
  void trim_dead();

  BrokerOptions options_;
  Rules rules_;
  std::uint32_t epoch_ = 1;
  std::map<std::uint64_t, std::uint64_t>
      last_of_epoch_;  ///< earlier epochs and their last commits (D9)
  MonoTime started_{};
  actor::SessionTable sessions_;
  TaskTable tasks_;
  QueueTable queues_;
  Books books_;
  BrokerCounters counters_;
  std::map<std::string, std::uint64_t> shell_counters_;

  std::map<Uuid, std::unique_ptr<Producer>> producers_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::map<std::uint64_t, std::uint32_t> worker_index_;  ///< by incarnation
  std::map<std::string, Collector> collectors_;

  // restart (D14, D15)
  bool holding_ = false;
  std::optional<MonoTime> holding_until_;   ///< set at the first turn
  std::set<std::uint64_t> roster_awaited_;  ///< incarnations of before that were not heard yet
  bool roster_lost_ = false;                ///< one of them never came
  std::map<std::uint64_t, Claim> claims_;   ///< by delivery number
  std::unordered_map<std::int64_t, std::uint64_t>
      newest_claims_;                                ///< row → the newest number claimed for it
  std::map<TaskId, std::uint64_t> orphans_;          ///< id → delivery number
  std::map<TaskId, std::uint64_t> orphans_to_seek_;  ///< of them, those that a sweep is to look for
  std::map<TaskId, SlotRef> held_ids_;               ///< tasks taken while holding
  std::map<std::uint64_t, SlotRef> adopted_;         ///< delivery numbers of earlier epochs
  std::set<std::uint64_t> roster_;                   ///< incarnations with a durable row
  /// Tasks in memory whose rows lie where the rest is still to be read.
  std::unordered_map<std::int64_t, Slot> in_tail_region_;
  std::uint64_t old_sequence_end_ = 0;  ///< rows below it are of an earlier epoch

  // schedule, expiry
  std::map<std::pair<std::int64_t, std::int64_t>, Slot> schedule_;  ///< (eta, key)
  std::unordered_set<std::int64_t>
      scheduled_keys_;  ///< rows of the schedule that are in memory, in whatever stage
  std::uint64_t scheduled_on_disk_ = 0;
  std::int64_t schedule_disk_from_ = 0;  ///< scheduled tasks on disk have keys from here on
  bool schedule_loading_ = false;
  std::int64_t schedule_paged_from_ =
      INT64_MAX;  ///< lowest key that left memory since the last load was asked for
  std::multimap<std::int64_t, SlotRef> expiries_;
  std::multimap<MonoTime, SlotRef>
      retries_;  ///< tasks that wait for a retry, by the steady clock (D30)
  std::set<std::uint32_t> paged_queues_;  ///< queues with tasks that are only in the store

  // keys and limits (D27)
  std::map<std::string, OrderKey, std::less<>> orders_;
  std::map<std::string, UniqueKey, std::less<>> uniques_;
  std::map<std::string, Limiter, std::less<>>
      key_limits_;  ///< by concurrency key, while it is in use
  std::map<std::string, Limiter, std::less<>> named_limits_;  ///< by task name
  std::map<std::uint32_t, Limiter> queue_limits_;             ///< by queue
  bool limits_on_ = false;                                    ///< some name or queue has a limit
  std::vector<Limiter*> changed_limits_;
  std::uint64_t keyed_on_disk_ = 0;
  bool keys_loading_ = false;  ///< not all rows with keys are in memory yet
  bool keys_asked_ = false;
  std::int64_t keyed_from_ = keyed_begin;
  std::vector<SlotRef>
      keyed_waiting_;   ///< read, and to be admitted once nobody is waited for any more
  struct LateRefusal {  ///< of a batch with duplicates, until what they are duplicates of is
                        ///< durable
    std::uint64_t n;
    std::uint64_t session;
    std::uint64_t number;
    struct One {
      std::uint32_t index;
      wire::Reason reason;
      std::string text;
    };
    std::vector<One> tasks;
    std::vector<std::uint64_t>
        behind{};  ///< batches that came meanwhile: out of sequence, and told so after it
  };
  std::vector<LateRefusal> late_refusals_;

  // endings and questions
  std::map<std::string, std::deque<SlotRef>> endings_ready_;  ///< by home; persisted, to be sent
  std::uint64_t endings_open_ = 0;
  std::map<std::string, std::deque<SlotRef>> asks_ready_;
  std::map<std::uint64_t, AskSent> asks_sent_;
  std::uint64_t next_request_ = 1;
  bool collectors_changed_ = false;
  actor::EventOutbox events_;
  bool task_events_ = false;
  MonoTime next_event_heartbeat_{};

  // ids that count until an instant (D26)
  OnceTable once_;
  std::int64_t once_forgot_us_ = 0;  ///< when ids were forgotten last, wall clock; durable
  MonoTime next_once_purge_{};

  // revokes, purges, dead letters
  RevocationTable revocations_;
  std::vector<SlotRef> revokes_due_;  ///< leased tasks whose workers are to be told
  std::map<std::uint64_t, RevokeJob> revoke_jobs_;
  std::multimap<Slot, std::pair<std::uint64_t, std::size_t>>
      revoke_waiters_;  ///< task → (job, index)
  /// Tasks on disk that were revoked while holding: what becomes of them is known when that ends.
  std::map<TaskId, std::uint64_t> revokes_held_;
  std::deque<Sweep> sweeps_;
  std::map<std::uint64_t, Query> queries_;
  bool purges_resumed_ = false;
  std::map<std::int64_t, DeadLetter> dead_;
  std::uint64_t dead_bytes_ = 0;

  // other brokers (D27)
  std::vector<std::unique_ptr<Peer>> peers_;  ///< by link; those that left `brokers` behind them
  std::vector<Peer*>
      homes_;  ///< as in `options_.brokers`; nullptr: this one. Empty: there are none
  std::vector<std::uint64_t> home_hashes_;       ///< of the same
  std::map<std::uint64_t, Peer*> outbox_loads_;  ///< by request
  bool outboxes_full_ = false;                   ///< one is, or somebody waits for one
  std::uint64_t to_move_ = 0;                    ///< tasks that wait for room in one
  std::uint64_t to_move_bytes_ = 0;

  // hard limits (D25)
  std::map<std::uint32_t, Crowd>
      crowds_;  ///< by queue; nearly always empty, and then none of it costs anything
  std::size_t held_count_ = 0;
  std::size_t held_bytes_ = 0;
  MonoTime next_crowd_look_ = MonoTime::max();
  bool full_queues_changed_ = false;

  // commits
  std::uint64_t open_ = 1;
  std::uint64_t committed_ = 0;
  std::uint64_t in_flight_ = 0;
  std::uint64_t sequence_ = 1;
  std::uint64_t sequence_reserved_ = 0;
  std::vector<SlotRef> open_inserts_;
  std::vector<SlotRef> open_updates_;
  std::vector<std::int64_t> open_erases_;
  std::vector<store::Record> open_records_;
  std::vector<Producer*> open_producers_;
  bool open_dirty_ = false;
  bool urgent_ = false;
  bool answers_due_ = false;  ///< some answers wait for no commit: they leave with this turn
  bool store_full_ = false;
  std::uint64_t free_bytes_ = UINT64_MAX;
  MonoTime open_since_{};
  Books committed_books_;
  struct Confirm {
    std::uint64_t n;
    Producer* producer;
    std::uint64_t number;
  };
  std::deque<Confirm> confirms_;
  struct LateReply {
    std::uint64_t n;
    std::uint64_t session;
    std::uint64_t request;
    Bytes payload;
  };
  std::deque<LateReply> replies_;  ///< to CONTROL, when their commit is durable
  WorkerQuestions questions_;
  struct LostWorker {
    Incarnation incarnation{};
    MonoTime last_heard{};
  };
  /// Those that went without a word and did not come back, by name: an operator asks for them.
  std::map<std::string, LostWorker> lost_workers_;
  struct Waiting {
    std::uint64_t n;
    SlotRef task;
  };
  std::deque<Waiting> leave_memory_;  ///< paged-out tasks whose insert is being committed
  std::deque<Waiting> marks_;         ///< deliveries that wait for their mark
  std::deque<Waiting> ending_marks_;  ///< endings that wait for their mark

  // loads
  std::map<std::uint64_t, LoadPurpose> loads_;
  struct Gone {
    std::uint64_t load;  ///< the last one that may still read the row
    std::int64_t key;
  };
  std::deque<Gone> gone_order_;
  std::unordered_set<std::int64_t> gone_;  ///< rows that were erased while loads were under way

  std::vector<SlotRef> taken_this_turn_;
  std::uint64_t delivered_before_ = 0;
  std::uint64_t delivered_lately_ =
      0;  ///< with `delivered_before_`: how many tasks leave within the commit delay
  MonoTime lately_since_{};
  bool draining_ = false;
  bool said_goodbye_ = false;
  MonoTime next_housekeeping_{};
  Now last_now_{};
  bool first_turn_ = true;

  // scratch, to keep capacity
  actor::SessionTable::Received received_;
  wire::Submit submit_;
  wire::Done done_;
  wire::Nack nack_;
};

}  // namespace baozi::broker
