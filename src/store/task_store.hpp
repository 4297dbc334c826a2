/// \file task_store.hpp
/// What a broker keeps: tasks by a 64-bit key, and a few small keyed tables. One transaction per
/// commit. Threading: one owner thread (store/task_store_thread.hpp); no locks wanted outside.
/// Time: none. What a record or a key means is the broker's business; the store moves bytes.
/// Errors, the same for every method:
///   Errc::store_full     no space; nothing of this call was kept, call again when there is space.
///   Errc::store_locked   somebody else is writing in the file; nothing was kept, call again.
///   Errc::store_corrupt  the file is damaged, the message says where; nothing was changed. Stop.
///   Errc::store_failed   a write or a sync failed; the store refuses everything from here on.
///   Stop: what
///                        was reported as committed is safe, the failed call may or may not be in
///                        the file.
#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace baozi::store {

/// The small tables, each (key, record).
enum class Space : std::uint8_t {
  dead,
  producers,
  roster,
  epochs,
  queues,
  marks,
  meta,
  peers,
  outbox
};
inline constexpr std::size_t space_count = 9;
[[nodiscard]] const char* to_string(Space space);

struct TaskRow {
  std::int64_t key = 0;
  Bytes rec;
  bool operator==(const TaskRow&) const = default;
};

struct Record {
  Space space{};
  Bytes key;
  std::optional<Bytes> value;  ///< nullopt erases
  bool operator==(const Record&) const = default;
};

struct TaskBatch {
  std::uint64_t n = 0;               ///< position in the epoch (D9); the store only echoes it
  std::vector<TaskRow> puts;         ///< insert or replace
  std::vector<std::int64_t> erases;  ///< done before the puts; a key that is not there is no error
  std::vector<Record> records;       ///< in order
  /// Rows that this batch touches; what commits are bounded by.
  [[nodiscard]] std::size_t rows() const { return puts.size() + erases.size() + records.size(); }
};

/// The tasks whose keys agree in all but their lowest `shift` bits.
struct PrefixCount {
  std::int64_t prefix = 0;  ///< key >> shift
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;  ///< of the records
  std::int64_t key_min = 0;
  std::int64_t key_max = 0;
  bool operator==(const PrefixCount&) const = default;
};

class TaskStore {
 public:
  TaskStore() = default;
  TaskStore(const TaskStore&) = delete;
  TaskStore& operator=(const TaskStore&) = delete;
  virtual ~TaskStore();

  /// All batches in one transaction, synced before it returns. Where batches touch the same key,
  /// the later one wins and the earlier one is never written.
  [[nodiscard]] virtual Result<void> commit(std::span<const TaskBatch> batches) = 0;

  /// Tasks with keys in [from, to], in key order: at most `rows_max`, and no further one once
  /// `bytes_max` bytes are read. The first is returned whatever its size, so a caller always gets
  /// on. Fewer rows than `rows_max` and bytes than `bytes_max` mean that the range ends there.
  [[nodiscard]] virtual Result<std::vector<TaskRow>> load(std::int64_t from, std::int64_t to,
                                                          std::size_t rows_max,
                                                          std::size_t bytes_max) = 0;

  /// The records of a space with keys after `after` (empty: from the first on), in byte order of
  /// their keys.
  [[nodiscard]] virtual Result<std::vector<Record>> records_after(Space space, BytesView after,
                                                                  std::size_t rows_max) = 0;
  [[nodiscard]] Result<std::vector<Record>> records(Space space) {
    return records_after(space, {}, std::numeric_limits<std::size_t>::max());
  }

  /// Every task counted, by ascending prefix; the books at start (D32). Walks the whole table and
  /// finds damage in its structure: 2 million tasks of 200 bytes take about half a second. \param
  /// shift  0 to 63
  [[nodiscard]] virtual Result<std::vector<PrefixCount>> count_by_prefix(unsigned shift) = 0;

  /// Room for new rows: what the file system offers us, and what is unused inside the file.
  [[nodiscard]] virtual std::uint64_t free_bytes() = 0;
  /// Below this many free bytes the broker refuses new tasks, so that endings can still be written
  /// (D10).
  [[nodiscard]] virtual std::uint64_t reserve_bytes() const = 0;

  /// Nothing to do for a while: give caches back.
  virtual void rest() {}
};

}  // namespace baozi::store
