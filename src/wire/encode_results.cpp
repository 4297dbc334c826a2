// Messages to frames: results, and who waits for them.
#include "wire/encode_fields.hpp"

namespace baozi::wire {

using namespace detail;

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

}  // namespace baozi::wire
