/// \file broker_node.hpp
/// The broker's shell: runs the core on sockets, a store and the machine's clocks. It decides
/// nothing. Threading: everything happens on the thread that calls `run`; the store has a thread of
/// its own.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "actor/link_sockets.hpp"
#include "base/node_main.hpp"
#include "broker/broker_config.hpp"
#include "broker/broker_core.hpp"
#include "net/listener.hpp"
#include "net/loop.hpp"
#include "store/task_store_thread.hpp"

namespace baozi::broker {

class BrokerNode {
 public:
  /// Opens the store, binds the endpoints.
  /// \throws base::ConfigError, std::exception  with one line for the operator.
  BrokerNode(BrokerConfig config, const std::string& name);
  /// Obeys the program's signals and says when it serves. Without it somebody else calls
  /// `ask_to_…`.
  void obey(base::NodeContext& program);
  /// Until it was asked to stop. \return the exit code: 1 when the store failed.
  int run();
  /// From any thread: refuse new tasks, commit what was taken, then return from `run`.
  void ask_to_drain();
  /// From any thread: return from `run` now.
  void ask_to_stop();
  /// Where it listens, with the ports that the system chose.
  [[nodiscard]] const std::vector<net::Endpoint>& endpoints() const {
    return listener_.endpoints();
  }

 private:
  void receive(Now now);
  void take_store_events(Now now);
  void perform(Now now);
  void count();
  void drain();

  BrokerConfig config_;
  base::NodeContext* program_ = nullptr;
  net::Loop loop_;
  net::Listener listener_;
  actor::LinkSockets links_;  // to other brokers
  std::unique_ptr<BrokerCore> core_;
  std::unique_ptr<store::TaskStoreThread> store_;
  BrokerEffects effects_;
  net::Received received_;
  MonoTime next_count_{};
  bool failed_ = false;
  bool stop_now_ = false;
};

}  // namespace baozi::broker
