#include "client/broker_lane.hpp"

#include <algorithm>
#include <utility>

#include "wire/codec.hpp"

namespace baozi::client {

namespace {
constexpr Micros look_step{
    5'000};  // many deadlines that pass one after the other are told in one go

/// Visits the tasks of a pile with their bytes.
template <class Pile, class Visit>
void each(Pile& pile, Visit&& visit) {
  std::size_t at = 0;
  for (auto& task : pile.tasks) {
    visit(task, BytesView{pile.packed}.substr(at, task.bytes));
    at += task.bytes;
  }
}
}  // namespace

bool BrokerLane::is_regular() const {
  return batches_.empty() || batches_.back().number == floor_ + batches_.size();
}

bool BrokerLane::has_room(Now now) const {
  return untaken_ == 0 && is_regular() && !is_blocked(now) && tasks_ < limits_.tasks_max &&
         bytes_ < limits_.bytes_max;
}

void BrokerLane::add(TaskPile&& pile, std::string home, std::uint64_t flags) {
  Batch& batch = batches_.emplace_back();
  batch.home = std::move(home);
  batch.flags = flags;
  batch.window_bytes = pile.packed.size();
  batch.window_tasks = pile.tasks.size();
  batch.pile = std::move(pile);
  batch.number = batches_.size() == 1 ? floor_ + 1 : batches_[batches_.size() - 2].number + 1;
  tasks_ += batch.window_tasks;
  bytes_ += batch.window_bytes;
  ++untaken_;
  measure(batch);
}

const BrokerLane::Batch* BrokerLane::next_to_send(Now now) {
  if (untaken_ == 0 || is_blocked(now)) return nullptr;
  std::uint64_t number = floor_;
  for (auto batch = batches_.begin(); batch != batches_.end(); ++batch) {
    if (batch->outstanding) {
      number = batch->number;
      continue;
    }
    batch->number = number + 1;
    batch->outstanding = true;
    --untaken_;
    if (std::exchange(batch->again, true)) ++ledger_.counters.batches_resent;
    return &*batch;
  }
  return nullptr;
}

void BrokerLane::on_welcome(const std::optional<wire::ProducerResume>& resume, std::uint64_t epoch,
                            Now now, ProducerEffects& out) {
  const bool restarted = epoch_ != 0 && epoch != epoch_;
  epoch_ = epoch;
  blocked_until_ = {};
  backoff_ = {};
  const std::uint64_t accepted = resume ? resume->accepted : 0;
  const bool unknown_here = !resume || !resume->known;
  // D8: a row that we once had is gone: what the broker took cannot be told from what it never saw.
  // Before anything of ours was ever committed there, no row only says that nothing was: it is sent
  // again.
  const bool forgotten = unknown_here && confirmed_any_;
  if (forgotten) {
    confirmed_any_ = false;
    for (Batch& batch : batches_) {
      if (batch.outstanding) tell_unknown(batch, MonoTime::max(), out);
    }
  } else if (rules_.d4_sequence && resume) {
    confirm_upto(resume->committed, out);
  }
  for (Batch& batch : batches_) {
    const bool taken = !forgotten && rules_.d4_sequence && batch.number <= accepted;
    if (!batch.outstanding || taken) continue;
    batch.outstanding = false;
    batch.doubtful = batch.doubtful || restarted;
    ++untaken_;
  }
  floor_ =
      batches_.empty() || !batches_.front().outstanding ? accepted : batches_.front().number - 1;
  for (Batch& batch : batches_) {
    if (!batch.outstanding) take_out_told(batch);
  }
  drop_empty();
  expire(now, out);
}

void BrokerLane::on_submitted(const wire::Submitted& message, Random& random, Now now,
                              ProducerEffects& out) {
  confirm_upto(message.upto, out);
  for (const wire::BatchRefusal& refusal : message.refusals) on_refusal(refusal, random, now, out);
  if (!message.refusals.empty()) drop_empty();
}

void BrokerLane::confirm_upto(std::uint64_t number, ProducerEffects& out) {
  while (!batches_.empty() && batches_.front().outstanding && batches_.front().number <= number) {
    const Batch& batch = batches_.front();
    each(batch.pile,
         [&](const Submission& task, BytesView packed) { ledger_.confirmed(task, packed, out); });
    if (batch.pile.empty()) ledger_.counters.late_confirms += batch.window_tasks;
    floor_ = batch.number;
    confirmed_any_ = true;
    leave_window(batch);
    batches_.pop_front();
    backoff_ = {};
  }
}

void BrokerLane::on_refusal(const wire::BatchRefusal& refusal, Random& random, Now now,
                            ProducerEffects& out) {
  const auto batch =
      std::lower_bound(batches_.begin(), batches_.end(), refusal.number,
                       [](const Batch& b, std::uint64_t number) { return b.number < number; });
  if (batch == batches_.end() || batch->number != refusal.number || !batch->outstanding) return;
  batch->outstanding = false;
  ++untaken_;
  batch->reason = refusal.reason;
  switch (refusal.code) {
    case wire::Refusal::full: {
      ++ledger_.counters.batches_full;
      backoff_ = std::clamp(backoff_ * 2, limits_.backoff_first, limits_.backoff_max);
      const auto hint_max = static_cast<std::uint64_t>(limits_.backoff_max.count());
      const Micros hint{static_cast<std::int64_t>(std::min(refusal.retry_after_us, hint_max))};
      const Micros wait = std::max(backoff_, hint);
      const auto spread = random.below(static_cast<std::uint64_t>(wait.count()) / 4 + 1);
      blocked_until_ = now.mono + wait + Micros{static_cast<std::int64_t>(spread)};
      break;
    }
    case wire::Refusal::out_of_sequence:
      ++ledger_.counters.batches_out_of_sequence;
      if (batch == batches_.begin() && refusal.expected > 0) floor_ = refusal.expected - 1;
      break;
    case wire::Refusal::rejected:
      ++ledger_.counters.batches_rejected;
      on_rejected(*batch, refusal, now, out);
      break;
  }
  take_out_told(*batch);
}

void BrokerLane::on_rejected(Batch& batch, const wire::BatchRefusal& refusal, Now now,
                             ProducerEffects& out) {
  std::vector<const wire::TaskRefusal*> refused(batch.pile.tasks.size(), nullptr);
  for (const wire::TaskRefusal& task : refusal.tasks) {
    if (task.index < refused.size()) refused[task.index] = &task;
  }
  TaskPile rest;
  std::size_t index = 0;
  each(batch.pile, [&](Submission& task, BytesView packed) {
    const wire::TaskRefusal* const why = refused[index++];
    const bool duplicate =
        why != nullptr && why->reason == wire::Reason::duplicate && wire::is_valid_name(why->text);
    if (duplicate && TaskId::from_text(why->text) == id_of(packed).to_id()) {
      ledger_.duplicate(task, packed, id_of(packed).to_id(),
                        out);  // its task is there: nothing is in doubt
    } else if (batch.doubtful && (why != nullptr || refusal.tasks.empty())) {
      ledger_.unknown(task, packed, out);
    } else if (duplicate) {
      ledger_.duplicate(task, packed, TaskId::from_text(why->text), out);
    } else if (why != nullptr) {
      ledger_.rejected(std::move(task), packed, why->reason, why->text, now, out);
    } else if (refusal.tasks.empty()) {
      ledger_.rejected(std::move(task), packed, refusal.reason, wire::to_string(refusal.reason),
                       now, out);
    } else if (!rules_.d5_whole_batches) {
      ledger_.confirmed(task, packed,
                        out);  // the seeded bug: what was not refused by name is taken for accepted
    } else {
      rest.add(std::move(task), packed);
    }
  });
  refill(batch, std::move(rest));
}

void BrokerLane::recall(TaskPile& pile) {
  for (Batch& batch : batches_) {
    // Tasks with keys wait for their home, and in their order: what was refused first stays first.
    if (batch.outstanding || batch.doubtful || batch.pile.is_keyed()) continue;
    each(batch.pile,
         [&](Submission& task, BytesView packed) { pile.add(std::move(task), packed); });
    refill(batch, {});
    ++ledger_.counters.batches_recalled;
  }
  drop_empty();
}

void BrokerLane::expire(Now now, ProducerEffects& out) {
  if (std::max(deadline_, not_before_) > now.mono) return;
  not_before_ = now.mono + look_step;
  deadline_ = MonoTime::max();
  for (Batch& batch : batches_) {
    if (batch.deadline <= now.mono) {
      if (batch.outstanding) {
        tell_unknown(batch, now.mono, out);
      } else if (batch.doubtful) {
        tell_unknown(batch, now.mono, out);
        take_out_told(batch);
      } else {
        tell_not_sent(batch, now.mono, out);
      }
    }
    measure(batch);
  }
  drop_empty();
}

std::optional<MonoTime> BrokerLane::next_deadline(bool session_open) const {
  MonoTime due = std::max(deadline_, not_before_);
  if (session_open && untaken_ > 0) due = std::min(due, blocked_until_);
  if (due == MonoTime::max() || batches_.empty()) return std::nullopt;
  return due;
}

void BrokerLane::close(ProducerEffects& out) {
  for (Batch& batch : batches_) {
    if (batch.outstanding || batch.doubtful) {
      tell_unknown(batch, MonoTime::max(), out);
    } else {
      each(batch.pile,
           [&](Submission& task, BytesView packed) { ledger_.closed(task, packed, out); });
    }
  }
  batches_.clear();
  tasks_ = bytes_ = untaken_ = 0;
}

void BrokerLane::tell_unknown(Batch& batch, MonoTime until, ProducerEffects& out) {
  bool all_told = true;
  each(batch.pile, [&](Submission& task, BytesView packed) {
    if (ledger_.deadline_of(task) <= until || until == MonoTime::max())
      ledger_.unknown(task, packed, out);
    all_told = all_told && task.told;
  });
  if (!all_told) return;
  // Nobody waits for it any more, and it will not be sent again: only its number is still of use.
  batch.pile = {};
  bytes_ -= std::exchange(batch.window_bytes, 0);
}

void BrokerLane::tell_not_sent(Batch& batch, MonoTime until, ProducerEffects& out) {
  TaskPile rest;
  const std::string why =
      batch.reason == wire::Reason::none
          ? std::string{"its broker did not take it in time"}
          : std::string{"its broker did not take it in time: "} + wire::to_string(batch.reason);
  each(batch.pile, [&](Submission& task, BytesView packed) {
    if (ledger_.deadline_of(task) <= until) {
      ledger_.not_sent(task, packed, batch.reason, why, out);
    } else {
      rest.add(std::move(task), packed);
    }
  });
  refill(batch, std::move(rest));
}

void BrokerLane::take_out_told(Batch& batch) {
  const auto told = [](const Submission& task) { return task.told; };
  if (std::none_of(batch.pile.tasks.begin(), batch.pile.tasks.end(), told)) return;
  TaskPile rest;
  each(batch.pile, [&](Submission& task, BytesView packed) {
    if (!task.told) rest.add(std::move(task), packed);
  });
  refill(batch, std::move(rest));
}

void BrokerLane::refill(Batch& batch, TaskPile&& pile) {
  leave_window(batch);
  batch.pile = std::move(pile);
  batch.window_bytes = batch.pile.packed.size();
  batch.window_tasks = batch.pile.tasks.size();
  bytes_ += batch.window_bytes;
  tasks_ += batch.window_tasks;
  measure(batch);
}

void BrokerLane::leave_window(const Batch& batch) {
  bytes_ -= batch.window_bytes;
  tasks_ -= batch.window_tasks;
}

void BrokerLane::measure(Batch& batch) {
  batch.deadline = MonoTime::max();
  for (const Submission& task : batch.pile.tasks) {
    if (!task.told) batch.deadline = std::min(batch.deadline, ledger_.deadline_of(task));
  }
  deadline_ = std::min(deadline_, batch.deadline);
}

void BrokerLane::drop_empty() {
  std::erase_if(batches_, [&](const Batch& batch) {
    if (batch.outstanding || !batch.pile.empty()) return false;
    --untaken_;
    leave_window(batch);
    return true;
  });
}

}  // namespace baozi::client
