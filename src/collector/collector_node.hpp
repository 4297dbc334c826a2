/// \file collector_node.hpp
/// The collector's shell: runs the core on sockets, a store and the machine's clocks. It decides
/// nothing. Threading: everything happens on the thread that calls `run`; the store has a thread of
/// its own.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "actor/link_sockets.hpp"
#include "base/node_main.hpp"
#include "collector/collector_config.hpp"
#include "collector/collector_core.hpp"
#include "net/listener.hpp"
#include "net/loop.hpp"
#include "store/result_store_thread.hpp"

namespace baozi::collector {

class CollectorNode {
 public:
  /// Opens the store, binds the endpoints.
  /// \throws base::ConfigError, std::exception  with one line for the operator.
  CollectorNode(CollectorConfig config, const std::string& name);
  /// Obeys the program's signals and says when it serves. Without it somebody else calls
  /// `ask_to_…`.
  void obey(base::NodeContext& program);
  /// Until it was asked to stop. \return the exit code: 1 when the store failed.
  int run();
  /// From any thread: commit and answer what was taken, then return from `run`.
  void ask_to_drain();
  /// From any thread: return from `run` now.
  void ask_to_stop();
  [[nodiscard]] const std::vector<net::Endpoint>& endpoints() const {
    return listener_.endpoints();
  }

 private:
  void receive(Now now);
  void take_store_events(Now now);
  void on_stored(store::Stored& stored, Now now);
  void perform(Now now);
  void count();
  void drain();

  CollectorConfig config_;
  base::NodeContext* program_ = nullptr;
  net::Loop loop_;
  net::Listener listener_;
  actor::LinkSockets links_;
  std::unique_ptr<CollectorCore> core_;
  std::unique_ptr<store::ResultStoreThread> store_;
  CollectorEffects effects_;
  net::Received received_;
  std::uint64_t stored_upto_ = 0;
  MonoTime next_count_{};
  bool failed_ = false;
  bool stop_now_ = false;
};

}  // namespace baozi::collector
