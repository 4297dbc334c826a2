/// \file result_store.hpp
/// What a collector keeps: one row per task, and the decision which result is *the* result (D18).
/// Threading: one owner thread (store/result_store_thread.hpp); no locks wanted outside.
/// Time: none; `finished_us` is the caller's.
/// Errors: as in store/task_store.hpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"

namespace baozi::store {

struct ResultRow {
  TaskId id;
  std::uint32_t generation = 0;   ///< raised by a deliberate retry only (D24)
  std::uint8_t state = 0;         ///< the wire's number of a terminal state
  std::uint64_t number = 0;       ///< of the delivery that ended the task
  std::uint64_t incarnation = 0;  ///< of the worker that ran it
  std::int64_t finished_us = 0;   ///< wall clock; what expiry goes by
  Bytes origin;                   ///< 16 bytes, or empty
  std::string worker;
  Bytes record;
  Bytes followups;
  bool operator==(const ResultRow&) const = default;
};

/// A row that was not stored because another delivery's result was there before it.
struct Loss {
  std::size_t index = 0;  ///< into the rows that were given to commit
  ResultRow winner;       ///< what is stored instead
  bool operator==(const Loss&) const = default;
};

/// What one step of the expiry sweep did.
struct Sweep {
  std::size_t erased = 0;
  bool end_reached = false;        ///< the next step starts again from the first id
  std::uint64_t rows = 0;          ///< in the store, after it
  std::vector<std::int64_t> kept;  ///< when those finished that it looked at and left
  bool operator==(const Sweep&) const = default;
};

/// The order of ids in a store, and so of the expiry sweep: texts first, then UUIDs, each by their
/// bytes.
struct IdOrder {
  bool operator()(const TaskId& a, const TaskId& b) const;
};

/// What becomes of a result when another one is stored for its id already.
enum class Ruling : std::uint8_t {
  replaces,  ///< a higher generation
  same,      ///< the winner's own delivery, sent again
  loses,
};
[[nodiscard]] Ruling judge(const ResultRow& stored, const ResultRow& late);

class ResultStore {
 public:
  ResultStore() = default;
  ResultStore(const ResultStore&) = delete;
  ResultStore& operator=(const ResultStore&) = delete;
  virtual ~ResultStore();

  /// All rows in one transaction, in order, synced before it returns. The first row for an id wins;
  /// a row of a higher generation replaces it. The winner's own delivery, stored again, is no loss:
  /// a resent RESULT is ordinary life on a network. Losses come by ascending index.
  [[nodiscard]] Result<std::vector<Loss>> commit(std::span<const ResultRow> rows) {
    return commit_all({&rows, 1});
  }
  /// The same for rows that lie in several places; indexes count through all of them.
  [[nodiscard]] virtual Result<std::vector<Loss>> commit_all(
      std::span<const std::span<const ResultRow>> parts) = 0;

  /// The rows that exist, in the order of `ids`; an id without a result is left out.
  [[nodiscard]] virtual Result<std::vector<ResultRow>> find(std::span<const TaskId> ids) = 0;

  /// Forgets results. Returns how many there were.
  [[nodiscard]] virtual Result<std::size_t> erase(std::span<const TaskId> ids) = 0;

  /// One step of a sweep over all ids that never ends: looks at the next `rows_max` rows at most
  /// and erases those that finished before `finished_before_us`. Where it stands is kept inside,
  /// not in the file.
  [[nodiscard]] virtual Result<Sweep> expire(std::int64_t finished_before_us,
                                             std::size_t rows_max) = 0;

  /// How many results there are. Exact, kept as a counter.
  [[nodiscard]] virtual std::uint64_t count() const = 0;

  /// Room for new rows, and the mark below which new work should be refused; see TaskStore.
  [[nodiscard]] virtual std::uint64_t free_bytes() = 0;
  [[nodiscard]] virtual std::uint64_t reserve_bytes() const = 0;

  /// Nothing to do for a while: give caches back.
  virtual void rest() {}
};

}  // namespace baozi::store
