// Tasks and result records: the two byte strings that travel and rest unchanged.
#include "wire/codec.hpp"
#include "wire/detail.hpp"

namespace baozi::wire {

namespace detail {

namespace {

std::uint32_t upto(Reader& in, std::uint64_t value_max, const char* why) {
  const std::uint64_t value = in.uinteger();
  if (value > value_max) in.fail(why);
  return static_cast<std::uint32_t>(value);
}

/// A key is a name of its own kind.
std::string_view read_key(Reader& in) {
  const std::string_view key = in.str();
  check_name(in, key, "a key is longer than 255 bytes",
             "a key is 1 to 255 bytes of UTF-8 without control characters");
  return key;
}

void read_unique(Reader& in, TaskKeys& keys) {
  if (in.kind() == Reader::Kind::str) {  // the short form
    keys.unique = read_key(in);
    return;
  }
  const std::uint32_t fields = in.array();
  if (fields < 3) return in.fail("a unique key has three fields: key, window, until");
  keys.unique = read_key(in);
  keys.window_us = in.uinteger();
  keys.until_started = upto(in, 1, "a unique key is held until 0 started or 1 finished") == 0;
  skip_rest(in, fields, 3);
}

void read_concurrency(Reader& in, TaskKeys& keys) {
  const std::uint32_t fields = in.array();
  if (fields < 2) return in.fail("a concurrency key has two fields: key, limit");
  keys.concurrency = read_key(in);
  keys.concurrency_limit = upto(in, UINT32_MAX, "a concurrency limit out of range");
  if (keys.concurrency_limit == 0) in.fail("a concurrency limit is 1 or more");
  skip_rest(in, fields, 2);
}

void read_some_options(Reader& in, std::uint32_t count, TaskOptions& options) {
  if (count > limits::options_max) in.fail_limit("more than 64 options");
  Keys keys{in};
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    const std::uint64_t key = keys.next();
    if (key > 255) {
      in.skip();
      continue;
    }
    switch (static_cast<Option>(key)) {
      case Option::eta: options.eta_us = in.integer(); break;
      case Option::expires: options.expires_us = in.integer(); break;
      case Option::priority:
        options.priority =
            static_cast<std::uint8_t>(upto(in, limits::priority_max, "priority above 9"));
        break;
      case Option::ignore_result: options.ignore_result = in.boolean(); break;
      case Option::acks_early: options.acks_early = in.boolean(); break;
      case Option::generation:
        options.generation = upto(in, UINT32_MAX, "generation out of range");
        break;
      case Option::delivery_limit:
        options.delivery_limit =
            upto(in, limits::delivery_limit_max, "delivery limit above 1,000,000");
        break;
      case Option::once_until: options.once_until_us = in.integer(); break;
      case Option::ordering_key:
        options.keyed = true;
        read_key(in);
        break;
      case Option::unique: {
        TaskKeys checked;
        options.keyed = true;
        read_unique(in, checked);
        break;
      }
      case Option::concurrency: {
        TaskKeys checked;
        options.keyed = true;
        read_concurrency(in, checked);
        break;
      }
      case Option::home:
        options.homed = true;
        read_key(in);
        break;
      case Option::labels: {
        const char* const start = in.position();
        const std::uint32_t labels = in.array(2);
        if (labels > limits::labels_max) in.fail_limit("more than 16 labels");
        for (std::uint32_t n = 0; n < labels && in.ok(); ++n) {
          const std::string_view label = in.str();
          if (in.ok() && !label_problem(label).empty())
            in.fail("a label is \"key\" or \"key=value\"");
        }
        if (labels > 0 && in.ok()) options.labels = in.since(start);
        break;
      }
      default: in.skip(); break;
    }
  }
}

/// One character of UTF-8 as RFC 3629 allows it: its length, or 0.
std::size_t utf8_length(const unsigned char* at, std::size_t left) {
  const auto tail = [&](std::size_t i) { return (at[i] & 0xC0U) == 0x80; };
  const unsigned char head = at[0];
  if (head < 0x80) return 1;
  if (head >= 0xC2 && head < 0xE0) return left >= 2 && tail(1) ? 2 : 0;
  if (head >= 0xE0 && head < 0xF0) {
    if (left < 3 || !tail(1) || !tail(2)) return 0;
    if (head == 0xE0 && at[1] < 0xA0) return 0;   // longer than need be
    if (head == 0xED && at[1] >= 0xA0) return 0;  // half of a surrogate pair
    return 3;
  }
  if (head >= 0xF0 && head < 0xF5) {
    if (left < 4 || !tail(1) || !tail(2) || !tail(3)) return 0;
    if (head == 0xF0 && at[1] < 0x90) return 0;
    if (head == 0xF4 && at[1] >= 0x90) return 0;  // beyond U+10FFFF
    return 4;
  }
  return 0;
}

}  // namespace

bool is_valid_utf8_name(std::string_view name) {
  const auto* at = reinterpret_cast<const unsigned char*>(name.data());
  for (std::size_t left = name.size(); left > 0;) {
    if (*at < 0x20 || *at == 0x7F) return false;
    const std::size_t length = utf8_length(at, left);
    if (length == 0) return false;
    at += length;
    left -= length;
  }
  return true;
}

void fail_name(Reader& in, std::string_view name, const char* too_long, const char* malformed) {
  if (name.size() > limits::name_bytes_max) {
    in.fail_limit(too_long);
  } else {
    in.fail(malformed);
  }
}

void read_text_id(Reader& in, IdView& id) {
  id.uuid = false;
  id.bytes = in.str();
  check_name(in, id.bytes, "a task id is longer than 255 bytes",
             "a task id is 1 to 255 bytes of UTF-8 without control characters");
  if (id.bytes == "00000000-0000-0000-0000-000000000000") in.fail("the nil UUID is nobody's id");
}

void read_options(Reader& in, TaskOptions& options) {
  if (const std::uint32_t count = in.map(); count > 0) read_some_options(in, count, options);
}

void read_meta(Reader& in, RecordView& record) {
  const std::uint32_t count = in.map();
  if (count > limits::options_max) in.fail_limit("more than 64 entries of meta");
  Keys keys{in};
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    switch (keys.next()) {
      case 1: record.retries = upto(in, UINT32_MAX, "retries out of range"); break;
      case 2: record.exhausted = in.boolean(); break;
      default: in.skip(); break;
    }
  }
}

void skip_rest(Reader& in, std::uint32_t fields, std::uint32_t known) {
  for (std::uint32_t i = known; i < fields && in.ok(); ++i) in.skip();
}

}  // namespace detail

bool is_valid_name(std::string_view name) {
  return !name.empty() && name.size() <= limits::name_bytes_max &&
         (detail::is_plain(name) || detail::is_valid_utf8_name(name));
}

TaskKeys read_keys(BytesView raw_options) {
  TaskKeys keys;
  Reader in{raw_options};
  for (std::uint32_t left = in.map(); left > 0 && in.ok(); --left) {
    switch (in.uinteger()) {
      case static_cast<std::uint64_t>(Option::ordering_key):
        keys.ordering = detail::read_key(in);
        break;
      case static_cast<std::uint64_t>(Option::unique): detail::read_unique(in, keys); break;
      case static_cast<std::uint64_t>(Option::concurrency):
        detail::read_concurrency(in, keys);
        break;
      case static_cast<std::uint64_t>(Option::home): keys.home = detail::read_key(in); break;
      default: in.skip(); break;
    }
  }
  return in.ok() ? keys : TaskKeys{};
}

std::string label_problem(std::string_view label) {
  if (!is_valid_name(label)) return "a label is 1 to 255 bytes without control characters";
  if (label.front() == '=') return "a label begins with its key: 'key' or 'key=value'";
  return {};
}

std::vector<std::string_view> read_labels(BytesView labels) {
  std::vector<std::string_view> list;
  if (labels.empty()) return list;
  Reader in{labels};
  for (std::uint32_t n = in.array(); n > 0 && in.ok(); --n) list.push_back(in.str());
  return list;
}

IdView view_of(const TaskId& id) {
  return id.is_uuid() ? IdView{true, id.uuid().view()} : IdView{false, id.text()};
}

IdView read_id(Reader& in) {
  IdView id;
  detail::read_id(in, id);
  return id;
}

void pack_id(Writer& out, const IdView& id) {
  if (id.uuid) {
    out.bin(id.bytes);
  } else {
    out.str(id.bytes);
  }
}

namespace {

/// Whether the whole input was one good value.
Result<void> whole(Reader& in, const char* trailing) {
  if (in.ok() && !in.at_end()) in.fail(trailing);
  if (in.ok()) return {};
  return unexpected(in.over_limit() ? Errc::too_large : Errc::malformed, in.error());
}

}  // namespace

Result<TaskView> decode_task(BytesView raw) {
  Reader in{raw};
  TaskView task = detail::read_task(in);
  if (const auto all = whole(in, "bytes after the task"); !all) return Unexpected{all.error()};
  return task;
}

Result<std::vector<TaskView>> decode_tasks(BytesView raw, std::uint32_t count_max) {
  std::vector<TaskView> tasks;
  if (raw.empty()) return tasks;
  Reader in{raw};
  const std::uint32_t count = in.array(detail::bytes_min::task);
  if (count > count_max) return unexpected(Errc::too_large, "too many tasks in one list");
  tasks.resize(count);
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) detail::read_task(in, tasks[i]);
  if (const auto all = whole(in, "bytes after the list of tasks"); !all)
    return Unexpected{all.error()};
  return tasks;
}

Result<RecordView> decode_record(BytesView raw) {
  Reader in{raw};
  RecordView record = detail::read_record(in);
  if (const auto all = whole(in, "bytes after the record"); !all) return Unexpected{all.error()};
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
  out.map((record.retries == 0 ? 0U : 1U) + (record.exhausted ? 1U : 0U));
  if (record.retries != 0) out.uinteger(1), out.uinteger(record.retries);
  if (record.exhausted) out.uinteger(2), out.boolean(true);
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
