#include "collector/results_cap.hpp"

#include <algorithm>
#include <bit>

namespace baozi::collector {

// Ages in eighths of a second, as floating point with three bits behind the first one.
std::size_t ResultsCap::step_of(std::int64_t age_us) {
  if (age_us < 1'000'000) return 0;
  const auto eighths = static_cast<std::uint64_t>(age_us) / 125'000;  // 8 or more
  const auto doublings = static_cast<std::size_t>(std::bit_width(eighths)) - 4;
  return std::min(1 + doublings * 8 + static_cast<std::size_t>((eighths >> doublings) - 8),
                  steps - 1);
}

std::int64_t ResultsCap::age_us_of(std::size_t step) {
  if (step == 0) return 0;
  return static_cast<std::int64_t>((8 + (step - 1) % 8) << ((step - 1) / 8)) * 125'000;
}

void ResultsCap::saw(std::span<const std::int64_t> finished_us, std::int64_t now_us) {
  for (const std::int64_t finished : finished_us) ++ages_[step_of(now_us - finished)];
}

void ResultsCap::end_round(std::uint64_t rows, std::int64_t now_us) {
  before_us_.reset();
  if (rows > rows_max_) {
    std::size_t step = steps - 1;
    for (std::uint64_t gone = 0; step > 1; --step) {
      gone += ages_[step];
      if (rows - std::min(gone, rows) <= rows_max_) break;
    }
    before_us_ = now_us - age_us_of(step);
  }
  ages_.fill(0);
}

}  // namespace baozi::collector
