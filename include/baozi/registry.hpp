/// \file registry.hpp
/// Room: worker.
/// Registry: the names, functions and settings of tasks, as BAOZI_TASKS or an embedding application
/// fills it. Threading: filled by one thread, before any task runs. Errors: RegistrationError,
/// which stops the worker's start.
#pragma once
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "baozi/context.hpp"
#include "baozi/exec.hpp"
#include "baozi/hooks.hpp"

namespace baozi {

/// A task cannot be registered as written: the author's mistake, found when the worker starts.
class RegistrationError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

/// A call's arguments do not fit the task's parameters. Thrown before the task's function runs;
/// never retried.
class ArgumentError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

/// One parameter of a task, as far as calls need to know it.
struct Parameter {
  std::string name{};                     ///< empty: positional only
  std::optional<std::string> fallback{};  ///< packed; used when the call leaves it out
};

class TaskDefinition;
namespace detail {
class CoroutineHost;
}
namespace worker {
class TaskTable;
}

/// One execution, as the worker hands it to the task's wrapper. Part of the plug-in ABI.
struct TaskCall {
  const CallFacts* facts = nullptr;
  ContextHost* host = nullptr;
};

/// What the wrapper answers. Nothing is thrown across. Part of the plug-in ABI.
struct TaskReply {
  enum class Verdict : std::uint32_t { returned, failed, retry, revoked, reject, ignore, snooze };

  Verdict verdict = Verdict::failed;
  bool entered = false;        ///< the arguments fitted: the task's own code was reached
  bool retryable = false;      ///< failed: by an exception that the task wants to be retried for
  bool expected = false;       ///< failed: by one that the task said it throws
  std::uint32_t argument = 0;  ///< the one that is being decoded, from 0
  std::optional<std::chrono::microseconds> countdown{};
  std::optional<Instant> eta{};
  std::optional<int> max_retries{};
  /// The worker's buffer: the packed return value, or packed `[type, message, traceback]`.
  std::string* value = nullptr;
};

/// The settings of a task; `Registry::task` returns it, and each setter returns it again.
class TaskDefinition {
 public:
  using Run = void (*)(const TaskDefinition& task, const TaskCall& call, TaskReply& reply) noexcept;
  /// Of a coroutine task. \return what to resume first, on one thread and whenever the host says
  /// so; done once the reply is filled in. Null: the reply says why there is none. The call and
  /// what it points to, the reply and the host outlive it.
  using Begin = std::coroutine_handle<> (*)(const TaskDefinition& task, const TaskCall& call,
                                            TaskReply& reply, detail::CoroutineHost& host) noexcept;

  /// Runs the task again, up to `count` times, when it throws; negative: without end. Also the
  /// limit of `Context::retry`. A task that sets none of max_retries, retry_for, backoff,
  /// retry_policy and autoretry_for is not run again by itself, and may ask for 3 retries.
  TaskDefinition& max_retries(int count);
  /// Runs it again until so long after its first retry, by the broker's clock; without a
  /// `max_retries` beside it, as often as it takes.
  TaskDefinition& retry_for(std::chrono::microseconds span);
  /// Each retry waits so long, unless it asks for another delay. (3 minutes in Celery; here 0.)
  TaskDefinition& default_retry_delay(std::chrono::microseconds delay);
  /// Retries wait `initial`, then `factor` times longer each time, at most `longest`.
  TaskDefinition& backoff(std::chrono::microseconds initial, double factor,
                          std::chrono::microseconds longest);
  /// Retries wait as the four numbers say, its `max_retries` and `jitter` included.
  TaskDefinition& retry_policy(const RetryPolicy& policy);
  /// The share of each delay, 0 to 1, that chance may take away or add.
  TaskDefinition& jitter(double share);
  /// Only these exceptions, and what derives from them, are retried by themselves;
  /// `autoretry_for<>()` means none.
  template <class... Exceptions>
  TaskDefinition& autoretry_for() {
    retries_failures_ = true;
    retry_filter_ = [](const std::exception_ptr& thrown) noexcept {
      return (thrown_is<Exceptions>(thrown) || ...);
    };
    return *this;
  }
  /// Never these, whatever `autoretry_for` says.
  template <class... Exceptions>
  TaskDefinition& dont_autoretry_for() {
    retry_exception_ = [](const std::exception_ptr& thrown) noexcept {
      return (thrown_is<Exceptions>(thrown) || ...);
    };
    return *this;
  }
  /// Failures that are part of the task's ordinary life: the worker's log shows them without a
  /// trace, and not as errors. They fail all the same.
  template <class... Exceptions>
  TaskDefinition& throws() {
    expected_ = [](const std::exception_ptr& thrown) noexcept {
      return (thrown_is<Exceptions>(thrown) || ...);
    };
    return *this;
  }
  /// At most once: a lost worker makes the task fail instead of repeating it. Workers tell their
  /// brokers which tasks are so; a call may ask for it, too.
  TaskDefinition& acks_early(bool on = true);
  /// When the task costs its process (it crashes, exits, or is killed for want of memory), it is
  /// delivered again, until the deliveries that were lost reach its limit and it becomes a dead
  /// letter. Without it, it ends as FAILURE of type `WorkerLostError` at once. Threads do not
  /// survive a crash; this is for process pools.
  TaskDefinition& crash_retry(bool on = true);
  /// The default: a task is settled once it has ended, and repeated when its worker was lost.
  TaskDefinition& acks_late(bool on = true) { return acks_early(!on); }
  /// A success stores no result.
  TaskDefinition& ignore_result(bool on = true);
  /// The start of each execution is reported as STARTED.
  TaskDefinition& track_started(bool on = true);
  /// A name for logs and tools instead of the task's; a call's own goes before it.
  TaskDefinition& shadow(std::string name);
  /// Logs and tools show "***" for these parameters; `redact()` for all. Throws RegistrationError
  /// for one that the task does not have.
  TaskDefinition& redact(std::initializer_list<std::string_view> parameters = {});
  /// Called beside the function (hooks.hpp). One of each kind: a later one replaces an earlier one.
  /// Throws RegistrationError for a coroutine, which can do all that itself.
  TaskDefinition& before_start(std::function<void(Context&)> hook);
  TaskDefinition& on_success(std::function<void(Context&, const ExecutionEnd&)> hook);
  TaskDefinition& on_failure(std::function<void(Context&, const ExecutionEnd&)> hook);
  TaskDefinition& on_retry(std::function<void(Context&, const ExecutionEnd&)> hook);
  TaskDefinition& after_return(std::function<void(Context&, const ExecutionEnd&)> hook);
  /// Limits of one execution; a call's own go before them, the worker's --time-limit and
  /// --soft-time-limit after them. After the soft one the next `Context::check` throws
  /// SoftTimeLimitExceeded. After the hard one the task fails as `TimeLimitExceeded`: its process
  /// is killed; a thread cannot be, so it is left to the task and replaced.
  TaskDefinition& time_limit(std::chrono::microseconds limit);
  TaskDefinition& soft_time_limit(std::chrono::microseconds limit);
  /// "10/s", "100/m", "1/h": starts of this task in one worker, evenly spaced; "0": no limit. What
  /// has to wait blocks nothing else. An operator may change it while the worker runs.
  TaskDefinition& rate_limit(std::string rate);
  /// The same over all workers of a broker, which keeps the turns: workers tell it in their HELLO.
  TaskDefinition& global_rate_limit(std::string rate);
  /// At most `count` of this task at the same time over all workers of a broker; 0: no limit.
  TaskDefinition& concurrency_limit(std::uint32_t count);

  struct Settings {
    double backoff_factor = 0.0;  ///< 0: as `policy` says
    RetryPolicy policy{};         ///< with a backoff: start is the first delay, max the longest
    bool acks_early = false;
    bool ignore_result = false;
    bool crash_retry = false;
    bool track_started = false;
    bool redact_all = false;
    std::vector<std::string> redacted{};  ///< parameters by name
    std::string shadow{};
    std::optional<std::chrono::microseconds> time_limit{};
    std::optional<std::chrono::microseconds> soft_time_limit{};
    std::string rate_limit{};
    std::string global_rate_limit{};
    std::uint32_t concurrency_limit = 0;
  };

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::vector<Parameter>& parameters() const { return parameters_; }
  [[nodiscard]] const Settings& settings() const { return settings_; }
  /// True when a failure by this exception is to be retried without the task asking.
  [[nodiscard]] bool retries_on(const std::exception_ptr& thrown) const {
    return retries_failures_ && (retry_filter_ == nullptr || retry_filter_(thrown)) &&
           (retry_exception_ == nullptr || !retry_exception_(thrown));
  }
  [[nodiscard]] bool expects(const std::exception_ptr& thrown) const {
    return expected_ != nullptr && expected_(thrown);
  }
  /// \param retry  0 for the first one. \param chance  in [0, 1).
  [[nodiscard]] std::chrono::microseconds retry_delay(std::uint32_t retry, double chance) const;

  /// Runs it: decodes the arguments, calls the function, packs what it returned or threw.
  void run(const TaskCall& call, TaskReply& reply) const noexcept { run_(*this, call, reply); }
  [[nodiscard]] const void* function() const { return function_.get(); }
  /// A coroutine: `begin` starts it, and `run` only says that it cannot.
  [[nodiscard]] bool is_coroutine() const { return begin_ != nullptr; }
  [[nodiscard]] std::coroutine_handle<> begin(const TaskCall& call, TaskReply& reply,
                                              detail::CoroutineHost& host) const noexcept {
    return begin_(*this, call, reply, host);
  }
  /// `run` ends the task by itself once its hard time limit has passed, or it is revoked.
  [[nodiscard]] bool keeps_time_limit() const { return keeps_time_limit_; }
  /// Null when the task has none.
  [[nodiscard]] const TaskHooks* hooks() const { return hooks_.get(); }
  /// Of the worker, in order; null when it has none.
  [[nodiscard]] const std::deque<TaskMiddleware>* middleware() const { return middleware_; }

 private:
  friend class Registry;
  friend class worker::TaskTable;
  TaskDefinition(std::string name, std::shared_ptr<const void> callable, Run runner,
                 Begin beginner = nullptr)
      : name_{std::move(name)}, function_{std::move(callable)}, run_{runner}, begin_{beginner} {}

  template <class E>
  static bool thrown_is(const std::exception_ptr& thrown) noexcept {
    try {
      std::rethrow_exception(thrown);
    } catch (const E&) {
      return true;
    } catch (...) {
      return false;
    }
  }

  std::string name_;
  std::shared_ptr<const void> function_;
  Run run_;
  Begin begin_;
  std::vector<Parameter> parameters_;
  Settings settings_;
  TaskHooks& own_hooks();

  bool retries_failures_ = false;
  bool keeps_time_limit_ = false;
  bool has_max_retries_ = false;
  bool (*retry_filter_)(const std::exception_ptr&) noexcept = nullptr;
  bool (*retry_exception_)(const std::exception_ptr&) noexcept = nullptr;
  bool (*expected_)(const std::exception_ptr&) noexcept = nullptr;
  std::shared_ptr<TaskHooks> hooks_;
  const std::deque<TaskMiddleware>* middleware_ = nullptr;
};

class Registry {
 public:
  /// Registers a function, a lambda or a function object under a name of 1 to 255 bytes. One that
  /// returns `baozi::Task<T>` is a coroutine (coroutine.hpp).
  /// Parameters are what has a codec, taken by value or const reference; `baozi::Context&` may
  /// stand first. Several threads may call the same object at once, so its operator() is const.
  /// \param parameters  names for keyword arguments, all or none: `{"a", "b"}`; with defaults from
  /// the right:
  ///                    `{"a", baozi::arg("b") = 3}`. A std::optional parameter may always be left
  ///                    out.
  template <class F>
  TaskDefinition& task(std::string name, F function, std::initializer_list<Arg> parameters = {});

  /// Registers a program: `registry.exec("shrink", {"convert", "{0}", "-resize", "{size}",
  /// "png:-"})`. It runs as a process of its own, in a process group of its own, and nothing that
  /// it started outlives the task. Exit code 0 is a success; anything else is a FAILURE of type
  /// `ExecError` with the end of stderr as its traceback. \param command  the program (looked for
  /// in PATH when it has no slash) and its arguments. In them `{0}`, `{1}` … stand for the call's
  /// positional arguments and `{name}` for the named ones;
  /// `{{` and `}}` are braces. What else a call brings is found on stdin.
  TaskDefinition& exec(std::string name, std::vector<std::string> command,
                       ExecOptions options = {});
  /// Around every execution of the worker, those of other libraries' tasks included; the first one
  /// that is given is the outermost. A worker with coroutine tasks cannot have any. \param name for
  /// error messages.
  Registry& middleware(std::string name, std::function<void(Context&, const TaskNext&)> around);

  [[nodiscard]] const std::deque<TaskDefinition>& tasks() const { return tasks_; }

 private:
  friend class worker::TaskTable;
  TaskDefinition& add(TaskDefinition definition, std::initializer_list<Arg> names,
                      std::size_t arity);

  std::deque<TaskDefinition> tasks_;
  std::vector<TaskMiddleware> middleware_;
};

}  // namespace baozi

#include "baozi/detail/task_function.hpp"  // IWYU pragma: export
