#include "client/event_reader.hpp"

#include <charconv>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "base/system_clock.hpp"

namespace baozi::client {

namespace {

constexpr wire::EventType known_types[] = {
    wire::EventType::task_sent,        wire::EventType::task_received,
    wire::EventType::task_started,     wire::EventType::task_succeeded,
    wire::EventType::task_failed,      wire::EventType::task_rejected,
    wire::EventType::task_revoked,     wire::EventType::task_retried,
    wire::EventType::worker_online,    wire::EventType::worker_heartbeat,
    wire::EventType::worker_offline,   wire::EventType::broker_online,
    wire::EventType::broker_heartbeat, wire::EventType::broker_offline,
    wire::EventType::events_lost};

void add_type(const std::string& text, std::vector<wire::EventType>& types) {
  const bool family = !text.empty() && text.back() == '*';
  const std::string_view start{text.data(), text.size() - (family ? 1 : 0)};
  bool found = false;
  for (const wire::EventType type : known_types) {
    const std::string_view name = to_string(type);
    if (family ? !name.starts_with(start) : name != start) continue;
    types.push_back(type);
    found = true;
  }
  if (found) return;
  std::string names;
  for (const wire::EventType type : known_types)
    names += std::string{names.empty() ? "" : " "} + to_string(type);
  throw std::invalid_argument{"'" + text + "' is no type of event; there are " + names};
}

std::optional<std::uint64_t> read_offset(std::string_view text) {
  std::uint64_t offset = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, offset);
  if (failure != std::errc{} || stop != end) return std::nullopt;
  return offset;
}

Event to_event(ArrivedEvent&& arrived) {
  Event event;
  event.offset = arrived.offset;
  event.type = to_string(arrived.type);
  if (event.type == "event")
    event.type += "-" + std::to_string(static_cast<unsigned>(arrived.type));
  event.time =
      std::chrono::sys_time<std::chrono::microseconds>{std::chrono::microseconds{arrived.time_us}};
  event.node = std::move(arrived.node);
  event.task_id = std::move(arrived.id);
  event.task = std::move(arrived.name);
  try {
    event.fields = unpack<Value>(arrived.fields);
  } catch (const DecodeError&) {
    event.fields =
        Value::object();  // of a node that speaks otherwise: the rest is told all the same
  }
  return event;
}

}  // namespace

EventWish read_wish(const EventOptions& options) {
  EventWish wish;
  for (const std::string& type : options.types) add_type(type, wish.types);
  wish.names = options.tasks;
  if (options.from == "now") return wish;
  if (options.from == "oldest") {
    wish.from = 0;
    return wish;
  }
  const auto wrong = [&] {
    return std::invalid_argument{
        "'" + options.from +
        "' is no place to start from: now, oldest, an offset, or COLLECTOR:OFFSET,…"};
  };
  std::string_view left = options.from;
  while (!left.empty()) {
    const std::size_t comma = left.find(',');
    const std::string_view part = left.substr(0, comma);
    left = comma == std::string_view::npos ? std::string_view{} : left.substr(comma + 1);
    const std::size_t colon = part.rfind(':');
    const auto offset =
        read_offset(colon == std::string_view::npos ? part : part.substr(colon + 1));
    if (!offset) throw wrong();
    if (colon == std::string_view::npos) {
      wish.from = *offset;
    } else {
      wish.from_of[std::string{part.substr(0, colon)}] = *offset;
    }
  }
  if (!wish.from && wish.from_of.empty()) throw wrong();
  if (!wish.from) wish.from = 0;  // a collector that was not there then is read whole
  return wish;
}

struct EventReader::Arrivals {
  std::mutex mutex;
  std::deque<EventBatch> batches;
  Waiter* waiter = nullptr;  // null: nobody waits
};

EventReader::EventReader(std::shared_ptr<Engine> engine, const EventOptions& options)
    : engine_{std::move(engine)}, arrivals_{std::make_shared<Arrivals>()} {
  tag_ = engine_->follow(read_wish(options), [arrivals = arrivals_](ArrivedEvents&& arrived) {
    EventBatch batch;
    batch.collector = std::move(arrived.collector);
    batch.next = arrived.next;
    batch.lost = arrived.lost;
    batch.anew = arrived.anew;
    batch.events.reserve(arrived.events.size());
    for (ArrivedEvent& event : arrived.events) batch.events.push_back(to_event(std::move(event)));
    const std::lock_guard lock{arrivals->mutex};
    arrivals->batches.push_back(std::move(batch));
    if (arrivals->waiter != nullptr) std::exchange(arrivals->waiter, nullptr)->tell(0);
  });
}

EventReader::~EventReader() { engine_->unfollow(tag_); }

std::optional<EventBatch> EventReader::next(detail::Span timeout) {
  if (!taken_from_.empty()) engine_->follow_more(tag_, std::exchange(taken_from_, {}));
  std::optional<MonoTime> deadline;
  if (timeout != detail::forever)
    deadline = base::mono_now() + std::chrono::duration_cast<Micros>(timeout);
  for (;;) {
    Waiter waiter{engine_->helm_to_wait()};
    {
      const std::lock_guard lock{arrivals_->mutex};
      if (!arrivals_->batches.empty()) {
        EventBatch batch = std::move(arrivals_->batches.front());
        arrivals_->batches.pop_front();
        next_of_[batch.collector] = batch.next;
        taken_from_ = batch.collector;
        if (!batch.events.empty() || batch.lost > 0 || batch.anew) return batch;
      } else {
        arrivals_->waiter = &waiter;
      }
    }
    if (!taken_from_.empty()) {  // it only moved on: take the next
      engine_->follow_more(tag_, std::exchange(taken_from_, {}));
      continue;
    }
    const bool told = engine_->wait_for_events(waiter, deadline);
    const std::lock_guard lock{arrivals_->mutex};
    arrivals_->waiter = nullptr;
    if (!told && arrivals_->batches.empty()) return std::nullopt;
  }
}

std::string EventReader::position() const {
  std::string text;
  for (const auto& [collector, next] : next_of_) {
    text += (text.empty() ? "" : ",") + collector + ":" + std::to_string(next);
  }
  return text;
}

}  // namespace baozi::client

namespace baozi {

EventStream::EventStream(std::unique_ptr<client::EventReader> reader)
    : reader_{std::move(reader)} {}
EventStream::~EventStream() = default;
EventStream::EventStream(EventStream&&) noexcept = default;
EventStream& EventStream::operator=(EventStream&&) noexcept = default;
std::optional<EventBatch> EventStream::next_within(detail::Span timeout) {
  return reader_->next(timeout);
}
std::string EventStream::position() const { return reader_->position(); }
std::size_t EventStream::collectors() const { return reader_->collectors(); }

}  // namespace baozi
