// A node that does nothing: what node_main_test starts to see what run_node does around the work.
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>

#include <poll.h>
#include <sys/resource.h>

#include "base/node_main.hpp"

int main(int argc, char** argv) {
  namespace base = baozi::base;
  namespace log = baozi::log;
  std::string does = "serve";
  return base::run_node(
      {"node-probe", "Does nothing, in several ways.", "probe@%h"}, argc, argv,
      [&](base::OptionTable& table) {
        table.add("does", does, "serve, throw, misconfigured, odd, code3, die, limit or stubborn");
      },
      [&](base::NodeContext& node) {
        if (does == "throw") throw std::runtime_error{"the port\nis taken"};
        if (does == "misconfigured") throw base::ConfigError{"--store: no such kind"};
        if (does == "odd") throw 7;  // what a careless library might throw
        if (does == "code3") return 3;
        if (does == "die") std::abort();
        if (does == "limit") {
          rlimit limit{};
          ::getrlimit(RLIMIT_NOFILE, &limit);
          std::printf("soft %llu hard %llu\n", static_cast<unsigned long long>(limit.rlim_cur),
                      static_cast<unsigned long long>(limit.rlim_max));
          return 0;
        }
        std::thread bystander{[] {}};  // its mask is inherited; a signal must not end the process
        bystander.join();
        log::info("{} serves", node.name());
        node.ready();
        std::fputs("on stderr\n", stderr);
        for (;;) {
          pollfd poll_me{node.signals().fd(), POLLIN, 0};
          ::poll(&poll_me, 1, -1);
          const auto asked = node.signals().asked();
          if (asked == base::Signals::Asked::nothing) continue;
          node.stopping();
          log::info("{}", asked == base::Signals::Asked::drain ? "drains" : "stops");
          if (does != "stubborn" || asked == base::Signals::Asked::stop) return 0;
        }
      });
}
