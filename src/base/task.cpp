#include "baozi/task.hpp"

#include <algorithm>
#include <array>

namespace baozi {

namespace {
constexpr std::array<const char*, 8> state_names{"PENDING", "RECEIVED", "STARTED", "RETRY",
                                                 "SUCCESS", "FAILURE",  "REVOKED", "IGNORED"};
}

const char* to_string(State state) {
  const auto number = static_cast<std::size_t>(state);
  return number < state_names.size() ? state_names[number] : "UNKNOWN";
}

std::optional<State> parse_state(std::string_view name) {
  const auto found = std::find(state_names.begin(), state_names.end(), name);
  if (found == state_names.end()) return std::nullopt;
  return static_cast<State>(found - state_names.begin());
}

std::chrono::microseconds RetryPolicy::delay(std::uint32_t retry, double chance) const {
  // In floating point: a step times a large retry number must not wrap round to a negative delay.
  const double ceiling = static_cast<double>(std::max(interval_max, interval_start).count());
  const double exact = static_cast<double>(interval_start.count()) +
                       static_cast<double>(retry) * static_cast<double>(interval_step.count());
  const double share =
      1.0 + std::clamp(jitter, 0.0, 1.0) * (2.0 * std::clamp(chance, 0.0, 1.0) - 1.0);
  const double delay = std::clamp(exact, 0.0, std::max(ceiling, 0.0)) * share;
  return std::chrono::microseconds{static_cast<std::int64_t>(std::min(delay, 9.0e18))};
}

}  // namespace baozi
