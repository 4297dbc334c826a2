/// \file memory_task_store.hpp
/// TaskStore for tests, for transient brokers and as the model that the SQLite one is compared
/// with. Never fails.
#pragma once
#include <array>
#include <map>

#include "store/task_store.hpp"

namespace baozi::store {

class MemoryTaskStore final : public TaskStore {
 public:
  Result<void> commit(std::span<const TaskBatch> batches) override;
  Result<std::vector<TaskRow>> load(std::int64_t from, std::int64_t to, std::size_t rows_max,
                                    std::size_t bytes_max) override;
  Result<std::vector<Record>> records_after(Space space, BytesView after,
                                            std::size_t rows_max) override;
  Result<std::vector<PrefixCount>> count_by_prefix(unsigned shift) override;
  std::uint64_t free_bytes() override;
  std::uint64_t reserve_bytes() const override { return 0; }

 private:
  std::map<std::int64_t, Bytes> tasks_;
  std::array<std::map<Bytes, Bytes, std::less<>>, space_count> spaces_;
};

}  // namespace baozi::store
