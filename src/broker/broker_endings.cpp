// Endings that the broker makes, and questions it asks: the collector is the arbiter (delivery.md
// D16, D18, D19).
#include <algorithm>
#include <utility>

#include "baozi/packing.hpp"
#include "base/assert.hpp"
#include "broker/broker_core.hpp"

namespace baozi::broker {

namespace {

constexpr std::size_t frame_entries = 500;

struct EndingWords {
  wire::TaskState state;
  std::string_view type;
};
EndingWords words_of(Ending kind) {
  switch (kind) {
    case Ending::dead:
    case Ending::lost_early: return {wire::TaskState::failure, "WorkerLostError"};
    case Ending::rejected: return {wire::TaskState::failure, "Reject"};
    default: return {wire::TaskState::revoked, "TaskRevokedError"};
  }
}

}  // namespace

void BrokerCore::begin_ending(Slot slot, Ending kind, std::string text) {
  detach(slot);
  Task& task = tasks_[slot];
  task.stage = Stage::ending;
  task.ending = kind;
  if (task.history == nullptr) task.history = std::make_unique<TaskHistory>();
  task.history->ending_text = std::move(text);
  ++endings_open_;
  Queue& queue = queues_[task.queue];
  ++queue.ending;
  queue.ending_bytes += task.bytes;
  // The decision is durable before anybody hears of it: a restart goes on ending the task.
  touch(last_now_);
  note_update(slot);
  ending_marks_.push_back({open_, {slot, task.key}});
}

bool BrokerCore::end_if_due(Slot slot, Now now) {
  const Task& task = tasks_[slot];
  if (task.expires_us == 0 || task.expires_us > micros(now.wall)) return false;
  begin_ending(slot, Ending::expired, "expired");
  return true;
}

void BrokerCore::check_expiry(Now now) {
  while (!expiries_.empty() && expiries_.begin()->first <= micros(now.wall) && may_end_more()) {
    const SlotRef ref = expiries_.begin()->second;
    expiries_.erase(expiries_.begin());
    if (!alive(ref)) continue;
    const Stage stage = tasks_[ref.slot].stage;
    if (stage == Stage::ready || stage == Stage::scheduled || stage == Stage::blocked)
      begin_ending(ref.slot, Ending::expired, "expired");
  }
}

Bytes BrokerCore::ending_record(const Task& task, const wire::TaskView& view, Now now) const {
  const EndingWords words = words_of(task.ending);
  const Bytes body = wire::pack_failure(words.type, task.history->ending_text, {});
  Bytes bytes;
  Writer out{bytes};
  wire::pack_record(out, {.id = view.id,
                          .name = view.name,
                          .state = words.state,
                          .body = body,
                          .started_us = 0,
                          .finished_us = micros(now.wall),
                          .retries = task.retries,
                          .raw = {}});
  return bytes;
}

BrokerCore::Collector* BrokerCore::collector_for(const std::string& home) {
  if (home.empty()) return collectors_.empty() ? nullptr : &collectors_.begin()->second;
  const auto found = collectors_.find(home);
  return found == collectors_.end() ? nullptr : &found->second;
}

bool BrokerCore::choose_home(Slot slot) {
  Task& task = tasks_[slot];
  if (!rules_.d21_home_once || collectors_.empty() || !tasks_.origin(task.origin).home.empty())
    return false;
  const std::uint32_t origin =
      tasks_.intern(tasks_.origin(task.origin).id, collectors_.begin()->first);
  tasks_.retain_origin(origin);
  tasks_.release_origin(task.origin);
  task.origin = origin;
  note_update(slot);
  urgent_ = true;
  return true;
}

void BrokerCore::send_endings(Now now, BrokerEffects& out) {
  if (const auto homeless = endings_ready_.find({});
      rules_.d21_home_once && homeless != endings_ready_.end() && !collectors_.empty()) {
    for (const SlotRef& ref : std::exchange(homeless->second, {})) {
      if (alive(ref) && tasks_[ref.slot].stage == Stage::ending && choose_home(ref.slot))
        ending_marks_.push_back({open_, ref});
    }
  }
  for (auto& [home, ready] : endings_ready_) {
    Collector* const collector = ready.empty() ? nullptr : collector_for(home);
    actor::Session* const session =
        collector == nullptr ? nullptr : sessions_.find(collector->session);
    while (session != nullptr && !ready.empty()) {
      std::deque<Bytes> records;  // what the message's views point into
      wire::ResultMessage message;
      message.first = collector->results_sent + 1;
      for (std::size_t n = 0; n < frame_entries && !ready.empty();) {
        const SlotRef ref = ready.front();
        ready.pop_front();
        if (!alive(ref) || tasks_[ref.slot].stage != Stage::ending) continue;
        const Task& task = tasks_[ref.slot];
        const auto view = wire::decode_task(task.raw());
        BAOZI_ASSERT(view);
        const bool carried = task.ending == Ending::carried;
        records.push_back(carried ? task.history->carried_record : ending_record(task, *view, now));
        message.groups.push_back(
            {.origin = tasks_.origin(task.origin).id, .worker = {}, .entries = {}});
        wire::ResultEntry& entry = message.groups.back().entries.emplace_back();
        entry.number = tasks_.next_number(ref.slot);
        entry.generation = view->options.generation;
        entry.record.raw = records.back();
        if (carried) entry.raw_follow_ups = task.history->carried_follow_ups;
        collector->awaiting.emplace_back(ref, entry.number);
        ++collector->results_sent;
        ++n;
      }
      if (!message.groups.empty()) send(*session, message, out);
    }
  }
}

void BrokerCore::on_stored(Collector& collector, const wire::Stored& message, Now now,
                           BrokerEffects& out) {
  auto loss = message.losses.begin();
  while (!collector.awaiting.empty() && collector.first_awaiting <= message.upto) {
    const auto [ref, number] = collector.awaiting.front();
    collector.awaiting.pop_front();
    const std::uint64_t entry = collector.first_awaiting++;
    while (loss != message.losses.end() && loss->entry < entry) ++loss;
    if (!alive(ref) || tasks_[ref.slot].stage != Stage::ending || tasks_.number(ref.slot) != number)
      continue;
    if (loss != message.losses.end() && loss->entry == entry &&
        loss->code == wire::Lost::to_winner) {
      obey_winner(ref.slot, loss->record, loss->raw_follow_ups, now);
    } else {
      finish_ending(ref.slot, now, out);
    }
  }
}

void BrokerCore::finish_ending(Slot slot, Now now, BrokerEffects&) {
  const Task& task = tasks_[slot];
  if (task_events_) tell_ending(task);
  touch(now);
  wire::TaskState state = words_of(task.ending).state;
  switch (task.ending) {
    case Ending::expired: ++books_.expired; break;
    case Ending::revoked: ++books_.revoked; break;
    case Ending::dropped: ++books_.dropped; break;
    case Ending::purged: ++books_.purged; break;
    case Ending::lost_early: ++books_.failed; break;
    case Ending::dead:
    case Ending::rejected: bury(slot, task.history->ending_text, now); break;
    case Ending::carried: {
      ++counters_.carried;
      const Bytes record = task.history->carried_record;
      const Bytes follow_ups = task.history->carried_follow_ups;
      const auto view = wire::decode_record(record);
      return complete(slot, view ? view->state : wire::TaskState::failure, false, follow_ups, now);
    }
    case Ending::none: break;
  }
  revoke_settled(slot, state);
  remove_task(slot);
}

void BrokerCore::obey_winner(Slot slot, BytesView record, BytesView follow_ups, Now now) {
  ++counters_.winners;
  const auto view = wire::decode_record(record);
  complete(slot, view ? view->state : wire::TaskState::failure, false, follow_ups, now);
}

void BrokerCore::ask(Slot slot) {
  detach(slot);
  Task& task = tasks_[slot];
  task.stage = Stage::asking;
  ++queues_[task.queue].leased;
  asks_ready_[tasks_.origin(task.origin).home].push_back({slot, task.key});
}

void BrokerCore::send_asks(BrokerEffects& out) {
  for (auto& [home, ready] : asks_ready_) {
    Collector* const collector = ready.empty() ? nullptr : collector_for(home);
    actor::Session* const session =
        collector == nullptr ? nullptr : sessions_.find(collector->session);
    while (session != nullptr && !ready.empty()) {
      wire::Fetch message;
      AskSent sent;
      sent.collector = collector->name;
      while (!ready.empty() && message.ids.size() < frame_entries) {
        const SlotRef ref = ready.front();
        ready.pop_front();
        if (!alive(ref) || tasks_[ref.slot].stage != Stage::asking) continue;
        const auto view = wire::decode_task(tasks_[ref.slot].raw());
        BAOZI_ASSERT(view);
        message.ids.push_back(view->id);
        sent.tasks.emplace(view->id.to_id(), ref);
      }
      if (message.ids.empty()) continue;
      message.request = next_request_++;
      asks_sent_.emplace(message.request, std::move(sent));
      send(*session, message, out);
    }
  }
}

void BrokerCore::on_fetched(const wire::Fetched& message, Now now) {
  const auto found = asks_sent_.find(message.request);
  if (found == asks_sent_.end()) return;
  // Large records come in several frames under one number: what this one names is known now.
  auto& tasks = found->second.tasks;
  for (const wire::FetchedEntry& entry : message.entries) {
    const auto [first, last] = tasks.equal_range(entry.id.to_id());
    std::vector<SlotRef> named;
    for (auto it = first; it != last; ++it) named.push_back(it->second);
    tasks.erase(first, last);
    for (const SlotRef& ref : named) {
      if (!alive(ref) || tasks_[ref.slot].stage != Stage::asking) continue;
      const auto view = wire::decode_task(tasks_[ref.slot].raw());
      if (view && !entry.record.empty() && entry.generation >= view->options.generation) {
        obey_winner(ref.slot, entry.record, entry.raw_follow_ups, now);
      } else {
        requeue(ref.slot);
      }
    }
  }
  if (tasks.empty()) asks_sent_.erase(found);
}

void BrokerCore::collector_away(Collector& collector) {
  // What it had not answered is sent, or asked, again when it is back.
  for (const auto& [ref, number] : collector.awaiting) {
    if (alive(ref) && tasks_[ref.slot].stage == Stage::ending &&
        tasks_.number(ref.slot) == number) {
      endings_ready_[tasks_.origin(tasks_[ref.slot].origin).home].push_back(ref);
    }
  }
  collector.awaiting.clear();
  collector.first_awaiting = 1;
  collector.results_sent = 0;
  for (auto it = asks_sent_.begin(); it != asks_sent_.end();) {
    if (it->second.collector != collector.name) {
      ++it;
      continue;
    }
    for (const auto& [id, ref] : it->second.tasks) {
      if (alive(ref) && tasks_[ref.slot].stage == Stage::asking) {
        asks_ready_[tasks_.origin(tasks_[ref.slot].origin).home].push_back(ref);
      }
    }
    it = asks_sent_.erase(it);
  }
}

std::vector<wire::CollectorInfo> BrokerCore::collector_list() const {
  std::vector<wire::CollectorInfo> list;
  for (const auto& [name, collector] : collectors_) {
    if (list.size() < limits::collectors_max) list.push_back({name, collector.endpoints});
  }
  return list;
}

void BrokerCore::announce_collectors(BrokerEffects& out) {
  collectors_changed_ = false;
  const wire::Collectors message{collector_list()};
  sessions_.for_each([&](actor::Session& session) {
    if (session.role != wire::Role::collector) send(session, message, out);
  });
}

}  // namespace baozi::broker
