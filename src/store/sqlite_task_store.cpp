#include "store/sqlite_task_store.hpp"

#include <algorithm>
#include <utility>

#include "store/crc32c.hpp"
#include "store/task_changes.hpp"

namespace baozi::store {
namespace {

/// Schema 2: what waits for other brokers (delivery.md D27).
constexpr std::string_view later_tables[] = {
    "CREATE TABLE peers(key BLOB PRIMARY KEY, rec BLOB, crc INTEGER) WITHOUT ROWID;"
    "CREATE TABLE outbox(key BLOB PRIMARY KEY, rec BLOB, crc INTEGER) WITHOUT ROWID;"};

constexpr FileKind tasks_kind{
    "tasks", 2,
    "CREATE TABLE tasks(k INTEGER PRIMARY KEY, rec BLOB, crc INTEGER);"
    "CREATE TABLE dead(key BLOB PRIMARY KEY, rec BLOB, crc INTEGER) WITHOUT ROWID;"
    "CREATE TABLE producers(key BLOB PRIMARY KEY, rec BLOB, crc INTEGER) WITHOUT ROWID;"
    "CREATE TABLE roster(key BLOB PRIMARY KEY, rec BLOB, crc INTEGER) WITHOUT ROWID;"
    "CREATE TABLE epochs(key BLOB PRIMARY KEY, rec BLOB, crc INTEGER) WITHOUT ROWID;"
    "CREATE TABLE queues(key BLOB PRIMARY KEY, rec BLOB, crc INTEGER) WITHOUT ROWID;"
    "CREATE TABLE marks(key BLOB PRIMARY KEY, rec BLOB, crc INTEGER) WITHOUT ROWID;"
    "CREATE TABLE meta(key BLOB PRIMARY KEY, rec BLOB, crc INTEGER) WITHOUT ROWID;",
    later_tables};

std::int64_t row_crc(BytesView key, BytesView rec) {
  return static_cast<std::int32_t>(crc32c(crc32c(0, key), rec));
}

std::int64_t row_crc(std::int64_t key, BytesView rec) {
  std::array<char, 8> big_endian{};
  auto bits = static_cast<std::uint64_t>(key);
  for (auto at = big_endian.rbegin(); at != big_endian.rend(); ++at, bits >>= 8U) {
    *at = static_cast<char>(bits & 0xFFU);
  }
  return row_crc(BytesView{big_endian.data(), big_endian.size()}, rec);
}

}  // namespace

Result<std::unique_ptr<TaskStore>> SqliteTaskStore::open(const std::string& path,
                                                         const StoreOptions& options) {
  auto file = SqliteFile::open(path, tasks_kind, options);
  if (!file) return Unexpected{file.error()};
  std::unique_ptr<SqliteTaskStore> store{new SqliteTaskStore{std::move(*file)}};
  if (auto prepared = store->prepare(); !prepared) return Unexpected{prepared.error()};
  return std::unique_ptr<TaskStore>{std::move(store)};
}

Result<void> SqliteTaskStore::prepare() {
  std::vector<std::pair<Statement*, std::string>> wanted{
      {&erase_one_, "DELETE FROM tasks WHERE k=?"},
      {&erase_range_, "DELETE FROM tasks WHERE k BETWEEN ? AND ?"},
      {&load_, "SELECT k,rec,crc FROM tasks WHERE k BETWEEN ? AND ? ORDER BY k"},
      // No sorting: the walk itself is in key order, and count_by_prefix checks that it is.
      {&count_, "SELECT k,length(rec) FROM tasks"},
  };
  for (std::size_t i = 0; i < put_sizes.size(); ++i) {
    wanted.emplace_back(&put_[i],
                        values_sql("REPLACE INTO tasks(k,rec,crc) VALUES", 3, put_sizes[i]));
  }
  for (std::size_t i = 0; i < space_count; ++i) {
    const std::string table = to_string(static_cast<Space>(i));
    wanted.emplace_back(&spaces_[i].put, "REPLACE INTO " + table + "(key,rec,crc) VALUES(?,?,?)");
    wanted.emplace_back(&spaces_[i].erase, "DELETE FROM " + table + " WHERE key=?");
    wanted.emplace_back(&spaces_[i].read,
                        "SELECT key,rec,crc FROM " + table + " WHERE key>? ORDER BY key");
  }
  for (auto& [statement, sql] : wanted) {
    auto prepared = file_->db().prepare(sql);
    if (!prepared) return Unexpected{prepared.error()};
    *statement = std::move(*prepared);
  }
  return {};
}

Result<void> SqliteTaskStore::commit(std::span<const TaskBatch> batches) {
  return file_->transaction([&] { return write(batches); });
}

Result<void> SqliteTaskStore::write(std::span<const TaskBatch> batches) {
  const TaskChanges changes = merge_batches(batches);
  for (const auto& range : changes.erases) {
    Statement& erase = range.from == range.to ? erase_one_ : erase_range_;
    erase.bind(1, range.from);
    if (range.from != range.to) erase.bind(2, range.to);
    if (erase.run() != SQLITE_OK) return file_->db().failure("erase tasks");
  }
  if (auto done = put(changes.puts); !done) return done;
  for (const Record* record : changes.records) {
    auto& table = statements(record->space);
    Statement& change = record->value ? table.put : table.erase;
    change.bind_blob(1, record->key);
    if (record->value) {
      change.bind_blob(2, *record->value);
      change.bind(3, row_crc(record->key, *record->value));
    }
    if (change.run() != SQLITE_OK) {
      return file_->db().failure(std::string{"write "} + to_string(record->space));
    }
  }
  return {};
}

Result<void> SqliteTaskStore::put(std::span<const TaskRow* const> rows) {
  for (std::size_t i = 0; i < put_sizes.size(); ++i) {
    const auto size = static_cast<std::size_t>(put_sizes[i]);
    for (; rows.size() >= size; rows = rows.subspan(size)) {
      int at = 1;
      for (const TaskRow* row : rows.first(size)) {
        put_[i].bind(at++, row->key);
        put_[i].bind_blob(at++, row->rec);
        put_[i].bind(at++, row_crc(row->key, row->rec));
      }
      if (put_[i].run() != SQLITE_OK) return file_->db().failure("write tasks");
    }
  }
  return {};
}

Result<std::vector<TaskRow>> SqliteTaskStore::load(std::int64_t from, std::int64_t to,
                                                   std::size_t rows_max, std::size_t bytes_max) {
  if (auto usable = file_->usable(); !usable) return Unexpected{usable.error()};
  const SqliteFile::Reading reading{*file_};
  const ResetAtEnd reset{load_};
  load_.bind(1, from);
  load_.bind(2, to);
  std::vector<TaskRow> rows;
  std::size_t bytes = 0;
  while (rows.size() < rows_max && (rows.empty() || bytes < bytes_max)) {
    const int code = load_.step();
    if (code == SQLITE_DONE) break;
    if (code != SQLITE_ROW) return file_->noted(file_->db().failure("load tasks"));
    const std::int64_t key = load_.column_int(0);
    const BytesView rec = load_.column_bytes(1);
    if (load_.column_int(2) != row_crc(key, rec)) {
      return file_->noted(
          file_->db().damage("task " + std::to_string(key) + " does not match its checksum"));
    }
    bytes += rec.size();
    rows.push_back({key, Bytes{rec}});
  }
  return rows;
}

Result<std::vector<Record>> SqliteTaskStore::records_after(Space space, BytesView after,
                                                           std::size_t rows_max) {
  if (auto usable = file_->usable(); !usable) return Unexpected{usable.error()};
  Statement& read = statements(space).read;
  const SqliteFile::Reading reading{*file_};
  const ResetAtEnd reset{read};
  // An empty key is less than none: -1 is smaller than every blob, the empty one included.
  if (after.empty()) {
    read.bind(1, -1);
  } else {
    read.bind_blob(1, after);
  }
  std::vector<Record> records;
  while (records.size() < rows_max) {
    const int code = read.step();
    if (code == SQLITE_DONE) break;
    const std::string table = to_string(space);
    if (code != SQLITE_ROW) return file_->noted(file_->db().failure("read " + table));
    const BytesView key = read.column_bytes(0);
    const BytesView rec = read.column_bytes(1);
    if (read.column_int(2) != row_crc(key, rec)) {
      return file_->noted(file_->db().damage("a row of " + table + " (key " + to_hex(key) +
                                             ") does not match its checksum"));
    }
    records.push_back({space, Bytes{key}, Bytes{rec}});
  }
  return records;
}

Result<std::vector<PrefixCount>> SqliteTaskStore::count_by_prefix(unsigned shift) {
  if (auto usable = file_->usable(); !usable) return Unexpected{usable.error()};
  const SqliteFile::Reading reading{*file_};
  const ResetAtEnd reset{count_};
  std::vector<PrefixCount> counts;
  while (true) {
    const int code = count_.step();
    if (code == SQLITE_DONE) return counts;
    if (code != SQLITE_ROW) return file_->noted(file_->db().failure("count tasks"));
    const std::int64_t key = count_.column_int(0);
    if (!counts.empty() && key <= counts.back().key_max) {
      return file_->noted(file_->db().damage("task " + std::to_string(key) + " is out of order"));
    }
    if (counts.empty() || counts.back().prefix != key >> shift) {
      counts.push_back({.prefix = key >> shift, .key_min = key});
    }
    auto& last = counts.back();
    ++last.rows;
    last.bytes += static_cast<std::uint64_t>(count_.column_int(1));
    last.key_max = key;
  }
}

}  // namespace baozi::store
