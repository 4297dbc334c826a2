/// \file worker_config.hpp
/// What an operator may say to `baozi-worker`; the same sentences stand in docs/configuration.md.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/config.hpp"
#include "worker/options.hpp"

namespace baozi::worker {

enum class PoolKind : std::uint8_t { threads, solo, prefork };
[[nodiscard]] const char* pool_name(PoolKind kind);

struct WorkerConfig {
  std::vector<std::string> apps;  ///< task libraries
  std::vector<std::string>
      brokers;                      ///< as --broker; empty: BAOZI_BROKER, else tcp://127.0.0.1:7170
  std::vector<std::string> queues;  ///< empty: the broker's default queue
  std::vector<std::string> excluded_queues;  ///< taken out of them
  bool worker_direct = false;                ///< take tasks from "direct:NAME" as well
  std::vector<std::string> labels;           ///< "gpu=1"
  std::uint32_t concurrency = 0;             ///< 0: one for each processor
  std::uint32_t coroutines = 1'000;          ///< in flight, beside the slots
  PoolKind pool = PoolKind::threads;
  std::string prefetch = "auto";
  ByteCount prefetch_bytes{std::uint64_t{16} << 20U};
  Micros drain_timeout{0};
  Micros time_limit{0};       ///< 0: none
  Micros soft_time_limit{0};  ///< 0: none
  bool task_events = false;
  Micros event_heartbeat{2'000'000};
  Micros soft_shutdown_timeout{0};
  std::string autoscale;                  ///< "MAX,MIN"; empty: the pool keeps its size
  std::uint64_t tasks_per_child_max = 0;  ///< 0: no limit
  ByteCount memory_per_child_max{0};      ///< 0: no limit

  void declare(base::OptionTable& table);
  /// Without the brokers. \param app_is_needed  false where a process need not be a worker.
  void declare_own(base::OptionTable& table, bool app_is_needed);
  /// MAX and MIN of `autoscale`; nullopt: it is empty.
  [[nodiscard]] std::optional<std::pair<std::uint32_t, std::uint32_t>> autoscale_range() const;
  /// The same with what is not said filled in.
  /// \throws base::ConfigError  for an endpoint that cannot be connected to, or when no queue is
  /// left.
  /// Options that were given and change nothing beside the others, one line for each.
  [[nodiscard]] std::vector<std::string> idle_options() const;
  [[nodiscard]] WorkerOptions core_options(const std::string& node_name) const;
};

}  // namespace baozi::worker
