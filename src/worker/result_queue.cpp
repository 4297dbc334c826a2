#include "worker/result_queue.hpp"

#include <algorithm>
#include <utility>

#include "base/limits.hpp"

namespace baozi::worker {

namespace {
constexpr std::size_t frame_bytes = std::size_t{1} << 20U;  // a frame is closed before it is longer
constexpr std::size_t frame_entries = limits::batch_tasks_max / 2;
constexpr std::size_t entry_bytes = 32;   // number, generation, flags, heads
constexpr std::size_t group_bytes = 300;  // origin, worker's name
}  // namespace

void ResultQueue::restart() {
  unsent_.insert(unsent_.begin(), sent_.begin(), sent_.end());
  sent_.clear();
  stored_ = 0;
}

std::deque<Slot> ResultQueue::take_all() {
  restart();
  return std::exchange(unsent_, {});
}

void ResultQueue::gather(const DeliveryTable& table, std::string_view worker,
                         std::size_t frame_bytes_max) {
  message_.first = stored_ + sent_.size() + 1;
  const std::size_t bytes_max = std::min(frame_bytes, frame_bytes_max);
  std::size_t bytes = 0;
  std::size_t entries = 0;
  std::size_t groups = 0;  // groups and their vectors keep their room from frame to frame
  while (!unsent_.empty() && entries < frame_entries) {
    const Slot slot = unsent_.front();
    const Held& held = table[slot];
    const bool new_group = groups == 0 || message_.groups[groups - 1].origin != held.origin_view();
    const std::size_t more =
        held.record.size() + held.follow_ups.size() + entry_bytes + (new_group ? group_bytes : 0);
    if (entries > 0 && bytes + more > bytes_max) break;
    if (new_group) {
      if (groups == message_.groups.size()) message_.groups.emplace_back();
      wire::ResultGroup& group = message_.groups[groups++];
      group.origin = held.origin_view();
      group.worker = worker;
      group.entries.clear();
    }
    wire::ResultEntry& entry = message_.groups[groups - 1].entries.emplace_back();
    entry.number = held.number;
    entry.generation = held.generation;
    entry.record.raw = held.record;
    entry.raw_follow_ups = held.follow_ups;
    bytes += more;
    ++entries;
    unsent_.pop_front();
    sent_.push_back(slot);
  }
  message_.groups.resize(groups);
}

}  // namespace baozi::worker
