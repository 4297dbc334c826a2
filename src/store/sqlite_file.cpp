#include "store/sqlite_file.hpp"

#include <algorithm>
#include <utility>

#include "store/disk_space.hpp"
#include "store/sqlite_create.hpp"
#include "store/wal_check.hpp"

namespace baozi::store {

Result<std::unique_ptr<SqliteFile>> SqliteFile::open(const std::string& given_path,
                                                     const FileKind& kind,
                                                     const StoreOptions& options) {
  const auto path = resolve_store_path(given_path);
  if (!path) return Unexpected{path.error()};
  auto lock = ProcessLock::acquire(*path);
  if (!lock) return Unexpected{lock.error()};
  // From here on nobody else changes the files, so what is seen now is what will be opened.
  if (auto there = find_or_create(*path, kind, options.vfs); !there)
    return Unexpected{there.error()};
  if (auto whole = check_wal(*path); !whole) return Unexpected{whole.error()};

  auto db = Database::open(*path, options.vfs, options.busy_timeout);
  if (!db) return Unexpected{db.error()};
  std::unique_ptr<SqliteFile> file{new SqliteFile{std::move(*lock), std::move(*db), options}};
  if (auto ready = file->set_up(kind, options); !ready) {
    file->health_.fail(ready.error());  // then closing leaves the files untouched
    return Unexpected{ready.error()};
  }
  return file;
}

SqliteFile::SqliteFile(ProcessLock lock, Database db, const StoreOptions& options)
    : lock_{std::move(lock)}, db_{std::move(db)} {
  reserve_bytes_ = disk_reserve(options.reserve_bytes, disk_space(db_.path()));
}

SqliteFile::~SqliteFile() {
  checkpointer_.reset();
  if (health_.failed()) {
    // The last connection to close would move the log into the file and delete it. After a failure
    // that is one more sync whose success would mean nothing.
    sqlite3_db_config(db_.raw(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  }
}

Result<void> SqliteFile::set_up(const FileKind& kind, const StoreOptions& options) {
  // The first read finds out whether this is a database at all, so the kind is asked before
  // anything is set.
  if (auto right = check_kind(kind); !right) return right;
  const auto mode = db_.query_text("PRAGMA journal_mode=WAL");
  if (!mode) return Unexpected{mode.error()};
  if (*mode != "wal") {
    return unexpected(Errc::invalid,
                      "store " + db_.path() +
                          ": its file system cannot do what SQLite's log needs (shared "
                          "memory); use a local one");
  }
  const std::string pragmas =
      "PRAGMA synchronous=FULL;"
      "PRAGMA secure_delete=OFF;"  // Debian's default overwrites what is deleted: every page
                                   // written twice
      "PRAGMA temp_store=MEMORY;"
      "PRAGMA trusted_schema=OFF;"
      "PRAGMA cell_size_check=ON;"
      "PRAGMA journal_size_limit=" +
      std::to_string(std::uint64_t{options.checkpoint_pages} * 4 * 4096) + ";PRAGMA cache_size=-" +
      std::to_string(options.cache_kib);
  if (auto set = db_.exec(pragmas); !set) return set;
  if (auto whole = check_pages(options); !whole) return whole;
  if (auto settled = settle_log(); !settled) return settled;
  if (auto upgraded = upgrade(kind); !upgraded) return upgraded;

  for (auto [statement, sql] :
       {std::pair{&begin_, "BEGIN IMMEDIATE"}, std::pair{&commit_, "COMMIT"},
        std::pair{&free_pages_, "PRAGMA freelist_count"}}) {
    auto prepared = db_.prepare(sql);
    if (!prepared) return Unexpected{prepared.error()};
    *statement = std::move(*prepared);
  }

  auto second = Database::open(db_.path(), options.vfs, options.busy_timeout);
  if (!second) return Unexpected{second.error()};
  if (auto read = second->query_int("SELECT count(*) FROM about"); !read) {
    return Unexpected{read.error()};
  }
  // On a small disk the log must leave room for what the reserve is meant for.
  const auto start =
      std::min<std::uint64_t>(options.checkpoint_pages, reserve_bytes_ / 8 / page_bytes_);
  checkpointer_.emplace(std::move(*second), std::max(static_cast<std::uint32_t>(start), 8U), gate_,
                        health_);
  // Replaces SQLite's own hook, which would checkpoint inside the commit.
  sqlite3_wal_hook(
      db_.raw(),
      [](void* self, sqlite3*, const char*, int pages) {
        auto& file = *static_cast<SqliteFile*>(self);
        file.log_pages_ = static_cast<std::uint32_t>(pages);
        file.checkpointer_->log_grew(file.log_pages_);
        return SQLITE_OK;
      },
      this);
  return {};
}

Result<void> SqliteFile::check_kind(const FileKind& kind) {
  const auto application = db_.query_int("PRAGMA application_id");
  if (!application) return Unexpected{application.error()};
  const auto not_ours = [this] {
    return unexpected(
        Errc::invalid,
        "store " + db_.path() + " is an SQLite database, but not a baozi store: give another path");
  };
  if (*application != store_application_id) return not_ours();
  const auto holds = db_.query_text("SELECT value FROM about WHERE name='kind'");
  if (!holds) return holds.error().code == Errc::not_found ? not_ours() : Unexpected{holds.error()};
  if (*holds != kind.name) {
    return unexpected(Errc::invalid, "store " + db_.path() + " holds " + *holds + ", not " +
                                         std::string{kind.name} + ": give another path");
  }
  const auto schema = db_.query_int("SELECT value FROM about WHERE name='schema'");
  if (!schema) {
    return schema.error().code == Errc::not_found ? not_ours() : Unexpected{schema.error()};
  }
  if (*schema > kind.schema) {
    return unexpected(Errc::store_newer, "store " + db_.path() +
                                             " was written by a newer baozi (schema " +
                                             std::to_string(*schema) + ", this one knows " +
                                             std::to_string(kind.schema) +
                                             "): run that version, or give another path");
  }
  if (*schema < 1) return db_.damage("schema " + std::to_string(*schema));
  schema_ = *schema;
  if (auto declared = check_tables(kind.tables); !declared) return declared;
  for (std::int64_t i = 2; i <= schema_; ++i) {
    auto declared = check_tables(kind.later[static_cast<std::size_t>(i - 2)]);
    if (!declared) return declared;
  }
  return {};
}

/// Brings what schemas after the file's own have; all of it or nothing.
Result<void> SqliteFile::upgrade(const FileKind& kind) {
  if (schema_ >= kind.schema) return {};
  std::string sql = "BEGIN IMMEDIATE;";
  for (std::int64_t i = schema_ + 1; i <= kind.schema; ++i)
    sql += kind.later[static_cast<std::size_t>(i - 2)];
  sql += "UPDATE about SET value=" + std::to_string(kind.schema) + " WHERE name='schema';COMMIT;";
  auto done = db_.exec(sql);
  if (!done) static_cast<void>(db_.exec("ROLLBACK"));
  return done;
}

/// The text of the tables' declarations is what gives their bytes a meaning: one flipped bit in
/// "PRIMARY" and every task is gone. An operator's own indexes and views are no concern of ours.
Result<void> SqliteFile::check_tables(std::string_view tables) {
  auto lookup = db_.prepare("SELECT 1 FROM sqlite_schema WHERE sql=?");
  if (!lookup) return Unexpected{lookup.error()};
  for (std::string_view rest = tables; !rest.empty();) {
    const std::string_view declared = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(rest.size(), declared.size() + 1));
    if (!declared.starts_with("CREATE TABLE")) continue;
    const ResetAtEnd reset{*lookup};
    lookup->bind_text(1, declared);
    const int code = lookup->step();
    if (code == SQLITE_DONE) return db_.damage("its tables are not declared as they were");
    if (code != SQLITE_ROW) return db_.failure("read the declarations of the tables");
  }
  return {};
}

/// A page that lost a cell to a flipped bit can still read well; only the accounts of its space
/// tell.
Result<void> SqliteFile::check_pages(const StoreOptions& options) {
  const auto pages = db_.query_int("PRAGMA page_count");
  const auto page = db_.query_int("PRAGMA page_size");
  if (!pages || !page) return Unexpected{(!pages ? pages : page).error()};
  page_bytes_ = static_cast<std::uint64_t>(*page);
  if (static_cast<std::uint64_t>(*pages) * page_bytes_ > options.check_bytes_max) return {};
  const auto verdict = db_.query_text("PRAGMA quick_check(1)");
  if (!verdict) return Unexpected{verdict.error()};
  if (*verdict == "ok") return {};
  const std::string problem =
      verdict->substr(verdict->find('\n') + 1);  // behind "*** in database main ***"
  if (problem.find("error code=") != std::string::npos) {
    return unexpected(Errc::store_failed,
                      "store " + db_.path() + ": cannot read it all: " + problem);
  }
  return db_.damage(problem);
}

/// What a killed process left in the log was perhaps never synced, and after a failed sync the page
/// cache may show what the disk does not have. Before anything that was recovered is told to
/// anybody it is therefore written into the file, and that is synced. (check_wal has synced the log
/// itself.)
Result<void> SqliteFile::settle_log() {
  if (auto read = db_.query_int("SELECT count(*) FROM about"); !read)
    return Unexpected{read.error()};
  const int code =
      sqlite3_wal_checkpoint_v2(db_.raw(), "main", SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  if (code == SQLITE_OK) return {};
  auto failure = db_.failure("move the log into the file");
  // No room to do so: the log is synced, and endings of tasks may make room.
  if (failure.error.code == Errc::store_full) return {};
  return failure;
}

Result<void> SqliteFile::usable() const {
  if (health_.failed()) return health_.failure();
  return {};
}

Unexpected SqliteFile::noted(Unexpected failure) {
  if (is_fatal(failure.error.code)) health_.fail(failure.error);
  return failure;
}

Result<void> SqliteFile::begin() {
  gate_.enter();
  Result<void> begun = usable();
  if (begun && begin_.run() != SQLITE_OK) begun = noted(db_.failure("begin a transaction"));
  if (!begun) gate_.leave();
  return begun;
}

Result<void> SqliteFile::commit() {
  if (commit_.run() != SQLITE_OK) return roll_back(db_.failure("commit").error);
  gate_.leave();
  if (log_pages_ > 3 * checkpointer_->pages_start()) checkpointer_->catch_up();
  // The checkpointer syncs the log too. If that failed meanwhile, the sync of this commit proves
  // nothing: the kernel reports lost pages once.
  return usable();
}

Result<void> SqliteFile::roll_back(const Error& error) {
  if (is_fatal(error.code)) health_.fail(error);
  // SQLite may have rolled back by itself. If it did not and cannot, there is a transaction that
  // never ends.
  if (sqlite3_get_autocommit(db_.raw()) == 0 &&
      sqlite3_exec(db_.raw(), "ROLLBACK", nullptr, nullptr, nullptr) != SQLITE_OK) {
    health_.fail(db_.failure("roll back after: " + error.message).error);
  }
  gate_.leave();
  if (error.code == Errc::store_full) checkpointer_->make_room();
  return Unexpected{error};
}

std::uint64_t SqliteFile::free_bytes() {
  std::uint64_t inside = 0;
  const Reading reading{*this};
  const ResetAtEnd reset{free_pages_};
  if (free_pages_.step() == SQLITE_ROW) {
    inside = static_cast<std::uint64_t>(free_pages_.column_int(0)) * page_bytes_;
  }
  return disk_space(db_.path()).free_bytes + inside;
}

void SqliteFile::rest() { sqlite3_db_release_memory(db_.raw()); }

}  // namespace baozi::store
