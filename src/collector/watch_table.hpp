/// \file watch_table.hpp
/// Who wants to see which results: standing watches by origin (one per session, from HELLO) and
/// watches by id (from WATCH), which are used up by the result that they show. Threading: owned by
/// the collector's loop. Source: docs/protocol.md "Results"; speed.md decision 4.
#pragma once
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/ids.hpp"

namespace baozi::collector {

class WatchTable {
 public:
  struct Watcher {
    std::uint64_t session = 0;
    bool durable = false;  ///< standing: shown again once committed. By id: shown only then
  };

  explicit WatchTable(std::size_t ids_max) : ids_max_{ids_max} {}

  void stand(const Uuid& origin, Watcher watcher) { standing_[origin].push_back(watcher); }
  /// Empty when nobody watches the origin.
  [[nodiscard]] const std::vector<Watcher>& standing(BytesView origin) const;

  /// \return false when as many ids are watched as may be; nothing was added.
  [[nodiscard]] bool watch(const TaskId& id, Watcher watcher);
  [[nodiscard]] bool has_ids() const { return !by_id_.empty(); }
  /// The watchers of an id, or nullptr.
  [[nodiscard]] const std::vector<Watcher>* find(const TaskId& id) const;
  /// Ends the watches of an id: they saw what they waited for.
  void shown(const TaskId& id);

  /// Everything that a session watched.
  void drop(std::uint64_t session, BytesView origin);

  [[nodiscard]] std::size_t ids() const { return watches_; }

 private:
  std::size_t ids_max_;
  std::size_t watches_ = 0;
  std::unordered_map<Uuid, std::vector<Watcher>> standing_;
  std::unordered_map<TaskId, std::vector<Watcher>> by_id_;
  std::unordered_map<std::uint64_t, std::vector<TaskId>>
      ids_of_session_;  // may name ids that were shown since
};

}  // namespace baozi::collector
