// Keys and limits: one after the other, at most one, at most so many (delivery.md D27).
#include <algorithm>
#include <utility>

#include "broker/broker_core.hpp"

namespace baozi::broker {

namespace {
constexpr std::size_t page_rows = 5'000;
constexpr std::size_t page_bytes = std::size_t{8} << 20U;
}  // namespace

// ---- joining and leaving

void BrokerCore::join_gate(Slot slot, const wire::TaskView& view) {
  const wire::TaskKeys keys = wire::read_keys(view.raw_options);
  Task& task = tasks_[slot];
  if (task.gate == nullptr) task.gate = std::make_unique<Gate>();
  Gate& gate = *task.gate;
  gate.ordering = keys.ordering;
  gate.unique = keys.unique;
  gate.until_started = keys.until_started;
  gate.concurrency = keys.concurrency;
  gate.concurrency_limit = keys.concurrency_limit;
  if (!gate.ordering.empty()) orders_[gate.ordering].tasks.emplace(task.key, slot);
  if (!gate.unique.empty() && !gate.started) {
    UniqueKey& held = uniques_[gate.unique];
    if (held.key <= task.key)
      held = {slot, task.key, gate.free_at_us};  // the latest one, when rows are read again
  }
}

const UniqueKey* BrokerCore::holder_of_key(std::string_view unique, Now now) {
  const auto found = uniques_.find(unique);
  if (found == uniques_.end()) return nullptr;
  if (found->second.free_at_us == 0 || found->second.free_at_us > micros(now.wall))
    return &found->second;
  uniques_.erase(found);
  return nullptr;
}

void BrokerCore::free_unique(Task& task) {
  if (task.gate->unique.empty()) return;
  const auto found = uniques_.find(task.gate->unique);
  if (found != uniques_.end() && found->second.key == task.key) uniques_.erase(found);
}

void BrokerCore::leave_gate(Slot slot) {
  Task& task = tasks_[slot];
  Gate& gate = *task.gate;
  free_unique(task);
  if (gate.ordering.empty()) return;
  const auto order = orders_.find(gate.ordering);
  if (order == orders_.end()) return;
  order->second.tasks.erase(task.key);
  if (order->second.tasks.empty()) {
    orders_.erase(order);
  } else {
    open_head(order->second, last_now_);
  }
}

// ---- one after the other

bool BrokerCore::is_head(Slot slot) const {
  const Task& task = tasks_[slot];
  if (task.gate == nullptr || task.gate->ordering.empty()) return true;
  const auto order = orders_.find(task.gate->ordering);
  return order == orders_.end() || order->second.tasks.begin()->second == slot;
}

void BrokerCore::block(Slot slot) {
  Task& task = tasks_[slot];
  task.stage = Stage::blocked;
  task.gate->blocked = true;
  ++queues_[task.queue].blocked;
}

void BrokerCore::open_head(OrderKey& order, Now now) {
  const Slot head = order.tasks.begin()->second;
  Task& task = tasks_[head];
  if (task.stage != Stage::blocked || !task.gate->blocked) return;
  detach(head);
  task.gate->after = open_;  // a crash must not bring back the one before it
  urgent_ = true;
  let_go(head, now);
}

void BrokerCore::let_go(Slot slot, Now now) {
  Task& task = tasks_[slot];
  // D30: the clock may have been set back since; no retry waits longer than its delay.
  if (task.delay_us != 0) task.eta_us = std::min(task.eta_us, micros(now.wall) + task.delay_us);
  if (task.eta_us > micros(now.wall)) {
    if (task.delay_us != 0)
      return schedule_retry(slot, Micros{task.eta_us - micros(now.wall)}, now);
    return schedule(slot);
  }
  // Those that were submitted after it do not go before it, as far as the head of its lane tells.
  const Slot first = queues_[task.queue].lanes[task.priority].head;
  const auto sequence = [](std::int64_t key) {
    return static_cast<std::uint64_t>(key) & sequence_mask;
  };
  if (first != no_slot && tasks_[first].key >= 0 &&
      sequence(task.key) < sequence(tasks_[first].key)) {
    queues_.push_front(tasks_, slot);
  } else {
    queues_.push_back(tasks_, slot);
  }
}

// ---- limits

Limiter* BrokerCore::limiter_of_name(std::string_view name) {
  if (named_limits_.empty()) return nullptr;
  const auto named = named_limits_.find(name);
  return named == named_limits_.end() ? nullptr : &named->second;
}

Limiter* BrokerCore::limiter_of_queue(std::uint32_t number) {
  const Queue& queue = queues_[number];
  if (queue.options.concurrency_limit == 0 && queue.options.interval_us == 0) return nullptr;
  const auto [found, fresh] = queue_limits_.try_emplace(number);
  if (fresh) {
    found->second.most = queue.options.concurrency_limit;
    found->second.interval = Micros{queue.options.interval_us};
    found->second.home = home_of_limit(queue.name);
  }
  return &found->second;
}

std::array<Limiter*, 3> BrokerCore::limiters_of(Task& task) {
  std::array<Limiter*, 3> all{};
  if (limits_on_) {
    all[0] = limiter_of_name(task.name());
    all[1] = limiter_of_queue(task.queue);
  }
  if (task.gate != nullptr && !task.gate->concurrency.empty()) {
    const auto [found, fresh] = key_limits_.try_emplace(task.gate->concurrency);
    if (fresh) {
      found->second.key = &found->first;
      look_again(found->second);  // should nobody use it after all
    }
    found->second.most = task.gate->concurrency_limit;  // what the latest task says
    all[2] = &found->second;
  }
  return all;
}

bool BrokerCore::pass_limits(Slot slot, Now now) {
  Task& task = tasks_[slot];
  for (Limiter* const limiter : limiters_of(task)) {
    if (limiter == nullptr) continue;
    const bool woken = task.gate != nullptr && task.gate->woken_by == limiter;
    if (limiter->lets_pass(woken, now.mono)) continue;
    park(slot, *limiter);
    return false;
  }
  return true;
}

void BrokerCore::park(Slot slot, Limiter& limiter) {
  Task& task = tasks_[slot];
  Queue& queue = queues_[task.queue];
  queues_.unlink(tasks_, slot);
  if (task.gate == nullptr) task.gate = std::make_unique<Gate>();
  not_woken_any_more(task);
  task.gate->parked_in = &limiter;
  task.stage = Stage::blocked;
  limiter.parked.emplace(task.key, slot);
  ++queue.blocked;
  if (!task.keyed) {
    ++queue.parked;
    ++queue.lanes[task.priority].parked;
  }
  if (limiter.of_outbox) {
    ++queue.to_move;
    ++to_move_;
    queue.to_move_bytes += task.bytes;
    to_move_bytes_ += task.bytes;
  }
  look_again(limiter);
}

void BrokerCore::not_woken_any_more(Task& task) {
  Limiter* const limiter = std::exchange(task.gate->woken_by, nullptr);
  if (limiter == nullptr) return;
  --limiter->woken;
  look_again(*limiter);
}

void BrokerCore::look_again(Limiter& limiter) {
  if (std::exchange(limiter.changed, true)) return;
  changed_limits_.push_back(&limiter);
}

void BrokerCore::count_in(Slot slot, Now now) {
  Task& task = tasks_[slot];
  const std::array<Limiter*, 3> all = limiters_of(task);
  if (std::all_of(all.begin(), all.end(), [](const Limiter* one) { return one == nullptr; }))
    return;
  if (task.gate == nullptr) task.gate = std::make_unique<Gate>();
  not_woken_any_more(task);
  task.gate->counted = all;
  for (Limiter* const limiter : all) {
    if (limiter == nullptr) continue;
    ++limiter->in_flight;
    limiter->next = std::max(limiter->next, now.mono) + limiter->interval;
  }
}

void BrokerCore::count_out(Slot slot) {
  Gate& gate = *tasks_[slot].gate;
  for (Limiter*& limiter : gate.counted) {
    if (limiter == nullptr) continue;
    --limiter->in_flight;
    look_again(*limiter);
    limiter = nullptr;
  }
}

/// Lets parked tasks go as far as their limits allow; once in each turn, where that may have
/// changed.
void BrokerCore::wake_limits(Now now) {
  if (limits_on_) {
    const auto look_at_rate = [&](Limiter& limiter) {
      if (limiter.interval.count() != 0 && !limiter.parked.empty()) look_again(limiter);
    };
    for (auto& [name, limiter] : named_limits_) look_at_rate(limiter);
    for (auto& [queue, limiter] : queue_limits_) look_at_rate(limiter);
  }
  if (changed_limits_.empty()) return;
  for (Limiter* const limiter : std::exchange(changed_limits_, {})) {
    limiter->changed = false;
    std::vector<Slot> woken;
    while (limiter->may_wake(now.mono)) {
      const Slot slot = limiter->parked.begin()->second;
      detach(slot);
      tasks_[slot].gate->woken_by = limiter;
      ++limiter->woken;
      woken.push_back(slot);
    }
    for (auto slot = woken.rbegin(); slot != woken.rend(); ++slot)
      queues_.push_front(tasks_, *slot);
    const bool idle = limiter->in_flight == 0 && limiter->woken == 0 && limiter->parked.empty();
    if (limiter->key != nullptr && idle) key_limits_.erase(key_limits_.find(*limiter->key));
  }
}

void BrokerCore::set_limits(const std::vector<wire::TaskLimit>& limits) {
  for (const wire::TaskLimit& limit : limits) {
    const auto [found, fresh] = named_limits_.try_emplace(std::string{limit.name});
    Limiter& limiter = found->second;
    if (fresh) limiter.home = home_of_limit(limit.name);
    limiter.most = limit.concurrency;
    limiter.interval = Micros{
        static_cast<std::int64_t>(std::min<std::uint64_t>(limit.interval_us, 86'400'000'000))};
    limits_on_ = true;
    look_again(limiter);
  }
}

std::optional<MonoTime> BrokerCore::next_turn() const {
  std::optional<MonoTime> next;
  const auto consider = [&](const Limiter& limiter) {
    if (limiter.interval.count() == 0 || limiter.parked.empty() || limiter.woken > 0) return;
    if (limiter.most != 0 && limiter.in_flight >= limiter.most) return;
    if (!next || limiter.next < *next) next = limiter.next;
  };
  for (const auto& [name, limiter] : named_limits_) consider(limiter);
  for (const auto& [queue, limiter] : queue_limits_) consider(limiter);
  return next;
}

// ---- after a restart

void BrokerCore::load_keyed(BrokerEffects& out) {
  if (!keys_loading_ || keys_asked_) return;
  keys_asked_ = true;
  load({.kind = LoadKind::keyed}, keyed_from_, keyed_key(old_sequence_end_), page_rows, page_bytes,
       out);
}

void BrokerCore::on_keyed_rows(const LoadPurpose& purpose, std::vector<store::TaskRow>& rows,
                               Now now) {
  keys_asked_ = false;
  std::size_t bytes = 0;
  for (const store::TaskRow& row : rows) {
    bytes += row.rec.size();
    keyed_from_ = row.key + 1;
    if (in_tail_region_.contains(row.key) || gone_.contains(row.key))
      continue;  // read for a claim already
    keyed_on_disk_ -= std::min<std::uint64_t>(keyed_on_disk_, 1);
    const Slot slot = restore(row, now);
    if (slot == no_slot) continue;
    tasks_[slot].stage = Stage::blocked;
    ++queues_[tasks_[slot].queue].blocked;
    // Whoever looks for it has looked through the memory already.
    if (tasks_[slot].ending == Ending::none && swept(slot, now)) continue;
    keyed_waiting_.push_back({slot, row.key});
  }
  if (rows.size() >= purpose.rows_max || bytes >= purpose.bytes_max) return;
  keys_loading_ = false;
  if (keyed_on_disk_ > 0) {
    ++counters_.books_mismatch;
    keyed_on_disk_ = 0;
  }
  note_crowds();
  if (!holding_) admit_keyed(now);
}

void BrokerCore::admit_keyed(Now now) {
  for (const SlotRef& ref : std::exchange(keyed_waiting_, {})) {
    if (!alive(ref) || tasks_[ref.slot].stage != Stage::blocked) continue;
    detach(ref.slot);
    Task& task = tasks_[ref.slot];
    task.suspicious = roster_lost_;
    if (task.delay_us != 0)
      task.eta_us = std::min(task.eta_us, micros(now.wall) + task.delay_us);  // as in let_go
    admit(ref.slot, now);
  }
}

// ---- duplicates

void BrokerCore::refuse_late(BrokerEffects& out) {
  std::erase_if(late_refusals_, [&](const LateRefusal& late) {
    if (late.n > committed_) return false;
    actor::Session* const session = sessions_.find(late.session);
    if (session == nullptr) return true;
    wire::BatchRefusal refusal;
    refusal.number = late.number;
    refusal.code = wire::Refusal::rejected;
    for (const LateRefusal::One& one : late.tasks) {
      refusal.tasks.push_back({.index = one.index, .reason = one.reason, .text = one.text});
    }
    refuse_batch(*session, refusal, out);
    for (const std::uint64_t number : late.behind) {
      wire::BatchRefusal after;
      after.number = number;
      after.code = wire::Refusal::out_of_sequence;
      after.expected = late.number;
      refuse_batch(*session, after, out);
    }
    return true;
  });
}

}  // namespace baozi::broker
