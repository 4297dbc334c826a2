#include "broker/broker_node.hpp"

int main(int argc, char** argv) {
  baozi::broker::BrokerConfig config;
  return baozi::base::run_node(
      {"baozi-broker", "Keeps tasks durably and hands them to workers.", "broker@%h"}, argc, argv,
      [&](baozi::base::OptionTable& table) { config.declare(table); },
      [&](baozi::base::NodeContext& program) {
        baozi::broker::BrokerNode node{config, program.name()};
        node.obey(program);
        return node.run();
      });
}
