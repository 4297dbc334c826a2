/// \file sqlite_file.hpp
/// One store file: created whole or not at all, locked for one process, checked before it is
/// trusted, committed with one sync, checkpointed beside the commits. The task store and the result
/// store both live in one. Threading: one owner thread; the checkpointer inside has its own
/// connection.
///
/// What is checked on opening: the log frame by frame (store/wal_check.hpp), the header, the kind
/// and the version, and the structure of every page unless the file is large
/// (StoreOptions::check_bytes_max). Contents are not read then; every row has a CRC that is
/// compared when the row is.
#pragma once
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "store/checkpointer.hpp"
#include "store/health.hpp"
#include "store/process_lock.hpp"
#include "store/sqlite_db.hpp"
#include "store/store_options.hpp"

namespace baozi::store {

/// What a file is for, and how a new one is made.
struct FileKind {
  std::string_view name;    ///< "tasks" or "results", as in the table `about`
  std::int64_t schema;      ///< version that we write and read
  std::string_view tables;  ///< SQL that creates those of schema 1
  /// What each later schema brought, from 2 on. A file of an earlier one gets it when it is opened.
  std::span<const std::string_view> later{};
};

class SqliteFile {
 public:
  /// Opens `path`, or creates it when nothing is there.
  /// \return one line that names the file and says what to do:
  ///   Errc::store_locked     open in another process, or here
  ///   Errc::store_corrupt    damaged, truncated, not a database; nothing was changed
  ///   Errc::store_newer      written by a newer baozi
  ///   Errc::store_read_only  file or folder cannot be written
  ///   Errc::store_full, Errc::store_failed
  ///   Errc::not_found        the folder is not there
  ///   Errc::invalid          not a file; not a baozi store; a store of the other kind
  [[nodiscard]] static Result<std::unique_ptr<SqliteFile>> open(const std::string& path,
                                                                const FileKind& kind,
                                                                const StoreOptions& options);
  SqliteFile(const SqliteFile&) = delete;
  SqliteFile& operator=(const SqliteFile&) = delete;
  /// Moves the log into the file and removes it; after a failure leaves everything as it is.
  ~SqliteFile();

  [[nodiscard]] Database& db() { return db_; }

  /// Runs `body` (returning Result<void>) in a write transaction. What it wrote is on disk when
  /// this returns success; on error none of it counts. After a fatal error every further call
  /// returns that error.
  template <std::invocable Body>
  [[nodiscard]] Result<void> transaction(Body&& body) {
    if (auto begun = begin(); !begun) return begun;
    Result<void> done = body();
    return done ? commit() : roll_back(done.error());
  }

  /// A scope in which statements that only read may be stepped. Not inside transaction().
  class Reading {
   public:
    explicit Reading(SqliteFile& file) : gate_{file.gate_} { gate_.enter(); }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;
    ~Reading() { gate_.leave(); }

   private:
    TransactionGate& gate_;
  };
  /// Before reads: the fatal error, if there was one.
  [[nodiscard]] Result<void> usable() const;
  /// A read's error on its way out; a fatal one ends the store.
  [[nodiscard]] Unexpected noted(Unexpected failure);

  /// File system plus unused pages inside the file.
  [[nodiscard]] std::uint64_t free_bytes();
  [[nodiscard]] std::uint64_t reserve_bytes() const { return reserve_bytes_; }
  void rest();

 private:
  SqliteFile(ProcessLock lock, Database db, const StoreOptions& options);
  Result<void> set_up(const FileKind& kind, const StoreOptions& options);
  Result<void> check_kind(const FileKind& kind);
  Result<void> check_tables(std::string_view tables);
  Result<void> upgrade(const FileKind& kind);
  Result<void> check_pages(const StoreOptions& options);
  Result<void> settle_log();
  Result<void> begin();
  Result<void> commit();
  Result<void> roll_back(const Error& error);

  ProcessLock lock_;
  Health health_;
  TransactionGate gate_;
  Database db_;
  Statement begin_;
  Statement commit_;
  Statement free_pages_;
  std::uint64_t page_bytes_ = 4096;
  std::uint64_t reserve_bytes_ = 0;
  std::int64_t schema_ = 0;      // of the file as it was found
  std::uint32_t log_pages_ = 0;  // after the last commit
  std::optional<Checkpointer> checkpointer_;
};

}  // namespace baozi::store
