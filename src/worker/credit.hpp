/// \file credit.hpp
/// How many deliveries a worker asks for, and how many it hands to its pool: both follow the
/// duration of its tasks, so that short ones never wait for the network and long ones are not
/// hoarded. Threading: owned by one core. Time: passed in as durations. Source: docs/protocol.md
/// "Credit".
#pragma once
#include <cstdint>

#include "base/time.hpp"

namespace baozi::worker {

class CreditPlan {
 public:
  /// \param concurrency  tasks that run at the same time, at least 1.
  /// \param fixed        deliveries held at most; 0: as the tasks' duration says.
  CreditPlan(std::uint32_t concurrency, std::uint32_t fixed);

  /// The pool has grown or shrunk.
  void set_concurrency(std::uint32_t concurrency);
  /// A task ran for so long.
  void observe(Micros ran);

  /// Deliveries to hold, queued or running, over all brokers: work for about 20 ms, never less than
  /// the concurrency, and exactly the concurrency while tasks take longer than 100 ms, or nothing
  /// is known.
  [[nodiscard]] std::uint64_t total() const;
  /// Deliveries to have with the pool at once: what runs, and enough behind it to bridge the loop's
  /// turn.
  [[nodiscard]] std::uint64_t pool_target() const;
  [[nodiscard]] Micros average() const { return Micros{static_cast<std::int64_t>(average_us_)}; }

 private:
  [[nodiscard]] std::uint64_t that_fill(double us) const;

  std::uint64_t concurrency_;
  std::uint64_t fixed_;
  double average_us_ = -1;  // negative: nothing ran yet
};

}  // namespace baozi::worker
