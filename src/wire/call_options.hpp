/// \file call_options.hpp
/// What a caller asked for (baozi::CallOptions) as a task's option map, and the parts of that map
/// that a worker reads back. The broker reads only wire::TaskOptions; what it does not know it
/// keeps. Source: docs/protocol.md, "Options". Time: the caller passes the instant that countdown
/// and expires count from.
#pragma once
#include <optional>

#include "baozi/task.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "wire/message.hpp"

namespace baozi::wire {

/// Who enqueued a task from within another one; empty ids are left out.
struct Lineage {
  IdView root;
  IdView parent;
};

/// The packed map; empty when nothing departs from the defaults. Errors (invalid): countdown and
/// eta together, a negative countdown, a priority outside 0 to 9, a limit or a retry policy that
/// makes no sense.
[[nodiscard]] Result<Bytes> pack_options(const CallOptions& options, WallTime now,
                                         const Lineage& lineage = {});

/// The options that an execution looks at. Views into the map.
struct ExecutionOptions {
  std::optional<std::int64_t> eta_us;
  std::optional<std::int64_t> expires_us;
  std::optional<Micros> time_limit;
  std::optional<Micros> soft_time_limit;
  IdView root;
  IdView parent;
  BytesView headers;  ///< packed map
  std::string_view shadow;
  std::string_view shown_arguments;
  bool track_started = false;
};
/// Errors: malformed.
[[nodiscard]] Result<ExecutionOptions> read_execution_options(BytesView raw_options);

}  // namespace baozi::wire
