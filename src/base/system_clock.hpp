/// \file system_clock.hpp
/// The machine's clocks. For shells only; cores are given a `Now`.
#pragma once
#include <ctime>

#include "base/time.hpp"

namespace baozi::base {

/// CLOCK_BOOTTIME and not std::chrono::steady_clock, which stands still while the machine is
/// suspended: a node must notice that it slept (delivery.md D2).
[[nodiscard]] inline MonoTime mono_now() {
  std::timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return MonoTime{Micros{std::int64_t{time.tv_sec} * 1'000'000 + time.tv_nsec / 1'000}};
}
[[nodiscard]] inline WallTime wall_now() {
  return WallTime{
      std::chrono::duration_cast<Micros>(std::chrono::system_clock::now().time_since_epoch())};
}
[[nodiscard]] inline Now system_now() { return Now{mono_now(), wall_now()}; }

}  // namespace baozi::base
