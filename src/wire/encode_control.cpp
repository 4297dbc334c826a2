// Messages to frames: what operators ask and watch.
#include "wire/encode_fields.hpp"

namespace baozi::wire {

using namespace detail;

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
