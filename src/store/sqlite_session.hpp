/// \file sqlite_session.hpp
/// SqlSession on an SQLite file. The file is watched: when another one has taken its place the next
/// transaction is in that one, and when it is gone it fails instead of writing into the void.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <sys/types.h>

#include "store/sql_session.hpp"
#include "store/sqlite_db.hpp"
#include "store/sqlite_file.hpp"
#include "store/store_options.hpp"

namespace baozi::store {

class SqliteSession final : public SqlSession {
 public:
  /// Opens `path`, or creates it when nothing is there.
  [[nodiscard]] static Result<std::unique_ptr<SqliteSession>> open(const std::string& path,
                                                                   const FileKind& kind,
                                                                   const StoreOptions& options);

  Result<void> begin(bool writing) override;
  Result<void> commit() override;
  void roll_back() override;
  Result<void> query(const std::string& sql, const Row& parameters, const OnRow& on_row) override;
  Result<void> run_for_each(const std::string& sql, std::span<const Row> rows) override;
  std::string select_instant(std::string_view column) const override { return std::string{column}; }
  std::string clock() const override;
  std::string clock_name() const override;
  std::string name() const override { return "store " + path_; }

 private:
  struct FileId {
    dev_t device{};
    ino_t inode{};
    bool operator==(const FileId&) const = default;
  };
  SqliteSession(std::string path, const FileKind& kind, const StoreOptions& options)
      : path_{std::move(path)}, kind_{kind}, options_{options} {}
  [[nodiscard]] std::optional<FileId> file_id() const;
  Result<void> connect();
  Result<void> check_kind(Database& db) const;
  void disconnect();
  Result<Statement*> prepared(const std::string& sql);
  /// Binds and runs; a row is handed to `on_row`.
  Result<void> run(Statement& statement, const Row& parameters, const OnRow* on_row);
  Unexpected failure(std::string_view doing);

  std::string path_;
  const FileKind& kind_;  // static
  StoreOptions options_;
  FileId file_;
  std::optional<Database> db_;
  std::map<std::string, Statement> statements_;  // after db_: they go first
};

}  // namespace baozi::store
