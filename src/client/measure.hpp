/// \file measure.hpp
/// How fast a network is, seen by a producer: the figures of `baozi bench` and of scripts/bench.
/// The work is always `add(x, y)` of two small integers, under whatever name the workers know it.
/// Threading: blocks the calling thread. Errors: std::runtime_error with one line, and what App
/// throws.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include <baozi/client.hpp>

namespace baozi::client {

struct Figure {
  std::string
      metric;  ///< e2e_throughput, e2e_submit_part, enqueue_rate, drain_rate, rtt_p50, rtt_p99
  double value = 0;
  std::string unit;  ///< "tasks/s" or "us"
  std::string settings;
};
/// `{"metric": …, "value": …, "unit": …, "settings": …}` without a line end.
[[nodiscard]] std::string to_json(const Figure& figure);

struct Load {
  std::string task = "c.add";
  std::string queue{};  ///< empty: the broker's default queue
  std::size_t tasks = 0;
};

/// From the first submit until the last result is in hand, each sum checked; workers must be there.
[[nodiscard]] std::vector<Figure> measure_e2e(App& app, const Load& load);
/// Submits confirmed after the broker's sync, nobody working. The tasks stay queued.
[[nodiscard]] Figure measure_enqueue(App& app, const Load& load);
/// Fills the queue with tasks that keep no result, and waits for the confirms.
void preload(App& app, const Load& load);
/// From the last look at the preloaded queue that found it whole until it is empty. Workers may
/// still be on their way.
[[nodiscard]] Figure measure_drain(App& app, const Load& load);
/// Until nothing is in the queue any more.
void wait_until_empty(App& app, const Load& load);
/// One task at a time, from the call to the result.
[[nodiscard]] std::vector<Figure> measure_rtt(App& app, const Load& load);

}  // namespace baozi::client
