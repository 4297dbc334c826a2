/// \file task_table.hpp
/// Which tasks this worker can run, and what the core needs to know of them. There is no global
/// one: each worker, and each test, has its own. A process that does not load the tasks' code has a
/// table by description: it answers the same questions, and its tasks cannot be run there.
/// Threading: filled by one thread; read by the worker's loop and its pool's threads, then, without
/// locks.
#pragma once
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <baozi/registry.hpp>

#include "worker/policies.hpp"

namespace baozi::worker {

class TaskTable final : public TaskPolicies {
 public:
  /// \param source  who brings them, for messages: a file's name, "this program".
  /// Throws RegistrationError when a name is there already, naming both sources; the table is then
  /// unchanged.
  void add(Registry registry, const std::string& source);

  [[nodiscard]] const TaskFacts* find(std::string_view name) const override;
  [[nodiscard]] Micros retry_delay(const TaskFacts& facts, std::uint32_t retry,
                                   double chance) const override;
  [[nodiscard]] std::vector<std::string> at_most_once() const override;
  [[nodiscard]] std::vector<BrokerLimit> broker_limits() const override;
  [[nodiscard]] std::string label(const TaskFacts* facts, std::string_view name,
                                  const wire::IdView& id, BytesView raw_options,
                                  BytesView body) const override;

  // ---- task_description.cpp
  /// All but the tasks' code, for a process that does not load it. Equal tables have equal
  /// descriptions.
  [[nodiscard]] Bytes described() const;
  /// The table that `description` describes. Throws RegistrationError when it makes no sense.
  [[nodiscard]] static TaskTable from_description(BytesView description);

  /// nullptr: no such task.
  [[nodiscard]] const TaskDefinition* definition(std::string_view name) const;
  /// Sorted.
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] bool has_coroutines() const override { return !coroutine_.empty(); }
  [[nodiscard]] std::size_t size() const { return tasks_.size(); }

 private:
  struct Entry {
    TaskFacts facts;
    const TaskDefinition* task;
    std::string source;
  };
  void refuse_middleware_around_coroutines(const Registry& registry,
                                           const std::string& source) const;

  std::string coroutine_;
  /// Of all registries. The definitions point to it, so it stays where it is when the table moves.
  std::unique_ptr<std::deque<TaskMiddleware>> middleware_ =
      std::make_unique<std::deque<TaskMiddleware>>();
  std::deque<Registry> registries_;  ///< they own the definitions, whose addresses never change
  std::deque<std::string> sources_;  ///< of each
  std::unordered_map<std::string_view, Entry> tasks_;
};

/// The definition behind a `Start` or a `TaskFacts` that a TaskTable gave out.
[[nodiscard]] inline const TaskDefinition& definition_of(const void* definition) {
  return *static_cast<const TaskDefinition*>(definition);
}

}  // namespace baozi::worker
