/// \file broker_config.hpp
/// What an operator may say to `baozi-broker`; the same sentences stand in docs/configuration.md.
#pragma once
#include <string>
#include <vector>

#include "base/config.hpp"
#include "broker/options.hpp"

namespace baozi::broker {

struct BrokerConfig {
  std::vector<std::string> listen{"tcp://127.0.0.1:7170"};
  std::string store = "sqlite:baozi-broker.db";
  bool insecure = false;
  Micros heartbeat{2'500'000};
  Micros liveness{10'000'000};
  std::string default_queue = "default";
  std::uint64_t queue_tasks = 10'000'000;
  ByteCount queue_bytes{std::uint64_t{16} << 30U};
  FullPolicy queue_policy = FullPolicy::block;
  std::uint32_t queue_overflow = 100;
  Micros queue_patience{60'000'000};
  std::vector<std::string> brokers;  ///< of the network, as producers are given them
  std::string address;               ///< which of them this is; empty: found by `listen`
  std::uint64_t outbox_tasks = 100'000;
  ByteCount outbox_bytes{std::uint64_t{256} << 20U};
  std::vector<std::string> queues;  ///< NAME:tasks=N:bytes=SIZE:policy=POLICY
  std::uint32_t delivery_limit = 5;
  ByteCount task_max{limits::task_bytes_max};
  std::uint64_t window = 50'000;
  std::uint64_t memory_tasks = 1'000'000;
  ByteCount memory{std::uint64_t{1} << 30U};
  std::uint64_t dead_max = 10'000;
  Micros producer_age{std::int64_t{24} * 3600 * 1'000'000};
  std::uint64_t producers_max = 100'000;
  std::uint64_t once_max = 1'000'000;
  Micros commit_delay{20'000};
  ByteCount reserve{std::uint64_t{64} << 20U};
  std::size_t peers_max = 16'384;
  bool task_events = false;
  Micros event_heartbeat{2'000'000};

  void declare(base::OptionTable& table);
  /// Without what several roles in one process share or must tell apart: endpoints, store,
  /// heartbeats, limits of peers.
  void declare_own(base::OptionTable& table);
  /// \throws base::ConfigError  for a `--queue` that cannot be read, or values that contradict each
  /// other.
  [[nodiscard]] BrokerOptions core_options(const std::string& node_name) const;
};

}  // namespace baozi::broker
