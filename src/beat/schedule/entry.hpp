/// \file entry.hpp
/// A periodic task: what is sent, when, and what happens when that cannot be kept. A value, the
/// same for files, databases and the command line. Pure. Source: docs/beat.md.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "baozi/value.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "beat/schedule/schedule.hpp"
#include "beat/schedule/terms.hpp"

namespace baozi::beat {

/// What becomes of ticks that were due while nobody could send them.
enum class Missed : std::uint8_t {
  skip,  ///< nothing; the next one that is due in time is sent
  last,  ///< the latest of them is sent, once
  all,   ///< each of them is sent, up to `missed_limit` of the latest
};
[[nodiscard]] const char* to_string(Missed missed);

/// What becomes of a tick whose entry's last task is unfinished.
enum class Overlap : std::uint8_t {
  allow,  ///< it is sent
  skip,   ///< it is left out, and counted
};
[[nodiscard]] const char* to_string(Overlap overlap);

struct Entry {
  std::string name;  ///< 1 to 255 bytes, no control characters; unique among a beat's entries
  Schedule schedule{Every{}};
  Zone zone;  ///< whose clock the schedule follows
  std::string task;
  Value::Array args;
  Value::Object kwargs;
  std::string queue;            ///< empty: the default queue
  std::optional<int> priority;  ///< 0 to 9
  Value::Object headers;
  std::optional<Micros> expires;  ///< after the tick; a task that starts later is dropped
  bool one_off = false;           ///< disabled after its first tick
  std::optional<WallTime> start;  ///< no tick before it; without it, intervals count from 1970
  std::optional<WallTime> end;    ///< no tick after it
  std::optional<std::uint64_t> max_runs;  ///< disabled after so many ticks
  bool enabled = true;
  Missed missed = Missed::last;
  std::uint32_t missed_limit = 100;  ///< for `all`: 1 to 10,000
  Overlap overlap = Overlap::allow;
  Micros jitter{};  ///< each tick is sent up to so much later, evenly spread; at most a day
  std::string description;

  /// From a map as it stands in YAML or JSON: the schedule's own fields (Schedule::parse) and
  ///     {task, args, kwargs, queue, priority, headers, expires, one_off, start, end, max_runs,
  ///      enabled, missed, missed_limit, overlap, jitter, description, zone}
  /// of which only the schedule and `task` are needed.
  /// \param zone  of an entry that names none
  /// \return Errc::invalid, Errc::not_found  one line that names the field, the value and what is
  /// allowed; whose entry it is, is for the caller to add.
  [[nodiscard]] static Result<Entry> parse(std::string name, const Value& value,
                                           const Zone& zone = {});
  /// What `parse` reads back as an equal entry; fields that have their default are left out, the
  /// zone is not.
  [[nodiscard]] Value to_value() const;

  [[nodiscard]] NextTerms terms() const { return NextTerms{zone, start.value_or(WallTime{}), end}; }
  /// The first tick that is later than `after`; nullopt: there will be none. Takes no notice of
  /// `enabled` and `max_runs`.
  [[nodiscard]] std::optional<WallTime> next(WallTime after) const {
    return schedule.next(after, terms());
  }

  bool operator==(const Entry&) const = default;
};

/// What has become of an entry so far; kept by a schedule's store, beside the entry.
struct EntryRecord {
  std::optional<WallTime> last_tick;    ///< ticks up to here were dealt with: sent, or left out
  std::optional<WallTime> last_run_at;  ///< when the latest task was accepted by a broker
  std::uint64_t total_run_count = 0;    ///< tasks that were accepted
  std::string last_task_id;             ///< of the latest of them; empty: none yet
  std::uint64_t runs_answered = 0;      ///< requests of a run at once that were dealt with
  bool operator==(const EntryRecord&) const = default;
};

/// \return Errc::invalid  empty, too long, or with control characters
[[nodiscard]] Result<void> check_entry_name(const std::string& name);

}  // namespace baozi::beat
