// What workers say of their deliveries: DONE, NACK, credit; and how a task ends (delivery.md D11,
// D12, D18, D20, D24).
#include <algorithm>
#include <utility>

#include "broker/broker_core.hpp"

namespace baozi::broker {

void BrokerCore::on_credit(Worker& worker, const wire::Credit& message) {
  worker.credit = std::min<std::uint64_t>(message.count, limits::holds_max);
  worker.credit_bytes = message.bytes;
  worker.returned = std::clamp(message.returned, worker.returned, worker.delivered);
  worker.returned_bytes =
      std::clamp(message.returned_bytes, worker.returned_bytes, worker.delivered_bytes);
}

void BrokerCore::on_done(Worker& worker, const wire::Done& message, Now now) {
  for (const wire::Settlement& parsed : message.entries) {
    const std::uint64_t entry_number = ++worker.entries;
    ++counters_.done;
    Settle entry;
    entry.state = parsed.state;
    entry.flags = parsed.flags;
    entry.follow_ups = parsed.raw_follow_ups;
    entry.record = parsed.record;
    entry.entry = entry_number;
    const std::uint64_t n = settle(worker, parsed.number, std::move(entry), now);
    answer(worker, entry_number, n, n == 0);
  }
}

void BrokerCore::on_nack(Worker& worker, const wire::Nack& message, Now now) {
  for (const wire::NackEntry& parsed : message.entries) {
    const std::uint64_t entry_number = ++worker.entries;
    Settle entry;
    entry.nack = true;
    entry.kind = parsed.kind;
    entry.delay_us = parsed.delay_us;
    entry.reason = parsed.reason;
    entry.flags = parsed.flags;
    entry.entry = entry_number;
    const std::uint64_t n = settle(worker, parsed.number, std::move(entry), now);
    answer(worker, entry_number, n, n == 0);
  }
}

std::uint64_t BrokerCore::settle(Worker& worker, std::uint64_t number, Settle&& entry, Now now) {
  Slot slot = tasks_.find(number);
  if (slot == no_slot) {
    const auto old = adopted_.find(number);
    if (old != adopted_.end() && alive(old->second)) slot = old->second.slot;
  }
  if (slot == no_slot) {
    const auto claim = claims_.find(number);
    if (claim != claims_.end() && claim->second.worker == worker.index) {
      claim->second.settle =
          std::move(entry);  // D15: kept, and not answered until its task is known
      return blocked;
    }
    ++counters_.stale_done;
    return 0;
  }
  const Task& task = tasks_[slot];
  const bool current = task.stage == Stage::leased && task.worker == worker.index &&
                       (task.adopted != 0 ? task.adopted == number : tasks_.number(slot) == number);
  if (!current) {
    const bool had_it =
        task.history != nullptr &&
        std::any_of(task.history->losses.begin(), task.history->losses.end(),
                    [&](const auto& loss) {
                      return loss.number == number &&
                             loss.incarnation == static_cast<std::uint64_t>(worker.incarnation);
                    });
    if (!had_it) {
      ++counters_.foreign_done;
      return 0;
    }
    // D18: an older delivery's DONE counts, because it carries the collector's winner; without a
    // result (D20) and for a NACK only the current delivery decides.
    if (entry.nack || entry.state == wire::TaskState::ignored) {
      ++counters_.stale_done;
      return 0;
    }
  }
  if ((outboxes_full_ || !crowds_.empty()) && entry.follow_ups.size() > 1)
      [[unlikely]] {  // 1: an empty array
    if (hold(worker, number, entry, now)) return blocked;
  }
  settle_task(slot, entry, now);
  return open_;
}

void BrokerCore::settle_task(Slot slot, const Settle& entry, Now now) {
  touch(now);
  if (!entry.nack) {
    if (!entry.record
             .empty()) {  // D23: no collector was in reach: the broker brings the result there
      Task& task = tasks_[slot];
      if (task.history == nullptr) task.history = std::make_unique<TaskHistory>();
      task.history->carried_record = entry.record;
      task.history->carried_follow_ups = entry.follow_ups;
      begin_ending(slot, Ending::carried, {});
      return;
    }
    return complete(slot, entry.state, (entry.flags & wire::flag::done_exhausted) != 0,
                    entry.follow_ups, now);
  }
  switch (entry.kind) {
    case wire::NackKind::requeue: {
      Task& task = tasks_[slot];
      if (task.marked) {
        task.marked = false;
        note_update(slot);
      }
      requeue(slot);
      break;
    }
    case wire::NackKind::retry:
      retry(slot, entry.delay_us, (entry.flags & wire::flag::nack_uncharged) == 0, now);
      break;
    case wire::NackKind::reject: begin_ending(slot, Ending::rejected, entry.reason); break;
    case wire::NackKind::lost: lose_delivery(slot, entry.reason, now); break;
  }
}

void BrokerCore::requeue(Slot slot) {
  if (tasks_[slot].revoke_asked) return begin_ending(slot, Ending::revoked, "revoked");
  detach(slot);
  queues_.push_front(tasks_, slot);
}

void BrokerCore::retry(Slot slot, std::uint64_t delay_us, bool charged, Now now) {
  detach(slot);
  Task& task = tasks_[slot];
  if (charged) {
    ++task.retries;
    if (task.history == nullptr) task.history = std::make_unique<TaskHistory>();
    if (task.history->since_us == 0) task.history->since_us = micros(now.wall);
    task.history->counted_n = open_;
  }
  task.marked = false;
  if (task.revoke_asked) return begin_ending(slot, Ending::revoked, "revoked");
  if (task.keyed && !rules_.d27_head_blocks) [[unlikely]]
    leave_gate(slot);  // the seeded bug
  const auto delay =
      static_cast<std::int64_t>(std::min<std::uint64_t>(delay_us, 366ULL * 24 * 3600 * 1'000'000));
  if (delay == 0) {
    note_update(slot);
    queues_.push_back(tasks_, slot);
    return;
  }
  if (task.keyed) {  // its row stays where it is, and it stays the head of its key
    task.delay_us = delay;
    task.eta_us = micros(now.wall) + delay;
    note_update(slot);
    urgent_ = true;
    return schedule_retry(slot, Micros{delay}, now);
  }
  // Its row moves to the schedule. Until that is committed it is not delivered again: the new key
  // must be one that a restart finds.
  note_erase(task);
  task.delay_us = delay;
  task.eta_us = micros(now.wall) + delay;
  if (task.in_tail_region) {
    in_tail_region_.erase(task.key);
    task.in_tail_region = false;
  }
  Queue& queue = queues_[task.queue];
  if (task.key < 0) {
    scheduled_keys_.erase(task.key);
  } else {
    ++queue.timed;
    queue.changed = true;
  }
  task.key = scheduled_key(task.eta_us, sequence_++);
  scheduled_keys_.insert(task.key);
  task.position = open_;
  note_insert(slot);
  if (task.expires_us != 0) expiries_.emplace(task.expires_us, SlotRef{slot, task.key});
  schedule_retry(slot, Micros{delay}, now);
  urgent_ = true;
}

void BrokerCore::complete(Slot slot, wire::TaskState state, bool exhausted, BytesView follow_ups,
                          Now now) {
  touch(now);
  if (!follow_ups.empty()) {
    // P5: they are enqueued, or put into an outbox (D27), by the commit that removes their parent,
    // above their queue's limit (D25).
    const std::uint32_t origin = tasks_[slot].origin;
    const Bytes copy{follow_ups};
    if (const auto tasks = wire::decode_tasks(copy, limits::follow_ups_max)) {
      for (const wire::TaskView& task : *tasks) {
        if (homes_.empty() || !pass_on(task, origin, now)) accept(task, origin, now);
      }
    } else {
      ++counters_.bad_messages;
    }
  }
  switch (state) {
    case wire::TaskState::failure:
      if (exhausted) {
        bury(slot, "failed after its last retry", now);
      } else {
        ++books_.failed;
      }
      break;
    case wire::TaskState::revoked: ++books_.revoked; break;
    default: ++books_.succeeded; break;
  }
  revoke_settled(slot, state);
  remove_task(slot);
}

void BrokerCore::bury(Slot slot, std::string reason, Now now) {
  const Task& task = tasks_[slot];
  const TaskTable::Origin& origin = tasks_.origin(task.origin);
  DeadLetter letter;
  letter.task = task.raw();
  letter.origin = origin.id;
  letter.home = origin.home;
  letter.died_us = micros(now.wall);
  letter.retries = task.retries;
  letter.reason = std::move(reason);
  if (task.history != nullptr) letter.losses = task.history->losses;
  const auto key = static_cast<std::int64_t>(sequence_++);
  dead_bytes_ += letter.task.size();
  note_record(store::Space::dead, key_bytes(static_cast<std::uint64_t>(key)), pack_dead(letter));
  dead_.emplace(key, std::move(letter));
  ++books_.dead;
  touch(now);
}

void BrokerCore::detach(Slot slot) {
  Task& task = tasks_[slot];
  Queue& queue = queues_[task.queue];
  switch (task.stage) {
    case Stage::ready:
      queues_.unlink(tasks_, slot);
      if (task.gate != nullptr) [[unlikely]]
        not_woken_any_more(task);
      break;
    case Stage::blocked:
      --queue.blocked;
      task.gate->blocked = false;
      if (Limiter* const limiter = std::exchange(task.gate->parked_in, nullptr)) {
        limiter->parked.erase(task.key);
        if (!task.keyed) {
          --queue.parked;
          --queue.lanes[task.priority].parked;
        }
        if (limiter->of_outbox) {
          --queue.to_move;
          --to_move_;
          queue.to_move_bytes -= task.bytes;
          to_move_bytes_ -= task.bytes;
        }
      }
      break;
    case Stage::scheduled: unschedule(slot); break;
    case Stage::paged:
      // It was to leave memory; its row lies, or will lie, where only paged-out tasks are expected.
      if (task.key < 0) {
        --scheduled_on_disk_;
        --queue.scheduled_on_disk;
      } else {
        --queue.lanes[task.priority].on_disk;
        --queue.ready;
        task.in_tail_region = true;
        in_tail_region_[task.key] = slot;
      }
      break;
    case Stage::marking:
    case Stage::leased: unlease(slot); break;
    case Stage::asking: --queue.leased; break;
    case Stage::ending:
      --queue.ending;
      queue.ending_bytes -= task.bytes;
      --endings_open_;
      break;
    case Stage::loose:
    case Stage::free: break;
  }
  task.stage = Stage::loose;  // the caller decides at once where it goes
}

void BrokerCore::remove_task(Slot slot) {
  Task& task = tasks_[slot];
  detach(slot);
  Queue& queue = queues_[task.queue];
  queue.bytes -= std::min<std::uint64_t>(queue.bytes, task.bytes);
  queue.changed = true;
  if (task.keyed) [[unlikely]]
    leave_gate(slot);
  if (task.in_tail_region) in_tail_region_.erase(task.key);
  if (task.key < 0) {
    scheduled_keys_.erase(task.key);
    queue.timed -= std::min<std::uint64_t>(queue.timed, 1);
  }
  if (task.adopted != 0) adopted_.erase(task.adopted);
  if (task.history != nullptr && !adopted_.empty()) {
    for (const auto& loss : task.history->losses) adopted_.erase(loss.number);
  }
  if (task.revoke_asked) unmark_revoked(id_of(task.raw()).to_id());
  note_erase(task);
  tasks_.remove(slot);
}

void BrokerCore::answer(Worker& worker, std::uint64_t entry, std::uint64_t n, bool stale) {
  if (stale) n = stale_answered_by();
  if (!stale && n != blocked && !worker.answers.empty()) {
    Answer& last = worker.answers.back();
    if (last.n == n && !last.stale) {
      last.upto = entry;
      return;
    }
  }
  worker.answers.push_back({entry, n, stale});
}

std::uint64_t BrokerCore::stale_answered_by() {
  // What it repeats may have been taken a moment ago: until that is durable, a crash would need it
  // once more (D11).
  const std::uint64_t n = open_dirty_ ? open_ : open_ - 1;
  answers_due_ = answers_due_ || n <= committed_;
  return n;
}

void BrokerCore::resolve_answer(Worker& worker, std::uint64_t entry, std::uint64_t n, bool stale) {
  if (stale) n = stale_answered_by();
  const auto resolve = [&](auto& list) {
    for (Answer& pending : list) {
      if (pending.upto != entry || pending.n != blocked) continue;
      pending.n = n;
      pending.stale = stale;
      return true;
    }
    return false;
  };
  if (!resolve(worker.held)) resolve(worker.answers);
}

}  // namespace baozi::broker
