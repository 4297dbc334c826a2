#include "worker/task_table.hpp"

#include <algorithm>

#include "base/units.hpp"
#include "worker/describe.hpp"

namespace baozi::worker {

void TaskTable::add(Registry registry, const std::string& source) {
  for (const TaskDefinition& task : registry.tasks()) {
    const auto taken = tasks_.find(task.name());
    if (taken != tasks_.end()) {
      throw RegistrationError{"task \"" + task.name() + "\" of " + source +
                              " is registered already, by " + taken->second.source};
    }
  }
  refuse_middleware_around_coroutines(registry, source);
  Registry& kept = registries_.emplace_back(std::move(registry));
  sources_.push_back(source);
  for (TaskMiddleware& one : kept.middleware_) middleware_->push_back(std::move(one));
  for (TaskDefinition& task : kept.tasks_) {
    task.middleware_ = middleware_.get();
    const auto& settings = task.settings();
    TaskFacts facts;
    facts.definition = &task;
    facts.coroutine = task.is_coroutine();
    if (facts.coroutine && coroutine_.empty()) coroutine_ = task.name();
    facts.retry = settings.policy;
    facts.ignore_result = settings.ignore_result;
    facts.crash_retry = settings.crash_retry;
    facts.acks_early = settings.acks_early;
    facts.redacted = settings.redact_all || !settings.redacted.empty();
    if (const auto rate = base::parse_rate(settings.rate_limit)) facts.rate = *rate;
    facts.time_limit = settings.time_limit.value_or(Micros{0});
    facts.soft_time_limit = settings.soft_time_limit.value_or(Micros{0});
    tasks_.emplace(task.name(), Entry{facts, &task, source});
  }
}

/// A middleware is a function around another one, on one stack.
void TaskTable::refuse_middleware_around_coroutines(const Registry& registry,
                                                    const std::string& source) const {
  std::string coroutine = coroutine_;
  for (const TaskDefinition& task : registry.tasks()) {
    if (coroutine.empty() && task.is_coroutine()) coroutine = task.name();
  }
  std::string middleware = middleware_->empty() ? std::string{} : middleware_->front().name;
  if (middleware.empty() && !registry.middleware_.empty()) {
    middleware = registry.middleware_.front().name;
  }
  if (coroutine.empty() || middleware.empty()) return;
  throw RegistrationError{"middleware \"" + middleware + "\" and task \"" + coroutine +
                          "\", found with " + source +
                          ": a coroutine task cannot run inside middleware; a worker has one or "
                          "the other"};
}

const TaskFacts* TaskTable::find(std::string_view name) const {
  const auto found = tasks_.find(name);
  return found == tasks_.end() ? nullptr : &found->second.facts;
}

Micros TaskTable::retry_delay(const TaskFacts& facts, std::uint32_t retry, double chance) const {
  return definition_of(facts.definition).retry_delay(retry, chance);
}

std::vector<std::string> TaskTable::at_most_once() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : tasks_) {
    if (entry.facts.acks_early) names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<TaskPolicies::BrokerLimit> TaskTable::broker_limits() const {
  std::vector<BrokerLimit> limits;
  for (const auto& [name, entry] : tasks_) {
    const auto& settings = entry.task->settings();
    BrokerLimit limit{std::string{name}, settings.concurrency_limit, Micros{0}};
    if (const auto rate = base::parse_rate(settings.global_rate_limit); rate && *rate > 0) {
      limit.interval = Micros{std::max<std::int64_t>(static_cast<std::int64_t>(1e6 / *rate), 1)};
    }
    if (limit.concurrency > 0 || limit.interval > Micros{0}) limits.push_back(std::move(limit));
  }
  std::sort(limits.begin(), limits.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return limits;
}

std::string TaskTable::label(const TaskFacts* facts, std::string_view name, const wire::IdView& id,
                             BytesView raw_options, BytesView body) const {
  if (facts == nullptr) return TaskPolicies::label(facts, name, id, raw_options, body);
  const TaskDefinition& task = definition_of(facts->definition);
  return shown_name(task, raw_options) + "[" + id.to_id().to_string() + "]" +
         arguments_text(task, body, raw_options);
}

const TaskDefinition* TaskTable::definition(std::string_view name) const {
  const auto found = tasks_.find(name);
  return found == tasks_.end() ? nullptr : found->second.task;
}

std::vector<std::string> TaskTable::names() const {
  std::vector<std::string> names;
  names.reserve(tasks_.size());
  for (const auto& [name, entry] : tasks_) names.emplace_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace baozi::worker
