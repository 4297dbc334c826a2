// What operators ask: status, queues, purge, dead letters.
#include <algorithm>

#include "baozi/packing.hpp"
#include "broker/broker_core.hpp"

namespace baozi::broker {

namespace {

/// Writes a map whose size is not known before its end.
class MapWriter {
 public:
  Writer& key(std::string_view name) {
    ++count_;
    packed_.str(name);
    return packed_;
  }
  void number(std::string_view name, std::uint64_t value) { key(name).uinteger(value); }
  void text(std::string_view name, std::string_view value) { key(name).str(value); }
  [[nodiscard]] Bytes take() const {
    Bytes bytes;
    Writer{bytes}.map(count_);
    return bytes + body_;
  }

 private:
  std::size_t count_ = 0;
  Bytes body_;
  Writer packed_{body_};
};

std::string_view policy_name(FullPolicy policy) {
  switch (policy) {
    case FullPolicy::block: return "block";
    case FullPolicy::reject: return "reject";
    case FullPolicy::drop_head: return "drop-head";
  }
  return "";
}

/// Reads the one argument `name` of a control's map; nullopt when it is not there.
std::optional<std::string_view> text_argument(BytesView arguments, std::string_view name) {
  Reader in{arguments};
  for (std::uint32_t n = in.map(); n > 0 && in.ok(); --n) {
    if (in.kind() != Reader::Kind::str) {
      in.skip(), in.skip();
      continue;
    }
    const bool wanted = in.str() == name;
    if (wanted && in.kind() == Reader::Kind::str) return in.str();
    in.skip();
  }
  return std::nullopt;
}

std::uint64_t number_argument(BytesView arguments, std::string_view name, std::uint64_t otherwise) {
  Reader in{arguments};
  for (std::uint32_t n = in.map(); n > 0 && in.ok(); --n) {
    if (in.kind() != Reader::Kind::str) {
      in.skip(), in.skip();
      continue;
    }
    const bool wanted = in.str() == name;
    if (wanted && in.kind() == Reader::Kind::integer) return in.uinteger();
    in.skip();
  }
  return otherwise;
}

std::vector<TaskId> ids_argument(BytesView arguments) {
  std::vector<TaskId> ids;
  Reader in{arguments};
  for (std::uint32_t n = in.map(); n > 0 && in.ok(); --n) {
    const bool wanted = in.kind() == Reader::Kind::str ? in.str() == "ids" : (in.skip(), false);
    if (!wanted || in.kind() != Reader::Kind::array) {
      in.skip();
      continue;
    }
    for (std::uint32_t i = in.array(); i > 0 && in.ok(); --i) {
      ids.push_back(in.kind() == Reader::Kind::str ? TaskId::from_text(in.str()) : wire::read_id(in).to_id());
    }
  }
  return ids;
}

bool flag_argument(BytesView arguments, std::string_view name) {
  Reader in{arguments};
  for (std::uint32_t n = in.map(); n > 0 && in.ok(); --n) {
    const bool wanted = in.kind() == Reader::Kind::str ? in.str() == name : (in.skip(), false);
    if (wanted && in.kind() == Reader::Kind::boolean) return in.boolean();
    in.skip();
  }
  return false;
}

Bytes pack_dead_entry(const DeadLetter& letter, bool whole) {
  const auto view = wire::decode_task(letter.task);
  MapWriter entry;
  entry.text("id", view ? view->id.to_id().to_string() : "");
  entry.text("name", view ? view->name : "");
  entry.text("queue", view ? view->queue : "");
  entry.text("reason", letter.reason);
  entry.key("died_us").integer(letter.died_us);
  entry.number("retries", letter.retries);
  entry.number("lost_deliveries", letter.losses.size());
  if (whole) {
    Writer& losses = entry.key("losses");
    losses.array(letter.losses.size());
    for (const auto& loss : letter.losses) {
      MapWriter one;
      one.number("delivery", loss.number);
      one.number("incarnation", loss.incarnation);
      one.key("at_us").integer(loss.at_us);
      one.text("reason", loss.reason);
      losses.raw(one.take());
    }
    if (view) {
      entry.number("priority", view->options.priority);
      entry.number("generation", view->options.generation);
      if (Reader probe{view->body}; probe.skip().size() == view->body.size()) entry.key("body").raw(view->body);
    }
  }
  return entry.take();
}

}  // namespace

void BrokerCore::reply(std::uint64_t session_number, std::uint64_t request, BytesView payload, BrokerEffects& out) {
  if (actor::Session* const session = sessions_.find(session_number)) {
    send(*session, wire::Reply{.request = request, .code = 0, .payload = payload}, out);
  }
}

void BrokerCore::on_control(actor::Session& session, const wire::Control& message, Now now, BrokerEffects& out) {
  const auto fail = [&](std::string_view text) {
    Bytes payload;
    Writer{payload}.str(text);
    send(session, wire::Reply{.request = message.request, .code = static_cast<std::uint64_t>(wire::ErrorCode::bad_request), .payload = payload}, out);
  };
  if (message.command == "status") return reply(session.number, message.request, status_payload(now), out);
  if (message.command == "queues") return reply(session.number, message.request, queues_payload(), out);
  if (message.command == "purge") {
    const auto name = text_argument(message.arguments, "queue");
    Queue* const queue = name ? queues_.find(*name) : nullptr;
    if (queue == nullptr) return fail(name ? "there is no queue '" + std::string{*name} + "'" : "purge needs the argument 'queue'");
    MapWriter answer;
    answer.number("purged", purge(*queue));
    return reply(session.number, message.request, answer.take(), out);
  }
  Bytes payload;
  if (dead_command(message, now, payload)) return reply(session.number, message.request, payload, out);
  fail("unknown command '" + std::string{message.command} + "'");
}

Bytes BrokerCore::queues_payload() {
  Bytes bytes;
  Writer packed{bytes};
  std::size_t named = 0;
  for (std::uint32_t i = 0; i < queues_.size(); ++i) named += queues_[i].name.empty() ? std::size_t{0} : 1;
  packed.array(named);
  for (std::uint32_t i = 0; i < queues_.size(); ++i) {
    const Queue& queue = queues_[i];
    if (queue.name.empty()) continue;
    MapWriter entry;
    entry.text("name", queue.name);
    entry.number("ready", queue.ready);
    entry.number("scheduled", queue.scheduled);
    entry.number("leased", queue.leased);
    entry.number("blocked", queue.blocked);
    entry.number("ending", queue.ending);
    entry.number("in_memory", queue.in_memory);
    entry.number("bytes", queue.bytes);
    entry.number("consumers", queue.consumers.size());
    entry.number("tasks_max", queue.options.tasks_max);
    entry.number("bytes_max", queue.options.bytes_max);
    entry.text("policy", policy_name(queue.options.policy));
    packed.raw(entry.take());
  }
  return bytes;
}

Bytes BrokerCore::status_payload(Now now) {
  MapWriter status;
  MapWriter node;
  node.text("role", "broker");
  node.text("name", options_.name);
  node.text("version", options_.version);
  node.number("pid", options_.pid);
  node.number("epoch", epoch_);
  node.number("commits", committed_);
  node.number("uptime_us", static_cast<std::uint64_t>((now.mono - started_).count()));
  node.key("holding").boolean(holding_);
  node.key("draining").boolean(draining_);
  node.key("store_full").boolean(store_full_ || free_bytes_ < options_.reserve_bytes);
  status.key("node").raw(node.take());

  std::uint64_t leased = 0;
  for (std::uint32_t i = 0; i < queues_.size(); ++i) leased += queues_[i].leased;
  MapWriter books;
  books.number("accepted", books_.accepted);
  books.number("succeeded", books_.succeeded);
  books.number("failed", books_.failed);
  MapWriter revoked;
  revoked.number("asked", books_.revoked);
  revoked.number("expired", books_.expired);
  revoked.number("dropped", books_.dropped);
  revoked.number("purged", books_.purged);
  books.key("revoked").raw(revoked.take());
  books.number("dead", books_.dead);
  books.number("dead_dropped", books_.dead_dropped);
  books.number("leased", leased);
  books.number("queued", open_tasks() - leased);
  books.key("balanced").boolean(books_.accepted == books_.ended() + open_tasks());
  status.key("books").raw(books.take());

  Writer& peers = status.key("peers");
  peers.array(sessions_.size());
  sessions_.for_each([&](actor::Session& session) {
    MapWriter peer;
    peer.text("role", wire::to_string(session.role));
    peer.text("name", session.name);
    peer.number("session", session.number);
    peer.number("silent_us", static_cast<std::uint64_t>((now.mono - session.last_heard).count()));
    if (const Worker* const worker = session.role == wire::Role::worker ? worker_of_session(session) : nullptr) {
      peer.number("concurrency", worker->concurrency);
      peer.number("credit", worker->credit);
      peer.number("leases", worker->lease_count);
      Writer& names = peer.key("queues");
      names.array(worker->queues.size());
      for (const std::uint32_t number : worker->queues) names.str(queues_[number].name);
    }
    peers.raw(peer.take());
  });

  const actor::SessionTable::Counters& sessions = sessions_.counters();
  MapWriter counters;
  const std::pair<std::string_view, std::uint64_t> all[] = {
      {"submits", counters_.submits},
      {"submit_duplicates", counters_.submit_duplicates},
      {"submit_out_of_sequence", counters_.submit_out_of_sequence},
      {"submit_full", counters_.submit_full},
      {"submit_rejected", counters_.submit_rejected},
      {"delivered", counters_.delivered},
      {"redelivered", counters_.redelivered},
      {"done", counters_.done},
      {"stale_done", counters_.stale_done},
      {"foreign_done", counters_.foreign_done},
      {"cancelled_pairs", counters_.cancelled_pairs},
      {"adopted", counters_.adopted},
      {"orphans", counters_.orphans},
      {"orphans_given_up", counters_.orphans_given_up},
      {"lost_workers", counters_.lost_workers},
      {"lost_deliveries", counters_.lost_deliveries},
      {"winners", counters_.winners},
      {"not_allowed", counters_.not_allowed},
      {"bad_messages", counters_.bad_messages},
      {"corrupt_rows", counters_.corrupt_rows},
      {"producers_expired", counters_.producers_expired},
      {"books_mismatch", counters_.books_mismatch},
      {"duplicates", counters_.duplicates},
      {"duplicate_follow_ups", counters_.duplicate_follow_ups},
      {"malformed_frames", sessions.malformed},
      {"too_large_frames", sessions.too_large},
      {"unknown_versions", sessions.unknown_version},
      {"unknown_types", sessions.unknown_type},
      {"frames_without_session", sessions.no_session},
      {"duplicate_frames", sessions.duplicates},
      {"gaps", sessions.gaps},
      {"old_hellos", sessions.old_hellos},
      {"overloaded", sessions.overloaded},
      {"silent_peers", sessions.expired},
      {"slept", sessions.slept},
  };
  for (const auto& [name, value] : all) counters.number(name, value);
  for (const auto& [name, value] : shell_counters_) counters.number(name, value);
  status.key("counters").raw(counters.take());
  status.key("queues").raw(queues_payload());
  return status.take();
}

bool BrokerCore::dead_command(const wire::Control& message, Now now, Bytes& payload) {
  if (message.command == "dead.list") {
    const std::uint64_t limit = std::min<std::uint64_t>(number_argument(message.arguments, "limit", 100), 1'000);
    const std::uint64_t after = number_argument(message.arguments, "after", 0);
    MapWriter answer;
    answer.number("total", dead_.size());
    std::uint64_t count = 0;
    std::int64_t last_key = 0;
    Bytes entries;
    Writer packed{entries};
    for (auto it = dead_.upper_bound(static_cast<std::int64_t>(after)); it != dead_.end() && count < limit; ++it, ++count) {
      packed.raw(pack_dead_entry(it->second, false));
      last_key = it->first;
    }
    Writer& list = answer.key("letters");
    list.array(count);
    list.raw(entries);
    answer.number("next", count == limit ? static_cast<std::uint64_t>(last_key) : 0);
    payload = answer.take();
    return true;
  }
  if (message.command != "dead.show" && message.command != "dead.retry" && message.command != "dead.drop") return false;
  std::vector<TaskId> ids = ids_argument(message.arguments);
  if (const auto id = text_argument(message.arguments, "id")) ids.push_back(TaskId::from_text(*id));
  const bool all = flag_argument(message.arguments, "all");
  std::vector<std::int64_t> keys;
  for (const auto& [key, letter] : dead_) {
    const auto view = wire::decode_task(letter.task);
    if (all || (view && std::find(ids.begin(), ids.end(), view->id.to_id()) != ids.end())) keys.push_back(key);
  }
  if (message.command == "dead.show") {
    Writer packed{payload};
    packed.array(keys.size());
    for (const std::int64_t key : keys) packed.raw(pack_dead_entry(dead_.at(key), true));
    return true;
  }
  std::uint64_t count = 0;
  for (const std::int64_t key : keys) {
    if (message.command == "dead.drop") {
      drop_dead(key);
      ++count;
    } else if (retry_dead(key, now)) {
      ++count;
    }
  }
  MapWriter answer;
  answer.number(message.command == "dead.drop" ? "dropped" : "retried", count);
  payload = answer.take();
  return true;
}

bool BrokerCore::retry_dead(std::int64_t key, Now now) {
  const auto found = dead_.find(key);
  const DeadLetter letter = found->second;
  const auto view = wire::decode_task(letter.task);
  if (!view || tasks_.size() >= options_.memory_tasks_max) return false;
  if (view->options.keyed) {
    const wire::TaskKeys keys = wire::read_keys(view->raw_options);
    if (keys_loading_ || (!keys.unique.empty() && holder_of_key(keys.unique, now) != nullptr)) return false;
  }
  // D24: a deliberate retry of an ended task raises its generation; its id stays, its old ETA and expiry go.
  Bytes options;
  Reader in{view->raw_options};
  std::vector<BytesView> kept;
  for (std::uint32_t n = in.map(); n > 0 && in.ok(); --n) {
    const char* const start = in.position();
    const auto option = static_cast<wire::Option>(in.uinteger() & 0xFFU);
    in.skip();
    if (option != wire::Option::generation && option != wire::Option::eta && option != wire::Option::expires) {
      kept.push_back(in.since(start));
    }
  }
  Writer packed_options{options};
  packed_options.map(kept.size() + 1);
  for (const BytesView entry : kept) packed_options.raw(entry);
  packed_options.uinteger(static_cast<std::uint64_t>(wire::Option::generation));
  packed_options.uinteger(view->options.generation + 1);
  Bytes task;
  Writer packed{task};
  wire::pack_task(packed, view->id, view->name, view->queue, options, view->body);
  const auto raised = wire::decode_task(task);
  if (!raised) return false;
  const std::uint32_t origin = tasks_.intern(letter.origin, letter.home);
  drop_dead(key);
  --books_.dead_dropped;  // it is not gone, it is queued again
  --books_.accepted;      // and was accepted once already
  accept(*raised, origin, now);
  urgent_ = true;
  return true;
}

void BrokerCore::drop_dead(std::int64_t key) {
  const auto found = dead_.find(key);
  if (found == dead_.end()) return;
  dead_bytes_ -= found->second.task.size();
  dead_.erase(found);
  note_record(store::Space::dead, key_bytes(static_cast<std::uint64_t>(key)), std::nullopt);
  --books_.dead;
  ++books_.dead_dropped;
}

void BrokerCore::trim_dead() {
  while (!dead_.empty() && (dead_.size() > options_.dead_max || dead_bytes_ > options_.dead_bytes_max)) {
    drop_dead(dead_.begin()->first);
  }
}

}  // namespace baozi::broker
