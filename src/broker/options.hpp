/// \file options.hpp
/// What a broker can be told, with defaults. The same sentences stand in configs/ and
/// docs/configuration.md.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "actor/event_outbox.hpp"
#include "actor/peer.hpp"
#include "actor/peer_outbox.hpp"
#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/rules.hpp"

namespace baozi::broker {

/// What a full queue does with one more task (delivery.md D5, D6, D19).
enum class FullPolicy : std::uint8_t {
  block,      ///< the producer waits, with its deadline
  reject,     ///< the task is refused with a reason
  drop_head,  ///< the oldest queued task is dropped, gets REVOKED as its final state, and is
              ///< counted
};

struct QueueOptions {
  std::uint64_t tasks_max = 10'000'000;                ///< tasks queued, scheduled and leased
  std::uint64_t bytes_max = std::uint64_t{16} << 30U;  ///< their packed bytes
  FullPolicy policy = FullPolicy::block;
  std::uint32_t overflow_percent = 100;  ///< how far follow-ups may fill it beyond those (D25)
  std::uint32_t concurrency_limit = 0;   ///< of its tasks leased at once; 0: none
  std::int64_t interval_us = 0;          ///< between two deliveries; 0: none

  /// The hard limits: beyond them follow-ups wait as well.
  [[nodiscard]] std::uint64_t tasks_hard() const { return beyond(tasks_max); }
  [[nodiscard]] std::uint64_t bytes_hard() const { return beyond(bytes_max); }

 private:
  [[nodiscard]] std::uint64_t beyond(std::uint64_t limit) const {
    const std::uint64_t percent = overflow_percent;  // at most 10,000
    if (limit / 100 > (UINT64_MAX - limit) / (percent + 1)) return UINT64_MAX;
    return limit + limit / 100 * percent + limit % 100 * percent / 100;
  }
};

struct BrokerOptions {
  std::string name = "broker";
  std::string version;
  std::string host;  ///< with `pid`: to know a worker that lives in this very process (D16)
  std::uint64_t pid = 0;
  Incarnation incarnation{1};
  actor::Heartbeats heartbeats;
  std::size_t sessions_max = 16'384;
  std::string default_queue = "default";  ///< where tasks without a queue go
  QueueOptions queue_defaults;
  std::map<std::string, QueueOptions> queues;  ///< exceptions by name
  std::uint32_t delivery_limit = 5;            ///< lost deliveries after which a task is dead
  std::uint64_t task_bytes_max = limits::task_bytes_max;
  std::uint64_t frame_bytes_max = limits::frame_bytes_max;
  std::uint64_t window_tasks =
      50'000;  ///< ready tasks that a queue keeps in memory; the rest is paged in
  std::uint64_t scheduled_window = 50'000;     ///< the next scheduled tasks that are kept in memory
  std::uint64_t memory_tasks_max = 1'000'000;  ///< tasks in memory before producers wait
  std::uint64_t memory_bytes_max = std::uint64_t{1} << 30U;
  std::uint64_t dead_max = 10'000;  ///< dead letters kept; the oldest make room
  std::uint64_t dead_bytes_max = std::uint64_t{64} << 20U;
  std::uint64_t endings_max = 10'000;  ///< endings that wait for a collector (D19)
  std::uint64_t reserve_bytes = std::uint64_t{64} << 20U;  ///< disk space kept for acks and results
  std::int64_t producer_age_us = 24LL * 3600 * 1'000'000;  ///< D8
  std::uint64_t producers_max =
      100'000;  ///< producers remembered; those that were silent for longest make room (D31)
  std::int64_t commit_delay_us = 20'000;  ///< speed.md decision 2
  std::uint64_t commit_rows = 1'000;
  bool task_events = false;              ///< tell who follows events of every task
  Micros event_heartbeat{0};             ///< between two broker-heartbeat events; 0: none
  actor::EventOutbox::Limits events;     ///< what is kept of them while nobody takes them
  std::size_t questions_max = 256;       ///< to the workers, open at a time
  std::size_t once_max = 1'000'000;      ///< ids remembered until their `once_until` (D26)
  Micros once_purge_every{10'000'000};   ///< those that are over are looked for so often
  std::size_t revocations_max = 50'000;  ///< marks of revoked tasks (D28)
  std::int64_t revocation_age_us = 24LL * 3600 * 1'000'000;
  std::uint32_t label_sets_max = 64;  ///< different sets of required labels in one queue
  Micros queue_patience{
      60'000'000};  ///< how long follow-ups wait for a full queue that nobody drains (D25)
  std::vector<std::string> brokers;  ///< of the network, as producers are given them (D27)
  std::string address;               ///< which of them this one is; with several of them
  actor::OutboxLimits outbox;        ///< of what waits for one of the others
  Uuid outbox_id;                    ///< random: our producer id at brokers that are new to us
  std::uint32_t credit_chunk = 256;  ///< tasks given to one worker before it is the next one's turn
};

}  // namespace baozi::broker
