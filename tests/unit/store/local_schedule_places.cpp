#include <stdexcept>

#include "schedule_places.hpp"
#include "store/memory_schedule_store.hpp"
#include "store/open_store.hpp"
#include "store/sqlite_db.hpp"
#include "support/temp_dir.hpp"

namespace baozi::test {
namespace {

class MemoryPlace final : public SchedulePlace {
 public:
  std::unique_ptr<store::ScheduleStore> open() override {
    return std::make_unique<store::MemoryScheduleStore>();
  }
  void sql(const std::string&) override { throw std::logic_error{"memory has no SQL"}; }
};

class SqlitePlace final : public SchedulePlace {
 public:
  std::unique_ptr<store::ScheduleStore> open() override {
    auto store = store::open_schedule_store("sqlite:" + path());
    if (!store) throw std::runtime_error{store.error().message};
    return std::move(*store);
  }
  void sql(const std::string& text) override {
    auto db = store::Database::open(path(), "", std::chrono::seconds{10});
    if (!db) throw std::runtime_error{db.error().message};
    if (auto done = db->exec(text); !done) throw std::runtime_error{done.error().message};
  }

 private:
  [[nodiscard]] std::string path() const { return folder_ / "schedule.db"; }
  TempDir folder_{TempDir::fast_parent()};
};

}  // namespace

std::vector<const char*> schedule_place_kinds() { return {"Memory", "Sqlite"}; }
std::vector<const char*> database_kinds() { return {"Sqlite"}; }

std::unique_ptr<SchedulePlace> schedule_place(const std::string& kind) {
  if (kind == "Memory") return std::make_unique<MemoryPlace>();
  return std::make_unique<SqlitePlace>();
}

}  // namespace baozi::test
