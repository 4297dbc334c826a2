#include "store/sqlite_session.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <thread>

#include <sys/stat.h>

#include "store/process_lock.hpp"
#include "store/sqlite_create.hpp"
#include "store/system_error.hpp"

namespace baozi::store {
namespace {

constexpr std::uint64_t check_bytes_most = std::uint64_t{64} << 20U;
constexpr std::size_t statements_kept = 64;

bool is_there(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

/// Several may want to create one file; one does, and the others wait for it.
Result<void> create_once(const std::string& path, const FileKind& kind,
                         const StoreOptions& options) {
  const auto give_up = std::chrono::steady_clock::now() + options.busy_timeout;
  while (!is_there(path)) {
    auto lock = ProcessLock::acquire(path);
    if (lock) {
      if (is_there(path)) return {};
      return find_or_create(path, kind, options.vfs);
    }
    if (lock.error().code != Errc::store_locked || std::chrono::steady_clock::now() > give_up) {
      return Unexpected{lock.error()};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{5});  // while another process creates it
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<SqliteSession>> SqliteSession::open(const std::string& given,
                                                           const FileKind& kind,
                                                           const StoreOptions& options) {
  const auto path = resolve_store_path(given);
  if (!path) return Unexpected{path.error()};
  if (auto there = create_once(*path, kind, options); !there) return Unexpected{there.error()};
  std::unique_ptr<SqliteSession> session{new SqliteSession{*path, kind, options}};
  if (auto connected = session->connect(); !connected) return Unexpected{connected.error()};
  return session;
}

std::optional<SqliteSession::FileId> SqliteSession::file_id() const {
  struct stat file {};
  if (::stat(path_.c_str(), &file) != 0) return std::nullopt;
  return FileId{file.st_dev, file.st_ino};
}

void SqliteSession::disconnect() {
  statements_.clear();
  db_.reset();
}

Result<void> SqliteSession::connect() {
  struct stat file {};
  if (::stat(path_.c_str(), &file) != 0) {
    if (errno != ENOENT) return open_error(path_, errno);
    return unexpected(Errc::store_failed, "store " + path_ + " is gone: put the file back");
  }
  if (S_ISDIR(file.st_mode)) return open_error(path_, EISDIR);
  if (!S_ISREG(file.st_mode)) {
    return unexpected(Errc::invalid,
                      "store " + path_ + " is not a regular file: give another path");
  }
  if (file.st_size == 0) {
    return unexpected(Errc::store_corrupt, "store " + path_ +
                                               " is empty, which a store never is: restore a "
                                               "backup, or remove the file to begin anew");
  }
  auto db = Database::open(path_, options_.vfs, options_.busy_timeout);
  if (!db) return Unexpected{db.error()};
  if (auto right = check_kind(*db); !right) return right;
  if (auto set = db->exec("PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; "
                          "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;");
      !set) {
    return set;
  }
  if (static_cast<std::uint64_t>(file.st_size) <= check_bytes_most) {
    const auto verdict = db->query_text("PRAGMA quick_check(1)");
    if (!verdict) return Unexpected{verdict.error()};
    if (*verdict != "ok") return db->damage(verdict->substr(verdict->find('\n') + 1));
  }
  file_ = {file.st_dev, file.st_ino};
  db_.emplace(std::move(*db));
  return {};
}

Result<void> SqliteSession::check_kind(Database& db) const {
  const auto refuse = [&](const std::string& why) {
    return unexpected(Errc::invalid, "store " + path_ + why + ": give another path");
  };
  const auto application = db.query_int("PRAGMA application_id");
  if (!application) return Unexpected{application.error()};
  if (*application != store_application_id) {
    return refuse(" is an SQLite database, but not a baozi store");
  }
  const auto holds = db.query_text("SELECT value FROM about WHERE name='kind'");
  if (!holds) return Unexpected{holds.error()};
  if (*holds != kind_.name) return refuse(" holds " + *holds + ", not a schedule");
  const auto schema = db.query_int("SELECT value FROM about WHERE name='schema'");
  if (!schema) return Unexpected{schema.error()};
  if (*schema > kind_.schema) {
    return unexpected(Errc::store_newer, "store " + path_ +
                                             " was written by a newer baozi (schema " +
                                             std::to_string(*schema) + ", this one knows " +
                                             std::to_string(kind_.schema) +
                                             "): run that version, or give another path");
  }
  return {};
}

/// The last error, on its way out. What may have left the connection in pieces ends it.
Unexpected SqliteSession::failure(std::string_view doing) {
  Unexpected error = db_->failure(doing);
  if ((sqlite3_extended_errcode(db_->raw()) & 0xFF) == SQLITE_CONSTRAINT) {
    error.error.code = Errc::invalid;
  }
  return error;
}

Result<void> SqliteSession::begin(bool writing) {
  if (db_ && file_id() != file_) disconnect();
  if (!db_) {
    if (auto connected = connect(); !connected) return connected;
  }
  auto statement = prepared(writing ? "BEGIN IMMEDIATE" : "BEGIN");
  if (!statement) return Unexpected{statement.error()};
  return run(**statement, {}, nullptr);
}

Result<void> SqliteSession::commit() {
  auto statement = prepared("COMMIT");
  if (!statement) return Unexpected{statement.error()};
  return run(**statement, {}, nullptr);
}

void SqliteSession::roll_back() {
  if (!db_ || sqlite3_get_autocommit(db_->raw()) != 0) return;
  if (sqlite3_exec(db_->raw(), "ROLLBACK", nullptr, nullptr, nullptr) != SQLITE_OK) disconnect();
}

Result<Statement*> SqliteSession::prepared(const std::string& sql) {
  const auto known = statements_.find(sql);
  if (known != statements_.end()) return &known->second;
  if (statements_.size() >= statements_kept) statements_.clear();  // those with a number in them
  auto statement = db_->prepare(sql);
  if (!statement) return Unexpected{statement.error()};
  return &statements_.emplace(sql, std::move(*statement)).first->second;
}

Result<void> SqliteSession::run(Statement& statement, const Row& parameters, const OnRow* on_row) {
  const ResetAtEnd reset{statement};
  int at = 0;
  for (const SqlText& text : parameters) {
    ++at;
    if (text) {
      statement.bind_text(at, *text);
    } else {
      statement.bind_null(at);
    }
  }
  std::vector<SqlView> row;
  int code = statement.step();
  for (; code == SQLITE_ROW; code = statement.step()) {
    if (on_row == nullptr) continue;
    row.resize(static_cast<std::size_t>(statement.column_count()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      row[i] = statement.column_text(static_cast<int>(i));
    }
    if (auto taken = (*on_row)(row); !taken) return taken;
  }
  if (code == SQLITE_DONE) return {};
  return failure("use the schedule");
}

Result<void> SqliteSession::query(const std::string& sql, const Row& parameters,
                                  const OnRow& on_row) {
  auto statement = prepared(sql);
  if (!statement) return Unexpected{statement.error()};
  return run(**statement, parameters, &on_row);
}

Result<void> SqliteSession::run_for_each(const std::string& sql, std::span<const Row> rows) {
  auto statement = prepared(sql);
  if (!statement) return Unexpected{statement.error()};
  for (const Row& row : rows) {
    if (auto done = run(**statement, row, nullptr); !done) return done;
  }
  return {};
}

/// The machine's time since it was started: the same in all processes, and nobody sets it.
std::string SqliteSession::clock() const {
  struct timespec now {};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::to_string(std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000);
}

std::string SqliteSession::clock_name() const {
  std::string boot;
  std::getline(std::ifstream{"/proc/sys/kernel/random/boot_id"}, boot);
  return boot;
}

}  // namespace baozi::store
