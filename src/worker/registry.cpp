// Task definitions: settings that make no sense are refused here, when the worker starts.
#include "baozi/registry.hpp"

#include <algorithm>
#include <cmath>

#include "baozi/detail/task_function.hpp"
#include "baozi/plugin.hpp"
#include "base/limits.hpp"
#include "base/units.hpp"
#include "worker/arguments.hpp"
#include "worker/failure.hpp"

namespace baozi {

namespace {

using std::chrono::microseconds;

[[noreturn]] void refuse(const std::string& task, const std::string& why) {
  throw RegistrationError{"task \"" + task + "\": " + why};
}

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= limits::name_bytes_max &&
         std::none_of(name.begin(), name.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return byte < 0x20 || byte == 0x7F;
         });
}

}  // namespace

TaskDefinition& TaskDefinition::max_retries(int count) {
  settings_.policy.max_retries = count;
  retries_failures_ = has_max_retries_ = true;
  return *this;
}

TaskDefinition& TaskDefinition::retry_for(microseconds span) {
  if (span.count() <= 0) refuse(name_, "retry_for is above 0");
  settings_.policy.retry_for = span;
  if (!has_max_retries_) settings_.policy.max_retries = -1;
  retries_failures_ = true;
  return *this;
}

TaskDefinition& TaskDefinition::default_retry_delay(microseconds delay) {
  if (delay.count() < 0) refuse(name_, "a retry's delay is 0 or more");
  settings_.backoff_factor = 0.0;
  settings_.policy.interval_start = settings_.policy.interval_max = delay;
  settings_.policy.interval_step = microseconds{0};
  return *this;
}

TaskDefinition& TaskDefinition::backoff(microseconds initial, double factor, microseconds longest) {
  if (initial.count() < 0 || longest < initial)
    refuse(name_, "a backoff from 0 or more up to no less than that");
  if (!(factor >= 1.0) || !std::isfinite(factor)) refuse(name_, "a backoff's factor is at least 1");
  settings_.backoff_factor = factor;
  settings_.policy.interval_start = initial;
  settings_.policy.interval_max = longest;
  retries_failures_ = true;
  return *this;
}

TaskDefinition& TaskDefinition::retry_policy(const RetryPolicy& policy) {
  settings_.backoff_factor = 0.0;
  settings_.policy = policy;
  retries_failures_ = has_max_retries_ = true;
  return *this;
}

TaskDefinition& TaskDefinition::jitter(double share) {
  if (!(share >= 0.0 && share <= 1.0)) refuse(name_, "jitter is a share from 0 to 1");
  settings_.policy.jitter = share;
  return *this;
}

TaskDefinition& TaskDefinition::acks_early(bool on) {
  settings_.acks_early = on;
  return *this;
}

TaskDefinition& TaskDefinition::crash_retry(bool on) {
  settings_.crash_retry = on;
  return *this;
}

TaskDefinition& TaskDefinition::ignore_result(bool on) {
  settings_.ignore_result = on;
  return *this;
}

TaskDefinition& TaskDefinition::track_started(bool on) {
  settings_.track_started = on;
  return *this;
}

TaskDefinition& TaskDefinition::shadow(std::string name) {
  if (!is_name(name)) refuse(name_, "a shadow name is 1 to 255 bytes without control characters");
  settings_.shadow = std::move(name);
  return *this;
}

TaskDefinition& TaskDefinition::redact(std::initializer_list<std::string_view> parameters) {
  settings_.redact_all = parameters.size() == 0;
  settings_.redacted.clear();
  for (const std::string_view name : parameters) {
    if (std::none_of(parameters_.begin(), parameters_.end(),
                     [&](const Parameter& one) { return one.name == name; })) {
      refuse(name_, "nothing to redact: no parameter is named '" + std::string{name} + "'");
    }
    settings_.redacted.emplace_back(name);
  }
  return *this;
}

TaskHooks& TaskDefinition::own_hooks() {
  if (is_coroutine()) {
    refuse(name_,
           "a coroutine task has no hooks: it can do before, after and on failure by itself");
  }
  if (!hooks_) hooks_ = std::make_shared<TaskHooks>();
  return *hooks_;
}

TaskDefinition& TaskDefinition::before_start(std::function<void(Context&)> hook) {
  own_hooks().before_start = std::move(hook);
  return *this;
}
TaskDefinition& TaskDefinition::on_success(
    std::function<void(Context&, const ExecutionEnd&)> hook) {
  own_hooks().on_success = std::move(hook);
  return *this;
}
TaskDefinition& TaskDefinition::on_failure(
    std::function<void(Context&, const ExecutionEnd&)> hook) {
  own_hooks().on_failure = std::move(hook);
  return *this;
}
TaskDefinition& TaskDefinition::on_retry(std::function<void(Context&, const ExecutionEnd&)> hook) {
  own_hooks().on_retry = std::move(hook);
  return *this;
}
TaskDefinition& TaskDefinition::after_return(
    std::function<void(Context&, const ExecutionEnd&)> hook) {
  own_hooks().after_return = std::move(hook);
  return *this;
}

Registry& Registry::middleware(std::string name,
                               std::function<void(Context&, const TaskNext&)> around) {
  if (!around) throw RegistrationError{"middleware \"" + name + "\" is no function"};
  middleware_.push_back({std::move(name), std::move(around)});
  return *this;
}

TaskDefinition& TaskDefinition::time_limit(microseconds limit) {
  if (limit.count() <= 0) refuse(name_, "a time limit is above 0");
  settings_.time_limit = limit;
  return *this;
}

TaskDefinition& TaskDefinition::soft_time_limit(microseconds limit) {
  if (limit.count() <= 0) refuse(name_, "a time limit is above 0");
  settings_.soft_time_limit = limit;
  return *this;
}

TaskDefinition& TaskDefinition::rate_limit(std::string rate) {
  if (!base::parse_rate(rate))
    refuse(name_, "a rate is a number and /s, /m or /h, as \"10/s\"; got \"" + rate + "\"");
  settings_.rate_limit = std::move(rate);
  return *this;
}

TaskDefinition& TaskDefinition::global_rate_limit(std::string rate) {
  if (!base::parse_rate(rate))
    refuse(name_, "a rate is a number and /s, /m or /h, as \"10/s\"; got \"" + rate + "\"");
  settings_.global_rate_limit = std::move(rate);
  return *this;
}

TaskDefinition& TaskDefinition::concurrency_limit(std::uint32_t count) {
  settings_.concurrency_limit = count;
  return *this;
}

microseconds TaskDefinition::retry_delay(std::uint32_t retry, double chance) const {
  if (settings_.backoff_factor == 0.0) return settings_.policy.delay(retry, chance);
  const auto longest = static_cast<double>(settings_.policy.interval_max.count());
  const double exact = static_cast<double>(settings_.policy.interval_start.count()) *
                       std::pow(settings_.backoff_factor, static_cast<double>(retry));
  RetryPolicy flat = settings_.policy;  // the policy's own arithmetic for ceiling and jitter
  flat.interval_start = microseconds{static_cast<std::int64_t>(std::min(exact, longest))};
  flat.interval_step = microseconds{0};
  return flat.delay(0, chance);
}

TaskDefinition& Registry::add(TaskDefinition definition, std::initializer_list<Arg> names,
                              std::size_t arity) {
  if (!is_name(definition.name())) {
    refuse(definition.name(), "a name is 1 to 255 bytes without control characters");
  }
  const auto same = [&](const TaskDefinition& other) { return other.name() == definition.name(); };
  if (std::any_of(tasks_.begin(), tasks_.end(), same))
    refuse(definition.name(), "registered twice");
  if (names.size() != 0 && names.size() != arity) {
    refuse(definition.name(), std::to_string(names.size()) + " names for " + std::to_string(arity) +
                                  " parameters (name all or none)");
  }
  bool has_fallback = false;
  for (const Arg& name : names) {
    for (const Parameter& other : definition.parameters_) {
      if (other.name == name.name())
        refuse(definition.name(), "two parameters named '" + name.name() + "'");
    }
    if (name.name().empty()) refuse(definition.name(), "a parameter without a name");
    Parameter parameter{name.name(), {}};
    if (name.has_value()) {
      parameter.fallback = std::string{name.packed()};
      has_fallback = true;
    } else if (has_fallback) {
      refuse(definition.name(),
             "parameter '" + name.name() + "' without a default follows one with a default");
    }
    definition.parameters_.push_back(std::move(parameter));
  }
  if (names.size() == 0) definition.parameters_.resize(arity);
  return tasks_.emplace_back(std::move(definition));
}

namespace detail {

void refuse_default(const TaskDefinition& task, std::size_t index, const DecodeError& why) {
  refuse(task.name(), "default of " + worker::argument_label(task, index) + ": " + why.what());
}

}  // namespace detail

void describe_registration_failure(std::string& error) noexcept {
  try {
    throw;
  } catch (const RegistrationError& why) {
    error = why.what();
  } catch (...) {
    const worker::Failure failure = worker::current_failure(false);
    error = failure.type + ": " + failure.message;
  }
}

}  // namespace baozi
