#include "store/sqlite_schedule_store.hpp"

#include <utility>

#include <fmt/format.h>

#include "store/sql_schedule_store.hpp"
#include "store/sqlite_session.hpp"

namespace baozi::store {
namespace {

std::string type_name(SqlType type) {
  switch (type) {
    case SqlType::whole:
    case SqlType::truth: return "INTEGER";
    case SqlType::text:
    case SqlType::json:
    case SqlType::instant:
    case SqlType::degrees: break;  // as text, every digit stays as it was written
  }
  return "TEXT";
}

std::string tables() {
  std::string sql = create_schedule_table(type_name) +
                    ";CREATE TABLE baozi_schedule_changes (number INTEGER PRIMARY KEY, changed_at "
                    "TEXT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, entry TEXT NOT NULL, "
                    "before_change TEXT, after_change TEXT);"
                    "CREATE INDEX baozi_schedule_changes_of ON baozi_schedule_changes (entry, "
                    "number);"
                    "CREATE TABLE baozi_schedule_state (version INTEGER NOT NULL, lead_holder TEXT "
                    "NOT NULL, lead_until INTEGER NOT NULL, lead_clock TEXT NOT NULL);"
                    "INSERT INTO baozi_schedule_state VALUES (1, '', 0, '');";
  for (const std::string& event :
       {std::string{"INSERT"}, std::string{"DELETE"}, "UPDATE OF " + watched_columns()}) {
    sql += fmt::format(
        "CREATE TRIGGER baozi_schedule_{} AFTER {} ON baozi_schedule BEGIN "
        "UPDATE baozi_schedule_state SET version = version + 1; END;",
        event.substr(0, 6), event);
  }
  return sql;
}

}  // namespace

Result<std::unique_ptr<ScheduleStore>> open_sqlite_schedule_store(const std::string& path,
                                                                  const StoreOptions& options) {
  static const std::string sql = tables();
  static const FileKind kind{"schedule", schedule_schema, sql};
  auto session = SqliteSession::open(path, kind, options);
  if (!session) return Unexpected{session.error()};
  return std::unique_ptr<ScheduleStore>{std::make_unique<SqlScheduleStore>(std::move(*session))};
}

}  // namespace baozi::store
