/// \file schedules.hpp
/// Schedules and instants as short text, for the tests of schedules.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "beat/schedule/instant.hpp"
#include "beat/schedule/schedule.hpp"

namespace baozi::beat {

inline WallTime at(std::string_view text) {
  const auto parsed = parse_instant(text);
  if (!parsed) ADD_FAILURE() << parsed.error().message;
  return parsed ? *parsed : WallTime{};
}

/// From JSON.
inline Schedule schedule(const std::string& json) {
  const auto parsed = Schedule::parse(Value::from_json(json));
  if (!parsed) ADD_FAILURE() << json << ": " << parsed.error().message;
  return parsed ? *parsed : Schedule{Clocked{}};
}
inline Schedule cron(const std::string& text) { return schedule(R"({"cron": ")" + text + R"("})"); }
inline Schedule crontab(const std::string& text) {
  return schedule(R"({"crontab": ")" + text + R"("})");
}

/// What `parse` says to JSON that is wrong.
inline std::string refusal(const std::string& json) {
  const auto parsed = Schedule::parse(Value::from_json(json));
  return parsed ? "taken as " + parsed->text() : parsed.error().message;
}

inline NextTerms in_zone(std::string_view name) {
  const auto zone = Zone::find(name);
  if (!zone) ADD_FAILURE() << zone.error().message;
  return {.zone = zone ? *zone : Zone{}};
}

/// The next tick as text, "never" when there is none.
inline std::string after(const Schedule& schedule, std::string_view from,
                         const NextTerms& terms = {}) {
  const auto tick = schedule.next(at(from), terms);
  return tick ? to_text(*tick) : "never";
}
/// The next ticks as text.
inline std::vector<std::string> ticks(const Schedule& schedule, std::string_view from,
                                      std::size_t count, const NextTerms& terms = {}) {
  std::vector<std::string> list;
  auto tick = schedule.next(at(from), terms);
  for (; tick && list.size() < count; tick = schedule.next(*tick, terms))
    list.push_back(to_text(*tick));
  return list;
}

}  // namespace baozi::beat
