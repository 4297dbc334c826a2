#include "store/sqlite_db.hpp"

#include "store/system_error.hpp"

namespace baozi::store {
namespace {

// SQLite takes a null pointer for NULL, and an empty view may have one.
const char* bytes_or_empty(std::string_view bytes) {
  return bytes.data() == nullptr ? "" : bytes.data();
}

bool is_sync(int extended) {
  return extended == SQLITE_IOERR_FSYNC || extended == SQLITE_IOERR_DIR_FSYNC;
}

std::string advice_on_damage(const std::string& path) {
  return ". Nothing was changed. Keep a copy of " + path + " and " + path +
         "-wal, then look with: sqlite3 " + path + " 'PRAGMA quick_check', and restore a backup";
}

}  // namespace

void Statement::bind_blob(int at, BytesView bytes) {
  sqlite3_bind_blob64(statement_.get(), at, bytes_or_empty(bytes), bytes.size(), SQLITE_STATIC);
}

void Statement::bind_text(int at, std::string_view text) {
  sqlite3_bind_text64(statement_.get(), at, bytes_or_empty(text), text.size(), SQLITE_STATIC,
                      SQLITE_UTF8);
}

int Statement::run() {
  const int code = step();
  reset();
  return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : code;
}

BytesView Statement::column_bytes(int at) const {
  const void* data = sqlite3_column_blob(statement_.get(), at);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), at));
  return data == nullptr ? BytesView{} : BytesView{static_cast<const char*>(data), size};
}

std::optional<std::string_view> Statement::column_text(int at) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), at));
  if (text == nullptr) return std::nullopt;
  return std::string_view{text,
                          static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), at))};
}

Result<Database> Database::open(const std::string& path, const std::string& vfs,
                                std::chrono::milliseconds busy_timeout) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      vfs.empty() ? nullptr : vfs.c_str());
  Database db{raw, path};
  if (raw == nullptr) return unexpected(Errc::store_failed, "store " + path + ": out of memory");
  if (code != SQLITE_OK) return db.failure("open the file");
  sqlite3_busy_timeout(raw, static_cast<int>(busy_timeout.count()));
  // SQLite opens a file that it may only read without a word.
  if (sqlite3_db_readonly(raw, "main") == 1) {
    return unexpected(Errc::store_read_only,
                      "store " + path + " cannot be written: give this user the right to write it");
  }
  return db;
}

Result<void> Database::exec(const std::string& sql) {
  if (sqlite3_exec(raw(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    return failure("run \"" + sql.substr(0, 40) + '"');
  }
  return {};
}

Result<Statement> Database::prepare(const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(raw(), sql.c_str(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return failure("prepare \"" + sql.substr(0, 40) + '"');
  return Statement{statement};
}

Result<std::int64_t> Database::query_int(const std::string& sql) {
  return query<std::int64_t>(sql, [](Statement& row) { return row.column_int(0); });
}

Result<std::string> Database::query_text(const std::string& sql) {
  return query<std::string>(sql, [](Statement& row) { return std::string{row.column_bytes(0)}; });
}

Unexpected Database::failure(std::string_view doing) const {
  const int extended = sqlite3_extended_errcode(raw());
  const int system = sqlite3_system_errno(raw());
  const std::string what =
      "store " + path_ + ": cannot " + std::string{doing} + ": " + sqlite3_errmsg(raw());
  const std::string detail =
      " (SQLite " + std::to_string(extended) +
      (system != 0 ? ", system error " + std::to_string(system) + ' ' + errno_text(system) : "") +
      ')';
  switch (extended & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return damage(std::string{doing} + ": " + sqlite3_errmsg(raw()));
    case SQLITE_FULL:
      return unexpected(Errc::store_full, what + ": free some space on its file system");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return unexpected(
          Errc::store_locked,
          what + ": another program is using the file; end it (a forgotten sqlite3?)");
    case SQLITE_READONLY: return unexpected(Errc::store_read_only, what + detail);
    case SQLITE_CANTOPEN:
      if (system != 0) return open_error(path_, system);
      return unexpected(Errc::store_failed, what + detail);
    case SQLITE_IOERR:
      // No room for the log or its index. After a failed sync that would not be the whole truth:
      // pages that were already handed over may be lost, so a sync that fails is never "full".
      if (means_full(system) && !is_sync(extended)) {
        return unexpected(Errc::store_full, what + detail + ": free some space on its file system");
      }
      break;
    default: break;
  }
  return unexpected(Errc::store_failed, what + detail);
}

Unexpected Database::damage(std::string_view what) const {
  return unexpected(Errc::store_corrupt, "store " + path_ + " is damaged: " + std::string{what} +
                                             advice_on_damage(path_));
}

std::string values_sql(std::string_view head, int columns, int rows) {
  std::string row = "(?";
  for (int i = 1; i < columns; ++i) row += ",?";
  row += ')';
  std::string sql{head};
  for (int i = 0; i < rows; ++i) {
    if (i > 0) sql += ',';
    sql += row;
  }
  return sql;
}

}  // namespace baozi::store
