// Hard limits of queues: follow-ups pass their queue's limits, but not these (delivery.md D25). Nor
// do they fill an outbox beyond its own.
#include <algorithm>
#include <utility>

#include "baozi/packing.hpp"
#include "broker/broker_core.hpp"

namespace baozi::broker {

namespace {
// What is kept unanswered, of all queues (D31). What comes beyond that goes to the store, which has
// more room.
constexpr std::size_t held_max = 10'000;
constexpr std::size_t held_bytes_max = std::size_t{64} << 20U;

constexpr Micros looks_max{1'000'000};
constexpr Micros looks_min{10'000};
}  // namespace

void BrokerCore::note_crowd(const Queue& queue) {
  if (!rules_.d25_hard_limits) return;  // the seeded bug
  const auto [crowd, is_new] = crowds_.try_emplace(queue.number);
  if (!is_new) return;
  crowd->second.moved = last_now_.mono;
  crowd->second.tasks = queue.tasks();
  next_crowd_look_ = std::min(next_crowd_look_, last_now_.mono + look_every());
}

void BrokerCore::note_crowds() {
  for (std::uint32_t number = 0; number < queues_.size(); ++number) {
    if (queues_[number].is_at_hard_limit()) note_crowd(queues_[number]);
  }
}

Micros BrokerCore::look_every() const {
  return std::clamp(options_.queue_patience / 8, looks_min, looks_max);
}

bool BrokerCore::hold(const Worker& worker, std::uint64_t number, Settle& entry, Now now) {
  if (entry.waited_long) return false;
  const auto tasks = wire::decode_tasks(entry.follow_ups, limits::follow_ups_max);
  if (!tasks) return false;
  for (const wire::TaskView& task : *tasks) {
    std::deque<HeldDone>* const held = where_it_waits(task, entry);
    if (held == nullptr) continue;
    if (held_count_ >= held_max || held_bytes_ >= held_bytes_max) break;
    if (!entry.waited) ++counters_.done_held;
    entry.waited = true;
    ++held_count_;
    held_bytes_ += entry.bytes();
    held->push_back({worker.index, number, now.mono, std::move(entry)});
    return true;
  }
  return false;
}

std::deque<BrokerCore::HeldDone>* BrokerCore::where_it_waits(const wire::TaskView& task,
                                                             const Settle& entry) {
  // Who came first goes in first.
  const auto others_wait = [&](const std::deque<HeldDone>& held) {
    return !held.empty() && !entry.waited;
  };
  if (!homes_.empty()) {
    if (Peer* const peer = home_of(task)) {
      outboxes_full_ = outboxes_full_ || peer->outbox.is_full();
      return peer->outbox.is_full() || others_wait(peer->held) ? &peer->held : nullptr;
    }
  }
  const Queue* queue = queues_.home_of(task, true);
  if (queue == nullptr) queue = queues_.get({});  // as in `accept`
  const auto crowd = crowds_.find(queue->number);
  if (crowd == crowds_.end()) return nullptr;
  return others_wait(crowd->second.held) || queue->is_at_hard_limit() ? &crowd->second.held
                                                                      : nullptr;
}

void BrokerCore::look_after_crowds(Now now) {
  const bool looks = now.mono >= next_crowd_look_;
  if (looks) {
    look_at_crowds(now);
    next_crowd_look_ = now.mono + look_every();
  }
  bool over = false;
  for (auto at = crowds_.begin(); at != crowds_.end();) {
    const Queue& queue = queues_[at->first];
    Crowd& crowd = at->second;
    while (!crowd.held.empty()) {
      HeldDone& first = crowd.held.front();
      if (queue.is_at_hard_limit()) {
        // Its outcome is decided and may not change any more (P4): better beyond the limit than
        // never.
        if (!crowd.stuck || now.mono - first.since < options_.queue_patience) break;
        first.entry.waited_long = true;
        ++counters_.done_overdue;
      }
      HeldDone held = std::move(first);
      crowd.held.pop_front();
      let_in(std::move(held), now);
    }
    if (!crowd.held.empty() || queue.is_at_hard_limit()) {
      ++at;
      continue;
    }
    over = over || crowd.stuck;
    at = crowds_.erase(at);
  }
  full_queues_changed_ = full_queues_changed_ || over;
  if (crowds_.empty()) next_crowd_look_ = MonoTime::max();
}

void BrokerCore::let_in(HeldDone&& held, Now now) {
  --held_count_;
  held_bytes_ -= held.entry.bytes();
  Worker& worker = *workers_[held.worker];  // those of ended sessions were let go with them
  const std::uint64_t entry = held.entry.entry;
  const std::uint64_t n = settle(worker, held.number, std::move(held.entry), now);
  if (n != blocked) resolve_answer(worker, entry, n, n == 0);
}

/// Which of them nobody works on: nothing left it for long, and who has a task of it only waits for
/// an answer.
void BrokerCore::look_at_crowds(Now now) {
  std::map<std::uint32_t, std::uint64_t> waiting;  // leased tasks whose DONE is held, by queue
  const auto count = [&](const std::deque<HeldDone>& list) {
    for (const HeldDone& held : list) {
      Slot slot = tasks_.find(held.number);
      if (slot == no_slot) {
        const auto old = adopted_.find(held.number);
        if (old != adopted_.end() && alive(old->second)) slot = old->second.slot;
      }
      if (slot != no_slot && tasks_[slot].stage == Stage::leased) ++waiting[tasks_[slot].queue];
    }
  };
  for (const auto& [number, crowd] : crowds_) count(crowd.held);
  for (const auto& peer : peers_) count(peer->held);
  for (auto& [number, crowd] : crowds_) {
    const Queue& queue = queues_[number];
    const bool moves = queue.tasks() < crowd.tasks || queue.leased > waiting[number];
    if (moves) crowd.moved = now.mono;
    crowd.tasks = queue.tasks();
    const bool stuck = now.mono - crowd.moved >= options_.queue_patience;
    full_queues_changed_ = full_queues_changed_ || stuck != crowd.stuck;
    crowd.stuck = stuck;
  }
}

void BrokerCore::forget_held(const Worker& worker) {
  const auto forget = [&](std::deque<HeldDone>& list) {
    std::erase_if(list, [&](const HeldDone& held) {
      if (held.worker != worker.index) return false;
      --held_count_;
      held_bytes_ -= held.entry.bytes();
      return true;
    });
  };
  for (auto& [number, crowd] : crowds_) forget(crowd.held);
  for (auto& peer : peers_) forget(peer->held);
}

std::vector<std::string> BrokerCore::full_queues() const {
  std::vector<std::string> names;
  for (const auto& [number, crowd] : crowds_) {
    const Queue& queue = queues_[number];
    // Which tasks go to a queue with labels its name does not tell; their DONE wait here.
    if (!crowd.stuck || !queue.labels.empty()) continue;
    names.push_back(queue.name);
    if (queue.name == options_.default_queue) names.emplace_back();
  }
  return names;
}

void BrokerCore::tell_full_queues(actor::Session& session, const std::vector<std::string>& names,
                                  BrokerEffects& out) {
  Bytes arguments;
  Writer packed{arguments};
  packed.map(1);
  packed.str("queues");
  packed.array(names.size());
  for (const std::string& name : names) packed.str(name);
  send(session, wire::Control{.request = 0, .command = "queues.full", .arguments = arguments}, out);
}

void BrokerCore::tell_full_queues(BrokerEffects& out) {
  full_queues_changed_ = false;
  const std::vector<std::string> names = full_queues();
  for (const auto& worker : workers_) {
    if (worker == nullptr || worker->session == 0) continue;
    if (actor::Session* const session = sessions_.find(worker->session))
      tell_full_queues(*session, names, out);
  }
}

}  // namespace baozi::broker
