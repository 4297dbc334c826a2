// A table of tasks without their code: what the fork server, which loads the libraries, tells the
// worker, which does not. The server has run the constructors of the libraries, so nothing that it
// says is believed: what a registration would refuse is refused here, too.
#include <algorithm>
#include <cmath>
#include <utility>

#include <baozi/packing.hpp>

#include "base/limits.hpp"
#include "worker/failure.hpp"
#include "worker/task_table.hpp"

namespace baozi::worker {

namespace {

constexpr std::uint64_t version = 1;  // both ends are the same program; a foreign one is not read
constexpr std::uint32_t task_fields = 24;

[[noreturn]] void refuse(const std::string& why) {
  throw RegistrationError{"the description of the tasks makes no sense: " + why};
}

/// Where a definition by description is asked to do what only its code can do.
void cannot_run(const TaskDefinition& task, const TaskCall&, TaskReply& reply) noexcept {
  reply.verdict = TaskReply::Verdict::failed;
  *reply.value = Failure{"baozi::RegistrationError",
                         "\"" + task.name() + "\" is known here by its description only", ""}
                     .packed();
}
std::coroutine_handle<> cannot_begin(const TaskDefinition& task, const TaskCall& call,
                                     TaskReply& reply, detail::CoroutineHost&) noexcept {
  cannot_run(task, call, reply);
  return nullptr;
}

void write_span(Writer& out, const std::optional<Micros>& span) {
  if (span) {
    out.integer(span->count());
  } else {
    out.nil();
  }
}
std::optional<Micros> read_span(Reader& in) {
  if (in.try_nil()) return std::nullopt;
  const std::int64_t us = in.integer();
  if (us <= 0) in.fail("a span above 0 expected");
  return Micros{us};
}
double read_finite(Reader& in) {
  const double number = in.real();
  if (!std::isfinite(number)) in.fail("a finite number expected");
  return number;
}
/// Its numbers are the author's, who may write what he likes.
RetryPolicy read_policy(Reader& in) {
  RetryPolicy policy;
  const std::int64_t retries = in.integer();
  policy.max_retries = static_cast<int>(std::clamp<std::int64_t>(retries, -1, INT32_MAX));
  policy.interval_start = Micros{in.integer()};
  policy.interval_step = Micros{in.integer()};
  policy.interval_max = Micros{in.integer()};
  policy.jitter = read_finite(in);
  policy.retry_for = Micros{in.integer()};
  return policy;
}
std::vector<std::string> read_texts(Reader& in) {
  std::vector<std::string> texts;
  for (std::uint32_t left = in.array(); left > 0 && in.ok(); --left) texts.emplace_back(in.str());
  return texts;
}

}  // namespace

Bytes TaskTable::described() const {
  Bytes packed;
  Writer out{packed};
  out.array(2);
  out.uinteger(version);
  out.array(registries_.size());
  for (std::size_t i = 0; i < registries_.size(); ++i) {
    out.array(2);
    out.str(sources_[i]);
    out.array(registries_[i].tasks_.size());
    for (const TaskDefinition& task : registries_[i].tasks_) {
      const TaskDefinition::Settings& has = task.settings();
      out.array(task_fields);
      out.str(task.name());
      out.boolean(task.is_coroutine());
      out.boolean(task.keeps_time_limit());
      out.boolean(task.retries_on(std::make_exception_ptr(TimeLimitExceeded{""})));
      out.array(task.parameters().size());
      for (const Parameter& one : task.parameters()) out.str(one.name);
      out.real(has.backoff_factor);
      out.integer(has.policy.max_retries);
      out.integer(has.policy.interval_start.count());
      out.integer(has.policy.interval_step.count());
      out.integer(has.policy.interval_max.count());
      out.real(has.policy.jitter);
      out.integer(has.policy.retry_for.count());
      out.boolean(has.acks_early);
      out.boolean(has.ignore_result);
      out.boolean(has.crash_retry);
      out.boolean(has.track_started);
      out.boolean(has.redact_all);
      out.array(has.redacted.size());
      for (const std::string& name : has.redacted) out.str(name);
      out.str(has.shadow);
      write_span(out, has.time_limit);
      write_span(out, has.soft_time_limit);
      out.str(has.rate_limit);
      out.str(has.global_rate_limit);
      out.uinteger(has.concurrency_limit);
    }
  }
  return packed;
}

TaskTable TaskTable::from_description(BytesView description) {
  Reader in{description};
  if (in.array() != 2 || in.uinteger() != version) refuse("it is of another version of baozi");
  TaskTable table;
  for (std::uint32_t sources = in.array(); sources > 0 && in.ok(); --sources) {
    if (in.array() != 2) in.fail("two fields of a source expected");
    const std::string source{in.str()};
    Registry registry;
    for (std::uint32_t tasks = in.array(); tasks > 0 && in.ok(); --tasks) {
      if (in.array() != task_fields) in.fail("the fields of a task expected");
      const std::string name{in.str()};
      if (name.empty() || name.size() > limits::name_bytes_max) in.fail("a task's name expected");
      const bool coroutine = in.boolean();
      TaskDefinition task{name, nullptr, &cannot_run, coroutine ? &cannot_begin : nullptr};
      task.keeps_time_limit_ = in.boolean();
      // Here nobody asks for another exception: tasks end there, and time limits here.
      task.retries_failures_ = in.boolean();
      for (std::string& parameter : read_texts(in)) {
        task.parameters_.push_back({std::move(parameter), std::nullopt});
      }
      TaskDefinition::Settings& has = task.settings_;
      has.backoff_factor = read_finite(in);
      has.policy = read_policy(in);
      has.acks_early = in.boolean();
      has.ignore_result = in.boolean();
      has.crash_retry = in.boolean();
      has.track_started = in.boolean();
      has.redact_all = in.boolean();
      has.redacted = read_texts(in);
      has.shadow = in.str();
      has.time_limit = read_span(in);
      has.soft_time_limit = read_span(in);
      const std::string rate{in.str()};
      const std::string global_rate{in.str()};
      const std::uint64_t at_once = in.uinteger();
      if (at_once > UINT32_MAX) in.fail("a smaller concurrency limit expected");
      if (!in.ok()) break;
      if (!rate.empty()) task.rate_limit(rate);
      if (!global_rate.empty()) task.global_rate_limit(global_rate);
      task.concurrency_limit(static_cast<std::uint32_t>(at_once));
      registry.tasks_.push_back(std::move(task));
    }
    if (in.ok()) table.add(std::move(registry), source);
  }
  if (!in.ok()) refuse(in.error());
  if (!in.at_end()) refuse("bytes behind its end");
  return table;
}

}  // namespace baozi::worker
