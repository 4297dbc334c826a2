#include "collector/event_history.hpp"

#include <algorithm>

namespace baozi::collector {

namespace {

bool fits(std::string_view pattern, std::string_view name) {
  if (!pattern.empty() && pattern.back() == '*') {
    pattern.remove_suffix(1);
    return name.substr(0, pattern.size()) == pattern;
  }
  return pattern == name;
}

}  // namespace

bool EventFilter::wants(wire::EventType type, std::string_view name) const {
  if (type == wire::EventType::events_lost) return true;
  if (!types.empty() && std::find(types.begin(), types.end(), type) == types.end()) return false;
  if (names.empty()) return true;
  if (name.empty()) return false;
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& pattern) { return fits(pattern, name); });
}

std::size_t EventHistory::chunk_events() const {
  return std::clamp<std::size_t>(options_.events_max / 8, 1, 1'000);
}

void EventHistory::add(std::string_view node, const wire::EventView& event) {
  if (chunks_.empty() || chunks_.back().node != node ||
      chunks_.back().entries.size() >= chunk_events() ||
      chunks_.back().bytes.size() + event.raw.size() > chunk_bytes_max) {
    Chunk& fresh = chunks_.emplace_back();
    fresh.first = next_;
    fresh.node = node;
    bytes_ += chunk_cost + fresh.node.size();
  }
  Chunk& chunk = chunks_.back();
  Entry& entry = chunk.entries.emplace_back();
  entry.at = static_cast<std::uint32_t>(chunk.bytes.size());
  entry.size = static_cast<std::uint32_t>(event.raw.size());
  if (!event.name.empty()) {
    entry.name_at = entry.at + static_cast<std::uint32_t>(event.name.data() - event.raw.data());
    entry.name_size = static_cast<std::uint8_t>(event.name.size());
  }
  entry.type = event.type;
  chunk.bytes.append(event.raw);
  bytes_ += event.raw.size() + sizeof(Entry);
  ++next_;
  trim();
}

void EventHistory::trim() {
  while (chunks_.size() > 1 && (events() > options_.events_max || bytes_ > options_.bytes_max)) {
    const Chunk& front = chunks_.front();
    bytes_ -=
        front.bytes.size() + front.entries.size() * sizeof(Entry) + chunk_cost + front.node.size();
    chunks_.pop_front();
  }
}

std::uint64_t EventHistory::read(std::uint64_t from, const EventFilter& filter, const Part& part,
                                 std::vector<wire::FollowedGroup>& groups) const {
  auto chunk =
      std::upper_bound(chunks_.begin(), chunks_.end(), from,
                       [](std::uint64_t offset, const Chunk& c) { return offset < c.first; });
  if (chunk == chunks_.begin()) return from;
  --chunk;
  std::size_t count = 0;
  std::size_t bytes = 0;
  std::size_t looked = 0;
  for (; chunk != chunks_.end(); ++chunk) {
    const BytesView all{chunk->bytes};
    for (auto i = static_cast<std::size_t>(from - chunk->first); i < chunk->entries.size(); ++i) {
      const Entry& entry = chunk->entries[i];
      if (looked++ >= part.looked_max) return from;
      if (filter.wants(entry.type, all.substr(entry.name_at, entry.name_size))) {
        const bool first = count == 0;
        if (!first && (count >= part.count_max || bytes + entry.size > part.bytes_max)) return from;
        if (groups.empty() || groups.back().node != chunk->node) {
          groups.push_back({.node = chunk->node, .entries = {}});
        }
        wire::FollowedEntry& entry_out = groups.back().entries.emplace_back();
        entry_out.offset = from;
        entry_out.event.type = entry.type;
        entry_out.event.raw = all.substr(entry.at, entry.size);
        ++count;
        bytes += entry.size;
      }
      ++from;
    }
  }
  return from;
}

}  // namespace baozi::collector
