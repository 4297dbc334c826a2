// Frames to messages: what operators ask and watch.
#include "wire/decode_fields.hpp"

namespace baozi::wire {

using namespace detail;

Result<void> decode(const OpenFrame& frame, Control& out) {
  Fields f{frame};
  f.must(), out.request = f.in.uinteger();
  f.must(), out.command = name(f.in);
  f.must();
  if (f.in.ok() && f.in.kind() != Reader::Kind::map)
    f.in.fail("the arguments of a control are a map");
  out.arguments = f.in.skip();
  return f.finish();
}

Result<void> decode(const OpenFrame& frame, Reply& out) {
  Fields f{frame};
  f.must(), out.request = f.in.uinteger();
  f.must(), out.code = f.in.uinteger();
  f.must(), out.payload = f.in.skip();
  return f.finish();
}

Result<void> decode(const OpenFrame& frame, Revoke& out) {
  Fields f{frame};
  f.must(), out.request = f.in.uinteger();
  f.must(), out.flags = f.in.uinteger();
  f.must(), read_ids(f.in, out.ids);
  out.signal = f.next() ? name_or_nil(f.in) : std::string_view{};
  return f.finish(out.ids);
}

namespace {

EventType event_type(Reader& in) {
  const std::uint64_t type = in.uinteger();
  if (type == 0 || type > UINT16_MAX) in.fail("the type of an event is 1 to 65535");
  return static_cast<EventType>(type);
}

void read_event(Reader& in, EventView& event) {
  const char* const start = in.position();
  {
    Entry entry{in, 5};
    event.type = event_type(in);
    event.time_us = in.integer();
    event.has_id = !in.try_nil();
    event.id = {};
    if (event.has_id) read_id(in, event.id);
    event.name = name_or_nil(in);
    if (in.ok() && in.kind() != Reader::Kind::map) in.fail("the fields of an event are a map");
    event.fields = in.skip();
  }
  event.raw = in.since(start);
  if (event.raw.size() > limits::event_bytes_max) in.fail_limit("an event of more than 16 KiB");
}

}  // namespace

Result<void> decode(const OpenFrame& frame, Events& out) {
  Fields f{frame};
  f.must(), out.first = f.in.uinteger();
  f.must(), out.lost = f.in.uinteger();
  f.must();
  const std::uint32_t count = array_upto(f.in, limits::batch_tasks_max, bytes_min::event);
  out.events.resize(count);
  for (std::uint32_t i = 0; i < count && f.in.ok(); ++i) read_event(f.in, out.events[i]);
  if (f.in.ok() && (out.first == 0 || out.first > UINT64_MAX / 2 || out.lost >= out.first)) {
    f.in.fail("events are numbered from 1, and fewer are lost than there were");
  }
  return f.finish(out.events);
}

Result<void> decode(const OpenFrame& frame, EventsOk& out) {
  Fields f{frame};
  f.must(), out.upto = f.in.uinteger();
  return f.finish();
}

Result<void> decode(const OpenFrame& frame, Follow& out) {
  Fields f{frame};
  out.types.clear();
  out.from.reset();
  f.must(), out.request = f.in.uinteger();
  f.must();
  if (!f.in.try_nil()) out.from = f.in.uinteger();
  f.must(), out.count_max = f.in.uinteger();
  f.must(), out.bytes_max = f.in.uinteger();
  f.must();
  const std::uint32_t types = array_upto(f.in, limits::event_filters_max, 1);
  out.types.reserve(types);
  for (std::uint32_t i = 0; i < types && f.in.ok(); ++i) out.types.push_back(event_type(f.in));
  f.must(), read_names(f.in, limits::event_filters_max, out.names);
  return f.finish(out.names);
}

Result<void> decode(const OpenFrame& frame, Followed& out) {
  Fields f{frame};
  f.must(), out.request = f.in.uinteger();
  f.must(), out.next = f.in.uinteger();
  f.must(), out.lost = f.in.uinteger();
  f.must(), out.flags = f.in.uinteger();
  f.must();
  const std::uint32_t groups = array_upto(f.in, limits::groups_max, bytes_min::group);
  out.groups.resize(groups);
  for (std::uint32_t g = 0; g < groups && f.in.ok(); ++g) {
    FollowedGroup& group = out.groups[g];
    Entry group_entry{f.in, 2};
    group.node = name(f.in);
    const std::uint32_t count = array_upto(f.in, limits::batch_tasks_max, 2 + bytes_min::event);
    group.entries.resize(count);
    for (std::uint32_t i = 0; i < count && f.in.ok(); ++i) {
      Entry entry{f.in, 2};
      group.entries[i].offset = f.in.uinteger();
      read_event(f.in, group.entries[i].event);
    }
  }
  return f.finish(out.groups);
}

}  // namespace baozi::wire
