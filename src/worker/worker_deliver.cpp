// From DELIVER to the pool, and back to the broker what does not get there (delivery.md D3, D16,
// D23, D28).
#include <algorithm>
#include <unordered_set>

#include "base/limits.hpp"
#include "worker/worker_core.hpp"

namespace baozi::worker {

namespace {
constexpr Micros busy_for{
    100'000};  // a broker that delivered so recently keeps its share of the credit
}

void WorkerCore::on_deliver(BrokerPeer& broker, const wire::Deliver& message, Now now) {
  broker.busy_until = now.mono + busy_for;
  for (const wire::DeliveryGroup& group : message.groups) {
    CollectorPeer* const home = group.home.empty() ? nullptr : &collector_named(group.home);
    const bool has_origin = group.origin.size() == 16;
    for (const wire::Delivery& delivery : group.deliveries) {
      ++broker.delivered;
      ++counters_.delivered;
      if (delivery.number == 0 || !broker.numbers.insert(delivery.number)) {
        ++counters_.duplicates;
        ++broker.returned;
        broker.returned_bytes += delivery.task.raw.size();
        continue;
      }
      const Slot slot = table_.add();
      Held& held = table_[slot];
      held.number = delivery.number;
      held.key = delivery.key;
      held.position = delivery.position;
      held.count = delivery.count;
      held.retries = delivery.retries;
      held.since_us = delivery.since_us;
      held.redelivered = (delivery.flags & wire::flag::deliver_redelivered) != 0;
      held.alone = (delivery.flags & wire::flag::deliver_alone) != 0;
      held.generation = delivery.task.options.generation;
      held.ignore_result = delivery.task.options.ignore_result;
      held.acks_early = delivery.task.options.acks_early;
      held.priority = delivery.task.options.priority;
      held.expires_us = delivery.task.options.expires_us.value_or(0);
      held.broker = broker.index;
      held.home = home;
      if (home != nullptr) ++home->users;
      if (has_origin) held.origin = Uuid::from_bytes(group.origin);
      held.has_origin = has_origin;
      held.take_task(delivery.task);
      held.task_bytes = static_cast<std::uint32_t>(delivery.task.raw.size());
      if (has_coroutines_) {
        const TaskFacts* const facts = policies_->find(held.name());
        held.coroutine = facts != nullptr && facts->coroutine;
      }
      counters_.redelivered += held.redelivered ? 1 : 0;
      ++broker.entries;
      ++broker.ready;
      if (drain_ || paused_) {
        hand_back(slot, drain_ ? "the worker is stopping" : "the worker is paused");
      } else if (table_.size() > limits::holds_max) {
        ++counters_.over_credit;
        hand_back(slot, "the worker holds too much");
      } else {
        if (task_events_) tell_received(held);
        list_of(held).push_back(table_.token_of(slot));
      }
    }
  }
}

const TaskFacts* WorkerCore::facts_of(std::string_view name) {
  if (name != last_name_ || last_facts_ == nullptr) {
    last_facts_ = policies_->find(name);
    last_name_ = name;
    last_total_ = last_facts_ == nullptr ? nullptr : &totals_[last_name_];
  }
  return last_facts_;
}

void WorkerCore::start_ready(Now now, WorkerEffects& out) {
  alone_waits_ = must_wait_alone(ready_) || must_wait_alone(ready_coroutines_);
  if (!alone_waits_) {
    start_from(ready_, now, out);
    start_from(ready_coroutines_, now, out);
  }
  if (pooled_ > 0 && !stall_at_) stall_at_ = now.mono + options_.stall_patience;
}

void WorkerCore::start_from(std::deque<Token>& list, Now now, WorkerEffects& out) {
  const bool coroutines = &list == &ready_coroutines_;
  const std::uint64_t target = credit_.pool_target();
  const auto has_room = [&] { return coroutines ? !coroutines_are_full() : pooled_ < target; };
  while (!list.empty() && has_room() && !alone_runs_) {
    const Token token = list.front();
    Held* const held = table_.find(token);
    if (held == nullptr || held->phase != Phase::ready) {
      list.pop_front();
      continue;
    }
    if (held->alone && pooled_ + coroutines_ > 0) break;  // D16: when nothing else runs
    list.pop_front();
    const Slot slot = DeliveryTable::slot_of(token);
    if (held->expires_us != 0 && held->expires_us <= micros(now.wall)) {
      ++counters_.expired;
      end_unstarted(slot, wire::TaskState::revoked, "TaskRevokedError", "expired", now);
      continue;
    }
    const TaskFacts* const facts = facts_of(held->name());
    if (facts == nullptr) {
      ++counters_.not_registered;
      std::string text = "no task named '";
      text.append(held->name()).append("' is registered at worker ").append(options_.name);
      end_unstarted(slot, wire::TaskState::failure, "NotRegistered", text, now);
      continue;
    }
    if (rates_.applies(facts->rate) && !held->rate_granted && !take_turn(slot, *facts, now))
      continue;
    start_one(slot, *facts, now, out);
  }
}

void WorkerCore::start_one(Slot slot, const TaskFacts& facts, Now now, WorkerEffects& out) {
  Held& held = table_[slot];
  held.ignore_result = held.ignore_result || facts.ignore_result;
  held.acks_early = held.acks_early || facts.acks_early;
  BrokerPeer& broker = *brokers_[held.broker];
  --broker.ready;
  ++broker.pooled;
  if (held.coroutine) {
    last_coroutine_progress_ = now.mono;
    ++broker.coroutines;
    broker.coroutine_bytes += held.task_bytes;
    ++coroutines_;
    coroutine_bytes_ += held.task_bytes;
  } else {
    last_progress_ = now.mono;
    ++pooled_;
  }
  ++counters_.started;
  ++*last_total_;
  held.phase = Phase::pooled;
  held.recall = Held::Recall::none;
  held.in_pool = true;
  held.facts = &facts;
  held.policies = policies_;
  alone_runs_ = held.alone;
  if (task_events_) {
    held.start_owed = true;
    ++starts_owed_;
  }
  const auto told = time_limits_.empty() ? time_limits_.end() : time_limits_.find(held.name());
  const auto limit = [&](wire::Option option, Micros of_task, Micros of_worker,
                         Micros TimeLimits::*of_operator) {
    const Micros own = span_in(held.raw_options(), static_cast<std::uint64_t>(option));
    if (own > Micros{0}) return own;
    if (told != time_limits_.end()) return told->second.*of_operator;
    return of_task > Micros{0} ? of_task : of_worker;
  };
  if (logs(TaskLog::all)) note_task(TaskNote::Level::debug, held, "starts");
  out.starts.push_back(
      {.token = table_.token_of(slot),
       .definition = facts.definition,
       .id = held.id(),
       .name = held.name(),
       .queue = held.queue(),
       .raw_options = held.raw_options(),
       .body = held.body(),
       .origin = held.origin_view(),
       .delivery_count = held.count,
       .retries = held.retries,
       .priority = held.priority,
       .redelivered = held.redelivered,
       .time_limit = limit(wire::Option::time_limit, facts.time_limit, options_.time_limit,
                           &TimeLimits::hard),
       .soft_time_limit = limit(wire::Option::soft_time_limit, facts.soft_time_limit,
                                options_.soft_time_limit, &TimeLimits::soft),
       .since_us = held.since_us});
}

void WorkerCore::leave_pool(Held& held) {
  held.in_pool = false;
  if (held.start_owed) {
    held.start_owed = false;
    --starts_owed_;
  }
  if (held.coroutine) {
    --coroutines_;
    coroutine_bytes_ -= held.task_bytes;
  } else {
    --pooled_;
  }
  if (held.alone) alone_runs_ = false;
}

void WorkerCore::leave_hands(Held& held) {
  BrokerPeer& broker = *brokers_[held.broker];
  if (held.resting) {
    held.resting = false;
    --broker.resting;
    broker.resting_bytes -= held.task_bytes;
  }
  if (held.coroutine && held.phase != Phase::ready) {
    --broker.coroutines;
    broker.coroutine_bytes -= held.task_bytes;
  }
  --(held.phase == Phase::ready ? broker.ready : broker.pooled);
  ++broker.returned;
  broker.returned_bytes += held.task_bytes;
}

bool WorkerCore::take_turn(Slot slot, const TaskFacts& facts, Now now) {
  Held& held = table_[slot];
  const RateLimits::Turn turn = rates_.take(held.name(), facts.rate, now.mono);
  switch (turn.kind) {
    case RateLimits::Turn::Kind::start: return true;
    case RateLimits::Turn::Kind::rest: {
      BrokerPeer& broker = *brokers_[held.broker];
      held.resting = true;
      ++broker.resting;
      broker.resting_bytes += held.task_bytes;
      resting_.emplace(turn.at, Resting{table_.token_of(slot), turn.bucket});
      return false;
    }
    case RateLimits::Turn::Kind::hand_back:
      ++counters_.rate_limited;
      hand_back(slot, "its rate limit", turn.at - now.mono);
      return false;
  }
  return true;
}

/// Those whose turn has come go first, in the order of their turns.
void WorkerCore::wake_resting(Now now) {
  std::vector<Token> due;
  while (!resting_.empty() && resting_.begin()->first <= now.mono) {
    const Resting one = resting_.begin()->second;
    resting_.erase(resting_.begin());
    --one.bucket->resting;
    Held* const held = table_.find(one.token);
    if (held == nullptr || held->phase != Phase::ready || !held->resting) continue;
    BrokerPeer& broker = *brokers_[held->broker];
    held->resting = false;
    held->rate_granted = true;
    --broker.resting;
    broker.resting_bytes -= held->task_bytes;
    due.push_back(one.token);
  }
  put_back(due);
}

bool WorkerCore::set_rate_limit(std::string_view task, double per_second, Now now) {
  if (policies_->find(task) == nullptr) return false;
  rates_.set(task, std::max(per_second, 0.0), now.mono);
  rest_no_more(task);
  return true;
}

void WorkerCore::rest_no_more(std::string_view task) {
  std::vector<Token> again;
  for (auto it = resting_.begin(); it != resting_.end();) {
    Held* const held = table_.find(it->second.token);
    const bool waits = held != nullptr && held->phase == Phase::ready;
    if (waits && !task.empty() && held->name() != task) {
      ++it;
      continue;
    }
    --it->second.bucket->resting;
    if (waits && held->resting) {
      BrokerPeer& broker = *brokers_[held->broker];
      held->resting = false;
      --broker.resting;
      broker.resting_bytes -= held->task_bytes;
      again.push_back(it->second.token);
    }
    it = resting_.erase(it);
  }
  put_back(again);
}

double WorkerCore::rate_limit(std::string_view task) const {
  const TaskFacts* const facts = policies_->find(task);
  return facts == nullptr ? 0 : rates_.rate(task, facts->rate);
}

std::vector<Slot> WorkerCore::take_ready(const BrokerPeer* of) {
  std::vector<Slot> taken;
  for (auto it = resting_.begin(); it != resting_.end();) {
    const Held* const held = table_.find(it->second.token);
    const bool waits = held != nullptr && held->phase == Phase::ready && held->resting;
    if (waits && of != nullptr && held->broker != of->index) {
      ++it;
      continue;
    }
    if (waits) taken.push_back(DeliveryTable::slot_of(it->second.token));
    --it->second.bucket->resting;
    it = resting_.erase(it);
  }
  for (std::deque<Token>* const list : {&ready_, &ready_coroutines_}) {
    std::deque<Token> kept;
    for (const Token token : *list) {
      const Held* const held = table_.find(token);
      if (held == nullptr || held->phase != Phase::ready) continue;
      if (of != nullptr && held->broker != of->index) {
        kept.push_back(token);
      } else {
        taken.push_back(DeliveryTable::slot_of(token));
      }
    }
    *list = std::move(kept);
  }
  return taken;
}

void WorkerCore::hand_back(Slot slot, std::string_view why, std::optional<Micros> delay) {
  Held& held = table_[slot];
  BrokerPeer& broker = *brokers_[held.broker];
  if (task_events_) tell_rejected(held, true, why);
  leave_hands(held);
  if (broker.link.state() == actor::Link::State::down) {  // the next HELLO will not list it
    ++counters_.dropped;
    forget(slot);
  } else if (broker.stale) {
    ++counters_.dropped;
    held.phase = Phase::dropped;
    broker.dropped.push_back(slot);
  } else {
    ++counters_.handed_back;
    held.uncharged = delay.has_value();
    nack(slot, delay ? wire::NackKind::retry : wire::NackKind::requeue, delay.value_or(Micros{0}),
         why);
  }
}

void WorkerCore::on_cancelled(Token token, Now now) {
  events_.at(now);
  Held* const held = table_.find(token);
  if (held == nullptr || !held->in_pool) {
    ++counters_.unknown_tokens;
    return;
  }
  const Slot slot = DeliveryTable::slot_of(token);
  const bool was_zombie = held->phase == Phase::zombie;
  leave_pool(*held);
  ++counters_.recalled;
  if (was_zombie) return table_.remove(slot);
  if (held->phase == Phase::settle) return;  // a cold drain has handed it back already
  --counters_.started;
  if (held->recall == Held::Recall::revoke) {
    ++counters_.revoked;
    return end_unstarted(slot, wire::TaskState::revoked, "TaskRevokedError", "revoked", now);
  }
  if (held->recall == Held::Recall::again && !drain_ && !paused_) return start_again(slot);
  hand_back(slot, "the worker is busy");
}

void WorkerCore::recall_all(const BrokerPeer* of, WorkerEffects& out) {
  table_.for_each([&](Slot slot, Held& held) {
    if (held.phase != Phase::pooled || (of != nullptr && held.broker != of->index)) return;
    held.recall = std::max(held.recall, Held::Recall::hand_back);
    out.cancels.push_back(table_.token_of(slot));
  });
}

void WorkerCore::look_for_stall(Now now, WorkerEffects& out) {
  if (pooled_ == 0) {
    stall_at_.reset();
    stalled_ = false;
    return;
  }
  if (!stall_at_ || now.mono < *stall_at_) return;
  const Micros silence = now.mono - last_progress_;
  if (silence < options_.stall_patience) {
    stall_at_ = last_progress_ + options_.stall_patience;
    return;
  }
  stall_at_ = now.mono + options_.stall_patience;
  if (options_.prefetch != 0 || pooled_ < options_.concurrency) return;
  // Nothing has ended for a while: long tasks keep the pool busy, and what waits behind them may
  // find an idle worker. Until one of them ends, nothing more is asked for.
  if (!stalled_) {
    credit_.observe(silence);
    recall_all(nullptr, out);
  }
  stalled_ = true;
  for (const Slot slot : take_ready(nullptr)) hand_back(slot, "the worker is busy");
}

void WorkerCore::on_revoke(BrokerPeer& broker, const wire::Revoke& message, Now now,
                           WorkerEffects& out) {
  struct Hash {
    std::size_t operator()(const wire::IdView& id) const {
      return std::hash<BytesView>{}(id.bytes);
    }
  };
  const std::unordered_set<wire::IdView, Hash> wanted(message.ids.begin(), message.ids.end());
  std::vector<Slot> unstarted;
  table_.for_each([&](Slot slot, Held& held) {
    if (held.broker != broker.index || !wanted.contains(held.id())) return;
    if (held.phase == Phase::ready) unstarted.push_back(slot);
    if (held.phase != Phase::pooled) return;
    held.revoked = true;
    held.recall = Held::Recall::revoke;
    out.interrupts.push_back(table_.token_of(slot));
    if ((message.flags & wire::flag::revoke_terminate) != 0) {
      out.terminations.push_back({table_.token_of(slot), std::string{message.signal}});
    }
  });
  for (const Slot slot : unstarted) {
    ++counters_.revoked;
    end_unstarted(slot, wire::TaskState::revoked, "TaskRevokedError", "revoked", now);
  }
}

}  // namespace baozi::worker
