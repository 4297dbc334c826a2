#include "worker/worker_node.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "base/log.hpp"
#include "base/random.hpp"
#include "base/signal_names.hpp"
#include "base/system_clock.hpp"
#include "base/units.hpp"
#include "worker/coroutine/coroutine_runner.hpp"
#include "worker/coroutine/mixed_pool.hpp"
#include "worker/plugin.hpp"
#include "worker/prefork/coroutine_process.hpp"
#include "worker/prefork/prefork_pool.hpp"
#include "worker/thread_pool.hpp"

namespace baozi::worker {

namespace {

constexpr int frames_per_turn_max = 256;
constexpr std::size_t traceback_lines_max = 50;
constexpr Micros spin_after_traffic{50};
constexpr Micros settle_patience{10'000'000};  // for answers, once nothing runs any more
constexpr Micros stop_patience{1'000'000};     // for answers, when asked to stop now
constexpr Micros load_interval{1'000'000};     // between looks at the machine's load

std::unique_ptr<Pool> make_pool(const WorkerConfig& config, const WorkerOptions& options,
                                Pool::Notify notify) {
  if (config.pool == PoolKind::prefork) {
    return std::make_unique<PreforkPool>(
        PreforkPool::Options{.children = options.concurrency,
                             .worker_name = options.name,
                             .apps = config.apps,
                             .tasks_per_child_max = config.tasks_per_child_max,
                             .child_bytes_max = config.memory_per_child_max.value});
  }
  ThreadPool::Options pool;
  pool.threads = options.concurrency;
  pool.worker_name = options.name;
  if (config.pool == PoolKind::solo) {
    return std::make_unique<SoloPool>(std::move(pool), std::move(notify));
  }
  return std::make_unique<ThreadPool>(std::move(pool), std::move(notify));
}

std::unique_ptr<CoroutinePool> make_coroutines(const WorkerConfig& config,
                                               const WorkerOptions& options, Pool& slots,
                                               bool at_once, Pool::Notify notify) {
  if (auto* const server = dynamic_cast<prefork::ServerLink*>(&slots)) {
    return std::make_unique<CoroutineProcess>(
        CoroutineProcess::Options{.at_once = at_once,
                                  .tasks_per_child_max = config.tasks_per_child_max},
        *server);
  }
  return std::make_unique<CoroutineRunner>(CoroutineRunner::Options{.worker_name = options.name},
                                           std::move(notify));
}

TaskLog task_log() {
  if (log::enabled(log::Level::debug)) return TaskLog::all;
  return log::enabled(log::Level::error) ? TaskLog::trouble : TaskLog::none;
}

void write_note(const TaskNote& note) {
  switch (note.level) {
    case TaskNote::Level::debug: return log::debug("{}", note.text);
    case TaskNote::Level::info: return log::info("{}", note.text);
    case TaskNote::Level::warning: return log::warning("{}", note.text);
    case TaskNote::Level::error: break;
  }
  log::error("{}", note.text);
  std::string_view rest = note.traceback;
  for (std::size_t lines = 0; !rest.empty() && lines < traceback_lines_max; ++lines) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    const bool is_said = lines == 0 && note.text.ends_with(line);  // type and message
    if (!is_said) log::error("  {}", line);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

}  // namespace

WorkerNode::WorkerNode(WorkerConfig config, const std::string& name)
    : WorkerNode{std::move(config), name, TaskTable{}} {}

WorkerNode::WorkerNode(WorkerConfig config, const std::string& name, TaskTable tasks)
    : config_{std::move(config)},
      options_{config_.core_options(name)},
      loop_{{.spin = spin_after_traffic}},
      links_{loop_} {
  options_.incarnation = Incarnation{entropy64() >> 1U};
  // The pool first: should a library crash while it is loaded, its fork server does, and says so.
  pool_ = make_pool(config_, options_, [this] { loop_.wake(); });
  tasks_ = pool_->tasks();  // by description: their code is its processes' business
  if (tasks_ == nullptr) {
    for (const std::string& app : config_.apps) load_plugin(app, tasks);
    tasks_ = std::make_shared<const TaskTable>(std::move(tasks));
  } else if (tasks.size() > 0) {
    throw base::ConfigError{
        "tasks of the program's own do not run in -P prefork, whose processes "
        "load libraries: use -P threads"};
  }
  if (tasks_->has_coroutines() || config_.pool == PoolKind::prefork) {  // libraries may change
    auto coroutines = make_coroutines(config_, options_, *pool_, tasks_->has_coroutines(),
                                      [this] { loop_.wake(); });
    pool_ = std::make_unique<MixedPool>(std::move(pool_), std::move(coroutines));
  }
  options_.task_log = task_log();
  core_ = std::make_unique<WorkerCore>(options_, *tasks_, entropy64());
  if (pool_->fd() >= 0) loop_.watch(pool_->fd(), [] {});  // every turn looks at the pool
  if (const auto range = config_.autoscale_range()) autoscale_.emplace(range->first, range->second);
  desk_ = std::make_unique<WorkerDesk>(WorkerDesk::Surroundings{
      .core = *core_,
      .pool = *pool_,
      .tasks = tasks_,
      .config = config_,
      .options = options_,
      .started = base::mono_now(),
      .shut_down = [this] { ask_to_drain(); },
      .set_concurrency = [this](std::size_t slots) { set_concurrency(slots); },
      .autoscales = [this] { return autoscale_.has_value(); },
      .autoscale =
          [this](std::size_t most, std::size_t least) {
            autoscale_.emplace(most, least);
            autoscale(base::system_now());
          }});
}

WorkerNode::~WorkerNode() = default;

void WorkerNode::obey(base::NodeContext& program) {
  program_ = &program;
  loop_.watch(program.signals().fd(), [this] {
    switch (program_->signals().asked()) {
      case base::Signals::Asked::nothing: break;
      case base::Signals::Asked::drain: drain(Drain::warm); break;
      case base::Signals::Asked::cold: soft_shutdown(); break;
      case base::Signals::Asked::stop: drain(Drain::cold); break;
    }
    if (program_->signals().take_report_wish()) report(base::system_now());
  });
}

void WorkerNode::ask_to_drain() {
  loop_.post([this] { drain(Drain::warm); });
}
void WorkerNode::ask_to_stop() {
  loop_.post([this] { drain(Drain::cold); });
}

/// A warm drain of limited time, then a cold one.
void WorkerNode::soft_shutdown() {
  if (soft_) return;
  soft_ = true;
  if (config_.soft_shutdown_timeout <= Micros{0}) return drain(Drain::cold);
  log::info("what runs has {} to finish", base::to_text(config_.soft_shutdown_timeout));
  drain(Drain::warm);
  cold_at_ = base::mono_now() + config_.soft_shutdown_timeout;
}

void WorkerNode::set_concurrency(std::size_t slots) {
  options_.concurrency = static_cast<std::uint32_t>(slots);
  core_->set_concurrency(options_.concurrency);
}

void WorkerNode::autoscale(Now now) {
  if (!autoscale_ || core_->is_draining()) return;
  const std::size_t slots = pool_->capacity();
  const std::size_t wanted = autoscale_->plan(slots, pool_->in_slots(), now.mono);
  if (wanted == slots) return;
  set_concurrency(pool_->resize(wanted));
  log::info("the pool has {} slots, and had {}", pool_->capacity(), slots);
}

void WorkerNode::report(Now now) const {
  const WorkerStatus status = core_->status();
  log::info(
      "report: {} tasks wait, {} are with the pool, {} results are not stored yet, {} ends "
      "not settled",
      status.ready, status.running, status.results, status.settling);
  for (const SlotStatus& slot : pool_->status()) {
    const std::string span = base::to_text(std::max(Micros{0}, now.mono - slot.since));
    const std::string what = slot.token ? "runs " + core_->describe(*slot.token) + " for " + span
                             : slot.id == 0 ? std::string{"has no process"}
                             : slot.stuck   ? "is left to a task beyond its time limit, for " + span
                                            : "has been idle for " + span;
    log::info("report: slot {} ({} {}) {}; {} tasks before{}", slot.index,
              config_.pool == PoolKind::prefork ? "process" : "thread", slot.id, what,
              slot.executed, slot.leaving ? ", and none after" : "");
  }
  if (tasks_->has_coroutines()) {
    log::info("report: {} of {} coroutines in flight", status.coroutines, options_.coroutines);
    for (const ProcessStatus& one : pool_->processes_beside()) {
      if (one.id == 0) {
        log::info("report: coroutines have no process");
      } else {
        log::info("report: coroutines in process {}: {} in flight, {} before{}", one.id,
                  one.in_flight, one.executed, one.leaving ? ", and none after" : "");
      }
    }
  }
}

void WorkerNode::drain(Drain mode) {
  const Now now = base::system_now();
  const bool again = core_->is_draining();
  if (cold_ || (again && mode == Drain::warm)) return;
  if (!again && program_ != nullptr) program_->stopping();
  if (mode == Drain::cold) {
    log::info("stopping now: what runs is handed back");
    cold_ = true;
    leave_at_ = now.mono + stop_patience;
  } else {
    log::info("draining: what runs is finished, the rest is handed back");
    if (config_.drain_timeout > Micros{0}) cold_at_ = now.mono + config_.drain_timeout;
  }
  end_reloads(now);
  core_->begin_drain(mode, now, effects_);
}

std::optional<MonoTime> WorkerNode::drain_deadline() const {
  if (!cold_ && cold_at_ && leave_at_) return std::min(*cold_at_, *leave_at_);
  return !cold_ && cold_at_ ? cold_at_ : leave_at_;
}

void WorkerNode::check_drain(Now now) {
  if (cold_at_ && !cold_ && now.mono >= *cold_at_) drain(Drain::cold);
  // Nothing runs: what is left waits for answers only, and a peer that is away may never give them.
  if (!cold_ && !leave_at_ && pool_->in_hand() == 0 && core_->is_draining()) {
    leave_at_ = now.mono + settle_patience;
  }
}

int WorkerNode::run() {
  Now now = base::system_now();
  core_->start(now, effects_);
  perform(now);
  for (const std::string& idle : config_.idle_options()) log::warning("{}", idle);
  log::info("ready: {} tasks, {} at a time{}", tasks_->size(), options_.concurrency,
            tasks_->has_coroutines()
                ? ", and " + std::to_string(options_.coroutines) + " coroutines beside them"
                : std::string{});
  for (const std::string& task : tasks_->names()) log::debug("task {}", task);
  if (program_ != nullptr) program_->ready();
  while (!core_->is_drained() && !(leave_at_ && now.mono >= *leave_at_)) {
    std::optional<MonoTime> next;
    for (const auto& at : {core_->next_deadline(), drain_deadline(), pool_->next_deadline(),
                           autoscale_ ? autoscale_->next_deadline() : std::nullopt}) {
      if (at && (!next || *at < *next)) next = at;
    }
    loop_.wait(next);
    now = base::system_now();
    links_.receive(
        frames_per_turn_max,
        {.connected = [&](actor::LinkId id) { core_->on_connected(id, now, effects_); },
         .disconnected = [&](actor::LinkId id) { core_->on_disconnected(id, now, effects_); },
         .frame = [&](actor::LinkId id,
                      BytesView frame) { core_->on_frame(id, frame, now, effects_); }});
    take_pool_events(now);
    check_drain(now);
    autoscale(now);
    perform(now);
  }
  const WorkerStatus left = core_->status();
  if (core_->is_drained()) {
    log::info("stopped: everything is settled");
  } else {
    log::warning("stopped: {} tasks run still, {} ends are not settled; their broker decides",
                 left.running, left.results + left.settling);
  }
  return 0;
}

void WorkerNode::take_pool_events(Now now) {
  pool_->tick(now.mono);
  pool_->take_events(events_);
  for (const std::string& warning : events_.warnings) log::warning("{}", warning);
  for (const std::string& notice : events_.notices) log::info("{}", notice);
  for (const StateUpdate& update : events_.updates) {
    core_->on_state_update(update.token, update.state, update.meta);
  }
  for (const Ended& ended : events_.completions) core_->on_finished(ended.token, ended.view(), now);
  for (const Token token : events_.returned) core_->on_cancelled(token, now);
  if (events_.tasks_changed) take_tasks(now);
  if (events_.reloaded) reloaded(*events_.reloaded, now);
  events_.clear();
  if (!core_->wants_what_runs(now)) return;
  for (const auto& all : {pool_->status(), pool_->beside()}) {
    for (const SlotStatus& slot : all) {
      if (slot.token) core_->on_runs(*slot.token, slot.since, now);
    }
  }
  core_->saw_what_runs(now);
}

bool WorkerNode::take_back(Token token, bool interrupt, Now now) {
  if (pool_->cancel(token, interrupt) != Cancelled::taken_back) return false;
  core_->on_cancelled(token, now);
  return true;
}

void WorkerNode::obey_commands(Now now) {
  for (const WorkerEffects::Command& command : std::exchange(effects_.commands, {})) {
    if (command.command.starts_with("worker.")) log::info("obeying {}", command.command);
    const WorkerDesk::Said said = desk_->obey(command.command, command.arguments, now);
    if (said.later) {
      reload_after_.push_back(command.ticket);
      continue;
    }
    core_->answer_command(command.ticket, said.code, said.payload, now, effects_);
  }
  begin_reload(now);
}

void WorkerNode::terminate(const WorkerEffects::Termination& termination, Now now) {
  const std::string& name = termination.signal;
  const std::optional<int> signal = name.empty() ? SIGTERM : base::signal_number(name);
  if (!signal) return log::warning("a task is to end by '{}', which is no signal here", name);
  if (pool_->terminate(termination.token, *signal) == Terminated::taken_back) {
    core_->on_cancelled(termination.token, now);
  }
}

void WorkerNode::perform(Now now) {
  if (now.mono >= next_load_) {
    next_load_ = now.mono + load_interval;
    std::array<double, 3> load{};
    if (getloadavg(load.data(), 3) == 3) core_->set_load(load);
    drop_tasks_before();
  }
  for (bool again = true; again;) {
    again = false;
    core_->turn(now, effects_);
    obey_commands(now);
    for (const Token token : effects_.cancels) again |= take_back(token, false, now);
    for (const Token token : effects_.interrupts) again |= take_back(token, true, now);
    for (const auto& termination : effects_.terminations) terminate(termination, now);
    const std::size_t taken = pool_->submit(effects_.starts);
    for (std::size_t i = taken; i < effects_.starts.size(); ++i) {
      core_->on_cancelled(effects_.starts[i].token, now);  // no room: back to the broker
      again = true;
    }
    links_.perform(effects_.net);
    for (const std::string& notice : effects_.notices) log::info("{}", notice);
    for (const std::string& warning : effects_.warnings) log::warning("{}", warning);
    for (const TaskNote& note : effects_.tasks) write_note(note);
    effects_.clear();
  }
}

int serve(const WorkerConfig& config, base::NodeContext& program, bool& tasks_left) {
  auto node = std::make_unique<WorkerNode>(config, program.name());
  node->obey(program);
  const int code = node->run();
  tasks_left = node->has_running_tasks();
  if (tasks_left) static_cast<void>(node.release());  // its threads go on until the process ends
  return code;
}

}  // namespace baozi::worker
