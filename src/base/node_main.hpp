/// \file node_main.hpp
/// What every program does around its work: options that all of them have, log, pid file,
/// detaching, signals, systemd, exit codes.
///
///     int main(int argc, char** argv) {
///       BrokerOptions options;
///       return base::run_node(
///           {"baozi-broker", "Keeps tasks durably and hands them to workers.", "broker@%h"}, argc,
///           argv,
///           [&](base::OptionTable& table) { options.declare(table); },
///           [&](base::NodeContext& node) { return BrokerNode{options, node}.run(); });
///     }
///
/// Exit codes: what the work returns; 1 when it throws; 2 when it throws ConfigError or the options
/// are wrong. A failure is one line on stderr (for a detached node on the stderr of the command
/// that started it) and, if the log goes elsewhere, in the log.
#pragma once
#include <functional>
#include <string>

#include "base/config.hpp"
#include "base/detach.hpp"
#include "base/log.hpp"
#include "base/signals.hpp"

namespace baozi::base {

struct Program {
  std::string name;          ///< "baozi-broker"
  std::string summary;       ///< for --help
  std::string default_name;  ///< of the node, before -n is looked at: "broker@%h"
};

/// The options of every node (docs/configuration.md).
struct NodeOptions {
  log::Level loglevel = log::Level::info;
  std::string logfile;  ///< empty: stderr; detached, "%n.log" in the current folder
  std::string pidfile;
  bool detach = false;
  std::string name;

  /// Declares them. `name` holds the default.
  void declare(OptionTable& table);
};

/// What the work is given. Lives as long as the work runs.
class NodeContext {
 public:
  NodeContext(std::string name, Signals& node_signals, ReadyPipe& ready_pipe)
      : name_{std::move(name)}, signals_{node_signals}, ready_pipe_{ready_pipe} {}

  [[nodiscard]] const std::string& name() const { return name_; }  ///< "broker@host"
  [[nodiscard]] Signals& signals() { return signals_; }
  /// Call once, when the node serves: lets the detaching parent go and tells systemd. A detached
  /// node that returns without it has failed.
  void ready();
  /// Call when draining begins: tells systemd.
  void stopping();

 private:
  std::string name_;
  Signals& signals_;
  ReadyPipe& ready_pipe_;
};

/// Runs a node from its command line to its exit code. Nothing that it needs may have been started
/// before.
int run_node(const Program& program, int argc, const char* const* argv,
             const std::function<void(OptionTable&)>& declare,
             const std::function<int(NodeContext&)>& work);

/// For programs that are no nodes: runs `work` and turns what it throws into one line on stderr and
/// an exit code, as run_node does.
int run_guarded(const std::string& program, const std::function<int()>& work);

}  // namespace baozi::base
