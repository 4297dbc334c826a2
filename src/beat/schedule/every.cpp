#include "beat/schedule/every.hpp"

#include <cmath>

#include <fmt/core.h>

#include "base/units.hpp"

namespace baozi::beat {

namespace {

constexpr Micros interval_least{1'000};
constexpr Micros interval_most{std::chrono::hours{24 * 36'500}};
/// The midnight that began Monday, 1 January 2001, on a clock without an offset.
constexpr WallTime first_monday = wall_time(978'307'200'000'000);

Unexpected wrong(const std::string& what) { return unexpected(Errc::invalid, "every: " + what); }

std::string shown(const Value& value) {
  return value.is_string() ? value.as_string() : value.to_json();
}

Result<Micros> interval_of(const Value& value) {
  if (value.is_string()) {
    Result<Micros> parsed = base::parse_duration(value.as_string());
    if (!parsed) return wrong(parsed.error().message);
    return parsed;
  }
  if (!value.is_number()) {
    return wrong(fmt::format(
        "'{}' is neither a number of seconds nor a duration such as 30s or 1h30m", shown(value)));
  }
  const auto seconds = value.is_real() ? std::get<double>(value.held())
                       : std::holds_alternative<std::int64_t>(value.held())
                           ? static_cast<double>(std::get<std::int64_t>(value.held()))
                           : static_cast<double>(std::get<std::uint64_t>(value.held()));
  // Out of range before the cast; `!(…)` catches what is not a number as well.
  if (!(std::abs(seconds) < 1e12)) return Micros{-1};
  return Micros{std::llround(seconds * 1e6)};
}

}  // namespace

Result<Every> parse_every(const Value& every, const Value& relative) {
  const Result<Micros> interval = interval_of(every);
  if (!interval) return Unexpected{interval.error()};
  if (*interval < interval_least || *interval > interval_most) {
    return wrong(fmt::format("'{}' is outside 1ms to 36500d", shown(every)));
  }
  Every made{*interval, false};
  if (relative.is_bool()) {
    made.relative = relative.to<bool>();
  } else if (!relative.is_null()) {
    return unexpected(Errc::invalid,
                      fmt::format("relative: '{}' is neither true nor false", shown(relative)));
  }
  return made;
}

Value to_value(const Every& every) {
  Value value = Value::object({{"every", base::to_text(every.interval)}});
  if (every.relative) value["relative"] = true;
  return value;
}

std::string to_text(const Every& every) {
  return "every " + base::to_text(every.interval) + (every.relative ? " by the clock" : "");
}

std::optional<WallTime> next_tick(const Every& every, WallTime after, const NextTerms& terms) {
  const WallTime anchor =
      every.relative ? first_monday - terms.zone.offset_at(first_monday) : terms.start;
  const Micros passed = after - anchor;
  // Rounded down, also before the anchor.
  const auto steps = passed / every.interval - (passed % every.interval < Micros{0} ? 1 : 0);
  return anchor + (steps + 1) * every.interval;
}

}  // namespace baozi::beat
