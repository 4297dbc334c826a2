#include "store/schedule_row.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include <fmt/format.h>

#include "base/units.hpp"
#include "beat/schedule/instant.hpp"

namespace baozi::store {
namespace {

using enum SqlType;

constexpr std::array entry_table{
    ScheduleColumn{"name", text, "NOT NULL PRIMARY KEY"},
    ScheduleColumn{"kind", text,
                   "NOT NULL CHECK (kind IN ('every','crontab','cron','solar','clocked'))"},
    ScheduleColumn{"every", text, ""},
    ScheduleColumn{"relative", truth, "NOT NULL DEFAULT '0'"},
    ScheduleColumn{"minute", text, ""},
    ScheduleColumn{"hour", text, ""},
    ScheduleColumn{"day_of_month", text, ""},
    ScheduleColumn{"month_of_year", text, ""},
    ScheduleColumn{"day_of_week", text, ""},
    ScheduleColumn{"cron", text, ""},
    ScheduleColumn{"solar_event", text, ""},
    ScheduleColumn{"latitude", degrees, ""},
    ScheduleColumn{"longitude", degrees, ""},
    ScheduleColumn{"clocked", instant, ""},
    ScheduleColumn{"zone", text, "NOT NULL DEFAULT 'UTC'"},
    ScheduleColumn{"task", text, "NOT NULL"},
    ScheduleColumn{"args", json, "NOT NULL DEFAULT '[]'"},
    ScheduleColumn{"kwargs", json, "NOT NULL DEFAULT '{}'"},
    ScheduleColumn{"queue", text, ""},
    ScheduleColumn{"priority", whole, "CHECK (priority BETWEEN 0 AND 9)"},
    ScheduleColumn{"headers", json, "NOT NULL DEFAULT '{}'"},
    ScheduleColumn{"expires", text, ""},
    ScheduleColumn{"one_off", truth, "NOT NULL DEFAULT '0'"},
    ScheduleColumn{"start_time", instant, ""},
    ScheduleColumn{"end_time", instant, ""},
    ScheduleColumn{"max_runs", whole, "CHECK (max_runs > 0)"},
    ScheduleColumn{"enabled", truth, "NOT NULL DEFAULT '1'"},
    ScheduleColumn{"missed", text,
                   "NOT NULL DEFAULT 'last' CHECK (missed IN ('skip','last','all'))"},
    ScheduleColumn{"missed_limit", whole,
                   "NOT NULL DEFAULT 100 CHECK (missed_limit BETWEEN 1 AND 10000)"},
    ScheduleColumn{"overlap", text, "NOT NULL DEFAULT 'allow' CHECK (overlap IN ('allow','skip'))"},
    ScheduleColumn{"jitter", text, "NOT NULL DEFAULT '0s'"},
    ScheduleColumn{"description", text, "NOT NULL DEFAULT ''"},
};

constexpr std::array record_table{
    ScheduleColumn{"run_requests", whole, "NOT NULL DEFAULT 0"},
    ScheduleColumn{"last_tick", instant, ""},
    ScheduleColumn{"last_run_at", instant, ""},
    ScheduleColumn{"total_run_count", whole, "NOT NULL DEFAULT 0"},
    ScheduleColumn{"last_task_id", text, "NOT NULL DEFAULT ''"},
    ScheduleColumn{"runs_answered", whole, "NOT NULL DEFAULT 0"},
};

constexpr std::size_t at(std::string_view name) {
  std::size_t i = 0;
  while (entry_table[i].name != name) ++i;
  return i;
}
constexpr std::array crontab_fields = {"minute", "hour", "day_of_month", "month_of_year",
                                       "day_of_week"};

SqlText instant_text(const std::optional<WallTime>& time) {
  return time ? SqlText{beat::to_text(*time)} : std::nullopt;
}
SqlText truth_text(bool truth) { return truth ? "1" : "0"; }
SqlText some_text(const std::string& text) { return text.empty() ? std::nullopt : SqlText{text}; }
/// A text as it stands, anything else as JSON.
SqlText plain(const Value& value) {
  return value.is_string() ? value.as_string() : value.to_json();
}

struct Broken {
  std::string what;
};

Value json_value(std::string_view column, std::string_view text) {
  if (text == "[]") return Value::array();
  if (text == "{}") return Value::object();
  try {
    return Value::from_json(text);
  } catch (const DecodeError& error) {
    throw Broken{fmt::format("{}: '{}' is no JSON: {}", column, text, error.what())};
  }
}

/// The columns as the map that Entry::parse reads.
Value to_map(std::span<const SqlView> row) {
  Value map = Value::object();
  const auto text_of = [&](std::string_view name) { return row[at(name)]; };
  const std::string kind{text_of("kind").value_or("")};
  const auto put = [&](const char* field, std::string_view column) {
    if (const SqlView text = text_of(column)) map[field] = std::string{*text};
  };
  if (kind == "crontab") {
    Value fields = Value::object();
    for (const char* field : crontab_fields) {
      if (const SqlView text = text_of(field)) fields[field] = std::string{*text};
    }
    map["crontab"] = fields;
  } else if (kind == "solar") {
    Value place = Value::object();
    if (const SqlView text = text_of("solar_event")) place["event"] = std::string{*text};
    for (const char* field : {"latitude", "longitude"}) {
      if (const SqlView text = text_of(field)) place[field] = std::string{*text};
    }
    map["solar"] = place;
  } else if (kind == "every" || kind == "cron" || kind == "clocked") {
    if (!text_of(kind)) throw Broken{fmt::format("{}: is empty, and kind is '{}'", kind, kind)};
    map[kind] = std::string{*text_of(kind)};
  } else {
    throw Broken{fmt::format("kind: '{}' is none of every, crontab, cron, solar, clocked", kind)};
  }
  for (const char* field : {"zone", "task", "priority", "expires", "max_runs", "missed",
                            "missed_limit", "overlap", "jitter", "description"}) {
    put(field, field);
  }
  if (text_of("queue").value_or("") != "") put("queue", "queue");
  put("start", "start_time");
  put("end", "end_time");
  for (const char* field : {"args", "kwargs", "headers"}) {
    if (const SqlView text = text_of(field)) map[field] = json_value(field, *text);
  }
  for (const char* field : {"relative", "one_off", "enabled"}) {
    const SqlView text = text_of(field);
    if (!text || (std::string_view{field} == "relative" && kind != "every")) continue;
    const std::optional<bool> truth = to_truth(*text);
    if (!truth) throw Broken{fmt::format("{}: '{}' is neither true nor false", field, *text)};
    map[field] = *truth;
  }
  return map;
}

std::uint64_t count(std::string_view column, const SqlView& text) {
  std::uint64_t number = 0;
  const std::string_view digits = text.value_or("0");
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size()) {
    throw Broken{fmt::format("{}: '{}' is no whole number from 0", column, digits)};
  }
  return number;
}

std::optional<WallTime> instant_of(std::string_view column, const SqlView& text) {
  if (!text) return std::nullopt;
  const Result<WallTime> time = beat::parse_instant(*text);
  if (!time) throw Broken{fmt::format("{}: {}", column, time.error().message)};
  return *time;
}

}  // namespace

std::span<const ScheduleColumn> entry_columns() { return entry_table; }
std::span<const ScheduleColumn> record_columns() { return record_table; }

std::optional<bool> to_truth(std::string_view text) {
  if (text == "1" || text == "t" || text == "true") return true;
  if (text == "0" || text == "f" || text == "false") return false;
  return std::nullopt;
}

Result<std::vector<SqlText>> to_row(const beat::Entry& entry) {
  std::vector<SqlText> row(entry_table.size());
  const Value schedule = entry.schedule.to_value();
  const std::vector<std::string> kinds = {"every", "crontab", "cron", "solar", "clocked"};
  const std::string kind = *std::find_if(kinds.begin(), kinds.end(), [&](const std::string& name) {
    return schedule.find(name) != nullptr;
  });
  const Value& terms = schedule.at(kind);
  row[at("name")] = entry.name;
  row[at("kind")] = kind;
  row[at("relative")] = truth_text(schedule.find("relative") != nullptr);
  if (kind == "crontab") {
    for (const char* field : crontab_fields) {
      if (const Value* const value = terms.find(field)) row[at(field)] = plain(*value);
    }
  } else if (kind == "solar") {
    row[at("solar_event")] = plain(terms.at("event"));
    row[at("latitude")] = plain(terms.at("latitude"));
    row[at("longitude")] = plain(terms.at("longitude"));
  } else {
    row[at(kind)] = plain(terms);
  }
  row[at("zone")] = entry.zone.name();
  row[at("task")] = entry.task;
  row[at("args")] = Value{entry.args}.to_json();
  row[at("kwargs")] = Value{entry.kwargs}.to_json();
  row[at("queue")] = some_text(entry.queue);
  if (entry.priority) row[at("priority")] = std::to_string(*entry.priority);
  row[at("headers")] = Value{entry.headers}.to_json();
  if (entry.expires) row[at("expires")] = base::to_text(*entry.expires);
  row[at("one_off")] = truth_text(entry.one_off);
  row[at("start_time")] = instant_text(entry.start);
  row[at("end_time")] = instant_text(entry.end);
  if (entry.max_runs) row[at("max_runs")] = std::to_string(*entry.max_runs);
  row[at("enabled")] = truth_text(entry.enabled);
  row[at("missed")] = to_string(entry.missed);
  row[at("missed_limit")] = std::to_string(entry.missed_limit);
  row[at("overlap")] = to_string(entry.overlap);
  row[at("jitter")] = base::to_text(entry.jitter);
  row[at("description")] = entry.description;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i] && row[i]->find('\0') != std::string::npos) {
      return unexpected(
          Errc::invalid,
          fmt::format("entry '{}': {}: holds a zero byte, which databases cannot hold", entry.name,
                      entry_table[i].name));
    }
  }
  return row;
}

std::vector<SqlText> to_row(const beat::EntryRecord& record) {
  return {instant_text(record.last_tick), instant_text(record.last_run_at),
          std::to_string(record.total_run_count), record.last_task_id,
          std::to_string(record.runs_answered)};
}

Result<StoredEntry> from_row(std::span<const SqlView> row) {
  const std::string name{row[0].value_or("")};
  const auto broken = [&](const std::string& what) {
    return unexpected(Errc::store_corrupt, fmt::format("entry '{}': {}", name, what));
  };
  try {
    Result<beat::Entry> entry = beat::Entry::parse(name, to_map(row));
    if (!entry) return broken(entry.error().message);
    StoredEntry stored{std::move(*entry), {}, 0};
    const auto record = row.subspan(entry_table.size());
    stored.run_requests = count("run_requests", record[0]);
    stored.record.last_tick = instant_of("last_tick", record[1]);
    stored.record.last_run_at = instant_of("last_run_at", record[2]);
    stored.record.total_run_count = count("total_run_count", record[3]);
    stored.record.last_task_id = std::string{record[4].value_or("")};
    stored.record.runs_answered = count("runs_answered", record[5]);
    return stored;
  } catch (const Broken& error) {
    return broken(error.what);
  }
}

std::string row_as_json(std::span<const SqlView> row) {
  if (const Result<StoredEntry> stored = from_row(row)) return stored->entry.to_value().to_json();
  Value map = Value::object();
  for (std::size_t i = 1; i < entry_table.size(); ++i) {
    if (row[i]) map[entry_table[i].name] = std::string{*row[i]};
  }
  return map.to_json();
}

}  // namespace baozi::store
