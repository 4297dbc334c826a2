/// \file context.hpp
/// Room: worker.
/// Context: what a running task may ask of its worker. A task takes it as `baozi::Context&`, before
/// its arguments. Threading: belongs to the thread that runs the task, while it runs.
#pragma once
#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "baozi/arguments.hpp"
#include "baozi/task.hpp"

namespace baozi {

/// A task id as it stands on the wire: 16 bytes of a UUID, or text. Views into the delivery's
/// frame.
struct WireId {
  std::string_view bytes{};
  bool uuid = false;

  /// "01890a5d-ac96-774b-bcce-b302099a8057", or the text itself; empty for no id.
  [[nodiscard]] std::string text() const;
};

/// The request behind an execution, as views that live as long as it runs. Filled in by the worker;
/// part of the plug-in ABI.
struct CallFacts {
  WireId id{};
  std::string_view name{};
  std::string_view queue{};
  std::string_view body{};     ///< packed `[args, kwargs]`
  std::string_view headers{};  ///< packed map; empty: none
  WireId root{};
  WireId parent{};
  std::string_view worker{};
  std::string_view origin{};  ///< 16 bytes: the producer
  std::uint32_t retries = 0;
  std::uint32_t delivery_count = 1;
  bool redelivered = false;
  int priority = 4;
  std::optional<Instant> eta{};
  std::optional<Instant> expires{};
  std::chrono::microseconds time_limit{0};  ///< the hard one of this execution; 0: none
};

/// A task to be submitted if, and only if, the running one succeeds.
struct FollowUp {
  std::string name;
  std::string body;  ///< packed `[args, kwargs]`
  CallOptions options;
};

/// The worker's side of a Context. Implemented by the worker; a test may bring its own.
class ContextHost {
 public:
  /// \param meta  packed value, shown to whoever looks at the task while it runs. A newer state
  /// replaces an older
  ///              one that nobody has seen yet.
  virtual void update_state(std::string_view state, std::string meta) = 0;
  /// \return the id that the follow-up will have.
  virtual std::string follow_up(FollowUp task) = 0;
  /// True once somebody wants the task to end.
  [[nodiscard]] virtual bool revoked() const = 0;
  /// Times that the task may be retried; negative: without end.
  [[nodiscard]] virtual int max_retries() const = 0;
  /// True once, when the soft time limit has passed.
  [[nodiscard]] virtual bool soft_limit_strikes() = 0;

 protected:
  ~ContextHost() = default;
};

/// What `Context::retry` throws. Not a std::exception, so that a task's own `catch (const
/// std::exception&)` lets it pass.
struct Retry {
  std::optional<std::chrono::microseconds> countdown{};
  std::optional<Instant> eta{};
  std::string reason{};
  std::optional<int> max_retries{};
  std::exception_ptr cause{};  ///< what was being handled when the task asked
};
/// What `Context::check` throws once the task is revoked. Not a std::exception, for the same
/// reason.
struct Revoked {};

/// What `Context::check` throws, once, after the soft time limit. A std::exception, since a task is
/// meant to catch it, to clean up and to return or throw what it likes: before the hard limit.
class SoftTimeLimitExceeded : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The type of a failure whose task was ended by its hard time limit, for
/// `autoretry_for<TimeLimitExceeded>()`. Thrown only out of what a coroutine awaits.
class TimeLimitExceeded : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What `Context::reject` throws. Not a std::exception either.
struct Reject {
  std::string reason{};
  bool requeue = false;  ///< back to the end of its queue instead of becoming a dead letter
};
/// What `Context::ignore` throws. Not a std::exception either.
struct Ignore {};
/// What `Context::snooze` throws. Not a std::exception either.
struct Snooze {
  std::chrono::microseconds delay{0};
  std::string reason{};
};

/// What `Context::sleep` gives a coroutine to await (coroutine.hpp).
struct Sleep {
  std::chrono::microseconds span{0};
};

/// How a task asks to be run again.
struct RetryOptions {
  std::optional<std::chrono::microseconds>
      countdown{};  ///< neither: as the task's retry settings say
  std::optional<Instant> eta{};
  std::string reason{};  ///< empty inside a catch block: the exception that is being handled
  std::optional<int> max_retries{};  ///< instead of the task's own
};

class Context {
 public:
  Context(ContextHost& host, const CallFacts& facts) : host_{&host}, facts_{&facts} {}

  [[nodiscard]] std::string id() const { return facts_->id.text(); }
  [[nodiscard]] std::string_view name() const { return facts_->name; }
  [[nodiscard]] std::string_view queue() const { return facts_->queue; }
  /// The positional arguments as they came: a packed array.
  [[nodiscard]] std::string_view args() const;
  /// The named arguments as they came: a packed map.
  [[nodiscard]] std::string_view kwargs() const;
  /// Executions of this task that ended in a retry, before this one.
  [[nodiscard]] std::uint32_t retries() const { return facts_->retries; }
  [[nodiscard]] int max_retries() const { return host_->max_retries(); }
  /// Hand-overs to a worker, this one included. More than one without a retry means that a worker
  /// was lost.
  [[nodiscard]] std::uint32_t delivery_count() const { return facts_->delivery_count; }
  /// True when an earlier delivery was lost: what the task does may have been done already.
  [[nodiscard]] bool redelivered() const { return facts_->redelivered; }
  [[nodiscard]] std::optional<Instant> eta() const { return facts_->eta; }
  [[nodiscard]] std::optional<Instant> expires() const { return facts_->expires; }
  [[nodiscard]] int priority() const { return facts_->priority; }
  [[nodiscard]] Value::Object headers() const;
  /// One header; null when there is none of that name.
  [[nodiscard]] Value header(std::string_view name) const;
  /// The first task of the chain of follow-ups that this one belongs to; its own id when it is the
  /// first.
  [[nodiscard]] std::string root_id() const {
    return facts_->root.bytes.empty() ? id() : facts_->root.text();
  }
  /// The task that enqueued this one; empty when a client did.
  [[nodiscard]] std::string parent_id() const { return facts_->parent.text(); }
  /// The worker's node name.
  [[nodiscard]] std::string_view worker() const { return facts_->worker; }
  /// The producer's id; empty when unknown.
  [[nodiscard]] std::string origin() const { return WireId{facts_->origin, true}.text(); }

  /// State PROGRESS with `{"progress": share}`, 0 to 1. Cheap enough for an inner loop: what nobody
  /// has seen yet is replaced, not queued.
  void progress(double share);
  /// A state of the task's own, with any value beside it: `ctx.update_state("UPLOADING", {…})`.
  template <class T>
  void update_state(std::string_view state, const T& value) {
    host_->update_state(state, pack(value));
  }
  void update_state(std::string_view state) { host_->update_state(state, pack(Value{})); }

  /// Submits a task if this one succeeds: in the same transaction that ends it, so exactly once,
  /// and not at all when it fails or is retried. `ctx.enqueue("c.add", 1, 2)`,
  /// `ctx.enqueue("c.add", 1, baozi::arg("b") = 2)`. \return the new task's id.
  template <class... Args>
  std::string enqueue(std::string name, const Args&... args) {
    return host_->follow_up({std::move(name), pack_body(args...), {}});
  }

  /// `ctx.with({.countdown = 5s, .queue = "math"}).enqueue("c.add", 1, 2)`.
  class Call {
   public:
    template <class... Args>
    std::string enqueue(std::string name, const Args&... args) && {
      return host_->follow_up({std::move(name), pack_body(args...), std::move(options_)});
    }

   private:
    friend class Context;
    Call(ContextHost& host, CallOptions options) : host_{&host}, options_{std::move(options)} {}
    ContextHost* host_;
    CallOptions options_;
  };
  [[nodiscard]] Call with(CallOptions options) { return Call{*host_, std::move(options)}; }

  /// Leaves the task and has it run again later. Once its retries are used up it fails instead:
  /// with the exception that was being handled, or with `baozi::Retry` and the reason.
  [[noreturn]] void retry(RetryOptions options = {}) const;
  template <class Rep, class Period>
  [[noreturn]] void retry(std::chrono::duration<Rep, Period> countdown,
                          std::string reason = {}) const {
    retry(
        RetryOptions{.countdown = std::chrono::duration_cast<std::chrono::microseconds>(countdown),
                     .reason = std::move(reason)});
  }

  /// Leaves the task for good: it becomes a dead letter at once, with this reason, whatever its
  /// retries. With `requeue` it goes to the end of its queue instead, for this worker or another
  /// one, at once and as often as it asks: not counted as a retry.
  [[noreturn]] void reject(std::string reason, bool requeue = false) const {
    throw Reject{std::move(reason), requeue};
  }
  /// Ends the task as IGNORED: it has no value, and whoever asks for one is told so. Tasks that it
  /// enqueued are dropped.
  [[noreturn]] void ignore() const { throw Ignore{}; }
  /// Runs the task again after `delay`, not counted as a retry: not the right time, and no failure.
  template <class Rep, class Period>
  [[noreturn]] void snooze(std::chrono::duration<Rep, Period> delay,
                           std::string reason = {}) const {
    throw Snooze{std::chrono::duration_cast<std::chrono::microseconds>(delay), std::move(reason)};
  }

  /// `co_await ctx.sleep(1s)`: a coroutine task waits, and no thread does. Awaiting it is a point
  /// where the task can be ended, as `check` is.
  template <class Rep, class Period>
  [[nodiscard]] Sleep sleep(std::chrono::duration<Rep, Period> span) const {
    return {std::chrono::duration_cast<std::chrono::microseconds>(span)};
  }

  /// True once somebody has revoked this task while it runs: a long task looks now and then, and
  /// ends.
  [[nodiscard]] bool revoked() const { return host_->revoked(); }
  /// A point where a long task can be ended: throws `Revoked` once it is revoked, and
  /// `SoftTimeLimitExceeded` once after its soft time limit.
  void check() const {
    if (revoked()) throw Revoked{};
    if (host_->soft_limit_strikes()) throw SoftTimeLimitExceeded{"the soft time limit has passed"};
  }

 private:
  ContextHost* host_;
  const CallFacts* facts_;
};

}  // namespace baozi
