/// \file schedule_source.hpp
/// Where a beat's entries come from, on a thread of its own, so that no disk holds up a tick: a
/// file that is read again when it changes, a store that several beats share, or a file whose
/// progress is kept in a store. With a store only the beat that leads is given entries.
///
/// What fails is tried again once a second, and told once; meanwhile the last known schedule goes
/// on, and progress waits to be written.
/// Threading: `tell` is called on the source's thread; the rest from one owner.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "beat/schedule/zone.hpp"
#include "store/schedule_store.hpp"

namespace baozi::beat {

struct SourceOptions {
  std::string file;    ///< empty: the store holds the entries
  Zone zone;           ///< of a file's entries that name none
  std::string holder;  ///< who leads, unlike that of any other beat
  Micros poll{500'000};
  Micros lead_span{5'000'000};  ///< a beat that is silent for so long is followed by another
};

class ScheduleSource {
 public:
  struct News {
    std::optional<std::vector<store::StoredEntry>> entries;  ///< from now on these
    bool lead_lost = false;                                  ///< from now on none
    std::string notice;
    std::string warning;
  };
  using Tell = std::function<void(News&&)>;

  /// \param store  may be null for a file
  ScheduleSource(SourceOptions options, std::unique_ptr<store::ScheduleStore> store, Tell tell);
  ~ScheduleSource();
  ScheduleSource(const ScheduleSource&) = delete;
  ScheduleSource& operator=(const ScheduleSource&) = delete;

  /// Reads the file, if there is one, and starts. \return why the file is refused
  [[nodiscard]] Result<void> start();
  /// To be written soon.
  void record(std::vector<store::EntryProgress>&& progress);
  /// Reads the file again, whether or not it changed.
  void reload();
  /// Writes what is to be written, if the store can be reached, and gives the lead back.
  void stop();

 private:
  /// What tells a file from the one that was read.
  struct Stamp {
    std::int64_t modified_ns = 0;
    std::uint64_t inode = 0;
    std::int64_t size = -1;
    bool operator==(const Stamp&) const = default;
  };

  void run();
  void step();
  void look_at_lead();
  void look_at_file(bool is_asked);
  void look_at_store();
  void load();
  [[nodiscard]] Result<std::vector<store::StoredEntry>> load_file_with_state();
  void flush();
  [[nodiscard]] Stamp stamp() const;
  [[nodiscard]] bool is_fine(const Result<void>& result);
  void say(std::string notice);
  void warn(std::string warning);

  SourceOptions options_;
  std::unique_ptr<store::ScheduleStore> store_;
  Tell tell_;

  // of the source's thread
  std::vector<Entry> of_file_;
  Stamp read_stamp_;
  bool leads_ = false;
  bool is_told_of_leader_ = false;
  bool must_load_ = false;
  bool is_away_ = false;
  MonoTime next_lead_{};
  std::optional<std::uint64_t> version_;
  std::string broken_told_;
  std::map<std::string, store::EntryProgress> to_write_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<store::EntryProgress> given_;  // guarded by mutex_
  bool reload_asked_ = false;                // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_
  std::thread thread_;
};

}  // namespace baozi::beat
