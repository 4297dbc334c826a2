// Several roles in one process: they talk over inproc, and to others on the endpoints that they listen on.
#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "broker/broker_node.hpp"
#include "collector/collector_node.hpp"
#include "worker/worker_node.hpp"

namespace {

using namespace baozi;

struct NodeConfig {
  std::vector<std::string> roles{"broker", "collector"};
  std::vector<std::string> broker_listen{"tcp://127.0.0.1:7170"};
  std::vector<std::string> collector_listen{"tcp://127.0.0.1:7171"};
  std::string broker_store = "sqlite:baozi-broker.db";
  std::string collector_store = "sqlite:baozi-results.db";
  std::vector<std::string> brokers;
  worker::WorkerConfig worker;
  bool insecure = false;
  Micros heartbeat{2'500'000};
  Micros liveness{10'000'000};

  void declare(base::OptionTable& table) {
    using namespace std::chrono_literals;
    table.begin_group("Roles");
    table.add("roles", roles, "which roles this process plays: broker, collector, worker").word("ROLE");
    table.add("insecure", insecure, "listen beyond this machine although nobody has to show a key");
    table.add("heartbeat", heartbeat, "a peer that sent nothing for so long sends a sign of life").range(10ms, 10min);
    table.add("liveness", liveness, "a peer that was silent for so long is lost").range(50ms, 1h);
    table.begin_group("Broker");
    table.add("broker-listen", broker_listen, "where producers, workers and collectors connect").word("ENDPOINT");
    table.add("broker-store", broker_store, "where tasks are kept: sqlite:PATH or memory:").word("URL");
    table.begin_group("Collector");
    table.add("collector-listen", collector_listen, "where producers and workers connect").word("ENDPOINT");
    table.add("collector-store", collector_store, "where results are kept: sqlite:PATH or memory:").word("URL");
    table.begin_group("Worker");
    table.add("app", worker.apps, "libraries of tasks to run").short_name('A').word("LIBRARY");
    table.add("queues", worker.queues, "the queues to take tasks from; without any, the default queue").short_name('Q').word("QUEUE");
    table.add("concurrency", worker.concurrency, "tasks that run at the same time; 0: one for each processor").short_name('c');
    table.begin_group("Others");
    table.add("broker", brokers, "brokers of other processes that collector and worker serve too").word("ENDPOINT");
  }
  [[nodiscard]] bool plays(const std::string& role) const {
    return std::find(roles.begin(), roles.end(), role) != roles.end();
  }
};

constexpr const char* broker_inside = "inproc://baozi-broker";

/// One role on its own thread; when it ends, for whatever reason, the process is told.
template <class Node>
class Role {
 public:
  Role(std::unique_ptr<Node> node, std::atomic<int>& failures, const std::function<void()>& ended)
      : node_{std::move(node)}, thread_{[this, &failures, ended] {
          if (node_->run() != 0) ++failures;
          ended();
        }} {}
  ~Role() { thread_.join(); }
  Role(const Role&) = delete;
  Role& operator=(const Role&) = delete;
  void ask_to_drain() { node_->ask_to_drain(); }
  void ask_to_stop() { node_->ask_to_stop(); }

 private:
  std::unique_ptr<Node> node_;
  std::thread thread_;
};

int run(const NodeConfig& config, base::NodeContext& program) {
  for (const std::string& role : config.roles) {
    if (role != "broker" && role != "collector" && role != "worker") {
      throw base::ConfigError{"--roles: '" + role + "' is not one of broker, collector, worker"};
    }
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
    broker::BrokerConfig options;
    options.listen = config.broker_listen;
    options.listen.emplace_back(broker_inside);
    options.store = config.broker_store;
    options.insecure = config.insecure;
    options.heartbeat = config.heartbeat;
    options.liveness = config.liveness;
    broker_node = std::make_unique<broker::BrokerNode>(options, program.name());
  }
  std::vector<std::string> brokers = config.brokers;
  if (broker_node != nullptr) brokers.emplace_back(broker_inside);
  std::unique_ptr<collector::CollectorNode> collector_node;
  if (config.plays("collector")) {
    collector::CollectorConfig options;
    options.listen = config.collector_listen;
    options.store = config.collector_store;
    options.brokers = brokers;
    options.insecure = config.insecure;
    options.heartbeat = config.heartbeat;
    options.liveness = config.liveness;
    collector_node = std::make_unique<collector::CollectorNode>(options, program.name());
  }
  std::unique_ptr<worker::WorkerNode> worker_node;
  if (config.plays("worker")) {
    worker::WorkerConfig options = config.worker;
    options.brokers = brokers;
    worker_node = std::make_unique<worker::WorkerNode>(options, program.name());
  }
  std::unique_ptr<Role<broker::BrokerNode>> broker_role;
  std::unique_ptr<Role<collector::CollectorNode>> collector_role;
  if (broker_node) broker_role = std::make_unique<Role<broker::BrokerNode>>(std::move(broker_node), failures, ended);
  if (collector_node) {
    collector_role = std::make_unique<Role<collector::CollectorNode>>(std::move(collector_node), failures, ended);
  }
  std::unique_ptr<Role<worker::WorkerNode>> worker_role;
  if (worker_node) worker_role = std::make_unique<Role<worker::WorkerNode>>(std::move(worker_node), failures, ended);
  const auto drain_all = [&] {  // the worker first, while there is somebody to settle with
    if (worker_role) return worker_role->ask_to_drain();
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
    if (worker_role) worker_role->ask_to_stop();
    if (broker_role) broker_role->ask_to_stop();
    if (collector_role) collector_role->ask_to_stop();
  });
  program.ready();
  while (!over) loop.wait(std::nullopt);
  if (worker_role) worker_role->ask_to_drain();
  worker_role.reset();
  if (broker_role) broker_role->ask_to_drain();
  if (collector_role) collector_role->ask_to_drain();
  broker_role.reset();
  collector_role.reset();
  return failures == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  NodeConfig config;
  return base::run_node({"baozi-node", "Several roles in one process.", "node@%h"}, argc, argv,
                        [&](base::OptionTable& table) { config.declare(table); },
                        [&](base::NodeContext& program) { return run(config, program); });
}
