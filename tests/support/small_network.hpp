/// \file small_network.hpp
/// A broker, a collector and workers, each the real node on a thread of this process, with stores
/// in memory: for tests of what talks to them. Processes that can be killed are in cluster.hpp.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "broker/broker_node.hpp"
#include "collector/collector_node.hpp"
#include "net/error.hpp"
#include "support/eventually.hpp"
#include "worker/worker_node.hpp"

namespace baozi::test {

/// A node on a thread of its own.
template <class Node>
class OnThread {
 public:
  template <class... Args>
  explicit OnThread(Args&&... args)
      : node_{std::forward<Args>(args)...}, thread_{[this] { node_.run(); }} {}
  ~OnThread() { stop(); }
  OnThread(const OnThread&) = delete;
  OnThread& operator=(const OnThread&) = delete;

  void stop() {
    if (!thread_.joinable()) return;
    node_.ask_to_stop();
    thread_.join();
  }
  [[nodiscard]] Node& node() { return node_; }

 private:
  Node node_;
  std::thread thread_;
};

class SmallNetwork {
 public:
  struct Options {
    int workers = 1;
    std::uint32_t concurrency = 2;
    Micros heartbeat{100'000};
    Micros liveness{1'000'000};
    broker::BrokerConfig broker{};
  };

  /// \param tasks  fills the registry of each worker.
  explicit SmallNetwork(std::function<void(Registry&)> tasks)
      : SmallNetwork{std::move(tasks), Options{}} {}
  SmallNetwork(std::function<void(Registry&)> tasks, Options options)
      : tasks_{std::move(tasks)}, options_{std::move(options)} {
    start_broker();
    start_collector();
    for (int i = 0; i < options_.workers; ++i) start_worker();
  }
  ~SmallNetwork() {
    workers_.clear();
    collector_.reset();
    broker_.reset();
  }
  SmallNetwork(const SmallNetwork&) = delete;
  SmallNetwork& operator=(const SmallNetwork&) = delete;

  [[nodiscard]] const std::string& address() const { return broker_address_; }

  void start_broker() {
    broker::BrokerConfig config = options_.broker;
    config.listen = {broker_address_.empty() ? "tcp://127.0.0.1:0" : broker_address_};
    config.store = "memory:";
    config.heartbeat = options_.heartbeat;
    config.liveness = options_.liveness;
    broker_ = once_bound<broker::BrokerNode>(config, "broker@test");
    broker_address_ = broker_->node().endpoints().front().to_string();
  }
  void stop_broker() { broker_.reset(); }

  void start_collector() {
    collector::CollectorConfig config;
    config.listen = {collector_address_.empty() ? "tcp://127.0.0.1:0" : collector_address_};
    config.brokers = {broker_address_};
    config.store = "memory:";
    config.heartbeat = options_.heartbeat;
    config.liveness = options_.liveness;
    collector_ = once_bound<collector::CollectorNode>(config, "collector@test");
    collector_address_ = collector_->node().endpoints().front().to_string();
  }
  void stop_collector() { collector_.reset(); }

  void start_worker() {
    worker::WorkerConfig config;
    config.brokers = {broker_address_};
    config.concurrency = options_.concurrency;
    worker::TaskTable table;
    Registry registry;
    tasks_(registry);
    table.add(std::move(registry), "this test");
    workers_.push_back(std::make_unique<OnThread<worker::WorkerNode>>(
        config, "w" + std::to_string(workers_.size() + 1) + "@test", std::move(table)));
  }
  void stop_workers() { workers_.clear(); }

 private:
  /// A node on the port of an earlier one, which libzmq gives back a moment after its socket was
  /// closed.
  template <class Node, class Config>
  static std::unique_ptr<OnThread<Node>> once_bound(const Config& config, const std::string& name) {
    std::unique_ptr<OnThread<Node>> made;
    std::string why;
    const bool bound = eventually([&] {
      try {
        made = std::make_unique<OnThread<Node>>(config, name);
      } catch (const net::NetError& error) {
        why = error.what();
      }
      return made != nullptr;
    });
    if (!bound) throw std::runtime_error{why};
    return made;
  }

  std::function<void(Registry&)> tasks_;
  Options options_;
  std::string broker_address_;
  std::string collector_address_;
  std::unique_ptr<OnThread<broker::BrokerNode>> broker_;
  std::unique_ptr<OnThread<collector::CollectorNode>> collector_;
  std::vector<std::unique_ptr<OnThread<worker::WorkerNode>>> workers_;
};

}  // namespace baozi::test
