#include "worker/task_table.hpp"

#include <algorithm>

namespace baozi::worker {

void TaskTable::add(Registry registry, const std::string& source) {
  for (const TaskDefinition& task : registry.tasks()) {
    const auto taken = tasks_.find(task.name());
    if (taken != tasks_.end()) {
      throw RegistrationError{"task \"" + task.name() + "\" of " + source +
                              " is registered already, by " + taken->second.source};
    }
  }
  const Registry& kept = registries_.emplace_back(std::move(registry));
  for (const TaskDefinition& task : kept.tasks()) {
    const auto& settings = task.settings();
    const TaskFacts facts{.definition = &task,
                          .retry = settings.policy,
                          .ignore_result = settings.ignore_result,
                          .time_limit = settings.time_limit.value_or(Micros{0}),
                          .soft_time_limit = settings.soft_time_limit.value_or(Micros{0})};
    tasks_.emplace(task.name(), Entry{facts, &task, source});
  }
}

const TaskFacts* TaskTable::find(std::string_view name) const {
  const auto found = tasks_.find(name);
  return found == tasks_.end() ? nullptr : &found->second.facts;
}

Micros TaskTable::retry_delay(const TaskFacts& facts, std::uint32_t retry, double chance) const {
  return definition_of(facts.definition).retry_delay(retry, chance);
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
