// The whole system, timed from a producer: separate processes, tcp, stores on disk. scripts/bench
// starts the network and runs this once per figure; `baozi bench` measures the same with the same
// code. One JSON line per figure.
//   system_bench e2e N        N tasks add(x, y): from the first submit until the last result is in
//   hand, each sum checked system_bench enqueue N    N tasks confirmed by the broker after its
//   sync, nobody working system_bench preload N    fills the queue with N tasks that keep no
//   result; prints nothing system_bench drain N      waits until the queue is empty; prints tasks/s
//   since the first one left it system_bench rtt N        one task at a time, from the call to the
//   result
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "client/measure.hpp"

int main(int argc, char** argv) {
  using namespace baozi::client;
  if (argc < 3) {
    std::fprintf(stderr,
                 "usage: system_bench e2e|enqueue|preload|drain|rtt N   (broker: $BAOZI_BROKER)\n");
    return 2;
  }
  const std::string what = argv[1];
  try {
    baozi::App app;
    const Load load{.tasks = std::stoul(argv[2])};
    std::vector<Figure> figures;
    if (what == "e2e") {
      figures = measure_e2e(app, load);
    } else if (what == "enqueue") {
      figures = {measure_enqueue(app, load)};
    } else if (what == "preload") {
      preload(app, load);
    } else if (what == "drain") {
      figures = {measure_drain(app, load)};
    } else if (what == "rtt") {
      figures = measure_rtt(app, load);
    } else {
      std::fprintf(stderr, "system_bench: '%s' is no figure\n", what.c_str());
      return 2;
    }
    for (const Figure& figure : figures) std::printf("%s\n", to_json(figure).c_str());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "system_bench: %s\n", error.what());
    return 1;
  }
}
