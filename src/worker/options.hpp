/// \file options.hpp
/// What a worker can be told, with defaults. The same sentences stand in configs/ and
/// docs/configuration.md.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "actor/event_outbox.hpp"
#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/time.hpp"

namespace baozi::worker {

/// Which ends of tasks the core describes for the log.
enum class TaskLog : std::uint8_t {
  none,
  trouble,  ///< failures, retries, rejections
  all,      ///< starts and successes, too
};

struct WorkerOptions {
  std::string name = "worker";               ///< of this node
  Incarnation incarnation{1};                ///< random per process start (D2)
  std::vector<std::string> brokers;          ///< endpoints; all of them are served at once
  std::vector<std::string> queues;           ///< empty: the broker's default queue, which "" is too
  std::vector<std::string> excluded_queues;  ///< not from these, whatever `queues` says
  std::vector<std::string> labels;           ///< "gpu=1": for tasks that require it
  std::uint32_t concurrency = 1;             ///< tasks that run at the same time
  std::uint32_t coroutines = 1'000;          ///< coroutine tasks in flight, beside them
  std::string software;                      ///< "baozi 0.1.0"
  std::string host;
  std::uint64_t pid = 0;

  std::uint32_t prefetch = 0;                               ///< deliveries held at most; 0: auto
  std::uint64_t prefetch_bytes = std::uint64_t{16} << 20U;  ///< bytes of deliveries held
  std::uint32_t settle_window = 16'000;                     ///< finished, not yet settled
  std::uint64_t settle_window_bytes = std::uint64_t{64} << 20U;
  Micros time_limit{0};            ///< of a task that has none; 0: none
  Micros soft_time_limit{0};       ///< the same
  Micros flush_delay{1'000};       ///< DONE and CREDIT wait so long for company
  Micros stall_patience{400'000};  ///< with nothing ended for so long, what waits is handed back
  Micros connect_patience{4'000'000};  ///< a collector's next endpoint is tried after so long
  bool task_events = false;            ///< tell who follows events of every task
  Micros event_heartbeat{0};           ///< between two worker-heartbeat events; 0: none
  actor::EventOutbox::Limits events;   ///< what is kept of them while nobody takes them
  Micros drain_patience{1'000'000};    ///< draining: results wait so long for an absent collector
  TaskLog task_log = TaskLog::none;
};

static_assert(16'000 + 20'000 + 10'000 < limits::holds_max);  // settling, prefetched, coroutines

}  // namespace baozi::worker
