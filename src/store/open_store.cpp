#include "store/open_store.hpp"

#include <string>

#include "store/memory_result_store.hpp"
#include "store/memory_schedule_store.hpp"
#include "store/memory_task_store.hpp"
#include "store/postgres_schedule_store.hpp"
#include "store/sqlite_result_store.hpp"
#include "store/sqlite_schedule_store.hpp"
#include "store/sqlite_task_store.hpp"

namespace baozi::store {
namespace {

template <class Store, class Memory, class Sqlite>
Result<std::unique_ptr<Store>> open(std::string_view url, const StoreOptions& options) {
  constexpr std::string_view sqlite = "sqlite:";
  if (url == "memory:") return std::unique_ptr<Store>{std::make_unique<Memory>()};
  if (url.starts_with(sqlite)) return Sqlite::open(std::string{url.substr(sqlite.size())}, options);
  return unexpected(Errc::invalid, "store: \"" + std::string{url} +
                                       "\" is not a store; write sqlite:PATH or memory:");
}

}  // namespace

Result<std::unique_ptr<TaskStore>> open_task_store(std::string_view url,
                                                   const StoreOptions& options) {
  return open<TaskStore, MemoryTaskStore, SqliteTaskStore>(url, options);
}

Result<std::unique_ptr<ResultStore>> open_result_store(std::string_view url,
                                                       const StoreOptions& options) {
  return open<ResultStore, MemoryResultStore, SqliteResultStore>(url, options);
}

Result<std::unique_ptr<ScheduleStore>> open_schedule_store(std::string_view url,
                                                           const StoreOptions& options) {
  constexpr std::string_view sqlite = "sqlite:";
  if (url == "memory:") return std::unique_ptr<ScheduleStore>{new MemoryScheduleStore};
  if (url.starts_with(sqlite)) {
    return open_sqlite_schedule_store(std::string{url.substr(sqlite.size())}, options);
  }
  if (url.starts_with("postgresql://") || url.starts_with("postgres://")) {
    return open_postgres_schedule_store(std::string{url});
  }
  return unexpected(Errc::invalid, "store: \"" + std::string{url} +
                                       "\" is not a store of schedules; write sqlite:PATH or "
                                       "postgresql://USER@HOST/DATABASE");
}

}  // namespace baozi::store
