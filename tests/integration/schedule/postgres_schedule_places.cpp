#include "postgres_schedule_places.hpp"

#include "schedule_places.hpp"
#include "store/open_store.hpp"

namespace baozi::test {
namespace {

class PostgresPlace final : public SchedulePlace {
 public:
  std::unique_ptr<store::ScheduleStore> open() override {
    auto store = store::open_schedule_store(postgres().url(database_));
    if (!store) throw std::runtime_error{store.error().message};
    return std::move(*store);
  }
  void sql(const std::string& text) override { postgres().sql(text, database_); }

 private:
  std::string database_ = postgres().new_database();
};

}  // namespace

PostgresServer& postgres() {
  static PostgresServer server;
  return server;
}

std::vector<const char*> schedule_place_kinds() { return {"Postgres"}; }
std::vector<const char*> database_kinds() { return {"Postgres"}; }

std::unique_ptr<SchedulePlace> schedule_place(const std::string&) {
  return std::make_unique<PostgresPlace>();
}

}  // namespace baozi::test
