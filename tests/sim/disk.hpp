/// \file disk.hpp
/// The store thread of one process and the file under it: requests are worked off in order, waiting
/// commits in one transaction, and what was handed over but not synced when the process dies may be
/// in the file or not, from the front on. What is durable outlives the process.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>

#include "process.hpp"
#include "world.hpp"

namespace baozi::sim {

class Disk {
 public:
  Disk(World& world, Process& owner) : world_{world}, owner_{owner} {}

  Micros latency_min{100};
  Micros latency_max{1'500};
  bool full = false;

  /// \param apply   puts it into the file.
  /// \param report  tells the process; of several that went in together only the last one's is
  /// called, unless
  ///                `report_each`.
  void commit(std::function<void()> apply, std::function<void()> report);
  /// Reads what is in the file after all commits before it, and tells the process.
  void request(std::function<void()> serve);
  bool report_each = false;
  std::function<void()> on_stalled;  ///< said once, until `on_resumed`
  std::function<void()> on_resumed;

  void crash();
  [[nodiscard]] bool is_idle() const { return jobs_.empty(); }

 private:
  struct Job {
    bool is_commit = false;
    std::function<void()> apply;
    std::function<void()> report;
  };
  void begin();
  void finish(std::size_t group);

  World& world_;
  Process& owner_;
  std::deque<Job> jobs_;
  bool busy_ = false;
  bool stalled_ = false;
};

}  // namespace baozi::sim
