// Where tasks stand in this broker, by id: those in memory at once, those on disk by a walk.
#include "baozi/packing.hpp"
#include "broker/broker_core.hpp"
#include "wire/arguments.hpp"
#include "wire/map_writer.hpp"

namespace baozi::broker {

namespace {

constexpr std::size_t queries_max = 16;  // each may walk the whole backlog
constexpr std::size_t ids_max = 500;     // their descriptions fit into a frame

std::string_view word_of(Stage stage) {
  switch (stage) {
    case Stage::scheduled: return "scheduled";
    case Stage::blocked: return "blocked";
    case Stage::marking:
    case Stage::leased: return "leased";
    case Stage::asking: return "redelivered";
    case Stage::ending: return "ending";
    default: return "queued";
  }
}

struct Standing {
  std::string_view state;
  std::string_view queue;
  std::string_view worker{};
  std::uint8_t priority = 0;
  std::uint32_t retries = 0;
  std::int64_t eta_us = 0;  ///< 0: none
};

/// `[state, map]`, as workers answer the same question.
Bytes description(const wire::TaskView& view, const Standing& stands) {
  wire::MapWriter info;
  info.text("routing_key", stands.queue);
  info.number("priority", stands.priority);
  wire::MapWriter entry;
  entry.text("id", view.id.to_id().to_string());
  entry.text("name", view.name);
  entry.key("delivery_info").raw(info.take());
  entry.number("retries", stands.retries);
  if (!stands.worker.empty()) entry.text("worker", stands.worker);
  if (stands.eta_us != 0) entry.key("eta_us").integer(stands.eta_us);
  Bytes bytes;
  Writer out{bytes};
  out.array(2);
  out.str(stands.state);
  out.raw(entry.take());
  return bytes;
}

}  // namespace

void BrokerCore::on_query(actor::Session& session, const wire::Control& message,
                          BrokerEffects& out) {
  const std::vector<TaskId> ids = wire::ids_argument(message.arguments, "ids");
  if (ids.size() > ids_max || queries_.size() >= queries_max) {
    return ids.size() > ids_max
               ? reply_refusal(session.number, message.request, wire::ErrorCode::too_large,
                               "more than " + std::to_string(ids_max) + " ids", out)
               : reply_refusal(session.number, message.request, wire::ErrorCode::overloaded,
                               "this broker looks for the tasks of as many questions as it may",
                               out);
  }
  Sweep sweep;
  sweep.number = next_request_++;
  sweep.query = sweep.number;
  for (const TaskId& id : ids) sweep.wanted.emplace(id, 0);
  Query& query = queries_[sweep.query];
  query.session = session.number;
  query.request = message.request;
  for (Slot slot = 0; slot < tasks_.slots() && !sweep.wanted.empty(); ++slot) {
    if (tasks_[slot].stage != Stage::free) note_found(sweep, slot);
  }
  if (!sweep.wanted.empty()) sweep.ranges = ranges_on_disk();
  if (sweep.ranges.empty() && !keys_loading_) return finish_query(sweep.query, out);
  sweeps_.push_back(std::move(sweep));
}

void BrokerCore::note_found(Sweep& sweep, Slot slot) {
  const Task& task = tasks_[slot];
  const auto view = wire::decode_task(task.raw());
  if (!view || sweep.wanted.erase(view->id.to_id()) == 0) return;
  const bool is_out = task.stage == Stage::leased || task.stage == Stage::marking;
  const Worker* const holder = is_out ? holder_of(task) : nullptr;
  queries_[sweep.query].found[view->id.to_id()] = description(
      *view, {.state = word_of(task.stage),
              .queue = queues_[task.queue].name,
              .worker = holder == nullptr ? std::string_view{} : std::string_view{holder->name},
              .priority = task.priority,
              .retries = task.retries,
              .eta_us = task.eta_us});
}

void BrokerCore::note_found(Sweep& sweep, const store::TaskRow& row, const TaskRowView& view,
                            const Queue& queue) {
  if (sweep.wanted.erase(view.task.id.to_id()) == 0) return;
  queries_[sweep.query].found[view.task.id.to_id()] =
      description(view.task, {.state = row.key < 0 ? "scheduled" : "queued",
                              .queue = queue.name,
                              .priority = view.task.options.priority,
                              .retries = view.meta.retries,
                              .eta_us = view.meta.eta_us});
}

void BrokerCore::finish_query(std::uint64_t number, BrokerEffects& out) {
  const auto query = queries_.extract(number);
  if (query.empty()) return;
  Bytes payload;
  Writer packed{payload};
  packed.map(query.mapped().found.size());
  for (const auto& [id, text] : query.mapped().found) {
    packed.str(id.to_string());
    packed.raw(text);
  }
  reply(query.mapped().session, query.mapped().request, payload, out);
}

}  // namespace baozi::broker
