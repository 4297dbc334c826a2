// Collectors: which there are (the brokers say so), how they are reached, and what is sent to them
// (delivery.md D21, D22).
#include <algorithm>

#include "base/limits.hpp"
#include "worker/worker_core.hpp"

namespace baozi::worker {

namespace {
constexpr std::size_t states_max = 1'000;  // per collector and turn
}

CollectorPeer& WorkerCore::collector_named(std::string_view name) {
  const auto found = collectors_.find(name);
  if (found != collectors_.end()) return *found->second;
  auto collector = std::make_unique<CollectorPeer>();
  collector->name = name;
  collector->link = actor::Link{rules_};
  collectors_changed_ = true;  // it may turn out that nobody lists it
  return *collectors_.emplace(std::string{name}, std::move(collector)).first->second;
}

CollectorPeer* WorkerCore::any_open_collector() {
  for (const auto& [name, collector] : collectors_) {
    if (collector->link.is_open() && !collector->finished) return collector.get();
  }
  return nullptr;
}

void WorkerCore::list_collectors(Now now, WorkerEffects& out) {
  for (const auto& [name, collector] : collectors_) collector->listed = false;
  for (const auto& broker : brokers_) {
    for (const wire::CollectorInfo& info : broker->collectors) {
      CollectorPeer& collector = collector_named(info.name);
      if (collector.listed || collector.finished)
        continue;  // the first broker that names it is believed
      collector.listed = true;
      if (collector.id && collector.endpoints == info.endpoints) continue;
      disconnect(collector, out);
      collector.endpoints = info.endpoints;
      collector.endpoint = 0;
      collector.tried_since = now.mono;
      if (!info.endpoints.empty()) {
        collector.id = open_link(info.endpoints.front(), {nullptr, &collector}, out);
      }
    }
  }
  collectors_changed_ = true;
}

void WorkerCore::disconnect(CollectorPeer& collector, WorkerEffects& out) {
  if (!collector.id) return;
  out.net.close_links.push_back(*collector.id);
  links_.erase(static_cast<std::uint32_t>(*collector.id));
  collector.id.reset();
  collector.link.drop();
  collector.reached = false;
  collector.states.clear();
}

void WorkerCore::try_next_endpoint(CollectorPeer& collector, Now now, WorkerEffects& out) {
  if (collector.endpoints.size() < 2) return;
  if (now.mono - collector.tried_since < options_.connect_patience) return;
  disconnect(collector, out);
  collector.endpoint = (collector.endpoint + 1) % collector.endpoints.size();
  collector.tried_since = now.mono;
  collector.id = open_link(collector.endpoints[collector.endpoint], {nullptr, &collector}, out);
}

void WorkerCore::drop_unused_collectors(WorkerEffects& out) {
  collectors_changed_ = false;
  for (auto it = collectors_.begin(); it != collectors_.end();) {
    CollectorPeer& collector = *it->second;
    if (collector.listed || collector.users > 0 || collector.link.is_open() || collector.finished) {
      ++it;
      continue;
    }
    disconnect(collector, out);
    it = collectors_.erase(it);
  }
}

void WorkerCore::flush_collector(CollectorPeer& collector, Now now, WorkerEffects& out) {
  if (!collector.link.is_open()) return;
  if (collector.results.unsent() > 0) {
    std::uint64_t frame_max = collector.link.welcome().frame_bytes_max;
    if (frame_max == 0 || frame_max > limits::frame_bytes_max) frame_max = limits::frame_bytes_max;
    counters_.results_sent += collector.results.unsent();
    collector.results.flush(
        table_, options_.name, frame_max,
        [&](const wire::ResultMessage& message) {
          send(*collector.id, collector.link, message, now, out);
        },
        [&](Slot slot) {
          replace_result(slot, "the result does not fit into a frame of the collector");
        });
  }
  if (collector.states.empty()) return;
  wire::StateMessage message;
  for (const StateNote& note : collector.states) {
    if (message.groups.empty() || message.groups.back().origin != note.origin) {
      message.groups.push_back({note.origin, options_.name, {}});
    }
    message.groups.back().entries.push_back({note.id(), note.state, note.meta});
  }
  send(*collector.id, collector.link, message, now, out);
  collector.states.clear();
}

void WorkerCore::note_state(Held& held, std::string_view state, BytesView meta) {
  if (held.told == nullptr) held.told = std::make_unique<ToldState>();
  held.told->state = state;
  held.told->meta = meta;
  CollectorPeer* const collector = held.home != nullptr ? held.home : any_open_collector();
  if (collector == nullptr || !collector->link.is_open() ||
      collector->states.size() >= states_max) {
    ++counters_.states_late;
    return;
  }
  lay_state(*collector, held);
}

void WorkerCore::lay_state(CollectorPeer& collector, const Held& held) {
  const wire::IdView id = held.id();
  collector.states.push_back({.uuid = id.uuid,
                              .id_bytes = Bytes{id.bytes},
                              .origin = Bytes{held.origin_view()},
                              .state = held.told->state,
                              .meta = held.told->meta});
}

void WorkerCore::tell_states_again(CollectorPeer& collector) {
  table_.for_each([&](Slot, const Held& held) {
    const bool is_theirs = held.home == &collector || held.home == nullptr;
    const bool goes_on = held.phase == Phase::pooled || held.phase == Phase::settle;
    if (held.told != nullptr && is_theirs && goes_on) lay_state(collector, held);
  });
}

}  // namespace baozi::worker
