/// \file sweep.hpp
/// One walk over the tasks that rest only in the store: to find tasks by id (revokes, orphans,
/// questions) or to end all tasks of a queue (purge). There is no index by id on purpose
/// (docs/decisions): revokes are rare, tasks are not.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/ids.hpp"

namespace baozi::broker {

struct Sweep {
  struct Range {
    std::int64_t from;
    std::int64_t to;
  };
  std::uint64_t number = 0;
  std::optional<std::uint32_t> purged_queue;  ///< purge: this queue …
  std::uint64_t sequence_end = 0;             ///< … up to this sequence
  std::uint64_t revoke_job = 0;               ///< revoke: which job
  std::uint64_t query = 0;  ///< question: which one; the tasks stay where they are
  bool orphans = false;     ///< or: tasks that workers reported (D15)
  /// Ids that are still looked for, and their index in the revoke's job, or the delivery that an
  /// orphan has.
  std::map<TaskId, std::uint64_t> wanted;
  std::vector<Range> ranges;  ///< what is still to be walked, from the back
  bool loading = false;
};

}  // namespace baozi::broker
