#include "collector/collector_node.hpp"

int main(int argc, char** argv) {
  baozi::collector::CollectorConfig config;
  return baozi::base::run_node(
      {"baozi-collector", "Keeps results and shows them to those who wait.", "collector@%h"}, argc,
      argv, [&](baozi::base::OptionTable& table) { config.declare(table); },
      [&](baozi::base::NodeContext& program) {
        baozi::collector::CollectorNode node{config, program.name()};
        node.obey(program);
        return node.run();
      });
}
