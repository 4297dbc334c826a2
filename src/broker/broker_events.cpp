// Events: what the broker tells of tasks and of itself, under Celery's names (docs/protocol.md
// section 9). They leave on the session that a collector opened to us.
#include "baozi/packing.hpp"
#include "broker/broker_core.hpp"

namespace baozi::broker {

void BrokerCore::set_task_events(bool on) { task_events_ = on; }

void BrokerCore::tell_sent(const wire::TaskView& view) {
  events_.add(wire::EventType::task_sent, &view.id, view.name, [&](Writer& out) {
    const auto number = [&](std::string_view key, std::optional<std::int64_t> value) {
      if (!value) return;
      out.str(key);
      out.integer(*value);
    };
    out.map(2 + (view.options.eta_us ? 1U : 0U) + (view.options.expires_us ? 1U : 0U));
    out.str("queue");
    out.str(view.queue.empty() ? options_.default_queue : view.queue);
    number("retries", 0);
    number("eta_us", view.options.eta_us);
    number("expires_us", view.options.expires_us);
  });
}

void BrokerCore::tell_ending(const Task& task) {
  const auto view = wire::decode_task(task.raw());
  if (!view) return;
  const std::string_view text =
      task.history == nullptr ? std::string_view{} : task.history->ending_text;
  const auto add_text = [](Writer& out, std::string_view key, std::string_view value) {
    out.str(key);
    out.str(value.substr(0, 512));
  };
  switch (task.ending) {
    case Ending::expired:
    case Ending::revoked:
    case Ending::dropped:
    case Ending::purged:
      return events_.add(wire::EventType::task_revoked, &view->id, view->name, [&](Writer& out) {
        out.map(3);
        out.str("terminated");
        out.boolean(false);
        out.str("expired");
        out.boolean(task.ending == Ending::expired);
        add_text(out, "reason", text);
      });
    case Ending::lost_early:
    case Ending::dead:
      return events_.add(wire::EventType::task_failed, &view->id, view->name, [&](Writer& out) {
        out.map(1);
        add_text(out, "exception", "WorkerLostError: " + std::string{text});
      });
    case Ending::rejected:  // its worker has told so
    case Ending::carried:
    case Ending::none: break;
  }
}

void BrokerCore::tell_broker(wire::EventType type) {
  std::uint64_t leased = 0;
  for (std::uint32_t i = 0; i < queues_.size(); ++i) leased += queues_[i].leased;
  std::uint64_t workers = 0;
  for (const auto& worker : workers_)
    workers += worker != nullptr && worker->session != 0 ? 1U : 0U;
  events_.add(type, nullptr, {}, [&](Writer& out) {
    const std::pair<std::string_view, std::uint64_t> numbers[] = {
        {"freq_us", static_cast<std::uint64_t>(options_.event_heartbeat.count())},
        {"pid", options_.pid},
        {"epoch", epoch_},
        {"accepted", books_.accepted},
        {"succeeded", books_.succeeded},
        {"failed", books_.failed},
        {"revoked", books_.revoked + books_.expired + books_.dropped + books_.purged},
        {"dead", books_.dead},
        {"leased", leased},
        {"queued", open_tasks() - leased},
        {"workers", workers},
    };
    out.map(std::size(numbers) + 2);
    for (const auto& [name, value] : numbers) {
      out.str(name);
      out.uinteger(value);
    }
    out.str("sw_ident");
    out.str("baozi");
    out.str("sw_ver");
    out.str(options_.version);
  });
}

BrokerCore::Collector* BrokerCore::events_collector() {
  Collector* first = nullptr;
  for (auto& [name, collector] : collectors_) {
    if (collector.session == 0) continue;
    if (collector.gets_events) return &collector;
    if (first == nullptr) first = &collector;
  }
  if (first != nullptr) {
    first->gets_events = true;
    events_.restart();
  }
  return first;
}

void BrokerCore::flush_events(bool all, Now now, BrokerEffects& out) {
  if (options_.event_heartbeat > Micros{0} && now.mono >= next_event_heartbeat_) {
    const bool fresh = next_event_heartbeat_ == MonoTime{};
    next_event_heartbeat_ = now.mono + options_.event_heartbeat;
    // Heartbeats that nobody hears are of no use later.
    if (fresh) {
      tell_broker(wire::EventType::broker_online);
    } else if (events_collector() != nullptr) {
      tell_broker(wire::EventType::broker_heartbeat);
    }
  }
  if (events_.empty()) return;
  Collector* const collector = events_collector();
  actor::Session* const session =
      collector == nullptr ? nullptr : sessions_.find(collector->session);
  if (session == nullptr) return;
  events_.flush(all, [&](const wire::PackedEvents& message) { send(*session, message, out); });
}

void BrokerCore::on_events_ok(Collector& collector, const wire::EventsOk& message) {
  if (collector.gets_events && !events_.on_ok(message.upto)) ++counters_.bad_messages;
}

std::optional<MonoTime> BrokerCore::events_deadline() const {
  std::optional<MonoTime> next;
  if (options_.event_heartbeat > Micros{0}) next = next_event_heartbeat_;
  const auto due = events_.next_deadline();
  if (!due || (next && *next <= *due)) return next;
  for (const auto& [name, collector] : collectors_) {
    if (collector.session != 0) return due;
  }
  return next;
}

}  // namespace baozi::broker
