#include "store/postgres_schedule_store.hpp"

#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "store/postgres_session.hpp"
#include "store/sql_schedule_store.hpp"

namespace baozi::store {
namespace {

std::string type_name(SqlType type) {
  switch (type) {
    case SqlType::json: return "json";
    case SqlType::whole: return "bigint";
    case SqlType::truth: return "boolean";
    case SqlType::instant: return "timestamptz";
    case SqlType::degrees: return "double precision";
    case SqlType::text: break;
  }
  return "text";
}

std::string tables() {
  // One transaction raises the version once: a row that is updated by each of 100,000 statements
  // would be looked up among 100,000 dead ones.
  return create_schedule_table(type_name) + fmt::format(
                                                R"(;
CREATE TABLE baozi_schedule_changes (number bigint PRIMARY KEY, changed_at timestamptz NOT NULL,
  who text NOT NULL, what text NOT NULL, entry text NOT NULL, before_change text, after_change text);
CREATE INDEX baozi_schedule_changes_of ON baozi_schedule_changes (entry, number);
CREATE TABLE baozi_schedule_state (schema_number bigint NOT NULL, version bigint NOT NULL,
  raised_by bigint NOT NULL, lead_holder text NOT NULL, lead_until bigint NOT NULL, lead_clock text NOT NULL);
INSERT INTO baozi_schedule_state VALUES ({}, 1, 0, '', 0, '');
CREATE FUNCTION baozi_schedule_changed() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  UPDATE baozi_schedule_state SET version = version + 1, raised_by = txid_current()
    WHERE raised_by <> txid_current();
  RETURN NULL;
END $$;
CREATE TRIGGER baozi_schedule_added AFTER INSERT OR DELETE OR TRUNCATE ON baozi_schedule
  FOR EACH STATEMENT EXECUTE FUNCTION baozi_schedule_changed();
CREATE TRIGGER baozi_schedule_edited AFTER UPDATE OF {} ON baozi_schedule
  FOR EACH STATEMENT EXECUTE FUNCTION baozi_schedule_changed())",
                                                schedule_schema, watched_columns());
}

/// Makes the tables when they are not there, and looks whether they are ours to touch.
Result<void> prepare(PostgresSession& session) {
  std::int64_t schema = 0;
  const auto read = [&](std::span<const SqlView> row) -> Result<void> {
    const std::string_view text = row[0].value_or("");
    std::from_chars(text.data(), text.data() + text.size(), schema);
    return {};
  };
  bool is_there = false;
  const auto look = [&](std::span<const SqlView> row) -> Result<void> {
    is_there = row[0].has_value();
    return {};
  };
  // Of several beats that start together one makes the tables. The lock comes before the first
  // look: what a transaction has once looked for in vain stays hidden from it. The number is
  // "baozi sc" in ASCII.
  if (auto locked = session.run_script("SELECT pg_advisory_xact_lock(7089069859998298979)");
      !locked) {
    return locked;
  }
  if (auto looked = session.query("SELECT to_regclass('baozi_schedule_state')::text", {}, look);
      !looked) {
    return looked;
  }
  if (!is_there) {
    if (auto made = session.run_script(tables()); !made) {
      return unexpected(made.error().code,
                        made.error().message + " (while making the tables of the schedule)");
    }
  }
  if (auto asked = session.query("SELECT schema_number FROM baozi_schedule_state", {}, read);
      !asked) {
    return asked;
  }
  if (schema > schedule_schema) {
    return unexpected(
        Errc::store_newer,
        fmt::format("{} was written by a newer baozi (schema {}, this one knows {}): run that "
                    "version, or give another database",
                    session.name(), schema, schedule_schema));
  }
  if (schema < 1) {
    return unexpected(Errc::store_corrupt,
                      session.name() + ": table baozi_schedule_state has no row");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<ScheduleStore>> open_postgres_schedule_store(const std::string& url) {
  auto session = PostgresSession::open(url, prepare);
  if (!session) return Unexpected{session.error()};
  return std::unique_ptr<ScheduleStore>{std::make_unique<SqlScheduleStore>(std::move(*session))};
}

}  // namespace baozi::store
