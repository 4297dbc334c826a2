#include "store/memory_result_store.hpp"

#include <limits>

namespace baozi::store {

Result<std::vector<Loss>> MemoryResultStore::commit_all(
    std::span<const std::span<const ResultRow>> parts) {
  std::vector<Loss> losses;
  std::size_t index = 0;
  for (const auto rows : parts) {
    for (const auto& row : rows) {
      const auto [at, stored] = rows_.try_emplace(row.id, row);
      if (!stored) {
        switch (judge(at->second, row)) {
          case Ruling::replaces: at->second = row; break;
          case Ruling::same: break;
          case Ruling::loses: losses.push_back({index, at->second}); break;
        }
      }
      ++index;
    }
  }
  return losses;
}

Result<std::vector<ResultRow>> MemoryResultStore::find(std::span<const TaskId> ids) {
  std::vector<ResultRow> found;
  for (const auto& id : ids) {
    if (const auto at = rows_.find(id); at != rows_.end()) found.push_back(at->second);
  }
  return found;
}

Result<std::size_t> MemoryResultStore::erase(std::span<const TaskId> ids) {
  std::size_t erased = 0;
  for (const auto& id : ids) erased += rows_.erase(id);
  return erased;
}

Result<Sweep> MemoryResultStore::expire(std::int64_t finished_before_us, std::size_t rows_max) {
  Sweep sweep;
  auto at = swept_to_ ? rows_.upper_bound(*swept_to_) : rows_.begin();
  for (std::size_t seen = 0; seen < rows_max && at != rows_.end(); ++seen) {
    swept_to_ = at->first;
    if (at->second.finished_us < finished_before_us) {
      at = rows_.erase(at);
      ++sweep.erased;
    } else {
      sweep.kept.push_back(at->second.finished_us);
      ++at;
    }
  }
  sweep.rows = rows_.size();
  sweep.end_reached = at == rows_.end();
  if (sweep.end_reached) swept_to_.reset();
  return sweep;
}

std::uint64_t MemoryResultStore::free_bytes() {
  return std::numeric_limits<std::uint64_t>::max() / 2;
}

}  // namespace baozi::store
