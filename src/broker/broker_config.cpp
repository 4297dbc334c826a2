#include "broker/broker_config.hpp"

#include <algorithm>
#include <array>

#include <unistd.h>

#include "baozi/version.hpp"
#include "base/units.hpp"
#include "net/endpoint.hpp"

namespace baozi::broker {

namespace {

const std::vector<std::pair<std::string, FullPolicy>> policies = {
    {"block", FullPolicy::block},
    {"reject", FullPolicy::reject},
    {"drop-head", FullPolicy::drop_head}};

constexpr std::uint32_t overflow_max = 10'000;  // percent

/// NAME:tasks=N:bytes=SIZE:policy=POLICY:limit=N:rate=N/s:overflow=PERCENT, the parts after the
/// name in any order.
void read_queue(const std::string& text, BrokerOptions& options) {
  const auto wrong = [&](const std::string& why) {
    throw base::ConfigError{
        "--queue '" + text + "': " + why +
        "; write "
        "NAME:tasks=1000:bytes=1GiB:policy=block|reject|drop-head:limit=4:rate=10/s:overflow=50"};
  };
  std::size_t at = text.find(':');
  const std::string name = text.substr(0, at);
  if (name.empty()) wrong("the name is missing");
  QueueOptions queue = options.queue_defaults;
  while (at != std::string::npos) {
    const std::size_t next = text.find(':', at + 1);
    const std::string part = text.substr(at + 1, next == std::string::npos ? next : next - at - 1);
    at = next;
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos) wrong("'" + part + "' has no value");
    const std::string key = part.substr(0, equals);
    const std::string value = part.substr(equals + 1);
    if (key == "tasks") {
      const auto parsed = base::ConfigValue<std::uint64_t>::parse(value);
      if (!parsed || *parsed == 0) wrong("tasks is a whole number from 1");
      queue.tasks_max = *parsed;
    } else if (key == "bytes") {
      const auto parsed = base::parse_bytes(value);
      if (!parsed || parsed->value == 0) wrong("bytes is a size such as 64MiB");
      queue.bytes_max = parsed->value;
    } else if (key == "limit") {
      const auto parsed = base::ConfigValue<std::uint64_t>::parse(value);
      if (!parsed || *parsed == 0 || *parsed > UINT32_MAX)
        wrong("limit is how many of its tasks may run at the same time, from 1");
      queue.concurrency_limit = static_cast<std::uint32_t>(*parsed);
    } else if (key == "rate") {
      const auto parsed = base::parse_rate(value);
      if (!parsed || *parsed <= 0) wrong("rate is a number and /s, /m or /h, such as 10/s");
      queue.interval_us = std::max<std::int64_t>(static_cast<std::int64_t>(1e6 / *parsed), 1);
    } else if (key == "overflow") {
      const auto parsed = base::ConfigValue<std::uint64_t>::parse(value);
      if (!parsed || *parsed > overflow_max)
        wrong("overflow is a number of percent, from 0 to " + std::to_string(overflow_max));
      queue.overflow_percent = static_cast<std::uint32_t>(*parsed);
    } else if (key == "policy") {
      bool known = false;
      for (const auto& [word, policy] : policies) {
        if (word != value) continue;
        queue.policy = policy;
        known = true;
      }
      if (!known) wrong("policy is block, reject or drop-head, not '" + value + "'");
    } else {
      wrong("'" + key + "' is not known");
    }
  }
  options.queues[name] = queue;
}

std::string listed(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : ",") + text;
  return all;
}

/// In the form that producers choose homes by.
std::vector<std::string> canonical(const std::vector<std::string>& texts, const char* option,
                                   net::Purpose purpose) {
  const auto parsed = net::parse_endpoints(listed(texts), purpose);
  if (!parsed) throw base::ConfigError{std::string{option} + ": " + parsed.error().message};
  std::vector<std::string> endpoints;
  for (const net::Endpoint& endpoint : *parsed) endpoints.push_back(endpoint.to_string());
  return endpoints;
}

/// Which of `brokers` this one is.
std::string own_address(const std::vector<std::string>& brokers, const BrokerConfig& config) {
  const auto is_named = [&](const std::string& endpoint) {
    return std::find(brokers.begin(), brokers.end(), endpoint) != brokers.end();
  };
  if (!config.address.empty()) {
    const auto own = canonical({config.address}, "--address", net::Purpose::connect);
    if (own.size() == 1 && is_named(own.front())) return own.front();
    throw base::ConfigError{"--address " + config.address + " is not one of --brokers " +
                            listed(brokers)};
  }
  auto listen = canonical(config.listen, "--listen", net::Purpose::listen);
  std::erase_if(listen, [&](const std::string& endpoint) { return !is_named(endpoint); });
  if (listen.size() == 1) return listen.front();
  if (listen.empty())
    throw base::ConfigError{"none of --brokers " + listed(brokers) +
                            " is where this broker listens, " + listed(config.listen) +
                            ": say with --address which one it is"};
  throw base::ConfigError{"--brokers names this broker more than once, " + listed(listen) +
                          ": keep the address that producers are given"};
}

}  // namespace

void BrokerConfig::declare(base::OptionTable& table) {
  using namespace std::chrono_literals;
  table.begin_group("Broker");
  table.add("listen", listen, "where producers, workers and collectors connect").word("ENDPOINT");
  table
      .add("store", store,
           "where tasks are kept: sqlite:PATH, or memory: (nothing survives a stop)")
      .word("URL");
  table.add("insecure", insecure, "listen beyond this machine although nobody has to show a key");
  table.add("heartbeat", heartbeat, "a peer that sent nothing for so long sends a sign of life")
      .range(10ms, 10min);
  table.add("liveness", liveness, "a peer that was silent for so long is lost").range(50ms, 1h);
  table
      .add("task-events", task_events,
           "tell of every task that is taken, or ended here, for who follows events")
      .short_name('E');
  table
      .add("event-heartbeat", event_heartbeat,
           "how often the broker tells how it is, for who follows events; 0: never")
      .range(0us, 1h);
  table.add("peers-max", peers_max, "sessions served at once").range(1, 1'000'000);
  table.add("reserve", reserve,
            "free disk space below which new tasks are refused, so that results and acks go on");
  declare_own(table);
}

void BrokerConfig::declare_own(base::OptionTable& table) {
  using namespace std::chrono_literals;
  table.begin_group("Queues");
  table.add("delivery-limit", delivery_limit, "lost deliveries after which a task is a dead letter")
      .range(1, 1000);
  table.add("default-queue", default_queue, "the queue of tasks that name none");
  table.add("queue-tasks", queue_tasks, "tasks that a queue may hold").range(1, UINT64_MAX / 2);
  table.add("queue-bytes", queue_bytes, "bytes of tasks that a queue may hold");
  table.add("queue-policy", queue_policy, "what a full queue does: block, reject or drop-head")
      .choices(policies)
      .word("POLICY");
  table
      .add("queue-overflow", queue_overflow,
           "how far follow-ups may fill a queue beyond its limits, in percent of them")
      .range(0, overflow_max);
  table
      .add("queue-patience", queue_patience,
           "how long follow-ups wait for a queue that is that full while nobody takes tasks from "
           "it; then they are failures")
      .range(0us, 24h);
  table
      .add("queue", queues,
           "limits of one queue, instead of these: "
           "NAME:tasks=N:bytes=SIZE:policy=POLICY:limit=N:rate=N/s:overflow=PERCENT")
      .word("LIMITS");
  table
      .add("brokers", brokers,
           "all brokers of the network, this one too, by the addresses that producers are given: "
           "tasks whose home is another one are passed on to it")
      .word("ENDPOINT");
  table
      .add("address", address,
           "which of --brokers this one is; needed where it listens under another name")
      .word("ENDPOINT");
  table
      .add("outbox-tasks", outbox_tasks,
           "follow-ups that may wait for one other broker; from there on their parents wait")
      .range(1, 100'000'000);
  table.add("outbox-bytes", outbox_bytes, "bytes of follow-ups that may wait for one other broker");
  table.add("task-max", task_max, "bytes of one packed task")
      .range(ByteCount{64}, ByteCount{limits::frame_bytes_max - 65'536});
  table.begin_group("Tasks in memory");
  table
      .add("window", window,
           "ready tasks of a queue that are kept in memory; the rest rests in the store")
      .range(10, 1'000'000);
  table.add("memory-tasks", memory_tasks, "tasks in memory, of all queues, before producers wait")
      .range(1'000, 3'000'000);
  table.add("memory", memory, "bytes of tasks in memory before producers wait");
  table.add("dead-max", dead_max, "dead letters that are kept; the oldest make room")
      .range(1, 10'000'000);
  table
      .add("commit-delay", commit_delay,
           "how long a commit may wait for tasks that are being worked on")
      .range(0us, 1s);
  table.add("producer-age", producer_age, "how long a silent producer's last batch is remembered")
      .range(1min, Micros{std::int64_t{366} * 24 * 3600 * 1'000'000});
  table
      .add("once-max", once_max,
           "ids that are remembered until their once_until (27 to 45 bytes of memory each); more "
           "are refused")
      .range(100, 50'000'000);
  table
      .add("producers-max", producers_max,
           "producers that are remembered; those that were silent for longest make room")
      .range(100, 10'000'000);
}

BrokerOptions BrokerConfig::core_options(const std::string& node_name) const {
  if (liveness < heartbeat * 2) {
    throw base::ConfigError{"--liveness " + base::to_text(liveness) +
                            " is less than twice --heartbeat " + base::to_text(heartbeat) +
                            ": healthy peers would be taken for lost"};
  }
  BrokerOptions options;
  options.name = node_name;
  options.version = version_text;
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) == 0) options.host = host.data();
  options.pid = static_cast<std::uint64_t>(getpid());
  options.heartbeats = {.interval_us = static_cast<std::uint64_t>(heartbeat.count()),
                        .liveness_us = static_cast<std::uint64_t>(liveness.count())};
  options.sessions_max = peers_max;
  options.task_events = task_events;
  options.event_heartbeat = event_heartbeat;
  options.default_queue = default_queue;
  options.queue_defaults = {.tasks_max = queue_tasks,
                            .bytes_max = queue_bytes.value,
                            .policy = queue_policy,
                            .overflow_percent = queue_overflow};
  for (const std::string& text : queues) read_queue(text, options);
  options.queue_patience = queue_patience;
  options.delivery_limit = delivery_limit;
  options.task_bytes_max = task_max.value;
  if (brokers.empty() && !address.empty())
    throw base::ConfigError{"--address " + address + " without --brokers"};
  if (!brokers.empty()) {
    options.brokers = canonical(brokers, "--brokers", net::Purpose::connect);
    options.address = own_address(options.brokers, *this);
  }
  options.outbox.rows_max = outbox_tasks;
  options.outbox.bytes_max = outbox_bytes.value;
  options.window_tasks = window;
  options.scheduled_window = window;
  options.memory_tasks_max = memory_tasks;
  options.memory_bytes_max = memory.value;
  options.dead_max = dead_max;
  options.reserve_bytes = reserve.value;
  options.producer_age_us = producer_age.count();
  options.producers_max = producers_max;
  options.once_max = static_cast<std::size_t>(once_max);
  options.commit_delay_us = commit_delay.count();
  return options;
}

}  // namespace baozi::broker
