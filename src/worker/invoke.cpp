#include "worker/invoke.hpp"

#include <algorithm>
#include <stdexcept>

#include "baozi/context.hpp"
#include "base/limits.hpp"
#include "base/system_clock.hpp"
#include "base/task_scope.hpp"
#include "wire/call_options.hpp"
#include "wire/codec.hpp"
#include "worker/execution_chain.hpp"
#include "worker/failure.hpp"
#include "worker/policies.hpp"
#include "worker/task_table.hpp"
#include "worker/throw_trace.hpp"

namespace baozi::worker {

namespace {

constexpr std::size_t meta_bytes_max = 65'536;
constexpr std::size_t follow_up_bytes_max =
    limits::frame_bytes_max / 2;  ///< of all of one task; they travel in its DONE

WireId wire_id(const wire::IdView& id) { return {id.bytes, id.uuid}; }

CallFacts facts_of(const Start& start, const wire::ExecutionOptions& options,
                   std::string_view worker_name) {
  CallFacts facts;
  facts.id = wire_id(start.id);
  facts.name = start.name;
  facts.queue = start.queue;
  facts.body = start.body;
  facts.headers = options.headers;
  facts.root = wire_id(options.root);
  facts.parent = wire_id(options.parent);
  facts.worker = worker_name;
  facts.origin = start.origin;
  facts.retries = start.retries;
  facts.delivery_count = start.delivery_count;
  facts.redelivered = start.redelivered;
  facts.priority = start.priority;
  facts.time_limit = start.time_limit;
  if (options.eta_us) facts.eta = Instant::from_micros(*options.eta_us);
  if (options.expires_us) facts.expires = Instant::from_micros(*options.expires_us);
  return facts;
}

/// The worker's side of the task's Context.
class Host final : public ContextHost {
 public:
  Host(const Start& start, const wire::ExecutionOptions& options, const TaskDefinition& task,
       ExecutionPort& port, Random& random, MonoTime begin)
      : start_{start}, options_{options}, task_{task}, port_{port}, random_{random} {
    if (start.soft_time_limit > Micros{0}) soft_limit_at_ = begin + start.soft_time_limit;
  }

  void update_state(std::string_view state, std::string meta) override {
    if (const auto word = parse_state(state); word && is_final(*word))
      throw std::invalid_argument{std::string{state} + " is an end, no state of a running task"};
    if (!wire::is_valid_name(state))
      throw std::invalid_argument{"a state is 1 to 255 bytes without control characters"};
    if (meta.size() > meta_bytes_max)
      throw std::length_error{"a state's value is at most 64 KiB packed"};
    port_.update_state(state, std::move(meta));
  }

  std::string follow_up(FollowUp task) override {
    if (!wire::is_valid_name(task.name))
      throw std::invalid_argument{"a task's name is 1 to 255 bytes without control characters"};
    if (count_ == limits::follow_ups_max)
      throw std::length_error{"a task enqueues at most 1,000 others"};
    const WallTime now = base::wall_now();
    const TaskId id = task.options.task_id.empty()
                          ? TaskId{make_uuid7(now, random_.next(), random_.next())}
                          : TaskId::from_text(task.options.task_id);
    const wire::Lineage lineage{options_.root.bytes.empty() ? start_.id : options_.root, start_.id};
    const Result<Bytes> packed_options = wire::pack_options(task.options, now, lineage);
    if (!packed_options) throw std::invalid_argument{packed_options.error().message};
    const std::size_t before = packed_.size();
    Writer out{packed_};
    wire::pack_task(out, wire::view_of(id), task.name, task.options.queue, *packed_options,
                    task.body);
    const Result<wire::TaskView> check = wire::decode_task(BytesView{packed_}.substr(before));
    const bool too_large =
        packed_.size() - before > limits::task_bytes_max || packed_.size() > follow_up_bytes_max;
    if (!check || too_large) {
      packed_.resize(before);
      if (too_large)
        throw std::length_error{"an enqueued task is at most 1 MiB, all together at most 4 MiB"};
      throw std::invalid_argument{"task not enqueued: " + check.error().message};
    }
    ++count_;
    return id.to_string();
  }

  [[nodiscard]] bool revoked() const override { return port_.revoked(); }
  [[nodiscard]] int max_retries() const override {
    const std::optional<RetryPolicy> on_failure = retry_policy_in(start_.raw_options);
    return on_failure ? on_failure->max_retries : task_.settings().policy.max_retries;
  }

  [[nodiscard]] bool soft_limit_strikes() override {
    if (!soft_limit_at_ || base::mono_now() < *soft_limit_at_) return false;
    soft_limit_at_.reset();
    return true;
  }

  /// The packed array of what was enqueued; empty when nothing was.
  [[nodiscard]] Bytes follow_ups() const {
    if (count_ == 0) return {};
    Bytes array;
    Writer out{array};
    out.array(count_);
    out.raw(packed_);
    return array;
  }

 private:
  const Start& start_;
  const wire::ExecutionOptions& options_;
  const TaskDefinition& task_;
  ExecutionPort& port_;
  Random& random_;
  std::optional<MonoTime> soft_limit_at_;
  Bytes packed_;
  std::size_t count_ = 0;
};

void end(Ended& ended, Verdict verdict, const char* type, std::string message) {
  ended.verdict = verdict;
  ended.value = Failure{type, std::move(message), ""}.packed();
}

void fail_for_good(Ended& ended, const char* type, std::string message) {
  end(ended, Verdict::failure, type, std::move(message));
  ended.permanent = true;
}

void returned(const Host& host, Ended& ended) {
  if (ended.value.size() > value_bytes_max) {
    return fail_for_good(
        ended, "baozi::ResultTooLarge",
        "the result has " + std::to_string(ended.value.size()) + " bytes; 1 MiB is the most");
  }
  ended.verdict = Verdict::success;
  ended.follow_ups = host.follow_ups();
}

void run(const Start& start, const wire::ExecutionOptions& options, std::string_view worker_name,
         ExecutionPort& port, Random& random, MonoTime begin, Ended& ended) {
  const TaskDefinition& task = definition_of(start.definition);
  const CallFacts facts = facts_of(start, options, worker_name);
  Host host{start, options, task, port, random, begin};
  TaskReply reply;
  reply.value = &ended.value;
  {
    const base::TaskScope scope;
    const ThrowTrace trace;
    run_in_chain(task, TaskCall{&facts, &host}, start, reply);
  }
  switch (reply.verdict) {
    case TaskReply::Verdict::returned: returned(host, ended); break;
    case TaskReply::Verdict::failed:
      ended.verdict = Verdict::failure;
      ended.permanent = !reply.entered;
      ended.retryable = reply.retryable;
      ended.expected = reply.expected;
      if (ended.value.empty())
        end(ended, Verdict::failure, "std::bad_alloc", "out of memory while telling a failure");
      break;
    case TaskReply::Verdict::retry:
      ended.verdict = Verdict::retry;
      ended.max_retries = reply.max_retries;
      if (reply.eta) {
        ended.delay = std::max(
            Micros{0}, reply.eta->time() - Instant::from_micros(micros(base::wall_now())).time());
      } else if (reply.countdown) {
        ended.delay = std::max(Micros{0}, *reply.countdown);
      }
      break;
    case TaskReply::Verdict::revoked: ended.verdict = Verdict::revoked; break;
    case TaskReply::Verdict::reject: ended.verdict = Verdict::reject; break;
    case TaskReply::Verdict::ignore: ended.verdict = Verdict::ignore; break;
    case TaskReply::Verdict::snooze:
      ended.verdict = Verdict::snooze;
      ended.delay = std::max(Micros{0}, reply.countdown.value_or(Micros{0}));
      break;
  }
}

}  // namespace

Ended invoke(const Start& start, std::string_view worker_name, ExecutionPort& port,
             Random& random) {
  Ended ended;
  ended.token = start.token;
  ended.started = base::wall_now();
  const MonoTime begin = base::mono_now();
  const Result<wire::ExecutionOptions> options = wire::read_execution_options(start.raw_options);
  if (port.revoked()) {
    end(ended, Verdict::revoked, "baozi::TaskRevoked", "revoked");
  } else if (!options) {
    fail_for_good(ended, "baozi::ArgumentError", options.error().message);
  } else if (options->expires_us && *options->expires_us < micros(ended.started)) {
    end(ended, Verdict::revoked, "baozi::TaskRevoked", "expired");
  } else {
    run(start, *options, worker_name, port, random, begin, ended);
  }
  ended.ran = base::mono_now() - begin;
  return ended;
}

}  // namespace baozi::worker
