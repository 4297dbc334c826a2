/// \file chance.hpp
/// Seeded chance with the shapes that faults have.
#pragma once
#include <cmath>
#include <cstdint>

#include "base/random.hpp"
#include "base/time.hpp"

namespace baozi::sim {

class Chance {
 public:
  explicit Chance(std::uint64_t seed) : random_{seed} {}

  std::uint64_t next() { return random_.next(); }
  bool yes(double probability) { return probability > 0 && random_.chance(probability); }
  /// Uniform in [low, high].
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low +
           static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(high - low + 1)));
  }
  Micros between(Micros low, Micros high) { return Micros{between(low.count(), high.count())}; }
  std::size_t index(std::size_t size) { return static_cast<std::size_t>(random_.below(size)); }
  /// Many short ones, few long ones: uniform in the logarithm.
  Micros spread(Micros low, Micros high) {
    const double from = std::log(static_cast<double>(low.count()));
    const double to = std::log(static_cast<double>(high.count()));
    return Micros{static_cast<std::int64_t>(std::exp(from + (to - from) * random_.unit()))};
  }
  /// The time until the next of events that come `mean` apart on average.
  Micros wait(Micros mean) {
    return Micros{static_cast<std::int64_t>(-std::log(1.0 - random_.unit()) *
                                            static_cast<double>(mean.count()))};
  }

 private:
  Random random_;
};

}  // namespace baozi::sim
