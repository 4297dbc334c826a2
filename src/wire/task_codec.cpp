// Tasks and result records: the two byte strings that travel and rest unchanged.
#include "wire/codec.hpp"
#include "wire/detail.hpp"

namespace baozi::wire {

namespace {

TaskOptions read_options(Reader& in) {
  TaskOptions options;
  const std::uint32_t count = in.map();
  if (count > limits::options_max) in.fail("more than 64 options");
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    switch (const std::uint64_t key = in.uinteger(); static_cast<Option>(key <= 255 ? key : 0)) {
      case Option::eta: options.eta_us = in.integer(); break;
      case Option::expires: options.expires_us = in.integer(); break;
      case Option::priority: {
        const std::uint64_t priority = in.uinteger();
        if (priority > limits::priority_max) in.fail("priority above 9");
        options.priority = static_cast<std::uint8_t>(priority);
        break;
      }
      case Option::ignore_result: options.ignore_result = in.boolean(); break;
      case Option::acks_early: options.acks_early = in.boolean(); break;
      case Option::generation: {
        const std::uint64_t generation = in.uinteger();
        if (generation > UINT32_MAX) in.fail("generation out of range");
        options.generation = static_cast<std::uint32_t>(generation);
        break;
      }
      case Option::delivery_limit: {
        const std::uint64_t limit = in.uinteger();
        if (limit > 1'000'000) in.fail("delivery limit above 1,000,000");
        options.delivery_limit = static_cast<std::uint32_t>(limit);
        break;
      }
      default: in.skip(); break;
    }
  }
  return options;
}

void skip_rest(Reader& in, std::uint32_t fields, std::uint32_t known) {
  for (std::uint32_t i = known; i < fields && in.ok(); ++i) in.skip();
}

}  // namespace

bool is_valid_name(std::string_view name) {
  if (name.empty() || name.size() > limits::name_bytes_max) return false;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) return false;
  }
  return true;
}

IdView view_of(const TaskId& id) {
  return id.is_uuid() ? IdView{true, id.uuid().view()} : IdView{false, id.text()};
}

IdView read_id(Reader& in) {
  IdView id;
  if (in.kind() == Reader::Kind::bin) {
    id.bytes = in.bin();
    if (id.bytes.size() != 16) in.fail("a binary task id has 16 bytes");
  } else {
    id.uuid = false;
    id.bytes = in.str();
    if (!is_valid_name(id.bytes)) in.fail("a task id is 1 to 255 bytes without control characters");
  }
  return id;
}

void pack_id(Writer& out, const IdView& id) {
  if (id.uuid) {
    out.bin(id.bytes);
  } else {
    out.str(id.bytes);
  }
}

namespace detail {

TaskView read_task(Reader& in) {
  TaskView task;
  const char* const start = in.position();
  const std::uint32_t fields = in.array();
  if (fields < 5) in.fail("a task has five fields");
  task.id = read_id(in);
  task.name = in.str();
  if (!is_valid_name(task.name)) in.fail("a task name is 1 to 255 bytes without control characters");
  if (!in.try_nil()) {
    task.queue = in.str();
    if (!is_valid_name(task.queue)) in.fail("a queue name is 1 to 255 bytes without control characters");
  }
  const char* const options_start = in.position();
  task.options = read_options(in);
  task.raw_options = in.since(options_start);
  task.body = in.bin();
  skip_rest(in, fields, 5);
  if (in.ok()) task.raw = in.since(start);
  return task;
}

RecordView read_record(Reader& in) {
  RecordView record;
  const char* const start = in.position();
  const std::uint32_t fields = in.array();
  if (fields < 7) in.fail("a result record has seven fields");
  record.id = read_id(in);
  record.name = in.str();
  const std::uint64_t state = in.uinteger();
  if (state < 4 || state > 7) in.fail("a result record holds a final state");
  record.state = static_cast<TaskState>(state <= 7 ? state : 4);
  record.body = in.bin();
  record.started_us = in.integer();
  record.finished_us = in.integer();
  const std::uint32_t count = in.map();
  if (count > limits::options_max) in.fail("more than 64 entries of meta");
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    if (in.uinteger() == 1) {
      record.retries = static_cast<std::uint32_t>(in.uinteger());
    } else {
      in.skip();
    }
  }
  skip_rest(in, fields, 7);
  if (in.ok()) record.raw = in.since(start);
  return record;
}

}  // namespace detail

Result<TaskView> decode_task(BytesView raw) {
  Reader in{raw};
  const TaskView task = detail::read_task(in);
  if (in.ok() && !in.at_end()) in.fail("bytes after the task");
  if (!in.ok()) return unexpected(Errc::malformed, in.error());
  return task;
}

Result<std::vector<TaskView>> decode_tasks(BytesView raw, std::uint32_t count_max) {
  std::vector<TaskView> tasks;
  if (raw.empty()) return tasks;
  Reader in{raw};
  const std::uint32_t count = in.array();
  if (count > count_max) return unexpected(Errc::too_large, "too many tasks in one list");
  tasks.reserve(count);
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) tasks.push_back(detail::read_task(in));
  if (in.ok() && !in.at_end()) in.fail("bytes after the list of tasks");
  if (!in.ok()) return unexpected(Errc::malformed, in.error());
  return tasks;
}

Result<RecordView> decode_record(BytesView raw) {
  Reader in{raw};
  const RecordView record = detail::read_record(in);
  if (in.ok() && !in.at_end()) in.fail("bytes after the record");
  if (!in.ok()) return unexpected(Errc::malformed, in.error());
  return record;
}

void pack_task(Writer& out, const IdView& id, std::string_view name, std::string_view queue,
               BytesView raw_options, BytesView body) {
  out.array(5);
  pack_id(out, id);
  out.str(name);
  if (queue.empty()) {
    out.nil();
  } else {
    out.str(queue);
  }
  if (raw_options.empty()) {
    out.map(0);
  } else {
    out.raw(raw_options);
  }
  out.bin(body);
}

void pack_record(Writer& out, const RecordView& record) {
  out.array(7);
  pack_id(out, record.id);
  out.str(record.name);
  out.uinteger(static_cast<std::uint64_t>(record.state));
  out.bin(record.body);
  out.integer(record.started_us);
  out.integer(record.finished_us);
  if (record.retries == 0) {
    out.map(0);
  } else {
    out.map(1);
    out.uinteger(1);
    out.uinteger(record.retries);
  }
}

Bytes pack_failure(std::string_view type, std::string_view message, std::string_view traceback) {
  Bytes bytes;
  Writer out{bytes};
  out.array(3);
  out.str(type);
  out.str(message);
  out.str(traceback);
  return bytes;
}

}  // namespace baozi::wire
