#include "client/submit_ledger.hpp"

#include <utility>

#include "wire/codec.hpp"

namespace baozi::client {

wire::IdView id_of(BytesView packed) {
  Reader in{packed};
  in.array();
  return wire::read_id(in);
}

bool may_pass(wire::Reason reason) {
  switch (reason) {
    case wire::Reason::queue_full:
    case wire::Reason::no_space:
    case wire::Reason::draining:
    case wire::Reason::memory: return true;
    case wire::Reason::none:
    case wire::Reason::too_large:
    case wire::Reason::bad_task:
    case wire::Reason::duplicate:
    case wire::Reason::too_late: break;
  }
  return false;
}

void SubmitLedger::opened(const Submission& task) {
  ++counters.submitted;
  ++open_tasks_;
  open_bytes_ += task.bytes;
}

void SubmitLedger::settled(const Submission& task) {
  --open_tasks_;
  open_bytes_ -= task.bytes;
}

void SubmitLedger::confirmed(const Submission& task, BytesView packed, ProducerEffects& out) {
  if (task.told) {
    ++counters.late_confirms;
    return;
  }
  ++counters.confirmed;
  settled(task);
  out.confirmed.push_back(task.tag);
  if (!task.once || !task.wants_result || !results_.remove(id_of(packed), task.tag)) return;
  // Somebody else's task of this id may have run already, and been lost with a commit (D15): then
  // its result is pushed to him, and only who asks for it by its id gets it.
  watched_.push_back(id_of(packed).to_id());
  results_.add_foreign(watched_.back(), task.tag);
}

void SubmitLedger::unknown(Submission& task, BytesView packed, ProducerEffects& out) {
  if (task.told) return;
  ++counters.unknown;
  fail(task, packed, Fate::unknown, wire::Reason::none, "its broker did not confirm it in time",
       out);
  task.told = true;
}

void SubmitLedger::not_sent(const Submission& task, BytesView packed, wire::Reason reason,
                            std::string text, ProducerEffects& out) {
  if (task.told) return;
  ++counters.not_sent;
  fail(task, packed, Fate::not_sent, reason, std::move(text), out);
}

void SubmitLedger::closed(const Submission& task, BytesView packed, ProducerEffects& out) {
  if (task.told) return;
  ++counters.closed;
  fail(task, packed, Fate::closed, wire::Reason::none, "the producer was closed", out);
}

void SubmitLedger::rejected(Submission&& task, BytesView packed, wire::Reason reason,
                            std::string_view text, Now now, ProducerEffects& out) {
  if (task.told) return;
  const Terms& terms = terms_of(task);
  const bool again =
      may_pass(reason) &&
      (terms.retries_max < 0 || task.retries < static_cast<std::uint32_t>(terms.retries_max));
  if (!again) {
    ++counters.rejected;
    return fail(task, packed, Fate::rejected, reason, std::string{text}, out);
  }
  ++counters.retried;
  const MonoTime at = now.mono + terms.interval(task.retries);
  ++task.retries;
  resting_.emplace(at, Resting{std::move(task), Bytes{packed}, reason, std::string{text}});
}

void SubmitLedger::duplicate(const Submission& task, BytesView packed, const TaskId& first,
                             ProducerEffects& out) {
  if (task.told) return;
  ++counters.duplicates;
  settled(task);
  const bool awaited = task.wants_result && results_.remove(id_of(packed), task.tag);
  if (awaited) results_.add_foreign(first, task.tag);
  out.duplicates.push_back({task.tag, first, awaited});
}

void SubmitLedger::take_due(Now now, TaskPile& pile, ProducerEffects& out) {
  while (!resting_.empty() && resting_.begin()->first <= now.mono) {
    Resting& rest = resting_.begin()->second;
    if (deadline_of(rest.task) <= now.mono) {
      not_sent(rest.task, rest.packed, rest.reason, std::move(rest.text), out);
    } else {
      pile.add(std::move(rest.task), rest.packed);
    }
    resting_.erase(resting_.begin());
  }
}

void SubmitLedger::close_resting(ProducerEffects& out) {
  for (auto& [at, rest] : resting_) closed(rest.task, rest.packed, out);
  resting_.clear();
}

std::optional<MonoTime> SubmitLedger::next_deadline() const {
  if (resting_.empty()) return std::nullopt;
  return resting_.begin()->first;
}

void SubmitLedger::fail(const Submission& task, BytesView packed, Fate fate, wire::Reason reason,
                        std::string text, ProducerEffects& out) {
  settled(task);
  const bool awaited = task.wants_result && results_.remove(id_of(packed), task.tag);
  out.failed.push_back({task.tag, fate, reason, std::move(text), awaited});
}

}  // namespace baozi::client
