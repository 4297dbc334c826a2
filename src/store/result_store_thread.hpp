/// \file result_store_thread.hpp
/// The collector's store on its own thread; store/store_thread.hpp says how it behaves.
#pragma once
#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

#include "store/result_store.hpp"
#include "store/store_thread.hpp"

namespace baozi::store {

/// A row that lost (D18).
struct StoredLoss {
  std::uint64_t seq = 0;  ///< of the commit that it came with
  std::size_t index = 0;  ///< into that commit's rows
  ResultRow winner;
};
/// Every commit up to this one is on disk.
struct Stored {
  std::uint64_t upto_seq = 0;
  std::vector<StoredLoss> losses;
  std::uint64_t free_bytes = 0;
};
struct Found {
  std::uint64_t request = 0;
  std::vector<ResultRow> rows;
};
struct Erased {
  std::uint64_t request = 0;
  std::size_t erased = 0;
};
struct Expired {
  std::uint64_t request = 0;
  Sweep sweep;
};

struct ResultStoreKind {
  struct Find {
    std::uint64_t request;
    std::vector<TaskId> ids;
  };
  struct Erase {
    std::uint64_t request;
    std::vector<TaskId> ids;
  };
  struct Expire {
    std::uint64_t request;
    std::int64_t finished_before_us;
    std::size_t rows_max;
  };
  struct Batch {
    std::uint64_t seq = 0;
    std::vector<ResultRow> rows;
  };
  using Store = ResultStore;
  using Request = std::variant<Find, Erase, Expire>;
  using Event = std::variant<Stored, Found, Erased, Expired, CommitStalled, CommitResumed,
                             CommitFailed, RequestFailed>;

  static std::uint64_t number(const Batch& batch) { return batch.seq; }
  static std::size_t rows(const Batch& batch) { return batch.rows.size(); }
  static std::size_t bytes(const Batch& batch);
  static Result<Event> commit(Store& store, std::span<const Batch> batches);
  static Event serve(Store& store, Request&& request);
};

using ResultStoreEvent = ResultStoreKind::Event;

class ResultStoreThread : public StoreThread<ResultStoreKind> {
 public:
  using StoreThread::StoreThread;

  /// Answered by Stored, which may cover several commits. `seq` must grow.
  void commit(std::uint64_t seq, std::vector<ResultRow> rows) {
    ask(ResultStoreKind::Batch{seq, std::move(rows)});
  }
  /// ResultStore::find after all commits that were asked for before; answered by Found.
  void find(std::uint64_t request, std::vector<TaskId> ids) {
    ask(ResultStoreKind::Request{ResultStoreKind::Find{request, std::move(ids)}});
  }
  /// ResultStore::erase; answered by Erased.
  void erase(std::uint64_t request, std::vector<TaskId> ids) {
    ask(ResultStoreKind::Request{ResultStoreKind::Erase{request, std::move(ids)}});
  }
  /// ResultStore::expire; answered by Expired.
  void expire(std::uint64_t request, std::int64_t finished_before_us, std::size_t rows_max) {
    ask(ResultStoreKind::Request{ResultStoreKind::Expire{request, finished_before_us, rows_max}});
  }
};

}  // namespace baozi::store
