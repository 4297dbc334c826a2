#include "store/sqlite_result_store.hpp"

#include <algorithm>
#include <utility>

#include "store/crc32c.hpp"

namespace baozi::store {
namespace {

constexpr FileKind results_kind{
    "results", 1,
    "CREATE TABLE results(id PRIMARY KEY, state INTEGER, finished_us INTEGER, generation INTEGER,"
    " number INTEGER, incarnation INTEGER, worker TEXT, origin BLOB, record BLOB, followups BLOB,"
    " crc INTEGER) WITHOUT ROWID;"
    "CREATE VIEW readable AS SELECT"
    " CASE typeof(id) WHEN 'blob' THEN lower(substr(hex(id),1,8)||'-'||substr(hex(id),9,4)||'-'||"
    "substr(hex(id),13,4)||'-'||substr(hex(id),17,4)||'-'||substr(hex(id),21)) ELSE id END AS id,"
    " CASE state WHEN 4 THEN 'SUCCESS' WHEN 5 THEN 'FAILURE' WHEN 6 THEN 'REVOKED'"
    " WHEN 7 THEN 'IGNORED' ELSE state END AS state,"
    " strftime('%Y-%m-%d %H:%M:%f',finished_us/1000000.0,'unixepoch') AS finished_utc,"
    " worker, generation, length(record) AS record_bytes, length(followups) AS followup_bytes"
    " FROM results;"
    "INSERT INTO about VALUES('rows',0);"};

constexpr std::string_view columns =
    "(id,state,finished_us,generation,number,incarnation,worker,origin,record,followups,crc)";
constexpr int column_count = 11;

BytesView key_bytes(const TaskId& id) {
  return id.is_uuid() ? id.uuid().view() : BytesView{id.text()};
}

/// Over: id type (0 text, 1 UUID), state, generation, number, incarnation, finished_us, then the
/// lengths of id, worker, origin, record and followups, all as 8 bytes big-endian; then those five
/// themselves.
std::int64_t row_crc(const ResultRow& row) {
  const std::array<BytesView, 5> parts{key_bytes(row.id), row.worker, row.origin, row.record,
                                       row.followups};
  const std::array<std::uint64_t, 11> numbers{std::uint64_t{row.id.is_uuid()},
                                              std::uint64_t{row.state},
                                              std::uint64_t{row.generation},
                                              row.number,
                                              row.incarnation,
                                              static_cast<std::uint64_t>(row.finished_us),
                                              parts[0].size(),
                                              parts[1].size(),
                                              parts[2].size(),
                                              parts[3].size(),
                                              parts[4].size()};
  std::array<char, numbers.size() * 8> head{};
  std::size_t at = 0;
  for (const auto number : numbers) {
    for (unsigned shift = 64; shift > 0; shift -= 8) {
      head[at++] = static_cast<char>((number >> (shift - 8)) & 0xFFU);
    }
  }
  std::uint32_t crc = crc32c(0, BytesView{head.data(), head.size()});
  for (const auto part : parts) crc = crc32c(crc, part);
  return static_cast<std::int32_t>(crc);
}

void bind_id(Statement& statement, int at, const TaskId& id) {
  if (id.is_uuid()) {
    statement.bind_blob(at, id.uuid().view());
  } else {
    statement.bind_text(at, id.text());
  }
}

void bind_row(Statement& statement, int& at, const ResultRow& row) {
  const auto bind_blob_or_null = [&](BytesView bytes) {
    if (bytes.empty()) {
      statement.bind_null(at++);
    } else {
      statement.bind_blob(at++, bytes);
    }
  };
  bind_id(statement, at++, row.id);
  statement.bind(at++, row.state);
  statement.bind(at++, row.finished_us);
  statement.bind(at++, row.generation);
  statement.bind(at++, static_cast<std::int64_t>(row.number));
  statement.bind(at++, static_cast<std::int64_t>(row.incarnation));
  statement.bind_text(at++, row.worker);
  bind_blob_or_null(row.origin);
  bind_blob_or_null(row.record);
  bind_blob_or_null(row.followups);
  statement.bind(at++, row_crc(row));
}

}  // namespace

Result<std::unique_ptr<ResultStore>> SqliteResultStore::open(const std::string& path,
                                                             const StoreOptions& options) {
  auto file = SqliteFile::open(path, results_kind, options);
  if (!file) return Unexpected{file.error()};
  std::unique_ptr<SqliteResultStore> store{new SqliteResultStore{std::move(*file)}};
  if (auto prepared = store->prepare(); !prepared) return Unexpected{prepared.error()};
  return std::unique_ptr<ResultStore>{std::move(store)};
}

Result<void> SqliteResultStore::prepare() {
  std::vector<std::pair<Statement*, std::string>> wanted{
      {&replace_,
       values_sql("REPLACE INTO results" + std::string{columns} + " VALUES", column_count, 1)},
      {&find_,
       "SELECT "
       "id,state,finished_us,generation,number,incarnation,worker,origin,record,followups,crc"
       " FROM results WHERE id=?"},
      {&erase_one_, "DELETE FROM results WHERE id=?"},
      {&erase_range_, "DELETE FROM results WHERE id BETWEEN ? AND ?"},
      {&sweep_, "SELECT id,finished_us FROM results WHERE id>? ORDER BY id"},
      {&count_statement_, "UPDATE about SET value=value+? WHERE name='rows'"},
  };
  for (std::size_t i = 0; i < insert_sizes.size(); ++i) {
    wanted.emplace_back(
        &insert_[i], values_sql("INSERT OR IGNORE INTO results" + std::string{columns} + " VALUES",
                                column_count, insert_sizes[i]));
  }
  for (auto& [statement, sql] : wanted) {
    auto prepared = file_->db().prepare(sql);
    if (!prepared) return Unexpected{prepared.error()};
    *statement = std::move(*prepared);
  }
  const auto count = file_->db().query_int("SELECT value FROM about WHERE name='rows'");
  if (!count) return Unexpected{count.error()};
  count_ = *count;
  return {};
}

Result<std::vector<Loss>> SqliteResultStore::commit_all(
    std::span<const std::span<const ResultRow>> parts) {
  Tally tally;
  if (auto done = file_->transaction([&] { return write(parts, tally); }); !done) {
    return Unexpected{done.error()};
  }
  count_ += tally.new_rows;
  return std::move(tally.losses);
}

Result<void> SqliteResultStore::write(std::span<const std::span<const ResultRow>> parts,
                                      Tally& tally) {
  std::vector<Item> items;
  for (const auto rows : parts) {
    for (const auto& row : rows) items.push_back({&row, items.size()});
  }
  // In id order the tree is written page by page. Within an id the order of arrival decides, so
  // only the first row of each goes the quick way; different ids do not matter to each other.
  std::stable_sort(items.begin(), items.end(),
                   [](const Item& a, const Item& b) { return IdOrder{}(a.row->id, b.row->id); });
  std::vector<Item> firsts;
  std::vector<Item> repeats;
  firsts.reserve(items.size());
  for (const auto& item : items) {
    const bool repeat = !firsts.empty() && firsts.back().row->id == item.row->id;
    (repeat ? repeats : firsts).push_back(item);
  }

  if (auto done = insert(firsts, tally); !done) return done;
  for (const auto& item : repeats) {
    if (auto done = settle(item, tally); !done) return done;
  }
  std::sort(tally.losses.begin(), tally.losses.end(),
            [](const Loss& a, const Loss& b) { return a.index < b.index; });
  return add_to_count(tally.new_rows);
}

Result<void> SqliteResultStore::insert(std::span<const Item> items, Tally& tally) {
  for (std::size_t i = 0; i < insert_sizes.size(); ++i) {
    const auto size = static_cast<std::size_t>(insert_sizes[i]);
    for (; items.size() >= size; items = items.subspan(size)) {
      int at = 1;
      for (const auto& item : items.first(size)) bind_row(insert_[i], at, *item.row);
      if (insert_[i].run() != SQLITE_OK) return file_->db().failure("write results");
      const int inserted = sqlite3_changes(file_->db().raw());
      tally.new_rows += inserted;
      if (static_cast<std::size_t>(inserted) == size) continue;
      // Some were there. Those that were not meet themselves, which is no loss.
      for (const auto& item : items.first(size)) {
        if (auto done = settle(item, tally); !done) return done;
      }
    }
  }
  return {};
}

Result<void> SqliteResultStore::settle(const Item& item, Tally& tally) {
  auto stored = read(item.row->id);
  if (!stored) return Unexpected{stored.error()};
  const Ruling ruling = *stored ? judge(**stored, *item.row) : Ruling::replaces;
  if (ruling == Ruling::same) return {};
  if (ruling == Ruling::loses) {
    tally.losses.push_back({item.index, std::move(**stored)});
    return {};
  }
  int at = 1;
  bind_row(replace_, at, *item.row);
  if (replace_.run() != SQLITE_OK) return file_->db().failure("write a result");
  if (!*stored) ++tally.new_rows;
  return {};
}

Result<std::optional<TaskId>> SqliteResultStore::id_column(const Statement& statement) {
  const BytesView bytes = statement.column_bytes(0);
  if (!statement.column_is_text(0)) {
    if (bytes.size() == 16) return std::optional{TaskId{Uuid::from_bytes(bytes)}};
  } else if (!bytes.empty()) {
    return std::optional{TaskId::from_text(bytes)};
  }
  return file_->db().damage("a result's id is neither a UUID nor a text");
}

Result<std::optional<ResultRow>> SqliteResultStore::read(const TaskId& id) {
  const ResetAtEnd reset{find_};
  bind_id(find_, 1, id);
  const int code = find_.step();
  if (code == SQLITE_DONE) return std::optional<ResultRow>{};
  if (code != SQLITE_ROW) return file_->db().failure("read a result");
  ResultRow row{.id = id,
                .generation = static_cast<std::uint32_t>(find_.column_int(3)),
                .state = static_cast<std::uint8_t>(find_.column_int(1)),
                .number = static_cast<std::uint64_t>(find_.column_int(4)),
                .incarnation = static_cast<std::uint64_t>(find_.column_int(5)),
                .finished_us = find_.column_int(2),
                .origin = Bytes{find_.column_bytes(7)},
                .worker = std::string{find_.column_bytes(6)},
                .record = Bytes{find_.column_bytes(8)},
                .followups = Bytes{find_.column_bytes(9)}};
  if (find_.column_int(10) != row_crc(row)) {
    return file_->db().damage("the result of " + id.to_string() + " does not match its checksum");
  }
  return std::optional{std::move(row)};
}

Result<std::vector<ResultRow>> SqliteResultStore::find(std::span<const TaskId> ids) {
  if (auto usable = file_->usable(); !usable) return Unexpected{usable.error()};
  const SqliteFile::Reading reading{*file_};
  std::vector<ResultRow> found;
  for (const auto& id : ids) {
    auto row = read(id);
    if (!row) return file_->noted(Unexpected{row.error()});
    if (*row) found.push_back(std::move(**row));
  }
  return found;
}

Result<std::size_t> SqliteResultStore::erase(std::span<const TaskId> ids) {
  std::int64_t erased = 0;
  const auto done = file_->transaction([&]() -> Result<void> {
    for (const auto& id : ids) {
      bind_id(erase_one_, 1, id);
      if (erase_one_.run() != SQLITE_OK) return file_->db().failure("forget a result");
      erased += sqlite3_changes(file_->db().raw());
    }
    return add_to_count(-erased);
  });
  if (!done) return Unexpected{done.error()};
  count_ -= erased;
  return static_cast<std::size_t>(erased);
}

Result<Sweep> SqliteResultStore::expire(std::int64_t finished_before_us, std::size_t rows_max) {
  if (auto usable = file_->usable(); !usable) return Unexpected{usable.error()};
  auto swept = look_for_expired(finished_before_us, rows_max);
  if (!swept) return file_->noted(Unexpected{swept.error()});
  std::int64_t erased = 0;
  if (!swept->expired.empty()) {
    const auto done = file_->transaction([&]() -> Result<void> {
      for (const auto& range : swept->expired) {
        Statement& erase = range.from == range.to ? erase_one_ : erase_range_;
        bind_id(erase, 1, range.from);
        if (range.from != range.to) bind_id(erase, 2, range.to);
        if (erase.run() != SQLITE_OK) return file_->db().failure("expire results");
        erased += sqlite3_changes(file_->db().raw());
      }
      return add_to_count(-erased);
    });
    if (!done) return Unexpected{done.error()};
  }
  count_ -= erased;
  swept_to_ = std::move(swept->stands_at);
  return Sweep{.erased = static_cast<std::size_t>(erased),
               .end_reached = swept->end_reached,
               .rows = count(),
               .kept = std::move(swept->kept)};
}

Result<SqliteResultStore::Swept> SqliteResultStore::look_for_expired(
    std::int64_t finished_before_us, std::size_t rows_max) {
  const SqliteFile::Reading reading{*file_};
  const ResetAtEnd reset{sweep_};
  if (swept_to_) {
    bind_id(sweep_, 1, *swept_to_);
  } else {
    sweep_.bind(1, -1);  // numbers come before texts and blobs
  }
  Swept swept;
  swept.stands_at = swept_to_;
  bool last_expired = false;
  for (std::size_t seen = 0;; ++seen) {
    const int code = sweep_.step();
    if (code == SQLITE_DONE) {
      swept.stands_at.reset();
      swept.end_reached = true;
      return swept;
    }
    if (code != SQLITE_ROW) return file_->db().failure("look for expired results");
    if (seen == rows_max) return swept;
    auto id = id_column(sweep_);
    if (!id) return Unexpected{id.error()};
    const std::int64_t finished_us = sweep_.column_int(1);
    const bool expired = finished_us < finished_before_us;
    if (!expired) swept.kept.push_back(finished_us);
    // Neighbours that go together go in one range; nothing that stays can be between them.
    if (expired && last_expired) {
      swept.expired.back().to = **id;
    } else if (expired) {
      swept.expired.push_back({**id, **id});
    }
    last_expired = expired;
    swept.stands_at = std::move(*id);
  }
}

Result<void> SqliteResultStore::add_to_count(std::int64_t change) {
  if (change == 0) return {};
  count_statement_.bind(1, change);
  if (count_statement_.run() != SQLITE_OK) return file_->db().failure("count results");
  return {};
}

}  // namespace baozi::store
