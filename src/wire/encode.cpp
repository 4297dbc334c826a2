// Messages to frames. The frame is reserved whole, then filled.
#include <bit>
#include <cstring>

#include "wire/codec.hpp"

namespace baozi::wire {

namespace {

/// A frame being written: the header first, then `fields` more elements.
class Frame {
 public:
  Frame(Type type, std::uint64_t session, std::uint64_t seq, std::uint32_t fields,
        std::size_t size_hint = 64) {
    bytes_.reserve(size_hint);
    out.array(4 + fields);
    out.uinteger(protocol_version);
    out.uinteger(static_cast<std::uint64_t>(type));
    out.uinteger(session);
    out.uinteger(seq);
  }
  Bytes take() { return std::move(bytes_); }

 private:
  Bytes bytes_;

 public:
  Writer out{bytes_};
};

/// The numbers at the head of a batch's entry, put together on the stack and appended in one piece:
/// that is half the price of appending them one by one. Holds an array's head and up to seven
/// numbers.
class EntryHead {
 public:
  explicit EntryHead(std::uint8_t fields) { *at_++ = static_cast<char>(0x90U | fields); }
  EntryHead& number(std::uint64_t value) {
    if (value < 0x80) return one(value);
    return wide(0xCC, value, value <= 0xFF ? 0 : value <= 0xFFFF ? 1 : value <= 0xFFFFFFFF ? 2 : 3);
  }
  EntryHead& integer(std::int64_t value) {
    if (value >= 0) [[likely]]
      return number(static_cast<std::uint64_t>(value));
    if (value >= -32) return one(static_cast<std::uint64_t>(value));
    return wide(0xD0, static_cast<std::uint64_t>(value),
                value >= INT8_MIN    ? 0
                : value >= INT16_MIN ? 1
                : value >= INT32_MIN ? 2
                                     : 3);
  }
  [[nodiscard]] std::string_view view() const {
    return {bytes_, static_cast<std::size_t>(at_ - bytes_)};
  }

 private:
  EntryHead& one(std::uint64_t value) {
    *at_++ = static_cast<char>(value);
    return *this;
  }
  EntryHead& wide(unsigned head, std::uint64_t value, unsigned size) {
    *at_++ = static_cast<char>(head + size);
    std::uint64_t word = value << (64U - (8U << size));
    if constexpr (std::endian::native == std::endian::little) word = __builtin_bswap64(word);
    std::memcpy(at_, &word,
                sizeof word);  // always eight bytes; the next number overwrites the surplus
    at_ += std::size_t{1} << size;
    return *this;
  }

  char bytes_[1 + 7 * 9 + 8];
  char* at_ = bytes_;
};

template <class Enum>
std::uint64_t number(Enum value) {
  return static_cast<std::uint64_t>(value);
}

void origin(Writer& out, BytesView bytes) {
  if (bytes.empty()) {
    out.nil();
  } else {
    out.bin(bytes);
  }
}
void name_or_nil(Writer& out, std::string_view name) {
  if (name.empty()) {
    out.nil();
  } else {
    out.str(name);
  }
}
void raw_list(Writer& out, BytesView packed) {
  if (packed.empty()) {
    out.array(0);
  } else {
    out.raw(packed);
  }
}
void raw_or_nil(Writer& out, BytesView packed) {
  if (packed.empty()) {
    out.nil();
  } else {
    out.raw(packed);
  }
}
void collectors(Writer& out, const std::vector<CollectorInfo>& list) {
  out.array(list.size());
  for (const CollectorInfo& info : list) {
    out.array(2);
    out.str(info.name);
    out.array(info.endpoints.size());
    for (const std::string& endpoint : info.endpoints) out.str(endpoint);
  }
}
void ids(Writer& out, const std::vector<IdView>& list) {
  out.array(list.size());
  for (const IdView& id : list) pack_id(out, id);
}
void names(Writer& out, const std::vector<std::string_view>& list) {
  out.array(list.size());
  for (const std::string_view name : list) out.str(name);
}
void task_limits(Writer& out, const std::vector<TaskLimit>& list) {
  out.array(list.size());
  for (const TaskLimit& limit : list) {
    out.array(3);
    out.str(limit.name);
    out.uinteger(limit.concurrency);
    out.uinteger(limit.interval_us);
  }
}

}  // namespace

Bytes encode(std::uint64_t session, std::uint64_t seq, const Hello& message) {
  Frame f{Type::hello, session, seq, message.holds.empty() ? 5U : 6U,
          128 + 48 * message.holds.size()};
  f.out.uinteger(message.nonce);
  f.out.uinteger(number(message.role));
  f.out.str(message.name);
  f.out.uinteger(message.incarnation);
  const std::size_t facts =
      (message.origin.empty() ? 0U : 1U) + (message.queues.empty() ? 0U : 1U) +
      (message.concurrency == 0 ? 0U : 1U) + (message.software.empty() ? 0U : 1U) +
      (message.host.empty() ? 0U : 1U) + (message.pid == 0 ? 0U : 1U) +
      (message.endpoints.empty() ? 0U : 1U) + (message.durable_results ? 1U : 0U) +
      (message.labels.empty() ? 0U : 1U) + (message.early.empty() ? 0U : 1U) +
      (message.limits.empty() ? 0U : 1U);
  f.out.map(facts);
  if (!message.origin.empty()) f.out.uinteger(1), f.out.bin(message.origin);
  if (!message.queues.empty()) f.out.uinteger(2), names(f.out, message.queues);
  if (message.concurrency != 0) f.out.uinteger(3), f.out.uinteger(message.concurrency);
  if (!message.software.empty()) f.out.uinteger(4), f.out.str(message.software);
  if (!message.host.empty()) f.out.uinteger(5), f.out.str(message.host);
  if (message.pid != 0) f.out.uinteger(6), f.out.uinteger(message.pid);
  if (!message.endpoints.empty()) f.out.uinteger(7), names(f.out, message.endpoints);
  if (message.durable_results) f.out.uinteger(8), f.out.boolean(true);
  if (!message.labels.empty()) f.out.uinteger(10), names(f.out, message.labels);
  if (!message.early.empty()) f.out.uinteger(11), names(f.out, message.early);
  if (!message.limits.empty()) f.out.uinteger(12), task_limits(f.out, message.limits);
  if (!message.holds.empty()) {
    f.out.array(message.holds.size());
    for (const HeldDelivery& hold : message.holds) {
      f.out.array(5);
      f.out.uinteger(hold.number);
      f.out.integer(hold.key);
      f.out.uinteger(hold.position);
      f.out.uinteger(number(hold.phase));
      pack_id(f.out, hold.id);
    }
  }
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Welcome& message) {
  Frame f{Type::welcome, session, seq, message.resume ? 10U : 9U, 256};
  f.out.uinteger(message.nonce);
  f.out.str(message.name);
  f.out.uinteger(message.incarnation);
  f.out.uinteger(message.epoch);
  f.out.uinteger(message.heartbeat_us);
  f.out.uinteger(message.liveness_us);
  f.out.uinteger(message.frame_bytes_max);
  f.out.uinteger(message.task_bytes_max);
  collectors(f.out, message.collectors);
  if (message.resume) {
    f.out.array(3);
    f.out.boolean(message.resume->known);
    f.out.uinteger(message.resume->accepted);
    f.out.uinteger(message.resume->committed);
  }
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Ping&) {
  return Frame{Type::ping, session, seq, 0}.take();
}
Bytes encode(std::uint64_t session, std::uint64_t seq, const Pong&) {
  return Frame{Type::pong, session, seq, 0}.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Goodbye& message) {
  Frame f{Type::goodbye, session, seq, 1};
  f.out.str(message.reason.substr(0, limits::text_bytes_max));
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const ErrorMessage& message) {
  const std::uint32_t more = message.version_max != 0 ? 2 : message.about != 0 ? 1 : 0;
  Frame f{Type::error, session, seq, 2 + more, 64 + message.text.size()};
  f.out.uinteger(number(message.code));
  f.out.str(message.text.substr(0, limits::text_bytes_max));
  if (more > 0) f.out.uinteger(message.about);
  if (more > 1) {
    f.out.array(2);
    f.out.uinteger(message.version_min);
    f.out.uinteger(message.version_max);
  }
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Collectors& message) {
  Frame f{Type::collectors, session, seq, 1};
  collectors(f.out, message.collectors);
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Submit& message) {
  std::size_t size = 96;
  for (const TaskView& task : message.tasks) size += task.raw.size();
  Frame f{Type::submit, session, seq, 5, size};
  f.out.uinteger(message.number);
  origin(f.out, message.origin);
  name_or_nil(f.out, message.home);
  f.out.uinteger(message.flags);
  f.out.array(message.tasks.size());
  for (const TaskView& task : message.tasks) f.out.raw(task.raw);
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const PackedSubmit& message) {
  Frame f{Type::submit, session, seq, 5, 96 + message.home.size() + message.tasks.size()};
  f.out.uinteger(message.number);
  origin(f.out, message.origin);
  name_or_nil(f.out, message.home);
  f.out.uinteger(message.flags);
  f.out.array(message.count);
  f.out.raw(message.tasks);
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Submitted& message) {
  Frame f{Type::submitted, session, seq, message.refusals.empty() ? 1U : 2U};
  f.out.uinteger(message.upto);
  if (!message.refusals.empty()) {
    f.out.array(message.refusals.size());
    for (const BatchRefusal& refusal : message.refusals) {
      f.out.array(6);
      f.out.uinteger(refusal.number);
      f.out.uinteger(number(refusal.code));
      f.out.uinteger(number(refusal.reason));
      f.out.uinteger(refusal.expected);
      f.out.uinteger(refusal.retry_after_us);
      f.out.array(refusal.tasks.size());
      for (const TaskRefusal& task : refusal.tasks) {
        f.out.array(3);
        f.out.uinteger(task.index);
        f.out.uinteger(number(task.reason));
        f.out.str(task.text.substr(0, limits::text_bytes_max));
      }
    }
  }
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Credit& message) {
  Frame f{Type::credit, session, seq, 4};
  f.out.uinteger(message.count);
  f.out.uinteger(message.bytes);
  f.out.uinteger(message.returned);
  f.out.uinteger(message.returned_bytes);
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Deliver& message) {
  std::size_t size = 32;
  for (const DeliveryGroup& group : message.groups) {
    size += 300;
    for (const Delivery& delivery : group.deliveries) size += 40 + delivery.task.raw.size();
  }
  Frame f{Type::deliver, session, seq, 1, size};
  f.out.array(message.groups.size());
  for (const DeliveryGroup& group : message.groups) {
    f.out.array(3);
    origin(f.out, group.origin);
    name_or_nil(f.out, group.home);
    f.out.array(group.deliveries.size());
    for (const Delivery& delivery : group.deliveries) {
      f.out.raw(EntryHead{static_cast<std::uint8_t>(delivery.since_us == 0 ? 7 : 8)}
                    .number(delivery.number)
                    .integer(delivery.key)
                    .number(delivery.position)
                    .number(delivery.count)
                    .number(delivery.retries)
                    .number(delivery.flags)
                    .view());
      f.out.raw(delivery.task.raw);
      if (delivery.since_us != 0) f.out.integer(delivery.since_us);
    }
  }
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Done& message) {
  std::size_t size = 32;
  for (const Settlement& entry : message.entries)
    size += 24 + entry.raw_follow_ups.size() + entry.record.size();
  Frame f{Type::done, session, seq, 2, size};
  f.out.uinteger(message.first);
  f.out.array(message.entries.size());
  for (const Settlement& entry : message.entries) {
    f.out.raw(EntryHead{static_cast<std::uint8_t>(entry.record.empty() ? 4 : 5)}
                  .number(entry.number)
                  .number(number(entry.state))
                  .number(entry.flags)
                  .view());
    raw_list(f.out, entry.raw_follow_ups);
    if (!entry.record.empty()) f.out.raw(entry.record);
  }
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const DoneOk& message) {
  Frame f{Type::done_ok, session, seq, message.exceptions.empty() ? 1U : 2U};
  f.out.uinteger(message.upto);
  if (!message.exceptions.empty()) {
    f.out.array(message.exceptions.size());
    for (const SettledException& exception : message.exceptions) {
      f.out.array(2);
      f.out.uinteger(exception.entry);
      f.out.uinteger(number(exception.code));
    }
  }
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Nack& message) {
  Frame f{Type::nack, session, seq, 2};
  f.out.uinteger(message.first);
  f.out.array(message.entries.size());
  for (const NackEntry& entry : message.entries) {
    f.out.array(entry.flags == 0 ? 4 : 5);
    f.out.uinteger(entry.number);
    f.out.uinteger(number(entry.kind));
    f.out.uinteger(entry.delay_us);
    f.out.str(entry.reason.substr(0, limits::text_bytes_max));
    if (entry.flags != 0) f.out.uinteger(entry.flags);
  }
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Queues& message) {
  Frame f{Type::queues, session, seq, 2};
  f.out.array(message.names.size());
  for (const std::string_view queue : message.names) name_or_nil(f.out, queue);
  names(f.out, message.excluded);
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Tasks& message) {
  Frame f{Type::tasks, session, seq, 2};
  names(f.out, message.early);
  task_limits(f.out, message.limits);
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const ResultMessage& message) {
  std::size_t size = 32;
  for (const ResultGroup& group : message.groups) {
    size += 300;
    for (const ResultEntry& entry : group.entries) {
      size += 32 + entry.record.raw.size() + entry.raw_follow_ups.size();
    }
  }
  Frame f{Type::result, session, seq, 2, size};
  f.out.uinteger(message.first);
  f.out.array(message.groups.size());
  for (const ResultGroup& group : message.groups) {
    f.out.array(3);
    origin(f.out, group.origin);
    name_or_nil(f.out, group.worker);
    f.out.array(group.entries.size());
    for (const ResultEntry& entry : group.entries) {
      f.out.array(5);
      f.out.uinteger(entry.number);
      f.out.uinteger(entry.generation);
      f.out.uinteger(entry.flags);
      f.out.raw(entry.record.raw);
      raw_list(f.out, entry.raw_follow_ups);
    }
  }
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Stored& message) {
  Frame f{Type::stored, session, seq, message.losses.empty() ? 1U : 2U};
  f.out.uinteger(message.upto);
  if (!message.losses.empty()) {
    f.out.array(message.losses.size());
    for (const ResultLoss& loss : message.losses) {
      f.out.array(5);
      f.out.uinteger(loss.entry);
      f.out.uinteger(number(loss.code));
      raw_or_nil(f.out, loss.record);
      raw_list(f.out, loss.raw_follow_ups);
      f.out.str(loss.text.substr(0, limits::text_bytes_max));
    }
  }
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Watch& message) {
  Frame f{Type::watch, session, seq, 2};
  f.out.uinteger(message.flags);
  ids(f.out, message.ids);
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const StateMessage& message) {
  Frame f{Type::state, session, seq, 1};
  f.out.array(message.groups.size());
  for (const StateGroup& group : message.groups) {
    f.out.array(3);
    origin(f.out, group.origin);
    name_or_nil(f.out, group.worker);
    f.out.array(group.entries.size());
    for (const StateEntry& entry : group.entries) {
      f.out.array(3);
      pack_id(f.out, entry.id);
      f.out.str(entry.state);
      raw_or_nil(f.out, entry.meta);
    }
  }
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Fetch& message) {
  Frame f{Type::fetch, session, seq, 2};
  f.out.uinteger(message.request);
  ids(f.out, message.ids);
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Fetched& message) {
  Frame f{Type::fetched, session, seq, 2};
  f.out.uinteger(message.request);
  f.out.array(message.entries.size());
  for (const FetchedEntry& entry : message.entries) {
    f.out.array(8);
    pack_id(f.out, entry.id);
    f.out.uinteger(number(entry.state));
    f.out.uinteger(entry.generation);
    f.out.uinteger(entry.number);
    f.out.uinteger(entry.incarnation);
    name_or_nil(f.out, entry.worker);
    raw_or_nil(f.out, entry.record);
    raw_list(f.out, entry.raw_follow_ups);
  }
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Forget& message) {
  Frame f{Type::forget, session, seq, 2};
  f.out.uinteger(message.request);
  ids(f.out, message.ids);
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Control& message) {
  Frame f{Type::control, session, seq, 3};
  f.out.uinteger(message.request);
  f.out.str(message.command);
  if (message.arguments.empty()) {
    f.out.map(0);
  } else {
    f.out.raw(message.arguments);
  }
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Reply& message) {
  Frame f{Type::reply, session, seq, 3, 64 + message.payload.size()};
  f.out.uinteger(message.request);
  f.out.uinteger(message.code);
  raw_or_nil(f.out, message.payload);
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Revoke& message) {
  Frame f{Type::revoke, session, seq, message.signal.empty() ? 3U : 4U};
  f.out.uinteger(message.request);
  f.out.uinteger(message.flags);
  ids(f.out, message.ids);
  if (!message.signal.empty()) f.out.str(message.signal);
  return f.take();
}

void pack_event(Writer& out, EventType type, std::int64_t time_us, const IdView* id,
                std::string_view name) {
  out.array(5);
  out.uinteger(number(type));
  out.integer(time_us);
  if (id != nullptr) {
    pack_id(out, *id);
  } else {
    out.nil();
  }
  name_or_nil(out, name);
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Events& message) {
  Bytes packed;
  for (const EventView& event : message.events) packed.append(event.raw);
  return encode(session, seq,
                PackedEvents{message.first, message.lost, message.events.size(), packed});
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const PackedEvents& message) {
  Frame f{Type::events, session, seq, 3, 64 + message.events.size()};
  f.out.uinteger(message.first);
  f.out.uinteger(message.lost);
  f.out.array(message.count);
  f.out.raw(message.events);
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const EventsOk& message) {
  Frame f{Type::events_ok, session, seq, 1};
  f.out.uinteger(message.upto);
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Follow& message) {
  Frame f{Type::follow, session, seq, 6};
  f.out.uinteger(message.request);
  if (message.from) {
    f.out.uinteger(*message.from);
  } else {
    f.out.nil();
  }
  f.out.uinteger(message.count_max);
  f.out.uinteger(message.bytes_max);
  f.out.array(message.types.size());
  for (const EventType type : message.types) f.out.uinteger(number(type));
  f.out.array(message.names.size());
  for (const std::string_view name : message.names) f.out.str(name);
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Followed& message) {
  std::size_t size = 64;
  for (const FollowedGroup& group : message.groups) {
    size += 300;
    for (const FollowedEntry& entry : group.entries) size += 12 + entry.event.raw.size();
  }
  Frame f{Type::followed, session, seq, 5, size};
  f.out.uinteger(message.request);
  f.out.uinteger(message.next);
  f.out.uinteger(message.lost);
  f.out.uinteger(message.flags);
  f.out.array(message.groups.size());
  for (const FollowedGroup& group : message.groups) {
    f.out.array(2);
    f.out.str(group.node);
    f.out.array(group.entries.size());
    for (const FollowedEntry& entry : group.entries) {
      f.out.array(2);
      f.out.uinteger(entry.offset);
      f.out.raw(entry.event.raw);
    }
  }
  return f.take();
}

}  // namespace baozi::wire
