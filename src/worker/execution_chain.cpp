#include "worker/execution_chain.hpp"

#include <string>
#include <utility>

#include "baozi/detail/task_function.hpp"
#include "base/system_clock.hpp"
#include "worker/failure.hpp"
#include "worker/policies.hpp"
#include "worker/trace_names.hpp"

namespace baozi::worker {

namespace {

using Verdict = TaskReply::Verdict;

class Chain {
 public:
  Chain(const TaskDefinition& task, const TaskCall& call, const Start& start, TaskReply& reply)
      : task_{task}, call_{call}, start_{start}, reply_{reply}, context_{*call.host, *call.facts} {}

  void run() {
    const TaskHooks* const hooks = task_.hooks();
    if (hooks == nullptr) return around(0);
    if (!hooks->before_start || guarded("before_start", [&] { hooks->before_start(context_); })) {
      around(0);
    }
    after(*hooks);
  }

 private:
  struct Link {
    Chain* chain;
    std::size_t index;
    bool called = false;
  };

  void around(std::size_t index) {
    const auto* const middleware = task_.middleware();
    if (middleware == nullptr || index == middleware->size()) return task_.run(call_, reply_);
    const TaskMiddleware& one = (*middleware)[index];
    Link link{this, index + 1};
    const std::string label = "middleware '" + one.name + "'";
    const bool returned = guarded(label, [&] {
      one.around(context_, TaskNext{&Chain::next, &link});
    });
    if (returned && !link.called) {
      fail({"baozi::NotRun", label + " did not run the task", ""});
    }
  }

  static const ExecutionEnd& next(void* state) {
    Link& link = *static_cast<Link*>(state);
    if (!std::exchange(link.called, true)) link.chain->around(link.index);
    return link.chain->read_end();
  }

  void fail(const Failure& failure) {
    reply_.verdict = Verdict::failed;
    reply_.entered = true;
    reply_.retryable = false;
    *reply_.value = failure.packed();
  }

  /// Calls it; what it throws becomes the end of the execution. False when it threw.
  template <class F>
  bool guarded(std::string_view label, F&& function) {
    try {
      function();
      return true;
    } catch (...) {
      const bool had_failed = reply_.verdict == Verdict::failed && !reply_.value->empty();
      const Failure before = had_failed ? unpack_failure(*reply_.value) : Failure{};
      reply_.entered = true;  // no matter of arguments
      reply_.expected = false;
      detail::report_exception(task_, reply_);
      if (reply_.verdict == Verdict::failed && !reply_.value->empty()) {
        Failure now = unpack_failure(*reply_.value);
        now.message = std::string{label} + ": " + now.message;
        if (had_failed) now.traceback += "After: " + before.type + ": " + before.message + '\n';
        *reply_.value = now.packed();
      }
      return false;
    }
  }

  const ExecutionEnd& read_end() {
    end_ = {};
    switch (reply_.verdict) {
      case Verdict::returned:
        end_.state = State::success;
        end_.packed_value = *reply_.value;
        return end_;
      case Verdict::ignore: end_.state = State::ignored; return end_;
      case Verdict::revoked: end_.state = State::revoked; break;
      case Verdict::snooze: end_.state = State::retry; break;
      case Verdict::reject: end_.state = State::failure; break;
      case Verdict::failed:
      case Verdict::retry: end_.state = will_be_retried() ? State::retry : State::failure; break;
    }
    Failure failure = unpack_failure(*reply_.value);
    end_.error.emplace(std::move(failure.type), std::move(failure.message),
                       std::move(failure.traceback));
    return end_;
  }

  [[nodiscard]] bool will_be_retried() const {
    Finished end;
    end.verdict =
        reply_.verdict == Verdict::retry ? worker::Verdict::retry : worker::Verdict::failure;
    end.permanent = !reply_.entered;
    end.retryable = reply_.retryable;
    end.max_retries = reply_.max_retries;
    return !call_.host->revoked() &&
           retry_terms(start_.raw_options, task_.settings().policy, end)
               .allows(start_.retries, start_.since_us, micros(base::wall_now()));
  }

  void after(const TaskHooks& hooks) {
    const ExecutionEnd& end = read_end();
    const Verdict verdict = reply_.verdict;
    if (end.state == State::success) {
      if (hooks.on_success) hook("on_success", hooks.on_success, end);
    } else if (end.state == State::failure) {
      if (hooks.on_failure) hook("on_failure", hooks.on_failure, end);
    } else if (end.state == State::retry && verdict != Verdict::snooze) {
      if (hooks.on_retry) hook("on_retry", hooks.on_retry, end);
    }
    if (hooks.after_return) hook("after_return", hooks.after_return, read_end());
  }

  /// What a hook throws after the end: a success becomes a failure; the rest stays, and tells of
  /// it.
  void hook(const char* label, const std::function<void(Context&, const ExecutionEnd&)>& function,
            const ExecutionEnd& end) {
    try {
      function(context_, end);
    } catch (...) {
      Failure thrown = current_failure(true);
      if (reply_.verdict == Verdict::returned) {
        thrown.message = std::string{label} + ": " + thrown.message;
        return fail(thrown);
      }
      if (reply_.verdict == Verdict::ignore) return;
      Failure own = unpack_failure(*reply_.value);
      own.traceback += std::string{label} + " threw " + thrown.type + ": " + thrown.message + '\n';
      *reply_.value = own.packed();
    }
  }

  const TaskDefinition& task_;
  const TaskCall& call_;
  const Start& start_;
  TaskReply& reply_;
  Context context_;
  ExecutionEnd end_;
};

}  // namespace

void run_in_chain(const TaskDefinition& task, const TaskCall& call, const Start& start,
                  TaskReply& reply) {
  if (task.hooks() == nullptr && (task.middleware() == nullptr || task.middleware()->empty())) {
    return task.run(call, reply);
  }
  const NamesAtOnce for_hooks;
  Chain{task, call, start, reply}.run();
}

}  // namespace baozi::worker
