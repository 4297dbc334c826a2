// Handing tasks to workers: credit, fairness, marks that must come first (delivery.md D10, D13,
// D16, D17).
#include <algorithm>

#include "broker/broker_core.hpp"

namespace baozi::broker {

namespace {
constexpr std::size_t frame_entries = 500;
constexpr std::size_t frame_bytes = std::size_t{1} << 20U;
constexpr int skips_max =
    64;  // tasks passed over in one search because they want a worker of their own
}  // namespace

bool BrokerCore::may_deliver() const {
  return committed_ >= 1 && !holding_ && !draining_ && !keys_loading_;
}

void BrokerCore::deliver_ready(Now now) {
  if (now.mono - lately_since_ >= Micros{10'000}) {
    delivered_before_ = delivered_lately_;
    delivered_lately_ = 0;
    lately_since_ = now.mono;
  }
  if (!may_deliver()) return;
  std::vector<std::uint32_t>& active = queues_.active();
  // Each turn begins with another queue: a worker's credit is not always the same one's.
  if (active.size() > 1) std::rotate(active.begin(), active.begin() + 1, active.end());
  for (std::size_t i = 0; i < active.size();) {
    Queue& queue = queues_[active[i]];
    deliver_queue(queue, now);
    if (queue.in_memory == 0) {
      queue.active = false;
      active[i] = active.back();
      active.pop_back();
    } else {
      ++i;
    }
  }
}

void BrokerCore::deliver_queue(Queue& queue, Now now) {
  if (!delivers(queue)) return;
  std::vector<Worker*> able;
  for (const std::uint32_t index : queue.consumers) {
    Worker& worker = *workers_[index];
    if (worker.session != 0 && worker.roster_n <= committed_ && !worker.alone &&
        worker.room() > 0) {
      able.push_back(&worker);
    }
  }
  if (able.empty()) return;
  // Idle workers first, so that a greedy one with much credit starves nobody; then the rest by
  // credit.
  for (const bool idle_only : {true, false}) {
    bool gave = true;
    while (gave && queue.in_memory > 0) {
      gave = false;
      const std::uint64_t share =
          std::clamp<std::uint64_t>(queue.in_memory / able.size(), 1, options_.credit_chunk);
      for (std::size_t i = 0; i < able.size() && queue.in_memory > 0; ++i) {
        Worker& worker = *able[queue.rotation++ % able.size()];
        if (worker.alone) continue;
        std::uint64_t count = std::min(share, worker.room());
        if (idle_only) {
          count = worker.outstanding() < worker.concurrency
                      ? std::min<std::uint64_t>(count, worker.concurrency - worker.outstanding())
                      : 0;
        }
        if (count > 0 && give(queue, worker, count, now) > 0) gave = true;
      }
    }
  }
}

bool BrokerCore::waits_for_home(const Task& task) const {
  // D21: there is nobody yet to bring its result to. Without one it may be run (D20): its failure
  // would come back with DONE.
  return rules_.d21_home_once && collectors_.empty() && !task.ignore_result &&
         tasks_.origin(task.origin).home.empty();
}

std::uint64_t BrokerCore::give(Queue& queue, Worker& worker, std::uint64_t count, Now now) {
  const bool early = !store_full_ && free_bytes_ >= options_.reserve_bytes;  // D10
  std::uint64_t given = 0;
  for (std::size_t priority = queue.lanes.size(); priority-- > 0;) {
    Lane& lane = queue.lanes[priority];
    int skips = 0;
    for (Slot slot = lane.head; slot != no_slot && given < count;) {
      Task& task = tasks_[slot];
      const Slot next = task.next;
      if (end_if_due(slot, now)) {
        slot = next;
        continue;
      }
      const bool committed = is_committed(task);
      if (!committed && (!early || task.retries > 0 || task.home_chosen)) break;
      if (waits_for_home(task) || (task.once && !committed)) {
        if (++skips > skips_max) break;
        slot = next;
        continue;
      }
      if (task.gate != nullptr || limits_on_) [[unlikely]] {
        // Whoever may run a task with keys must be known after a crash: it does not leave early.
        if (task.keyed && (!committed || task.gate->after > committed_)) {
          if (++skips > skips_max) break;
          slot = next;
          continue;
        }
        if (limits_on_ && !homes_.empty()) {
          if (Peer* const home = limits_at(task)) {
            move(slot, *home, now);
            slot = next;
            continue;
          }
        }
        if (!pass_limits(slot, now)) {
          slot = next;
          continue;
        }
      }
      if (wants_solitude(task) && (worker.lease_count > 0 || worker.outstanding() > 0)) {
        if (++skips > skips_max) break;
        slot = next;
        continue;
      }
      if (worker.outstanding() > 0 &&
          worker.delivered_bytes - worker.returned_bytes + task.bytes > worker.credit_bytes) {
        return given;
      }
      lease(slot, worker);
      ++given;
      if (worker.alone) return given;
      slot = next;
    }
    // What waits on disk with a higher priority goes first; it is being read.
    if (given >= count || (lane.on_disk > 0 && lane.in_memory == 0 && !is_read_later(queue, lane)))
      break;
  }
  return given;
}

void BrokerCore::link_lease(Slot slot, Worker& worker) {
  Task& task = tasks_[slot];
  task.worker = worker.index;
  task.previous = no_slot;
  task.next = worker.leases;
  if (worker.leases != no_slot) tasks_[worker.leases].previous = slot;
  worker.leases = slot;
  ++worker.lease_count;
  ++queues_[task.queue].leased;
  if (task.gate != nullptr || limits_on_) [[unlikely]]
    count_in(slot, last_now_);
}

void BrokerCore::unlease(Slot slot) {
  Task& task = tasks_[slot];
  Worker& worker = *workers_[task.worker];
  (task.previous == no_slot ? worker.leases : tasks_[task.previous].next) = task.next;
  if (task.next != no_slot) tasks_[task.next].previous = task.previous;
  task.previous = task.next = no_slot;
  task.worker = no_index;
  if (--worker.lease_count == 0) worker.alone = false;
  --queues_[task.queue].leased;
  if (task.gate != nullptr) [[unlikely]]
    count_out(slot);
}

void BrokerCore::lease(Slot slot, Worker& worker) {
  queues_.unlink(tasks_, slot);
  Task& task = tasks_[slot];
  const std::uint64_t number = tasks_.next_number(slot);
  link_lease(slot, worker);
  task.adopted = 0;
  if (task.keyed && ((task.gate->until_started && !task.gate->started) ||
                     !rules_.d27_key_until_end)) [[unlikely]] {
    free_unique(task);
    task.gate->started = true;
    note_update(slot);
  }
  const bool alone = wants_solitude(task);
  worker.alone = alone;
  ++worker.delivered;
  worker.delivered_bytes += task.bytes;
  ++delivered_lately_;
  ++counters_.delivered;
  if (task.lost > 0) ++counters_.redelivered;
  if (!worker.early.empty() && !task.acks_early && worker.early.contains(task.name())) {
    task.acks_early = task.early_there = true;
  }
  const bool fresh_home = choose_home(slot);
  const bool count_open = task.history != nullptr && task.history->counted_n > committed_;
  if (task.acks_early || worker.local || fresh_home || count_open) {
    // The mark says that the task may have been started: it must be durable before the task leaves.
    // So must its home: the worker's result and those of later deliveries have to meet at one
    // collector. And the loss or retry that the delivery before ended with: a crash that took both
    // would let a poison task run twice more than it may (D16), and would not know of two
    // deliveries of one worker which one counts.
    task.stage = Stage::marking;
    task.marked = task.acks_early || worker.local;
    note_update(slot);
    marks_.push_back({open_, {slot, task.key}});
    urgent_ = true;
    return;
  }
  task.stage = Stage::leased;
  worker.outgoing.push_back({slot, task.key, number, alone});
}

void BrokerCore::send_marked() {
  while (!marks_.empty() && marks_.front().n <= committed_) {
    const SlotRef ref = marks_.front().task;
    marks_.pop_front();
    if (!alive(ref) || tasks_[ref.slot].stage != Stage::marking) continue;
    Task& task = tasks_[ref.slot];
    Worker& worker = *workers_[task.worker];
    if (worker.session == 0) {
      task.marked = false;
      note_update(ref.slot);
      requeue(ref.slot);
      continue;
    }
    task.stage = Stage::leased;
    if (task.revoke_asked) revokes_due_.push_back(ref);
    worker.outgoing.push_back({ref.slot, ref.key, tasks_.number(ref.slot), worker.alone});
  }
}

void BrokerCore::flush_deliveries(Now now, BrokerEffects& out) {
  static_cast<void>(now);
  wire::Deliver message;
  for (auto& worker : workers_) {
    if (worker == nullptr || worker->outgoing.empty()) continue;
    actor::Session* const session = sessions_.find(worker->session);
    if (session == nullptr) {
      worker->outgoing.clear();
      continue;
    }
    std::size_t bytes = 0;
    std::size_t entries = 0;
    std::uint32_t last_origin = no_index;
    const auto flush = [&] {
      if (entries > 0) send(*session, message, out);
      message.groups.clear();
      bytes = entries = 0;
      last_origin = no_index;
    };
    for (const Outgoing& one : worker->outgoing) {
      if (!alive({one.slot, one.key})) continue;
      const Task& task = tasks_[one.slot];
      if (task.stage != Stage::leased || task.worker != worker->index) continue;
      if (entries >= frame_entries || bytes + task.bytes > frame_bytes) flush();
      if (task.origin != last_origin || message.groups.empty()) {
        last_origin = task.origin;
        const TaskTable::Origin& origin = tasks_.origin(task.origin);
        message.groups.push_back({.origin = origin.id, .home = origin.home, .deliveries = {}});
      }
      wire::Delivery& delivery = message.groups.back().deliveries.emplace_back();
      delivery.number = one.number;
      delivery.key = task.key;
      delivery.position = is_committed(task) ? 0 : task.position;
      delivery.count = task.lost + 1U;
      delivery.retries = task.retries;
      delivery.flags = (task.lost > 0 ? wire::flag::deliver_redelivered : 0) |
                       (one.alone ? wire::flag::deliver_alone : 0);
      delivery.since_us = task.history != nullptr ? task.history->since_us : 0;
      delivery.task.raw = task.raw();
      bytes += task.bytes + 32;
      ++entries;
    }
    flush();
    worker->outgoing.clear();
  }
}

}  // namespace baozi::broker
