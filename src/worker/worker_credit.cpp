// Credit: how much each broker may have with us (docs/protocol.md "Credit"; speed.md decision 1).
#include <algorithm>

#include "worker/worker_core.hpp"

namespace baozi::worker {

namespace {
constexpr std::size_t unsent_urgent = 2'000;  // settlements that do not wait for company
}

void WorkerCore::plan_credit(Now now) {
  std::uint64_t open = 0;
  std::uint64_t busy = 0;
  const auto is_busy = [&](const BrokerPeer& broker) {
    return broker.held() > 0 || now.mono < broker.busy_until;
  };
  for (const auto& broker : brokers_) {
    if (!broker->link.is_open()) continue;
    ++open;
    if (is_busy(*broker)) ++busy;
  }
  if (open == 0) return;
  // Both windows bound memory: what is held, and what has ended and is not settled (16,000 and 64
  // MiB).
  std::uint64_t total = credit_.total();
  std::uint64_t bytes = options_.prefetch_bytes;
  const std::uint64_t window = options_.settle_window;
  const std::uint64_t window_bytes = options_.settle_window_bytes;
  total = std::min(total, window - std::min(window, settling_));
  bytes = std::min(bytes, window_bytes - std::min(window_bytes, settling_bytes_));
  if (bytes == 0 || drain_ || paused_) total = 0;
  const std::uint64_t room = total == 0 ? 0 : coroutine_room();
  for (const auto& broker : brokers_) {
    if (!broker->link.is_open()) continue;
    // Brokers that have work for us share it all; one that has none keeps a foot in the door.
    std::uint64_t share = total;
    if (open > 1) {
      const std::uint64_t sharers = busy == 0 ? open : busy;
      share = busy == 0 || is_busy(*broker) ? (total + sharers - 1) / sharers
                                            : std::min<std::uint64_t>(total, 1);
    }
    if (stalled_) share = std::min(share, broker->pooled - broker->coroutines);
    // What rests until its rate limit lets it start takes nothing from the others, nor does what
    // runs without a slot.
    broker->ceiling = share + (room + open - 1) / open + broker->resting + broker->coroutines;
    broker->bytes_ceiling =
        std::max<std::uint64_t>(bytes / open, 1) + broker->resting_bytes + broker->coroutine_bytes;
  }
}

bool WorkerCore::credit_changed(const BrokerPeer& broker) const {
  if (!broker.told || broker.returned != broker.told_returned) return true;
  // Small moves of the average are not worth a frame.
  const std::uint64_t before = broker.told_ceiling;
  const std::uint64_t after = broker.ceiling;
  if (after == before) return false;
  if (after == 0 || before == 0) return true;
  // With coroutines it grows all the time: as soon as the broker has used up what it knows of.
  if (broker.coroutines > 0 && after > before && broker.outstanding() >= before) return true;
  return (after > before ? after - before : before - after) > before / 8;
}

bool WorkerCore::flush_is_due(BrokerPeer& broker, Now now) {
  const bool credit = credit_changed(broker);
  if (!credit && broker.settlements.unsent() == 0) {
    broker.flush_at.reset();
    return false;
  }
  if (!broker.flush_at) broker.flush_at = now.mono + options_.flush_delay;
  if (now.mono >= *broker.flush_at || broker.settlements.unsent() >= unsent_urgent) return true;
  // At once when the broker can give us less than half of what we want.
  return credit && broker.outstanding() * 2 >= broker.told_ceiling && broker.ceiling > 0;
}

}  // namespace baozi::worker
