// Taking tasks in: batches by number, whole or not at all (delivery.md D4 to D8).
#include <algorithm>
#include <list>

#include "base/assert.hpp"
#include "broker/broker_core.hpp"
#include "wire/home.hpp"

namespace baozi::broker {

namespace {

/// Whether `more` may be added to `held`. A batch is taken whole (D5), so one that is larger than
/// half the limit is taken once the rest leaves that half free: else it would wait for ever, even
/// for an empty queue.
bool leaves_room(std::uint64_t held, std::uint64_t more, std::uint64_t limit) {
  const std::uint64_t wanted = std::min(more, std::max<std::uint64_t>(limit / 2, 1));
  return held <= limit && wanted <= limit - held;
}

constexpr std::int64_t broker_age_us = 366LL * 24 * 3600 * 1'000'000;

}  // namespace

BrokerCore::Producer& BrokerCore::producer_of(const Uuid& id) {
  auto& producer = producers_[id];
  if (producer == nullptr) {
    producer = std::make_unique<Producer>();
    producer->id = id;
    producer->used_us = micros(last_now_.wall);
  }
  return *producer;
}

void BrokerCore::refuse_batch(actor::Session& session, const wire::BatchRefusal& refusal,
                              BrokerEffects& out) {
  const auto* const producer = static_cast<const Producer*>(session.owner);
  wire::Submitted message;
  message.upto = producer == nullptr ? 0 : producer->committed;
  message.refusals.push_back(refusal);
  send(session, message, out);
}

void BrokerCore::on_submit(actor::Session& session, wire::Submit& message, Now now,
                           BrokerEffects& out) {
  auto* const producer = static_cast<Producer*>(session.owner);
  if (producer == nullptr || producer->session != session.number) {
    ++counters_.not_allowed;
    return refuse(session, wire::ErrorCode::not_allowed,
                  "SUBMIT needs a producer id in HELLO, used by one session", out);
  }
  ++counters_.submits;
  producer->used_us = micros(now.wall);
  if (message.number <= producer->accepted) {
    ++counters_.submit_duplicates;
    if (message.number <= producer->committed)
      send(session, wire::Submitted{.upto = producer->committed, .refusals = {}}, out);
    return;
  }
  wire::BatchRefusal refusal;
  refusal.number = message.number;
  if (message.number != producer->accepted + 1 && rules_.d4_sequence) {
    ++counters_.submit_out_of_sequence;
    const auto late =
        std::find_if(late_refusals_.begin(), late_refusals_.end(),
                     [&](const LateRefusal& one) { return one.session == session.number; });
    if (late != late_refusals_.end()) {  // answered in order, so that it is not sent again too soon
      late->behind.push_back(message.number);
      return;
    }
    refusal.code = wire::Refusal::out_of_sequence;
    refusal.expected = producer->accepted + 1;
    return refuse_batch(session, refusal, out);
  }
  const auto full = [&](wire::Reason reason, std::uint64_t retry_after_us) {
    ++counters_.submit_full;
    refusal.code = wire::Refusal::full;
    refusal.reason = reason;
    refusal.retry_after_us = retry_after_us;
    refuse_batch(session, refusal, out);
  };
  if (draining_) return full(wire::Reason::draining, 1'000'000);
  if (store_full_ || free_bytes_ < options_.reserve_bytes)
    return full(wire::Reason::no_space, 250'000);
  // What another broker passes on are follow-ups (D25): they go in above the limits, and above the
  // hard ones they wait, whatever the queue does with others. Tasks that wait to move to a broker
  // do not stand in their way: two brokers that are full of what belongs to the other would wait
  // for ever.
  const bool passed_on = session.role == wire::Role::broker;
  if (!leaves_room(tasks_.size() - (passed_on ? to_move_ : 0), message.tasks.size(),
                   options_.memory_tasks_max) ||
      tasks_.bytes() - (passed_on ? to_move_bytes_ : 0) > options_.memory_bytes_max) {
    return full(wire::Reason::memory, 50'000);
  }
  if (keys_loading_ && std::any_of(message.tasks.begin(), message.tasks.end(),
                                   [](const wire::TaskView& task) { return task.options.keyed; })) {
    return full(wire::Reason::memory, 20'000);  // who holds what is not known yet
  }
  std::uint64_t holders_n = 0;  // the commit after which all that duplicates are told of is durable
  OnceOfBatch once_ids;
  once_ids.passed_on = passed_on;
  std::list<std::string> texts;
  std::map<std::string, std::uint32_t, std::less<>> keys_of_batch;
  // What the batch adds to each of its queues; nearly always it is one queue.
  std::map<Queue*, std::pair<std::uint64_t, std::uint64_t>> added;
  Queue* last = nullptr;
  std::pair<std::uint64_t, std::uint64_t>* counts = nullptr;
  std::string too_large;
  for (std::uint32_t i = 0; i < message.tasks.size(); ++i) {
    const wire::TaskView& task = message.tasks[i];
    if (task.raw.size() > options_.task_bytes_max) {
      too_large = "a task of " + std::to_string(task.raw.size()) + " bytes; at most " +
                  std::to_string(options_.task_bytes_max) + " are allowed";
      refusal.tasks.push_back({.index = i, .reason = wire::Reason::too_large, .text = too_large});
      continue;
    }
    if (task.options.once_until_us) [[unlikely]] {
      if (auto refused = once_refusal(task, once_ids, now)) {
        refused->index = i;
        refusal.tasks.push_back(*refused);
        continue;
      }
    }
    if (task.options.keyed) {
      const wire::TaskKeys keys = wire::read_keys(task.raw_options);
      const UniqueKey* const holder =
          keys.unique.empty() ? nullptr : holder_of_key(keys.unique, now);
      std::optional<TaskId> first;
      if (holder != nullptr) {
        const auto view = wire::decode_task(tasks_[holder->slot].raw());
        if (view) first = view->id.to_id();
        holders_n = std::max(holders_n, tasks_[holder->slot].position);
      } else if (!keys.unique.empty()) {
        const auto [known, fresh] = keys_of_batch.try_emplace(std::string{keys.unique}, i);
        if (!fresh) first = message.tasks[known->second].id.to_id();
      }
      if (first) {
        ++counters_.duplicates;
        texts.push_back(first->to_string());
        refusal.tasks.push_back(
            {.index = i, .reason = wire::Reason::duplicate, .text = texts.back()});
        continue;
      }
    }
    Queue* const queue = queues_.home_of(task);
    if (queue == nullptr) {
      refusal.tasks.push_back({.index = i,
                               .reason = wire::Reason::bad_task,
                               .text = task.options.labels.empty()
                                           ? "the broker has as many queues as it may"
                                           : "the queue has as many sets of labels as it may"});
      continue;
    }
    if (queue != last) {
      last = queue;
      counts = &added[queue];
    }
    ++counts->first;
    counts->second += task.raw.size();
    if (passed_on) {
      if (queue->tasks() - queue->to_move + counts->first <= queue->options.tasks_hard() &&
          queue->task_bytes() - queue->to_move_bytes + counts->second <=
              queue->options.bytes_hard())
        continue;
      return full(wire::Reason::queue_full, 20'000);
    }
    const bool fits = queue->tasks() + counts->first <= queue->options.tasks_max &&
                      queue->task_bytes() + counts->second <= queue->options.bytes_max;
    if (fits || queue->options.policy == FullPolicy::drop_head) continue;
    if (queue->options.policy == FullPolicy::block) {
      if (leaves_room(queue->tasks(), counts->first, queue->options.tasks_max) &&
          leaves_room(queue->task_bytes(), counts->second, queue->options.bytes_max)) {
        continue;
      }
      return full(wire::Reason::queue_full, 20'000);
    }
    refusal.tasks.push_back(
        {.index = i, .reason = wire::Reason::queue_full, .text = "the queue is full"});
    --counts->first;
    counts->second -= task.raw.size();
  }
  Drops drops;
  if (refusal.tasks.empty() && !passed_on) {
    for (const auto& [queue, more] : added) {
      if (queue->options.policy != FullPolicy::drop_head ||
          plan_drops(*queue, more.first, more.second, message.tasks, drops, now))
        continue;
      for (std::uint32_t i = 0; i < message.tasks.size(); ++i) {
        if (queues_.home_of(message.tasks[i]) != queue) continue;
        refusal.tasks.push_back({.index = i,
                                 .reason = wire::Reason::queue_full,
                                 .text = "the queue is full of tasks that cannot be dropped"});
      }
    }
  }
  if (!refusal.tasks.empty()) {
    ++counters_.submit_rejected;
    holders_n = std::max(holders_n, once_ids.holders_n);
    refusal.code = wire::Refusal::rejected;
    if (!rules_.d5_whole_batches) {  // the seeded bug: what was not refused is taken, and the
                                     // number stays free
      const std::uint32_t seeded = tasks_.intern(message.origin, message.home);
      for (std::uint32_t i = 0; i < message.tasks.size(); ++i) {
        if (std::none_of(refusal.tasks.begin(), refusal.tasks.end(),
                         [&](const auto& t) { return t.index == i; })) {
          accept(message.tasks[i], seeded, now);
        }
      }
    }
    if (holders_n > committed_ && rules_.d27_holder_durable) {
      LateRefusal late{holders_n, session.number, message.number, {}, {}};
      for (const wire::TaskRefusal& one : refusal.tasks) {
        late.tasks.push_back({one.index, one.reason, std::string{one.text}});
      }
      late_refusals_.push_back(std::move(late));
      urgent_ = true;
      return;
    }
    return refuse_batch(session, refusal, out);
  }
  producer->accepted = message.number;
  if (!producer->dirty) {
    producer->dirty = true;
    open_producers_.push_back(producer);
  }
  std::string_view home = message.home;
  if (home.empty() && !collectors_.empty())
    home = collectors_.begin()->first;  // D21: once, and written down
  const std::uint32_t origin = tasks_.intern(message.origin, home);
  // A home that its producer does not know is lost with the insert: the resent batch might get
  // another one.
  const bool home_chosen = message.home.empty() && rules_.d21_home_once;
  // A task that joins its orphan's DONE is gone at once, and would take the origin of the others
  // with it.
  tasks_.retain_origin(origin);
  for (const Slot slot : drops.queued)
    begin_ending(slot, Ending::dropped, "dropped: the queue was full");
  auto dropped = drops.own.begin();
  for (std::uint32_t i = 0; i < message.tasks.size(); ++i) {
    // Brokers pass tasks on for their keys, or for a limit: what has no key came for that.
    const bool moved = passed_on && wire::home_hash(message.tasks[i]) == 0;
    const Slot slot = accept(message.tasks[i], origin, now, home_chosen, moved);
    if (dropped == drops.own.end() || *dropped != i) [[likely]]
      continue;
    ++dropped;
    if (slot == no_slot) continue;
    const Stage stage = tasks_[slot].stage;  // it may have joined its orphan, or have been revoked
    if (stage == Stage::ready || stage == Stage::paged)
      begin_ending(slot, Ending::dropped, "dropped: the queue was full");
  }
  tasks_.release_origin(origin);
  confirms_.push_back({open_, producer, message.number});
  if ((message.flags & wire::flag::submit_sync) != 0) urgent_ = true;
  if (!rules_.d9_confirm_after_commit) {
    producer->committed = message.number;
    send(session, wire::Submitted{.upto = message.number, .refusals = {}}, out);
  }
}

bool BrokerCore::plan_drops(const Queue& queue, std::uint64_t tasks, std::uint64_t bytes,
                            const std::vector<wire::TaskView>& batch, Drops& drops, Now now) {
  const auto above = [](std::uint64_t held, std::uint64_t more, std::uint64_t limit) {
    return held + more > limit ? held + more - limit : 0;
  };
  std::uint64_t tasks_over = above(queue.tasks(), tasks, queue.options.tasks_max);
  std::uint64_t bytes_over = above(queue.task_bytes(), bytes, queue.options.bytes_max);
  if (tasks_over == 0 && bytes_over == 0) return true;
  // D19: with the outbox full, drop-head behaves as reject.
  const std::uint64_t room =
      options_.endings_max - std::min<std::uint64_t>(options_.endings_max, endings_open_);
  const auto may_drop = [&] {
    return (tasks_over > 0 || bytes_over > 0) && drops.queued.size() + drops.own.size() < room;
  };
  const auto drop = [&](auto& list, auto what, std::uint64_t its_bytes) {
    list.push_back(what);
    tasks_over -= std::min<std::uint64_t>(tasks_over, 1);
    bytes_over -= std::min(bytes_over, its_bytes);
  };
  for (const Lane& lane : queue.lanes) {
    for (Slot slot = lane.head; slot != no_slot && may_drop(); slot = tasks_[slot].next)
      drop(drops.queued, slot, tasks_[slot].bytes);
  }
  // The rest of the queue is what the batch itself brings, and its head goes as well; unless older
  // ones lie on disk.
  const std::size_t before = drops.own.size();
  if (queue.ready == queue.in_memory) {
    for (std::uint32_t priority = 0; priority < queue.lanes.size() && may_drop(); ++priority) {
      for (std::uint32_t i = 0; i < batch.size() && may_drop(); ++i) {
        const wire::TaskOptions& its = batch[i].options;
        if (its.priority != priority || its.keyed || its.eta_us.value_or(0) > micros(now.wall) ||
            queues_.home_of(batch[i]) != &queue)
          continue;
        drop(drops.own, i, batch[i].raw.size());
      }
    }
    std::sort(drops.own.begin(), drops.own.end());
  }
  const bool some_stay =
      drops.own.size() - before < tasks;  // else it is full of what cannot be dropped
  return tasks_over == 0 && bytes_over == 0 && some_stay;
}

Slot BrokerCore::accept(const wire::TaskView& view, std::uint32_t origin, Now now, bool home_chosen,
                        bool moved) {
  if (view.options.once_until_us && !mark_once(view, now))
      [[unlikely]] {  // of a batch it was refused before
    ++counters_.duplicate_follow_ups;
    return no_slot;
  }
  std::uint64_t window_us = 0;
  if (view.options.keyed) [[unlikely]] {
    const wire::TaskKeys keys = wire::read_keys(view.raw_options);
    window_us = keys.window_us;
    if (!keys.unique.empty() &&
        holder_of_key(keys.unique, now) != nullptr) {  // of a batch it was refused before
      ++counters_.duplicate_follow_ups;
      return no_slot;
    }
  }
  const Slot slot = tasks_.add(view.raw);
  BAOZI_ASSERT(slot != no_slot);  // memory_tasks_max lies far below the number of slots
  Queue* queue = queues_.home_of(view, true);
  if (queue == nullptr) queue = queues_.get({});  // a follow-up cannot be refused any more
  Task& task = tasks_[slot];
  task.queue = queue->number;
  task.priority = view.options.priority;
  task.ignore_result = view.options.ignore_result;
  task.acks_early = view.options.acks_early;
  task.limit = static_cast<std::uint16_t>(std::min<std::uint32_t>(
      view.options.delivery_limit != 0 ? view.options.delivery_limit : options_.delivery_limit,
      UINT16_MAX));
  task.eta_us = view.options.eta_us.value_or(0);
  task.expires_us = view.options.expires_us.value_or(0);
  task.origin = origin;
  task.home_chosen = home_chosen;
  task.moved = moved;
  if (view.options.once_until_us) [[unlikely]] {
    task.once = true;
    urgent_ = true;  // it leaves only after its commit
  }
  tasks_.retain_origin(origin);
  task.position = open_;
  const bool later = task.eta_us > micros(now.wall);
  const std::uint64_t sequence = sequence_++;
  task.key = view.options.keyed ? keyed_key(sequence)
             : later            ? scheduled_key(task.eta_us, sequence)
                                : queued_key(task.queue, task.priority, sequence);
  if (view.options.keyed) [[unlikely]] {
    task.keyed = true;
    task.gate = std::make_unique<Gate>();
    if (window_us != 0) {
      constexpr std::uint64_t longest = 3'650ULL * 24 * 3600 * 1'000'000;
      task.gate->free_at_us =
          micros(now.wall) + static_cast<std::int64_t>(std::min(window_us, longest));
    }
    join_gate(slot, view);
    urgent_ = true;  // it leaves only after its commit
  } else if (later) {
    scheduled_keys_.insert(task.key);
    ++queue->timed;
  }
  queue->bytes += task.bytes;
  queue->changed = true;
  ++books_.accepted;
  if (task_events_ && !moved) tell_sent(view);  // the one that had it did
  touch(now);
  note_insert(slot);
  if (task.expires_us != 0) expiries_.emplace(task.expires_us, SlotRef{slot, task.key});
  enqueue(slot, now);
  if (queue->is_at_hard_limit()) [[unlikely]]
    note_crowd(*queue);
  if (!orphans_.empty()) {
    if (const auto orphan = orphans_.find(view.id.to_id()); orphan != orphans_.end()) {
      // D15: never delivered a second time. It was put in its place first, so that its row is not
      // read from there.
      close_claim(orphan->second, slot, now);
      return slot;
    }
  }
  if (is_revoked(
          slot)) {  // before it came; from its place, which may lie among what is only on disk
    begin_ending(slot, Ending::revoked, "revoked");
    urgent_ = true;
  }
  if (holding_) held_ids_[view.id.to_id()] = SlotRef{slot, task.key};
  taken_this_turn_.push_back({slot, task.key});
  return slot;
}

void BrokerCore::enqueue(Slot slot, Now now) {
  Task& task = tasks_[slot];
  if (task.keyed) [[unlikely]] {
    return is_head(slot) ? let_go(slot, now) : block(slot);
  }
  if (task.eta_us > micros(now.wall) && task.key < 0) return schedule(slot);
  Queue& queue = queues_[task.queue];
  if (queue.lanes[task.priority].on_disk > 0 ||
      queue.in_memory + queue.parked >= options_.window_tasks)
    return page_out(slot);
  queues_.push_back(tasks_, slot);
}

void BrokerCore::expire_producers(Now now) {
  // A session that gave the same producer id and was overtaken may still point to it.
  const auto forget = [this](auto it) {
    sessions_.for_each([&](actor::Session& session) {
      if (session.owner == it->second.get()) session.owner = nullptr;
    });
    return producers_.erase(it);
  };
  for (auto it = producers_.begin(); it != producers_.end();) {
    const Producer& producer = *it->second;
    const bool idle =
        producer.session == 0 && !producer.dirty && producer.accepted == producer.committed;
    if (idle &&
        producer.accepted == 0) {  // it said HELLO and no more: there is nothing to remember
      it = forget(it);
      continue;
    }
    // A broker that was away for long goes on where it was: it cannot give its tasks up.
    const std::int64_t age = options_.producer_age_us + (producer.of_broker ? broker_age_us : 0);
    if (!idle || micros(now.wall) - producer.used_us <= age) {
      ++it;
      continue;
    }
    ++counters_.producers_expired;
    touch(now);
    note_record(store::Space::producers, Bytes{producer.id.view()}, std::nullopt);
    it = forget(it);
  }
  if (producers_.size() <= options_.producers_max) return;
  // Too many (D31): those go that were silent for longest. One with a session, or with a commit
  // open, stays.
  std::vector<std::pair<std::int64_t, Uuid>> silent;
  for (const auto& [id, producer] : producers_) {
    if (producer->session == 0 && !producer->dirty && !producer->of_broker &&
        producer->accepted == producer->committed)
      silent.emplace_back(producer->used_us, id);
  }
  const auto over =
      std::min<std::size_t>(producers_.size() - options_.producers_max, silent.size());
  std::nth_element(silent.begin(), silent.begin() + static_cast<std::ptrdiff_t>(over),
                   silent.end());
  for (std::size_t i = 0; i < over; ++i) {
    ++counters_.producers_dropped;
    touch(now);
    note_record(store::Space::producers, Bytes{silent[i].second.view()}, std::nullopt);
    forget(producers_.find(silent[i].second));
  }
}

}  // namespace baozi::broker
