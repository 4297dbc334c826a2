#include "worker/settle_queue.hpp"

#include "base/limits.hpp"

namespace baozi::worker {

namespace {
constexpr std::size_t frame_bytes = std::size_t{1} << 20U;  // a frame is closed once it is longer
constexpr std::size_t frame_entries = limits::batch_tasks_max / 2;
}  // namespace

void SettleQueue::restart() {
  std::deque<Slot> all;
  for (const auto& [entry, slot] : parked_) all.push_back(slot);
  all.insert(all.end(), sent_.begin(), sent_.end());
  all.insert(all.end(), unsent_.begin(), unsent_.end());
  unsent_ = std::move(all);
  sent_.clear();
  parked_.clear();
  answered_ = 0;
}

void SettleQueue::gather_dones(const DeliveryTable& table) {
  done_.first = answered_ + sent_.size() + 1;
  done_.entries.clear();
  std::size_t bytes = 0;
  while (!unsent_.empty() && bytes < frame_bytes && done_.entries.size() < frame_entries) {
    const Slot slot = unsent_.front();
    const Held& held = table[slot];
    if (held.is_nack) break;
    wire::Settlement& entry = done_.entries.emplace_back();
    entry.number = held.number;
    entry.state = held.state;
    entry.flags = held.exhausted ? wire::flag::done_exhausted : 0;
    entry.raw_follow_ups = held.follow_ups;
    if (held.carries_record) entry.record = held.record;
    bytes += 16 + held.follow_ups.size() + entry.record.size();
    unsent_.pop_front();
    sent_.push_back(slot);
  }
}

void SettleQueue::gather_nacks(const DeliveryTable& table) {
  nack_.first = answered_ + sent_.size() + 1;
  nack_.entries.clear();
  std::size_t bytes = 0;
  while (!unsent_.empty() && bytes < frame_bytes && nack_.entries.size() < frame_entries) {
    const Slot slot = unsent_.front();
    const Held& held = table[slot];
    if (!held.is_nack) break;
    nack_.entries.push_back({held.number, held.nack, held.delay_us, held.record,
                             held.uncharged ? wire::flag::nack_uncharged : 0});
    bytes += 24 + held.record.size();
    unsent_.pop_front();
    sent_.push_back(slot);
  }
}

}  // namespace baozi::worker
