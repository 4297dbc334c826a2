#include "disk.hpp"

#include <utility>

namespace baozi::sim {

void Disk::commit(std::function<void()> apply, std::function<void()> report) {
  jobs_.push_back({true, std::move(apply), std::move(report)});
  begin();
}

void Disk::request(std::function<void()> serve) {
  jobs_.push_back({false, std::move(serve), {}});
  begin();
}

void Disk::begin() {
  if (busy_ || jobs_.empty()) return;
  busy_ = true;
  if (!jobs_.front().is_commit) {
    owner_.later(world_.chance.between(Micros{20}, Micros{300}), [this] { finish(0); });
    return;
  }
  owner_.later(world_.chance.between(Micros{1}, Micros{30}), [this] {
    // Whatever waits by now goes in together.
    std::size_t group = 0;
    while (group < jobs_.size() && jobs_[group].is_commit) ++group;
    owner_.later(world_.chance.spread(latency_min, latency_max), [this, group] { finish(group); });
  });
}

void Disk::finish(std::size_t group) {
  if (group > 0 && full) {
    if (!std::exchange(stalled_, true) && on_stalled) on_stalled();
    owner_.later(Micros{200'000}, [this, group] { finish(group); });
    return;
  }
  if (group > 0 && std::exchange(stalled_, false) && on_resumed) on_resumed();
  busy_ = false;
  if (group == 0) {
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    job.apply();
    return begin();
  }
  for (std::size_t i = 0; i < group; ++i) jobs_[i].apply();
  for (std::size_t i = 0; i < group; ++i) {
    if (report_each || i + 1 == group) jobs_[i].report();
  }
  jobs_.erase(jobs_.begin(), jobs_.begin() + static_cast<std::ptrdiff_t>(group));
  begin();
}

void Disk::crash() {
  std::size_t commits = 0;
  for (const Job& job : jobs_) commits += job.is_commit ? 1U : 0U;
  // Half of the time nothing of it had reached the disk, otherwise any part from the front on.
  std::size_t synced = full || world_.chance.yes(0.5) ? 0 : world_.chance.index(commits + 1);
  if (world_.logging && commits > 0) {
    world_.say(owner_.name(), "    " + std::to_string(synced) + " of " + std::to_string(commits) +
                                  " commits under way are on disk");
  }
  for (const Job& job : jobs_) {
    if (!job.is_commit) continue;
    if (synced == 0) break;
    --synced;
    job.apply();
  }
  jobs_.clear();
  busy_ = stalled_ = false;
}

}  // namespace baozi::sim
