/// \file worker_desk.hpp
/// Answers the commands that need more than the core: the pool, the machine, the program's settings
/// (docs/control.md). Threading: the loop's thread.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "worker/pool.hpp"
#include "worker/task_table.hpp"
#include "worker/worker_config.hpp"
#include "worker/worker_core.hpp"

namespace baozi::worker {

class WorkerDesk {
 public:
  struct Surroundings {
    WorkerCore& core;
    Pool& pool;
    std::shared_ptr<const TaskTable> tasks;  ///< `set_tasks` when there are others
    const WorkerConfig& config;
    const WorkerOptions& options;
    MonoTime started;
    std::function<void()> shut_down;                         ///< a warm stop, soon
    std::function<void(std::size_t slots)> set_concurrency;  ///< the pool has that many now
    std::function<bool()> autoscales;
    std::function<void(std::size_t most, std::size_t least)> autoscale;
  };
  struct Said {
    std::uint64_t code = 0;  ///< 0, or a wire::ErrorCode; then the payload is a packed text
    Bytes payload;
    bool later = false;  ///< nothing of this: whoever runs the pool answers, once it has `reload`ed
  };
  explicit WorkerDesk(Surroundings surroundings) : with_{std::move(surroundings)} {}

  /// Obeys one command. Errors are answers, too: nothing is thrown.
  [[nodiscard]] Said obey(std::string_view command, BytesView arguments, Now now);
  void set_tasks(std::shared_ptr<const TaskTable> tasks) { with_.tasks = std::move(tasks); }
  [[nodiscard]] static Said said(std::string_view text);
  /// \param why  an operator's mistake, or what does not go now.
  [[nodiscard]] static Said refused(std::string_view why);

 private:
  // ---- worker_desk.cpp: what is told
  Said restart(BytesView arguments);
  Said resize(BytesView arguments, bool grow);
  Said autoscale(BytesView arguments);
  Said set_time_limits(BytesView arguments);
  Said switch_events(bool on);
  Said set_rate_limit(BytesView arguments, Now now);

  // ---- worker_inspect.cpp: what is asked
  /// Slots, and what runs beside them.
  [[nodiscard]] std::vector<SlotStatus> all_running() const;
  [[nodiscard]] Bytes tasks_in(bool running, Now now) const;
  [[nodiscard]] Bytes query_tasks(BytesView arguments, Now now) const;
  [[nodiscard]] Bytes registered() const;
  [[nodiscard]] Bytes stats(Now now) const;
  [[nodiscard]] Bytes conf() const;
  [[nodiscard]] Bytes report(Now now) const;
  [[nodiscard]] Bytes request_info(const Held& held, const SlotStatus* slot, Now now) const;

  Surroundings with_;
};

}  // namespace baozi::worker
