/// \file schedule_places.hpp
/// Where the schedules of a test rest: each kind of store, fresh for each test.
#pragma once
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "store/schedule_store.hpp"
#include "support/eventually.hpp"

namespace baozi::test {

constexpr WallTime noon = wall_time(1'700'000'000'000'000);

/// Throws what is wrong with it.
inline beat::Entry entry(const std::string& name,
                         const char* json = R"({"every": "30s", "task": "c.add"})") {
  Result<beat::Entry> parsed = beat::Entry::parse(name, Value::from_json(json));
  if (!parsed) throw std::runtime_error{parsed.error().message};
  return *parsed;
}

class SchedulePlace {
 public:
  virtual ~SchedulePlace() = default;
  /// An opening more, as another process has it. Throws what opening says.
  [[nodiscard]] virtual std::unique_ptr<store::ScheduleStore> open() = 0;
  /// What an administrator does beside it.
  virtual void sql(const std::string& text) = 0;
};

/// Of the program that a test is linked into: "Memory", "Sqlite"; or "Postgres".
[[nodiscard]] std::vector<const char*> schedule_place_kinds();
/// Kinds that are databases.
[[nodiscard]] std::vector<const char*> database_kinds();
[[nodiscard]] std::unique_ptr<SchedulePlace> schedule_place(const std::string& kind);

}  // namespace baozi::test
