/// \file memory_schedule_store.hpp
/// ScheduleStore of `memory:`: nothing outlives its process. For tests, and the model that the
/// databases are compared with. Never fails. Threading: one owner thread.
#pragma once
#include <functional>
#include <map>

#include "store/schedule_store.hpp"

namespace baozi::store {

class MemoryScheduleStore final : public ScheduleStore {
 public:
  /// \param clock  by which leads run out; without one the steady clock
  explicit MemoryScheduleStore(std::function<Micros()> clock = {});

  Result<std::uint64_t> version() override { return version_; }
  Result<std::vector<StoredEntry>> load(std::vector<std::string>& broken) override;
  Result<std::optional<StoredEntry>> find(const std::string& name) override;
  Result<void> put(std::span<const beat::Entry> entries, const std::string& what,
                   const std::string& who, WallTime now) override;
  Result<bool> edit(const std::string& name, const Edit& change, const std::string& what,
                    const std::string& who, WallTime now) override;
  Result<bool> remove(const std::string& name, const std::string& who, WallTime now) override;
  Result<bool> request_run(const std::string& name, const std::string& who, WallTime now) override;
  Result<std::vector<ScheduleChange>> changes(const std::string& entry, std::size_t limit) override;
  Result<void> record(std::span<const EntryProgress> progress, const std::string& holder) override;
  Result<bool> lead(const std::string& holder, Micros span) override;
  Result<void> yield_lead(const std::string& holder) override;
  Result<std::string> leader() override;

 private:
  void note(WallTime at, const std::string& who, const std::string& what, const std::string& entry,
            std::string before, std::string after);

  std::function<Micros()> clock_;
  std::map<std::string, StoredEntry> entries_;
  std::vector<ScheduleChange> changes_;
  std::uint64_t version_ = 1;
  std::string holder_;
  Micros lead_until_{};
};

}  // namespace baozi::store
