// What operators ask of a running worker: the core answers what it decides itself, the shell the
// rest (docs/protocol.md, "CONTROL to a worker"; docs/control.md).
#include <algorithm>

#include <baozi/packing.hpp>

#include "wire/arguments.hpp"
#include "wire/map_writer.hpp"
#include "worker/worker_core.hpp"

namespace baozi::worker {

namespace {

constexpr auto bad_request = static_cast<std::uint64_t>(wire::ErrorCode::bad_request);

ControlDesk::Answer said(std::string_view text, std::uint64_t code = 0) {
  ControlDesk::Answer answer;
  answer.code = code;
  Writer{answer.payload}.str(text);
  return answer;
}

}  // namespace

void WorkerCore::on_control(BrokerPeer& broker, const wire::Control& message, Now now,
                            WorkerEffects& out) {
  if (message.command == "queues.full") {  // the broker's own word; nobody waits for an answer
    const auto names = wire::texts_argument(message.arguments, "queues");
    broker.full_queues.assign(names.begin(), names.end());
    return;
  }
  const ControlDesk::Asker asker{broker.index, broker.session, message.request};
  std::uint64_t ticket = 0;
  const ControlDesk::Answer* known = nullptr;
  switch (desk_.take(asker,
                     wire::text_argument(message.arguments, "once").value_or(std::string_view{}),
                     ticket, known)) {
    case ControlDesk::Taken::answered: return send_answer(asker, *known, now, out);
    case ControlDesk::Taken::waits: return;
    case ControlDesk::Taken::full:
      return send_answer(asker,
                         said("it has more questions to answer than it takes",
                              static_cast<std::uint64_t>(wire::ErrorCode::overloaded)),
                         now, out);
    case ControlDesk::Taken::fresh: break;
  }
  const std::string_view command = message.command;
  if (command == "inspect.ping") return answer(ticket, said("pong"), now, out);
  if (command == "inspect.active_queues") return answer(ticket, active_queues(), now, out);
  if (command == "worker.add_consumer" || command == "worker.cancel_consumer") {
    return answer(ticket,
                  change_queues(command == "worker.add_consumer", message.arguments, now, out), now,
                  out);
  }
  if (command == "worker.pause" || command == "worker.resume") {
    return answer(ticket, set_paused(command == "worker.pause", out), now, out);
  }
  out.commands.push_back(
      {.ticket = ticket, .command = std::string{command}, .arguments = Bytes{message.arguments}});
}

void WorkerCore::answer_command(std::uint64_t ticket, std::uint64_t code, BytesView payload,
                                Now now, WorkerEffects& out) {
  if (payload.size() > ControlDesk::answer_bytes_max) {
    return answer(ticket,
                  said("its answer has " + std::to_string(payload.size()) + " bytes",
                       static_cast<std::uint64_t>(wire::ErrorCode::too_large)),
                  now, out);
  }
  answer(ticket, {.code = code, .payload = Bytes{payload}}, now, out);
}

void WorkerCore::answer(std::uint64_t ticket, const ControlDesk::Answer& text, Now now,
                        WorkerEffects& out) {
  for (const ControlDesk::Asker& asker : desk_.answer(ticket, text))
    send_answer(asker, text, now, out);
}

void WorkerCore::send_answer(const ControlDesk::Asker& asker, const ControlDesk::Answer& text,
                             Now now, WorkerEffects& out) {
  BrokerPeer& broker = *brokers_[asker.broker];
  // A question of an earlier session is not waited for any more.
  if (!broker.link.is_open() || broker.session != asker.session) return;
  send(broker.id, broker.link,
       wire::Reply{.request = asker.request, .code = text.code, .payload = text.payload}, now, out);
}

ControlDesk::Answer WorkerCore::active_queues() const {
  ControlDesk::Answer text;
  Writer out{text.payload};
  out.array(queues_.size());
  for (const std::string& queue : queues_) {
    wire::MapWriter entry;
    if (queue.empty()) {
      entry.key("name").nil();
      entry.flag("default", true);
    } else {
      entry.text("name", queue);
    }
    entry.flag("paused", paused_);
    out.raw(entry.take());
  }
  return text;
}

ControlDesk::Answer WorkerCore::change_queues(bool add, BytesView arguments, Now now,
                                              WorkerEffects& out) {
  const auto name = wire::text_argument(arguments, "queue");
  if (!name || !wire::is_valid_name(*name))
    return said("the argument 'queue' is missing, or no name", bad_request);
  const std::string queue{*name};
  const auto found = std::find(queues_.begin(), queues_.end(), queue);
  if (add) {
    const bool was_excluded = std::erase(excluded_, queue) > 0;
    if (found != queues_.end() && !was_excluded) return said("already consuming from " + queue);
    if (queues_.size() >= limits::queues_per_worker_max)
      return said("it consumes from as many queues as it may", bad_request);
    if (found == queues_.end()) queues_.push_back(queue);
  } else {
    // The default queue has its name at the broker only: that of the tasks it sends may be this
    // one.
    if (found == queues_.end() && !takes_default())
      return said("it does not consume from " + queue, bad_request);
    if (found != queues_.end()) queues_.erase(found);
    if (takes_default() &&
        std::find(excluded_.begin(), excluded_.end(), queue) == excluded_.end()) {
      if (excluded_.size() >= limits::queues_per_worker_max)
        return said("it excludes as many queues as it may", bad_request);
      excluded_.push_back(queue);
    }
  }
  queues_differ_ = true;
  for (const auto& broker : brokers_) {
    if (broker->link.is_open()) tell_queues(*broker, now, out);
  }
  return said((add ? "add consumer " : "no longer consuming from ") + queue);
}

bool WorkerCore::takes_default() const {
  return std::find(queues_.begin(), queues_.end(), std::string{}) != queues_.end();
}

void WorkerCore::tell_queues(BrokerPeer& broker, Now now, WorkerEffects& out) {
  wire::Queues message;
  message.names.assign(queues_.begin(), queues_.end());
  message.excluded.assign(excluded_.begin(), excluded_.end());
  send(broker.id, broker.link, message, now, out);
}

ControlDesk::Answer WorkerCore::set_paused(bool paused, WorkerEffects& out) {
  if (paused == paused_) return said(paused ? "already paused" : "not paused");
  paused_ = paused;
  if (!paused) return said("consuming goes on");
  for (const Slot slot : take_ready(nullptr)) hand_back(slot, "the worker was paused");
  recall_all(nullptr, out);
  return said("consuming is paused; what runs is finished");
}

void WorkerCore::visit_held(const std::function<void(Token, const Held&)>& visit) const {
  table_.for_each([&](Slot slot, const Held& held) { visit(table_.token_of(slot), held); });
}

}  // namespace baozi::worker
