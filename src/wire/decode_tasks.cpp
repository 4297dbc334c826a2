// Frames to messages: tasks on their way to a worker, and what became of them.
#include "wire/decode_fields.hpp"

namespace baozi::wire {

using namespace detail;

namespace {

void read_refusal(Reader& in, BatchRefusal& refusal) {
  Entry entry{in, 6};
  refusal.number = in.uinteger();
  refusal.code = enumeration<Refusal>(in, 1, 3);
  refusal.reason = enumeration<Reason>(in, 0, 255);
  refusal.expected = in.uinteger();
  refusal.retry_after_us = in.uinteger();
  const std::uint32_t count = array_upto(in, limits::batch_tasks_max, 4);
  refusal.tasks.resize(count);
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    TaskRefusal& task = refusal.tasks[i];
    Entry task_entry{in, 3};
    task.index = u32(in);
    task.reason = enumeration<Reason>(in, 0, 255);
    task.text = text(in);
  }
}

}  // namespace

Result<void> decode(const OpenFrame& frame, Submit& out) {
  Fields f{frame};
  f.must(), out.number = f.in.uinteger();
  f.must(), out.origin = origin(f.in);
  f.must(), out.home = name_or_nil(f.in);
  f.must(), out.flags = f.in.uinteger();
  f.must();
  const std::uint32_t count = array_upto(f.in, limits::batch_tasks_max, bytes_min::task);
  out.tasks.resize(count);
  for (std::uint32_t i = 0; i < count && f.in.ok(); ++i) read_task(f.in, out.tasks[i]);
  if (f.in.ok() && out.number == 0) f.in.fail("batches are numbered from 1");
  if (f.in.ok() && count == 0) f.in.fail("a batch holds at least one task");
  return f.finish(out.tasks);
}

Result<void> decode(const OpenFrame& frame, Submitted& out) {
  Fields f{frame};
  out.refusals.clear();
  f.must(), out.upto = f.in.uinteger();
  if (f.next()) {
    const std::uint32_t count = array_upto(f.in, limits::batch_tasks_max, 7);
    out.refusals.resize(count);
    for (std::uint32_t i = 0; i < count && f.in.ok(); ++i) read_refusal(f.in, out.refusals[i]);
  }
  return f.finish(out.refusals);
}

Result<void> decode(const OpenFrame& frame, Credit& out) {
  Fields f{frame};
  f.must(), out.count = f.in.uinteger();
  f.must(), out.bytes = f.in.uinteger();
  f.must(), out.returned = f.in.uinteger();
  f.must(), out.returned_bytes = f.in.uinteger();
  return f.finish();
}

Result<void> decode(const OpenFrame& frame, Deliver& out) {
  Fields f{frame};
  f.must();
  const std::uint32_t groups = array_upto(f.in, limits::groups_max, bytes_min::group);
  out.groups.resize(groups);
  for (std::uint32_t g = 0; g < groups && f.in.ok(); ++g) {
    DeliveryGroup& group = out.groups[g];
    Entry group_entry{f.in, 3};
    group.origin = origin_or_nil(f.in);
    group.home = name_or_nil(f.in);
    const std::uint32_t count = array_upto(f.in, limits::batch_tasks_max, bytes_min::delivery);
    group.deliveries.resize(count);
    for (Delivery& delivery : group.deliveries) {
      if (!f.in.ok()) [[unlikely]]
        break;
      Entry entry{f.in, 7};
      delivery.number = f.in.uinteger();
      delivery.key = f.in.integer();
      delivery.position = f.in.uinteger();
      delivery.count = u32(f.in);
      delivery.retries = u32(f.in);
      delivery.flags = f.in.uinteger();
      read_task(f.in, delivery.task);
      delivery.since_us = 0;
      if (entry.has(7)) [[unlikely]] {
        entry.read_also(1);
        delivery.since_us = f.in.integer();
      }
    }
  }
  return f.finish(out.groups);
}

Result<void> decode(const OpenFrame& frame, Done& out) {
  Fields f{frame};
  f.must(), out.first = f.in.uinteger();
  f.must();
  const std::uint32_t count = array_upto(f.in, limits::batch_tasks_max, bytes_min::settlement);
  out.entries.resize(count);
  for (Settlement& settlement : out.entries) {
    if (!f.in.ok()) [[unlikely]]
      break;
    Entry entry{f.in, 4};
    settlement.number = f.in.uinteger();
    settlement.state = enumeration<TaskState>(f.in, 4, 7);
    settlement.flags = f.in.uinteger();
    settlement.raw_follow_ups = follow_ups(f.in, settlement.follow_ups);
    settlement.record = {};
    if (entry.has(4)) {
      entry.read_also(1);
      settlement.record = record_or_nil(f.in);
    }
  }
  if (f.in.ok() && out.first == 0) f.in.fail("entries are numbered from 1");
  return f.finish(out.entries);
}

Result<void> decode(const OpenFrame& frame, DoneOk& out) {
  Fields f{frame};
  out.exceptions.clear();
  f.must(), out.upto = f.in.uinteger();
  if (f.next()) {
    const std::uint32_t count = array_upto(f.in, limits::batch_tasks_max, 3);
    out.exceptions.resize(count);
    for (std::uint32_t i = 0; i < count && f.in.ok(); ++i) {
      Entry entry{f.in, 2};
      out.exceptions[i].entry = f.in.uinteger();
      out.exceptions[i].code = enumeration<Settled>(f.in, 0, 255);
    }
  }
  return f.finish(out.exceptions);
}

Result<void> decode(const OpenFrame& frame, Nack& out) {
  Fields f{frame};
  f.must(), out.first = f.in.uinteger();
  f.must();
  const std::uint32_t count = array_upto(f.in, limits::batch_tasks_max, 5);
  out.entries.resize(count);
  for (std::uint32_t i = 0; i < count && f.in.ok(); ++i) {
    NackEntry& nack = out.entries[i];
    Entry entry{f.in, 4};
    nack.number = f.in.uinteger();
    nack.kind = enumeration<NackKind>(f.in, 1, 4);
    nack.delay_us = f.in.uinteger();
    nack.reason = text(f.in);
    nack.flags = 0;
    if (entry.has(4)) {
      entry.read_also(1);
      nack.flags = f.in.uinteger();
    }
  }
  if (f.in.ok() && out.first == 0) f.in.fail("entries are numbered from 1");
  return f.finish(out.entries);
}

Result<void> decode(const OpenFrame& frame, Queues& out) {
  Fields f{frame};
  f.must();
  const std::uint32_t count = array_upto(f.in, limits::queues_per_worker_max, 1);
  out.names.resize(count);
  for (std::uint32_t i = 0; i < count && f.in.ok(); ++i) out.names[i] = name_or_nil(f.in);
  f.must(), read_names(f.in, limits::queues_per_worker_max, out.excluded);
  return f.finish(out.names);
}

Result<void> decode(const OpenFrame& frame, Tasks& out) {
  Fields f{frame};
  f.must(), read_names(f.in, limits::queues_per_worker_max, out.early);
  f.must(), read_limits(f.in, out.limits);
  return f.finish(out.limits);
}

}  // namespace baozi::wire
