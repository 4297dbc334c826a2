/// \file sql_schedule_store.hpp
/// A ScheduleStore in a database, whichever it is: one table a row an entry, one with the history,
/// one with a single row that holds the version and the lead. Threading: one owner thread; any
/// number of processes.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/schedule_store.hpp"
#include "store/sql_session.hpp"

namespace baozi::store {

/// Schema of the tables, which a store of a higher one refuses to touch.
inline constexpr std::int64_t schedule_schema = 1;
/// Lines of the history that are kept; the oldest go.
inline constexpr std::uint64_t schedule_changes_kept = 200'000;

/// "CREATE TABLE baozi_schedule (…)".
/// \param type_name  the database's name of a type
[[nodiscard]] std::string create_schedule_table(
    const std::function<std::string(SqlType)>& type_name);
/// "every, relative, …, run_requests": whose change raises the version.
[[nodiscard]] std::string watched_columns();

class SqlScheduleStore final : public ScheduleStore {
 public:
  explicit SqlScheduleStore(std::unique_ptr<SqlSession> session);

  Result<std::uint64_t> version() override;
  Result<std::vector<StoredEntry>> load(std::vector<std::string>& broken) override;
  Result<std::optional<StoredEntry>> find(const std::string& name) override;
  Result<void> put(std::span<const beat::Entry> entries, const std::string& what,
                   const std::string& who, WallTime now) override;
  Result<bool> edit(const std::string& name, const Edit& change, const std::string& what,
                    const std::string& who, WallTime now) override;
  Result<bool> remove(const std::string& name, const std::string& who, WallTime now) override;
  Result<bool> request_run(const std::string& name, const std::string& who, WallTime now) override;
  Result<std::vector<ScheduleChange>> changes(const std::string& entry, std::size_t limit) override;
  Result<void> record(std::span<const EntryProgress> progress, const std::string& holder) override;
  Result<bool> lead(const std::string& holder, Micros span) override;
  Result<void> yield_lead(const std::string& holder) override;
  Result<std::string> leader() override;

 private:
  using Row = SqlSession::Row;
  /// `body` in a transaction: all of it or, when it fails, nothing.
  template <class Body>
  Result<void> transaction(bool writing, const Body& body);
  /// The row of an entry as it is stored, and as JSON for the history; nullopt: there is none.
  struct Found {
    Result<StoredEntry> entry;
    std::string json;
  };
  Result<std::optional<Found>> look_up(const std::string& name);
  /// `body` of the entry's row, in a transaction. \return false: there is none
  template <class Body>
  Result<bool> change(const std::string& name, const Body& body);
  Result<void> write(const std::vector<const beat::Entry*>& entries);
  Result<void> note(std::vector<ScheduleChange> changes);
  Result<bool> leads(const std::string& holder);

  std::unique_ptr<SqlSession> session_;
  std::string select_;  // all columns of entries
  std::string upsert_;
};

}  // namespace baozi::store
