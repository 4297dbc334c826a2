// How an execution ends: as a result, as another try, or as a dead letter (delivery.md D20, D23).
#include <algorithm>

#include <baozi/packing.hpp>

#include "base/limits.hpp"
#include "base/units.hpp"
#include "wire/codec.hpp"
#include "worker/worker_core.hpp"

namespace baozi::worker {

namespace {

constexpr std::size_t reason_bytes_max = 512;
// A result and its follow-ups travel in one frame, of the collector and of the broker.
constexpr std::size_t outcome_bytes_max = limits::frame_bytes_max - 4'096;

/// "type: message" out of a packed failure.
std::string reason_of(BytesView failure) {
  Reader in{failure};
  std::string reason;
  if (in.array() >= 2) {
    reason = in.str();
    const std::string_view message = in.str();
    if (in.ok() && !message.empty()) reason.append(": ").append(message);
  }
  return in.ok() ? reason.substr(0, reason_bytes_max) : std::string{};
}

}  // namespace

void WorkerCore::on_state_update(Token token, std::string_view state, BytesView meta) {
  Held* const held = table_.find(token);
  if (held == nullptr || !held->in_pool) {
    ++counters_.unknown_tokens;
    return;
  }
  if (held->phase == Phase::pooled) note_state(*held, state, meta);
}

void WorkerCore::on_finished(Token token, const Finished& end, Now now) {
  Held* const held = table_.find(token);
  if (held == nullptr || !held->in_pool) {
    ++counters_.unknown_tokens;
    return;
  }
  events_.at(now);
  const Slot slot = DeliveryTable::slot_of(token);
  const bool was_zombie = held->phase == Phase::zombie;
  leave_pool(*held);
  if (held->coroutine) {  // how long it waited says nothing about slots
    last_coroutine_progress_ = now.mono;
  } else {
    last_progress_ = now.mono;
    stalled_ = false;
    credit_.observe(end.ran);
  }
  if (was_zombie) return table_.remove(slot);
  if (held->phase == Phase::settle) return;  // a cold drain has handed it back already
  switch (end.verdict) {
    case Verdict::success:
      if (logs(TaskLog::all)) {
        note_task(TaskNote::Level::debug, *held, "succeeded in " + base::to_text(end.ran));
      }
      return end_as(slot, wire::TaskState::success, end);
    case Verdict::revoked:
      ++counters_.revoked;
      if (logs(TaskLog::trouble))
        note_task(TaskNote::Level::info, *held, "was revoked while it ran");
      return end_as(slot, wire::TaskState::revoked, end);
    case Verdict::ignore: return end_ignored(slot, end);
    case Verdict::snooze: return snooze(slot, end);
    case Verdict::failure:
    case Verdict::retry:
      if (try_retry(slot, end, now)) return;
      if (held->revoked && end.verdict == Verdict::retry) {
        ++counters_.revoked;
        return end_as(slot, wire::TaskState::revoked, end);  // nobody wants another try
      }
      if (logs(TaskLog::trouble)) {
        note_task(end.expected ? TaskNote::Level::info : TaskNote::Level::error, *held,
                  held->exhausted ? "failed for good after its last retry" : "failed", end.value,
                  !end.expected);
      }
      return end_as(slot, wire::TaskState::failure, end);
    case Verdict::lost: return end_as_lost(slot, end);
    case Verdict::reject:
      ++counters_.rejected;
      if (logs(TaskLog::trouble))
        note_task(TaskNote::Level::warning, *held, "was rejected", end.value);
      if (task_events_) {
        tell_rejected(*held, false, end.reason.empty() ? reason_of(end.value) : end.reason);
      }
      leave_hands(*held);
      return nack(slot, wire::NackKind::reject, Micros{0},
                  end.reason.empty() ? reason_of(end.value) : end.reason);
  }
}

/// The process that ran it is gone. Where all are, that is a lost worker: a lost delivery, which
/// the broker counts (D16) and which an `acks_early` task does not survive (D17). Where it alone
/// is, the task's policy says whether it is that, or a failure.
void WorkerCore::end_as_lost(Slot slot, const Finished& end) {
  Held& held = table_[slot];
  const TaskFacts* const facts = facts_of(held.name());
  if (logs(TaskLog::trouble))
    note_task(TaskNote::Level::error, held, "cost its process", end.value, true);
  const bool again = end.with_others || (facts != nullptr && facts->crash_retry);
  if (!again || held.revoked) {
    return end_as(slot, wire::TaskState::failure, end);
  }
  ++counters_.crashed;
  leave_hands(held);
  nack(slot, wire::NackKind::lost, Micros{0},
       end.reason.empty() ? reason_of(end.value) : end.reason);
}

bool WorkerCore::try_retry(Slot slot, const Finished& end, Now now) {
  Held& held = table_[slot];
  const TaskFacts* const facts = facts_of(held.name());
  const RetryTerms terms =
      retry_terms(held.raw_options(), facts != nullptr ? facts->retry : RetryPolicy{}, end);
  if (!terms.wanted || held.revoked) return false;
  if (!terms.allows(held.retries, held.since_us, micros(now.wall))) {
    held.exhausted = terms.policy.max_retries != 0 || end.verdict == Verdict::retry;
    counters_.exhausted += held.exhausted ? 1 : 0;
    return false;
  }
  Micros delay{0};
  if (end.delay) {
    delay = *end.delay;
  } else if (terms.of_call || facts == nullptr) {
    delay = terms.policy.delay(held.retries, random_.unit());
  } else {
    delay = policies_.retry_delay(*facts, held.retries, random_.unit());
  }
  ++counters_.retried;
  if (task_events_) tell_retried(held, end, delay);
  note_state(held, "RETRY", end.value);
  if (logs(TaskLog::trouble)) {
    note_task(TaskNote::Level::info, held,
              "will be retried in " + base::to_text(std::max(delay, Micros{0})), end.value);
  }
  leave_hands(held);
  nack(slot, wire::NackKind::retry, std::max(delay, Micros{0}),
       end.reason.empty() ? reason_of(end.value) : end.reason);
  return true;
}

void WorkerCore::snooze(Slot slot, const Finished& end) {
  Held& held = table_[slot];
  if (held.revoked) {
    ++counters_.revoked;
    Finished revoked = end;
    const Bytes body = wire::pack_failure("baozi::TaskRevoked", "revoked", {});
    revoked.value = body;
    return end_as(slot, wire::TaskState::revoked, revoked);
  }
  const Micros delay = std::max(end.delay.value_or(Micros{0}), Micros{0});
  ++counters_.snoozed;
  if (task_events_) tell_retried(held, end, delay);
  note_state(held, "RETRY", end.value);
  if (logs(TaskLog::trouble)) {
    note_task(TaskNote::Level::info, held, "snoozes for " + base::to_text(delay), end.value);
  }
  leave_hands(held);
  held.uncharged = true;
  nack(slot, wire::NackKind::retry, delay, end.reason.empty() ? reason_of(end.value) : end.reason);
}

void WorkerCore::end_ignored(Slot slot, const Finished& end) {
  Held& held = table_[slot];
  if (logs(TaskLog::all)) note_task(TaskNote::Level::debug, held, "wants to be ignored");
  constexpr std::string_view nil{"\xC0"};
  if (has_option(held.raw_options(), static_cast<std::uint64_t>(wire::Option::join))) {
    Finished ignored = end;
    ignored.value = nil;
    ignored.follow_ups = {};
    return end_as(slot, wire::TaskState::ignored, ignored);  // a join waits for it
  }
  ++counters_.ignored;
  note_state(held, "IGNORED", nil);
  leave_hands(held);
  held.state = wire::TaskState::ignored;
  if (task_events_) tell_ended(held, end);
  held.follow_ups.clear();
  held.record.clear();
  held.shed_body();
  held.phase = Phase::settle;
  count_settling(held, true);
  settle(slot);
}

void WorkerCore::note_task(TaskNote::Level level, const Held& held, std::string_view what,
                           BytesView failure, bool traceback) {
  TaskNote note;
  note.level = level;
  note.text = "task " + policies_.label(facts_of(held.name()), held.name(), held.id(),
                                        held.raw_options(), held.body());
  note.text.append(" ").append(what);
  if (!failure.empty()) note.text.append(": ").append(reason_of(failure));
  if (traceback) {
    Reader in{failure};
    in.array(), in.str(), in.str();
    note.traceback = in.str();
    if (!in.ok()) note.traceback.clear();
  }
  notes_.push_back(std::move(note));
}

void WorkerCore::nack(Slot slot, wire::NackKind kind, Micros delay, std::string_view reason) {
  Held& held = table_[slot];
  held.phase = Phase::settle;
  held.is_nack = true;
  held.nack = kind;
  held.delay_us = static_cast<std::uint64_t>(delay.count());
  held.record.assign(reason.substr(0, reason_bytes_max));
  held.follow_ups.clear();
  held.shed_body();
  count_settling(held, true);
  settle(slot);
}

void WorkerCore::end_unstarted(Slot slot, wire::TaskState state, std::string_view type,
                               std::string_view message, Now now) {
  Finished end;
  end.finished_us = micros(now.wall);
  const Bytes body = wire::pack_failure(type, message, {});
  end.value = body;
  end_as(slot, state, end);
}

void WorkerCore::end_as_failure(Slot slot, std::string_view type, std::string_view message,
                                const Finished& end) {
  Finished failure = end;
  const Bytes body = wire::pack_failure(type, message, {});
  failure.value = body;
  failure.follow_ups = {};
  ++counters_.results_refused;
  end_as(slot, wire::TaskState::failure, failure);
}

/// D25: decided before anybody hears of the outcome.
const std::string* WorkerCore::full_queue_of(const Held& held, BytesView follow_ups) const {
  const std::vector<std::string>& full = brokers_[held.broker]->full_queues;
  if (full.empty()) return nullptr;
  const auto tasks = wire::decode_tasks(follow_ups, limits::follow_ups_max);
  if (!tasks) return nullptr;
  for (const wire::TaskView& task : *tasks) {
    const auto found = std::find(full.begin(), full.end(), task.queue);
    if (found != full.end()) return &*found;
  }
  return nullptr;
}

void WorkerCore::end_as(Slot slot, wire::TaskState state, const Finished& end) {
  Held& held = table_[slot];
  if (end.value.size() + limits::name_bytes_max * 2 + 64 > limits::result_bytes_max) {
    return end_as_failure(slot, "ResultRefused",
                          "the result has " + std::to_string(end.value.size()) +
                              " bytes, more than " + std::to_string(limits::result_bytes_max),
                          end);
  }
  if (end.value.size() + end.follow_ups.size() > outcome_bytes_max) {
    return end_as_failure(slot, "ResultRefused",
                          "the tasks that it enqueued have " +
                              std::to_string(end.follow_ups.size()) +
                              " bytes, more than fit into a frame",
                          end);
  }
  if (state == wire::TaskState::success && !end.follow_ups.empty()) {
    if (const std::string* const full = full_queue_of(held, end.follow_ups)) {
      ++counters_.queue_full;
      Finished failure = end;
      std::string why = full->empty() ? std::string{"the default queue"} : "queue '" + *full + "'";
      why.append(" has no room for the tasks that it enqueued, and nobody takes tasks from there");
      const Bytes body = wire::pack_failure("QueueFull", why, {});
      failure.value = body;
      failure.follow_ups = {};
      if (logs(TaskLog::trouble)) note_task(TaskNote::Level::error, held, "failed", body);
      return end_as(slot, wire::TaskState::failure, failure);
    }
  }
  leave_hands(held);
  held.state = state;
  if (task_events_) tell_ended(held, end);
  held.follow_ups.assign(end.follow_ups);
  const bool success = state == wire::TaskState::success;
  counters_.succeeded += success ? 1 : 0;
  counters_.failed += state == wire::TaskState::failure ? 1 : 0;
  // D20: nobody wants the result of a success, unless a join waits for it.
  if (success && held.ignore_result &&
      !has_option(held.raw_options(), static_cast<std::uint64_t>(wire::Option::join))) {
    ++counters_.ignored;
    held.state = wire::TaskState::ignored;
    held.record.clear();
    held.shed_body();
    held.phase = Phase::settle;
    count_settling(held, true);
    return settle(slot);
  }
  write_record(held, end.value, end.started_us, end.finished_us);
  held.shed_body();
  held.phase = Phase::result;
  count_settling(held, true);
  send_result(slot);
}

void WorkerCore::write_record(Held& held, BytesView body, std::int64_t started_us,
                              std::int64_t finished_us) {
  held.record.clear();
  held.record.reserve(body.size() + held.name().size() + 64);
  Writer out{held.record};
  wire::pack_record(out, {.id = held.id(),
                          .name = held.name(),
                          .state = held.state,
                          .body = body,
                          .started_us = started_us,
                          .finished_us = finished_us,
                          .retries = held.retries,
                          .exhausted = held.exhausted,
                          .raw = {}});
}

}  // namespace baozi::worker
