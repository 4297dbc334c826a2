/// \file collector_config.hpp
/// What an operator may say to `baozi-collector`; the same sentences stand in
/// docs/configuration.md.
#pragma once
#include <string>
#include <vector>

#include "base/config.hpp"
#include "collector/collector_core.hpp"

namespace baozi::collector {

struct CollectorConfig {
  std::vector<std::string> listen{"tcp://127.0.0.1:7171"};
  std::vector<std::string> advertise;
  std::vector<std::string>
      brokers;  ///< as --broker; empty: BAOZI_BROKER, else tcp://127.0.0.1:7170
  std::string store = "sqlite:baozi-results.db";
  bool insecure = false;
  Micros heartbeat{2'500'000};
  Micros liveness{10'000'000};
  Micros results_age{std::int64_t{24} * 3600 * 1'000'000};
  std::uint64_t results_count = 10'000'000;
  ByteCount result_max{limits::result_bytes_max};
  ByteCount pending_max{std::uint64_t{512} << 20U};
  ByteCount reserve{std::uint64_t{64} << 20U};
  std::size_t peers_max = 16'384;
  std::size_t events_max = 100'000;
  ByteCount event_bytes_max{std::uint64_t{64} << 20U};

  void declare(base::OptionTable& table);
  /// Without what several roles in one process share or must tell apart: endpoints, store,
  /// heartbeats, limits of peers.
  void declare_own(base::OptionTable& table);
  /// \param endpoints  where it listens, as bound
  /// \throws base::ConfigError  for values that contradict each other.
  [[nodiscard]] CollectorOptions core_options(const std::string& node_name,
                                              const std::vector<std::string>& endpoints) const;
};

}  // namespace baozi::collector
