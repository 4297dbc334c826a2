// Workers: who they are, what they hold, what is theirs again after a restart, and what becomes of
// the deliveries of a lost one (delivery.md D2, D14, D15, D16).
#include <algorithm>
#include <utility>

#include "baozi/packing.hpp"
#include "broker/broker_core.hpp"
#include "broker/labels.hpp"

namespace baozi::broker {

namespace {
constexpr std::string_view direct_prefix = "direct:";  // queues of one worker, named after it
constexpr std::size_t lost_workers_max = 1'000;        // names that are remembered
constexpr int orphan_patience =
    2;  // livenesses that an orphan waits for its resend after the holding ended
}  // namespace

BrokerCore::Worker* BrokerCore::worker_of_session(const actor::Session& session) {
  const auto found = worker_index_.find(static_cast<std::uint64_t>(session.incarnation));
  if (found == worker_index_.end()) return nullptr;
  Worker* const worker = workers_[found->second].get();
  return worker->session == session.number ? worker : nullptr;
}

BrokerCore::Worker& BrokerCore::worker_of(const wire::Hello& hello, Now now) {
  const auto [entry, is_new] = worker_index_.try_emplace(hello.incarnation, 0);
  if (is_new) {
    const auto vacant = std::find(workers_.begin(), workers_.end(), nullptr);
    entry->second = static_cast<std::uint32_t>(vacant - workers_.begin());
    if (vacant == workers_.end()) workers_.emplace_back();
    workers_[entry->second] = std::make_unique<Worker>();
    workers_[entry->second]->index = entry->second;
    workers_[entry->second]->incarnation = Incarnation{hello.incarnation};
    if (roster_.insert(hello.incarnation).second) {
      Bytes row;
      Writer packed{row};
      packed.array(2);
      packed.str(hello.name);
      packed.integer(micros(now.wall));
      touch(now);
      note_record(store::Space::roster, key_bytes(hello.incarnation), row);
      workers_[entry->second]->roster_n = open_;
      urgent_ = true;
    }
  }
  Worker& worker = *workers_[entry->second];
  worker.name = hello.name;
  lost_workers_.erase(worker.name);
  worker.labels.assign(hello.labels.begin(), hello.labels.end());
  worker.concurrency = std::max<std::uint32_t>(hello.concurrency, 1);
  worker.local = hello.pid != 0 && hello.pid == options_.pid && hello.host == options_.host;
  set_limits(hello.limits);
  worker.early = {hello.early.begin(), hello.early.end()};
  worker.last_heard = now.mono;
  worker.goodbye = false;
  worker.answers.clear();
  worker.held.clear();
  worker.answered = 0;
  worker.outgoing.clear();
  worker.entries = worker.credit = worker.credit_bytes = 0;
  worker.delivered = worker.delivered_bytes = worker.returned = worker.returned_bytes = 0;
  consume(worker, hello.queues.empty() ? std::vector<std::string_view>{{}} : hello.queues, {});
  roster_awaited_.erase(hello.incarnation);
  return worker;
}

void BrokerCore::consume(Worker& worker, const std::vector<std::string_view>& names,
                         const std::vector<std::string_view>& excluded) {
  for (const std::uint32_t number : worker.queues)
    std::erase(queues_[number].consumers, worker.index);
  worker.queues.clear();
  for (const std::string_view name : names) {
    if (name.starts_with(direct_prefix) && name.substr(direct_prefix.size()) != worker.name)
      continue;
    Queue* const queue = queues_.get(name);
    if (queue == nullptr ||
        std::find(excluded.begin(), excluded.end(), queue->name) != excluded.end())
      continue;
    consume(worker, *queue);
    for (const std::uint32_t number : queue->labelled) {
      if (satisfies(worker.labels, queues_[number].labels)) consume(worker, queues_[number]);
    }
  }
}

void BrokerCore::consume(Worker& worker, Queue& queue) {
  if (std::find(worker.queues.begin(), worker.queues.end(), queue.number) != worker.queues.end())
    return;
  worker.queues.push_back(queue.number);
  queue.consumers.push_back(worker.index);
}

void BrokerCore::serve_new_queues() {
  for (const std::uint32_t number : queues_.take_new_labelled()) {
    Queue& queue = queues_[number];
    const std::vector<std::uint32_t> candidates = queues_[queue.base].consumers;
    for (const std::uint32_t index : candidates) {
      if (satisfies(workers_[index]->labels, queue.labels)) consume(*workers_[index], queue);
    }
  }
}

void BrokerCore::take_holds(Worker& worker, const wire::Hello& hello, Now now, BrokerEffects& out) {
  std::set<Slot> before;
  for (Slot slot = worker.leases; slot != no_slot; slot = tasks_[slot].next) {
    before.insert(slot);
  }
  // Claims of an earlier session are made anew from this HELLO; what they kept will be sent again.
  for (auto it = claims_.begin(); it != claims_.end();) {
    if (it->second.worker == worker.index) {
      orphans_.erase(it->second.id);
      it = claims_.erase(it);
    } else {
      ++it;
    }
  }
  for (const wire::HeldDelivery& hold : hello.holds) {
    if (hold.phase == wire::Hold::executing) ++worker.delivered;
    if (hold_again(worker, hold)) {
      Slot slot = tasks_.find(hold.number);
      if (slot == no_slot) slot = adopted_.at(hold.number).slot;
      before.erase(slot);
      if (wants_solitude(tasks_[slot])) worker.alone = true;
      if (tasks_[slot].revoke_asked) revokes_due_.push_back({slot, tasks_[slot].key});
    } else if (epoch_of(DeliveryNumber{hold.number}) != epoch_) {
      claim_older(worker, hold, now, out);
    }
  }
  // What it was given but does not report was never started: back to the queue, not charged.
  for (const Slot slot : before) {
    if (tasks_[slot].marked) {
      tasks_[slot].marked = false;
      note_update(slot);
    }
    requeue(slot);
  }
}

bool BrokerCore::hold_again(Worker& worker, const wire::HeldDelivery& hold) {
  Slot slot = tasks_.find(hold.number);
  if (slot == no_slot) {
    const auto old = adopted_.find(hold.number);
    if (old == adopted_.end() || !alive(old->second)) return false;
    slot = old->second.slot;
  }
  Task& task = tasks_[slot];
  const auto view = wire::decode_task(task.raw());
  if (!view || view->id != hold.id) return false;
  const bool newest =
      task.adopted != 0 ? task.adopted == hold.number : tasks_.number(slot) == hold.number;
  if (!newest) return false;
  if (task.stage == Stage::leased) return task.worker == worker.index;
  if (task.stage != Stage::ready && task.stage != Stage::asking) return false;
  // It had been taken for lost and nobody else has it yet: it is this worker's again.
  const bool had_it =
      task.history != nullptr && !task.history->losses.empty() &&
      task.history->losses.back().number == hold.number &&
      task.history->losses.back().incarnation == static_cast<std::uint64_t>(worker.incarnation);
  if (!had_it) return false;
  detach(slot);
  task.stage = Stage::leased;
  link_lease(slot, worker);
  return true;
}

Slot BrokerCore::find_by_key(std::int64_t key) const {
  for (Slot slot = 0; slot < tasks_.slots(); ++slot) {
    if (tasks_[slot].stage != Stage::free && tasks_[slot].key == key) return slot;
  }
  return no_slot;
}

void BrokerCore::claim_older(Worker& worker, const wire::HeldDelivery& hold, Now now,
                             BrokerEffects& out) {
  Claim claim;
  claim.worker = worker.index;
  claim.id = hold.id.to_id();
  claim.key = hold.key;
  claim.position = hold.position;
  claim.since = now.mono;
  const auto last = last_of_epoch_.find(epoch_of(DeliveryNumber{hold.number}));
  const bool was_committed =
      hold.position == 0 || last == last_of_epoch_.end() || hold.position <= last->second;
  if (!was_committed) {
    if (!rules_.d15_positions) return;  // the seeded bug: taken for removed
    // Brought again before its worker was heard: it is in memory, or its new row is read.
    if (const auto known = held_ids_.find(claim.id); known != held_ids_.end()) {
      claim.key = known->second.key;
      return claim_row(hold.number, std::move(claim),
                       alive(known->second) ? known->second.slot : no_slot, now, out);
    }
    ++counters_.orphans;
    claim.orphan = true;
    std::uint64_t& newest = orphans_[claim.id];
    newest = std::max<std::uint64_t>(newest, hold.number);
    // An epoch in between may have taken the task again, as another row, and joined them; the
    // worker knows nothing of that row.
    if (epoch_of(DeliveryNumber{hold.number}) + 1 < epoch_) {
      claim.sought = true;
      orphans_to_seek_[claim.id] = hold.number;
    }
    claims_[hold.number] = std::move(claim);
    return;
  }
  // Its row was committed once: it is in memory already, or it is read, or it was removed. While
  // holding nothing was paged in, so only a late worker costs the search.
  const Slot slot =
      holding_ && in_tail_region_.empty() && claims_.empty() ? no_slot : find_by_key(hold.key);
  claim_row(hold.number, std::move(claim), slot, now, out);
}

void BrokerCore::claim_row(std::uint64_t number, Claim&& claim, Slot slot, Now now,
                           BrokerEffects& out) {
  const std::int64_t key = claim.key;
  if (claims_.empty()) newest_claims_.clear();
  std::uint64_t& newest = newest_claims_[key];
  newest = std::max(newest, number);
  claims_[number] = std::move(claim);
  if (slot != no_slot) return close_claim(number, slot, now);
  load({.kind = LoadKind::claim, .number = number}, key, key, 1, SIZE_MAX, out);
}

void BrokerCore::on_claim_row(std::uint64_t number, std::vector<store::TaskRow>& rows, Now now) {
  const auto found = claims_.find(number);
  if (found == claims_.end() || found->second.orphan) return;
  Claim& claim = found->second;
  if (const Slot slot = find_by_key(claim.key); slot != no_slot)
    return close_claim(number, slot, now);
  if (!rows.empty() && !gone_.contains(claim.key)) {
    const auto view = unpack_row(rows.front().rec);
    if (view && view->task.id.to_id() == claim.id) {
      if (const Slot slot = take_from_disk(rows.front(), now); slot != no_slot)
        return close_claim(number, slot, now);
    }
  }
  give_up_claim(number);  // removed before the restart: its DONE is answered and forgotten
}

void BrokerCore::close_claim(std::uint64_t number, Slot slot, Now now) {
  const auto found = claims_.find(number);
  if (found == claims_.end()) return;
  Claim claim = std::move(found->second);
  orphans_.erase(claim.id);
  claims_.erase(found);
  Worker& worker = *workers_[claim.worker];
  Task& task = tasks_[slot];
  const auto view = wire::decode_task(task.raw());
  const bool same = view && view->id.to_id() == claim.id;
  const bool free_to_take = task.stage == Stage::ready || task.stage == Stage::asking ||
                            task.stage == Stage::loose || task.stage == Stage::scheduled ||
                            task.stage == Stage::paged || task.stage == Stage::blocked;
  if (!same) {
    if (claim.settle) resolve_answer(worker, claim.settle->entry, 0, true);
    return;
  }
  const auto newest = newest_claims_.find(claim.key);
  if (newest != newest_claims_.end() && newest->second > number) {
    // Its worker retried it, or gave it back, and was answered by a later delivery: that one
    // decides.
    remember_delivery(slot, worker, number, "followed by a later delivery");
  } else if (free_to_take) {
    detach(slot);
    adopt(slot, worker, number);
  } else {
    remember_delivery(slot, worker, number,
                      "reported too late");  // somebody else has it: its DONE still counts (D18)
  }
  const SlotRef ref{slot, task.key};
  if (claim.settle) {
    const std::uint64_t entry = claim.settle->entry;
    const std::uint64_t n = settle(worker, number, std::move(*claim.settle), now);
    resolve_answer(worker, entry, n, n == 0);
  }
  if (!alive(ref) || tasks_[slot].stage != Stage::loose) return;
  // It was read for this claim. The later one has it now, or nobody, when that one's worker is
  // gone.
  if (claims_.contains(newest->second)) return close_claim(newest->second, slot, now);
  admit(slot, now);
}

void BrokerCore::give_up_claim(std::uint64_t number) {
  const auto found = claims_.find(number);
  if (found == claims_.end()) return;
  Claim claim = std::move(found->second);
  if (claim.orphan) {
    ++counters_.orphans_given_up;
    orphans_.erase(claim.id);
  }
  claims_.erase(found);
  if (claim.settle) {
    ++counters_.stale_done;
    resolve_answer(*workers_[claim.worker], claim.settle->entry, 0, true);
  }
}

void BrokerCore::seek_orphans(Now now) {
  if (orphans_to_seek_.empty()) return;
  Sweep sweep;
  sweep.number = next_request_++;
  sweep.orphans = true;
  sweep.wanted = std::exchange(orphans_to_seek_, {});
  for (Slot slot = 0; slot < tasks_.slots() && !sweep.wanted.empty(); ++slot) {
    if (tasks_[slot].stage == Stage::free) continue;
    const auto view = wire::decode_task(tasks_[slot].raw());
    const auto found = view ? sweep.wanted.find(view->id.to_id()) : sweep.wanted.end();
    if (found == sweep.wanted.end()) continue;
    close_claim(found->second, slot, now);
    sweep.wanted.erase(found);
  }
  sweep.ranges = ranges_on_disk();
  sweeps_.push_back(std::move(sweep));
}

void BrokerCore::adopt(Slot slot, Worker& worker, std::uint64_t number) {
  Task& task = tasks_[slot];
  task.stage = Stage::leased;
  task.adopted = number;
  task.marked = task.acks_early;
  if (task.keyed && task.gate->until_started && !task.gate->started) {
    free_unique(task);
    task.gate->started = true;
    note_update(slot);
  }
  link_lease(slot, worker);
  adopted_[number] = SlotRef{slot, task.key};
  if (is_revoked(slot)) revokes_due_.push_back({slot, task.key});
  ++counters_.adopted;
}

void BrokerCore::remember_delivery(Slot slot, const Worker& worker, std::uint64_t number,
                                   std::string_view why) {
  Task& task = tasks_[slot];
  if (task.history == nullptr) task.history = std::make_unique<TaskHistory>();
  task.history->losses.push_back({number, static_cast<std::uint64_t>(worker.incarnation),
                                  micros(last_now_.wall), std::string{why}});
  adopted_[number] = SlotRef{slot, task.key};
}

void BrokerCore::lose_delivery(Slot slot, std::string_view why, Now now) {
  Task& task = tasks_[slot];
  const bool delivered = task.stage == Stage::leased;
  const Worker& worker = *workers_[task.worker];
  if (!delivered) {  // its mark was not durable yet: it never left
    task.marked = false;
    note_update(slot);
    return requeue(slot);
  }
  ++counters_.lost_deliveries;
  if (task.history == nullptr) task.history = std::make_unique<TaskHistory>();
  task.history->losses.push_back({task.adopted != 0 ? task.adopted : tasks_.number(slot),
                                  static_cast<std::uint64_t>(worker.incarnation), micros(now.wall),
                                  worker.name + ": " + std::string{why}});
  if (rules_.d16_count_when_made) ++task.lost;
  touch(now);
  note_update(slot);
  task.history->counted_n = open_;
  if (task.acks_early)
    return begin_ending(slot, Ending::lost_early,
                        "the worker that had it was lost; acks_early tasks are not repeated");
  if (task.revoke_asked) return begin_ending(slot, Ending::revoked, "revoked");
  if (task.lost >= task.limit) {
    return begin_ending(slot, Ending::dead, std::to_string(task.lost) + " deliveries were lost");
  }
  if (!may_have_result(task)) return requeue(slot);
  ask(slot);
}

void BrokerCore::lose_worker(Worker& worker, std::string_view why, Now now) {
  const bool goodbye = worker.goodbye;
  if (!goodbye) {
    ++counters_.lost_workers;
    if (lost_workers_.size() < lost_workers_max) {
      lost_workers_[worker.name] = {worker.incarnation, worker.last_heard};
    }
  }
  while (worker.leases != no_slot) {
    const Slot slot = worker.leases;
    if (goodbye) {
      requeue(slot);
    } else {
      lose_delivery(slot, why, now);
    }
  }
  for (auto it = claims_.begin(); it != claims_.end();) {
    if (it->second.worker == worker.index) {
      orphans_.erase(it->second.id);
      it = claims_.erase(it);
    } else {
      ++it;
    }
  }
  drop_worker(worker);
}

void BrokerCore::drop_worker(Worker& worker) {
  const auto incarnation = static_cast<std::uint64_t>(worker.incarnation);
  for (const std::uint32_t number : worker.queues)
    std::erase(queues_[number].consumers, worker.index);
  worker_index_.erase(incarnation);
  roster_.erase(incarnation);
  touch(last_now_);
  note_record(store::Space::roster, key_bytes(incarnation), std::nullopt);
  workers_[worker.index] = nullptr;
}

void BrokerCore::look_for_lost(Now now) {
  const Micros liveness{static_cast<std::int64_t>(options_.heartbeats.liveness_us)};
  for (auto& worker : workers_) {
    if (worker != nullptr && worker->session == 0 && now.mono - worker->last_heard >= liveness) {
      lose_worker(*worker, "lost: not heard of for the liveness", now);
    }
  }
  if (holding_ || claims_.empty()) return;
  std::vector<std::uint64_t> old;
  const bool takes_nothing =
      store_full_ || free_bytes_ < options_.reserve_bytes;  // what they wait for is refused
  for (auto& [number, claim] : claims_) {
    if (takes_nothing) claim.since = now.mono;
    if (claim.orphan && now.mono - claim.since >= liveness * orphan_patience) old.push_back(number);
  }
  for (const std::uint64_t number : old) give_up_claim(number);
}

void BrokerCore::end_holding(Now now) {
  if (!holding_) return;
  const bool all_heard = roster_awaited_.empty();
  if (!all_heard && now.mono < *holding_until_) return;
  for (const auto& [number, claim] : claims_) {
    if (!claim.orphan || claim.sought) return;  // a row is being read, or looked for
  }
  holding_ = false;
  holding_until_.reset();
  roster_lost_ = !all_heard;
  for (const std::uint64_t incarnation : roster_awaited_) {
    roster_.erase(incarnation);
    touch(now);
    note_record(store::Space::roster, key_bytes(incarnation), std::nullopt);
  }
  roster_awaited_.clear();
  for (auto& [number, claim] : claims_) claim.since = now.mono;
  held_ids_.clear();
  resume_purges();  // before anything is admitted
  resume_revokes();
  if (!keys_loading_) admit_keyed(now);
}

}  // namespace baozi::broker
