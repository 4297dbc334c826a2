// The worker's pools alone, without network and broker. scripts/bench pool runs it once for each
// kind. One JSON line per figure.
//   pool_bench threads|solo|prefork LIBRARY SLOTS N   c.add, whose own work is nothing: tasks/s,
//   processor time a task
//                                                     (of the worker and its children), memory of a
//                                                     child
//   pool_bench crashes LIBRARY SLOTS SECONDS          tasks of 200 us, while 10 others a second
//   cost their process and
//                                                     while none does, in turns: the first rate as
//                                                     part of the second
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
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

void figure(const std::string& metric, double value, const char* unit,
            const std::string& settings) {
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

/// Of processes; threads count with the process itself.
double cpu_seconds_of_children(const Pool& pool) {
  double seconds = 0;
  if (pool.fd() < 0) return seconds;
  for (const SlotStatus& slot : pool.status()) {
    std::ifstream file{"/proc/" + std::to_string(slot.id) + "/schedstat"};
    double ns = 0;
    if (file >> ns) seconds += ns / 1e9;
  }
  return seconds;
}

double cpu_seconds_of_self() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

/// A pool, and the loop that feeds it.
class Bench {
 public:
  Bench(const std::string& kind, const std::string& library, std::size_t slots)
      : bell_{eventfd(0, EFD_NONBLOCK)} {
    const Pool::Notify notify = [this] {
      const std::uint64_t one = 1;
      if (write(bell_, &one, sizeof one) < 0) std::abort();
    };
    if (kind == "prefork") {
      pool_ = std::make_unique<PreforkPool>(
          PreforkPool::Options{.children = slots, .worker_name = "w", .apps = {library}});
    } else if (kind == "threads") {
      pool_ = std::make_unique<ThreadPool>(
          ThreadPool::Options{.threads = slots, .worker_name = "w"}, notify);
    } else {
      pool_ = std::make_unique<SoloPool>(ThreadPool::Options{.worker_name = "w"}, notify);
    }
    load_plugin(library, tasks_);
  }

  [[nodiscard]] Start item(const char* name, BytesView body) {
    const TaskFacts* const facts = tasks_.find(name);
    if (facts == nullptr) throw std::runtime_error{std::string{"there is no task "} + name};
    return {.token = {},
            .definition = facts->definition,
            .id = {false, "0123456789abcdef"},
            .name = name,
            .body = body};
  }
  void submit(std::span<Start> items) {
    for (Start& one : items) one.token = Token{++token_};
    const std::size_t taken = pool_->submit(items);
    submitted_ += taken;
    token_ -= items.size() - taken;
  }
  void wait() {
    pollfd news[2] = {{bell_, POLLIN, 0}, {pool_->fd(), POLLIN, 0}};
    poll(news, 2, 10);
    std::uint64_t rung = 0;
    if (news[0].revents != 0 && read(bell_, &rung, sizeof rung) < 0) std::abort();
    pool_->tick(base::mono_now());
    pool_->take_events(events_);
    for (const Ended& one : events_.completions)
      ++(one.verdict == Verdict::success ? succeeded_ : failed_);
  }
  [[nodiscard]] std::size_t in_hand() const { return submitted_ - succeeded_ - failed_; }
  [[nodiscard]] std::size_t submitted() const { return submitted_; }
  [[nodiscard]] std::size_t succeeded() const { return succeeded_; }
  [[nodiscard]] std::size_t failed() const { return failed_; }
  [[nodiscard]] const Pool& pool() const { return *pool_; }

 private:
  int bell_;
  TaskTable tasks_;  // outlives the pool
  std::unique_ptr<Pool> pool_;
  PoolEvents events_;
  std::uint64_t token_ = 0;
  std::size_t submitted_ = 0;
  std::size_t succeeded_ = 0;
  std::size_t failed_ = 0;
};

void noops(const std::string& kind, const std::string& library, std::size_t slots,
           std::size_t count) {
  Bench bench{kind, library, slots};
  const std::string body = pack_body(1, 2);
  std::vector<Start> items(batch, bench.item("c.add", body));
  const auto turns_until = [&](std::size_t total) {
    while (bench.succeeded() < total) {
      while (bench.submitted() < total && bench.in_hand() + batch <= in_hand_max) {
        const std::size_t before = bench.submitted();
        bench.submit(items);
        if (bench.submitted() < before + batch) break;
      }
      bench.wait();
      if (bench.failed() != 0) throw std::runtime_error{"a task failed"};
    }
  };
  turns_until(std::min<std::size_t>(count / 10, 10'000) / batch * batch + batch);  // warm
  const std::size_t warm = bench.succeeded();
  const double cpu_before = cpu_seconds_of_self() + cpu_seconds_of_children(bench.pool());
  const MonoTime from = base::mono_now();
  turns_until(warm + count);
  const double seconds = std::chrono::duration<double>(base::mono_now() - from).count();
  const double cpu = cpu_seconds_of_self() + cpu_seconds_of_children(bench.pool()) - cpu_before;
  const auto done = static_cast<double>(bench.succeeded() - warm);
  const std::string settings =
      std::to_string(slots) + " slots, " + std::to_string(count) + " tasks";
  figure("pool_" + kind, done / seconds, "tasks/s", settings);
  figure("pool_" + kind + "_cpu", cpu / done * 1e9, "ns",
         settings + ", of processor time for each");
  if (kind != "prefork") return;
  double share = 0;
  double own = 0;
  for (const SlotStatus& slot : bench.pool().status()) {
    share += mebibytes_of(slot.id, "Pss:");
    own += mebibytes_of(slot.id, "Private_Dirty:");
  }
  figure("pool_child_pss", share / static_cast<double>(slots), "MiB", settings);
  figure("pool_child_own", own / static_cast<double>(slots), "MiB", settings);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void crashes(const std::string& library, std::size_t slots, double seconds) {
  constexpr Micros apart{100'000};
  constexpr int rounds = 9;
  Bench bench{"prefork", library, slots};
  const std::string body = pack_body(200);
  const std::string nothing = pack_body();
  std::vector<Start> work(slots, bench.item("b.work", body));
  Start crash = bench.item("b.crash", nothing);
  struct Round {
    double succeeded = 0, crashed = 0, seconds = 0;
    [[nodiscard]] double rate() const { return succeeded / seconds; }
  };
  const auto run_for = [&](double duration, bool with_crashes) {
    const std::size_t succeeded = bench.succeeded();
    const std::size_t failed = bench.failed();
    const MonoTime from = base::mono_now();
    const MonoTime until = from + Micros{static_cast<std::int64_t>(duration * 1e6)};
    MonoTime next = from;
    while (base::mono_now() < until) {
      while (bench.in_hand() + slots <= 4 * slots) bench.submit(work);
      if (with_crashes && base::mono_now() >= next) {
        next += apart;
        bench.submit({&crash, 1});
      }
      bench.wait();
    }
    const Round round{.succeeded = static_cast<double>(bench.succeeded() - succeeded),
                      .crashed = static_cast<double>(bench.failed() - failed),
                      .seconds = std::chrono::duration<double>(base::mono_now() - from).count()};
    while (bench.in_hand() > 0) bench.wait();
    return round;
  };
  run_for(0.5, true);  // warm: the first crash reads debug information
  // In turns, and the middle of the ratios: what else the machine does meets both, or is left out.
  std::vector<double> without, with, ratios;
  double crashed = 0;
  double took = 0;
  for (int i = 0; i < rounds; ++i) {
    const Round quiet = run_for(seconds / (2 * rounds), false);
    const Round loud = run_for(seconds / (2 * rounds), true);
    without.push_back(quiet.rate());
    with.push_back(loud.rate());
    ratios.push_back(100 * loud.rate() / quiet.rate());
    crashed += loud.crashed;
    took += loud.seconds;
  }
  const std::string settings = std::to_string(slots) + " slots, tasks of 200 us";
  figure("pool_without_crashes", median(without), "tasks/s", settings);
  figure("pool_with_crashes", median(with), "tasks/s",
         settings + ", " + std::to_string(std::lround(crashed / took)) + " crashes/s beside them");
  figure("pool_crash_ratio", median(ratios), "percent", settings);
}

}  // namespace

int main(int argc, char** argv) {
  if (const auto code = prefork::run_if_asked(argc, argv)) return *code;
  if (argc != 5) {
    std::fputs(
        "usage: pool_bench threads|solo|prefork LIBRARY SLOTS N\n       pool_bench crashes LIBRARY "
        "SLOTS SECONDS\n",
        stderr);
    return 2;
  }
  try {
    const std::string kind = argv[1];
    const std::size_t slots = std::strtoul(argv[3], nullptr, 10);
    if (kind == "crashes") {
      crashes(argv[2], slots, std::strtod(argv[4], nullptr));
    } else {
      noops(kind, argv[2], slots, std::strtoul(argv[4], nullptr, 10));
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pool_bench: %s\n", error.what());
    return 1;
  }
}
