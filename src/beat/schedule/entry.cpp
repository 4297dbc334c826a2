#include "beat/schedule/entry.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include <fmt/format.h>

#include "base/limits.hpp"
#include "base/nearest.hpp"
#include "base/units.hpp"
#include "beat/schedule/instant.hpp"

namespace baozi::beat {

namespace {

constexpr Micros jitter_most{std::chrono::hours{24}};
constexpr std::uint32_t missed_limit_most = 10'000;

const std::vector<std::string> schedule_fields = {"every", "relative", "crontab",
                                                  "cron",  "solar",    "clocked"};
const std::vector<std::string> entry_fields = {
    "zone",     "task",    "args",    "kwargs",       "queue",  "priority",
    "headers",  "expires", "one_off", "start",        "end",    "missed",
    "max_runs", "enabled", "overlap", "missed_limit", "jitter", "description"};

bool is_in(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string shown(const Value& value) {
  return value.is_string() ? value.as_string() : value.to_json();
}

Unexpected wrong(std::string_view field, const Value& value, std::string_view allowed) {
  return unexpected(Errc::invalid, fmt::format("{}: '{}' is {}", field, shown(value), allowed));
}

Result<void> read(std::string_view field, const Value& value, std::string& into) {
  if (!value.is_string()) return wrong(field, value, "no text");
  into = value.as_string();
  return {};
}

Result<void> read(std::string_view field, const Value& value, bool& into) {
  if (!value.is_bool()) return wrong(field, value, "neither true nor false");
  into = value.to<bool>();
  return {};
}

Result<void> read(std::string_view field, const Value& value, Value::Array& into) {
  if (!value.is_array()) return wrong(field, value, "no list");
  into = value.as_array();
  return {};
}

Result<void> read(std::string_view field, const Value& value, Value::Object& into) {
  if (!value.is_object()) return wrong(field, value, "no map");
  into = value.as_object();
  return {};
}

Result<void> read_number(std::string_view field, const Value& value, std::uint64_t least,
                         std::uint64_t most, std::uint64_t& into) {
  std::optional<std::uint64_t> number;
  if (const auto* whole = std::get_if<std::int64_t>(&value.held()); whole && *whole >= 0) {
    number = static_cast<std::uint64_t>(*whole);
  } else if (value.is_string()) {
    const std::string& text = value.as_string();
    std::uint64_t read = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), read);
    if (error == std::errc{} && end == text.data() + text.size()) number = read;
  }
  if (!number || *number < least || *number > most) {
    return wrong(field, value, fmt::format("no whole number from {} to {}", least, most));
  }
  into = *number;
  return {};
}

/// Of at least nothing, at most `most`.
Result<void> read_duration(std::string_view field, const Value& value, Micros most, Micros& into) {
  const Result<Micros> duration =
      base::parse_duration(value.is_integer() || value.is_real() ? value.to_json() : shown(value));
  if (!duration) {
    return unexpected(Errc::invalid, fmt::format("{}: {}", field, duration.error().message));
  }
  if (*duration > most) {
    return wrong(field, value, fmt::format("above {}", base::to_text(most)));
  }
  into = *duration;
  return {};
}

Result<void> read_instant(std::string_view field, const Value& value,
                          std::optional<WallTime>& into) {
  if (!value.is_string()) return wrong(field, value, "no text such as 2026-12-01T10:00:00Z");
  const Result<WallTime> instant = parse_instant(value.as_string());
  if (!instant) {
    return unexpected(Errc::invalid, fmt::format("{}: {}", field, instant.error().message));
  }
  into = *instant;
  return {};
}

template <class Choice, std::size_t n>
Result<void> read_choice(std::string_view field, const Value& value,
                         const std::array<Choice, n>& choices, Choice& into) {
  std::vector<std::string> names;
  for (const Choice choice : choices) {
    if (value.is_string() && value.as_string() == to_string(choice)) {
      into = choice;
      return {};
    }
    names.emplace_back(to_string(choice));
  }
  return wrong(field, value, fmt::format("none of {}", fmt::join(names, ", ")));
}

Result<void> read_task_name(std::string_view field, const Value& value, std::string& into) {
  if (!value.is_string() || value.as_string().empty() ||
      value.as_string().size() > limits::name_bytes_max) {
    return wrong(field, value, fmt::format("no name of 1 to {} bytes", limits::name_bytes_max));
  }
  into = value.as_string();
  return {};
}

Result<void> read_zone(const Value& value, Zone& into) {
  if (!value.is_string()) return wrong("zone", value, "no text such as Europe/Berlin");
  Result<Zone> zone = Zone::find(value.as_string());
  if (!zone) return Unexpected{zone.error()};
  into = *zone;
  return {};
}

Result<void> read_field(Entry& entry, const std::string& field, const Value& value) {
  std::uint64_t number = 0;
  if (field == "zone") return read_zone(value, entry.zone);
  if (field == "task") return read_task_name(field, value, entry.task);
  if (field == "queue") return read_task_name(field, value, entry.queue);
  if (field == "args") return read(field, value, entry.args);
  if (field == "kwargs") return read(field, value, entry.kwargs);
  if (field == "headers") return read(field, value, entry.headers);
  if (field == "one_off") return read(field, value, entry.one_off);
  if (field == "enabled") return read(field, value, entry.enabled);
  if (field == "description") return read(field, value, entry.description);
  if (field == "start") return read_instant(field, value, entry.start);
  if (field == "end") return read_instant(field, value, entry.end);
  if (field == "jitter") return read_duration(field, value, jitter_most, entry.jitter);
  if (field == "missed") {
    return read_choice(field, value, std::array{Missed::skip, Missed::last, Missed::all},
                       entry.missed);
  }
  if (field == "overlap") {
    return read_choice(field, value, std::array{Overlap::allow, Overlap::skip}, entry.overlap);
  }
  if (field == "expires") {
    Micros span{};
    if (auto read = read_duration(field, value, Micros::max(), span); !read) return read;
    if (span <= Micros{0}) return wrong(field, value, "no time after the tick");
    entry.expires = span;
    return {};
  }
  if (field == "priority") {
    if (auto read = read_number(field, value, 0, limits::priority_max, number); !read) return read;
    entry.priority = static_cast<int>(number);
    return {};
  }
  if (field == "missed_limit") {
    if (auto read = read_number(field, value, 1, missed_limit_most, number); !read) return read;
    entry.missed_limit = static_cast<std::uint32_t>(number);
    return {};
  }
  if (auto read = read_number(field, value, 1, INT64_MAX, number); !read) return read;
  entry.max_runs = number;
  return {};
}

Unexpected unknown_field(const std::string& field) {
  std::vector<std::string> known = entry_fields;
  known.insert(known.end(), schedule_fields.begin(), schedule_fields.end());
  const std::string meant = base::nearest(field, known);
  return unexpected(Errc::invalid,
                    fmt::format("there is no field '{}'{}", field,
                                meant.empty() ? "" : "; did you mean '" + meant + "'?"));
}

}  // namespace

const char* to_string(Missed missed) {
  switch (missed) {
    case Missed::skip: return "skip";
    case Missed::last: return "last";
    case Missed::all: break;
  }
  return "all";
}

const char* to_string(Overlap overlap) { return overlap == Overlap::allow ? "allow" : "skip"; }

Result<void> check_entry_name(const std::string& name) {
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  if (name.empty() || name.size() > limits::name_bytes_max ||
      std::any_of(name.begin(), name.end(), is_control)) {
    return unexpected(Errc::invalid,
                      fmt::format("an entry's name has 1 to {} bytes and no control characters",
                                  limits::name_bytes_max));
  }
  return {};
}

Result<Entry> Entry::parse(std::string name, const Value& value, const Zone& zone) {
  if (auto fine = check_entry_name(name); !fine) return Unexpected{fine.error()};
  if (!value.is_object()) {
    return unexpected(
        Errc::invalid,
        fmt::format("'{}' is no map such as {{every: 30s, task: mail.send}}", value.to_json()));
  }
  Entry entry;
  entry.name = std::move(name);
  entry.zone = zone;
  Value schedule = Value::object();
  for (const auto& [field, given] : value.as_object()) {
    if (is_in(schedule_fields, field)) {
      schedule[field] = given;
    } else if (!is_in(entry_fields, field)) {
      return unknown_field(field);
    } else if (!given.is_null()) {  // null: as if it were not there
      if (auto read = read_field(entry, field, given); !read) return Unexpected{read.error()};
    }
  }
  if (entry.task.empty()) {
    return unexpected(Errc::invalid, "task: the name of the task to send is needed");
  }
  Result<Schedule> parsed = Schedule::parse(schedule);
  if (!parsed) return Unexpected{parsed.error()};
  entry.schedule = *parsed;
  if (entry.start && entry.end && *entry.end < *entry.start) {
    return unexpected(Errc::invalid, fmt::format("end: {} is before start, {}", to_text(*entry.end),
                                                 to_text(*entry.start)));
  }
  return entry;
}

Value Entry::to_value() const {
  const Entry plain;
  Value value = schedule.to_value();
  value["task"] = task;
  value["zone"] = zone.name();
  if (!args.empty()) value["args"] = args;
  if (!kwargs.empty()) value["kwargs"] = kwargs;
  if (!queue.empty()) value["queue"] = queue;
  if (priority) value["priority"] = *priority;
  if (!headers.empty()) value["headers"] = headers;
  if (expires) value["expires"] = base::to_text(*expires);
  if (one_off) value["one_off"] = true;
  if (start) value["start"] = to_text(*start);
  if (end) value["end"] = to_text(*end);
  if (max_runs) value["max_runs"] = *max_runs;
  if (!enabled) value["enabled"] = false;
  if (missed != plain.missed) value["missed"] = to_string(missed);
  if (missed_limit != plain.missed_limit) value["missed_limit"] = missed_limit;
  if (overlap != plain.overlap) value["overlap"] = to_string(overlap);
  if (jitter != plain.jitter) value["jitter"] = base::to_text(jitter);
  if (!description.empty()) value["description"] = description;
  return value;
}

}  // namespace baozi::beat
