/// \file sqlite_result_store.hpp
/// ResultStore in one SQLite file, one row per result, for operators to query:
///   results(id PRIMARY KEY, …) WITHOUT ROWID    id is a 16-byte blob for a UUID, else text; no
///   second index readable                                    a view with UUIDs, states and times
///   as text
/// Expiry needs no index: ids are ordered in time where they are UUIDv7, and the sweep reads along
/// the key. crc is CRC-32C, as a signed number, over the row's fields as sqlite_result_store.cpp's
/// row_crc lists them.
#pragma once
#include <array>
#include <memory>
#include <optional>
#include <string>

#include "store/result_store.hpp"
#include "store/sqlite_file.hpp"

namespace baozi::store {

class SqliteResultStore final : public ResultStore {
 public:
  /// Errors as SqliteFile::open.
  [[nodiscard]] static Result<std::unique_ptr<ResultStore>> open(const std::string& path,
                                                                 const StoreOptions& options);

  Result<std::vector<Loss>> commit_all(std::span<const std::span<const ResultRow>> parts) override;
  Result<std::vector<ResultRow>> find(std::span<const TaskId> ids) override;
  Result<std::size_t> erase(std::span<const TaskId> ids) override;
  Result<Sweep> expire(std::int64_t finished_before_us, std::size_t rows_max) override;
  std::uint64_t count() const override { return static_cast<std::uint64_t>(count_); }
  std::uint64_t free_bytes() override { return file_->free_bytes(); }
  std::uint64_t reserve_bytes() const override { return file_->reserve_bytes(); }
  void rest() override { file_->rest(); }

 private:
  static constexpr std::array<int, 3> insert_sizes{50, 10, 1};
  struct IdRange {
    TaskId from;
    TaskId to;  ///< included
  };
  struct Swept {
    std::vector<IdRange> expired;
    std::optional<TaskId> stands_at;  ///< the last id looked at
    bool end_reached = false;
    std::vector<std::int64_t> kept;  ///< when the others finished
  };

  explicit SqliteResultStore(std::unique_ptr<SqliteFile> file) : file_{std::move(file)} {}
  Result<void> prepare();
  /// A row and its place among all that were given.
  struct Item {
    const ResultRow* row = nullptr;
    std::size_t index = 0;
  };
  /// What a commit comes to, apart from the rows that it writes.
  struct Tally {
    std::vector<Loss> losses;
    std::int64_t new_rows = 0;
  };
  /// The body of commit.
  Result<void> write(std::span<const std::span<const ResultRow>> parts, Tally& tally);
  /// Rows with different ids.
  Result<void> insert(std::span<const Item> items, Tally& tally);
  /// One row against what is stored.
  Result<void> settle(const Item& item, Tally& tally);
  Result<std::optional<ResultRow>> read(const TaskId& id);
  Result<Swept> look_for_expired(std::int64_t finished_before_us, std::size_t rows_max);
  Result<std::optional<TaskId>> id_column(const Statement& statement);
  Result<void> add_to_count(std::int64_t change);

  std::unique_ptr<SqliteFile> file_;  // first, so that statements end before their connection
  std::array<Statement, insert_sizes.size()> insert_;
  Statement replace_;
  Statement find_;
  Statement erase_one_;
  Statement erase_range_;
  Statement sweep_;
  Statement count_statement_;
  std::int64_t count_ = 0;
  std::optional<TaskId> swept_to_;
};

}  // namespace baozi::store
