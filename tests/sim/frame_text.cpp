#include "frame_text.hpp"

#include "wire/codec.hpp"

namespace baozi::sim {

namespace {

std::string id_text(const wire::IdView& id) { return short_id(id.to_id()); }

std::string number_text(std::uint64_t number) {
  const DeliveryNumber n{number};
  return std::to_string(epoch_of(n)) + "." + std::to_string(generation_of(n)) + "." +
         std::to_string(slot_of(n));
}

std::string ids_text(const std::vector<wire::IdView>& ids) {
  std::string text;
  for (const wire::IdView& id : ids) text += " " + id_text(id);
  return text;
}

std::string tasks_text(BytesView packed) {
  const auto tasks = wire::decode_tasks(packed, limits::follow_ups_max);
  if (!tasks || tasks->empty()) return "";
  std::string text = " then";
  for (const wire::TaskView& task : *tasks) text += " " + id_text(task.id);
  return text;
}

std::string body(const wire::Hello& m) {
  std::string text = std::string{to_string(m.role)} + " " + std::string{m.name} + " #" +
                     std::to_string(m.incarnation) + " nonce " + std::to_string(m.nonce);
  for (const wire::HeldDelivery& hold : m.holds) {
    text += " [" + id_text(hold.id) + " " + number_text(hold.number) + " @" +
            std::to_string(hold.position) +
            (hold.phase == wire::Hold::executing         ? " executing"
             : hold.phase == wire::Hold::awaiting_stored ? " awaiting-stored"
                                                         : " done-unanswered") +
            "]";
  }
  return text;
}
std::string body(const wire::Welcome& m) {
  std::string text = std::string{m.name} + " epoch " + std::to_string(m.epoch);
  if (m.resume) {
    text += std::string{" resume "} + (m.resume->known ? "known" : "unknown") + " accepted " +
            std::to_string(m.resume->accepted) + " committed " +
            std::to_string(m.resume->committed);
  }
  for (const auto& collector : m.collectors) text += " " + collector.name;
  return text;
}
std::string body(const wire::Ping&) { return ""; }
std::string body(const wire::Pong&) { return ""; }
std::string body(const wire::Goodbye& m) { return std::string{m.reason}; }
std::string body(const wire::ErrorMessage& m) {
  return std::string{to_string(m.code)} + ": " + std::string{m.text} + " (about " +
         std::to_string(m.about) + ")";
}
std::string body(const wire::Collectors& m) {
  std::string text;
  for (const auto& collector : m.collectors) text += " " + collector.name;
  return text;
}
std::string body(const wire::Submit& m) {
  std::string text =
      "#" + std::to_string(m.number) + ((m.flags & wire::flag::submit_sync) != 0 ? " sync" : "");
  for (const wire::TaskView& task : m.tasks) {
    text += " " + id_text(task.id);
    if (!task.queue.empty()) text += "/" + std::string{task.queue};
    text += ":" + std::to_string(task.options.priority);
  }
  return text + " home " + std::string{m.home};
}
std::string body(const wire::Submitted& m) {
  std::string text = "upto " + std::to_string(m.upto);
  for (const wire::BatchRefusal& refusal : m.refusals) {
    text += " [#" + std::to_string(refusal.number) +
            (refusal.code == wire::Refusal::full       ? " full "
             : refusal.code == wire::Refusal::rejected ? " rejected "
                                                       : " out of sequence ") +
            std::string{to_string(refusal.reason)} + " expected " +
            std::to_string(refusal.expected) + "]";
  }
  return text;
}
std::string body(const wire::Credit& m) {
  return std::to_string(m.count) + " returned " + std::to_string(m.returned);
}
std::string body(const wire::Deliver& m) {
  std::string text;
  for (const wire::DeliveryGroup& group : m.groups) {
    for (const wire::Delivery& d : group.deliveries) {
      text += " [" + id_text(d.task.id) + " " + number_text(d.number) + " @" +
              std::to_string(d.position) + " count " + std::to_string(d.count) + " retries " +
              std::to_string(d.retries) +
              ((d.flags & wire::flag::deliver_redelivered) != 0 ? " redelivered" : "") +
              ((d.flags & wire::flag::deliver_alone) != 0 ? " alone" : "") + "]";
    }
  }
  return text;
}
std::string body(const wire::Done& m) {
  std::string text = "first " + std::to_string(m.first);
  for (const wire::Settlement& entry : m.entries) {
    text += " [" + number_text(entry.number) + " " + to_string(entry.state) +
            (entry.record.empty() ? "" : " with record") + tasks_text(entry.raw_follow_ups) + "]";
  }
  return text;
}
std::string body(const wire::DoneOk& m) {
  std::string text = "upto " + std::to_string(m.upto);
  for (const wire::SettledException& e : m.exceptions) {
    text += " [" + std::to_string(e.entry) +
            (e.code == wire::Settled::stale  ? " stale]"
             : e.code == wire::Settled::held ? " held]"
                                             : " ok]");
  }
  return text;
}
std::string body(const wire::Nack& m) {
  std::string text = "first " + std::to_string(m.first);
  for (const wire::NackEntry& entry : m.entries) {
    text += " [" + number_text(entry.number) +
            (entry.kind == wire::NackKind::requeue ? " requeue"
             : entry.kind == wire::NackKind::retry ? " retry"
             : entry.kind == wire::NackKind::lost  ? " lost"
                                                   : " reject") +
            "]";
  }
  return text;
}
std::string body(const wire::ResultMessage& m) {
  std::string text = "first " + std::to_string(m.first);
  for (const wire::ResultGroup& group : m.groups) {
    text += " by " + std::string{group.worker};
    for (const wire::ResultEntry& entry : group.entries) {
      text += " [" + id_text(entry.record.id) + " " + number_text(entry.number) + " " +
              to_string(entry.record.state) +
              ((entry.flags & wire::flag::result_durable) != 0 ? " durable" : "") +
              tasks_text(entry.raw_follow_ups) + "]";
    }
  }
  return text;
}
std::string body(const wire::Stored& m) {
  std::string text = "upto " + std::to_string(m.upto);
  for (const wire::ResultLoss& loss : m.losses) {
    text += " [" + std::to_string(loss.entry) +
            (loss.code == wire::Lost::refused ? " refused" : " lost") +
            tasks_text(loss.raw_follow_ups) + "]";
  }
  return text;
}
std::string body(const wire::Watch& m) { return ids_text(m.ids); }
std::string body(const wire::StateMessage& m) {
  std::string text;
  for (const wire::StateGroup& group : m.groups) {
    for (const wire::StateEntry& entry : group.entries)
      text += " " + id_text(entry.id) + " " + std::string{entry.state};
  }
  return text;
}
std::string body(const wire::Fetch& m) { return std::to_string(m.request) + ids_text(m.ids); }
std::string body(const wire::Fetched& m) {
  std::string text = std::to_string(m.request);
  for (const wire::FetchedEntry& entry : m.entries)
    text += " [" + id_text(entry.id) + " " + to_string(entry.state) + "]";
  return text;
}
std::string body(const wire::Forget& m) { return std::to_string(m.request) + ids_text(m.ids); }
std::string body(const wire::Control& m) {
  return std::to_string(m.request) + " " + std::string{m.command};
}
std::string body(const wire::Reply& m) {
  return std::to_string(m.request) + " code " + std::to_string(m.code) + ", " +
         std::to_string(m.payload.size()) + " bytes";
}
std::string body(const wire::Revoke& m) { return std::to_string(m.request) + ids_text(m.ids); }
std::string event_text(const wire::EventView& event) {
  std::string text{to_string(event.type)};
  if (event.has_id) text += " " + id_text(event.id);
  return text;
}
std::string body(const wire::Events& m) {
  std::string text = "from " + std::to_string(m.first);
  if (m.lost > 0) text += " after " + std::to_string(m.lost) + " lost";
  for (const wire::EventView& event : m.events) text += " [" + event_text(event) + "]";
  return text;
}
std::string body(const wire::EventsOk& m) { return std::to_string(m.upto); }
std::string body(const wire::Follow& m) {
  return std::to_string(m.request) + (m.from ? " from " + std::to_string(*m.from) : " from now");
}
std::string body(const wire::Followed& m) {
  std::string text = std::to_string(m.request) + " next " + std::to_string(m.next);
  if (m.lost > 0) text += " lost " + std::to_string(m.lost);
  for (const wire::FollowedGroup& group : m.groups) {
    for (const wire::FollowedEntry& entry : group.entries)
      text += " [" + std::to_string(entry.offset) + " " + event_text(entry.event) + "]";
  }
  return text;
}

std::string body(const wire::Queues& m) {
  std::string text;
  for (const std::string_view name : m.names)
    text += " " + (name.empty() ? "(default)" : std::string{name});
  for (const std::string_view name : m.excluded) text += " -" + std::string{name};
  return text;
}

std::string body(const wire::Tasks& m) {
  std::string text;
  for (const std::string_view name : m.early) text += " early " + std::string{name};
  for (const wire::TaskLimit& limit : m.limits) {
    text += " " + std::string{limit.name} + " at most " + std::to_string(limit.concurrency) +
            " every " + std::to_string(limit.interval_us) + "us";
  }
  return text;
}

template <class Message>
std::string decoded(const wire::OpenFrame& frame) {
  Message message;
  if (const auto result = wire::decode(frame, message); !result)
    return "does not parse: " + result.error().message;
  return body(message);
}

std::string body_text(const wire::OpenFrame& frame) {
  switch (frame.header.type) {
    case wire::Type::hello: return decoded<wire::Hello>(frame);
    case wire::Type::welcome: return decoded<wire::Welcome>(frame);
    case wire::Type::ping: return decoded<wire::Ping>(frame);
    case wire::Type::pong: return decoded<wire::Pong>(frame);
    case wire::Type::goodbye: return decoded<wire::Goodbye>(frame);
    case wire::Type::error: return decoded<wire::ErrorMessage>(frame);
    case wire::Type::collectors: return decoded<wire::Collectors>(frame);
    case wire::Type::submit: return decoded<wire::Submit>(frame);
    case wire::Type::submitted: return decoded<wire::Submitted>(frame);
    case wire::Type::credit: return decoded<wire::Credit>(frame);
    case wire::Type::deliver: return decoded<wire::Deliver>(frame);
    case wire::Type::done: return decoded<wire::Done>(frame);
    case wire::Type::done_ok: return decoded<wire::DoneOk>(frame);
    case wire::Type::nack: return decoded<wire::Nack>(frame);
    case wire::Type::result: return decoded<wire::ResultMessage>(frame);
    case wire::Type::stored: return decoded<wire::Stored>(frame);
    case wire::Type::watch: return decoded<wire::Watch>(frame);
    case wire::Type::state: return decoded<wire::StateMessage>(frame);
    case wire::Type::fetch: return decoded<wire::Fetch>(frame);
    case wire::Type::fetched: return decoded<wire::Fetched>(frame);
    case wire::Type::forget: return decoded<wire::Forget>(frame);
    case wire::Type::control: return decoded<wire::Control>(frame);
    case wire::Type::reply: return decoded<wire::Reply>(frame);
    case wire::Type::revoke: return decoded<wire::Revoke>(frame);
    case wire::Type::queues: return decoded<wire::Queues>(frame);
    case wire::Type::tasks: return decoded<wire::Tasks>(frame);
    case wire::Type::events: return decoded<wire::Events>(frame);
    case wire::Type::events_ok: return decoded<wire::EventsOk>(frame);
    case wire::Type::follow: return decoded<wire::Follow>(frame);
    case wire::Type::followed: return decoded<wire::Followed>(frame);
  }
  return "";
}

}  // namespace

std::string short_id(const TaskId& id) {
  if (!id.is_uuid()) return id.text();
  // The simulation's ids carry their serial number in the last bytes.
  const auto& bytes = id.uuid().bytes;
  std::uint64_t serial = 0;
  for (std::size_t i = 8; i < 16; ++i) serial = (serial << 8U) | bytes[i];
  return serial < 1'000'000'000 ? "t" + std::to_string(serial) : to_string(id.uuid());
}

std::string frame_text(BytesView bytes) {
  const auto frame = wire::open_frame(bytes);
  if (!frame) return "? " + frame.error().message;
  const wire::Header& header = frame->header;
  return std::string{to_string(header.type)} + " s" + std::to_string(header.session) + "." +
         std::to_string(header.seq) + " " + body_text(*frame);
}

}  // namespace baozi::sim
