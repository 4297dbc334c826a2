#include "worker/credit.hpp"

#include <algorithm>

namespace baozi::worker {

namespace {
constexpr double shortest_us = 0.5;  // what a clock of microseconds shows as 0
constexpr double weight = 1.0 / 16;  // of the newest duration in the average
constexpr double long_us = 100'000;
constexpr double held_us = 20'000;
constexpr double pooled_us = 500;
constexpr std::uint64_t held_per_thread_max = 1'000;
constexpr std::uint64_t held_max = 10'000;
constexpr std::uint64_t pooled_per_thread_max = 256;
constexpr std::uint64_t pooled_max = 2'048;
}  // namespace

CreditPlan::CreditPlan(std::uint32_t concurrency, std::uint32_t fixed)
    : concurrency_{std::max<std::uint32_t>(concurrency, 1)}, fixed_{fixed} {}

void CreditPlan::set_concurrency(std::uint32_t concurrency) {
  concurrency_ = std::max<std::uint32_t>(concurrency, 1);
}

void CreditPlan::observe(Micros ran) {
  const double us = std::max(static_cast<double>(ran.count()), shortest_us);
  average_us_ = average_us_ < 0 ? us : average_us_ + (us - average_us_) * weight;
}

std::uint64_t CreditPlan::that_fill(double us) const {
  return static_cast<std::uint64_t>(static_cast<double>(concurrency_) * us / average_us_);
}

std::uint64_t CreditPlan::total() const {
  if (fixed_ != 0) return fixed_;
  if (average_us_ < 0 || average_us_ > long_us) return concurrency_;
  const std::uint64_t ceiling =
      std::max(concurrency_, std::min(concurrency_ * held_per_thread_max, held_max));
  return std::min(std::max(that_fill(held_us), concurrency_) + concurrency_ / 4 + 1, ceiling);
}

std::uint64_t CreditPlan::pool_target() const {
  if (average_us_ < 0) return concurrency_;
  return concurrency_ +
         std::min({that_fill(pooled_us), concurrency_ * pooled_per_thread_max, pooled_max});
}

}  // namespace baozi::worker
