// What a worker says of itself and its tasks. Fields that Celery's workers say as well have
// Celery's names.
#include <algorithm>
#include <map>
#include <thread>

#include <sys/resource.h>
#include <sys/utsname.h>

#include <baozi/packing.hpp>
#include <baozi/plugin.hpp>
#include <baozi/version.hpp>

#include "base/units.hpp"
#include "wire/arguments.hpp"
#include "wire/call_options.hpp"
#include "wire/map_writer.hpp"
#include "worker/describe.hpp"
#include "worker/worker_desk.hpp"

namespace baozi::worker {

namespace {

constexpr std::size_t list_bytes_max = std::size_t{200} << 10U;  // of an answer of 256 KiB
constexpr std::size_t arguments_bytes_max = 512;                 // of one task that are shown

using wire::MapWriter;

double seconds(Micros span) { return static_cast<double>(span.count()) / 1e6; }

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

/// Whether a value may stand inside of an answer, which brokers take up to 24 levels deep.
bool is_shallow(BytesView value) {
  Bytes wrapped(12, '\x91');
  wrapped.append(value);
  Reader in{wrapped};
  in.skip();
  return in.ok() && in.at_end();
}

/// args and kwargs as they are, if they are plain and short, and nobody said that something else is
/// to be shown: then args is a text.
void show_arguments(MapWriter& entry, const Held& held, const TaskDefinition* task) {
  const auto options = held.raw_options();
  const auto read = wire::read_execution_options(options);
  const bool replaced = read && !read->shown_arguments.empty();
  if (task != nullptr &&
      (replaced || task->settings().redact_all || !task->settings().redacted.empty())) {
    entry.text("args", arguments_text(*task, held.body(), options));
    return entry.key("kwargs").nil();
  }
  if (replaced) {
    entry.text("args", read->shown_arguments);
    return entry.key("kwargs").nil();
  }
  Reader in{held.body()};
  const bool plain = !has_option(options, static_cast<std::uint64_t>(wire::Option::encoding)) &&
                     held.body().size() <= arguments_bytes_max && in.array() == 2;
  const BytesView args = plain ? in.skip() : BytesView{};
  const BytesView kwargs = plain ? in.skip() : BytesView{};
  if (plain && in.ok() && in.at_end() && is_shallow(args) && is_shallow(kwargs)) {
    entry.key("args").raw(args);
    entry.key("kwargs").raw(kwargs);
  } else {
    entry.key("args").nil();
    entry.key("kwargs").nil();
    entry.number("body_bytes", held.body().size());
  }
}

/// Packed elements, counted, up to the size of an answer; then how many were left out, as one more
/// element.
class List {
 public:
  void add(BytesView element) {
    if (bytes_.size() + element.size() > list_bytes_max) {
      ++left_out_;
    } else {
      bytes_.append(element);
      ++count_;
    }
  }
  [[nodiscard]] Bytes take() const {
    Bytes packed;
    Writer out{packed};
    out.array(count_ + (left_out_ > 0 ? 1 : 0));
    if (count_ > 0) out.raw(bytes_);
    if (left_out_ > 0) {
      MapWriter rest;
      rest.number("left_out", left_out_);
      out.raw(rest.take());
    }
    return packed;
  }

 private:
  Bytes bytes_;
  std::size_t count_ = 0;
  std::size_t left_out_ = 0;
};

void texts(Writer& out, const std::vector<std::string>& list) {
  out.array(list.size());
  for (const std::string& text : list) out.str(text);
}

const char* phase_name(const Held& held, bool runs) {
  if (runs) return "active";
  switch (held.phase) {
    case Held::Phase::ready:
    case Held::Phase::pooled: return "reserved";
    case Held::Phase::result:
    case Held::Phase::settle: return "ready";  // ended: its result or its settlement is under way
    default: return nullptr;
  }
}

}  // namespace

Bytes WorkerDesk::request_info(const Held& held, const SlotStatus* slot, Now now) const {
  MapWriter entry;
  entry.text("id", held.id().to_id().to_string());
  const auto options = wire::read_execution_options(held.raw_options());
  const TaskDefinition* const task = with_.tasks->definition(held.name());
  std::string_view shown = held.name();
  if (task != nullptr && !task->settings().shadow.empty()) shown = task->settings().shadow;
  if (options && !options->shadow.empty()) shown = options->shadow;
  entry.text("name", shown);
  entry.text("type", held.name());
  show_arguments(entry, held, task);
  entry.text("hostname", with_.options.name);
  entry.flag("acknowledged", held.acks_early);
  if (slot != nullptr) {
    const Micros running = now.mono - slot->since;
    entry.key("time_start").real(static_cast<double>(micros(now.wall) - running.count()) / 1e6);
    entry.key("running_us").integer(running.count());
    entry.key("worker_pid").integer(slot->id);
  } else {
    entry.key("time_start").nil();
    entry.key("worker_pid").nil();
  }
  MapWriter info;
  if (held.queue().empty()) {
    info.key("routing_key").nil();
  } else {
    info.text("routing_key", held.queue());
  }
  info.number("priority", held.priority);
  info.flag("redelivered", held.redelivered);
  entry.key("delivery_info").raw(info.take());
  entry.number("retries", held.retries);
  entry.number("delivery_count", held.count);
  entry.flag("revoked", held.revoked);
  return entry.take();
}

std::vector<SlotStatus> WorkerDesk::all_running() const {
  std::vector<SlotStatus> all = with_.pool.status();
  for (const SlotStatus& one : with_.pool.beside()) all.push_back(one);
  return all;
}

Bytes WorkerDesk::tasks_in(bool running, Now now) const {
  const std::vector<SlotStatus> slots = all_running();
  std::map<Token, const SlotStatus*> runs;
  for (const SlotStatus& slot : slots) {
    if (slot.token) runs.emplace(*slot.token, &slot);
  }
  List list;
  with_.core.visit_held([&](Token token, const Held& held) {
    if (held.phase != Held::Phase::ready && held.phase != Held::Phase::pooled) return;
    const auto slot = runs.find(token);
    if ((slot != runs.end()) == running)
      list.add(request_info(held, running ? slot->second : nullptr, now));
  });
  return list.take();
}

Bytes WorkerDesk::query_tasks(BytesView arguments, Now now) const {
  const std::vector<TaskId> ids = wire::ids_argument(arguments, "ids");
  const std::vector<SlotStatus> slots = all_running();
  MapWriter found;
  std::size_t bytes = 0;
  with_.core.visit_held([&](Token token, const Held& held) {
    const TaskId id = held.id().to_id();
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) return;
    const auto slot = std::find_if(slots.begin(), slots.end(),
                                   [&](const SlotStatus& one) { return one.token == token; });
    const char* const phase = phase_name(held, slot != slots.end());
    if (phase == nullptr || bytes > list_bytes_max) return;
    const Bytes info = request_info(held, slot == slots.end() ? nullptr : &*slot, now);
    bytes += info.size() + 300;
    Writer& out = found.key(id.to_string());
    out.array(2);
    out.str(phase);
    out.raw(info);
  });
  return found.take();
}

Bytes WorkerDesk::registered() const {
  List list;
  for (const std::string& name : with_.tasks->names()) {
    Bytes packed;
    Writer{packed}.str(name);
    list.add(packed);
  }
  return list.take();
}

Bytes WorkerDesk::stats(Now now) const {
  MapWriter stats;
  stats.number("pid", with_.options.pid);
  stats.text("software", with_.options.software);
  stats.number("uptime",
               static_cast<std::uint64_t>((now.mono - with_.started).count() / 1'000'000));
  MapWriter totals;
  std::size_t bytes = 0;
  for (const auto& [name, count] : with_.core.totals()) {
    bytes += name.size() + 12;
    if (bytes < list_bytes_max / 2) totals.number(name, count);
  }
  stats.key("total").raw(totals.take());
  MapWriter pool;
  pool.text("implementation", pool_name(with_.config.pool));
  pool.number("max-concurrency", with_.pool.capacity());
  const std::vector<SlotStatus> slots = with_.pool.status();
  Writer& ids = pool.key("processes");
  ids.array(slots.size());
  for (const SlotStatus& slot : slots) ids.integer(slot.id);
  pool.number("busy", static_cast<std::uint64_t>(std::count_if(
                          slots.begin(), slots.end(),
                          [](const SlotStatus& slot) { return slot.token.has_value(); })));
  const WorkerStatus status = with_.core.status();
  if (with_.tasks->has_coroutines()) {
    pool.number("coroutines", status.coroutines);
    pool.number("max-coroutines", with_.options.coroutines);
    const std::vector<ProcessStatus> beside = with_.pool.processes_beside();
    if (!beside.empty()) {
      Writer& list = pool.key("coroutine-processes");
      list.array(beside.size());
      for (const ProcessStatus& one : beside) list.integer(one.id);
    }
  }
  stats.key("pool").raw(pool.take());
  Writer& brokers = stats.key("brokers");
  brokers.array(status.brokers.size());
  for (const WorkerStatus::Broker& broker : status.brokers) {
    MapWriter entry;
    entry.text("name", broker.name);
    entry.text("endpoint", broker.endpoint);
    entry.flag("connected", broker.open);
    entry.number("held", broker.held);
    entry.number("credit", broker.credit);
    entry.number("unsettled", broker.unsettled);
    brokers.raw(entry.take());
  }
  Writer& collectors = stats.key("collectors");
  collectors.array(status.collectors.size());
  for (const WorkerStatus::Collector& collector : status.collectors) {
    MapWriter entry;
    entry.text("name", collector.name);
    entry.flag("connected", collector.open);
    entry.number("waiting", collector.waiting);
    collectors.raw(entry.take());
  }
  std::uint64_t credit = 0;
  for (const WorkerStatus::Broker& broker : status.brokers) credit += broker.credit;
  stats.number("prefetch_count", credit);
  stats.flag("paused", with_.core.is_paused());
  stats.flag("draining", status.draining);
  const WorkerCounters& counted = with_.core.counters();
  MapWriter counters;
  counters.number("delivered", counted.delivered);
  counters.number("redelivered", counted.redelivered);
  counters.number("started", counted.started);
  counters.number("succeeded", counted.succeeded);
  counters.number("failed", counted.failed);
  counters.number("revoked", counted.revoked);
  counters.number("expired", counted.expired);
  counters.number("retried", counted.retried);
  counters.number("rejected", counted.rejected);
  counters.number("handed_back", counted.handed_back);
  counters.number("sessions_lost", counted.sessions_lost);
  stats.key("counters").raw(counters.take());
  rusage self{};
  rusage children{};
  getrusage(RUSAGE_SELF, &self);
  getrusage(RUSAGE_CHILDREN, &children);
  MapWriter usage;
  usage.key("utime").real(seconds(self.ru_utime) + seconds(children.ru_utime));
  usage.key("stime").real(seconds(self.ru_stime) + seconds(children.ru_stime));
  usage.key("maxrss").integer(self.ru_maxrss);
  usage.key("minflt").integer(self.ru_minflt);
  usage.key("majflt").integer(self.ru_majflt);
  usage.key("nvcsw").integer(self.ru_nvcsw);
  usage.key("nivcsw").integer(self.ru_nivcsw);
  stats.key("rusage").raw(usage.take());
  return stats.take();
}

Bytes WorkerDesk::conf() const {
  MapWriter conf;
  texts(conf.key("app"), with_.config.apps);
  texts(conf.key("broker"), with_.options.brokers);
  texts(conf.key("queues"), with_.config.queues);
  texts(conf.key("exclude-queues"), with_.config.excluded_queues);
  texts(conf.key("label"), with_.config.labels);
  conf.flag("worker-direct", with_.config.worker_direct);
  conf.number("concurrency", with_.options.concurrency);
  conf.number("coroutines", with_.options.coroutines);
  conf.text("pool", pool_name(with_.config.pool));
  conf.text("prefetch", with_.config.prefetch);
  conf.number("prefetch-bytes", with_.options.prefetch_bytes);
  conf.key("time-limit").real(seconds(with_.options.time_limit));
  conf.key("soft-time-limit").real(seconds(with_.options.soft_time_limit));
  conf.key("drain-timeout").real(seconds(with_.config.drain_timeout));
  conf.key("soft-shutdown-timeout").real(seconds(with_.config.soft_shutdown_timeout));
  conf.text("autoscale", with_.config.autoscale);
  conf.number("max-tasks-per-child", with_.config.tasks_per_child_max);
  conf.number("max-memory-per-child", with_.config.memory_per_child_max.value);
  conf.flag("task-events", with_.config.task_events);
  conf.key("event-heartbeat").real(seconds(with_.config.event_heartbeat));
  return conf.take();
}

Bytes WorkerDesk::report(Now now) const {
  utsname machine{};
  uname(&machine);
  std::string text = "software  " + with_.options.software + ", protocol " +
                     std::to_string(wire::protocol_version) + ", plug-in ABI " +
                     std::to_string(plugin_abi) + ", compiler " + __VERSION__ + "\n";
  text += std::string{"machine   "} + machine.sysname + " " + machine.release + " " +
          machine.machine + ", " + std::to_string(std::thread::hardware_concurrency()) +
          " processors\n";
  text += "worker    " + with_.options.name + ", pid " + std::to_string(with_.options.pid) +
          ", up " +
          base::to_text(Micros{(now.mono - with_.started).count() / 1'000'000 * 1'000'000}) + "\n";
  text += std::string{"pool      "} + pool_name(with_.config.pool) + ", " +
          std::to_string(with_.pool.capacity()) + " slots";
  if (with_.tasks->has_coroutines()) {
    text += ", " + std::to_string(with_.core.status().coroutines) + " of " +
            std::to_string(with_.options.coroutines) + " coroutines";
    for (const ProcessStatus& one : with_.pool.processes_beside()) {
      text += one.id == 0 ? ", in no process"
                          : (one.leaving ? ", the last ones in process " : ", in process ") +
                                std::to_string(one.id);
    }
  }
  text += "\n";
  for (const WorkerStatus::Broker& broker : with_.core.status().brokers) {
    text += "broker    " + broker.endpoint + (broker.name.empty() ? "" : " (" + broker.name + ")") +
            (broker.open ? ", connected" : ", not connected") + "\n";
  }
  for (const WorkerStatus::Collector& collector : with_.core.status().collectors) {
    text +=
        "collector " + collector.name + (collector.open ? ", connected" : ", not connected") + "\n";
  }
  text += "tasks     ";
  for (const std::string& name : with_.tasks->names()) {
    if (text.size() > list_bytes_max) break;
    text += (text.ends_with("     ") ? "" : ", ") + name;
  }
  Bytes packed;
  Writer{packed}.str(text);
  return packed;
}

}  // namespace baozi::worker
