#include "beat/schedule/solar.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numbers>
#include <vector>

#include <fmt/format.h>

#include "base/nearest.hpp"

namespace baozi::beat {

namespace {

struct Kind {
  const char* name;
  double altitude;  ///< of the sun's centre, in degrees
  int side;         ///< -1 before noon, 1 after, 0 noon itself
};
constexpr std::array<Kind, 9> kinds = {{{"dawn_astronomical", -18, -1},
                                        {"dawn_nautical", -12, -1},
                                        {"dawn_civil", -6, -1},
                                        {"sunrise", -0.833, -1},
                                        {"solar_noon", 0, 0},
                                        {"sunset", -0.833, 1},
                                        {"dusk_civil", -6, 1},
                                        {"dusk_nautical", -12, 1},
                                        {"dusk_astronomical", -18, 1}}};
struct Short {
  const char* name;
  SolarEvent event;
};
constexpr std::array<Short, 3> shorts = {{{"dawn", SolarEvent::dawn_civil},
                                          {"noon", SolarEvent::solar_noon},
                                          {"dusk", SolarEvent::dusk_civil}}};

const Kind& kind_of(SolarEvent event) { return kinds[static_cast<std::size_t>(event)]; }

constexpr double day_s = 86'400;
constexpr double degree = std::numbers::pi / 180;

struct Sun {
  double declination;    ///< radians
  double equation_of_s;  ///< apparent minus mean solar time, in seconds
};

/// Where the sun stands, by the formulas and in the order of NOAA's spreadsheet.
Sun sun_at(double unix_s) {
  const double t = (unix_s / day_s + 2'440'587.5 - 2'451'545.0) / 36'525;  // Julian centuries
  const double mean_longitude = std::fmod(280.46646 + t * (36'000.76983 + t * 0.0003032), 360);
  const double anomaly = (357.52911 + t * (35'999.05029 - 0.0001537 * t)) * degree;
  const double eccentricity = 0.016708634 - t * (0.000042037 + 0.0000001267 * t);
  const double centre = std::sin(anomaly) * (1.914602 - t * (0.004817 + 0.000014 * t)) +
                        std::sin(2 * anomaly) * (0.019993 - 0.000101 * t) +
                        std::sin(3 * anomaly) * 0.000289;
  const double node = (125.04 - 1'934.136 * t) * degree;
  const double apparent_longitude =
      (mean_longitude + centre - 0.00569 - 0.00478 * std::sin(node)) * degree;
  const double mean_obliquity =
      23 + (26 + (21.448 - t * (46.815 + t * (0.00059 - t * 0.001813))) / 60) / 60;
  const double obliquity = (mean_obliquity + 0.00256 * std::cos(node)) * degree;
  const double y = std::pow(std::tan(obliquity / 2), 2);
  const double l = mean_longitude * degree;
  const double equation = y * std::sin(2 * l) - 2 * eccentricity * std::sin(anomaly) +
                          4 * eccentricity * y * std::sin(anomaly) * std::cos(2 * l) -
                          0.5 * y * y * std::sin(4 * l) -
                          1.25 * eccentricity * eccentricity * std::sin(2 * anomaly);
  return {std::asin(std::sin(obliquity) * std::sin(apparent_longitude)), equation / degree * 240};
}

std::optional<double> number(const Value& value) {
  if (value.is_integer()) return value.to<double>();
  if (value.is_real()) return std::get<double>(value.held());
  if (!value.is_string()) return std::nullopt;
  const std::string& text = value.as_string();
  double parsed = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), parsed);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return parsed;
}

std::string shown(const Value& value) {
  if (value.is_real()) return fmt::format("{}", std::get<double>(value.held()));
  return value.is_string() ? value.as_string() : value.to_json();
}

Result<double> parse_degrees(const Value& fields, const char* name, double most) {
  const Value* const value = fields.find(name);
  if (value == nullptr) return unexpected(Errc::invalid, fmt::format("{}: it is missing", name));
  const auto parsed = number(*value);
  if (!parsed) {
    return unexpected(Errc::invalid,
                      fmt::format("{}: '{}' is no number of degrees", name, shown(*value)));
  }
  if (!(*parsed >= -most && *parsed <= most)) {
    return unexpected(Errc::invalid, fmt::format("{}: '{}' is outside {} to {}", name,
                                                 shown(*value), -most, most));
  }
  return *parsed;
}

Result<SolarEvent> parse_event(const Value& fields) {
  const Value* const value = fields.find("event");
  const std::string wanted = value == nullptr ? "" : shown(*value);
  std::vector<std::string> known;
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    if (wanted == kinds[i].name) return static_cast<SolarEvent>(i);
    known.emplace_back(kinds[i].name);
  }
  for (const Short& other : shorts) {
    if (wanted == other.name) return other.event;
    known.emplace_back(other.name);
  }
  if (value == nullptr) return unexpected(Errc::invalid, "event: it is missing");
  return unexpected(Errc::invalid,
                    fmt::format("event: '{}' is none of {}", wanted, fmt::join(known, ", ")));
}

}  // namespace

const char* to_string(SolarEvent event) { return kind_of(event).name; }

Result<Solar> parse_solar(const Value& value) {
  if (!value.is_object()) {
    return unexpected(Errc::invalid,
                      fmt::format("solar: '{}' is no map such as {{event: sunset, latitude: 52.52, "
                                  "longitude: 13.4}}",
                                  value.to_json()));
  }
  const std::vector<std::string> fields = {"event", "latitude", "longitude"};
  for (const auto& [name, given] : value.as_object()) {
    if (std::find(fields.begin(), fields.end(), name) != fields.end()) continue;
    const std::string meant = base::nearest(name, fields);
    return unexpected(
        Errc::invalid,
        fmt::format("solar: there is no field '{}'; {}", name,
                    meant.empty() ? fmt::format("there are {}", fmt::join(fields, ", "))
                                  : "did you mean '" + meant + "'?"));
  }
  const auto event = parse_event(value);
  if (!event) return Unexpected{event.error()};
  const auto latitude = parse_degrees(value, "latitude", 90);
  if (!latitude) return Unexpected{latitude.error()};
  const auto longitude = parse_degrees(value, "longitude", 180);
  if (!longitude) return Unexpected{longitude.error()};
  return Solar{*event, *latitude, *longitude};
}

Value to_value(const Solar& solar) {
  return Value::object({{"solar", Value::object({{"event", to_string(solar.event)},
                                                 {"latitude", solar.latitude},
                                                 {"longitude", solar.longitude}})}});
}

std::string to_text(const Solar& solar) {
  return fmt::format("{} at {}, {}", to_string(solar.event), solar.latitude, solar.longitude);
}

std::optional<WallTime> solar_event(const Solar& solar, std::int64_t day) {
  const Kind& kind = kind_of(solar.event);
  const double mean_noon = static_cast<double>(day) * day_s + day_s / 2 - solar.longitude * 240;
  const double latitude = solar.latitude * degree;
  double time = mean_noon;
  double cosine = 0;
  // The sun moves while the event is sought: a few rounds settle it to less than a second.
  for (int round = 0; round < 6; ++round) {
    const Sun sun = sun_at(time);
    time = mean_noon - sun.equation_of_s;
    if (kind.side == 0) continue;
    cosine = (std::sin(kind.altitude * degree) - std::sin(latitude) * std::sin(sun.declination)) /
             (std::cos(latitude) * std::cos(sun.declination));
    time += kind.side * std::acos(std::clamp(cosine, -1.0, 1.0)) / degree * 240;
  }
  if (!(std::abs(cosine) <= 1)) return std::nullopt;
  return wall_time(std::llround(time) * 1'000'000);
}

std::optional<WallTime> next_tick(const Solar& solar, WallTime after, const NextTerms&) {
  constexpr std::int64_t days_most = 732;  // every year is like the last, so two are enough
  const auto today = std::chrono::floor<std::chrono::days>(after.time_since_epoch()).count();
  for (std::int64_t day = today - 2; day < today + days_most; ++day) {
    const auto event = solar_event(solar, day);
    if (event && *event > after) return event;
  }
  return std::nullopt;
}

}  // namespace baozi::beat
