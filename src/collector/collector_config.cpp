#include "collector/collector_config.hpp"

#include <array>

#include <unistd.h>

#include "baozi/version.hpp"
#include "base/units.hpp"
#include "net/endpoint.hpp"

namespace baozi::collector {

void CollectorConfig::declare(base::OptionTable& table) {
  using namespace std::chrono_literals;
  table.begin_group("Collector");
  table.add("listen", listen, "where producers and workers connect").word("ENDPOINT");
  table.add("broker", brokers, "the brokers that it serves (default tcp://127.0.0.1:7170)")
      .word("ENDPOINT");
  table
      .add("store", store,
           "where results are kept: sqlite:PATH, or memory: (nothing survives a stop)")
      .word("URL");
  table.add("insecure", insecure, "listen beyond this machine although nobody has to show a key");
  table.add("reserve", reserve, "free disk space that is kept in reserve");
  table.add("heartbeat", heartbeat, "a peer that sent nothing for so long sends a sign of life")
      .range(10ms, 10min);
  table.add("liveness", liveness, "a peer that was silent for so long is lost").range(50ms, 1h);
  table.add("peers-max", peers_max, "sessions served at once").range(1, 1'000'000);
  declare_own(table);
}

void CollectorConfig::declare_own(base::OptionTable& table) {
  using namespace std::chrono_literals;
  table.begin_group("Results");
  table
      .add("advertise", advertise,
           "what peers are told to connect to, when that is not what the collector listens on")
      .word("ENDPOINT");
  table.add("results-age", results_age, "results are erased when they are so old")
      .range(1s, Micros{std::int64_t{3660} * 24 * 3600 * 1'000'000});
  table.add("results-count", results_count, "results that are kept; the oldest make room")
      .range(1'000, UINT64_MAX / 2);
  table.add("result-max", result_max, "bytes of one packed result")
      .range(ByteCount{256}, ByteCount{limits::frame_bytes_max - 65'536});
  table.add("pending-max", pending_max,
            "bytes of results, and of copies for who waits until they are durable, that may wait "
            "for the disk");
  table
      .add("events-max", events_max,
           "events that are kept for whoever follows them; the oldest make room")
      .range(100, 10'000'000);
  table.add("events-memory", event_bytes_max, "bytes of events that are kept")
      .range(ByteCount{std::uint64_t{1} << 20U}, ByteCount{std::uint64_t{64} << 30U});
}

CollectorOptions CollectorConfig::core_options(const std::string& node_name,
                                               const std::vector<std::string>& endpoints) const {
  if (liveness < heartbeat * 2) {
    throw base::ConfigError{"--liveness " + base::to_text(liveness) +
                            " is less than twice --heartbeat " + base::to_text(heartbeat) +
                            ": healthy peers would be taken for lost"};
  }
  CollectorOptions options;
  options.name = node_name;
  options.version = version_text;
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) == 0) options.host = host.data();
  options.pid = static_cast<std::uint64_t>(getpid());
  options.endpoints = advertise.empty() ? endpoints : advertise;
  options.brokers = brokers.empty() ? std::vector<std::string>{"tcp://127.0.0.1:7170"} : brokers;
  for (const std::string& broker : options.brokers) {
    const auto endpoint = net::parse_endpoint(broker, net::Purpose::connect);
    if (!endpoint) throw base::ConfigError{"--broker: " + endpoint.error().message};
  }
  for (const std::string& own : advertise) {
    const auto endpoint = net::parse_endpoint(own, net::Purpose::connect);
    if (!endpoint) throw base::ConfigError{"--advertise: " + endpoint.error().message};
  }
  options.heartbeats = {.interval_us = static_cast<std::uint64_t>(heartbeat.count()),
                        .liveness_us = static_cast<std::uint64_t>(liveness.count())};
  options.sessions_max = peers_max;
  options.result_bytes_max = result_max.value;
  options.pending_bytes_max = pending_max.value;
  options.results_age = results_age;
  options.results_max = results_count;
  options.events = {.events_max = events_max, .bytes_max = event_bytes_max.value};
  return options;
}

}  // namespace baozi::collector
