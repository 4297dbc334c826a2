/// \file schedule_row.hpp
/// An entry of a schedule as a row of real columns, the same in every database, so that an
/// administrator reads and edits it with SQL. Values are texts; NULL is nullopt. Pure. Source:
/// docs/beat.md, "The tables".
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/schedule_store.hpp"

namespace baozi::store {

/// A value on its way into a database or out of it.
using SqlText = std::optional<std::string>;
using SqlView = std::optional<std::string_view>;

/// What a column holds; each database has its own type for it.
enum class SqlType { text, json, whole, truth, instant, degrees };

struct ScheduleColumn {
  std::string_view name;
  SqlType type;
  std::string_view rules;  ///< NOT NULL, DEFAULT, CHECK: SQL that every database understands
};

/// `name` first. Changes of these are changes of the entry.
[[nodiscard]] std::span<const ScheduleColumn> entry_columns();
/// run_requests first, which is a request; then what a beat writes: last_tick, last_run_at,
/// total_run_count, last_task_id, runs_answered.
[[nodiscard]] std::span<const ScheduleColumn> record_columns();

/// In the order of entry_columns(). \return Errc::invalid  a text holds a zero byte, which
/// databases cannot hold.
[[nodiscard]] Result<std::vector<SqlText>> to_row(const beat::Entry& entry);
/// In the order of record_columns(), without run_requests.
[[nodiscard]] std::vector<SqlText> to_row(const beat::EntryRecord& record);

/// From entry_columns() and then record_columns(). \return Errc::store_corrupt  one line that names
/// entry, column and value.
[[nodiscard]] Result<StoredEntry> from_row(std::span<const SqlView> row);
/// The entry's fields as JSON, for the history, even when they are no entry.
[[nodiscard]] std::string row_as_json(std::span<const SqlView> row);

/// "true", "t" and "1" are; "false", "f" and "0" are not.
[[nodiscard]] std::optional<bool> to_truth(std::string_view text);

}  // namespace baozi::store
