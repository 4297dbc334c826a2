// Frames to messages. Lists are sized once, after their count was checked against the bytes that
// are left, and their elements are read in place: an element of an earlier frame is overwritten,
// field by field.
#include "wire/codec.hpp"
#include "wire/detail.hpp"

namespace baozi::wire {

namespace {

namespace bytes_min = detail::bytes_min;

/// Reads the fields of one frame in order; `finish` skips what a newer peer added and reports the
/// first error.
class Fields {
 public:
  explicit Fields(const OpenFrame& frame) : in{frame.reader}, left_{frame.fields} {}

  /// Call before each known field: false when the frame ends here (then the field keeps its
  /// default).
  bool next() {
    if (left_ == 0 || !in.ok()) return false;
    --left_;
    return true;
  }
  /// The same for a field that must be there.
  void must() {
    if (!next()) [[unlikely]]
      in.fail("a field is missing");
  }
  Result<void> finish() {
    for (; left_ > 0 && in.ok(); --left_) in.skip();
    if (in.ok() && !in.at_end()) in.fail("bytes after the frame's array");
    if (in.ok()) [[likely]]
      return {};
    return unexpected(in.over_limit() ? Errc::too_large : Errc::malformed, in.error());
  }
  /// The same; a list that was read only in part is emptied, so that nobody meets half a message.
  template <class List>
  Result<void> finish(List& list) {
    Result<void> all = finish();
    if (!all) list.clear();
    return all;
  }

  Reader
      in;  // a copy: a frame can be decoded again, and the compiler keeps the cursor in registers

 private:
  std::uint32_t left_;
};

std::uint32_t bounded(Reader& in, std::uint32_t count, std::uint32_t count_max, const char* why) {
  if (count <= count_max) [[likely]]
    return count;
  in.fail_limit(why);
  return 0;
}
std::uint32_t array_upto(Reader& in, std::uint32_t count_max, std::size_t bytes_each) {
  return bounded(in, in.array(bytes_each), count_max, "array longer than the protocol allows");
}
std::string_view name(Reader& in) {
  const std::string_view text = in.str();
  detail::check_name(in, text, "a name is longer than 255 bytes",
                     "a name is 1 to 255 bytes of UTF-8 without control characters");
  return text;
}
std::string_view text(Reader& in) {
  const std::string_view view = in.str();
  if (view.size() > limits::text_bytes_max) in.fail_limit("text longer than 4096 bytes");
  return view;
}
BytesView origin(Reader& in) {
  const BytesView bytes = in.bin();
  if (bytes.size() != 16) in.fail("an origin has 16 bytes");
  return bytes;
}
BytesView origin_or_nil(Reader& in) { return in.try_nil() ? BytesView{} : origin(in); }
std::string_view name_or_nil(Reader& in) { return in.try_nil() ? std::string_view{} : name(in); }

/// An array with a fixed number of known elements and room for more.
class Entry {
 public:
  Entry(Reader& in, std::uint32_t known) : in_{in}, fields_{in.array()}, known_{known} {
    if (fields_ < known) [[unlikely]]
      in.fail("an entry has too few fields");
  }
  [[nodiscard]] bool has(std::uint32_t index) const { return fields_ > index; }
  void read_also(std::uint32_t count) { known_ += count; }
  ~Entry() {
    if (fields_ > known_) [[unlikely]]
      detail::skip_rest(in_, fields_, known_);
  }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

 private:
  Reader& in_;
  std::uint32_t fields_;
  std::uint32_t known_;
};

template <class Enum>
Enum enumeration(Reader& in, std::uint64_t lowest, std::uint64_t highest) {
  const std::uint64_t value = in.uinteger();
  if (value < lowest || value > highest) [[unlikely]] {
    in.fail("a number stands outside of its range");
    return static_cast<Enum>(lowest);
  }
  return static_cast<Enum>(value);
}

std::uint32_t u32(Reader& in) {
  const std::uint64_t value = in.uinteger();
  if (value > UINT32_MAX) [[unlikely]]
    in.fail("a number is larger than 32 bits");
  return static_cast<std::uint32_t>(value);
}

void read_names(Reader& in, std::uint32_t count_max, std::vector<std::string_view>& out) {
  const std::uint32_t count = array_upto(in, count_max, bytes_min::name);
  out.clear();
  out.reserve(count);
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) out.push_back(name(in));
}

void read_collectors(Reader& in, std::vector<CollectorInfo>& out) {
  const std::uint32_t count = array_upto(in, limits::collectors_max, 2 + bytes_min::name);
  out.clear();
  out.reserve(count);
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    Entry entry{in, 2};
    CollectorInfo& info = out.emplace_back();
    info.name = name(in);
    const std::uint32_t endpoints = array_upto(in, limits::endpoints_max, bytes_min::name);
    info.endpoints.reserve(endpoints);
    for (std::uint32_t e = 0; e < endpoints && in.ok(); ++e) info.endpoints.emplace_back(name(in));
  }
}

void read_hold(Reader& in, HeldDelivery& hold) {
  Entry entry{in, 5};
  hold.number = in.uinteger();
  hold.key = in.integer();
  hold.position = in.uinteger();
  hold.phase = enumeration<Hold>(in, 1, 3);
  detail::read_id(in, hold.id);
}

void read_limits(Reader& in, std::vector<TaskLimit>& out) {
  const std::uint32_t count = array_upto(in, limits::queues_per_worker_max, bytes_min::name);
  out.resize(count);
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    Entry entry{in, 3};
    out[i].name = name(in);
    out[i].concurrency = u32(in);
    out[i].interval_us = in.uinteger();
  }
}

/// The map of facts in HELLO; keys that we do not know are skipped.
void read_facts(Reader& in, Hello& out) {
  std::uint32_t left = bounded(in, in.map(), limits::options_max, "more than 64 facts");
  detail::Keys keys{in};
  for (; left > 0 && in.ok(); --left) {
    switch (keys.next()) {
      case 1: out.origin = origin(in); break;
      case 2: read_names(in, limits::queues_per_worker_max, out.queues); break;
      case 3: out.concurrency = u32(in); break;
      case 4: out.software = text(in); break;
      case 5: out.host = text(in); break;
      case 6: out.pid = in.uinteger(); break;
      case 7: read_names(in, limits::endpoints_max, out.endpoints); break;
      case 8: out.durable_results = in.boolean(); break;
      case 10: read_names(in, limits::labels_max, out.labels); break;
      case 11: read_names(in, limits::queues_per_worker_max, out.early); break;
      case 12: read_limits(in, out.limits); break;
      default: in.skip(); break;
    }
  }
}

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

/// A packed array of tasks, checked whole; its raw bytes, empty for none.
BytesView follow_ups(Reader& in) {
  const char* const start = in.position();
  const std::uint32_t count = array_upto(in, limits::follow_ups_max, bytes_min::task);
  if (count == 0) [[likely]]
    return {};
  TaskView task;
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) detail::read_task(in, task);
  return in.ok() ? in.since(start) : BytesView{};
}
BytesView follow_ups(Reader& in, std::vector<TaskView>& out) {
  const char* const start = in.position();
  const std::uint32_t count = array_upto(in, limits::follow_ups_max, bytes_min::task);
  out.resize(count);
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) detail::read_task(in, out[i]);
  return count > 0 && in.ok() ? in.since(start) : BytesView{};
}

void read_ids(Reader& in, std::vector<IdView>& out) {
  const std::uint32_t count = array_upto(in, limits::batch_tasks_max, bytes_min::id);
  out.resize(count);
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) detail::read_id(in, out[i]);
}

BytesView record_or_nil(Reader& in) {
  if (in.try_nil()) return {};
  return detail::read_record(in).raw;
}

/// One bit per message type that we know.
constexpr std::uint64_t known_types = [] {
  std::uint64_t bits = 0;
  for (const Type type :
       {Type::hello,   Type::welcome,    Type::ping,    Type::pong,      Type::goodbye,
        Type::error,   Type::collectors, Type::submit,  Type::submitted, Type::credit,
        Type::deliver, Type::done,       Type::done_ok, Type::nack,      Type::result,
        Type::stored,  Type::watch,      Type::state,   Type::fetch,     Type::fetched,
        Type::forget,  Type::control,    Type::reply,   Type::revoke,    Type::queues,
        Type::events,  Type::events_ok,  Type::follow,  Type::followed}) {
    bits |= std::uint64_t{1} << static_cast<unsigned>(type);
  }
  return bits;
}();

}  // namespace

Result<OpenFrame> open_frame(BytesView frame) {
  if (frame.size() > limits::frame_bytes_max)
    return unexpected(Errc::too_large, "a frame above 8 MiB");
  OpenFrame open{.header = {}, .reader = Reader{frame}, .fields = 0};
  Reader& in = open.reader;
  const std::uint32_t fields = in.array();
  if (fields == 0) in.fail("an empty frame");
  const std::uint64_t version = in.uinteger();
  if (!in.ok()) return unexpected(Errc::malformed, in.error());
  if (version != protocol_version) return unexpected(Errc::unknown_version, "version is not 1");
  if (fields < 4) in.fail("a frame has at least version, type, session and seq");
  const std::uint64_t type = in.uinteger();
  open.header.session = in.uinteger();
  open.header.seq = in.uinteger();
  if (!in.ok()) return unexpected(Errc::malformed, in.error());
  if (type > 63 || (known_types >> type & 1U) == 0) {
    return unexpected(Errc::unknown_type, "unknown message type");
  }
  open.header.type = static_cast<Type>(type);
  open.fields = fields - 4;
  return open;
}

FrameNumbers peek_numbers(BytesView frame) {
  Reader in{frame};
  FrameNumbers numbers;
  in.array();
  in.uinteger();  // the version
  numbers.type = in.uinteger();
  numbers.session = in.uinteger();
  numbers.seq = in.uinteger();
  return numbers;
}

Result<void> decode(const OpenFrame& frame, Hello& out) {
  Fields f{frame};
  out = {};
  f.must(), out.nonce = f.in.uinteger();
  f.must(), out.role = enumeration<Role>(f.in, 1, 7);
  f.must(), out.name = name(f.in);
  f.must(), out.incarnation = f.in.uinteger();
  f.must(), read_facts(f.in, out);
  if (f.next()) {
    const std::uint32_t count = array_upto(f.in, limits::holds_max, bytes_min::hold);
    out.holds.resize(count);
    for (std::uint32_t i = 0; i < count && f.in.ok(); ++i) read_hold(f.in, out.holds[i]);
  }
  return f.finish(out.holds);
}

Result<void> decode(const OpenFrame& frame, Welcome& out) {
  Fields f{frame};
  out = {};
  f.must(), out.nonce = f.in.uinteger();
  f.must(), out.name = name(f.in);
  f.must(), out.incarnation = f.in.uinteger();
  f.must(), out.epoch = f.in.uinteger();
  f.must(), out.heartbeat_us = f.in.uinteger();
  f.must(), out.liveness_us = f.in.uinteger();
  f.must(), out.frame_bytes_max = f.in.uinteger();
  f.must(), out.task_bytes_max = f.in.uinteger();
  f.must(), read_collectors(f.in, out.collectors);
  if (f.next() && !f.in.try_nil()) {
    Entry entry{f.in, 3};
    out.resume.emplace();
    out.resume->known = f.in.boolean();
    out.resume->accepted = f.in.uinteger();
    out.resume->committed = f.in.uinteger();
  }
  if (f.in.ok() &&
      (out.heartbeat_us < limits::heartbeat_us_min || out.liveness_us < out.heartbeat_us ||
       out.liveness_us > limits::liveness_us_max)) {
    f.in.fail("heartbeat or liveness outside of its range");
  }
  if (f.in.ok() && frame.header.session == 0) f.in.fail("a session's number is above 0");
  return f.finish(out.collectors);
}

Result<void> decode(const OpenFrame& frame, Ping&) { return Fields{frame}.finish(); }
Result<void> decode(const OpenFrame& frame, Pong&) { return Fields{frame}.finish(); }

Result<void> decode(const OpenFrame& frame, Goodbye& out) {
  Fields f{frame};
  out = {};
  if (f.next()) out.reason = text(f.in);
  return f.finish();
}

Result<void> decode(const OpenFrame& frame, ErrorMessage& out) {
  Fields f{frame};
  out = {};
  f.must(), out.code = enumeration<ErrorCode>(f.in, 1, 255);
  f.must(), out.text = text(f.in);
  if (f.next()) out.about = f.in.uinteger();
  if (f.next() && !f.in.try_nil()) {
    Entry versions{f.in, 2};
    out.version_min = f.in.uinteger();
    out.version_max = f.in.uinteger();
  }
  return f.finish();
}

Result<void> decode(const OpenFrame& frame, Collectors& out) {
  Fields f{frame};
  f.must(), read_collectors(f.in, out.collectors);
  return f.finish(out.collectors);
}

Result<void> decode(const OpenFrame& frame, Submit& out) {
  Fields f{frame};
  f.must(), out.number = f.in.uinteger();
  f.must(), out.origin = origin(f.in);
  f.must(), out.home = name_or_nil(f.in);
  f.must(), out.flags = f.in.uinteger();
  f.must();
  const std::uint32_t count = array_upto(f.in, limits::batch_tasks_max, bytes_min::task);
  out.tasks.resize(count);
  for (std::uint32_t i = 0; i < count && f.in.ok(); ++i) detail::read_task(f.in, out.tasks[i]);
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
      detail::read_task(f.in, delivery.task);
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
      detail::read_record(f.in, entry.record);
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
      detail::read_id(f.in, entry.id);
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
    detail::read_id(f.in, entry.id);
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
    if (event.has_id) detail::read_id(in, event.id);
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
