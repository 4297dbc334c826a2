#include "collector/watch_table.hpp"

#include <algorithm>

namespace baozi::collector {

const std::vector<WatchTable::Watcher>& WatchTable::standing(BytesView origin) const {
  static const std::vector<Watcher> nobody;
  if (origin.size() != 16 || standing_.empty()) return nobody;
  const auto found = standing_.find(Uuid::from_bytes(origin));
  return found == standing_.end() ? nobody : found->second;
}

bool WatchTable::watch(const TaskId& id, Watcher watcher) {
  if (watches_ >= ids_max_) return false;
  std::vector<Watcher>& watchers = by_id_[id];
  const auto same = std::find_if(watchers.begin(), watchers.end(), [&](const Watcher& other) {
    return other.session == watcher.session;
  });
  if (same != watchers.end()) {
    same->durable = watcher.durable;
    return true;
  }
  watchers.push_back(watcher);
  ++watches_;
  std::vector<TaskId>& ids = ids_of_session_[watcher.session];
  // A session that watches one id after the other must not gather the names of those long shown.
  if (ids.size() >= 64 && ids.size() == ids.capacity()) {
    std::erase_if(ids, [&](const TaskId& old) {
      const auto found = by_id_.find(old);
      return found == by_id_.end() ||
             std::none_of(found->second.begin(), found->second.end(),
                          [&](const Watcher& w) { return w.session == watcher.session; });
    });
  }
  ids.push_back(id);
  return true;
}

const std::vector<WatchTable::Watcher>* WatchTable::find(const TaskId& id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second;
}

void WatchTable::shown(const TaskId& id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  watches_ -= found->second.size();
  by_id_.erase(found);
}

void WatchTable::drop(std::uint64_t session, BytesView origin) {
  const auto is_its = [&](const Watcher& watcher) { return watcher.session == session; };
  if (origin.size() == 16) {
    const auto found = standing_.find(Uuid::from_bytes(origin));
    if (found != standing_.end() && std::erase_if(found->second, is_its) > 0 &&
        found->second.empty()) {
      standing_.erase(found);
    }
  }
  const auto ids = ids_of_session_.find(session);
  if (ids == ids_of_session_.end()) return;
  for (const TaskId& id : ids->second) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) continue;
    watches_ -= std::erase_if(found->second, is_its);
    if (found->second.empty()) by_id_.erase(found);
  }
  ids_of_session_.erase(ids);
}

}  // namespace baozi::collector
