/// \file sqlite_task_store.hpp
/// TaskStore in one SQLite file:
///   tasks(k INTEGER PRIMARY KEY, rec BLOB, crc INTEGER)    no second index; the broker rebuilds
///   the rest at start dead, producers, roster, epochs, queues, marks, meta   (key BLOB PRIMARY
///   KEY, rec BLOB, crc INTEGER) WITHOUT ROWID
/// crc is CRC-32C, as a signed number, over the key (an integer as 8 bytes, big-endian) and rec.
#pragma once
#include <array>
#include <memory>
#include <string>

#include "store/sqlite_file.hpp"
#include "store/task_store.hpp"

namespace baozi::store {

class SqliteTaskStore final : public TaskStore {
 public:
  /// Errors as SqliteFile::open.
  [[nodiscard]] static Result<std::unique_ptr<TaskStore>> open(const std::string& path,
                                                               const StoreOptions& options);

  Result<void> commit(std::span<const TaskBatch> batches) override;
  Result<std::vector<TaskRow>> load(std::int64_t from, std::int64_t to, std::size_t rows_max,
                                    std::size_t bytes_max) override;
  Result<std::vector<Record>> records_after(Space space, BytesView after,
                                            std::size_t rows_max) override;
  Result<std::vector<PrefixCount>> count_by_prefix(unsigned shift) override;
  std::uint64_t free_bytes() override { return file_->free_bytes(); }
  std::uint64_t reserve_bytes() const override { return file_->reserve_bytes(); }
  void rest() override { file_->rest(); }

 private:
  struct SpaceStatements {
    Statement put;
    Statement erase;
    Statement read;
  };
  /// Rows per INSERT: one statement for fifty rows costs a third less per row than fifty
  /// statements.
  static constexpr std::array<int, 3> put_sizes{50, 10, 1};

  explicit SqliteTaskStore(std::unique_ptr<SqliteFile> file) : file_{std::move(file)} {}
  Result<void> prepare();
  Result<void> write(std::span<const TaskBatch> batches);
  Result<void> put(std::span<const TaskRow* const> rows);
  SpaceStatements& statements(Space space) { return spaces_[static_cast<std::size_t>(space)]; }

  std::unique_ptr<SqliteFile> file_;  // first, so that statements end before their connection
  std::array<Statement, put_sizes.size()> put_;
  Statement erase_one_;
  Statement erase_range_;
  Statement load_;
  Statement count_;
  std::array<SpaceStatements, space_count> spaces_;
};

}  // namespace baozi::store
