/// \file policies.hpp
/// What the worker core must know of registered tasks, and the retry policy that counts for a call.
/// Threading: as the owner of the registry; the core asks from its own loop only.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include <baozi/task.hpp>

#include "base/bytes.hpp"
#include "base/time.hpp"

namespace baozi::worker {

struct TaskFacts {
  const void* definition = nullptr;  ///< handed back in `Start`; the core never looks at it
  RetryPolicy retry;                 ///< of the registered task
  bool ignore_result = false;        ///< a success stores no result
  Micros time_limit{0};              ///< 0: none of its own
  Micros soft_time_limit{0};         ///< 0: none of its own
};

class TaskPolicies {
 public:
  virtual ~TaskPolicies() = default;
  /// nullptr: no task of that name is registered here. The answer stays valid for the worker's
  /// life.
  [[nodiscard]] virtual const TaskFacts* find(std::string_view name) const = 0;
  /// How long retry number `retry` (0 for the first) of a registered task waits.
  /// \param chance  in [0, 1): what jitter is made of.
  [[nodiscard]] virtual Micros retry_delay(const TaskFacts& facts, std::uint32_t retry,
                                           double chance) const {
    return facts.retry.delay(retry, chance);
  }
};

/// The policy that stands in a task's options (key 4); none when there is none, or it does not
/// parse.
[[nodiscard]] std::optional<RetryPolicy> retry_policy_in(BytesView raw_options);
/// The number of microseconds that stands in a task's options; 0 when there is none, or no sensible
/// one.
[[nodiscard]] Micros span_in(BytesView raw_options, std::uint64_t key);
/// True when the options hold `key` with a value other than nil and false.
[[nodiscard]] bool has_option(BytesView raw_options, std::uint64_t key);

}  // namespace baozi::worker
