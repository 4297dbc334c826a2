#include "store/sql_schedule_store.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "beat/schedule/instant.hpp"

namespace baozi::store {
namespace {

/// Up to so many entries are looked up one by one, more by reading all.
constexpr std::size_t looked_up_singly = 50;

SqlSession::OnRow no_rows() {
  return [](std::span<const SqlView>) { return Result<void>{}; };
}

/// The one number that a statement returns; 0 when it returns no row.
Result<std::uint64_t> number(SqlSession& session, const std::string& sql) {
  std::uint64_t value = 0;
  auto done = session.query(sql, {}, [&](std::span<const SqlView> row) -> Result<void> {
    const std::string_view text = row[0].value_or("0");
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc{} && end == text.data() + text.size()) return {};
    return unexpected(Errc::store_corrupt,
                      fmt::format("{}: '{}' is no whole number", session.name(), text));
  });
  if (!done) return Unexpected{done.error()};
  return value;
}

Unexpected in_store(const SqlSession& session, const Error& error) {
  return unexpected(error.code, session.name() + ": " + error.message);
}

}  // namespace

std::string create_schedule_table(const std::function<std::string(SqlType)>& type_name) {
  std::string sql = "CREATE TABLE baozi_schedule (";
  for (const auto columns : {entry_columns(), record_columns()}) {
    for (const ScheduleColumn& column : columns) {
      sql += fmt::format("{}{} {} {}", sql.ends_with('(') ? "" : ", ", column.name,
                         type_name(column.type), column.rules);
    }
  }
  return sql + ")";
}

std::string watched_columns() {
  std::string list;
  for (const ScheduleColumn& column : entry_columns()) list += fmt::format("{}, ", column.name);
  return list + std::string{record_columns().front().name};
}

SqlScheduleStore::SqlScheduleStore(std::unique_ptr<SqlSession> session)
    : session_{std::move(session)} {
  std::string names;
  std::string values;
  std::string updates;
  std::string selected;
  for (const auto columns : {entry_columns(), record_columns()}) {
    for (const ScheduleColumn& column : columns) {
      selected += selected.empty() ? "" : ", ";
      selected += column.type == SqlType::instant ? session_->select_instant(column.name)
                                                  : std::string{column.name};
    }
  }
  int at = 0;
  for (const ScheduleColumn& column : entry_columns()) {
    names += fmt::format("{}{}", at == 0 ? "" : ", ", column.name);
    values += fmt::format("{}${}", at == 0 ? "" : ", ", at + 1);
    if (at > 0)
      updates += fmt::format("{}{} = excluded.{}", at == 1 ? "" : ", ", column.name, column.name);
    ++at;
  }
  select_ = "SELECT " + selected + " FROM baozi_schedule";
  upsert_ =
      fmt::format("INSERT INTO baozi_schedule ({}) VALUES ({}) ON CONFLICT (name) DO UPDATE SET {}",
                  names, values, updates);
}

template <class Body>
Result<void> SqlScheduleStore::transaction(bool writing, const Body& body) {
  Result<void> done = session_->begin(writing);
  if (done) done = body();
  if (done) done = session_->commit();
  if (!done) session_->roll_back();
  return done;
}

Result<std::uint64_t> SqlScheduleStore::version() {
  std::uint64_t version = 0;
  auto done = transaction(false, [&]() -> Result<void> {
    auto read = number(*session_, "SELECT version FROM baozi_schedule_state");
    if (!read) return Unexpected{read.error()};
    version = *read;
    return {};
  });
  if (!done) return Unexpected{done.error()};
  return version;
}

Result<std::vector<StoredEntry>> SqlScheduleStore::load(std::vector<std::string>& broken) {
  std::vector<StoredEntry> all;
  auto done = transaction(false, [&] {
    return session_->query(select_, {}, [&](std::span<const SqlView> row) -> Result<void> {
      Result<StoredEntry> entry = from_row(row);
      if (entry) {
        all.push_back(std::move(*entry));
      } else {
        broken.push_back(entry.error().message);
      }
      return {};
    });
  });
  if (!done) return Unexpected{done.error()};
  // Sorted here: a database sorts texts by its own rules.
  std::sort(all.begin(), all.end(), [](const StoredEntry& left, const StoredEntry& right) {
    return left.entry.name < right.entry.name;
  });
  std::sort(broken.begin(), broken.end());
  return all;
}

Result<std::optional<SqlScheduleStore::Found>> SqlScheduleStore::look_up(const std::string& name) {
  std::optional<Found> found;
  auto done = session_->query(select_ + " WHERE name = $1", {name},
                              [&](std::span<const SqlView> row) -> Result<void> {
                                found = Found{from_row(row), row_as_json(row)};
                                return {};
                              });
  if (!done) return Unexpected{done.error()};
  return found;
}

Result<std::optional<StoredEntry>> SqlScheduleStore::find(const std::string& name) {
  std::optional<StoredEntry> entry;
  auto done = transaction(false, [&]() -> Result<void> {
    auto found = look_up(name);
    if (!found) return Unexpected{found.error()};
    if (!*found) return {};
    if (!(*found)->entry) return in_store(*session_, (*found)->entry.error());
    entry = std::move(*(*found)->entry);
    return {};
  });
  if (!done) return Unexpected{done.error()};
  return entry;
}

Result<void> SqlScheduleStore::write(const std::vector<const beat::Entry*>& entries) {
  std::vector<Row> rows;
  rows.reserve(entries.size());
  for (const beat::Entry* entry : entries) {
    auto row = to_row(*entry);
    if (!row) return Unexpected{row.error()};
    rows.push_back(std::move(*row));
  }
  return session_->run_for_each(upsert_, rows);
}

/// Numbers them and adds them to the history, whose oldest lines go.
Result<void> SqlScheduleStore::note(std::vector<ScheduleChange> changes) {
  auto last = number(*session_, "SELECT coalesce(max(number), 0) FROM baozi_schedule_changes");
  if (!last) return Unexpected{last.error()};
  std::vector<Row> rows;
  rows.reserve(changes.size());
  const auto or_null = [](std::string& text) {
    return text.empty() ? std::nullopt : SqlText{std::move(text)};
  };
  std::uint64_t next = *last;
  for (ScheduleChange& change : changes) {
    rows.push_back({std::to_string(++next), beat::to_text(change.at), std::move(change.who),
                    std::move(change.what), std::move(change.entry), or_null(change.before),
                    or_null(change.after)});
  }
  if (auto written = session_->run_for_each("INSERT INTO baozi_schedule_changes (number, "
                                            "changed_at, who, what, entry, before_change, "
                                            "after_change) VALUES ($1, $2, $3, $4, $5, $6, $7)",
                                            rows);
      !written) {
    return written;
  }
  if (next <= schedule_changes_kept) return {};
  return session_->query(fmt::format("DELETE FROM baozi_schedule_changes WHERE number <= {}",
                                     next - schedule_changes_kept),
                         {}, no_rows());
}

Result<void> SqlScheduleStore::put(std::span<const beat::Entry> entries, const std::string& what,
                                   const std::string& who, WallTime now) {
  return transaction(true, [&]() -> Result<void> {
    std::map<std::string, Found> there;
    if (entries.size() > looked_up_singly) {
      auto done = session_->query(select_, {}, [&](std::span<const SqlView> row) -> Result<void> {
        there.emplace(row[0].value_or(""), Found{from_row(row), row_as_json(row)});
        return {};
      });
      if (!done) return done;
    } else {
      for (const beat::Entry& entry : entries) {
        auto found = look_up(entry.name);
        if (!found) return Unexpected{found.error()};
        if (*found) there.emplace(entry.name, std::move(**found));
      }
    }
    std::vector<const beat::Entry*> changed;
    std::vector<ScheduleChange> changes;
    for (const beat::Entry& entry : entries) {
      const auto before = there.find(entry.name);
      const bool is_there = before != there.end();
      if (is_there && before->second.entry && before->second.entry->entry == entry) continue;
      changed.push_back(&entry);
      changes.push_back({0, now, who, what, entry.name, is_there ? before->second.json : "",
                         entry.to_value().to_json()});
    }
    if (changed.empty()) return {};
    if (auto written = write(changed); !written) return written;
    return note(std::move(changes));
  });
}

template <class Body>
Result<bool> SqlScheduleStore::change(const std::string& name, const Body& body) {
  bool is_there = false;
  auto done = transaction(true, [&]() -> Result<void> {
    auto found = look_up(name);
    if (!found) return Unexpected{found.error()};
    if (!*found) return {};
    is_there = true;
    return body(**found);
  });
  if (!done) return Unexpected{done.error()};
  return is_there;
}

Result<bool> SqlScheduleStore::edit(const std::string& name, const Edit& edited,
                                    const std::string& what, const std::string& who, WallTime now) {
  return change(name, [&](const Found& row) -> Result<void> {
    if (!row.entry) return in_store(*session_, row.entry.error());
    const beat::Entry& before = row.entry->entry;
    Result<beat::Entry> after = edited(before);
    if (!after) return Unexpected{after.error()};
    if (*after == before) return {};
    if (auto written = write({&*after}); !written) return written;
    return note({{0, now, who, what, name, row.json, after->to_value().to_json()}});
  });
}

Result<bool> SqlScheduleStore::remove(const std::string& name, const std::string& who,
                                      WallTime now) {
  return change(name, [&](const Found& row) -> Result<void> {
    auto gone = session_->query("DELETE FROM baozi_schedule WHERE name = $1", {name}, no_rows());
    if (!gone) return gone;
    return note({{0, now, who, "remove", name, row.json, ""}});
  });
}

Result<bool> SqlScheduleStore::request_run(const std::string& name, const std::string& who,
                                           WallTime now) {
  return change(name, [&](const Found& row) -> Result<void> {
    auto asked =
        session_->query("UPDATE baozi_schedule SET run_requests = run_requests + 1 WHERE name = $1",
                        {name}, no_rows());
    if (!asked) return asked;
    return note({{0, now, who, "run", name, row.json, row.json}});
  });
}

Result<std::vector<ScheduleChange>> SqlScheduleStore::changes(const std::string& entry,
                                                              std::size_t limit) {
  std::vector<ScheduleChange> all;
  const std::string sql = fmt::format(
      "SELECT number, {}, who, what, entry, before_change, after_change FROM "
      "baozi_schedule_changes{} ORDER BY number DESC LIMIT {}",
      session_->select_instant("changed_at"), entry.empty() ? "" : " WHERE entry = $1", limit);
  auto done = transaction(false, [&] {
    return session_->query(
        sql, entry.empty() ? Row{} : Row{entry}, [&](std::span<const SqlView> row) -> Result<void> {
          const auto text = [&](std::size_t i) { return std::string{row[i].value_or("")}; };
          const Result<WallTime> at = beat::parse_instant(text(1));
          all.push_back({std::strtoull(text(0).c_str(), nullptr, 10), at ? *at : WallTime{},
                         text(2), text(3), text(4), text(5), text(6)});
          return {};
        });
  });
  if (!done) return Unexpected{done.error()};
  return all;
}

Result<bool> SqlScheduleStore::leads(const std::string& holder) {
  bool is_leader = false;
  auto done = session_->query("SELECT lead_holder FROM baozi_schedule_state", {},
                              [&](std::span<const SqlView> row) -> Result<void> {
                                is_leader = row[0].value_or("") == holder;
                                return {};
                              });
  if (!done) return Unexpected{done.error()};
  return is_leader;
}

Result<void> SqlScheduleStore::record(std::span<const EntryProgress> progress,
                                      const std::string& holder) {
  std::vector<Row> rows;
  rows.reserve(progress.size());
  for (const EntryProgress& entry : progress) {
    rows.push_back(to_row(entry.record));
    rows.back().push_back(entry.name);
  }
  return transaction(true, [&]() -> Result<void> {
    auto leading = leads(holder);
    if (!leading) return Unexpected{leading.error()};
    if (!*leading) {
      return unexpected(Errc::invalid,
                        fmt::format("{}: {} does not lead any more", session_->name(), holder));
    }
    auto written = session_->run_for_each(
        "UPDATE baozi_schedule SET last_tick = $1, last_run_at = $2, total_run_count = $3, "
        "last_task_id = $4, runs_answered = $5 WHERE name = $6",
        rows);
    if (!written) return written;
    std::vector<Row> ended;
    std::vector<ScheduleChange> changes;
    for (const EntryProgress& entry : progress) {
      if (!entry.disable) continue;
      auto found = look_up(entry.name);
      if (!found) return Unexpected{found.error()};
      if (!*found || !(*found)->entry || !(*found)->entry->entry.enabled) continue;
      beat::Entry after = (*found)->entry->entry;
      after.enabled = false;
      ended.push_back({entry.name});
      const WallTime at = entry.record.last_tick.value_or(WallTime{});
      changes.push_back(
          {0, at, holder, "disable", entry.name, (*found)->json, after.to_value().to_json()});
    }
    if (ended.empty()) return {};
    if (auto disabled = session_->run_for_each(
            "UPDATE baozi_schedule SET enabled = '0' WHERE name = $1", ended);
        !disabled) {
      return disabled;
    }
    return note(std::move(changes));
  });
}

Result<bool> SqlScheduleStore::lead(const std::string& holder, Micros span) {
  bool is_leader = false;
  auto done = transaction(true, [&] {
    const std::string clock = session_->clock();
    const std::string sql = fmt::format(
        "UPDATE baozi_schedule_state SET lead_holder = $1, lead_until = {0} + {1}, lead_clock = $2 "
        "WHERE lead_holder = $1 OR lead_holder = '' OR lead_until <= {0} OR lead_clock <> $2 "
        "RETURNING 1",
        clock, span.count());
    return session_->query(sql, {holder, session_->clock_name()},
                           [&](std::span<const SqlView>) -> Result<void> {
                             is_leader = true;
                             return {};
                           });
  });
  if (!done) return Unexpected{done.error()};
  return is_leader;
}

Result<void> SqlScheduleStore::yield_lead(const std::string& holder) {
  return transaction(true, [&] {
    return session_->query(
        "UPDATE baozi_schedule_state SET lead_holder = '', lead_until = 0 WHERE lead_holder = $1",
        {holder}, no_rows());
  });
}

Result<std::string> SqlScheduleStore::leader() {
  std::string leader;
  auto done = transaction(false, [&] {
    const std::string sql = fmt::format(
        "SELECT lead_holder FROM baozi_schedule_state WHERE lead_clock = $1 AND lead_until > {}",
        session_->clock());
    return session_->query(sql, {session_->clock_name()},
                           [&](std::span<const SqlView> row) -> Result<void> {
                             leader = std::string{row[0].value_or("")};
                             return {};
                           });
  });
  if (!done) return Unexpected{done.error()};
  return leader;
}

}  // namespace baozi::store
