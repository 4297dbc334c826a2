// Links, frames, turns: who is connected, what arrives, and what each turn of the loop brings.
#include "worker/worker_core.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace baozi::worker {

WorkerCore::WorkerCore(const WorkerOptions& options, const TaskPolicies& policies,
                       std::uint64_t seed, const Rules& rules)
    : options_{options},
      policies_{&policies},
      rules_{rules},
      random_{seed},
      credit_{options.concurrency, options.prefetch},
      events_{options.events},
      task_events_{options.task_events} {
  read_policies();
  options_.concurrency = std::max<std::uint32_t>(options_.concurrency, 1);
  queues_ = options_.queues;
  if (queues_.empty()) queues_.emplace_back();
  excluded_ = options_.excluded_queues;
  queues_differ_ = !excluded_.empty() || (takes_default() && queues_.size() > 1);
}

WorkerCore::~WorkerCore() = default;

void WorkerCore::set_concurrency(std::uint32_t concurrency) {
  options_.concurrency = std::max<std::uint32_t>(concurrency, 1);
  credit_.set_concurrency(options_.concurrency);
}

void WorkerCore::start(Now now, WorkerEffects& out) {
  last_progress_ = now.mono;
  events_.at(now);
  if (options_.event_heartbeat > Micros{0}) {
    tell_worker(wire::EventType::worker_online);
    next_event_heartbeat_ = now.mono + options_.event_heartbeat;
  }
  for (const std::string& endpoint : options_.brokers) {
    BrokerPeer& broker = *brokers_.emplace_back(std::make_unique<BrokerPeer>());
    broker.index = static_cast<std::uint32_t>(brokers_.size() - 1);
    broker.endpoint = endpoint;
    broker.link = actor::Link{rules_};
    broker.id = open_link(endpoint, {&broker, nullptr}, out);
  }
}

actor::LinkId WorkerCore::open_link(const std::string& endpoint, PeerRef peer, WorkerEffects& out) {
  const std::uint32_t number = next_link_++;
  links_.emplace(number, peer);
  out.net.open_links.push_back({actor::LinkId{number}, endpoint});
  return actor::LinkId{number};
}

// ---- connections

void WorkerCore::on_connected(actor::LinkId id, Now now, WorkerEffects& out) {
  const auto found = links_.find(static_cast<std::uint32_t>(id));
  if (found == links_.end()) return;
  const PeerRef peer = found->second;
  if (peer.broker != nullptr ? peer.broker->finished : peer.collector->finished) return;
  actor::Link& link = peer.broker != nullptr ? peer.broker->link : peer.collector->link;
  if (link.state() != actor::Link::State::down) on_disconnected(id, now, out);
  if (peer.broker != nullptr) {
    greet(*peer.broker, now, out);
  } else {
    greet(*peer.collector, now, out);
  }
}

void WorkerCore::on_disconnected(actor::LinkId id, Now now, WorkerEffects& out) {
  const auto found = links_.find(static_cast<std::uint32_t>(id));
  if (found == links_.end()) return;
  actor::Link& link =
      found->second.broker != nullptr ? found->second.broker->link : found->second.collector->link;
  if (link.state() == actor::Link::State::down) return;
  link.drop();
  lost(found->second, now, out);
}

void WorkerCore::greet(BrokerPeer& broker, Now now, WorkerEffects& out) {
  wire::Hello hello;
  hello.role = wire::Role::worker;
  hello.name = options_.name;
  hello.incarnation = static_cast<std::uint64_t>(options_.incarnation);
  // What HELLO cannot say (the default queue beside others, exclusions, no queue at all) QUEUES
  // says after it.
  for (const std::string& queue : queues_) {
    if (!queue.empty()) hello.queues.emplace_back(queue);
  }
  hello.labels.assign(options_.labels.begin(), options_.labels.end());
  hello.concurrency = options_.concurrency;
  hello.software = options_.software;
  hello.host = options_.host;
  hello.pid = options_.pid;
  hello.early.assign(early_.begin(), early_.end());
  for (const TaskPolicies::BrokerLimit& limit : limits_) {
    hello.limits.push_back(
        {limit.name, limit.concurrency, static_cast<std::uint64_t>(limit.interval.count())});
  }
  broker.policies_version = policies_version_;
  hello.holds = holds(broker.index);
  // Counts of credit begin anew, with what is reported as executing.
  broker.delivered = broker.pooled;
  broker.returned = broker.returned_bytes = 0;
  broker.told_returned = broker.told_ceiling = 0;
  broker.told = false;
  out.net.to_links.push_back({broker.id, broker.link.greet(std::move(hello), now)});
}

void WorkerCore::greet(CollectorPeer& collector, Now now, WorkerEffects& out) {
  wire::Hello hello;
  hello.role = wire::Role::worker;
  hello.name = options_.name;
  hello.incarnation = static_cast<std::uint64_t>(options_.incarnation);
  hello.software = options_.software;
  hello.host = options_.host;
  hello.pid = options_.pid;
  out.net.to_links.push_back({*collector.id, collector.link.greet(std::move(hello), now)});
}

std::vector<wire::HeldDelivery> WorkerCore::holds(std::size_t broker) const {
  std::vector<wire::HeldDelivery> list;
  if (brokers_[broker]->entries == 0) return list;
  table_.for_each([&](Slot, const Held& held) {
    if (held.broker != broker) return;
    wire::Hold phase{};
    switch (held.phase) {
      case Phase::pooled: phase = wire::Hold::executing; break;
      case Phase::result: phase = wire::Hold::awaiting_stored; break;
      case Phase::settle: phase = wire::Hold::done_unanswered; break;
      default: return;  // not begun: the broker queues it again, uncharged
    }
    list.push_back({held.number, held.key, held.position, phase, held.id()});
  });
  return list;
}

void WorkerCore::lost(PeerRef peer, Now now, WorkerEffects& out) {
  ++counters_.sessions_lost;
  const std::string& who = peer.broker != nullptr ? peer.broker->endpoint : peer.collector->name;
  out.warnings.push_back((peer.broker != nullptr ? "lost the broker at " : "lost collector ") +
                         who);
  if (peer.broker != nullptr) {
    broker_session_ended(*peer.broker, out);
  } else {
    peer.collector->tried_since = now.mono;
    peer.collector->states.clear();
    collectors_changed_ = true;
  }
}

void WorkerCore::broker_session_ended(BrokerPeer& broker, WorkerEffects& out) {
  broker.stale = false;
  broker.flush_at.reset();
  for (const Slot slot : broker.dropped) forget(slot);
  broker.dropped.clear();
  broker.settlements.restart();
  // D2, D3: what did not begin is not ours any more; the next HELLO does not list it.
  for (const Slot slot : take_ready(&broker)) {
    ++counters_.dropped;
    if (task_events_) tell_rejected(table_[slot], true, "its broker was lost");
    leave_hands(table_[slot]);
    forget(slot);
  }
  if (broker.pooled > 0) recall_all(&broker, out);
}

void WorkerCore::break_session(PeerRef peer, Now now, WorkerEffects& out) {
  ++counters_.malformed;
  actor::Link& link = peer.broker != nullptr ? peer.broker->link : peer.collector->link;
  const actor::LinkId id = peer.broker != nullptr ? peer.broker->id : *peer.collector->id;
  link.drop();
  out.net.reset_links.push_back(id);
  lost(peer, now, out);
}

// ---- frames

void WorkerCore::on_frame(actor::LinkId id, BytesView bytes, Now now, WorkerEffects& out) {
  events_.at(now);
  const auto found = links_.find(static_cast<std::uint32_t>(id));
  if (found == links_.end()) return;
  const PeerRef peer = found->second;
  actor::Link& link = peer.broker != nullptr ? peer.broker->link : peer.collector->link;
  wire::OpenFrame frame{.header = {}, .reader = Reader{{}}, .fields = 0};
  switch (link.on_frame(bytes, now, frame)) {
    case actor::Link::Event::nothing: return;
    case actor::Link::Event::lost: out.net.reset_links.push_back(id); return lost(peer, now, out);
    case actor::Link::Event::welcome:
      if (peer.broker != nullptr) {
        broker_welcome(*peer.broker, now, out);
      } else {
        collector_welcome(*peer.collector);
        out.notices.push_back("results go to " + peer.collector->name);
      }
      return;
    case actor::Link::Event::message: break;
  }
  if (peer.broker != nullptr) {
    on_broker_message(*peer.broker, frame, now, out);
  } else {
    on_collector_message(*peer.collector, frame, now, out);
  }
}

void WorkerCore::broker_welcome(BrokerPeer& broker, Now now, WorkerEffects& out) {
  out.notices.push_back("working for " + std::string{broker.link.welcome().name} + " at " +
                        broker.endpoint);
  broker.stale = false;
  ++broker.session;
  broker.full_queues.clear();
  if (queues_differ_) tell_queues(broker, now, out);
  if (broker.policies_version != policies_version_) tell_tasks(broker, now, out);
  broker.collectors = broker.link.welcome().collectors;
  list_collectors(now, out);
  broker.settlements.restart();
  plan_credit(now);
  broker.flush_at = now.mono;
}

void WorkerCore::collector_welcome(CollectorPeer& collector) {
  collector.reached = true;
  collector.takes_events = true;
  collector.gets_events = false;
  collector.results.restart();
  tell_states_again(collector);
  while (!homeless_.empty()) {
    const Slot slot = homeless_.front();
    homeless_.pop_front();
    table_[slot].home = &collector;
    ++collector.users;
    collector.results.push(slot);
  }
}

void WorkerCore::on_broker_message(BrokerPeer& broker, wire::OpenFrame& frame, Now now,
                                   WorkerEffects& out) {
  const PeerRef self{&broker, nullptr};
  switch (frame.header.type) {
    case wire::Type::deliver:
      if (!wire::decode(frame, deliver_)) return break_session(self, now, out);
      return on_deliver(broker, deliver_, now);
    case wire::Type::done_ok:
      if (!wire::decode(frame, done_ok_)) return break_session(self, now, out);
      return on_done_ok(broker, done_ok_, now, out);
    case wire::Type::revoke: {
      wire::Revoke revoke;
      if (!wire::decode(frame, revoke)) return break_session(self, now, out);
      return on_revoke(broker, revoke, now, out);
    }
    case wire::Type::control: {
      wire::Control control;
      if (!wire::decode(frame, control)) return break_session(self, now, out);
      return on_control(broker, control, now, out);
    }
    case wire::Type::collectors: {
      wire::Collectors list;
      if (!wire::decode(frame, list)) return break_session(self, now, out);
      broker.collectors = std::move(list.collectors);
      return list_collectors(now, out);
    }
    case wire::Type::goodbye:
      broker.link.drop();
      out.net.reset_links.push_back(broker.id);
      return lost(self, now, out);
    case wire::Type::error: return on_error(broker.endpoint, frame, out);
    default: ++counters_.unexpected; return;
  }
}

void WorkerCore::on_collector_message(CollectorPeer& collector, wire::OpenFrame& frame, Now now,
                                      WorkerEffects& out) {
  const PeerRef self{nullptr, &collector};
  switch (frame.header.type) {
    case wire::Type::stored:
      if (!wire::decode(frame, stored_)) return break_session(self, now, out);
      return on_stored(collector, stored_, now, out);
    case wire::Type::goodbye:
      collector.link.drop();
      out.net.reset_links.push_back(*collector.id);
      return lost(self, now, out);
    case wire::Type::events_ok: {
      wire::EventsOk message;
      if (!wire::decode(frame, message)) return break_session(self, now, out);
      if (collector.gets_events && !events_.on_ok(message.upto)) break_session(self, now, out);
      return;
    }
    case wire::Type::error: {
      wire::ErrorMessage error;
      if (collector.gets_events && wire::decode(frame, error) &&
          error.code == wire::ErrorCode::unknown_type) {
        collector.takes_events = collector.gets_events = false;
      }
      return on_error(collector.name, frame, out);
    }
    default: ++counters_.unexpected; return;
  }
}

void WorkerCore::on_error(std::string_view who, wire::OpenFrame& frame, WorkerEffects& out) {
  ++counters_.errors;
  wire::ErrorMessage error;
  if (!wire::decode(frame, error)) return;
  std::string line{who};
  line += " answered ";
  line += wire::to_string(error.code);
  if (!error.text.empty()) line.append(": ").append(error.text);
  out.warnings.push_back(std::move(line));
}

// ---- turns

void WorkerCore::tick(PeerRef peer, Now now, WorkerEffects& out) {
  actor::Link& link = peer.broker != nullptr ? peer.broker->link : peer.collector->link;
  const actor::LinkId id = peer.broker != nullptr ? peer.broker->id : *peer.collector->id;
  std::optional<Bytes> ping;
  if (link.tick(now, ping) == actor::Link::Event::lost) {
    out.net.reset_links.push_back(id);
    return lost(peer, now, out);
  }
  if (ping) out.net.to_links.push_back({id, *std::move(ping)});
}

void WorkerCore::watch_staleness(BrokerPeer& broker, Now now, WorkerEffects& out) {
  const bool stale = broker.link.is_open() && broker.link.is_stale(now);
  if (stale == broker.stale) return;
  broker.stale = stale;
  if (!stale) {  // heard again, and it still believes that these are with us
    for (const Slot slot : std::exchange(broker.dropped, {})) {
      nack(slot, wire::NackKind::requeue, Micros{0}, "dropped while the broker was not heard");
    }
    return;
  }
  for (const Slot slot : take_ready(&broker)) hand_back(slot, {});
  if (broker.pooled > 0) recall_all(&broker, out);
}

void WorkerCore::turn(Now now, WorkerEffects& out) {
  events_.at(now);
  // Sessions first: a process that slept must not start anything before it said HELLO again (D2).
  for (const auto& broker : brokers_) {
    if (broker->finished) continue;
    tick({broker.get(), nullptr}, now, out);
    watch_staleness(*broker, now, out);
  }
  for (const auto& [name, collector] : collectors_) {
    if (!collector->id || collector->finished) continue;
    tick({nullptr, collector.get()}, now, out);
    if (!collector->reached) try_next_endpoint(*collector, now, out);
  }
  if (drain_) carry_results(now);
  look_for_stall(now, out);
  wake_resting(now);
  start_ready(now, out);
  if (has_coroutines_) look_for_coroutine_stall(now);
  for (const auto& [name, collector] : collectors_) flush_collector(*collector, now, out);
  plan_credit(now);
  for (const auto& broker : brokers_) {
    if (broker->link.is_open() && flush_is_due(*broker, now)) flush_broker(*broker, now, out);
  }
  flush_events(false, now, out);
  if (collectors_changed_) drop_unused_collectors(out);
  if (drain_) drain_turn(now, out);
  out.tasks.insert(out.tasks.end(), std::make_move_iterator(notes_.begin()),
                   std::make_move_iterator(notes_.end()));
  notes_.clear();
}

std::optional<MonoTime> WorkerCore::next_deadline() const {
  std::optional<MonoTime> next;
  const auto consider = [&next](std::optional<MonoTime> at) {
    if (at && (!next || *at < *next)) next = at;
  };
  for (const auto& broker : brokers_) {
    if (broker->finished) continue;
    consider(broker->link.next_deadline());
    consider(broker->flush_at);
    if (broker->link.is_open() && !broker->stale) consider(broker->link.stale_at());
  }
  for (const auto& [name, collector] : collectors_) {
    if (!collector->id || collector->finished) continue;
    consider(collector->link.next_deadline());
    if (!collector->reached && collector->endpoints.size() > 1) {
      consider(collector->tried_since + options_.connect_patience);
    }
  }
  consider(stall_at_);
  consider(coroutine_stall_at_);
  if (!resting_.empty()) consider(resting_.begin()->first);
  consider(look_deadline());
  if (!is_drained()) consider(events_deadline());
  if (drain_) consider(carry_deadline());
  return next;
}

std::string WorkerCore::describe(Token token) const {
  const Held* const held = table_.find(token);
  if (held == nullptr) return "a task that has ended already";
  return std::string{held->name()} + ' ' + held->id().to_id().to_string();
}

WorkerStatus WorkerCore::status() const {
  WorkerStatus status;
  table_.for_each([&](Slot, const Held& held) {
    switch (held.phase) {
      case Phase::ready:
        ++status.ready;
        status.resting += held.resting ? 1 : 0;
        break;
      case Phase::pooled: ++status.running; break;
      case Phase::result: ++status.results; break;
      case Phase::settle: ++status.settling; break;
      default: break;
    }
  });
  status.coroutines = coroutines_;
  status.settle_bytes = settling_bytes_;
  status.homeless = homeless_.size();
  status.average = credit_.average();
  status.draining = drain_.has_value();
  for (const auto& broker : brokers_) {
    status.brokers.push_back(
        {.endpoint = broker->endpoint,
         .name = std::string{broker->link.welcome().name},
         .open = broker->link.is_open(),
         .held = broker->held(),
         .credit = broker->told_ceiling,
         .unsettled = broker->settlements.unsent() + broker->settlements.unanswered()});
  }
  for (const auto& [name, collector] : collectors_) {
    status.collectors.push_back(
        {.name = name,
         .open = collector->link.is_open(),
         .waiting = collector->results.unsent() + collector->results.unstored()});
  }
  return status;
}

}  // namespace baozi::worker
