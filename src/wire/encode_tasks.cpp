// Messages to frames: tasks on their way to a worker, and what became of them.
#include "wire/encode_fields.hpp"

namespace baozi::wire {

using namespace detail;

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

}  // namespace baozi::wire
