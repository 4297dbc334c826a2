#include "message_json.hpp"

namespace baozi::wire_test {

namespace {

template <class List, class Each>
Json list(const List& items, Each&& each) {
  Json out = Json::array();
  for (const auto& item : items) out.push_back(each(item));
  return out;
}

Json or_null(std::string_view text) { return text.empty() ? Json{} : Json(std::string{text}); }
Json hex_or_null(BytesView bytes) { return bytes.empty() ? Json{} : Json(to_hex(bytes)); }
Json id(const wire::IdView& view) { return view.to_id().to_string(); }
template <class Enum>
Json number(Enum value) {
  return static_cast<std::uint64_t>(value);
}

Json read_value(Reader& in) {
  switch (in.kind()) {
    case Reader::Kind::nil: in.nil(); return {};
    case Reader::Kind::boolean: return in.boolean();
    case Reader::Kind::integer: {
      Reader ahead = in;
      const std::int64_t value = in.integer();
      if (in.ok()) return value;
      in = ahead;
      return in.uinteger();
    }
    case Reader::Kind::real: return in.real();
    case Reader::Kind::str: return std::string{in.str()};
    case Reader::Kind::bin: return {{"bin", to_hex(in.bin())}};
    case Reader::Kind::array: {
      Json out = Json::array();
      for (std::uint32_t n = in.array(); n > 0 && in.ok(); --n) out.push_back(read_value(in));
      return out;
    }
    case Reader::Kind::map: {
      Json out = Json::object();
      for (std::uint32_t n = in.map(); n > 0 && in.ok(); --n) {
        const Json key = read_value(in);
        out[key.is_string() ? key.get<std::string>() : key.dump()] = read_value(in);
      }
      return out;
    }
    default: in.skip(); return "?";
  }
}

Json task(const wire::TaskView& view) {
  return {{"id", id(view.id)},
          {"name", view.name},
          {"queue", or_null(view.queue)},
          {"options", view.raw_options.empty() ? Json::object() : value_json(view.raw_options)},
          {"body", to_hex(view.body)}};
}
Json tasks(const std::vector<wire::TaskView>& views) { return list(views, task); }
Json packed_tasks(BytesView raw) {
  return tasks(wire::decode_tasks(raw, limits::follow_ups_max).value());
}

Json record(const wire::RecordView& view) {
  return {{"id", id(view.id)},         {"name", view.name},          {"state", number(view.state)},
          {"body", to_hex(view.body)}, {"started", view.started_us}, {"finished", view.finished_us},
          {"retries", view.retries},   {"exhausted", view.exhausted}};
}
Json packed_record(BytesView raw) {
  return raw.empty() ? Json{} : record(wire::decode_record(raw).value());
}

Json collectors(const std::vector<wire::CollectorInfo>& infos) {
  return list(infos, [](const wire::CollectorInfo& info) {
    return Json{{"name", info.name}, {"endpoints", info.endpoints}};
  });
}
Json ids(const std::vector<wire::IdView>& views) { return list(views, id); }

}  // namespace

Json value_json(BytesView packed) {
  Reader in{packed};
  return read_value(in);
}

static Json task_limit(const wire::TaskLimit& limit) {
  return Json::array({limit.name, limit.concurrency, limit.interval_us});
}

Json to_json(const wire::Hello& m) {
  return {{"nonce", m.nonce},
          {"role", number(m.role)},
          {"name", m.name},
          {"incarnation", m.incarnation},
          {"facts",
           {{"origin", hex_or_null(m.origin)},
            {"queues", m.queues},
            {"concurrency", m.concurrency},
            {"software", m.software},
            {"host", m.host},
            {"pid", m.pid},
            {"endpoints", m.endpoints},
            {"durable_results", m.durable_results},
            {"labels", m.labels},
            {"early", m.early},
            {"limits", list(m.limits, task_limit)}}},
          {"holds", list(m.holds, [](const wire::HeldDelivery& hold) {
             return Json{{"number", hold.number},
                         {"key", hold.key},
                         {"position", hold.position},
                         {"phase", number(hold.phase)},
                         {"id", id(hold.id)}};
           })}};
}

Json to_json(const wire::Welcome& m) {
  Json out = {{"nonce", m.nonce},
              {"name", m.name},
              {"incarnation", m.incarnation},
              {"epoch", m.epoch},
              {"heartbeat", m.heartbeat_us},
              {"liveness", m.liveness_us},
              {"frame_bytes_max", m.frame_bytes_max},
              {"task_bytes_max", m.task_bytes_max},
              {"collectors", collectors(m.collectors)},
              {"resume", nullptr}};
  if (m.resume) {
    out["resume"] = {{"known", m.resume->known},
                     {"accepted", m.resume->accepted},
                     {"committed", m.resume->committed}};
  }
  return out;
}

Json to_json(const wire::Ping&) { return Json::object(); }
Json to_json(const wire::Pong&) { return Json::object(); }
Json to_json(const wire::Goodbye& m) { return {{"reason", m.reason}}; }

Json to_json(const wire::ErrorMessage& m) {
  return {{"code", number(m.code)},
          {"text", m.text},
          {"about", m.about},
          {"versions", m.version_max == 0 ? Json{} : Json::array({m.version_min, m.version_max})}};
}

Json to_json(const wire::Collectors& m) { return {{"collectors", collectors(m.collectors)}}; }

Json to_json(const wire::Submit& m) {
  return {{"number", m.number},
          {"origin", to_hex(m.origin)},
          {"home", or_null(m.home)},
          {"flags", m.flags},
          {"tasks", tasks(m.tasks)}};
}

Json to_json(const wire::Submitted& m) {
  return {{"upto", m.upto}, {"refusals", list(m.refusals, [](const wire::BatchRefusal& refusal) {
                               return Json{
                                   {"number", refusal.number},
                                   {"code", number(refusal.code)},
                                   {"reason", number(refusal.reason)},
                                   {"expected", refusal.expected},
                                   {"retry_after", refusal.retry_after_us},
                                   {"tasks", list(refusal.tasks, [](const wire::TaskRefusal& why) {
                                      return Json{{"index", why.index},
                                                  {"reason", number(why.reason)},
                                                  {"text", why.text}};
                                    })}};
                             })}};
}

Json to_json(const wire::Credit& m) {
  return {{"count", m.count},
          {"bytes", m.bytes},
          {"returned", m.returned},
          {"returned_bytes", m.returned_bytes}};
}

Json to_json(const wire::Deliver& m) {
  return {{"groups", list(m.groups, [](const wire::DeliveryGroup& group) {
             return Json{{"origin", hex_or_null(group.origin)},
                         {"home", or_null(group.home)},
                         {"deliveries", list(group.deliveries, [](const wire::Delivery& delivery) {
                            return Json{
                                {"number", delivery.number},     {"key", delivery.key},
                                {"position", delivery.position}, {"count", delivery.count},
                                {"retries", delivery.retries},   {"flags", delivery.flags},
                                {"task", task(delivery.task)},   {"since", delivery.since_us}};
                          })}};
           })}};
}

Json to_json(const wire::Done& m) {
  return {{"first", m.first}, {"entries", list(m.entries, [](const wire::Settlement& entry) {
                                 return Json{{"number", entry.number},
                                             {"state", number(entry.state)},
                                             {"flags", entry.flags},
                                             {"follow_ups", packed_tasks(entry.raw_follow_ups)},
                                             {"record", packed_record(entry.record)}};
                               })}};
}

Json to_json(const wire::DoneOk& m) {
  return {{"upto", m.upto},
          {"exceptions", list(m.exceptions, [](const wire::SettledException& exception) {
             return Json{{"entry", exception.entry}, {"code", number(exception.code)}};
           })}};
}

Json to_json(const wire::Nack& m) {
  return {{"first", m.first}, {"entries", list(m.entries, [](const wire::NackEntry& entry) {
                                 return Json{{"number", entry.number},
                                             {"kind", number(entry.kind)},
                                             {"delay", entry.delay_us},
                                             {"reason", entry.reason},
                                             {"flags", entry.flags}};
                               })}};
}

Json to_json(const wire::ResultMessage& m) {
  return {{"first", m.first},
          {"groups", list(m.groups, [](const wire::ResultGroup& group) {
             return Json{{"origin", hex_or_null(group.origin)},
                         {"worker", or_null(group.worker)},
                         {"entries", list(group.entries, [](const wire::ResultEntry& entry) {
                            return Json{{"number", entry.number},
                                        {"generation", entry.generation},
                                        {"flags", entry.flags},
                                        {"record", record(entry.record)},
                                        {"follow_ups", packed_tasks(entry.raw_follow_ups)}};
                          })}};
           })}};
}

Json to_json(const wire::Stored& m) {
  return {{"upto", m.upto}, {"losses", list(m.losses, [](const wire::ResultLoss& loss) {
                               return Json{{"entry", loss.entry},
                                           {"code", number(loss.code)},
                                           {"record", packed_record(loss.record)},
                                           {"follow_ups", packed_tasks(loss.raw_follow_ups)},
                                           {"text", loss.text}};
                             })}};
}

Json to_json(const wire::Watch& m) { return {{"flags", m.flags}, {"ids", ids(m.ids)}}; }

Json to_json(const wire::StateMessage& m) {
  return {{"groups", list(m.groups, [](const wire::StateGroup& group) {
             return Json{{"origin", hex_or_null(group.origin)},
                         {"worker", or_null(group.worker)},
                         {"entries", list(group.entries, [](const wire::StateEntry& entry) {
                            return Json{{"id", id(entry.id)},
                                        {"state", entry.state},
                                        {"meta", entry.meta.empty() ? "c0" : to_hex(entry.meta)}};
                          })}};
           })}};
}

Json to_json(const wire::Fetch& m) { return {{"request", m.request}, {"ids", ids(m.ids)}}; }

Json to_json(const wire::Fetched& m) {
  return {{"request", m.request}, {"entries", list(m.entries, [](const wire::FetchedEntry& entry) {
                                     return Json{
                                         {"id", id(entry.id)},
                                         {"state", number(entry.state)},
                                         {"generation", entry.generation},
                                         {"number", entry.number},
                                         {"incarnation", entry.incarnation},
                                         {"worker", or_null(entry.worker)},
                                         {"record", packed_record(entry.record)},
                                         {"follow_ups", packed_tasks(entry.raw_follow_ups)}};
                                   })}};
}

Json to_json(const wire::Forget& m) { return {{"request", m.request}, {"ids", ids(m.ids)}}; }

Json to_json(const wire::Control& m) {
  return {{"request", m.request},
          {"command", m.command},
          {"arguments", m.arguments.empty() ? "80" : to_hex(m.arguments)}};
}

Json to_json(const wire::Reply& m) {
  return {{"request", m.request},
          {"code", m.code},
          {"payload", m.payload.empty() ? "c0" : to_hex(m.payload)}};
}

Json to_json(const wire::Revoke& m) {
  return {{"request", m.request},
          {"flags", m.flags},
          {"ids", ids(m.ids)},
          {"signal", or_null(m.signal)}};
}

Json to_json(const wire::Queues& m) {
  return {{"names", list(m.names, [](std::string_view queue) { return or_null(queue); })},
          {"excluded", m.excluded}};
}

Json to_json(const wire::Tasks& m) {
  return {{"early", m.early}, {"limits", list(m.limits, task_limit)}};
}

namespace {

Json event(const wire::EventView& view) {
  return {{"type", number(view.type)},
          {"time", view.time_us},
          {"id", view.has_id ? id(view.id) : Json{}},
          {"name", or_null(view.name)},
          {"fields", value_json(view.fields)}};
}

}  // namespace

Json to_json(const wire::Events& m) {
  return {{"first", m.first}, {"lost", m.lost}, {"events", list(m.events, event)}};
}

Json to_json(const wire::EventsOk& m) { return {{"upto", m.upto}}; }

Json to_json(const wire::Follow& m) {
  return {{"request", m.request},
          {"from", m.from ? Json(*m.from) : Json{}},
          {"count", m.count_max},
          {"bytes", m.bytes_max},
          {"types", list(m.types, [](wire::EventType type) { return number(type); })},
          {"names", list(m.names, [](std::string_view name) { return Json(std::string{name}); })}};
}

Json to_json(const wire::Followed& m) {
  return {{"request", m.request},
          {"next", m.next},
          {"lost", m.lost},
          {"flags", m.flags},
          {"groups", list(m.groups, [](const wire::FollowedGroup& group) {
             return Json{{"node", group.node},
                         {"entries", list(group.entries, [](const wire::FollowedEntry& entry) {
                            return Json{{"offset", entry.offset}, {"event", event(entry.event)}};
                          })}};
           })}};
}

}  // namespace baozi::wire_test
