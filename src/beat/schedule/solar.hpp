/// \file solar.hpp
/// Schedules by the sun: dawn, sunrise, noon, sunset, dusk at a place. Pure.
/// Source: NOAA's solar calculator, after Jean Meeus, Astronomical Algorithms; within a minute of
/// published tables between 72° north and south, from 1901 to 2099.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "baozi/value.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "beat/schedule/terms.hpp"

namespace baozi::beat {

enum class SolarEvent {
  dawn_astronomical,  ///< the sun's centre rises through 18° below the horizon
  dawn_nautical,      ///< … through 12° below
  dawn_civil,         ///< … through 6° below; "dawn" for short
  sunrise,            ///< its upper edge appears, refraction included: 0.833° below
  solar_noon,         ///< it stands highest; "noon" for short
  sunset,
  dusk_civil,  ///< "dusk" for short
  dusk_nautical,
  dusk_astronomical,
};
[[nodiscard]] const char* to_string(SolarEvent event);

struct Solar {
  SolarEvent event{};
  double latitude = 0;   ///< degrees, north is positive; -90 to 90
  double longitude = 0;  ///< degrees, east is positive; -180 to 180

  bool operator==(const Solar&) const = default;
};

/// \param value  {event: sunset, latitude: 52.52, longitude: 13.4}
[[nodiscard]] Result<Solar> parse_solar(const Value& value);
[[nodiscard]] Value to_value(const Solar& solar);
/// "sunset at 52.52, 13.4"
[[nodiscard]] std::string to_text(const Solar& solar);

/// The event of one solar day, which is centred on the mean noon of the place's longitude on that
/// day since 1970-01-01; whole seconds. nullopt: polar day or night, the event does not come.
[[nodiscard]] std::optional<WallTime> solar_event(const Solar& solar, std::int64_t day);

/// The first event after `after`. Days without it are passed over, up to some years: at the poles
/// it may never come.
[[nodiscard]] std::optional<WallTime> next_tick(const Solar& solar, WallTime after,
                                                const NextTerms& terms);

}  // namespace baozi::beat
