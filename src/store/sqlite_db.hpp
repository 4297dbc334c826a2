/// \file sqlite_db.hpp
/// A thin, owning face on SQLite's C interface: a connection, its statements, its errors as ours.
/// Threading: a connection and its statements belong to one thread at a time (opened without
/// SQLite's mutex).
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <sqlite3.h>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace baozi::store {

/// A prepared statement. Bound bytes are not copied: they must outlive the step. Indexes as in
/// SQLite: parameters count from 1, columns from 0.
class Statement {
 public:
  Statement() = default;
  explicit Statement(sqlite3_stmt* statement) : statement_{statement} {}

  void bind(int at, std::int64_t value) { sqlite3_bind_int64(statement_.get(), at, value); }
  void bind_null(int at) { sqlite3_bind_null(statement_.get(), at); }
  void bind_blob(int at, BytesView bytes);
  void bind_text(int at, std::string_view text);

  /// SQLITE_ROW, SQLITE_DONE or an error. After anything but a row the statement must be reset.
  int step() { return sqlite3_step(statement_.get()); }
  void reset() { sqlite3_reset(statement_.get()); }
  /// One step of a statement that returns no rows, and the reset. SQLITE_OK or an error.
  int run();

  [[nodiscard]] std::int64_t column_int(int at) const {
    return sqlite3_column_int64(statement_.get(), at);
  }
  [[nodiscard]] bool column_is_text(int at) const {
    return sqlite3_column_type(statement_.get(), at) == SQLITE_TEXT;
  }
  /// A blob's or a text's bytes, valid until the next step or reset.
  [[nodiscard]] BytesView column_bytes(int at) const;
  [[nodiscard]] int column_count() const { return sqlite3_column_count(statement_.get()); }
  /// Whatever it holds, as text; nullopt for NULL. Valid until the next step or reset.
  [[nodiscard]] std::optional<std::string_view> column_text(int at) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

/// Resets a statement that is being read when the scope ends: an open read would hold the log's
/// end.
class ResetAtEnd {
 public:
  explicit ResetAtEnd(Statement& statement) : statement_{statement} {}
  ResetAtEnd(const ResetAtEnd&) = delete;
  ResetAtEnd& operator=(const ResetAtEnd&) = delete;
  ~ResetAtEnd() { statement_.reset(); }

 private:
  Statement& statement_;
};

class Database {
 public:
  /// Opens an existing file for reading and writing.
  /// \param vfs  SQLite's name of a file layer; empty for the system's.
  [[nodiscard]] static Result<Database> open(const std::string& path, const std::string& vfs,
                                             std::chrono::milliseconds busy_timeout);

  [[nodiscard]] Result<void> exec(const std::string& sql);
  [[nodiscard]] Result<Statement> prepare(const std::string& sql);
  /// The first column of the first row; not_found when there is no row.
  [[nodiscard]] Result<std::int64_t> query_int(const std::string& sql);
  [[nodiscard]] Result<std::string> query_text(const std::string& sql);

  /// The last call's error. \param doing  "commit", "load tasks": the sentence says "cannot …".
  [[nodiscard]] Unexpected failure(std::string_view doing) const;
  /// Damage that we found and SQLite did not.
  [[nodiscard]] Unexpected damage(std::string_view what) const;

  [[nodiscard]] sqlite3* raw() const { return db_.get(); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  template <class Value, class Read>
  Result<Value> query(const std::string& sql, const Read& read) {
    auto statement = prepare(sql);
    if (!statement) return Unexpected{statement.error()};
    const auto failed = [&] { return failure("run \"" + sql.substr(0, 40) + '"'); };
    int code = statement->step();
    if (code == SQLITE_DONE) return unexpected(Errc::not_found, "no row");
    if (code != SQLITE_ROW) return failed();
    Value value = read(*statement);
    // To the end: a pragma that writes says what it did in its row and commits it only afterwards.
    while (code == SQLITE_ROW) code = statement->step();
    if (code != SQLITE_DONE) return failed();
    return value;
  }
  Database(sqlite3* db, std::string path) : db_{db}, path_{std::move(path)} {}

  std::unique_ptr<sqlite3, Close> db_;
  std::string path_;
};

/// "INSERT … VALUES (?,?),(?,?)": `head`, then `rows` times `columns` parameters.
[[nodiscard]] std::string values_sql(std::string_view head, int columns, int rows);

}  // namespace baozi::store
