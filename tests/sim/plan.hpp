/// \file plan.hpp
/// What a simulated task will do when it runs, and how it was called.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "chance.hpp"

namespace baozi::sim {

enum class Script : std::uint8_t {
  succeeds,
  fails,
  either,   ///< each execution tosses a coin: results that disagree
  retries,  ///< asks to be retried `times` times, then succeeds
  flaky,    ///< fails `times` times, with a policy that may or may not be patient enough
  rejects,  ///< wants to be a dead letter
  poison,   ///< takes its worker with it `times` times
};

struct Plan {
  Script script = Script::succeeds;
  std::uint32_t times = 0;
  Micros duration{1'000};
  std::uint32_t follow_ups = 0;  ///< that each successful execution submits
  std::uint32_t depth = 0;       ///< of the family tree
  bool ignore_result = false;
  bool acks_early = false;
  bool track_started = false;
  std::optional<std::int64_t> eta_us;      ///< wall clock
  std::optional<std::int64_t> expires_us;  ///< wall clock
  std::uint8_t priority = 4;
  std::uint8_t queue = 0;
  std::uint32_t delivery_limit = 0;
  // Keys, by number; 0: none.
  std::uint8_t unique = 0;
  bool until_started = false;
  Micros window{0};
  std::uint8_t ordering = 0;
  std::uint8_t home = 0;                      ///< where it belongs, whatever its keys
  std::uint8_t concurrency = 0;               ///< at most two at the same time
  std::optional<std::int64_t> once_until_us;  ///< its id counts until then, wall clock
  int max_retries = 3;                        ///< of its policy; flaky only
  bool labelled = false;                      ///< only workers with the label may run it
  bool limited = false;  ///< its name is one of which only so many may run at the same time
};

inline constexpr const char* the_label = "gpu=1";
inline constexpr const char* limited_name = "sim.limited";

/// How wild the tasks of a seed are.
struct PlanStyle {
  Micros duration_max{50'000};
  double failing = 0.1;
  double either = 0;
  double retrying = 0.1;
  double poison = 0;
  double rejecting = 0;
  double parents = 0.2;
  double ignored = 0.1;
  double early = 0;
  double eta = 0;
  double expiring = 0;
  double priorities = 0;
  std::uint32_t queues = 1;
  double keyed = 0;        ///< of the tasks have some key
  std::uint32_t keys = 1;  ///< different ones
  double homed = 0;        ///< of those without keys name their home
  double labelled = 0;     ///< of the tasks require a label
  double limited = 0;      ///< of the tasks have the name with a limit
};

[[nodiscard]] Plan draw_plan(Chance& chance, const PlanStyle& style, std::uint32_t depth,
                             std::int64_t wall_us);
/// The packed option map of a task with this plan.
[[nodiscard]] Bytes pack_options(const Plan& plan);
/// The key that decides its home broker; empty: none.
[[nodiscard]] std::string home_key(const Plan& plan);
[[nodiscard]] std::string queue_name(const Plan& plan);  ///< empty: the default queue
[[nodiscard]] std::string task_name(const Plan& plan);
[[nodiscard]] std::string plan_text(const Plan& plan);

}  // namespace baozi::sim
