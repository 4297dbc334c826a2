// Several roles in one process: they talk over inproc, and to others on the endpoints that they
// listen on.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "beat/beat_node.hpp"
#include "broker/broker_node.hpp"
#include "collector/collector_node.hpp"
#include "worker/prefork/server.hpp"
#include "worker/worker_node.hpp"

namespace {

using namespace baozi;

struct NodeConfig {
  std::vector<std::string> roles{"broker", "collector"};
  std::vector<std::string> brokers;
  broker::BrokerConfig
      broker;  // where roles share an option, this one's is declared, and for events the worker's
  collector::CollectorConfig collector;
  worker::WorkerConfig worker;
  beat::BeatConfig beat;

  void declare(base::OptionTable& table) {
    using namespace std::chrono_literals;
    table.begin_group("Roles");
    table.add("roles", roles, "which roles this process plays: broker, collector, worker, beat")
        .word("ROLE")
        .check([](const std::vector<std::string>& given) {
          for (const std::string& role : given) {
            if (role != "broker" && role != "collector" && role != "worker" && role != "beat") {
              return "'" + role + "' is not one of broker, collector, worker, beat";
            }
          }
          return given.empty() ? std::string{"at least one role"} : std::string{};
        });
    table
        .add("broker-listen", broker.listen,
             "where producers, workers and collectors connect to the broker")
        .word("ENDPOINT");
    table
        .add("broker-store", broker.store,
             "where tasks are kept: sqlite:PATH, or memory: (nothing survives a stop)")
        .word("URL");
    table
        .add("collector-listen", collector.listen,
             "where producers and workers connect to the collector")
        .word("ENDPOINT");
    table
        .add("collector-store", collector.store,
             "where results are kept: sqlite:PATH, or memory: (nothing survives a stop)")
        .word("URL");
    table
        .add("broker", brokers,
             "brokers of other processes that collector, worker and beat serve too")
        .word("ENDPOINT");
    table.add("insecure", broker.insecure,
              "listen beyond this machine although nobody has to show a key");
    table
        .add("heartbeat", broker.heartbeat,
             "a peer that sent nothing for so long sends a sign of life")
        .range(10ms, 10min);
    table.add("liveness", broker.liveness, "a peer that was silent for so long is lost")
        .range(50ms, 1h);
    table.add("peers-max", broker.peers_max, "sessions that each role serves at once")
        .range(1, 1'000'000);
    table.add("reserve", broker.reserve,
              "free disk space below which new tasks are refused, so that results and acks go on");
    broker.declare_own(table);
    collector.declare_own(table);
    worker.declare_own(table, false);
    table.begin_group("Beat");
    beat.declare_own(table, "schedule-store");
  }
  [[nodiscard]] bool plays(const std::string& role) const {
    return std::find(roles.begin(), roles.end(), role) != roles.end();
  }
};

constexpr const char* broker_inside = "inproc://baozi-broker";

/// A beat chooses a broker for each entry by the brokers' addresses, and every beat must choose the
/// same one (D26): of several brokers it has to know its own, too, as everybody else does.
std::vector<std::string> brokers_of_beat(const NodeConfig& config,
                                         const std::vector<std::string>& brokers) {
  if (!config.plays("broker") || config.brokers.empty()) return brokers;
  if (!config.broker.brokers.empty()) return config.broker.brokers;
  throw base::ConfigError{
      "a beat of several brokers chooses among them by their addresses: name all of them, this one "
      "too, with --brokers"};
}

/// One role on its own thread; when it ends, for whatever reason, the process is told.
template <class Node>
class Role {
 public:
  Role(std::unique_ptr<Node> node, std::atomic<int>& failures, const std::function<void()>& ended)
      : node_{std::move(node)}, thread_{[this, &failures, ended] {
          if (node_->run() != 0) ++failures;
          ended();
        }} {}
  ~Role() {
    if (thread_.joinable()) thread_.join();
  }
  Role(const Role&) = delete;
  Role& operator=(const Role&) = delete;
  /// Waits until it has stopped.
  Node& join() {
    thread_.join();
    return *node_;
  }
  void ask_to_drain() { node_->ask_to_drain(); }
  void ask_to_stop() { node_->ask_to_stop(); }

 private:
  std::unique_ptr<Node> node_;
  std::thread thread_;
};

/// \param tasks_left  threads are still in tasks: the process must end by `std::_Exit`.
int run(const NodeConfig& config, base::NodeContext& program, bool& tasks_left) {
  if (config.plays("worker") && config.worker.apps.empty()) {
    throw base::ConfigError{"--app is needed for the role worker"};
  }
  net::Loop loop;
  std::atomic<int> failures = 0;
  std::atomic<bool> over = false;
  const auto ended = [&] {
    over = true;
    loop.wake();
  };
  // Made on this thread, so that an operator's mistake is one line and nothing has started.
  std::unique_ptr<broker::BrokerNode> broker_node;
  if (config.plays("broker")) {
    broker::BrokerConfig options = config.broker;
    options.listen.emplace_back(broker_inside);
    options.task_events = config.worker.task_events;
    options.event_heartbeat = config.worker.event_heartbeat;
    broker_node = std::make_unique<broker::BrokerNode>(options, program.name());
  }
  std::vector<std::string> brokers = config.brokers;
  if (broker_node != nullptr) brokers.emplace_back(broker_inside);
  std::unique_ptr<collector::CollectorNode> collector_node;
  if (config.plays("collector")) {
    collector::CollectorConfig options = config.collector;
    options.brokers = brokers;
    options.insecure = config.broker.insecure;
    options.heartbeat = config.broker.heartbeat;
    options.liveness = config.broker.liveness;
    options.peers_max = config.broker.peers_max;
    options.reserve = config.broker.reserve;
    collector_node = std::make_unique<collector::CollectorNode>(options, program.name());
  }
  std::unique_ptr<worker::WorkerNode> worker_node;
  if (config.plays("worker")) {
    worker::WorkerConfig options = config.worker;
    options.brokers = brokers;
    worker_node = std::make_unique<worker::WorkerNode>(options, program.name());
  }
  std::unique_ptr<beat::BeatNode> beat_node;
  if (config.plays("beat")) {
    beat::BeatConfig options = config.beat;
    options.brokers = brokers_of_beat(config, brokers);
    beat_node = std::make_unique<beat::BeatNode>(options, program.name());
  }
  std::unique_ptr<Role<broker::BrokerNode>> broker_role;
  std::unique_ptr<Role<collector::CollectorNode>> collector_role;
  if (broker_node)
    broker_role =
        std::make_unique<Role<broker::BrokerNode>>(std::move(broker_node), failures, ended);
  if (collector_node) {
    collector_role = std::make_unique<Role<collector::CollectorNode>>(std::move(collector_node),
                                                                      failures, ended);
  }
  std::unique_ptr<Role<worker::WorkerNode>> worker_role;
  std::unique_ptr<Role<beat::BeatNode>> beat_role;
  if (worker_node)
    worker_role =
        std::make_unique<Role<worker::WorkerNode>>(std::move(worker_node), failures, ended);
  if (beat_node)
    beat_role = std::make_unique<Role<beat::BeatNode>>(std::move(beat_node), failures, ended);
  const auto drain_all =
      [&] {  // beat and worker first, while there is somebody to hand in to and settle with
        if (beat_role) beat_role->ask_to_drain();
        if (worker_role) return worker_role->ask_to_drain();
        if (beat_role) return;
        if (broker_role) broker_role->ask_to_drain();
        if (collector_role) collector_role->ask_to_drain();
      };
  loop.watch(program.signals().fd(), [&] {
    const auto asked = program.signals().asked();
    if (asked == base::Signals::Asked::nothing) return;
    if (asked == base::Signals::Asked::drain) {
      program.stopping();
      return drain_all();
    }
    if (beat_role) beat_role->ask_to_stop();
    if (worker_role) worker_role->ask_to_stop();
    if (broker_role) broker_role->ask_to_stop();
    if (collector_role) collector_role->ask_to_stop();
  });
  program.ready();
  while (!over) loop.wait(std::nullopt);
  if (beat_role) {
    beat_role->ask_to_drain();
    beat_role->join();
  }
  if (worker_role) {
    worker_role->ask_to_drain();
    tasks_left = worker_role->join().has_running_tasks();
  }
  if (broker_role) broker_role->ask_to_drain();
  if (collector_role) collector_role->ask_to_drain();
  broker_role.reset();
  collector_role.reset();
  if (tasks_left)
    static_cast<void>(worker_role.release());  // its threads go on until the process ends
  return failures == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (const auto code = worker::prefork::run_if_asked(argc, argv)) return *code;
  NodeConfig config;
  bool tasks_left = false;
  const int code = base::run_node(
      {"baozi-node", "Several roles in one process.", "node@%h"}, argc, argv,
      [&](base::OptionTable& table) { config.declare(table); },
      [&](base::NodeContext& program) { return run(config, program, tasks_left); });
  if (tasks_left) std::_Exit(code);
  return code;
}
