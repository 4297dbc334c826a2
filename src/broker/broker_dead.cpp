// Dead letters: tasks that ran out of deliveries or retries, until an operator decides (delivery.md
// D24).
#include <algorithm>

#include "baozi/packing.hpp"
#include "broker/broker_core.hpp"
#include "wire/arguments.hpp"
#include "wire/map_writer.hpp"

namespace baozi::broker {

using wire::MapWriter;

namespace {

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
      if (Reader probe{view->body}; probe.skip().size() == view->body.size())
        entry.key("body").raw(view->body);
    }
  }
  return entry.take();
}

}  // namespace

bool BrokerCore::dead_command(const wire::Control& message, Now now, Bytes& payload,
                              bool& changed) {
  if (message.command == "dead.list") {
    const std::uint64_t limit = std::min<std::uint64_t>(
        wire::number_argument(message.arguments, "limit").value_or(100), 1'000);
    const std::uint64_t after = wire::number_argument(message.arguments, "after").value_or(0);
    MapWriter answer;
    answer.number("total", dead_.size());
    std::uint64_t count = 0;
    std::int64_t last_key = 0;
    Bytes entries;
    Writer packed{entries};
    for (auto it = dead_.upper_bound(static_cast<std::int64_t>(after));
         it != dead_.end() && count < limit; ++it, ++count) {
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
  if (message.command != "dead.show" && message.command != "dead.retry" &&
      message.command != "dead.drop")
    return false;
  std::vector<TaskId> ids = wire::ids_argument(message.arguments, "ids");
  if (const auto id = wire::text_argument(message.arguments, "id"))
    ids.push_back(TaskId::from_text(*id));
  const bool all = wire::flag_argument(message.arguments, "all");
  std::vector<std::int64_t> keys;
  for (const auto& [key, letter] : dead_) {
    const auto view = wire::decode_task(letter.task);
    if (all || (view && std::find(ids.begin(), ids.end(), view->id.to_id()) != ids.end()))
      keys.push_back(key);
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
  changed = count > 0;
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
    if (keys_loading_ || (!keys.unique.empty() && holder_of_key(keys.unique, now) != nullptr))
      return false;
  }
  // D24: a deliberate retry of an ended task raises its generation; its id stays, its old ETA and
  // expiry go, and its id counts until when it did.
  Bytes options;
  Reader in{view->raw_options};
  std::vector<BytesView> kept;
  for (std::uint32_t n = in.map(); n > 0 && in.ok(); --n) {
    const char* const start = in.position();
    const auto option = static_cast<wire::Option>(in.uinteger() & 0xFFU);
    in.skip();
    if (option != wire::Option::generation && option != wire::Option::eta &&
        option != wire::Option::expires && option != wire::Option::once_until) {
      kept.push_back(in.since(start));
    }
  }
  Writer packed_options{options};
  packed_options.map(kept.size() + 1);
  for (const BytesView entry : kept) packed_options.raw(entry);
  packed_options.uinteger(static_cast<std::uint64_t>(wire::Option::generation));
  packed_options.uinteger(view->options.generation + (rules_.d24_generation ? 1 : 0));
  Bytes task;
  Writer packed{task};
  wire::pack_task(packed, view->id, view->name, view->queue, options, view->body);
  const auto raised = wire::decode_task(task);
  if (!raised) return false;
  const std::uint32_t origin = tasks_.intern(letter.origin, letter.home);
  unmark_revoked(view->id.to_id());  // who retries it wants it, whoever revoked it before
  drop_dead(key);
  --books_.dead_dropped;  // it is not gone, it is queued again
  --books_.accepted;      // and was accepted once already
  // Nobody gets it before the raised generation is on disk: a crash would leave a result of one
  // that never was.
  if (homes_.empty() || !pass_on(*raised, origin, now)) accept(*raised, origin, now, true);
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
  while (!dead_.empty() &&
         (dead_.size() > options_.dead_max || dead_bytes_ > options_.dead_bytes_max)) {
    drop_dead(dead_.begin()->first);
  }
}

}  // namespace baozi::broker
