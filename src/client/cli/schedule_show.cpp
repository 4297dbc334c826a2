// baozi schedule list, show, history: what a store holds.
#include <cstdio>

#include "beat/schedule/instant.hpp"
#include "client/cli/schedule_options.hpp"

namespace baozi::cli {

namespace {

Value instant_or_null(const std::optional<WallTime>& time) {
  return time ? Value{beat::to_text(*time)} : Value{};
}

/// The entry's map, its name, and what has become of it.
Value as_json(const store::StoredEntry& stored, WallTime now) {
  Value map = stored.entry.to_value();
  map["name"] = stored.entry.name;
  map["enabled"] = stored.entry.enabled;
  map["next"] = instant_or_null(stored.entry.enabled ? stored.entry.next(now) : std::nullopt);
  map["last_tick"] = instant_or_null(stored.record.last_tick);
  map["last_run_at"] = instant_or_null(stored.record.last_run_at);
  map["total_run_count"] = stored.record.total_run_count;
  map["last_task_id"] = stored.record.last_task_id;
  map["run_requests"] = stored.run_requests;
  map["runs_answered"] = stored.record.runs_answered;
  return map;
}

Value as_row(const store::StoredEntry& stored, WallTime now) {
  const beat::Entry& entry = stored.entry;
  return Value::object({{"name", entry.name},
                        {"schedule", entry.schedule.text()},
                        {"zone", entry.zone.name()},
                        {"task", entry.task},
                        {"runs", stored.record.total_run_count},
                        {"last", instant_or_null(stored.record.last_run_at)},
                        {"next", next_text(entry, now)}});
}

/// "queue: mail → reports, enabled: true → false"
std::string difference(const store::ScheduleChange& change) {
  if (change.before.empty() || change.after.empty() || change.before == change.after) return "";
  const Value before = Value::from_json(change.before);
  const Value after = Value::from_json(change.after);
  std::string text;
  const auto add = [&](const std::string& field) {
    const Value* const old_value = before.find(field);
    const Value* const new_value = after.find(field);
    if (old_value != nullptr && new_value != nullptr && *old_value == *new_value) return;
    text += (text.empty() ? "" : ", ") + field + ": " +
            (old_value == nullptr ? "-" : to_text(*old_value)) + " → " +
            (new_value == nullptr ? "-" : to_text(*new_value));
  };
  for (const auto& [field, value] : before.as_object()) add(field);
  for (const auto& [field, value] : after.as_object()) {
    if (before.find(field) == nullptr) add(field);
  }
  return text;
}

}  // namespace

int schedule_list(const Words& words) {
  StoreOption option;
  bool json = false;
  base::OptionTable table{"baozi schedule list", "Lists the entries of a store, by name."};
  option.declare(table);
  table.add("json", json, "print a JSON array");
  if (!read_schedule(table, words)) return 0;
  std::vector<std::string> broken;
  const auto entries = answer(option.open()->load(broken));
  const WallTime now = wall_now();
  Value::Array rows;
  for (const store::StoredEntry& entry : entries) {
    rows.push_back(json ? as_json(entry, now) : as_row(entry, now));
  }
  if (json) {
    std::printf("%s\n", Value{rows}.to_json(2).c_str());
  } else {
    print_table(rows, {"name", "schedule", "zone", "task", "runs", "last", "next"});
  }
  for (const std::string& line : broken) {
    std::fprintf(stderr, "baozi schedule: %s\n", line.c_str());
  }
  return broken.empty() ? 0 : 1;
}

int schedule_show(const Words& words) {
  StoreOption option;
  std::string name;
  bool json = false;
  base::OptionTable table{"baozi schedule show", "Shows an entry and what has become of it."};
  table.add_positional("NAME", name, "the entry").required();
  option.declare(table);
  table.add("json", json, "print JSON");
  if (!read_schedule(table, words)) return 0;
  const auto found = answer(option.open()->find(name));
  if (!found) throw std::runtime_error{"there is no entry '" + name + "'"};
  const Value map = as_json(*found, wall_now());
  if (json) {
    std::printf("%s\n", map.to_json(2).c_str());
    return 0;
  }
  for (const auto& [field, value] : map.as_object()) {
    std::printf("%-16s  %s\n", field.c_str(), to_text(value).c_str());
  }
  return 0;
}

int schedule_history(const Words& words) {
  StoreOption option;
  std::string name;
  std::uint64_t count = 20;
  bool json = false;
  base::OptionTable table{"baozi schedule history",
                          "Shows who changed what, and when; the latest first."};
  table.add_positional("NAME", name, "an entry, there or removed; without it, of all");
  option.declare(table);
  table.add("count", count, "how many changes").short_name('n').range(1, 1'000'000);
  table.add("json", json, "print a JSON array, with the entries before and after");
  if (!read_schedule(table, words)) return 0;
  const auto changes = answer(option.open()->changes(name, count));
  Value::Array rows;
  for (const store::ScheduleChange& change : changes) {
    Value row = Value::object({{"number", change.number},
                               {"at", beat::to_text(change.at)},
                               {"who", change.who},
                               {"what", change.what},
                               {"entry", change.entry}});
    if (json) {
      row["before"] = change.before.empty() ? Value{} : Value::from_json(change.before);
      row["after"] = change.after.empty() ? Value{} : Value::from_json(change.after);
    } else {
      row["change"] = difference(change);
    }
    rows.push_back(row);
  }
  if (json) {
    std::printf("%s\n", Value{rows}.to_json(2).c_str());
  } else {
    print_table(rows, {"number", "at", "who", "what", "entry", "change"});
  }
  return 0;
}

}  // namespace baozi::cli
