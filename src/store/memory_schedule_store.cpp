#include "store/memory_schedule_store.hpp"

#include <chrono>
#include <utility>

namespace baozi::store {
namespace {

Micros steady_now() {
  return std::chrono::duration_cast<Micros>(std::chrono::steady_clock::now().time_since_epoch());
}

std::string as_json(const beat::Entry& entry) { return entry.to_value().to_json(); }

}  // namespace

MemoryScheduleStore::MemoryScheduleStore(std::function<Micros()> clock)
    : clock_{clock ? std::move(clock) : steady_now} {}

Result<std::vector<StoredEntry>> MemoryScheduleStore::load(std::vector<std::string>&) {
  std::vector<StoredEntry> all;
  for (const auto& [name, stored] : entries_) all.push_back(stored);
  return all;
}

Result<std::optional<StoredEntry>> MemoryScheduleStore::find(const std::string& name) {
  const auto at = entries_.find(name);
  return at == entries_.end() ? std::nullopt : std::optional{at->second};
}

/// Every change goes through here.
void MemoryScheduleStore::note(WallTime at, const std::string& who, const std::string& what,
                               const std::string& entry, std::string before, std::string after) {
  changes_.push_back(
      {changes_.size() + 1, at, who, what, entry, std::move(before), std::move(after)});
  ++version_;
}

Result<void> MemoryScheduleStore::put(std::span<const beat::Entry> entries, const std::string& what,
                                      const std::string& who, WallTime now) {
  for (const beat::Entry& entry : entries) {
    const auto [at, is_new] = entries_.try_emplace(entry.name, StoredEntry{entry, {}, 0});
    if (!is_new && at->second.entry == entry) continue;
    note(now, who, what, entry.name, is_new ? "" : as_json(at->second.entry), as_json(entry));
    at->second.entry = entry;
  }
  return {};
}

Result<bool> MemoryScheduleStore::edit(const std::string& name, const Edit& change,
                                       const std::string& what, const std::string& who,
                                       WallTime now) {
  const auto at = entries_.find(name);
  if (at == entries_.end()) return false;
  Result<beat::Entry> after = change(at->second.entry);
  if (!after) return Unexpected{after.error()};
  if (*after == at->second.entry) return true;
  note(now, who, what, name, as_json(at->second.entry), as_json(*after));
  at->second.entry = std::move(*after);
  return true;
}

Result<bool> MemoryScheduleStore::remove(const std::string& name, const std::string& who,
                                         WallTime now) {
  const auto at = entries_.find(name);
  if (at == entries_.end()) return false;
  note(now, who, "remove", name, as_json(at->second.entry), "");
  entries_.erase(at);
  return true;
}

Result<bool> MemoryScheduleStore::request_run(const std::string& name, const std::string& who,
                                              WallTime now) {
  const auto at = entries_.find(name);
  if (at == entries_.end()) return false;
  ++at->second.run_requests;
  note(now, who, "run", name, as_json(at->second.entry), as_json(at->second.entry));
  return true;
}

Result<std::vector<ScheduleChange>> MemoryScheduleStore::changes(const std::string& entry,
                                                                 std::size_t limit) {
  std::vector<ScheduleChange> found;
  for (auto at = changes_.rbegin(); at != changes_.rend() && found.size() < limit; ++at) {
    if (entry.empty() || at->entry == entry) found.push_back(*at);
  }
  return found;
}

Result<void> MemoryScheduleStore::record(std::span<const EntryProgress> progress,
                                         const std::string& holder) {
  if (holder_ != holder || holder.empty()) {
    return unexpected(Errc::invalid, "store memory: " + holder + " does not lead any more");
  }
  for (const EntryProgress& entry : progress) {
    const auto at = entries_.find(entry.name);
    if (at == entries_.end()) continue;
    at->second.record = entry.record;
    if (!entry.disable || !at->second.entry.enabled) continue;
    const std::string before = as_json(at->second.entry);
    at->second.entry.enabled = false;
    note(entry.record.last_tick.value_or(WallTime{}), holder, "disable", entry.name, before,
         as_json(at->second.entry));
  }
  return {};
}

Result<bool> MemoryScheduleStore::lead(const std::string& holder, Micros span) {
  const Micros now = clock_();
  if (holder_ != holder && !holder_.empty() && lead_until_ > now) return false;
  holder_ = holder;
  lead_until_ = now + span;
  return true;
}

Result<void> MemoryScheduleStore::yield_lead(const std::string& holder) {
  if (holder_ == holder) holder_.clear();
  return {};
}

Result<std::string> MemoryScheduleStore::leader() {
  return lead_until_ > clock_() ? holder_ : std::string{};
}

}  // namespace baozi::store
