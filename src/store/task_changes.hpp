/// \file task_changes.hpp
/// What several batches come to: per key the last word, in key order, and erased keys that follow
/// one another as ranges. Pure.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "store/task_store.hpp"

namespace baozi::store {

struct KeyRange {
  std::int64_t from = 0;
  std::int64_t to = 0;  ///< included
  bool operator==(const KeyRange&) const = default;
};

struct TaskChanges {
  std::vector<const TaskRow*> puts;  ///< by ascending key, each key once; point into the batches
  std::vector<KeyRange>
      erases;  ///< ascending, disjoint; only keys that were erased and not put again
  std::vector<const Record*> records;  ///< by (space, key), each once; point into the batches
};

/// Within a batch erases come before puts, records in order; a later batch overrides an earlier
/// one.
[[nodiscard]] TaskChanges merge_batches(std::span<const TaskBatch> batches);

}  // namespace baozi::store
