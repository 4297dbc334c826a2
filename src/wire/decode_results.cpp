// Frames to messages: results, and who waits for them.
#include "wire/decode_fields.hpp"

namespace baozi::wire {

using namespace detail;

Result<void> decode(const OpenFrame& frame, ResultMessage& out) {
  Fields f{frame};
  f.must(), out.first = f.in.uinteger();
  f.must();
  const std::uint32_t groups = array_upto(f.in, limits::groups_max, bytes_min::group);
  out.groups.resize(groups);
  for (std::uint32_t g = 0; g < groups && f.in.ok(); ++g) {
    ResultGroup& group = out.groups[g];
    Entry group_entry{f.in, 3};
    group.origin = origin_or_nil(f.in);
    group.worker = name_or_nil(f.in);
    const std::uint32_t count = array_upto(f.in, limits::batch_tasks_max, bytes_min::result);
    group.entries.resize(count);
    for (ResultEntry& entry : group.entries) {
      if (!f.in.ok()) [[unlikely]]
        break;
      Entry fields{f.in, 5};
      entry.number = f.in.uinteger();
      entry.generation = u32(f.in);
      entry.flags = f.in.uinteger();
      read_record(f.in, entry.record);
      entry.raw_follow_ups = follow_ups(f.in);
    }
  }
  return f.finish(out.groups);
}

Result<void> decode(const OpenFrame& frame, Stored& out) {
  Fields f{frame};
  out.losses.clear();
  f.must(), out.upto = f.in.uinteger();
  if (f.next()) {
    const std::uint32_t count = array_upto(f.in, limits::batch_tasks_max, 6);
    out.losses.resize(count);
    for (std::uint32_t i = 0; i < count && f.in.ok(); ++i) {
      ResultLoss& loss = out.losses[i];
      Entry entry{f.in, 5};
      loss.entry = f.in.uinteger();
      loss.code = enumeration<Lost>(f.in, 1, 2);
      loss.record = record_or_nil(f.in);
      loss.raw_follow_ups = follow_ups(f.in);
      loss.text = text(f.in);
      if (f.in.ok() && loss.code == Lost::to_winner && loss.record.empty()) {
        f.in.fail("a loss to a winner shows the winner's record");
      }
    }
  }
  return f.finish(out.losses);
}

Result<void> decode(const OpenFrame& frame, Watch& out) {
  Fields f{frame};
  f.must(), out.flags = f.in.uinteger();
  f.must(), read_ids(f.in, out.ids);
  return f.finish(out.ids);
}

Result<void> decode(const OpenFrame& frame, StateMessage& out) {
  Fields f{frame};
  f.must();
  const std::uint32_t groups = array_upto(f.in, limits::groups_max, bytes_min::group);
  out.groups.resize(groups);
  for (std::uint32_t g = 0; g < groups && f.in.ok(); ++g) {
    StateGroup& group = out.groups[g];
    Entry group_entry{f.in, 3};
    group.origin = origin_or_nil(f.in);
    group.worker = name_or_nil(f.in);
    const std::uint32_t count =
        array_upto(f.in, limits::batch_tasks_max, 2 + bytes_min::id + bytes_min::name);
    group.entries.resize(count);
    for (std::uint32_t i = 0; i < count && f.in.ok(); ++i) {
      StateEntry& entry = group.entries[i];
      Entry fields{f.in, 3};
      read_id(f.in, entry.id);
      entry.state = name(f.in);
      entry.meta = f.in.skip();
    }
  }
  return f.finish(out.groups);
}

Result<void> decode(const OpenFrame& frame, Fetch& out) {
  Fields f{frame};
  f.must(), out.request = f.in.uinteger();
  f.must(), read_ids(f.in, out.ids);
  return f.finish(out.ids);
}

Result<void> decode(const OpenFrame& frame, Fetched& out) {
  Fields f{frame};
  f.must(), out.request = f.in.uinteger();
  f.must();
  const std::uint32_t count = array_upto(f.in, limits::batch_tasks_max, 8 + bytes_min::id);
  out.entries.resize(count);
  for (std::uint32_t i = 0; i < count && f.in.ok(); ++i) {
    FetchedEntry& entry = out.entries[i];
    Entry fields{f.in, 8};
    read_id(f.in, entry.id);
    entry.state = enumeration<TaskState>(f.in, 0, 7);
    entry.generation = u32(f.in);
    entry.number = f.in.uinteger();
    entry.incarnation = f.in.uinteger();
    entry.worker = name_or_nil(f.in);
    entry.record = record_or_nil(f.in);
    entry.raw_follow_ups = follow_ups(f.in);
  }
  return f.finish(out.entries);
}

Result<void> decode(const OpenFrame& frame, Forget& out) {
  Fields f{frame};
  f.must(), out.request = f.in.uinteger();
  f.must(), read_ids(f.in, out.ids);
  return f.finish(out.ids);
}

}  // namespace baozi::wire
