/// \file time.hpp
/// The two clocks as values (delivery.md D30). Cores never read a clock: the shell reads both once
/// per turn and passes a `Now` down.
#pragma once
#include <chrono>
#include <cstdint>

namespace baozi {

using Micros = std::chrono::microseconds;

struct MonoClock {};  // tag only: has no now(), so a core cannot call it
struct WallClock {};

/// Steady clock: leases, liveness, retry delays, timeouts. Only moves forward.
using MonoTime = std::chrono::time_point<MonoClock, Micros>;
/// Wall clock, microseconds since the Unix epoch, UTC: eta, expiry, ticks. May be moved by an
/// operator.
using WallTime = std::chrono::time_point<WallClock, Micros>;

struct Now {
  MonoTime mono{};
  WallTime wall{};
};

[[nodiscard]] constexpr std::int64_t micros(WallTime t) { return t.time_since_epoch().count(); }
[[nodiscard]] constexpr std::int64_t micros(MonoTime t) { return t.time_since_epoch().count(); }
[[nodiscard]] constexpr WallTime wall_time(std::int64_t us) { return WallTime{Micros{us}}; }
[[nodiscard]] constexpr MonoTime mono_time(std::int64_t us) { return MonoTime{Micros{us}}; }

}  // namespace baozi
