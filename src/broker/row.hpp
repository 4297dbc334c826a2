/// \file row.hpp
/// The stored forms of the broker's facts. A task's row is `[meta, task]`: what changes, then the
/// packed task exactly as its producer sent it.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "broker/task_table.hpp"

namespace baozi::broker {

struct TaskRowMeta {
  std::uint32_t lost = 0;
  std::uint32_t retries = 0;
  bool marked = false;
  Ending ending = Ending::none;
  std::int64_t eta_us = 0;  ///< of the next start; 0: none
  std::int64_t delay_us =
      0;  ///< the delay that led to it, when it is a retry: clocks may jump over a restart
  BytesView origin;
  std::string_view home;
  std::string_view ending_text;
  std::vector<TaskHistory::Loss> losses;
  BytesView carried_record;
  BytesView carried_follow_ups;
  std::int64_t since_us = 0;    ///< when it was first retried; 0: never
  bool early_there = false;     ///< at most once by the word of a worker
  bool started = false;         ///< its unique key went with its first delivery
  std::int64_t free_at_us = 0;  ///< the end of its unique key's window; 0: none
  bool moved = false;           ///< it came from another broker, since its limit counts here
};
struct TaskRowView {
  TaskRowMeta meta;
  wire::TaskView task;
};

[[nodiscard]] Bytes pack_row(const Task& task, const TaskTable::Origin& origin);
[[nodiscard]] Result<TaskRowView> unpack_row(BytesView row);

/// A dead letter, with every reason.
struct DeadLetter {
  Bytes task;  ///< packed
  Bytes origin;
  std::string home;
  std::int64_t died_us = 0;
  std::uint32_t retries = 0;
  std::string reason;
  std::vector<TaskHistory::Loss> losses;
};
[[nodiscard]] Bytes pack_dead(const DeadLetter& letter);
[[nodiscard]] Result<DeadLetter> unpack_dead(BytesView bytes);

/// The counters of D32.
struct Books {
  std::uint64_t accepted = 0;
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  std::uint64_t revoked = 0;  ///< asked for
  std::uint64_t expired = 0;
  std::uint64_t dropped = 0;
  std::uint64_t purged = 0;
  std::uint64_t dead = 0;  ///< resting in the dead-letter set
  std::uint64_t dead_dropped =
      0;  ///< dropped from the dead-letter set, by an operator or by its cap
  bool operator==(const Books&) const = default;
  [[nodiscard]] std::uint64_t ended() const {
    return succeeded + failed + revoked + expired + dropped + purged + dead + dead_dropped;
  }
};
[[nodiscard]] Bytes pack_books(const Books& books);
[[nodiscard]] Books unpack_books(BytesView bytes);

/// Big-endian keys sort as numbers.
[[nodiscard]] Bytes key_bytes(std::uint64_t value);
[[nodiscard]] std::uint64_t key_value(BytesView bytes);

}  // namespace baozi::broker
