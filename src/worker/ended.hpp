/// \file ended.hpp
/// How an execution ended, owning its bytes: what a pool gathers. The core is given a `Finished`
/// view of it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "worker/execution.hpp"

namespace baozi::worker {

struct Ended {
  Token token{};
  Verdict verdict = Verdict::failure;
  bool permanent = false;  ///< failure: no policy may retry it
  bool retryable = false;  ///< failure: the registered task wants it to be retried
  bool expected = false;   ///< failure: of a kind that the task said it throws
  std::optional<Micros> delay{};
  std::optional<int> max_retries{};
  Bytes value{};       ///< success: the packed value; otherwise packed `[type, message, traceback]`
  Bytes follow_ups{};  ///< success: packed array of tasks; empty: none
  WallTime started{};
  Micros ran{0};  ///< by the steady clock

  /// Valid as long as this lives. The wall clock's end is the start and the steady time since:
  /// never before it.
  [[nodiscard]] Finished view() const {
    return {.verdict = verdict,
            .permanent = permanent,
            .retryable = retryable,
            .expected = expected,
            .delay = delay,
            .max_retries = max_retries,
            .value = value,
            .follow_ups = follow_ups,
            .reason = {},
            .started_us = micros(started),
            .finished_us = micros(started + ran),
            .ran = ran};
  }
};

/// PROGRESS, or a word of the task's own, while it runs.
struct StateUpdate {
  Token token{};
  std::string state;
  Bytes meta;  ///< packed value
};

}  // namespace baozi::worker
