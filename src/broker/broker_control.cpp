// What operators ask of this broker, and what it passes on to its workers (docs/protocol.md,
// section 9).
#include <algorithm>

#include "baozi/packing.hpp"
#include "base/glob.hpp"
#include "base/units.hpp"
#include "broker/broker_core.hpp"
#include "wire/arguments.hpp"
#include "wire/map_writer.hpp"

namespace baozi::broker {

using wire::MapWriter;

namespace {

constexpr std::uint64_t patience_us_min = 1'000;
constexpr std::uint64_t patience_us_max = 60'000'000;
constexpr std::uint64_t patience_us_default = 1'000'000;
constexpr Micros lost_workers_age{600'000'000};  // then it is no news any more
constexpr std::size_t destinations_max = 1'000;
constexpr std::uint64_t listed_max = 1'000;

std::string_view policy_name(FullPolicy policy) {
  switch (policy) {
    case FullPolicy::block: return "block";
    case FullPolicy::reject: return "reject";
    case FullPolicy::drop_head: return "drop-head";
  }
  return "";
}

std::uint64_t limit_of(BytesView arguments) {
  return std::min(wire::number_argument(arguments, "limit").value_or(100), listed_max);
}

}  // namespace

void BrokerCore::reply(std::uint64_t session_number, std::uint64_t request, BytesView payload,
                       BrokerEffects& out) {
  if (actor::Session* const session = sessions_.find(session_number)) {
    send(*session, wire::Reply{.request = request, .code = 0, .payload = payload}, out);
  }
}

void BrokerCore::reply_refusal(std::uint64_t session_number, std::uint64_t request,
                               wire::ErrorCode code, std::string_view text, BrokerEffects& out) {
  actor::Session* const session = sessions_.find(session_number);
  if (session == nullptr) return;
  Bytes payload;
  Writer{payload}.str(text);
  send(
      *session,
      wire::Reply{.request = request, .code = static_cast<std::uint64_t>(code), .payload = payload},
      out);
}

void BrokerCore::reply_after_commit(std::uint64_t session, std::uint64_t request, Bytes payload) {
  replies_.push_back({open_, session, request, std::move(payload)});
  urgent_ = true;
}

void BrokerCore::on_control(actor::Session& session, const wire::Control& message, Now now,
                            BrokerEffects& out) {
  const std::string_view command = message.command;
  const auto answer = [&](BytesView payload) {
    reply(session.number, message.request, payload, out);
  };
  const auto fail = [&](std::string_view text) {
    reply_refusal(session.number, message.request, wire::ErrorCode::bad_request, text, out);
  };
  if (command.starts_with("inspect.") || command.starts_with("worker."))
    return ask_workers(session, message, now, out);
  if (command == "status") return answer(status_payload(now));
  if (command == "queues") return answer(queues_payload());
  if (command == "scheduled") return answer(scheduled_payload(limit_of(message.arguments)));
  if (command == "revoked") return answer(revoked_payload(limit_of(message.arguments)));
  if (command == "query_task") return on_query(session, message, out);
  if (command == "events.enable" || command == "events.disable") {
    const bool on = command == "events.enable";
    MapWriter payload;
    payload.flag("changed", task_events_ != on);
    payload.flag("task_events", on);
    set_task_events(on);
    return answer(payload.take());
  }
  const bool pauses = command == "queue.pause";
  if (command == "purge" || pauses || command == "queue.resume") {
    const auto name = wire::text_argument(message.arguments, "queue");
    Queue* const queue = name ? queues_.find(*name) : nullptr;
    if (queue == nullptr) {
      return fail(name ? "there is no queue '" + std::string{*name} + "'"
                       : std::string{command} + " needs the argument 'queue'");
    }
    MapWriter payload;
    if (command == "purge") {
      std::uint64_t purged = purge(*queue);
      for (const std::uint32_t number : queue->labelled) purged += purge(queues_[number]);
      payload.number("purged", purged);
      return reply_after_commit(session.number, message.request, payload.take());
    }
    queue->paused = pauses;
    queue->changed = true;
    touch(now);
    payload.text("queue", queue->name);
    payload.flag("paused", pauses);
    return reply_after_commit(session.number, message.request, payload.take());
  }
  Bytes payload;
  bool changed = false;
  if (dead_command(message, now, payload, changed)) {
    return changed ? reply_after_commit(session.number, message.request, std::move(payload))
                   : answer(payload);
  }
  fail("unknown command '" + std::string{command} + "'");
}

void BrokerCore::ask_workers(actor::Session& session, const wire::Control& message, Now now,
                             BrokerEffects& out) {
  WorkerQuestions::Question question;
  const std::vector<std::string_view> destinations =
      wire::texts_argument(message.arguments, "destination");
  if (destinations.size() > destinations_max) {
    return reply_refusal(session.number, message.request, wire::ErrorCode::too_large,
                         "more than 1000 destinations", out);
  }
  std::vector<bool> matched(destinations.size(), false);
  std::set<std::string_view> connected;
  for (const auto& worker : workers_) {
    if (worker != nullptr && worker->session != 0) connected.insert(worker->name);
  }
  const auto wanted = [&](const std::string& name) {
    bool any = destinations.empty();
    for (std::size_t i = 0; i < destinations.size(); ++i) {
      if (name == destinations[i] || matches_glob(name, destinations[i])) any = matched[i] = true;
    }
    return any;
  };
  for (const auto& worker : workers_) {
    if (worker == nullptr) continue;
    // One that is away and whose name another one bears now was replaced: it will not answer any
    // more.
    if (worker->session == 0 && connected.contains(worker->name)) continue;
    if (!wanted(worker->name)) continue;
    question.addressees.push_back(
        {static_cast<std::uint64_t>(worker->incarnation), worker->name, worker->session});
  }
  for (auto lost = lost_workers_.begin(); lost != lost_workers_.end();) {
    const auto& [name, worker] = *lost;
    const Micros ago = now.mono - worker.last_heard;
    if (ago > lost_workers_age) {
      lost = lost_workers_.erase(lost);
      continue;
    }
    if (wanted(name)) {
      question.addressees.push_back(
          {.incarnation = static_cast<std::uint64_t>(worker.incarnation),
           .name = name,
           .silent = "it was last heard " +
                     base::to_text(Micros{ago.count() / 1'000'000 * 1'000'000}) +
                     " ago, and is taken for lost"});
    }
    ++lost;
  }
  for (std::size_t i = 0; i < destinations.size(); ++i) {
    if (!matched[i]) question.missing.emplace_back(destinations[i]);
  }
  const std::uint64_t patience_us = std::clamp(
      wire::number_argument(message.arguments, "timeout_us").value_or(patience_us_default),
      patience_us_min, patience_us_max);
  question.session = session.number;
  question.request = message.request;
  question.command = message.command;
  question.arguments = message.arguments;
  question.deadline = now.mono + Micros{static_cast<std::int64_t>(patience_us)};
  if (!questions_.open(std::move(question))) {
    reply_refusal(session.number, message.request, wire::ErrorCode::overloaded,
                  "this broker has as many questions to its workers open as it may", out);
  }
}

void BrokerCore::carry_questions(Now now, BrokerEffects& out) {
  if (questions_.empty()) return;
  for (const WorkerQuestions::Asking& asking : questions_.take_askings()) {
    if (actor::Session* const session = sessions_.find(asking.session))
      send(*session, asking.message, out);
  }
  for (const WorkerQuestions::Finished& finished : questions_.take_finished(now.mono)) {
    if (actor::Session* const session = sessions_.find(finished.session)) {
      send(*session,
           wire::Reply{
               .request = finished.request, .code = finished.code, .payload = finished.payload},
           out);
    }
  }
}

Bytes BrokerCore::queues_payload() {
  Bytes bytes;
  Writer packed{bytes};
  std::size_t named = 0;
  for (std::uint32_t i = 0; i < queues_.size(); ++i)
    named += queues_[i].name.empty() ? std::size_t{0} : 1;
  packed.array(named);
  for (std::uint32_t i = 0; i < queues_.size(); ++i) {
    const Queue& queue = queues_[i];
    if (queue.name.empty()) continue;
    MapWriter entry;
    entry.text("name", queue.name);
    if (!queue.labels.empty()) {
      Writer& labels = entry.key("labels");
      labels.array(queue.labels.size());
      for (const std::string& label : queue.labels) labels.str(label);
    }
    entry.number("ready", queue.ready);
    entry.number("scheduled", queue.scheduled + queue.scheduled_on_disk);
    entry.number("leased", queue.leased);
    entry.number("blocked", queue.blocked);
    entry.number("ending", queue.ending);
    entry.number("in_memory", queue.in_memory);
    entry.number("bytes", queue.bytes);
    entry.number("consumers", queue.consumers.size());
    entry.flag("paused", is_paused(queue));
    entry.number("tasks_max", queue.options.tasks_max);
    entry.number("bytes_max", queue.options.bytes_max);
    entry.number("tasks_hard", queue.options.tasks_hard());
    entry.number("bytes_hard", queue.options.bytes_hard());
    entry.text("policy", policy_name(queue.options.policy));
    packed.raw(entry.take());
  }
  return bytes;
}

Bytes BrokerCore::scheduled_payload(std::uint64_t limit) {
  std::uint64_t total = 0;
  for (std::uint32_t i = 0; i < queues_.size(); ++i)
    total += queues_[i].scheduled + queues_[i].scheduled_on_disk;
  // Retries wait by the steady clock; their instants are shown by the wall clock of the last turn.
  std::vector<std::pair<std::int64_t, Slot>> next;
  for (auto at = schedule_.begin(); at != schedule_.end() && next.size() < limit; ++at)
    next.emplace_back(at->first.first, at->second);
  std::uint64_t retries = 0;
  for (auto at = retries_.begin(); at != retries_.end() && retries < limit; ++at) {
    if (!alive(at->second) || tasks_[at->second.slot].stage != Stage::scheduled) continue;
    next.emplace_back(micros(last_now_.wall) + (at->first - last_now_.mono).count(),
                      at->second.slot);
    ++retries;
  }
  std::sort(next.begin(), next.end());
  if (next.size() > limit) next.resize(limit);
  Bytes entries;
  Writer packed{entries};
  std::uint64_t count = 0;
  for (const auto& [eta_us, slot] : next) {
    const Task& task = tasks_[slot];
    const auto view = wire::decode_task(task.raw());
    if (!view) continue;
    MapWriter entry;
    entry.text("id", view->id.to_id().to_string());
    entry.text("name", view->name);
    entry.text("queue", queues_[task.queue].name);
    entry.key("eta_us").integer(eta_us);
    entry.number("priority", task.priority);
    entry.number("retries", task.retries);
    packed.raw(entry.take());
    ++count;
  }
  MapWriter payload;
  payload.number("total", total);
  Writer& list = payload.key("tasks");
  list.array(count);
  if (count > 0) list.raw(entries);
  return payload.take();
}

}  // namespace baozi::broker
