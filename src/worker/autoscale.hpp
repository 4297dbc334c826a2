/// \file autoscale.hpp
/// How many slots a pool should have, by what waits for them: it grows at once, and shrinks one by
/// one after a while without need, so that a pause between two bursts costs nothing. Pure. Time:
/// passed in.
#pragma once
#include <algorithm>
#include <cstddef>
#include <optional>

#include "base/time.hpp"

namespace baozi::worker {

class Autoscale {
 public:
  static constexpr Micros grow_pause{100'000};
  static constexpr Micros idle_patience{5'000'000};
  static constexpr Micros shrink_pause{200'000};

  Autoscale(std::size_t most, std::size_t least) : most_{most}, least_{least} {}

  /// \param slots    the pool has now.
  /// \param in_hand  items that run or wait for a slot.
  /// \return         the size that it should have.
  std::size_t plan(std::size_t slots, std::size_t in_hand, MonoTime now) {
    if (in_hand >= slots) {
      shrink_at_.reset();
      // A worker asks for no more tasks than it has slots, so what waits at the broker cannot be
      // seen from here: twice as many slots will tell.
      if (slots >= most_ || (grew_at_ && now - *grew_at_ < grow_pause)) return clamp(slots);
      grew_at_ = now;
      return clamp(slots * 2);
    }
    if (in_hand * 2 > slots || slots <= least_) {
      shrink_at_.reset();
      return clamp(slots);
    }
    if (!shrink_at_) shrink_at_ = now + idle_patience;
    if (now < *shrink_at_) return clamp(slots);
    shrink_at_ = now + shrink_pause;
    return clamp(slots - 1);
  }
  /// When to ask again at the latest.
  [[nodiscard]] std::optional<MonoTime> next_deadline() const { return shrink_at_; }

 private:
  [[nodiscard]] std::size_t clamp(std::size_t slots) const {
    return std::clamp(slots, least_, most_);
  }
  std::size_t most_, least_;
  std::optional<MonoTime> grew_at_, shrink_at_;
};

}  // namespace baozi::worker
