#include <cstdlib>
#include <memory>

#include "beat/beat_thread.hpp"
#include "worker/prefork/server.hpp"
#include "worker/worker_node.hpp"

int main(int argc, char** argv) {
  if (const auto code = baozi::worker::prefork::run_if_asked(argc, argv)) return *code;
  baozi::worker::WorkerConfig config;
  baozi::beat::BeatConfig beat_config;
  bool has_beat = false;
  config.pool = baozi::worker::PoolKind::prefork;
  bool tasks_left = false;
  const int code = baozi::base::run_node(
      {"baozi-worker", "Runs tasks.", "worker@%h"}, argc, argv,
      [&](baozi::base::OptionTable& table) {
        config.declare(table);
        table.begin_group("Beat");
        table.add("beat", has_beat, "send periodic tasks as well, as baozi-beat does")
            .short_name('B');
        beat_config.declare_own(table, "schedule-store");
      },
      [&](baozi::base::NodeContext& program) {
        std::unique_ptr<baozi::beat::BeatThread> beat;
        if (has_beat) {
          beat_config.brokers = config.brokers;
          beat = std::make_unique<baozi::beat::BeatThread>(beat_config, program.name() + "/beat");
        }
        return baozi::worker::serve(config, program, tasks_left);
      });
  if (tasks_left) std::_Exit(code);  // threads are still in tasks: no destructors under their feet
  return code;
}
