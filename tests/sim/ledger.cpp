#include "ledger.hpp"

#include <algorithm>

#include "actor/peer_outbox.hpp"
#include "base/rendezvous.hpp"
#include "broker/row.hpp"
#include "frame_text.hpp"
#include "process.hpp"
#include "wire/codec.hpp"

namespace baozi::sim {

namespace {

const char* to_string(Execution::End end) {
  static constexpr const char* names[] = {"running", "success",  "failure", "retried",
                                          "revoked", "rejected", "killed"};
  return names[static_cast<std::size_t>(end)];
}

const char* to_string(Truth::Told told) {
  static constexpr const char* names[] = {"nothing", "confirmed", "rejected", "not sent",
                                          "unknown", "closed",    "duplicate"};
  return names[static_cast<std::size_t>(told)];
}

TaskId make_id(std::uint64_t serial) {
  if (serial % 16 == 0) return TaskId::from_text("text-" + std::to_string(serial));
  Uuid id;
  for (std::size_t i = 0; i < 8; ++i) {
    id.bytes[i] = 0xA0;
    id.bytes[15 - i] = static_cast<std::uint8_t>(serial >> (8 * i));
  }
  return TaskId{id};
}

bool contains(const std::vector<TaskId>& ids, const TaskId& id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

void Truth::begin_generation(std::uint32_t next) {
  generation = next;
  first_execution = executions.size();
  if (result) past.push_back(*std::exchange(result, std::nullopt));
  removed = dead = delivered = started = retry_asked = false;
  purged_at.reset();
}

void Ledger::know(const std::vector<Process*>& brokers, const std::vector<Process*>& workers) {
  brokers_ = brokers;
  workers_ = workers;
}

bool Ledger::is_broker(const Process& process) const {
  return std::find(brokers_.begin(), brokers_.end(), &process) != brokers_.end();
}
bool Ledger::is_worker(const Process& process) const {
  return std::find(workers_.begin(), workers_.end(), &process) != workers_.end();
}

std::string Ledger::story(const Truth& truth) const {
  std::string text =
      short_id(truth.id) + " (" + plan_text(truth.plan) + "; told " + to_string(truth.told);
  if (truth.parent) text += "; follow-up of " + short_id(*truth.parent);
  if (!truth.outboxes.empty()) text += "; waits for its home";
  if (!truth.rows.empty()) text += "; stored";
  if (truth.removed) text += "; removed";
  if (truth.dead) text += "; dead";
  if (truth.result)
    text += std::string{"; result "} +
            wire::to_string(static_cast<wire::TaskState>(truth.result->state));
  for (const Execution& execution : truth.executions) {
    text += "; ran at " + std::to_string(execution.began / 1000) + "ms on worker process " +
            std::to_string(execution.worker) + "/" + std::to_string(execution.start) + ": " +
            to_string(execution.end);
  }
  return text + ")";
}

void Ledger::violated(const Truth& truth, const std::string& text) const {
  world_.violation(text + ": " + story(truth));
}

Truth& Ledger::create(const Plan& plan) {
  const std::uint64_t serial = next_serial_++;
  return create_as(make_id(serial), plan, serial);
}

Truth& Ledger::create_as(const TaskId& id, const Plan& plan) {
  return create_as(id, plan, next_serial_++);
}

Truth& Ledger::create_as(const TaskId& id, const Plan& plan, std::uint64_t serial) {
  Truth& truth = truths_[id];
  truth.id = id;
  truth.serial = serial;
  truth.plan = plan;
  if (plan.unique != 0) by_unique_[plan.unique].push_back(&truth);
  if (plan.ordering != 0) by_order_[plan.ordering].push_back(&truth);
  if (plan.concurrency != 0) by_concurrency_[plan.concurrency].push_back(&truth);
  if (const std::string limit = limit_name(truth); !limit.empty())
    by_limit_[limit].push_back(&truth);
  return truth;
}

Truth& Ledger::of(const TaskId& id) {
  const auto found = truths_.find(id);
  if (found == truths_.end()) world_.violation("a task that nobody made: " + id.to_string());
  return found->second;
}

// ---- what is safe

bool Ledger::is_finished(const Truth& truth) const {
  if (truth.result) return true;
  return truth.plan.ignore_result &&
         std::any_of(truth.runs().begin(), truth.runs().end(),
                     [](const Execution& e) { return e.end == Execution::End::success; });
}

/// Without a stored success the delivery decides whose DONE the broker took (D20), even when
/// another execution failed and reported that.
bool Ledger::is_arbitrated(const Truth& truth) const {
  const bool ran = std::any_of(truth.runs().begin(), truth.runs().end(),
                               [](const Execution& e) { return e.end == Execution::End::success; });
  return truth.result && !(truth.plan.ignore_result && ran);
}

bool Ledger::is_safe(const Truth& truth) const {
  return !truth.rows.empty() || !truth.outboxes.empty() || is_finished(truth);
}

std::vector<TaskId> Ledger::winning_follow_ups(const Truth& truth) const {
  if (is_arbitrated(truth)) {
    std::vector<TaskId> ids;
    if (truth.result->followups.empty()) return ids;
    const auto tasks = wire::decode_tasks(truth.result->followups, limits::follow_ups_max);
    if (!tasks) violated(truth, "its stored follow-ups do not parse");
    for (const wire::TaskView& task : *tasks) ids.push_back(task.id.to_id());
    return ids;
  }
  // No success is stored (D20): the execution whose DONE counted is the one whose follow-ups are
  // there.
  const Execution* last = nullptr;
  const Execution* finished = nullptr;
  for (const Execution& execution : truth.runs()) {
    if (execution.end != Execution::End::success) continue;
    last = &execution;
    for (const TaskId& id : execution.follow_ups) {
      const Truth& child = truths_.at(id);
      if (child.ever_stored) return execution.follow_ups;
      if (is_finished(child)) finished = &execution;
    }
  }
  if (finished != nullptr) return finished->follow_ups;
  // Or none is: a success whose DONE never counted leaves nothing behind, and what ended the task
  // then (another delivery that failed, or the broker) is stored.
  if (truth.result || last == nullptr) return {};
  return last->follow_ups;
}

void Ledger::check_follow_ups_safe(const Truth& truth, const char* when) {
  for (const TaskId& id : winning_follow_ups(truth)) {
    if (!is_safe(of(id)))
      violated(truth, "P5: its follow-up " + short_id(id) + " is not stored " + when);
  }
}

void Ledger::check_may_exist(const Truth& truth, const char* what) {
  if (truth.told == Truth::Told::rejected || truth.told == Truth::Told::not_sent ||
      truth.told == Truth::Told::closed || truth.told == Truth::Told::duplicate) {
    violated(truth, std::string{"a task that was said not to exist "} + what);
  }
  if (!truth.parent) return;
  const Truth& parent = of(*truth.parent);
  if (!is_finished(parent))
    violated(truth, std::string{"a follow-up "} + what + " before its parent's outcome is decided");
  if (is_arbitrated(parent)) {
    if (!contains(winning_follow_ups(parent), truth.id)) {
      violated(truth, std::string{"D18: a follow-up of a losing result "} + what);
    }
    return;
  }
  for (const Execution& execution : parent.runs()) {
    if (contains(execution.follow_ups, truth.id)) continue;
    for (const TaskId& id : execution.follow_ups) {
      const Truth& other = of(id);
      if (other.ever_stored) {
        violated(truth, std::string{"P5: follow-ups of two executions live; one "} + what);
      }
    }
  }
}

// ---- producers

void Ledger::told_confirmed(Truth& truth) {
  if (truth.told == Truth::Told::confirmed) violated(truth, "confirmed twice");
  if (truth.told != Truth::Told::nothing) violated(truth, "confirmed after another word");
  truth.told = Truth::Told::confirmed;
  if (!is_safe(truth)) violated(truth, "P1: confirmed, but neither stored nor finished");
  if (truth.rows.empty() && truth.outboxes.empty())  // else it is not gone yet
    check_follow_ups_safe(truth, "when its parent is confirmed");
}

void Ledger::told_failed(Truth& truth, client::Fate fate) {
  if (truth.told != Truth::Told::nothing) violated(truth, "told a second fate");
  switch (fate) {
    case client::Fate::not_sent: truth.told = Truth::Told::not_sent; break;
    case client::Fate::rejected: truth.told = Truth::Told::rejected; break;
    case client::Fate::unknown: truth.told = Truth::Told::unknown; return;
    case client::Fate::closed: truth.told = Truth::Told::closed; break;
  }
  if (truth.ever_stored || truth.delivered || truth.result)
    violated(truth, "said not to exist, but it does");
}

void Ledger::told_duplicate(Truth& truth, const TaskId& first) {
  if (truth.told != Truth::Told::nothing) violated(truth, "told a second fate");
  truth.told = Truth::Told::duplicate;
  truth.first = first;
  const Truth& holder = of(first);
  if (truth.ever_stored || truth.delivered || truth.result)
    violated(truth, "said to be a duplicate, but it exists");
  if (truth.plan.unique == 0 || holder.plan.unique != truth.plan.unique)
    violated(truth, "D27: said to be a duplicate of a task with another key, " + story(holder));
  if (!is_safe(holder))
    violated(truth, "D27: told of a holder that is neither stored nor finished, " + story(holder));
}

void Ledger::told_there(Truth& truth) {
  truth.told = Truth::Told::confirmed;
  if (!is_safe(truth)) violated(truth, "D26: said to be there, but neither stored nor finished");
  if (truth.rows.empty()) check_follow_ups_safe(truth, "when somebody is told that it is there");
}

void Ledger::told_too_late(const Truth& truth, std::int64_t epoch_us) {
  if (settings_.clocks_agree && epoch_us + world_.time.now() < *truth.plan.once_until_us)
    violated(truth, "D26: said to be too late before its time");
}

void Ledger::told_result(Truth& truth, const wire::RecordView& record, bool durable) {
  if (truth.told_result) violated(truth, "its result was told twice");
  truth.told_result = true;
  if (!durable) return;
  if (!truth.result && truth.past.empty())
    violated(truth, "D22: a durable result was told that is not stored");
  const auto won = [&](const store::ResultRow& row) { return BytesView{row.record} == record.raw; };
  if (!(truth.result && won(*truth.result)) &&
      std::none_of(truth.past.begin(), truth.past.end(), won))
    violated(truth, "D22: a durable result was told that did not win");
}

void Ledger::told_verdict(Truth& truth, wire::Verdict verdict) {
  if (verdict != wire::Verdict::revoked) return;
  if (!truth.result ||
      static_cast<wire::TaskState>(truth.result->state) != wire::TaskState::revoked) {
    violated(truth, "D28: said to be revoked, but REVOKED is not its stored result");
  }
  truth.revoked = true;
}

// ---- keys and limits

bool Ledger::runs(const Truth& truth) const {
  return std::any_of(truth.executions.begin(), truth.executions.end(), [&](const Execution& e) {
    return e.end == Execution::End::running && !was_lost(truth, e);
  });
}

/// The name or queue whose limit decides where a task runs; empty: none does.
std::string Ledger::limit_name(const Truth& truth) const {
  if (settings_.name_limit != 0 && truth.plan.limited) return limited_name;
  return settings_.queue_limit != 0 && truth.plan.queue == 1 ? queue_name(truth.plan) : "";
}

bool Ledger::has_own_home(const Truth& truth) {
  return !home_key(truth.plan).empty() || truth.plan.once_until_us.has_value();
}

const Process& Ledger::home_of(const std::string& key) const {
  std::vector<std::uint64_t> hashes;
  for (const Process* const broker : brokers_) hashes.push_back(base::key_hash(broker->endpoint()));
  return *brokers_[base::rendezvous(hashes, base::key_hash(key))];
}

/// Before `truth` runs: its limit has room, over all brokers. A task with a key of its own is at
/// the home of that, and counts there. What a broker cannot know does not count: an execution whose
/// worker it lost, and one whose task it had given out before its commit and lost in a crash, until
/// that is brought again (D15).
void Ledger::check_limits_before_run(const Truth& truth) {
  const std::string limit = limit_name(truth);
  if (limit.empty()) return;
  const std::uint32_t most = truth.plan.limited && settings_.name_limit != 0
                                 ? settings_.name_limit
                                 : settings_.queue_limit;
  const bool homed = has_own_home(truth);
  const bool by_queue = limit != limited_name;
  std::uint32_t running = 0;
  for (const Truth* const other : by_limit_[limit]) {
    if (other == &truth || !runs(*other)) continue;
    // Each set of labels has the queue's limits by itself.
    if (by_queue && other->plan.labelled != truth.plan.labelled) continue;
    const bool counts = other->broker == truth.broker || (!homed && !has_own_home(*other));
    const auto now = restarts_.find(other->broker);
    const bool forgotten = other->rows.empty() && now != restarts_.end() &&
                           now->second != other->executions.back().restarts;
    if (counts && !forgotten) ++running;
  }
  if (running >= most)
    violated(truth, "D27: runs beyond the limit of " + limit + ", which is " +
                        std::to_string(most) + " over all brokers");
}

/// Before `truth` runs: nobody of its ordering key may run, and all that came before it have ended;
/// and its concurrency key has room.
void Ledger::check_keys_before_run(const Truth& truth) {
  if (truth.plan.ordering != 0) {
    for (const Truth* const other : by_order_[truth.plan.ordering]) {
      if (other == &truth) continue;
      // Where brokers do not know each other, a follow-up is enqueued at the one of its parent.
      if (!settings_.networked && other->broker != nobody && other->broker != truth.broker)
        continue;
      if (runs(*other))
        violated(truth, "D27: runs while another one of its ordering key does, " + story(*other));
      const bool earlier =
          settings_.keys_in_order && !truth.parent && !other->parent &&
          other->producer == truth.producer && other->producer_start == truth.producer_start &&
          other->serial < truth.serial && other->generation == 0 &&
          (other->told == Truth::Told::nothing || other->told == Truth::Told::confirmed);
      if (earlier && !is_finished(*other))
        violated(truth, "D27: overtakes one of its ordering key, " + story(*other));
    }
  }
  if (truth.plan.concurrency != 0) {
    std::size_t running = 0;
    for (const Truth* const other : by_concurrency_[truth.plan.concurrency]) {
      if (other != &truth && other->broker == truth.broker && runs(*other)) ++running;
    }
    if (running >= 2) violated(truth, "D27: runs beyond the limit of its concurrency key");
  }
}

/// After a commit: whoever has a row holds its unique key alone.
void Ledger::check_unique_row(const Truth& truth) {
  for (const Truth* const other : by_unique_[truth.plan.unique]) {
    if (other == &truth || other->rows.empty()) continue;
    if (!settings_.networked && other->broker != truth.broker) continue;
    const Truth& first = other->serial < truth.serial ? *other : truth;
    const Truth& second = other->serial < truth.serial ? truth : *other;
    // A key that was free before its task ended: the window was over, or it had started.
    const auto may_be_free = [](const Truth& one) {
      return one.plan.window.count() != 0 ||
             (one.plan.until_started && (one.delivered || one.started));
    };
    if (may_be_free(first) || may_be_free(second)) continue;
    violated(truth, "D27: two tasks hold one unique key, the other is " + story(*other));
  }
}

/// Whoever has a home is stored there and nowhere else.
void Ledger::check_home(const Truth& truth) {
  const std::string key = home_key(truth.plan);
  if (!settings_.networked || key.empty()) return;
  const Process& home = home_of(key);
  if (truth.broker != home.index()) violated(truth, "D27: its home is " + home.name());
}

void Ledger::outbox_committed(const Process& broker, const store::Record& record) {
  const std::pair at{broker.index(), record.key};
  if (!record.value) {
    const auto found = outbox_rows_.find(at);
    if (found == outbox_rows_.end()) return;
    Truth& truth = of(found->second);
    outbox_rows_.erase(found);
    truth.outboxes.erase(broker.index());
    if (!is_safe(truth)) violated(truth, "D27: leaves the outbox before its home has it");
    return;
  }
  const auto row = actor::unpack_outbox_row(*record.value);
  const auto task =
      row ? wire::decode_task(row->task) : Result<wire::TaskView>{Unexpected{row.error()}};
  if (!task) world_.violation(broker.name() + " stores an outbox row that does not parse");
  Truth& truth = of(task->id.to_id());
  const bool moves = !limit_name(truth).empty() && !has_own_home(truth);
  if (truth.passed_on || (truth.ever_stored && !moves))
    violated(truth, "P2: goes to its home a second time");
  if (truth.delivered) violated(truth, "D27: goes to its home although it was delivered here");
  if (!truth.rows.empty()) violated(truth, "P2: stored, and on its way to its home as well");
  if (truth.broker != nobody && truth.broker != broker.index())
    violated(truth, "P2: goes to its home from a broker that it was not with");
  check_may_exist(truth, "waits for its home");
  truth.broker = nobody;
  truth.passed_on = true;
  truth.outboxes.insert(broker.index());
  outbox_rows_[at] = truth.id;
}

// ---- operators

std::size_t Ledger::broker_named(std::string_view name) const {
  for (const Process* const broker : brokers_) {
    if (broker->name() == name || broker->endpoint() == name) return broker->index();
  }
  world_.violation("an answer of a broker that is none: " + std::string{name});
}

void Ledger::label(const Process& worker) { labelled_.insert(worker.index()); }

void Ledger::queue_is_paused(std::string_view broker, std::uint8_t queue) {
  paused_.insert({broker_named(broker), queue});
}

void Ledger::queue_may_go_on(std::uint8_t queue) {
  std::erase_if(paused_, [&](const auto& paused) { return paused.second == queue; });
}

std::vector<TaskId> Ledger::purge_asked(std::uint8_t queue) {
  purges_asked_.insert(queue);
  std::vector<TaskId> waiting;
  for (const auto& [id, truth] : truths_) {
    // What may move to another broker meanwhile is not seen by either's purge.
    const bool may_move = settings_.networked && !limit_name(truth).empty();
    if (truth.plan.queue == queue && !truth.delivered && !truth.rows.empty() && !may_move)
      waiting.push_back(id);
  }
  return waiting;
}

void Ledger::purged(std::string_view broker, const std::vector<TaskId>& waited) {
  const std::size_t index = broker_named(broker);
  for (const TaskId& id : waited) {
    Truth& truth = of(id);
    if (truth.broker == index && !truth.delivered) truth.purged_at = world_.time.now();
  }
}

// ---- workers

bool Ledger::was_lost(const Truth& truth, const Execution& execution) const {
  const auto worker = std::find_if(workers_.begin(), workers_.end(), [&](const Process* process) {
    return process->index() == execution.worker;
  });
  if (!(*worker)->is_up() || (*worker)->starts() != execution.start) return true;
  if (truth.broker == nobody) return true;
  const auto found = hearings_.find({truth.broker, {execution.worker, execution.start}});
  if (found == hearings_.end()) return true;
  const std::int64_t silence = settings_.liveness.count() * 19 / 20;
  const auto broker = std::find_if(brokers_.begin(), brokers_.end(), [&](const Process* process) {
    return process->index() == truth.broker;
  });
  if ((*broker)->awake() - found->second.last >= silence) return true;
  return std::any_of(
      found->second.silences.begin(), found->second.silences.end(),
      [&](const auto& gap) { return gap.first >= execution.began && gap.second >= silence; });
}

std::size_t Ledger::execution_begins(Truth& truth, const Process& worker, std::int64_t wall_us) {
  check_may_exist(truth, "runs");
  if (truth.revoked) violated(truth, "D28: runs after it was said to be revoked");
  if (truth.plan.labelled && !labelled_.contains(worker.index()))
    violated(truth, "runs on a worker without the label that it requires");
  check_keys_before_run(truth);
  if (settings_.networked) check_limits_before_run(truth);
  std::uint64_t lost = 1;  // this one, should it be
  for (const Execution& earlier : truth.runs()) {
    if (earlier.end == Execution::End::retried) continue;
    ++lost;
    if (!was_lost(truth, earlier))
      violated(truth, "P3: runs again although its worker was not lost");
    if (truth.plan.acks_early) violated(truth, "D17: acks_early, but it runs again");
  }
  const std::uint64_t limit =
      truth.plan.delivery_limit != 0 ? truth.plan.delivery_limit : settings_.delivery_limit;
  const auto restarts = restarts_.find(truth.broker);
  if (lost > limit + (restarts == restarts_.end() ? 0 : restarts->second)) {
    violated(truth,
             "P8: runs more often than its delivery limit of " + std::to_string(limit) + " allows");
  }
  if (settings_.clocks_agree && truth.plan.eta_us && wall_us < *truth.plan.eta_us) {
    violated(truth, "P6: runs before its ETA");
  }
  truth.executions.push_back({.worker = worker.index(),
                              .start = worker.starts(),
                              .began = world_.time.now(),
                              .restarts = restarts == restarts_.end() ? 0 : restarts->second});
  world_.mix(truth.serial);
  return truth.executions.size() - 1;
}

void Ledger::execution_ends(Truth& truth, std::size_t execution, Execution::End end,
                            std::vector<TaskId> follow_ups) {
  truth.executions[execution].end = end;
  truth.executions[execution].follow_ups = std::move(follow_ups);
}

void Ledger::worker_died(const Process& worker) {
  for (auto& [id, truth] : truths_) {
    for (Execution& execution : truth.executions) {
      if (execution.worker == worker.index() && execution.end == Execution::End::running) {
        execution.end = Execution::End::killed;
      }
    }
  }
}

// ---- files

void Ledger::tasks_committed(const Process& broker, const store::TaskBatch& batch) {
  auto& rows = rows_[broker.index()];
  std::set<TaskId> touched;
  for (const std::int64_t key : batch.erases) {
    const auto row = rows.find(key);
    if (row == rows.end()) continue;
    Truth& truth = of(row->second);
    truth.rows.erase(key);
    touched.insert(truth.id);
    rows.erase(row);
  }
  for (const store::TaskRow& put : batch.puts) {
    const auto view = broker::unpack_row(put.rec);
    if (!view) world_.violation(broker.name() + " stores a row that does not parse");
    Truth& truth = of(view->task.id.to_id());
    if (const std::uint32_t generation = view->task.options.generation;
        generation != truth.generation) {
      if (generation != truth.generation + 1 || !truth.retry_asked || !truth.result)
        violated(truth, "D24: stored with generation " + std::to_string(generation) + " after " +
                            std::to_string(truth.generation));
      if (truth.dead_dropped) violated(truth, "stored again after its dead letter was dropped");
      truth.begin_generation(generation);
    }
    if (truth.removed) violated(truth, "P2: stored again after it was done");
    if (truth.broker != nobody && truth.broker != broker.index() && truth.ever_stored) {
      violated(truth, "P2: stored by a second broker");
    }
    check_may_exist(truth, "is stored");
    if (const auto old = rows.find(put.key); old != rows.end() && old->second != truth.id) {
      violated(truth, "its row takes the key of " + short_id(old->second));
    }
    truth.broker = broker.index();
    truth.started = truth.started || view->meta.started;
    truth.ever_stored = true;
    check_home(truth);
    truth.rows.insert(put.key);
    rows[put.key] = truth.id;
    touched.insert(truth.id);
  }
  for (const store::Record& record : batch.records) {
    if (record.space == store::Space::outbox) outbox_committed(broker, record);
    if (record.space != store::Space::dead || !record.value) continue;
    const auto letter = broker::unpack_dead(*record.value);
    if (!letter) world_.violation(broker.name() + " stores a dead letter that does not parse");
    const auto task = wire::decode_task(letter->task);
    if (!task) world_.violation(broker.name() + " stores a dead letter without a task");
    of(task->id.to_id()).dead = true;
  }
  for (const TaskId& id : touched) {
    Truth& truth = of(id);
    if (truth.rows.size() > 1) violated(truth, "P2: stored twice");
    if (!truth.rows.empty()) {
      if (truth.plan.unique != 0) check_unique_row(truth);
      continue;
    }
    if (truth.outboxes.contains(broker.index())) continue;  // moved to the home of its limit
    truth.removed = true;
    if (!is_finished(truth)) violated(truth, "P4: leaves its broker before its result is stored");
    check_follow_ups_safe(truth, "in the commit that removes its parent");
  }
}

void Ledger::results_committed(const Process& collector, const std::vector<store::ResultRow>& rows,
                               const std::vector<store::Loss>& losses) {
  std::size_t next_loss = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const store::ResultRow& row = rows[i];
    Truth& truth = of(row.id);
    const bool lost = next_loss < losses.size() && losses[next_loss].index == i;
    const store::ResultRow* const current = truth.result         ? &*truth.result
                                            : truth.past.empty() ? nullptr
                                                                 : &truth.past.back();
    if (row.generation > truth.generation)
      violated(truth, "D24: a result of a generation that is not stored");
    if (lost) {
      if (current == nullptr || !(losses[next_loss].winner == *current))
        violated(truth, "P4: lost to who did not win");
      ++next_loss;
      continue;
    }
    if (current != nullptr && truth.collector != collector.index())
      violated(truth, "D21: results at two collectors");
    if (current != nullptr && row.generation <= current->generation) {
      if (current->number != row.number || current->incarnation != row.incarnation) {
        violated(truth, "P4: a second result replaced the first one");
      }
      continue;
    }
    truth.result = row;
    truth.collector = collector.index();
    const auto state = static_cast<wire::TaskState>(row.state);
    const bool asked = truth.revoke_asked || truth.plan.expires_us || settings_.tasks_are_dropped ||
                       purges_asked_.contains(truth.plan.queue);
    if (state == wire::TaskState::revoked && !asked)
      violated(truth, "REVOKED, but nobody asked for that");
    if (state == wire::TaskState::success) {
      const std::vector<TaskId> follow_ups = winning_follow_ups(truth);
      const bool ran =
          std::any_of(truth.runs().begin(), truth.runs().end(), [&](const Execution& e) {
            return e.end == Execution::End::success && e.follow_ups == follow_ups;
          });
      if (!ran) violated(truth, "SUCCESS with follow-ups that no execution made");
    } else if (!row.followups.empty()) {
      violated(truth, "follow-ups without success");
    }
  }
}

void Ledger::broker_started(const Process& broker) {
  for (auto& [who, hearing] : hearings_) {
    if (who.first != broker.index()) continue;
    heard(broker, hearing);  // it listens anew; whom it had not heard for a liveness before may be
                             // forgotten by now
    hearing.session = hearing.nonce = 0;
  }
}

void Ledger::broker_ended(const Process& broker) { ++restarts_[broker.index()]; }

// ---- frames

Ledger::Hearing& Ledger::hearing(const Process& broker, const Process& worker) {
  const auto [at, fresh] =
      hearings_.try_emplace({broker.index(), {worker.index(), worker.starts()}});
  if (fresh) at->second.last = broker.awake();
  return at->second;
}

void Ledger::heard(const Process& broker, Hearing& hearing) {
  const std::int64_t length = broker.awake() - hearing.last;
  if (length >= settings_.liveness.count() / 2)
    hearing.silences.emplace_back(world_.time.now(), length);
  hearing.last = broker.awake();
}

void Ledger::on_delivered(Process& from, Process& to, actor::PeerKey connection, BytesView bytes) {
  if (!is_worker(from) || !is_broker(to) || !from.is_up()) return;
  const auto frame = wire::open_frame(bytes);
  if (!frame) return;
  Hearing& ear = hearing(to, from);
  // A copy of an old frame shows no life.
  if (frame->header.type == wire::Type::hello) {
    wire::Hello hello;
    if (!wire::decode(*frame, hello) || hello.nonce <= ear.nonce) return;
    ear.nonce = hello.nonce;
    ear.connection = connection;
    heard(to, ear);
  } else if (frame->header.session == ear.session && ear.session != 0) {
    if (frame->header.seq <= ear.received) return;
    ear.received = frame->header.seq;
    heard(to, ear);
    if (frame->header.type == wire::Type::goodbye) ear.session = 0;
  }
}

void Ledger::on_gone(Process& router, Process& dealer, actor::PeerKey connection) {
  if (!is_worker(dealer) || !is_broker(router)) return;
  Hearing& ear = hearing(router, dealer);
  if (ear.connection == connection) ear.session = 0;
}

void Ledger::on_sent(Process& from, Process& to, actor::PeerKey connection, BytesView bytes) {
  if (is_broker(to)) {
    if (const auto frame = wire::open_frame(bytes);
        frame && frame->header.type == wire::Type::submit) {
      wire::Submit message;
      if (!wire::decode(*frame, message))
        world_.violation(from.name() + " sends a SUBMIT that does not parse");
      if (!message.home.empty()) return;
      for (const wire::TaskView& task : message.tasks) of(task.id.to_id()).homeless = true;
    }
    return;
  }
  if (!is_broker(from) || !is_worker(to)) return;
  const auto frame = wire::open_frame(bytes);
  if (!frame) world_.violation(from.name() + " sends a frame that does not open");
  switch (frame->header.type) {
    case wire::Type::welcome: {
      Hearing& ear = hearing(from, to);
      ear.session = frame->header.session;
      ear.received = 0;
      ear.connection = connection;
      break;
    }
    case wire::Type::error: {
      Hearing& ear = hearing(from, to);
      if (frame->header.session == ear.session) ear.session = 0;
      break;
    }
    case wire::Type::deliver: {
      wire::Deliver message;
      if (!wire::decode(*frame, message))
        world_.violation(from.name() + " sends a DELIVER that does not parse");
      for (const wire::DeliveryGroup& group : message.groups) {
        for (const wire::Delivery& delivery : group.deliveries) {
          Truth& truth = of(delivery.task.id.to_id());
          if (truth.broker != nobody && truth.broker != from.index())
            violated(truth, "P2: delivered by a second broker");
          if (truth.revoked) violated(truth, "D28: delivered after it was said to be revoked");
          truth.broker = from.index();
          check_delivery(truth, from.index());
          if (settings_.in_order && !truth.delivered && delivery.count == 1 &&
              delivery.retries == 0) {
            check_first_delivery_order(truth, from.index());
          }
          check_may_exist(truth, "is delivered");
          truth.delivered = true;
        }
      }
      break;
    }
    default: break;
  }
}

/// What operators were told holds.
void Ledger::check_delivery(Truth& truth, std::size_t broker) {
  if (truth.purged_at) violated(truth, "delivered after it was said to be purged");
  if (paused_.contains({broker, truth.plan.queue}))
    violated(truth, "delivered from a queue that was said to be paused");
}

void Ledger::check_first_delivery_order(const Truth& truth, std::size_t broker) {
  const bool keyed = !home_key(truth.plan).empty() || !limit_name(truth).empty();
  if (truth.parent || truth.plan.eta_us || truth.plan.acks_early || truth.homeless || keyed ||
      truth.plan.labelled || truth.plan.once_until_us || truth.generation > 0)
    return;  // these wait for something first
  Order& order = order_[{broker, truth.producer, truth.plan.queue, truth.plan.priority}];
  if (order.turn != world_.time.now()) order = {world_.time.now(), order.last, order.last};
  if (truth.serial < order.last_before)
    violated(truth, "first deliveries are out of order within a priority");
  order.last = std::max(order.last, truth.serial);
}

// ---- the end

bool Ledger::owes_result(const Truth& truth) const {
  if (!truth.wants_result || truth.told_result) return false;
  if (truth.told == Truth::Told::duplicate) return truths_.at(*truth.first).result.has_value();
  return truth.told == Truth::Told::confirmed && truth.result;
}

bool Ledger::owes_results(const IsAlive& producer_is_alive) const {
  return std::any_of(truths_.begin(), truths_.end(), [&](const auto& entry) {
    const Truth& truth = entry.second;
    return owes_result(truth) && truth.producer != nobody && producer_is_alive(truth);
  });
}

void Ledger::check_end(const IsAlive& producer_is_alive, std::uint64_t accepted) {
  std::uint64_t certain = 0;
  std::uint64_t possible = 0;
  for (auto& [id, truth] : truths_) {
    if (!truth.rows.empty()) violated(truth, "still stored after everything ended");
    if (!truth.outboxes.empty()) violated(truth, "still on its way after everything ended");
    const bool finished = is_finished(truth);
    const bool alive = truth.producer != nobody && producer_is_alive(truth);
    if (truth.told == Truth::Told::confirmed && !finished)
      violated(truth, "P1: confirmed, and lost");
    if (alive && truth.told == Truth::Told::nothing)
      violated(truth, "its producer was never told its fate");
    const bool is_certain = truth.ever_stored || truth.told == Truth::Told::confirmed;
    if (is_certain) ++certain;
    if (is_certain || truth.delivered) ++possible;
    if (truth.passed_on && !finished) violated(truth, "D27: passed on to its home, and lost");
    if (truth.ever_stored && !finished) violated(truth, "stored once, and lost");
    if (is_certain && finished) {
      for (const TaskId& child : winning_follow_ups(truth)) {
        if (!is_finished(of(child)))
          violated(truth, "P5: its follow-up " + short_id(child) + " was lost");
      }
    }
    if (truth.revoked &&
        static_cast<wire::TaskState>(truth.result->state) != wire::TaskState::revoked) {
      violated(truth, "D28: said to be revoked, and it ended otherwise");
    }
    if (truth.purged_at && (!truth.result || static_cast<wire::TaskState>(truth.result->state) !=
                                                 wire::TaskState::revoked))
      violated(truth, "said to be purged, and it ended otherwise");
    if (alive && owes_result(truth)) violated(truth, "its producer was never told its result");
    if (truth.told == Truth::Told::duplicate) {
      const Truth& holder = of(*truth.first);
      if (!is_finished(holder)) violated(truth, "D27: a duplicate of a task that was lost");
    }
  }
  if (accepted < certain || accepted > possible) {
    world_.violation("D32: the books say that " + std::to_string(accepted) +
                     " tasks were accepted, in truth it is " + std::to_string(certain) + " to " +
                     std::to_string(possible));
  }
}

std::int64_t Ledger::last_eta_us() const {
  std::int64_t last = 0;
  for (const auto& [id, truth] : truths_) {
    if (!truth.rows.empty()) last = std::max(last, truth.plan.eta_us.value_or(0));
  }
  return last;
}

std::string Ledger::open_text() const {
  std::string text;
  int shown = 0;
  for (const auto& [id, truth] : truths_) {
    const bool lost = truth.told == Truth::Told::confirmed && !is_finished(truth);
    if (truth.rows.empty() && !lost) continue;
    if (++shown <= 5) text += "\n    " + story(truth);
  }
  return text;
}

}  // namespace baozi::sim
