// The worker's pools alone, without network and broker: tasks/s of c.add, whose own work is nothing, and the memory of a
// child. scripts/bench pool runs it once for each kind. One JSON line per figure.
//   pool_bench threads|solo|prefork LIBRARY SLOTS N
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <baozi/arguments.hpp>

#include "base/system_clock.hpp"
#include "worker/plugin.hpp"
#include "worker/prefork/prefork_pool.hpp"
#include "worker/prefork/server.hpp"
#include "worker/thread_pool.hpp"

namespace {

using namespace baozi;
using namespace baozi::worker;

constexpr std::size_t in_hand_max = 514;  // as many as the core hands to a pool of two slots
constexpr std::size_t batch = 64;

void figure(const std::string& metric, double value, const char* unit, const std::string& settings) {
  std::printf(R"({"metric":"%s","value":%.1f,"unit":"%s","settings":"%s"})"
              "\n",
              metric.c_str(), value, unit, settings.c_str());
}

/// Its share of what it has in common with others, and what is its own.
double mebibytes_of(std::int64_t pid, const char* what) {
  std::ifstream rollup{"/proc/" + std::to_string(pid) + "/smaps_rollup"};
  for (std::string line; std::getline(rollup, line);) {
    if (line.starts_with(what)) return std::atof(line.c_str() + line.find(':') + 1) / 1'024;
  }
  return 0;
}

int run(const std::string& kind, const std::string& library, std::size_t slots, std::size_t count) {
  const int bell = eventfd(0, EFD_NONBLOCK);
  const Pool::Notify notify = [bell] {
    const std::uint64_t one = 1;
    if (write(bell, &one, sizeof one) < 0) std::abort();
  };
  std::unique_ptr<Pool> pool;
  if (kind == "prefork") {
    pool = std::make_unique<PreforkPool>(PreforkPool::Options{.children = slots, .worker_name = "w", .apps = {library}});
  } else if (kind == "threads") {
    pool = std::make_unique<ThreadPool>(ThreadPool::Options{.threads = slots, .worker_name = "w"}, notify);
  } else {
    pool = std::make_unique<SoloPool>(ThreadPool::Options{.worker_name = "w"}, notify);
  }
  TaskTable tasks;
  load_plugin(library, tasks);
  const TaskFacts* const facts = tasks.find("c.add");
  if (facts == nullptr) throw std::runtime_error{library + " has no task c.add"};
  const std::string body = pack_body(1, 2);
  std::vector<Start> items(batch);
  std::uint64_t token = 0;
  std::size_t submitted = 0;
  std::size_t ended = 0;
  PoolEvents events;
  const auto turns_until = [&](std::size_t total) {
    while (ended < total) {
      while (submitted < total && submitted - ended + batch <= in_hand_max) {
        for (Start& item : items) {
          item = Start{.token = Token{++token}, .definition = facts->definition, .id = {false, "0123456789abcdef"}, .name = "c.add", .body = body};
        }
        const std::size_t taken = pool->submit(items);
        submitted += taken;
        token -= batch - taken;
        if (taken < batch) break;
      }
      pollfd news[2] = {{bell, POLLIN, 0}, {pool->fd(), POLLIN, 0}};
      poll(news, 2, 10);
      std::uint64_t rung = 0;
      if (news[0].revents != 0 && read(bell, &rung, sizeof rung) < 0) std::abort();
      pool->tick(base::mono_now());
      pool->take_events(events);
      for (const Ended& one : events.completions) {
        if (one.verdict != Verdict::success) throw std::runtime_error{"a task failed"};
      }
      ended += events.completions.size();
    }
  };
  turns_until(std::min<std::size_t>(count / 10, 10'000) / batch * batch + batch);  // warm
  const std::size_t warm = ended;
  const MonoTime from = base::mono_now();
  turns_until(warm + count);
  const double seconds = std::chrono::duration<double>(base::mono_now() - from).count();
  const std::string settings = std::to_string(slots) + " slots, " + std::to_string(count) + " tasks";
  figure("pool_" + kind, static_cast<double>(ended - warm) / seconds, "tasks/s", settings);
  if (kind == "prefork") {
    double share = 0;
    double own = 0;
    for (const SlotStatus& slot : pool->status()) {
      share += mebibytes_of(slot.id, "Pss:");
      own += mebibytes_of(slot.id, "Private_Dirty:");
    }
    figure("pool_child_pss", share / static_cast<double>(slots), "MiB", settings);
    figure("pool_child_own", own / static_cast<double>(slots), "MiB", settings);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (const auto code = prefork::run_if_asked(argc, argv)) return *code;
  if (argc != 5) {
    std::fputs("usage: pool_bench threads|solo|prefork LIBRARY SLOTS N\n", stderr);
    return 2;
  }
  try {
    return run(argv[1], argv[2], std::strtoul(argv[3], nullptr, 10), std::strtoul(argv[4], nullptr, 10));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pool_bench: %s\n", error.what());
    return 1;
  }
}
