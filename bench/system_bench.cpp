// The whole system, timed from a producer: separate processes, tcp, stores on disk. scripts/bench starts the network and
// runs this once per figure. One JSON line per figure, with the names that other systems' figures have.
//   system_bench e2e N        N tasks add(x, y): from the first submit until the last result is in hand, each sum checked
//   system_bench enqueue N    N tasks confirmed by the broker after its sync, nobody working
//   system_bench preload N    fills the queue with N tasks that keep no result; prints nothing
//   system_bench drain N      waits until the broker has finished N tasks since it started; prints tasks/s since the first one
//   system_bench rtt N        one task at a time, from the call to the result
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <baozi/client.hpp>

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

double seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

void figure(const char* metric, double value, const char* unit, const std::string& settings) {
  std::printf(R"({"metric":"%s","value":%.1f,"unit":"%s","settings":"%s"})"
              "\n",
              metric, value, unit, settings.c_str());
}

using Pairs = std::vector<std::tuple<std::int64_t, std::int64_t>>;

Pairs pairs(std::size_t count) {
  Pairs all;
  all.reserve(count);
  for (std::size_t i = 0; i < count; ++i) all.emplace_back(static_cast<std::int64_t>(i), 1);
  return all;
}

int e2e(std::size_t count) {
  baozi::App app;
  auto add = app.task<std::int64_t(std::int64_t, std::int64_t)>("c.add");
  (void)add.delay(1, 1).get(30s);  // the network stands
  const Pairs calls = pairs(count);
  const auto start = Clock::now();
  const auto results = add.map(calls);
  const double submitted = seconds(Clock::now() - start);
  std::int64_t sum = 0;
  for (const auto& result : results) sum += result.get(120s);
  const double all = seconds(Clock::now() - start);
  const auto n = static_cast<std::int64_t>(count);
  if (sum != n * (n - 1) / 2 + n) {
    std::fprintf(stderr, "the sums are wrong\n");
    return 1;
  }
  const std::string settings = std::to_string(count) + " tasks, results stored durably and received";
  figure("e2e_throughput", static_cast<double>(count) / all, "tasks/s", settings);
  figure("e2e_submit_part", static_cast<double>(count) / submitted, "tasks/s", settings);
  return 0;
}

int enqueue(std::size_t count, bool print) {
  baozi::App app;
  auto add = app.task<std::int64_t(std::int64_t, std::int64_t)>("c.add");
  const Pairs calls = pairs(count);
  const auto start = Clock::now();
  const auto results = add.map(calls, {.ignore_result = true});
  if (!app.flush(120s)) {
    std::fprintf(stderr, "not confirmed in time\n");
    return 1;
  }
  if (print) {
    figure("enqueue_rate", static_cast<double>(count) / seconds(Clock::now() - start), "tasks/s",
           std::to_string(count) + " tasks, confirmed after the sync");
  }
  return 0;
}

std::int64_t succeeded(baozi::App& app) {
  for (const auto& reply : app.control("status").replies) {
    return reply.payload.at("books").at("succeeded").to<std::int64_t>();
  }
  return 0;
}

int drain(std::size_t count) {
  baozi::App app;
  const std::int64_t before = succeeded(app);
  std::int64_t now = before;
  const auto deadline = Clock::now() + 120s;
  while (now == before && Clock::now() < deadline) now = succeeded(app);  // the workers are coming
  const auto start = Clock::now();
  const std::int64_t first = now;
  const auto goal = before + static_cast<std::int64_t>(count);
  while (now < goal && Clock::now() < deadline) {
    std::this_thread::sleep_for(10ms);  // between two looks
    now = succeeded(app);
  }
  figure("drain_rate", static_cast<double>(now - first) / seconds(Clock::now() - start), "tasks/s",
         std::to_string(count) + " tasks preloaded, results ignored");
  return now >= goal ? 0 : 1;
}

int rtt(std::size_t count) {
  baozi::App app;
  auto add = app.task<std::int64_t(std::int64_t, std::int64_t)>("c.add");
  std::vector<double> times;
  for (std::size_t i = 0; i < count + 200; ++i) {
    const auto start = Clock::now();
    (void)add.delay(static_cast<std::int64_t>(i), 1).get(30s);
    if (i >= 200) times.push_back(seconds(Clock::now() - start) * 1e6);
  }
  std::sort(times.begin(), times.end());
  const std::string settings = std::to_string(count) + " tasks one at a time, thread pool";
  figure("rtt_p50", times[times.size() / 2], "us", settings);
  figure("rtt_p99", times[times.size() * 99 / 100], "us", settings);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: system_bench e2e|enqueue|preload|drain|rtt N   (broker: $BAOZI_BROKER)\n");
    return 2;
  }
  const std::string what = argv[1];
  try {
    const std::size_t count = std::stoul(argv[2]);
    if (what == "e2e") return e2e(count);
    if (what == "enqueue") return enqueue(count, true);
    if (what == "preload") return enqueue(count, false);
    if (what == "drain") return drain(count);
    if (what == "rtt") return rtt(count);
    std::fprintf(stderr, "system_bench: '%s' is no figure\n", what.c_str());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "system_bench: %s\n", error.what());
    return 1;
  }
}
