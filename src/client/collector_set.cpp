#include "client/collector_set.hpp"

#include <algorithm>
#include <utility>

namespace baozi::client {

namespace {
constexpr std::size_t ids_per_frame = 1'000;
}  // namespace

void CollectorSet::learn(actor::LinkId broker, const std::vector<wire::CollectorInfo>& list,
                         std::uint32_t& next_link, Now now, Random& random,
                         actor::NetEffects& net) {
  lists_[broker] = list;
  std::map<std::string, std::vector<std::string>> named;
  for (const auto& [from, infos] : lists_) {
    for (const wire::CollectorInfo& info : infos) {
      if (!info.endpoints.empty()) named.try_emplace(info.name, info.endpoints);
    }
  }
  for (auto& collector : collectors_) {
    const auto found = named.find(collector->key);
    collector->listed = found != named.end();
    if (!collector->listed || found->second == collector->endpoints) continue;
    collector->endpoints = found->second;
    collector->which = 0;
    if (collector->link.is_open() && collector->endpoint == collector->endpoints.front()) continue;
    net.close_links.push_back(collector->id);
    on_lost(*collector);
    open(*collector, next_link, now, net);
  }
  for (const auto& [name, endpoints] : named) {
    const bool known =
        std::any_of(collectors_.begin(), collectors_.end(),
                    [&, &name = name](const auto& collector) { return collector->key == name; });
    if (known) continue;
    auto collector = std::make_unique<Collector>(actor::LinkId{}, std::string{}, rules_);
    collector->key = collector->name = name;
    collector->endpoints = endpoints;
    open(*collector, next_link, now, net);
    collectors_.push_back(std::move(collector));
  }
  if (!named.empty() && !named.contains(home_)) {
    home_ =
        std::next(named.begin(), static_cast<std::ptrdiff_t>(random.below(named.size())))->first;
  }
}

const std::string& CollectorSet::use_home() {
  homes_used_.insert(home_);
  return home_;
}

CollectorSet::Collector* CollectorSet::find(actor::LinkId id) {
  for (auto& collector : collectors_) {
    if (collector->id == id) return collector.get();
  }
  return nullptr;
}

void CollectorSet::open(Collector& collector, std::uint32_t& next_link, Now now,
                        actor::NetEffects& net) {
  collector.id = actor::LinkId{next_link++};
  collector.endpoint = collector.endpoints[collector.which % collector.endpoints.size()];
  collector.tried = now.mono;
  net.open_links.push_back({collector.id, collector.endpoint});
}

void CollectorSet::on_open(Collector& collector, bool durable, Now now, actor::NetEffects& net) {
  collector.refetch.clear();
  collector.refetched = 0;
  collector.refetch_request = 0;
  collector.refetch_open.clear();
  // Our own results are at their home, or anywhere when their home was left open; ids from
  // elsewhere are watched.
  if (homes_used_.contains(collector.key) || homes_used_.contains({}))
    results_.own_ids(collector.refetch);
  watch_all(collector, durable, now, net);
}

void CollectorSet::watch_all(Collector& collector, bool durable, Now now, actor::NetEffects& net) {
  collector.watch_again.reset();
  std::vector<TaskId> foreign;
  results_.foreign_ids(foreign);
  send_watches(collector, foreign, durable, now, net);
}

void CollectorSet::send_watches(Collector& collector, std::span<const TaskId> ids, bool durable,
                                Now now, actor::NetEffects& net) {
  for (std::size_t at = 0; at < ids.size(); at += ids_per_frame) {
    wire::Watch message{durable ? wire::flag::watch_durable : 0, {}};
    for (std::size_t i = at; i < std::min(at + ids_per_frame, ids.size()); ++i) {
      message.ids.push_back(wire::view_of(ids[i]));
    }
    collector.send(message, now, net);
  }
}

bool CollectorSet::on_fetched(Collector& collector, const wire::Fetched& message) {
  if (collector.refetch_request == 0 || message.request != collector.refetch_request) return false;
  // Large records come in several frames under one number.
  for (const wire::FetchedEntry& entry : message.entries)
    collector.refetch_open.erase(entry.id.to_id());
  if (collector.refetch_open.empty()) collector.refetch_request = 0;
  return true;
}

bool CollectorSet::on_refused(Collector& collector, std::uint64_t request, Now now) {
  if (collector.refetch_request == 0 || request != collector.refetch_request) return false;
  collector.refetch.insert(collector.refetch.end(), collector.refetch_open.begin(),
                           collector.refetch_open.end());
  collector.refetch_open.clear();
  collector.refetch_request = 0;
  collector.refetch_after = now.mono + refused_patience;
  return true;
}

void CollectorSet::on_lost(Collector& collector) {
  collector.connected = false;
  collector.link.drop();
  collector.refetch.clear();
  collector.refetch_request = 0;
  collector.refetch_open.clear();
  collector.watch_again.reset();
}

void CollectorSet::fetch_next(Collector& collector, Now now, actor::NetEffects& net) {
  if (collector.refetch_request != 0 || !collector.link.is_open()) return;
  if (now.mono < collector.refetch_after) return;
  wire::Fetch fetch;
  while (collector.refetched < collector.refetch.size() && fetch.ids.size() < ids_per_frame) {
    const TaskId& id = collector.refetch[collector.refetched++];
    const wire::IdView view = wire::view_of(id);
    if (results_.contains(view) && collector.refetch_open.insert(id).second)
      fetch.ids.push_back(view);
  }
  if (!fetch.ids.empty()) {
    fetch.request = collector.refetch_request = next_request_++;
    collector.send(fetch, now, net);
  } else {
    collector.refetch = {};
    collector.refetched = 0;
  }
}

void CollectorSet::watch(std::span<const TaskId> ids, bool durable, Now now,
                         actor::NetEffects& net) {
  for (auto& collector : collectors_) {
    if (collector->link.is_open()) send_watches(*collector, ids, durable, now, net);
  }
}

void CollectorSet::turn(std::uint32_t& next_link, bool durable, Now now, actor::NetEffects& net) {
  std::erase_if(collectors_, [&](const auto& collector) {
    const bool gone = !collector->listed && !collector->link.is_open();
    if (gone) net.close_links.push_back(collector->id);
    return gone;
  });
  for (auto& collector : collectors_) {
    if (collector->link.is_open()) {
      collector->tried = now.mono;
      fetch_next(*collector, now, net);
      if (collector->watch_again && now.mono >= *collector->watch_again)
        watch_all(*collector, durable, now, net);
    } else if (collector->endpoints.size() > 1 &&
               now.mono - collector->tried >= endpoint_patience) {
      net.close_links.push_back(collector->id);
      on_lost(*collector);
      ++collector->which;
      open(*collector, next_link, now, net);
    }
  }
}

std::optional<MonoTime> CollectorSet::next_deadline() const {
  std::optional<MonoTime> due;
  const auto consider = [&](MonoTime at) { due = due ? std::min(*due, at) : at; };
  for (const auto& collector : collectors_) {
    if (!collector->link.is_open()) {
      if (collector->endpoints.size() > 1) consider(collector->tried + endpoint_patience);
    } else {
      if (collector->refetch_request == 0 && collector->refetched < collector->refetch.size())
        consider(collector->refetch_after);
      if (collector->watch_again) consider(*collector->watch_again);
    }
  }
  return due;
}

}  // namespace baozi::client
