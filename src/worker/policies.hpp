/// \file policies.hpp
/// What the worker core must know of registered tasks, and the retry policy that counts for a call.
/// Threading: as the owner of the registry; the core asks from its own loop only.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <baozi/task.hpp>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "worker/execution.hpp"

namespace baozi::worker {

struct TaskFacts {
  const void* definition = nullptr;  ///< handed back in `Start`; the core never looks at it
  RetryPolicy retry;                 ///< of the registered task
  bool ignore_result = false;        ///< a success stores no result
  bool crash_retry = false;          ///< a crash loses the delivery only; otherwise the task fails
  Micros time_limit{0};              ///< 0: none of its own
  Micros soft_time_limit{0};         ///< 0: none of its own
  bool acks_early = false;           ///< at most once: told to the brokers in HELLO
  double rate = 0;                   ///< starts per second; 0: no limit
  bool coroutine = false;            ///< takes no slot of the pool while it runs
  bool redacted = false;             ///< some of its arguments are nobody's business
};

class TaskPolicies {
 public:
  virtual ~TaskPolicies() = default;
  /// nullptr: no task of that name is registered here. The answer stays valid as long as these
  /// policies live.
  [[nodiscard]] virtual const TaskFacts* find(std::string_view name) const = 0;
  /// Some registered task is a coroutine.
  [[nodiscard]] virtual bool has_coroutines() const { return false; }
  /// How long retry number `retry` (0 for the first) of a registered task waits.
  /// \param chance  in [0, 1): what jitter is made of.
  [[nodiscard]] virtual Micros retry_delay(const TaskFacts& facts, std::uint32_t retry,
                                           double chance) const {
    return facts.retry.delay(retry, chance);
  }
  /// What registered tasks ask of their brokers (HELLO's limits).
  struct BrokerLimit {
    std::string name;
    std::uint32_t concurrency = 0;
    Micros interval{0};  ///< between two starts
    bool operator==(const BrokerLimit&) const = default;
  };
  [[nodiscard]] virtual std::vector<BrokerLimit> broker_limits() const { return {}; }
  /// Registered tasks that run at most once.
  [[nodiscard]] virtual std::vector<std::string> at_most_once() const { return {}; }
  /// How the log names an execution: the name or what stands for it, the id, the arguments.
  [[nodiscard]] virtual std::string label(const TaskFacts* facts, std::string_view name,
                                          const wire::IdView& id, BytesView raw_options,
                                          BytesView body) const;
};

/// Whether an end asks for another try, and on which terms. The core decides by it, and the hooks
/// of the task are chosen by it before.
struct RetryTerms {
  bool wanted = false;
  bool of_call = false;  ///< the policy came with the call, not with the registered task
  RetryPolicy policy{};

  [[nodiscard]] bool allows(std::uint32_t retries, std::int64_t since_us,
                            std::int64_t wall_us) const {
    return wanted && policy.allows(retries, since_us == 0 ? Micros{0} : Micros{wall_us - since_us});
  }
};
/// \param of_task  the registered task's policy.
[[nodiscard]] RetryTerms retry_terms(BytesView raw_options, const RetryPolicy& of_task,
                                     const Finished& end);

/// The policy that stands in a task's options (key 4); none when there is none, or it does not
/// parse.
[[nodiscard]] std::optional<RetryPolicy> retry_policy_in(BytesView raw_options);
/// The number of microseconds that stands in a task's options; 0 when there is none, or no sensible
/// one.
[[nodiscard]] Micros span_in(BytesView raw_options, std::uint64_t key);
/// True when the options hold `key` with a value other than nil and false.
[[nodiscard]] bool has_option(BytesView raw_options, std::uint64_t key);

}  // namespace baozi::worker
