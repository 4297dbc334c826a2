// Events: what the worker tells of its tasks and of itself, under Celery's names (docs/protocol.md
// section 9). Task events cost one branch each while they are off.
#include <algorithm>

#include <baozi/packing.hpp>

#include "wire/codec.hpp"
#include "worker/worker_core.hpp"

namespace baozi::worker {

namespace {

constexpr std::size_t value_bytes_max = 512;  // arguments and results that are shown whole
constexpr std::size_t text_bytes_max = 512;
constexpr std::size_t trace_bytes_max = 4'096;
static_assert(2 * value_bytes_max + text_bytes_max + trace_bytes_max + 4 * 255 <
              limits::event_bytes_max);

/// At most so many bytes, cut between characters.
std::string_view cut(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t size = bytes_max;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
  return text.substr(0, size);
}

constexpr int depth_max = 24;  // of a value that is shown; a whole frame nests 32 deep

/// Steps over one value; false when it does not parse, or nests deeper than that.
bool step_over(Reader& in, int depth) {
  const Reader::Kind kind = in.kind();
  if (kind != Reader::Kind::array && kind != Reader::Kind::map) {
    in.skip();
    return in.ok();
  }
  if (depth == 0) return false;
  const bool map = kind == Reader::Kind::map;
  std::uint64_t left = map ? std::uint64_t{in.map()} * 2 : in.array();
  for (; left > 0 && in.ok(); --left) {
    if (!step_over(in, depth - 1)) return false;
  }
  return in.ok();
}

bool is_shown(BytesView packed) {
  if (packed.empty() || packed.size() > value_bytes_max) return false;
  Reader in{packed};
  return step_over(in, depth_max) && in.at_end();
}

struct Arguments {
  BytesView args;
  BytesView kwargs;
};

/// The two halves of a task's body, or nothing when they are too long or not what they should be.
std::optional<Arguments> arguments_of(BytesView body) {
  if (body.empty() || body.size() > value_bytes_max) return std::nullopt;
  Reader in{body};
  if (in.kind() != Reader::Kind::array || in.array() != 2) return std::nullopt;
  Arguments arguments;
  for (const auto& [half, kind] : {std::pair{&arguments.args, Reader::Kind::array},
                                   std::pair{&arguments.kwargs, Reader::Kind::map}}) {
    const char* const start = in.position();
    if (in.kind() != kind || !step_over(in, depth_max)) return std::nullopt;
    *half = in.since(start);
  }
  return in.at_end() ? std::optional{arguments} : std::nullopt;
}

/// Times and kin out of the option map, which most tasks have not.
struct Facts {
  BytesView eta;
  BytesView expires;
  BytesView root;
  BytesView parent;
  bool plain = true;  // the body is not compressed, sealed …
};
Facts facts_in(BytesView options) {
  Facts facts;
  if (options.size() < 2) return facts;
  Reader in{options};
  for (std::uint32_t n = in.map(); n > 0 && in.ok(); --n) {
    const std::uint64_t key = in.uinteger();
    const Reader::Kind kind = in.kind();
    const BytesView value = in.skip();
    if (!in.ok()) return {};
    const bool number = kind == Reader::Kind::integer;
    const bool id = (kind == Reader::Kind::str || kind == Reader::Kind::bin) && value.size() < 300;
    switch (static_cast<wire::Option>(key)) {
      case wire::Option::eta: facts.eta = number ? value : BytesView{}; break;
      case wire::Option::expires: facts.expires = number ? value : BytesView{}; break;
      case wire::Option::root_id: facts.root = id ? value : BytesView{}; break;
      case wire::Option::parent_id: facts.parent = id ? value : BytesView{}; break;
      case wire::Option::encoding: facts.plain = false; break;
      default: break;
    }
  }
  return facts;
}

struct FailureText {
  std::string exception;
  std::string_view traceback;
};
FailureText failure_text(BytesView packed) {
  FailureText text;
  Reader in{packed};
  if (in.kind() != Reader::Kind::array || in.array() < 3) return text;
  const std::string_view type = in.str();
  const std::string_view message = in.str();
  const std::string_view traceback = in.str();
  if (!in.ok()) return text;
  text.exception = type;
  if (!message.empty()) text.exception.append(": ").append(cut(message, text_bytes_max));
  text.exception = cut(text.exception, text_bytes_max);
  text.traceback = cut(traceback, trace_bytes_max);
  return text;
}

/// How often the pool is asked what runs, while there is something to be told.
constexpr Micros look_interval{50'000};

void add_text(Writer& out, std::string_view key, std::string_view text) {
  out.str(key);
  out.str(text);
}

}  // namespace

void WorkerCore::set_task_events(bool on) { task_events_ = on; }

void WorkerCore::tell_received(const Held& held) {
  const wire::IdView id = held.id();
  events_.add(wire::EventType::task_received, &id, held.name(), [&](Writer& out) {
    const Facts facts = facts_in(held.raw_options());
    const TaskFacts* const task = facts_of(held);
    const auto arguments = facts.plain && (task == nullptr || !task->redacted)
                               ? arguments_of(held.body())
                               : std::nullopt;
    const auto add = [&](std::string_view key, BytesView value) {
      if (value.empty()) return;
      out.str(key);
      out.raw(value);
    };
    out.map(1 + (held.queue().empty() ? 0U : 1U) + (held.redelivered ? 1U : 0U) +
            (arguments ? 2U : 0U) + (facts.eta.empty() ? 0U : 1U) +
            (facts.expires.empty() ? 0U : 1U) + (facts.root.empty() ? 0U : 1U) +
            (facts.parent.empty() ? 0U : 1U));
    out.str("retries");
    out.uinteger(held.retries);
    if (!held.queue().empty()) add_text(out, "queue", held.queue());
    if (held.redelivered) {
      out.str("redelivered");
      out.boolean(true);
    }
    if (arguments) {
      add("args", arguments->args);
      add("kwargs", arguments->kwargs);
    }
    add("eta_us", facts.eta);
    add("expires_us", facts.expires);
    add("root_id", facts.root);
    add("parent_id", facts.parent);
  });
}

/// With the time at which it began, which is past: a pool says nothing when one of its tasks
/// begins. The core is told by the looks that it asks for, or else by the task's end.
void WorkerCore::tell_started(Held& held, std::int64_t at_us) {
  held.start_owed = false;
  --starts_owed_;
  const wire::IdView id = held.id();
  events_.add_at(at_us, wire::EventType::task_started, &id, held.name(),
                 [](Writer& out) { out.map(0); });
}

void WorkerCore::on_runs(Token token, MonoTime since, Now now) {
  Held* const held = table_.find(token);
  if (held == nullptr || !held->start_owed || held->phase != Phase::pooled) return;
  tell_started(*held, micros(now.wall - std::max(now.mono - since, Micros{0})));
}

std::optional<MonoTime> WorkerCore::look_deadline() const {
  if (starts_owed_ == 0) return std::nullopt;
  return last_look_ + look_interval;
}

void WorkerCore::tell_ended(const Held& held, const Finished& end) {
  const wire::IdView id = held.id();
  const auto runtime = static_cast<std::uint64_t>(std::max<std::int64_t>(end.ran.count(), 0));
  switch (held.state) {
    case wire::TaskState::failure:
      return events_.add(wire::EventType::task_failed, &id, held.name(), [&](Writer& out) {
        const FailureText text = failure_text(end.value);
        out.map(3);
        add_text(out, "exception", text.exception);
        add_text(out, "traceback", text.traceback);
        out.str("runtime_us");
        out.uinteger(runtime);
      });
    case wire::TaskState::revoked:
      return events_.add(wire::EventType::task_revoked, &id, held.name(), [&](Writer& out) {
        const FailureText text = failure_text(end.value);
        out.map(3);
        out.str("terminated");
        out.boolean(end.started_us != 0);
        out.str("expired");
        out.boolean(text.exception.ends_with("expired"));
        add_text(out, "reason", text.exception);
      });
    default:
      return events_.add(wire::EventType::task_succeeded, &id, held.name(), [&](Writer& out) {
        const bool shown = is_shown(end.value);
        out.map(shown ? 2 : 1);
        out.str("runtime_us");
        out.uinteger(runtime);
        if (!shown) return;
        out.str("result");
        out.raw(end.value);
      });
  }
}

void WorkerCore::tell_retried(const Held& held, const Finished& end, Micros delay) {
  const wire::IdView id = held.id();
  events_.add(wire::EventType::task_retried, &id, held.name(), [&](Writer& out) {
    const FailureText text = failure_text(end.value);
    out.map(3);
    add_text(out, "exception", text.exception);
    add_text(out, "traceback", text.traceback);
    out.str("countdown_us");
    out.uinteger(static_cast<std::uint64_t>(std::max<std::int64_t>(delay.count(), 0)));
  });
}

void WorkerCore::tell_rejected(const Held& held, bool requeue, std::string_view reason) {
  const wire::IdView id = held.id();
  events_.add(wire::EventType::task_rejected, &id, held.name(), [&](Writer& out) {
    out.map(2);
    out.str("requeue");
    out.boolean(requeue);
    add_text(out, "reason", cut(reason, text_bytes_max));
  });
}

void WorkerCore::tell_worker(wire::EventType type) {
  events_.add(type, nullptr, {}, [&](Writer& out) {
    const auto number = [&](std::string_view key, std::uint64_t value) {
      out.str(key);
      out.uinteger(value);
    };
    out.map(10);
    number("freq_us", static_cast<std::uint64_t>(options_.event_heartbeat.count()));
    number("active", pooled_ + coroutines_);
    number("reserved", ready_.size() + ready_coroutines_.size());
    number("processed",
           counters_.succeeded + counters_.failed + counters_.retried + counters_.rejected);
    number("concurrency", options_.concurrency);
    number("pid", options_.pid);
    out.str("loadavg");
    out.array(load_.size());
    for (const double load : load_) out.real(load);
    add_text(out, "sw_ident", "baozi");
    const std::string_view software = options_.software;
    const std::size_t space = software.find(' ');
    add_text(out, "sw_ver",
             space == std::string_view::npos ? software : software.substr(space + 1));
    add_text(out, "sw_sys", "Linux");
  });
}

CollectorPeer* WorkerCore::events_collector() {
  CollectorPeer* first = nullptr;
  for (const auto& [name, collector] : collectors_) {
    if (!collector->link.is_open() || collector->finished || !collector->takes_events) continue;
    if (collector->gets_events) return collector.get();
    if (first == nullptr) first = collector.get();
  }
  if (first != nullptr) {
    first->gets_events = true;
    events_.restart();
  }
  return first;
}

void WorkerCore::flush_events(bool all, Now now, WorkerEffects& out) {
  if (options_.event_heartbeat > Micros{0} && now.mono >= next_event_heartbeat_) {
    next_event_heartbeat_ = now.mono + options_.event_heartbeat;
    // Heartbeats that nobody hears are of no use later.
    if (events_collector() != nullptr) tell_worker(wire::EventType::worker_heartbeat);
  }
  if (events_.empty()) return;
  CollectorPeer* const collector = events_collector();
  if (collector == nullptr) return;
  events_.flush(all, [&](const wire::PackedEvents& message) {
    send(*collector->id, collector->link, message, now, out);
  });
}

std::optional<MonoTime> WorkerCore::events_deadline() const {
  std::optional<MonoTime> next;
  if (options_.event_heartbeat > Micros{0}) next = next_event_heartbeat_;
  const auto due = events_.next_deadline();
  if (!due || (next && *next <= *due)) return next;
  const bool reachable = std::any_of(collectors_.begin(), collectors_.end(), [](const auto& entry) {
    const CollectorPeer& collector = *entry.second;
    return collector.link.is_open() && !collector.finished && collector.takes_events;
  });
  return reachable ? due : next;
}

}  // namespace baozi::worker
