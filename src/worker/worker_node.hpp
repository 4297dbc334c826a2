/// \file worker_node.hpp
/// The worker's shell: runs the core on sockets, a pool and the machine's clocks. It decides
/// nothing. Threading: everything happens on the thread that calls `run`; tasks run on the pool's
/// threads.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actor/link_sockets.hpp"
#include "base/node_main.hpp"
#include "net/loop.hpp"
#include "worker/autoscale.hpp"
#include "worker/pool.hpp"
#include "worker/task_table.hpp"
#include "worker/worker_config.hpp"
#include "worker/worker_core.hpp"
#include "worker/worker_desk.hpp"

namespace baozi::worker {

class WorkerNode {
 public:
  /// Loads the task libraries and starts the pool.
  /// \throws base::ConfigError, PluginError, std::exception  with one line for the operator.
  WorkerNode(WorkerConfig config, const std::string& name);
  /// The same with tasks of the caller's own beside those of the libraries; not for a pool of
  /// processes, which load libraries and nothing else.
  WorkerNode(WorkerConfig config, const std::string& name, TaskTable tasks);
  /// Waits for tasks that run.
  ~WorkerNode();

  /// Obeys the program's signals and says when it serves. Without it somebody else calls
  /// `ask_to_…`.
  void obey(base::NodeContext& program);
  /// Until it was asked to stop. \return the exit code.
  int run();
  /// From any thread: finish what runs, hand back the rest, then return from `run`.
  void ask_to_drain();
  /// From any thread: hand back what can be, and return from `run` after a second at most.
  void ask_to_stop();

  /// After `run`: threads that nobody can end are still in a task. Destroying the node waits for
  /// them; a program that shall end now leaves the node alone and calls `std::_Exit`.
  [[nodiscard]] bool has_running_tasks() const { return pool_->is_busy(); }

 private:
  void take_pool_events(Now now);
  void perform(Now now);
  /// Asks the pool for `token`; true when it had not begun and is the core's again.
  bool take_back(Token token, bool interrupt, Now now);
  void obey_commands(Now now);

  // ---- worker_reload.cpp
  /// Loads the task libraries anew for those who have asked for it, unless that is going on.
  void begin_reload(Now now);
  void reloaded(const std::string& failure, Now now);
  void answer_reload(std::vector<std::uint64_t>& askers, const WorkerDesk::Said& said, Now now);
  /// Nobody loads anything any more.
  void end_reloads(Now now);
  void take_tasks(Now now);
  void drop_tasks_before();

  void terminate(const WorkerEffects::Termination& termination, Now now);
  void drain(Drain mode);
  /// When to become stricter, or to give up, while draining.
  [[nodiscard]] std::optional<MonoTime> drain_deadline() const;
  void soft_shutdown();
  /// The pool has another size: credit follows.
  void set_concurrency(std::size_t slots);
  void autoscale(Now now);
  /// To the log: what every slot does.
  void report(Now now) const;
  void check_drain(Now now);

  WorkerConfig config_;
  WorkerOptions options_;
  base::NodeContext* program_ = nullptr;
  net::Loop loop_;
  actor::LinkSockets links_;
  std::shared_ptr<const TaskTable> tasks_;
  /// Earlier ones, by which something runs still.
  std::vector<std::shared_ptr<const TaskTable>> tasks_before_;
  std::unique_ptr<WorkerCore> core_;
  std::unique_ptr<Pool> pool_;  // after the core: its threads read the core's bytes
  std::unique_ptr<WorkerDesk> desk_;
  WorkerEffects effects_;
  PoolEvents events_;
  std::optional<MonoTime> cold_at_;   // a warm drain becomes a cold one
  std::optional<MonoTime> leave_at_;  // whatever is not settled by then stays unsettled
  bool cold_ = false;
  MonoTime next_load_{};
  bool soft_ = false;
  std::vector<std::uint64_t> reload_for_;    ///< tickets: the libraries are being loaded for them
  std::vector<std::uint64_t> reload_after_;  ///< and these came since: what is loaded may be older
  std::string changes_;                      ///< of the tasks, as the last loading made them
  std::optional<Autoscale> autoscale_;
};

/// For programs: runs a worker until it was asked to stop, and sets `tasks_left` when threads are
/// still in a task. Then the process must end by `std::_Exit`.
int serve(const WorkerConfig& config, base::NodeContext& program, bool& tasks_left);

}  // namespace baozi::worker
