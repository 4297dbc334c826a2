#include "beat/schedule/schedule.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/nearest.hpp"
#include "beat/schedule/instant.hpp"

namespace baozi::beat {

namespace {

using std::chrono::sys_days;

/// No tick comes later; it keeps sums of times far from the end of their numbers.
constexpr WallTime latest{sys_days{std::chrono::year{year_most} / 12 / 31}.time_since_epoch()};

constexpr std::array kinds = {"every", "crontab", "cron", "solar", "clocked"};

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

Unexpected wrong(std::string message) { return unexpected(Errc::invalid, std::move(message)); }

Result<Schedule> made(auto&& part) {
  if (!part) return Unexpected{part.error()};
  return Schedule{*part};
}

Result<Clocked> parse_clocked(const Value& value) {
  if (!value.is_string()) {
    return wrong(
        fmt::format("clocked: '{}' is no text such as 2026-12-01T10:00:00Z", value.to_json()));
  }
  const Result<WallTime> at = parse_instant(value.as_string());
  if (!at) return wrong("clocked: " + at.error().message);
  return Clocked{*at};
}

/// The one kind that the map names.
Result<std::string> kind_of(const Value::Object& fields) {
  std::string kind;
  for (const auto& [name, value] : fields) {
    if (std::find(kinds.begin(), kinds.end(), name) != kinds.end()) {
      if (!kind.empty())
        return wrong(fmt::format("schedule: '{}' and '{}' exclude each other", kind, name));
      kind = name;
    }
  }
  if (kind.empty())
    return wrong(fmt::format("schedule: one of {} is needed", fmt::join(kinds, ", ")));
  for (const auto& [name, value] : fields) {
    if (name == kind || (name == "relative" && kind == "every")) continue;
    const std::vector<std::string> known =
        kind == "every" ? std::vector<std::string>{"relative"} : std::vector<std::string>{};
    const std::string meant = base::nearest(name, known);
    return wrong(fmt::format("schedule: '{}' does not belong beside '{}'{}", name, kind,
                             meant.empty() ? "" : "; did you mean '" + meant + "'?"));
  }
  return kind;
}

}  // namespace

Result<Schedule> Schedule::parse(const Value& value) {
  if (!value.is_object()) {
    return wrong(fmt::format("schedule: '{}' is no map such as {{every: 30s}}", value.to_json()));
  }
  const Result<std::string> kind = kind_of(value.as_object());
  if (!kind) return Unexpected{kind.error()};
  const Value& given = value.at(*kind);
  if (*kind == "clocked") return made(parse_clocked(given));
  if (*kind == "crontab") return made(Crontab::parse_keywords(given));
  if (*kind == "solar") return made(parse_solar(given));
  if (*kind == "cron") {
    if (given.is_string()) return made(Crontab::parse_text(given.as_string()));
    return wrong(fmt::format("cron: '{}' is no text such as '*/5 * * * *'", given.to_json()));
  }
  const Value* const relative = value.find("relative");
  return made(parse_every(given, relative == nullptr ? Value{} : *relative));
}

Value Schedule::to_value() const {
  return std::visit(Overloaded{[](const Clocked& clocked) {
                                 return Value::object({{"clocked", beat::to_text(clocked.at)}});
                               },
                               [](const auto& other) { return beat::to_value(other); }},
                    kind_);
}

std::string Schedule::text() const {
  return std::visit(
      Overloaded{[](const Clocked& clocked) { return "once at " + beat::to_text(clocked.at); },
                 [](const auto& other) { return beat::to_text(other); }},
      kind_);
}

std::optional<WallTime> Schedule::next(WallTime after, const NextTerms& terms) const {
  after = std::max(after, terms.start - Micros{1});
  if (after >= latest) return std::nullopt;
  const std::optional<WallTime> tick =
      std::visit(Overloaded{[&](const Clocked& clocked) -> std::optional<WallTime> {
                              if (clocked.at > after) return clocked.at;
                              return std::nullopt;
                            },
                            [&](const auto& other) { return next_tick(other, after, terms); }},
                 kind_);
  if (tick && *tick > std::min(terms.end.value_or(latest), latest)) return std::nullopt;
  return tick;
}

}  // namespace baozi::beat
