// Leaving: nothing new is taken, what did not begin goes back, the rest is settled, then GOODBYE
// (delivery.md D23).
#include <algorithm>

#include "worker/worker_core.hpp"

namespace baozi::worker {

void WorkerCore::begin_drain(Drain mode, Now now, WorkerEffects& out) {
  events_.at(now);
  if (drain_ == mode || drain_ == Drain::cold) return;
  if (!drain_) drain_began_ = now.mono;
  drain_ = mode;
  for (const Slot slot : take_ready(nullptr)) hand_back(slot, "the worker is stopping");
  recall_all(nullptr, out);
  if (mode == Drain::warm) return;
  table_.for_each([&](Slot slot, Held& held) {
    // An `acks_early` task is never repeated: without its worker the broker ends it (D17).
    if (held.phase != Phase::pooled || held.acks_early) return;
    held.revoked = true;
    out.interrupts.push_back(table_.token_of(slot));
    ++counters_.handed_back;
    if (task_events_) tell_rejected(held, true, "the worker was stopped while it ran");
    leave_hands(held);
    nack(slot, wire::NackKind::requeue, Micros{0}, "the worker was stopped while it ran");
  });
}

MonoTime WorkerCore::patience_ends(const CollectorPeer& collector) const {
  const Micros patience = drain_ == Drain::cold ? Micros{0} : options_.drain_patience;
  return std::max(drain_began_, collector.tried_since) + patience;
}

std::optional<MonoTime> WorkerCore::carry_deadline() const {
  std::optional<MonoTime> next;
  for (const auto& [name, collector] : collectors_) {
    if (collector->results.empty() || collector->link.is_open()) continue;
    const MonoTime at = patience_ends(*collector);
    if (!next || at < *next) next = at;
  }
  const MonoTime homeless_at = drain_began_ + options_.drain_patience;
  if (!homeless_.empty() && (!next || homeless_at < *next)) next = homeless_at;
  return next;
}

void WorkerCore::carry_results(Now now) {
  for (const auto& [name, collector] : collectors_) {
    if (collector->results.empty() || collector->link.is_open()) continue;
    if (now.mono < patience_ends(*collector)) continue;
    for (const Slot slot : collector->results.take_all()) carry_result(slot);
  }
  const Micros patience = drain_ == Drain::cold ? Micros{0} : options_.drain_patience;
  if (now.mono < drain_began_ + patience) return;
  for (const Slot slot : homeless_) carry_result(slot);
  homeless_.clear();
}

void WorkerCore::drain_turn(Now now, WorkerEffects& out) {
  for (const auto& broker : brokers_) {
    if (broker->finished || broker->entries > 0) continue;
    broker->finished = true;
    if (broker->link.is_open()) {
      send(broker->id, broker->link, wire::Goodbye{"drained"}, now, out);
    }
    broker->link.drop();  // the connection stays, so that the GOODBYE leaves by it
  }
  if (!std::all_of(brokers_.begin(), brokers_.end(),
                   [](const auto& one) { return one->finished; })) {
    return;
  }
  if (options_.event_heartbeat > Micros{0} && !told_offline_) {
    told_offline_ = true;
    tell_worker(wire::EventType::worker_offline);
  }
  flush_events(true, now, out);
  for (const auto& [name, collector] : collectors_) {
    if (collector->finished) continue;
    collector->finished = true;
    if (collector->link.is_open()) {
      send(*collector->id, collector->link, wire::Goodbye{"drained"}, now, out);
    }
    collector->link.drop();
  }
}

bool WorkerCore::is_drained() const {
  return drain_ && std::all_of(brokers_.begin(), brokers_.end(),
                               [](const auto& broker) { return broker->finished; });
}

}  // namespace baozi::worker
