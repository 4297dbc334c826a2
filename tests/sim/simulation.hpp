/// \file simulation.hpp
/// One seed: a whole system of production cores under virtual time, network and disks, troubled for
/// a while, then healed and watched until it is quiet.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/rules.hpp"
#include "beat_process.hpp"
#include "broker_process.hpp"
#include "collector_process.hpp"
#include "follower_process.hpp"
#include "ledger.hpp"
#include "network.hpp"
#include "operator_process.hpp"
#include "producer_process.hpp"
#include "profile.hpp"
#include "ticker_process.hpp"
#include "worker_process.hpp"
#include "world.hpp"

namespace baozi::sim {

struct Outcome {
  bool good = true;
  std::string violation;
  std::uint64_t hash = 0;
  std::uint64_t tasks = 0;
  std::uint64_t executions = 0;
  std::uint64_t frames = 0;
  std::uint64_t steps = 0;
  std::int64_t virtual_us = 0;
  std::uint64_t faults = 0;
};

class Simulation {
 public:
  Simulation(std::uint64_t seed, const Profile& profile, const Rules& rules, bool logging);
  Outcome run();

 private:
  void build();
  void trouble();
  void plan_fault();
  void heal();
  void run_until_quiet();
  void check_end();
  void check_events() const;
  void fault();
  void crash(Process& process);
  void pause(Process& process);
  void partition();
  [[nodiscard]] Micros outage() {
    return world_.chance.spread(Micros{5'000}, profile_.faults.outage_max);
  }
  [[nodiscard]] Process& any(const std::vector<Process*>& processes) {
    return *processes[world_.chance.index(processes.size())];
  }
  [[nodiscard]] Disk& any_disk();
  [[nodiscard]] bool is_quiet() const;
  [[nodiscard]] Ledger::IsAlive producer_is_alive() const;

  std::uint64_t seed_;
  Profile profile_;
  Rules rules_;
  World world_;
  Ledger ledger_;
  Network network_;
  std::vector<std::unique_ptr<BrokerProcess>> brokers_;
  std::vector<std::unique_ptr<CollectorProcess>> collectors_;
  std::vector<std::unique_ptr<WorkerProcess>> workers_;
  std::vector<std::unique_ptr<ProducerProcess>> producers_;
  std::unique_ptr<FollowerProcess> follower_;            // of events; none in most seeds
  std::unique_ptr<OperatorProcess> operator_;            // none in most seeds
  std::vector<std::unique_ptr<TickerProcess>> tickers_;  // none in most seeds
  std::vector<std::unique_ptr<BeatProcess>> beats_;      // none in most seeds
  bool events_make_room_ = false;
  std::vector<Process*> all_;
  std::uint64_t faults_ = 0;
  bool healed_ = false;
};

}  // namespace baozi::sim
