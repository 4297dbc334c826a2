/// \file task_store_thread.hpp
/// The broker's store on its own thread; store/store_thread.hpp says how it behaves.
#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>
#include <variant>
#include <vector>

#include "store/store_thread.hpp"
#include "store/task_store.hpp"

namespace baozi::store {

/// Every batch up to this position is on disk (D9).
struct Persisted {
  std::uint64_t n_upto = 0;
  std::uint64_t free_bytes = 0;
};
struct Loaded {
  std::uint64_t request = 0;
  std::vector<TaskRow> rows;
};
struct RecordsRead {
  std::uint64_t request = 0;
  std::vector<Record> records;
};
struct Counted {
  std::uint64_t request = 0;
  std::vector<PrefixCount> counts;
};

struct TaskStoreKind {
  struct Load {
    std::uint64_t request;
    std::int64_t from;
    std::int64_t to;
    std::size_t rows_max;
    std::size_t bytes_max;
  };
  struct Records {
    std::uint64_t request;
    Space space;
    Bytes after;
    std::size_t rows_max;
  };
  struct Count {
    std::uint64_t request;
    unsigned shift;
  };
  using Store = TaskStore;
  using Batch = TaskBatch;
  using Request = std::variant<Load, Records, Count>;
  using Event = std::variant<Persisted, Loaded, RecordsRead, Counted, CommitStalled, CommitResumed,
                             CommitFailed, RequestFailed>;

  static std::uint64_t number(const Batch& batch) { return batch.n; }
  static std::size_t rows(const Batch& batch) { return batch.rows(); }
  static std::size_t bytes(const Batch& batch);
  static Result<Event> commit(Store& store, std::span<const Batch> batches);
  static Event serve(Store& store, Request&& request);
};

using TaskStoreEvent = TaskStoreKind::Event;

class TaskStoreThread : public StoreThread<TaskStoreKind> {
 public:
  using StoreThread::StoreThread;

  /// Answered by Persisted, which may cover several batches. `batch.n` must grow.
  void commit(TaskBatch batch) { ask(std::move(batch)); }
  /// TaskStore::load after all commits that were asked for before; answered by Loaded.
  void load(std::uint64_t request, std::int64_t from, std::int64_t to, std::size_t rows_max,
            std::size_t bytes_max) {
    ask(TaskStoreKind::Request{TaskStoreKind::Load{request, from, to, rows_max, bytes_max}});
  }
  /// TaskStore::records_after; answered by RecordsRead.
  void records(std::uint64_t request, Space space, Bytes after = {},
               std::size_t rows_max = std::numeric_limits<std::size_t>::max()) {
    ask(TaskStoreKind::Request{TaskStoreKind::Records{request, space, std::move(after), rows_max}});
  }
  /// TaskStore::count_by_prefix; answered by Counted.
  void count_by_prefix(std::uint64_t request, unsigned shift) {
    ask(TaskStoreKind::Request{TaskStoreKind::Count{request, shift}});
  }
};

}  // namespace baozi::store
