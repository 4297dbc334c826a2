/// \file system_clock.hpp
/// The machine's clocks. For shells only; cores are given a `Now`.
#pragma once
#include "base/time.hpp"

namespace baozi::base {

[[nodiscard]] inline MonoTime mono_now() {
  return MonoTime{std::chrono::duration_cast<Micros>(
      std::chrono::steady_clock::now().time_since_epoch())};
}
[[nodiscard]] inline WallTime wall_now() {
  return WallTime{std::chrono::duration_cast<Micros>(
      std::chrono::system_clock::now().time_since_epoch())};
}
[[nodiscard]] inline Now system_now() { return Now{mono_now(), wall_now()}; }

}  // namespace baozi::base
