/// \file schedule_store.hpp
/// What beats share: entries, what has become of each, who leads, and a record of every change.
/// One transaction per call. Threading: one owner thread; other processes use the same store at the
/// same time. Errors, the same for every method:
///   Errc::store_failed   the store is away or broken; nothing of this call was kept, call again.
///   Errc::store_locked   somebody else is writing; nothing was kept, call again.
///   Errc::store_corrupt  what is there cannot be read; the message says what and where.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "beat/schedule/entry.hpp"

namespace baozi::store {

struct StoredEntry {
  beat::Entry entry;
  beat::EntryRecord record;
  /// How often somebody asked for a run at once; only grows. Those above `record.runs_answered` are
  /// still to be answered.
  std::uint64_t run_requests = 0;
};

/// One line of the history of changes.
struct ScheduleChange {
  std::uint64_t number = 0;  ///< grows by one with each change
  WallTime at{};
  std::string who;     ///< "user@host"
  std::string what;    ///< "add", "edit", "enable", "disable", "remove", "run", "import"
  std::string entry;   ///< its name
  std::string before;  ///< the entry as JSON; empty: there was none
  std::string after;   ///< empty: there is none any more
};

/// What a beat has to write of an entry after its ticks.
struct EntryProgress {
  std::string name;
  beat::EntryRecord record;
  bool disable = false;  ///< it has run out: one_off, max_runs
};

class ScheduleStore {
 public:
  virtual ~ScheduleStore() = default;

  /// Grows with every change of entries and with every request of a run, not with progress. Cheap:
  /// asked for once a second.
  [[nodiscard]] virtual Result<std::uint64_t> version() = 0;
  /// Everything, by name. 100,000 entries are read within 2 s. An entry that cannot be read does
  /// not hide the others: it is named in `broken`, one line each.
  [[nodiscard]] virtual Result<std::vector<StoredEntry>> load(std::vector<std::string>& broken) = 0;
  [[nodiscard]] virtual Result<std::optional<StoredEntry>> find(const std::string& name) = 0;

  /// Adds it or takes the place of what had its name; progress stays. What is equal to what is
  /// there is no change. \param what  for the history
  [[nodiscard]] virtual Result<void> put(std::span<const beat::Entry> entries,
                                         const std::string& what, const std::string& who,
                                         WallTime now) = 0;
  /// What an entry becomes; an error of it ends the call, and nothing is changed.
  using Edit = std::function<Result<beat::Entry>(const beat::Entry&)>;
  /// Changes an entry as it stands at that moment, so that two who edit it do not undo each other.
  /// \return false: there is no such entry
  [[nodiscard]] virtual Result<bool> edit(const std::string& name, const Edit& change,
                                          const std::string& what, const std::string& who,
                                          WallTime now) = 0;
  /// \return false: there was none
  [[nodiscard]] virtual Result<bool> remove(const std::string& name, const std::string& who,
                                            WallTime now) = 0;
  /// \return false: there is no such entry
  [[nodiscard]] virtual Result<bool> request_run(const std::string& name, const std::string& who,
                                                 WallTime now) = 0;
  /// The newest first. \param entry  "": of all
  [[nodiscard]] virtual Result<std::vector<ScheduleChange>> changes(const std::string& entry,
                                                                    std::size_t limit) = 0;

  /// Entries that were removed meanwhile are left out. Refused with Errc::invalid when `holder`
  /// does not lead any more: somebody else has written further.
  [[nodiscard]] virtual Result<void> record(std::span<const EntryProgress> progress,
                                            const std::string& holder) = 0;

  /// Takes or renews the lead for so long from now, by the store's clock; only one holder has it.
  /// \return false: somebody else has it
  [[nodiscard]] virtual Result<bool> lead(const std::string& holder, Micros span) = 0;
  /// Gives it back, so that another need not wait.
  [[nodiscard]] virtual Result<void> yield_lead(const std::string& holder) = 0;
  /// Who leads, "" when nobody does.
  [[nodiscard]] virtual Result<std::string> leader() = 0;
};

}  // namespace baozi::store
