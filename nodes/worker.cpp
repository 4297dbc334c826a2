#include <cstdlib>

#include "worker/prefork/server.hpp"
#include "worker/worker_node.hpp"

int main(int argc, char** argv) {
  if (const auto code = baozi::worker::prefork::run_if_asked(argc, argv)) return *code;
  baozi::worker::WorkerConfig config;
  config.pool = baozi::worker::PoolKind::prefork;
  bool tasks_left = false;
  const int code = baozi::base::run_node(
      {"baozi-worker", "Runs tasks.", "worker@%h"}, argc, argv,
      [&](baozi::base::OptionTable& table) { config.declare(table); },
      [&](baozi::base::NodeContext& program) {
        return baozi::worker::serve(config, program, tasks_left);
      });
  if (tasks_left) std::_Exit(code);  // threads are still in tasks: no destructors under their feet
  return code;
}
