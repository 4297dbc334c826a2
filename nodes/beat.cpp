#include "beat/beat_node.hpp"

int main(int argc, char** argv) {
  baozi::beat::BeatConfig config;
  return baozi::base::run_node(
      {"baozi-beat", "Sends periodic tasks.", "beat@%h"}, argc, argv,
      [&](baozi::base::OptionTable& table) { config.declare(table); },
      [&](baozi::base::NodeContext& program) { return baozi::beat::serve(config, program); });
}
