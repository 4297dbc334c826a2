/// \file profile.hpp
/// What one seed is about: how large the system is, what its tasks are like, and which faults it
/// meets. Every seed draws its own mixture, so that rare faults also meet alone, and often ones
/// also together.
#pragma once
#include <cstdint>
#include <string>

#include "actor/peer.hpp"
#include "base/time.hpp"
#include "broker/options.hpp"
#include "producer_process.hpp"
#include "ticker_process.hpp"

namespace baozi::sim {

/// Mean time between two faults of a kind, 0: none.
struct Faults {
  Micros mean{500'000};  ///< between any two faults
  double crash_broker = 0;
  double crash_collector = 0;
  double crash_worker = 0;
  double crash_producer = 0;
  double drain = 0;  ///< SIGTERM to a broker, collector or worker
  double pause = 0;
  double partition = 0;
  double break_connection = 0;
  double slow_disk = 0;
  double full_disk = 0;
  double wall_clock = 0;
  Micros outage_max{3'000'000};  ///< how long a crash, a pause or a partition lasts at most
  [[nodiscard]] double total() const {
    return crash_broker + crash_collector + crash_worker + crash_producer + drain + pause +
           partition + break_connection + slow_disk + full_disk + wall_clock;
  }
};

struct Profile {
  std::size_t brokers = 1;
  std::size_t collectors = 1;
  std::size_t workers = 2;
  std::size_t producers = 1;
  actor::Heartbeats heartbeats;
  broker::BrokerOptions broker;
  std::uint32_t concurrency_max = 4;
  std::uint32_t prefetch = 0;
  Appetite appetite;
  Ticks ticks;             ///< and two who tick, when there are any
  bool has_beats = false;  ///< it is they who tick
  bool durable_results = false;
  Weather weather;
  Faults faults;
  Micros trouble{15'000'000};  ///< faults happen so long
  bool clean = false;
  bool operated = false;   ///< an operator pauses, purges and retries; some tasks require a label
  bool networked = false;  ///< the brokers know each other: keys count in all of them (D27)
  std::uint32_t name_limit = 0;   ///< of tasks with the limited name at once, over all brokers
  std::uint32_t queue_limit = 0;  ///< the same of queue q1
  bool events = false;            ///< everybody tells of everything, and somebody follows it
};

/// \param keys  half of the tasks have unique, ordering or concurrency keys.
/// \param operated  somebody steers, and there is something to steer: dead letters, labels.
/// \param beat  two beats send the ticks of the same entries.
/// \param networked  two or three brokers that know each other; many parents, keys, and limits.
/// \param once  two processes submit the same ids; clocks are stepped more often.
[[nodiscard]] Profile draw_profile(std::uint64_t seed, bool keys = false, bool operated = false,
                                   bool once = false, bool beat = false, bool networked = false);
[[nodiscard]] std::string profile_text(const Profile& profile);

}  // namespace baozi::sim
