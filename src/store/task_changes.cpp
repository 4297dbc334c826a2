#include "store/task_changes.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace baozi::store {
namespace {

struct Change {
  std::int64_t key = 0;
  std::size_t batch = 0;
  const TaskRow* put = nullptr;  // nullptr: erase
};

/// Sorts by key, keeping the order of batches, and leaves the last change of each key. Brokers
/// number tasks upwards, so most lists arrive sorted.
void sort_and_keep_last(std::vector<Change>& changes) {
  const auto by_key = [](const Change& a, const Change& b) { return a.key < b.key; };
  if (!std::is_sorted(changes.begin(), changes.end(), by_key)) {
    std::stable_sort(changes.begin(), changes.end(), by_key);
  }
  auto end = changes.begin();
  for (auto at = changes.begin(); at != changes.end(); ++at) {
    if (end != changes.begin() && std::prev(end)->key == at->key) {
      *std::prev(end) = *at;
    } else {
      *end++ = *at;
    }
  }
  changes.erase(end, changes.end());
}

void add_erase(std::vector<KeyRange>& ranges, std::int64_t key) {
  if (!ranges.empty() && ranges.back().to == key - 1) {
    ranges.back().to = key;
  } else {
    ranges.push_back({key, key});
  }
}

std::vector<const Record*> merge_records(std::span<const TaskBatch> batches) {
  std::vector<const Record*> records;
  for (const auto& batch : batches) {
    for (const auto& record : batch.records) records.push_back(&record);
  }
  const auto before = [](const Record* a, const Record* b) {
    return std::tie(a->space, a->key) < std::tie(b->space, b->key);
  };
  std::stable_sort(records.begin(), records.end(), before);
  std::vector<const Record*> last;
  for (const Record* record : records) {
    if (!last.empty() && !before(last.back(), record)) {
      last.back() = record;
    } else {
      last.push_back(record);
    }
  }
  return last;
}

}  // namespace

TaskChanges merge_batches(std::span<const TaskBatch> batches) {
  std::vector<Change> puts;
  std::vector<Change> erases;
  std::size_t put_count = 0;
  std::size_t erase_count = 0;
  for (const auto& batch : batches) {
    put_count += batch.puts.size();
    erase_count += batch.erases.size();
  }
  puts.reserve(put_count);
  erases.reserve(erase_count);
  for (std::size_t i = 0; i < batches.size(); ++i) {
    for (const auto& row : batches[i].puts) puts.push_back({row.key, i, &row});
    for (const auto key : batches[i].erases) erases.push_back({key, i, nullptr});
  }
  sort_and_keep_last(puts);
  sort_and_keep_last(erases);

  TaskChanges merged;
  merged.puts.reserve(puts.size());
  auto put = puts.begin();
  for (const auto& erase : erases) {
    for (; put != puts.end() && put->key < erase.key; ++put) merged.puts.push_back(put->put);
    const bool both = put != puts.end() && put->key == erase.key;
    // The same batch erases first, so its put stands.
    if (both && put->batch >= erase.batch) continue;
    if (both) ++put;
    add_erase(merged.erases, erase.key);
  }
  for (; put != puts.end(); ++put) merged.puts.push_back(put->put);
  merged.records = merge_records(batches);
  return merged;
}

}  // namespace baozi::store
