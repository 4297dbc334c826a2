/// \file execution.hpp
/// What the worker core and the pool that runs tasks say to each other: start this, that one ended
/// so. Both sides see only these values, so the simulator brings a pool of its own.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "wire/message.hpp"

namespace baozi::worker {

/// One hand-over of a delivery from the core to its pool. Never given twice in a process's life.
enum class Token : std::uint64_t {};

/// Run this. All views stay valid until the core is told the end of this token: `on_finished` or
/// `on_cancelled`, one of them, once.
struct Start {
  Token token{};
  const void* definition = nullptr;  ///< as `TaskFacts` said; never null
  wire::IdView id;
  std::string_view name;
  std::string_view queue;
  BytesView raw_options;  ///< the packed option map
  BytesView body;         ///< packed `[args, kwargs]`
  BytesView origin;       ///< 16 bytes, or empty
  std::uint32_t delivery_count = 1;
  std::uint32_t retries = 0;
  std::uint8_t priority = 4;
  bool redelivered = false;
  Micros time_limit{0};       ///< of this execution; the pool ends it by force; 0: none
  Micros soft_time_limit{0};  ///< after it the task's next `Context::check` throws; 0: none
  std::int64_t since_us = 0;  ///< wall clock of its first retry; 0: there was none
};

enum class Verdict : std::uint8_t {
  success,  ///< `value` is the packed return value
  failure,  ///< `value` is packed `[type, message, traceback]`, here and below
  retry,    ///< the task asked to be run again
  revoked,  ///< the task ended itself because it was revoked
  reject,   ///< the task wants to be a dead letter at once
  ignore,   ///< the task wants to end without a result
  snooze,   ///< the task wants to run again after `delay`, uncharged
  lost,     ///< the process that ran it is gone; `value` says why, and is the failure, if it is one
};

/// How an execution ended. Views need to live only as long as the call that passes them.
struct Finished {
  Verdict verdict = Verdict::success;
  bool permanent = false;    ///< failure: no policy may retry it (the arguments did not fit)
  bool retryable = false;    ///< failure: the registered task wants it to be retried
  bool expected = false;     ///< failure: of a kind that the task said it throws
  bool with_others = false;  ///< lost: as all that this worker ran, and not by what it did itself
  std::optional<Micros> delay{};     ///< retry, snooze: asked for; otherwise the policy's
  std::optional<int> max_retries{};  ///< retry: instead of the policy's; negative: without end
  BytesView value{};
  BytesView follow_ups{};        ///< packed array of tasks (P5); empty: none
  std::string_view reason{};     ///< retry, reject: for people; empty: taken from `value`
  std::int64_t started_us = 0;   ///< wall clock
  std::int64_t finished_us = 0;  ///< wall clock
  Micros ran{0};                 ///< steady clock: what automatic credit follows
};

}  // namespace baozi::worker
