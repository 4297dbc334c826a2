// What is not in memory: lanes behind their window, the far end of the schedule (promise P9).
#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "broker/broker_core.hpp"

namespace baozi::broker {

namespace {
constexpr std::size_t page_rows = 5'000;
constexpr std::size_t page_bytes = std::size_t{8} << 20U;
}  // namespace

void BrokerCore::page_out(Slot slot) {
  Task& task = tasks_[slot];
  Queue& queue = queues_[task.queue];
  task.stage = Stage::paged;
  if (task.key < 0) {
    schedule_disk_from_ =
        scheduled_on_disk_ == 0 ? task.key : std::min(schedule_disk_from_, task.key);
    schedule_paged_from_ = std::min(schedule_paged_from_, task.key);
    ++scheduled_on_disk_;
    ++queue.scheduled_on_disk;
  } else {
    Lane& lane = queue.lanes[task.priority];
    if (lane.on_disk == 0) lane.disk_from = task.key;
    ++lane.on_disk;
    ++queue.ready;
    paged_queues_.insert(task.queue);
  }
  leave_memory_.push_back({task.position, {slot, task.key}});
}

void BrokerCore::schedule(Slot slot) {
  Task& task = tasks_[slot];
  if (!task.keyed && scheduled_on_disk_ > 0 && task.key >= schedule_disk_from_)
    return page_out(slot);
  task.stage = Stage::scheduled;
  ++queues_[task.queue].scheduled;
  schedule_.emplace(std::pair{task.eta_us, task.key}, slot);
  if (schedule_.size() > options_.scheduled_window * 2) trim_schedule();
}

void BrokerCore::schedule_retry(Slot slot, Micros delay, Now now) {
  Task& task = tasks_[slot];
  task.stage = Stage::scheduled;
  ++queues_[task.queue].scheduled;
  retries_.emplace(now.mono + delay, SlotRef{slot, task.key});
}

void BrokerCore::unschedule(Slot slot) {
  Task& task = tasks_[slot];
  --queues_[task.queue].scheduled;
  if (schedule_.erase({task.eta_us, task.key}) > 0) return;
  for (auto it = retries_.begin(); it != retries_.end();
       ++it) {  // rare: a revoke or an expiry in between
    if (it->second.slot == slot && it->second.key == task.key) {
      retries_.erase(it);
      return;
    }
  }
}

void BrokerCore::trim_schedule() {
  for (auto at = schedule_.end();
       schedule_.size() > options_.scheduled_window && at != schedule_.begin();) {
    const auto last = std::prev(at);
    const Slot slot = last->second;
    Task& task = tasks_[slot];
    if (task.keyed ||
        queues_[task.queue].purged_before != 0) {  // these stay in memory; those are about to end
      at = last;
      continue;
    }
    at = schedule_.erase(last);
    --queues_[task.queue].scheduled;
    page_out(slot);
  }
}

void BrokerCore::leave_memory() {
  for (std::size_t n = leave_memory_.size(); n > 0 && leave_memory_.front().n <= committed_; --n) {
    const SlotRef ref = leave_memory_.front().task;
    leave_memory_.pop_front();
    if (!alive(ref) || tasks_[ref.slot].stage != Stage::paged) continue;
    if (tasks_[ref.slot].dirty) {  // its newer row is not written yet
      leave_memory_.push_back({open_, ref});
      continue;
    }
    if (ref.key < 0) scheduled_keys_.erase(ref.key);
    tasks_.remove(ref.slot);
  }
}

void BrokerCore::wake_scheduled(Now now) {
  if (holding_) return;
  for (auto it = schedule_.begin(); it != schedule_.end() && it->first.first <= micros(now.wall);) {
    const Slot slot = it->second;
    Queue& queue = queues_[tasks_[slot].queue];
    if (is_crowded(queue)) {
      ++it;
      continue;
    }
    it = schedule_.erase(it);
    --queue.scheduled;
    queues_.push_back(tasks_, slot);
  }
  for (auto it = retries_.begin(); it != retries_.end() && it->first <= now.mono;) {
    const SlotRef ref = it->second;
    if (alive(ref) && tasks_[ref.slot].stage == Stage::scheduled) {
      if (!is_committed(tasks_[ref.slot])) {
        ++it;
        continue;
      }
      --queues_[tasks_[ref.slot].queue].scheduled;
      queues_.push_back(tasks_, ref.slot);
    }
    it = retries_.erase(it);
  }
}

void BrokerCore::load(LoadPurpose purpose, std::int64_t from, std::int64_t to, std::size_t rows,
                      std::size_t bytes, BrokerEffects& out) {
  if (!open_inserts_.empty() || !open_erases_.empty() || !open_updates_.empty())
    close_batch(last_now_, out);
  const std::uint64_t request = next_request_++;
  purpose.rows_max = rows;
  purpose.bytes_max = bytes;
  loads_.emplace(request, purpose);
  out.loads.push_back({request, from, to, rows, bytes});
}

void BrokerCore::page_in(BrokerEffects& out) {
  if (!may_deliver()) return;
  for (auto it = paged_queues_.begin(); it != paged_queues_.end();) {
    Queue& queue = queues_[*it];
    const bool served =
        delivers(queue) &&
        std::any_of(queue.consumers.begin(), queue.consumers.end(),
                    [this](std::uint32_t index) { return workers_[index]->session != 0; });
    bool any = false;
    bool above = false;  // a higher lane has tasks
    for (std::uint32_t priority = 10; priority-- > 0;) {
      Lane& lane = queue.lanes[priority];
      const bool first = !std::exchange(above, above || lane.on_disk + lane.in_memory > 0);
      any = any || lane.on_disk > 0;
      if (!served || lane.on_disk == 0 || lane.loading || is_read_later(queue, lane) ||
          lane.in_memory >= std::max<std::uint64_t>(options_.window_tasks / 4, 1)) {
        continue;
      }
      // The first lane is read whatever the others keep in memory: they wait for it.
      if (!first && queue.in_memory >= options_.window_tasks) continue;
      lane.loading = true;
      const std::int64_t lane_end = queued_key(queue.number, priority, sequence_mask);
      load({.kind = LoadKind::lane, .queue = queue.number, .priority = priority}, lane.disk_from,
           lane_end, std::min<std::size_t>(page_rows, options_.window_tasks), page_bytes, out);
    }
    it = any ? std::next(it) : paged_queues_.erase(it);
  }
  if (scheduled_on_disk_ > 0 && !schedule_loading_ &&
      schedule_.size() < std::max<std::uint64_t>(options_.scheduled_window / 2, 1)) {
    schedule_loading_ = true;
    schedule_paged_from_ = INT64_MAX;
    load({.kind = LoadKind::schedule}, schedule_disk_from_, schedule_end,
         std::min<std::size_t>(page_rows, options_.scheduled_window), page_bytes, out);
  }
}

void BrokerCore::on_loaded(std::uint64_t request, std::vector<store::TaskRow>&& rows, Now now,
                           BrokerEffects& out) {
  last_now_ = now;
  const auto found = loads_.find(request);
  if (found == loads_.end()) return;
  const LoadPurpose purpose = found->second;
  loads_.erase(found);
  switch (purpose.kind) {
    case LoadKind::lane: on_lane_rows(purpose, rows, now); break;
    case LoadKind::schedule: on_schedule_rows(purpose, rows, now); break;
    case LoadKind::claim: on_claim_row(purpose.number, rows, now); break;
    case LoadKind::sweep: on_sweep_rows(purpose, rows, now, out); break;
    case LoadKind::keyed: on_keyed_rows(purpose, rows, now); break;
  }
  while (!gone_order_.empty() &&
         (loads_.empty() || gone_order_.front().load < loads_.begin()->first)) {
    gone_.erase(gone_order_.front().key);
    gone_order_.pop_front();
  }
}

Slot BrokerCore::restore(const store::TaskRow& row, Now now) {
  const auto view = unpack_row(row.rec);
  if (!view) {
    ++counters_.corrupt_rows;  // the row stays where it is, for an operator to look at
    return no_slot;
  }
  const Slot slot = tasks_.add(view->task.raw);
  if (slot == no_slot) return no_slot;
  Queue* queue = queues_.home_of(view->task, true);
  if (queue == nullptr) queue = queues_.get({});
  Task& task = tasks_[slot];
  task.queue = queue->number;
  task.priority = view->task.options.priority;
  task.ignore_result = view->task.options.ignore_result;
  task.early_there = view->meta.early_there;
  task.acks_early = view->task.options.acks_early || task.early_there;
  task.limit = static_cast<std::uint16_t>(std::min<std::uint32_t>(
      view->task.options.delivery_limit != 0 ? view->task.options.delivery_limit
                                             : options_.delivery_limit,
      UINT16_MAX));
  task.expires_us = view->task.options.expires_us.value_or(0);
  task.lost = static_cast<std::uint16_t>(view->meta.lost);
  task.retries = view->meta.retries;
  task.marked = view->meta.marked;
  task.ending = view->meta.ending;
  task.moved = view->meta.moved;
  task.delay_us = view->meta.delay_us;
  task.eta_us = task.delay_us != 0 ? view->meta.eta_us : view->task.options.eta_us.value_or(0);
  if (task.delay_us !=
      0) {  // D30: the clock may have jumped over the restart; no retry waits longer than its delay
    task.eta_us = std::min(task.eta_us, micros(now.wall) + task.delay_us);
  }
  if (!view->meta.losses.empty() || task.ending != Ending::none || view->meta.since_us != 0) {
    task.history = std::make_unique<TaskHistory>();
    task.history->losses = view->meta.losses;
    task.history->ending_text = view->meta.ending_text;
    task.history->carried_record = view->meta.carried_record;
    task.history->carried_follow_ups = view->meta.carried_follow_ups;
    task.history->since_us = view->meta.since_us;
  }
  task.origin = tasks_.intern(view->meta.origin, view->meta.home);
  tasks_.retain_origin(task.origin);
  task.key = row.key;
  task.position = 0;
  if (is_keyed(task.key)) {
    task.keyed = true;
    task.gate = std::make_unique<Gate>();
    task.gate->started = view->meta.started;
    task.gate->free_at_us = view->meta.free_at_us;
    join_gate(slot, view->task);
  }
  if (task.key < 0) scheduled_keys_.insert(task.key);
  const auto sequence =
      static_cast<std::uint64_t>(row.key) & (row.key < 0 ? (1U << 30U) - 1 : sequence_mask);
  task.suspicious = roster_lost_ && sequence < old_sequence_end_;
  if (task.expires_us != 0) expiries_.emplace(task.expires_us, SlotRef{slot, task.key});
  return slot;
}

void BrokerCore::admit(Slot slot, Now now) {
  Task& task = tasks_[slot];
  if (task.ending != Ending::none)
    return begin_ending(slot, task.ending, std::move(task.history->ending_text));
  if (swept(slot, now)) return;
  if (is_revoked(slot)) {  // its worker was lost, or the broker stopped, before it could obey
    urgent_ = true;
    return begin_ending(slot, Ending::revoked, "revoked");
  }
  if (task.marked &&
      task.position == 0) {  // it may have been started before the restart, and nobody reported it
    if (task.acks_early) {
      return begin_ending(
          slot, Ending::lost_early,
          "it may have been started before the broker stopped; acks_early tasks are not repeated");
    }
    ++task.lost;
    task.marked = false;
    note_update(slot);
    if (task.lost >= task.limit)
      return begin_ending(slot, Ending::dead, std::to_string(task.lost) + " deliveries were lost");
  }
  if (task.keyed && !is_head(slot)) return block(slot);
  if ((task.key < 0 || task.keyed) && task.eta_us > micros(now.wall)) {
    if (task.delay_us != 0)
      return schedule_retry(slot, Micros{task.eta_us - micros(now.wall)}, now);
    task.stage = Stage::scheduled;
    ++queues_[task.queue].scheduled;
    schedule_.emplace(std::pair{task.eta_us, task.key}, slot);
    return;
  }
  if ((task.suspicious || task.lost > 0) && may_have_result(task)) return ask(slot);
  queues_.push_back(tasks_, slot);
}

void BrokerCore::on_lane_rows(const LoadPurpose& purpose, std::vector<store::TaskRow>& rows,
                              Now now) {
  Queue& queue = queues_[purpose.queue];
  Lane& lane = queue.lanes[purpose.priority];
  lane.loading = false;
  for (const store::TaskRow& row : rows) {
    lane.disk_from = row.key + 1;
    if (in_tail_region_.contains(row.key) || gone_.contains(row.key)) continue;
    if (lane.on_disk == 0) break;
    --lane.on_disk;
    --queue.ready;
    if (const Slot slot = restore(row, now); slot != no_slot) admit(slot, now);
  }
  if (rows.empty() && leave_memory_.empty() && lane.on_disk > 0) {
    ++counters_.books_mismatch;  // the store knows better than our count
    queue.ready -= lane.on_disk;
    lane.on_disk = 0;
  }
}

void BrokerCore::on_schedule_rows(const LoadPurpose& purpose, std::vector<store::TaskRow>& rows,
                                  Now now) {
  static_cast<void>(purpose);
  schedule_loading_ = false;
  for (const store::TaskRow& row : rows) {
    schedule_disk_from_ = row.key + 1;
    if (scheduled_keys_.contains(row.key) || gone_.contains(row.key)) continue;
    if (scheduled_on_disk_ == 0) break;
    --scheduled_on_disk_;
    const Slot slot = restore(row, now);
    if (slot == no_slot) continue;
    Queue& queue = queues_[tasks_[slot].queue];
    queue.scheduled_on_disk -= std::min<std::uint64_t>(queue.scheduled_on_disk, 1);
    admit(slot, now);
  }
  const bool at_end = rows.empty() && schedule_paged_from_ >= schedule_disk_from_;
  // What left memory while this was being read may lie before what was read.
  schedule_disk_from_ = std::min(schedule_disk_from_, schedule_paged_from_);
  if (at_end && leave_memory_.empty() && scheduled_on_disk_ > 0) {
    ++counters_.books_mismatch;
    scheduled_on_disk_ = 0;
  }
  if (scheduled_on_disk_ == 0) {  // rows that cannot be read name no queue
    for (std::uint32_t number = 0; number < queues_.size(); ++number)
      queues_[number].scheduled_on_disk = 0;
  }
}

}  // namespace baozi::broker
