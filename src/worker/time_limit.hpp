/// \file time_limit.hpp
/// What both kinds of pools say when a task has run longer than its hard limit.
#pragma once
#include <exception>
#include <string>

#include "base/system_clock.hpp"
#include "base/units.hpp"
#include "worker/ended.hpp"
#include "worker/failure.hpp"
#include "worker/task_table.hpp"

namespace baozi::worker {

/// \param how  what was done to it: "its process was killed".
[[nodiscard]] inline Ended time_limit_exceeded(const Start& start, Micros ran,
                                               const std::string& how) {
  Ended ended;
  ended.token = start.token;
  ended.verdict = Verdict::failure;
  const std::string message =
      "still running after its time limit of " + base::to_text(start.time_limit) + "; " + how;
  ended.retryable = definition_of(start.definition)
                        .retries_on(std::make_exception_ptr(TimeLimitExceeded{message}));
  ended.value = Failure{"TimeLimitExceeded", message, ""}.packed();
  ended.started = base::wall_now() - ran;
  ended.ran = ran;
  return ended;
}

}  // namespace baozi::worker
