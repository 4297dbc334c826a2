/// \file memory_result_store.hpp
/// ResultStore for tests, for transient collectors and as the model that the SQLite one is compared
/// with. Never fails.
#pragma once
#include <map>
#include <optional>

#include "store/result_store.hpp"

namespace baozi::store {

class MemoryResultStore final : public ResultStore {
 public:
  Result<std::vector<Loss>> commit_all(std::span<const std::span<const ResultRow>> parts) override;
  Result<std::vector<ResultRow>> find(std::span<const TaskId> ids) override;
  Result<std::size_t> erase(std::span<const TaskId> ids) override;
  Result<Sweep> expire(std::int64_t finished_before_us, std::size_t rows_max) override;
  std::uint64_t count() const override { return rows_.size(); }
  std::uint64_t free_bytes() override;
  std::uint64_t reserve_bytes() const override { return 0; }

 private:
  std::map<TaskId, ResultRow, IdOrder> rows_;
  std::optional<TaskId> swept_to_;
};

}  // namespace baozi::store
