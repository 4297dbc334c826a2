#include "store/memory_task_store.hpp"

#include <limits>

namespace baozi::store {

Result<void> MemoryTaskStore::commit(std::span<const TaskBatch> batches) {
  for (const auto& batch : batches) {
    for (const auto key : batch.erases) tasks_.erase(key);
    for (const auto& row : batch.puts) tasks_.insert_or_assign(row.key, row.rec);
    for (const auto& record : batch.records) {
      auto& table = spaces_[static_cast<std::size_t>(record.space)];
      if (record.value) {
        table.insert_or_assign(record.key, *record.value);
      } else {
        table.erase(record.key);
      }
    }
  }
  return {};
}

Result<std::vector<TaskRow>> MemoryTaskStore::load(std::int64_t from, std::int64_t to,
                                                   std::size_t rows_max, std::size_t bytes_max) {
  std::vector<TaskRow> rows;
  std::size_t bytes = 0;
  for (auto at = tasks_.lower_bound(from); at != tasks_.end() && at->first <= to; ++at) {
    if (rows.size() >= rows_max || (!rows.empty() && bytes >= bytes_max)) break;
    bytes += at->second.size();
    rows.push_back({at->first, at->second});
  }
  return rows;
}

Result<std::vector<Record>> MemoryTaskStore::records_after(Space space, BytesView after,
                                                           std::size_t rows_max) {
  const auto& table = spaces_[static_cast<std::size_t>(space)];
  std::vector<Record> records;
  auto at = after.empty() ? table.begin() : table.upper_bound(after);
  for (; at != table.end() && records.size() < rows_max; ++at) {
    records.push_back({space, at->first, at->second});
  }
  return records;
}

Result<std::vector<PrefixCount>> MemoryTaskStore::count_by_prefix(unsigned shift) {
  std::vector<PrefixCount> counts;
  for (const auto& [key, rec] : tasks_) {
    if (counts.empty() || counts.back().prefix != key >> shift) {
      counts.push_back({.prefix = key >> shift, .key_min = key});
    }
    auto& last = counts.back();
    ++last.rows;
    last.bytes += rec.size();
    last.key_max = key;
  }
  return counts;
}

std::uint64_t MemoryTaskStore::free_bytes() {
  return std::numeric_limits<std::uint64_t>::max() / 2;
}

}  // namespace baozi::store
