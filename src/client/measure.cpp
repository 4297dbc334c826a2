#include "client/measure.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <thread>
#include <tuple>

namespace baozi::client {

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;
using Add = Task<std::int64_t(std::int64_t, std::int64_t)>;

constexpr auto patience = 120s;

double seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

std::vector<std::tuple<std::int64_t, std::int64_t>> pairs(std::size_t count) {
  std::vector<std::tuple<std::int64_t, std::int64_t>> all;
  all.reserve(count);
  for (std::size_t i = 0; i < count; ++i) all.emplace_back(static_cast<std::int64_t>(i), 1);
  return all;
}

CallOptions options_of(const Load& load, bool ignore_result) {
  CallOptions options;
  options.queue = load.queue;
  options.ignore_result = ignore_result;
  return options;
}

/// One task through, so that no connection and no first page is part of a figure.
void warm_up(const Add& add, const Load& load) {
  try {
    (void)add.apply_async({1, 1}, options_of(load, false)).get(30s);
  } catch (const Timeout&) {
    throw std::runtime_error{
        "no result after 30 s: does a worker take '" + load.task + "' from " +
        (load.queue.empty() ? "the default queue" : "the queue '" + load.queue + "'") + "?"};
  }
}

/// Tasks that are in the queue, or with a worker; over all brokers.
std::int64_t left_in(App& app, const Load& load) {
  std::int64_t left = 0;
  for (const NodeReply& reply : app.control("queues").replies) {
    if (!reply.error.empty()) throw std::runtime_error{reply.node + ": " + reply.error};
    for (const Value& queue : reply.payload.as_array()) {
      if (queue.at("name").as_string() != (load.queue.empty() ? "default" : load.queue)) continue;
      for (const char* part : {"ready", "leased", "ending"})
        left += queue.at(part).to<std::int64_t>();
    }
  }
  return left;
}

}  // namespace

std::string to_json(const Figure& figure) {
  char value[64];
  std::snprintf(value, sizeof value, "%.1f", figure.value);
  return R"({"metric":")" + figure.metric + R"(","value":)" + value + R"(,"unit":")" + figure.unit +
         R"(","settings":)" + Value{figure.settings}.to_json() + "}";
}

std::vector<Figure> measure_e2e(App& app, const Load& load) {
  const Add add = app.task<std::int64_t(std::int64_t, std::int64_t)>(load.task);
  warm_up(add, load);
  const auto calls = pairs(load.tasks);
  const auto start = Clock::now();
  const auto results = add.map(calls, options_of(load, false));
  const double submitted = seconds(Clock::now() - start);
  std::int64_t sum = 0;
  for (const auto& result : results) sum += result.get(patience);
  const double all = seconds(Clock::now() - start);
  const auto n = static_cast<std::int64_t>(load.tasks);
  if (sum != n * (n - 1) / 2 + n) throw std::runtime_error{"the sum of the results is wrong"};
  const auto count = static_cast<double>(load.tasks);
  const std::string settings =
      std::to_string(load.tasks) + " tasks, results stored durably and received";
  return {{"e2e_throughput", count / all, "tasks/s", settings},
          {"e2e_submit_part", count / submitted, "tasks/s", settings}};
}

void preload(App& app, const Load& load) {
  const Add add = app.task<std::int64_t(std::int64_t, std::int64_t)>(load.task);
  const auto results = add.map(pairs(load.tasks), options_of(load, true));
  if (!app.flush(patience)) throw std::runtime_error{"the tasks were not confirmed in time"};
}

Figure measure_enqueue(App& app, const Load& load) {
  const Add add = app.task<std::int64_t(std::int64_t, std::int64_t)>(load.task);
  const auto calls = pairs(load.tasks);
  const auto start = Clock::now();
  const auto results = add.map(calls, options_of(load, true));
  if (!app.flush(patience)) throw std::runtime_error{"the tasks were not confirmed in time"};
  return {"enqueue_rate", static_cast<double>(load.tasks) / seconds(Clock::now() - start),
          "tasks/s", std::to_string(load.tasks) + " tasks, confirmed after the sync"};
}

Figure measure_drain(App& app, const Load& load) {
  const std::int64_t before = left_in(app, load);
  if (before == 0) throw std::runtime_error{"nothing is queued"};
  const auto deadline = Clock::now() + patience;
  std::int64_t left = before;
  auto start = Clock::now();
  for (auto look = start; left == before && look < deadline;
       look = Clock::now()) {  // the workers are coming
    start = look;              // the last look that found them all
    left = left_in(app, load);
  }
  while (left > 0 && Clock::now() < deadline) {
    std::this_thread::sleep_for(10ms);  // between two looks
    left = left_in(app, load);
  }
  if (left > 0)
    throw std::runtime_error{std::to_string(left) + " tasks are still queued after two minutes"};
  return {"drain_rate", static_cast<double>(before) / seconds(Clock::now() - start), "tasks/s",
          std::to_string(before) + " tasks preloaded, results ignored"};
}

void wait_until_empty(App& app, const Load& load) {
  const auto deadline = Clock::now() + patience;
  while (left_in(app, load) > 0) {
    if (Clock::now() > deadline) throw std::runtime_error{"the queue does not become empty"};
    std::this_thread::sleep_for(10ms);  // between two looks
  }
}

std::vector<Figure> measure_rtt(App& app, const Load& load) {
  const Add add = app.task<std::int64_t(std::int64_t, std::int64_t)>(load.task);
  warm_up(add, load);
  const CallOptions options = options_of(load, false);
  const std::size_t warm = std::min<std::size_t>(200, load.tasks);
  std::vector<double> times;
  for (std::size_t i = 0; i < load.tasks + warm; ++i) {
    const auto start = Clock::now();
    const auto x = static_cast<std::int64_t>(i);
    (void)(load.queue.empty() ? add.delay(x, 1) : add.apply_async({x, 1}, options)).get(30s);
    if (i >= warm) times.push_back(seconds(Clock::now() - start) * 1e6);
  }
  if (times.empty()) throw std::runtime_error{"no task, no time"};
  std::sort(times.begin(), times.end());
  const std::string settings = std::to_string(load.tasks) + " tasks one at a time, thread pool";
  return {{"rtt_p50", times[times.size() / 2], "us", settings},
          {"rtt_p99", times[times.size() * 99 / 100], "us", settings}};
}

}  // namespace baozi::client
