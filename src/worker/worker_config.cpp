#include "worker/worker_config.hpp"

#include <algorithm>
#include <charconv>
#include <thread>

#include <unistd.h>

#include <baozi/version.hpp>

#include "base/node_name.hpp"
#include "base/units.hpp"
#include "net/endpoint.hpp"
#include "wire/codec.hpp"

namespace baozi::worker {

namespace {

constexpr std::uint32_t concurrency_max = 1'024;
constexpr std::uint32_t prefetch_max = 20'000;
constexpr std::uint32_t coroutines_max = 10'000;

/// 0 for "auto"; nothing for what is neither that nor a number in range.
std::optional<std::uint32_t> read_prefetch(const std::string& text) {
  if (text == "auto") return 0;
  std::uint32_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, number);
  if (failure != std::errc{} || stop != end || number == 0 || number > prefetch_max) {
    return std::nullopt;
  }
  return number;
}

std::optional<std::pair<std::uint32_t, std::uint32_t>> read_range(std::string_view text) {
  std::pair<std::uint32_t, std::uint32_t> range;
  const std::size_t comma = text.find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  const auto read = [](std::string_view part, std::uint32_t& number) {
    const auto [stop, failure] = std::from_chars(part.data(), part.data() + part.size(), number);
    return failure == std::errc{} && stop == part.data() + part.size();
  };
  if (!read(text.substr(0, comma), range.first) || !read(text.substr(comma + 1), range.second)) {
    return std::nullopt;
  }
  const bool sound =
      range.second >= 1 && range.second <= range.first && range.first <= concurrency_max;
  return sound ? std::optional{range} : std::nullopt;
}

}  // namespace

const char* pool_name(PoolKind kind) {
  switch (kind) {
    case PoolKind::threads: return "threads";
    case PoolKind::solo: return "solo";
    case PoolKind::prefork: return "prefork";
  }
  return "";
}

std::optional<std::pair<std::uint32_t, std::uint32_t>> WorkerConfig::autoscale_range() const {
  return autoscale.empty() ? std::nullopt : read_range(autoscale);
}

void WorkerConfig::declare(base::OptionTable& table) {
  declare_own(table, true);
  table
      .add("broker", brokers, "the brokers to work for, all at once (default tcp://127.0.0.1:7170)")
      .word("ENDPOINT");
}

void WorkerConfig::declare_own(base::OptionTable& table, bool app_is_needed) {
  table.begin_group("Worker");
  auto& app =
      table
          .add("app", apps,
               "tasks to run: a library (libtasks.so, or a path), or exec:FILE.yaml for programs")
          .short_name('A')
          .word("LIBRARY");
  if (app_is_needed) app.required();
  const auto check_queues = [](const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      if (!wire::is_valid_name(name)) return "'" + name + "' is no name for a queue";
    }
    return names.size() > limits::queues_per_worker_max ? std::string{"too many queues"}
                                                        : std::string{};
  };
  table
      .add("queues", queues,
           "the queues to take tasks from; without any, the broker's default queue")
      .short_name('Q')
      .word("QUEUE")
      .check(check_queues);
  table
      .add("exclude-queues", excluded_queues,
           "queues to take no tasks from, though --queues names them or the broker's default queue "
           "is one of them")
      .short_name('X')
      .word("QUEUE")
      .check(check_queues);
  table.add("worker-direct", worker_direct,
            "take tasks also from the queue direct:NAME, which no other worker takes from; NAME is "
            "this worker's name");
  table
      .add("label", labels, "what this worker has, for tasks that require it: a word, or KEY=VALUE")
      .word("LABEL")
      .check([](const std::vector<std::string>& all) {
        for (const std::string& label : all) {
          if (std::string why = wire::label_problem(label); !why.empty()) {
            return "'" + label + "': " + why;
          }
        }
        return all.size() > limits::labels_max ? std::string{"more than 16 labels"} : std::string{};
      });
  table
      .add("concurrency", concurrency, "tasks that run at the same time; 0: one for each processor")
      .short_name('c')
      .range(0, concurrency_max);
  table
      .add("pool", pool,
           "what runs the tasks: prefork (a process for each that runs, which it may crash), "
           "threads, "
           "or solo (one thread for all of them)")
      .short_name('P')
      .choices({{"prefork", PoolKind::prefork},
                {"threads", PoolKind::threads},
                {"solo", PoolKind::solo}})
      .word("POOL");
  table
      .add("coroutines", coroutines,
           "coroutine tasks in flight at the same time, beside --concurrency: they run on one "
           "thread, with -P prefork in a process of its own")
      .range(1, coroutines_max);
  table
      .add("prefetch", prefetch,
           "deliveries to hold at most, waiting or running; auto follows the tasks' duration")
      .word("auto|N")
      .check([](const std::string& text) {
        return read_prefetch(text) ? std::string{}
                                   : "'" + text + "' is neither auto nor a number from 1 to " +
                                         std::to_string(prefetch_max);
      });
  table.add("prefetch-bytes", prefetch_bytes, "bytes of deliveries to hold at most");
  table
      .add("task-events", task_events,
           "tell of every task for who follows events; can be switched while it runs")
      .short_name('E');
  table
      .add("event-heartbeat", event_heartbeat,
           "how often the worker tells how it is, for who follows events; 0: never")
      .range(Micros{0}, Micros{3'600'000'000});
  table
      .add("autoscale", autoscale,
           "let the pool grow to MAX while tasks wait, and shrink to MIN while there are none; "
           "instead of --concurrency")
      .word("MAX,MIN")
      .check([](const std::string& text) {
        return text.empty() || read_range(text)
                   ? std::string{}
                   : "'" + text + "' is not MAX,MIN with " + std::to_string(concurrency_max) +
                         " >= MAX >= MIN >= 1";
      });
  table.add("max-tasks-per-child", tasks_per_child_max,
            "prefork: replace a process after so many tasks; 0: never");
  table.add("max-memory-per-child", memory_per_child_max,
            "prefork: replace a process that is larger than this after a task; 0: never");
  table.add(
      "time-limit", time_limit,
      "how long a task may run that has no limit of its own, before it is ended by force; 0: as "
      "long as it needs");
  table.add("soft-time-limit", soft_time_limit,
            "how long a task may run that has no limit of its own, before its next ctx.check() "
            "throws; 0: as long as it needs");
  table.add(
      "drain-timeout", drain_timeout,
      "how long running tasks may take to finish when the worker is asked to stop, before they "
      "are handed back; 0: as long as they need");
  table.add("soft-shutdown-timeout", soft_shutdown_timeout,
            "how long running tasks may take to finish after SIGQUIT, before they are handed back");
}

WorkerOptions WorkerConfig::core_options(const std::string& node_name) const {
  WorkerOptions options;
  options.name = node_name;
  options.software = std::string{"baozi "} + version_text;
  options.host = base::host_name();
  options.pid = static_cast<std::uint64_t>(getpid());
  options.brokers = brokers.empty() ? std::vector<std::string>{"tcp://127.0.0.1:7170"} : brokers;
  for (std::string& broker : options.brokers) {
    const auto endpoint = net::parse_endpoint(broker, net::Purpose::connect);
    if (!endpoint) throw base::ConfigError{"--broker: " + endpoint.error().message};
    broker = endpoint->to_string();
  }
  // Named twice, a broker would count as two, and each half would get half of the credit.
  std::sort(options.brokers.begin(), options.brokers.end());
  options.brokers.erase(std::unique(options.brokers.begin(), options.brokers.end()),
                        options.brokers.end());
  options.labels = labels;
  for (const std::string& queue : queues) {
    if (std::find(excluded_queues.begin(), excluded_queues.end(), queue) == excluded_queues.end()) {
      options.queues.push_back(queue);
    }
  }
  if (queues.empty()) options.excluded_queues = excluded_queues;
  if (worker_direct) {
    if (queues.empty()) options.queues.emplace_back();  // the default queue, beside it
    options.queues.push_back("direct:" + node_name);
    if (!wire::is_valid_name(options.queues.back())) {
      throw base::ConfigError{"--worker-direct: '" + options.queues.back() +
                              "' is no name for a queue"};
    }
  }
  if (!queues.empty() && options.queues.empty()) {
    throw base::ConfigError{"--exclude-queues: no queue is left to take tasks from"};
  }
  options.concurrency = concurrency != 0
                            ? concurrency
                            : std::clamp(std::thread::hardware_concurrency(), 1U, concurrency_max);
  if (const auto range = autoscale_range()) options.concurrency = range->second;
  if (pool == PoolKind::solo) options.concurrency = 1;
  if (pool == PoolKind::solo && autoscale_range()) {
    throw base::ConfigError{"--autoscale: a solo pool has one slot, always"};
  }
  if (time_limit > Micros{0} && soft_time_limit > time_limit) {
    throw base::ConfigError{"--soft-time-limit: " + base::to_text(soft_time_limit) +
                            " lies beyond --time-limit, " + base::to_text(time_limit)};
  }
  options.coroutines = coroutines;
  options.time_limit = time_limit;
  options.soft_time_limit = soft_time_limit;
  options.task_events = task_events;
  options.event_heartbeat = event_heartbeat;
  options.prefetch = *read_prefetch(prefetch);
  options.prefetch_bytes = std::max<std::uint64_t>(prefetch_bytes.value, 1);
  return options;
}

std::vector<std::string> WorkerConfig::idle_options() const {
  std::vector<std::string> idle;
  const std::string has_no = std::string{" says nothing to -P "} + pool_name(pool);
  if (pool != PoolKind::prefork) {
    if (tasks_per_child_max != 0) idle.push_back("--max-tasks-per-child" + has_no);
    if (memory_per_child_max.value != 0) idle.push_back("--max-memory-per-child" + has_no);
  }
  if (pool == PoolKind::solo && concurrency > 1) {
    idle.push_back("--concurrency" + has_no + ", which has one slot");
  }
  if (autoscale_range() && concurrency != 0) {
    idle.emplace_back("--concurrency says nothing beside --autoscale");
  }
  return idle;
}

}  // namespace baozi::worker
