// Revoking by id and purging a queue, in memory and on disk (delivery.md D19, D28).
#include <algorithm>

#include "baozi/packing.hpp"
#include "broker/broker_core.hpp"
#include "wire/map_writer.hpp"

namespace baozi::broker {

namespace {
constexpr std::size_t sweep_rows = 2'000;
constexpr std::size_t sweep_bytes = std::size_t{4} << 20U;

}  // namespace

void BrokerCore::on_revoke(actor::Session& session, const wire::Revoke& message, Now now,
                           BrokerEffects& out) {
  if (!revocations_.has_room_for(message.ids.size())) {
    return reply_refusal(session.number, message.request, wire::ErrorCode::overloaded,
                         "nothing was revoked: this broker keeps " +
                             std::to_string(revocations_.size()) +
                             " marks of revoked tasks, and has no room for " +
                             std::to_string(message.ids.size()) + " more",
                         out);
  }
  touch(now);
  const std::uint64_t number = next_request_++;
  RevokeJob& job = revoke_jobs_[number];
  job.n = open_;
  job.session = session.number;
  job.request = message.request;
  std::map<TaskId, std::uint64_t> wanted;
  for (const wire::IdView& id : message.ids) {
    if (wanted.emplace(id.to_id(), job.ids.size()).second) job.ids.push_back(id.to_id());
  }
  for (const TaskId& id : job.ids) mark_revoked(id, message, now);
  urgent_ = true;
  job.verdicts.assign(job.ids.size(), wire::Verdict::unknown);
  job.states.assign(job.ids.size(), wire::TaskState::pending);
  job.settled.assign(job.ids.size(), false);
  job.open = job.ids.size();
  for (Slot slot = 0; slot < tasks_.slots() && !wanted.empty(); ++slot) {
    if (tasks_[slot].stage == Stage::free) continue;
    const auto found = wanted.find(id_of(tasks_[slot].raw()).to_id());
    if (found == wanted.end()) continue;
    revoke_task(slot, number, found->second);
    wanted.erase(found);
  }
  if (wanted.empty()) return;
  Sweep sweep;
  sweep.number = next_request_++;
  sweep.revoke_job = number;
  sweep.ranges = ranges_on_disk();
  if (sweep.ranges.empty() && !keys_loading_) {
    for (const auto& [id, index] : wanted) {
      job.settled[index] = true;
      --job.open;
    }
    return;
  }
  sweep.wanted = std::move(wanted);
  sweeps_.push_back(std::move(sweep));
}

std::vector<Sweep::Range> BrokerCore::ranges_on_disk() const {
  std::vector<Sweep::Range> ranges;
  if (scheduled_on_disk_ > 0) ranges.push_back({schedule_disk_from_, schedule_end});
  for (const std::uint32_t queue : paged_queues_) {
    for (std::uint32_t priority = 0; priority < 10; ++priority) {
      const Lane& lane = queues_[queue].lanes[priority];
      if (lane.on_disk > 0)
        ranges.push_back({lane.disk_from, queued_key(queue, priority, sequence_mask)});
    }
  }
  return ranges;
}

wire::IdView BrokerCore::id_of(BytesView raw) {
  Reader in{raw};
  in.array();
  return wire::read_id(in);
}

BrokerCore::Worker* BrokerCore::holder_of(const Task& task) {
  return task.worker == no_index ? nullptr : workers_[task.worker].get();
}

void BrokerCore::mark_revoked(const TaskId& id, const wire::Revoke& message, Now now) {
  Revocation mark{.at_us = micros(now.wall),
                  .terminate = (message.flags & wire::flag::revoke_terminate) != 0,
                  .signal = std::string{message.signal}};
  // A second request may ask for more than the first, never for less.
  if (const Revocation* const before = revocations_.find(id);
      before != nullptr && before->terminate && !mark.terminate) {
    mark.terminate = true;
    mark.signal = before->signal;
  }
  note_record(store::Space::marks, RevocationTable::key(id), RevocationTable::pack(mark));
  revocations_.add(id, std::move(mark));
}

void BrokerCore::unmark_revoked(const TaskId& id) {
  if (revocations_.erase(id))
    note_record(store::Space::marks, RevocationTable::key(id), std::nullopt);
}

void BrokerCore::expire_revocations(Now now) {
  for (const TaskId& id : revocations_.expire(micros(now.wall) - options_.revocation_age_us)) {
    note_record(store::Space::marks, RevocationTable::key(id), std::nullopt);
  }
}

bool BrokerCore::is_revoked(Slot slot) {
  Task& task = tasks_[slot];
  if (!task.revoke_asked && !revocations_.empty()) {
    task.revoke_asked = revocations_.find(id_of(task.raw()).to_id()) != nullptr;
  }
  return task.revoke_asked;
}

void BrokerCore::send_revokes(BrokerEffects& out) {
  for (const SlotRef& ref : revokes_due_) {
    if (!alive(ref) || tasks_[ref.slot].stage != Stage::leased) continue;
    const Task& task = tasks_[ref.slot];
    const Worker* const worker = holder_of(task);
    actor::Session* const session = worker == nullptr ? nullptr : sessions_.find(worker->session);
    const wire::IdView id = id_of(task.raw());
    const Revocation* const mark = revocations_.find(id.to_id());
    if (session == nullptr || mark == nullptr) continue;
    wire::Revoke request;
    request.flags = mark->terminate ? wire::flag::revoke_terminate : 0;
    request.signal = mark->signal;
    request.ids.push_back(id);
    send(*session, request, out);
  }
  revokes_due_.clear();
}

Bytes BrokerCore::revoked_payload(std::uint64_t limit) const {
  const auto marks = revocations_.newest(limit);
  wire::MapWriter payload;
  payload.number("total", revocations_.size());
  Writer& list = payload.key("marks");
  list.array(marks.size());
  for (const auto& [id, mark] : marks) {
    wire::MapWriter entry;
    entry.text("id", id.to_string());
    entry.key("at_us").integer(mark.at_us);
    entry.flag("terminate", mark.terminate);
    entry.text("signal", mark.signal);
    list.raw(entry.take());
  }
  return payload.take();
}

void BrokerCore::revoke_task(Slot slot, std::uint64_t job_number, std::size_t index) {
  RevokeJob& job = revoke_jobs_.at(job_number);
  Task& task = tasks_[slot];
  task.revoke_asked = true;
  switch (task.stage) {
    case Stage::leased:
    case Stage::marking: {
      revokes_due_.push_back({slot, task.key});
      say_pending(job, index);
      return;
    }
    case Stage::ending: break;
    default:
      if (may_be_held(task))
        return say_pending(job, index);  // `admit` and `adopt` look at the mark
      begin_ending(slot, Ending::revoked, "revoked");
      urgent_ = true;
      break;
  }
  revoke_waiters_.emplace(slot, std::pair{job_number, index});
}

void BrokerCore::say_pending(RevokeJob& job, std::size_t index) {
  job.verdicts[index] = wire::Verdict::pending;
  job.states[index] = wire::TaskState::started;
  job.settled[index] = true;
  --job.open;
}

bool BrokerCore::may_be_held(const Task& task) const { return holding_ && task.position == 0; }

void BrokerCore::resume_revokes() {
  if (revokes_held_.empty()) return;
  Sweep sweep;
  sweep.number = next_request_++;
  sweep.wanted = std::exchange(revokes_held_, {});
  sweep.ranges = ranges_on_disk();
  sweeps_.push_back(std::move(sweep));
}

void BrokerCore::revoke_settled(Slot slot, wire::TaskState state) {
  const auto [first, last] = revoke_waiters_.equal_range(slot);
  for (auto it = first; it != last; ++it) {
    const auto found = revoke_jobs_.find(it->second.first);
    if (found == revoke_jobs_.end()) continue;
    RevokeJob& job = found->second;
    const std::size_t index = it->second.second;
    job.verdicts[index] =
        state == wire::TaskState::revoked ? wire::Verdict::revoked : wire::Verdict::too_late;
    job.states[index] = state;
    if (!job.settled[index]) --job.open;
    job.settled[index] = true;
  }
  revoke_waiters_.erase(first, last);
}

void BrokerCore::finish_revokes(BrokerEffects& out) {
  for (auto it = revoke_jobs_.begin(); it != revoke_jobs_.end();) {
    const RevokeJob& job = it->second;
    if (job.open > 0 || job.n > committed_) {
      ++it;
      continue;
    }
    Bytes payload;
    Writer packed{payload};
    packed.array(job.ids.size());
    for (std::size_t i = 0; i < job.ids.size(); ++i) {
      packed.array(3);
      wire::pack_id(packed, wire::view_of(job.ids[i]));
      packed.uinteger(static_cast<std::uint64_t>(job.verdicts[i]));
      packed.uinteger(static_cast<std::uint64_t>(job.states[i]));
    }
    reply(job.session, job.request, payload, out);
    it = revoke_jobs_.erase(it);
  }
}

namespace {
/// Was the task with this key handed in before the one with sequence number `end`?
bool is_older(std::int64_t key, std::uint64_t end) {
  const auto bits = static_cast<std::uint64_t>(key);
  if (key >= 0) return (bits & sequence_mask) < end;
  constexpr std::uint64_t kept =
      (std::uint64_t{1} << 30U) - 1;  // all that a scheduled task's key has of it
  return ((end - 1 - bits) & kept) < kept / 2;
}
}  // namespace

std::uint64_t BrokerCore::purge(Queue& queue) {
  // Durable before anybody is told, and in force at once: a crash may come before all of them were
  // found.
  if (rules_.d19_purge_in_force) queue.purged_before = sequence_;
  queue.changed = true;
  touch(last_now_);
  if (purges_resumed_) begin_purge(queue, sequence_);  // else it goes with those of before
  return queue.ready + queue.scheduled + queue.scheduled_on_disk + queue.blocked +
         asking_in(queue).size();
}

std::vector<Slot> BrokerCore::asking_in(const Queue& queue) const {
  std::vector<Slot> slots;
  const auto look_at = [&](const SlotRef& ref) {
    if (alive(ref) && tasks_[ref.slot].stage == Stage::asking &&
        tasks_[ref.slot].queue == queue.number)
      slots.push_back(ref.slot);
  };
  for (const auto& [home, refs] : asks_ready_) std::for_each(refs.begin(), refs.end(), look_at);
  for (const auto& [request, sent] : asks_sent_) {
    for (const auto& [id, ref] : sent.tasks) look_at(ref);
  }
  std::sort(slots.begin(), slots.end());  // one may have been asked about twice
  slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
  return slots;
}

void BrokerCore::resume_purges() {
  // Not while holding: a task that its worker still reports does not wait.
  purges_resumed_ = true;
  for (std::uint32_t number = 0; number < queues_.size(); ++number) {
    if (queues_[number].purged_before != 0)
      begin_purge(queues_[number], queues_[number].purged_before);
  }
}

void BrokerCore::begin_purge(const Queue& queue, std::uint64_t sequence_end) {
  Sweep sweep;
  sweep.number = next_request_++;
  sweep.purged_queue = queue.number;
  sweep.sequence_end = sequence_end;
  if (scheduled_on_disk_ > 0) sweep.ranges.push_back({schedule_disk_from_, schedule_end});
  for (std::uint32_t priority = 0; priority < 10; ++priority) {
    const Lane& lane = queue.lanes[priority];
    if (lane.on_disk > 0)
      sweep.ranges.push_back({lane.disk_from, queued_key(queue.number, priority, sequence_mask)});
  }
  sweeps_.push_back(std::move(sweep));
}

std::uint64_t BrokerCore::sweep_memory(Queue& queue, std::uint64_t sequence_end,
                                       std::uint64_t room) {
  const std::uint64_t before = endings_open_;
  for (Lane& lane : queue.lanes) {
    for (Slot slot = lane.head; slot != no_slot && endings_open_ - before < room;) {
      const Slot after = tasks_[slot].next;
      // What was handed in after the purge was answered is not what was to be purged.
      if (is_older(tasks_[slot].key, sequence_end)) begin_ending(slot, Ending::purged, "purged");
      slot = after;
    }
  }
  std::vector<Slot> others;
  for (const auto& [when, slot] : schedule_) {
    if (tasks_[slot].queue == queue.number && is_older(tasks_[slot].key, sequence_end) &&
        endings_open_ - before + others.size() < room) {
      others.push_back(slot);
    }
  }
  for (const auto& [when, ref] : retries_) {
    if (alive(ref) && tasks_[ref.slot].queue == queue.number &&
        tasks_[ref.slot].stage == Stage::scheduled &&
        is_older(tasks_[ref.slot].key, sequence_end) &&
        endings_open_ - before + others.size() < room) {
      others.push_back(ref.slot);
    }
  }
  if (queue.blocked > 0) {
    for (Slot slot = 0; slot < tasks_.slots(); ++slot) {
      if (tasks_[slot].stage == Stage::blocked && tasks_[slot].queue == queue.number &&
          is_older(tasks_[slot].key, sequence_end) &&
          endings_open_ - before + others.size() < room) {
        others.push_back(slot);
      }
    }
  }
  for (const Slot slot : asking_in(queue)) {
    if (is_older(tasks_[slot].key, sequence_end) && endings_open_ - before + others.size() < room)
      others.push_back(slot);
  }
  for (const Slot slot : others) begin_ending(slot, Ending::purged, "purged");
  return endings_open_ - before;
}

/// Is one of its tasks on its way to a worker, after the commit under way? It comes back if that
/// has gone.
bool BrokerCore::marks_in(const Queue& queue) const {
  return std::any_of(marks_.begin(), marks_.end(), [&](const auto& mark) {
    return alive(mark.task) && tasks_[mark.task.slot].stage == Stage::marking &&
           tasks_[mark.task.slot].queue == queue.number;
  });
}

void BrokerCore::run_sweep(BrokerEffects& out) {
  if (sweeps_.empty() || keys_loading_) return;
  Sweep& sweep = sweeps_.front();
  const bool ends = !sweep.orphans && sweep.query == 0;
  if (sweep.loading || (ends && !may_end_more())) return;
  if (sweep.purged_queue && sweep_memory(queues_[*sweep.purged_queue], sweep.sequence_end,
                                         options_.endings_max - endings_open_) > 0)
    return;
  if (sweep.ranges.empty()) {
    if (sweep.purged_queue) {
      if (marks_in(queues_[*sweep.purged_queue])) return;
      Queue& queue = queues_[*sweep.purged_queue];
      if (queue.purged_before == sweep.sequence_end) {  // else a later one goes on
        queue.purged_before = 0;
        queue.changed = true;
        touch(last_now_);
        urgent_ = true;
      }
    } else if (sweep.query != 0) {
      finish_query(sweep.query, out);
    } else if (sweep.orphans) {
      for (const auto& [id, number] :
           sweep.wanted) {  // not taken again: they wait for their resend
        if (const auto claim = claims_.find(number); claim != claims_.end())
          claim->second.sought = false;
      }
    } else if (const auto job = revoke_jobs_.find(sweep.revoke_job); job != revoke_jobs_.end()) {
      for (const auto& [id, index] : sweep.wanted) {  // found nowhere
        if (!job->second.settled[index]) --job->second.open;
        job->second.settled[index] = true;
      }
    }
    sweeps_.pop_front();
    return;
  }
  sweep.loading = true;
  load({.kind = LoadKind::sweep, .number = sweep.number}, sweep.ranges.back().from,
       sweep.ranges.back().to,
       !ends ? sweep_rows : std::min<std::size_t>(sweep_rows, options_.endings_max - endings_open_),
       sweep_bytes, out);
}

bool BrokerCore::swept(Slot slot, Now now) {
  for (Sweep& sweep : sweeps_) {
    Task& task = tasks_[slot];
    if (sweep.purged_queue) {
      if (task.queue != *sweep.purged_queue) continue;
      if (!is_older(task.key, sweep.sequence_end)) continue;
      begin_ending(slot, Ending::purged, "purged");
      return true;
    }
    if (sweep.query != 0) {
      note_found(sweep, slot);
      continue;
    }
    const auto found = sweep.wanted.find(id_of(task.raw()).to_id());
    if (found == sweep.wanted.end()) continue;
    const std::uint64_t value = found->second;
    sweep.wanted.erase(found);
    if (sweep.orphans) {
      if (!claims_.contains(value)) continue;  // its worker is gone meanwhile
      close_claim(value, slot, now);
      return true;
    }
    task.revoke_asked = true;
    if (may_be_held(task)) {
      if (const auto job = revoke_jobs_.find(sweep.revoke_job); job != revoke_jobs_.end())
        say_pending(job->second, value);
      continue;
    }
    begin_ending(slot, Ending::revoked, "revoked");
    urgent_ = true;
    revoke_waiters_.emplace(slot, std::pair{sweep.revoke_job, value});
    return true;
  }
  return false;
}

Slot BrokerCore::take_from_disk(const store::TaskRow& row, Now now) {
  const Slot slot = restore(row, now);
  if (slot == no_slot) return no_slot;
  Task& task = tasks_[slot];
  Queue& queue = queues_[task.queue];
  if (is_keyed(row.key)) {
    keyed_on_disk_ -= std::min<std::uint64_t>(keyed_on_disk_, 1);
    task.in_tail_region = true;  // so that it is not read a second time
    in_tail_region_[row.key] = slot;
  } else if (row.key < 0) {
    scheduled_on_disk_ -= std::min<std::uint64_t>(scheduled_on_disk_, 1);
    queue.scheduled_on_disk -= std::min<std::uint64_t>(queue.scheduled_on_disk, 1);
  } else {
    Lane& lane = queue.lanes[task.priority];
    const std::uint64_t one = std::min<std::uint64_t>(lane.on_disk, 1);
    lane.on_disk -= one;
    queue.ready -= one;
    task.in_tail_region = true;
    in_tail_region_[row.key] = slot;
  }
  return slot;
}

void BrokerCore::on_sweep_rows(const LoadPurpose& purpose, std::vector<store::TaskRow>& rows,
                               Now now, BrokerEffects& out) {
  static_cast<void>(out);
  if (sweeps_.empty() || sweeps_.front().number != purpose.number) return;
  Sweep& sweep = sweeps_.front();
  sweep.loading = false;
  std::size_t bytes = 0;
  for (const store::TaskRow& row : rows) {
    bytes += row.rec.size();
    sweep.ranges.back().from = row.key + 1;
    if (gone_.contains(row.key)) continue;
    if (row.key < 0) {
      // Read for another reason meanwhile: that reading asked `swept`.
      if (scheduled_keys_.contains(row.key) || row.key < schedule_disk_from_) continue;
    } else {
      const auto queue = static_cast<std::uint32_t>((row.key >> lane_shift) / 10);
      const auto priority = static_cast<std::size_t>(9 - (row.key >> lane_shift) % 10);
      const Lane& lane = queues_[queue].lanes[priority];
      if (lane.on_disk == 0 || in_tail_region_.contains(row.key) || row.key < lane.disk_from)
        continue;
    }
    const auto view = unpack_row(row.rec);
    if (!view) continue;
    const Queue* const home = queues_.home_of(view->task, true);
    const bool hit = sweep.purged_queue ? home != nullptr && home->number == *sweep.purged_queue &&
                                              is_older(row.key, sweep.sequence_end)
                                        : sweep.wanted.contains(view->task.id.to_id());
    if (!hit) continue;
    if (sweep.query != 0) {
      if (home != nullptr) note_found(sweep, row, *view, *home);
      continue;
    }
    if (holding_ && !sweep.purged_queue && !sweep.orphans) {
      const auto found = sweep.wanted.find(view->task.id.to_id());
      const auto job = revoke_jobs_.find(sweep.revoke_job);
      if (job != revoke_jobs_.end()) say_pending(job->second, found->second);
      revokes_held_.insert(sweep.wanted.extract(found));
      continue;
    }
    if (const Slot slot = take_from_disk(row, now); slot != no_slot && !swept(slot, now))
      admit(slot, now);
  }
  const bool range_ends = rows.size() < purpose.rows_max && bytes < purpose.bytes_max;
  if (range_ends || sweep.ranges.back().from > sweep.ranges.back().to) sweep.ranges.pop_back();
  if (!sweep.purged_queue && sweep.wanted.empty()) sweep.ranges.clear();
}

}  // namespace baozi::broker
