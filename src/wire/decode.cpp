#include <algorithm>

#include "wire/codec.hpp"
#include "wire/detail.hpp"

namespace baozi::wire {

namespace {

/// Reads the fields of one frame in order; `finish` skips what a newer peer added and reports the first error.
class Fields {
 public:
  explicit Fields(OpenFrame& frame) : in{frame.reader}, left_{frame.fields} {}

  /// Call before each known field: false when the frame ends here (then the field keeps its default).
  bool next() {
    if (left_ == 0 || !in.ok()) return false;
    --left_;
    return true;
  }
  /// The same for a field that must be there.
  void must() {
    if (!next()) in.fail("a field is missing");
  }
  Result<void> finish() {
    for (; left_ > 0 && in.ok(); --left_) in.skip();
    if (in.ok() && !in.at_end()) in.fail("bytes after the frame's array");
    if (!in.ok()) return unexpected(Errc::malformed, in.error());
    return {};
  }

  Reader& in;

 private:
  std::uint32_t left_;
};

std::uint32_t bounded(Reader& in, std::uint32_t count, std::uint32_t count_max, const char* why) {
  if (count <= count_max) return count;
  in.fail(why);
  return 0;
}
std::uint32_t array_upto(Reader& in, std::uint32_t count_max) {
  return bounded(in, in.array(), count_max, "array longer than the protocol allows");
}
std::string_view name(Reader& in) {
  const std::string_view text = in.str();
  if (in.ok() && !is_valid_name(text)) in.fail("a name is 1 to 255 bytes without control characters");
  return text;
}
std::string_view text(Reader& in) {
  const std::string_view view = in.str();
  if (view.size() > limits::text_bytes_max) in.fail("text longer than 4096 bytes");
  return view;
}
BytesView origin(Reader& in) {
  if (in.try_nil()) return {};
  const BytesView bytes = in.bin();
  if (in.ok() && bytes.size() != 16) in.fail("an origin has 16 bytes");
  return bytes;
}
std::string_view name_or_nil(Reader& in) { return in.try_nil() ? std::string_view{} : name(in); }

/// An array with a fixed number of known elements and room for more.
class Entry {
 public:
  Entry(Reader& in, std::uint32_t known) : in_{in}, fields_{in.array()}, known_{known} {
    if (fields_ < known) in.fail("an entry has too few fields");
  }
  [[nodiscard]] bool has(std::uint32_t index) const { return fields_ > index; }
  void read_also(std::uint32_t count) { known_ += count; }
  ~Entry() {
    for (std::uint32_t i = known_; i < fields_ && in_.ok(); ++i) in_.skip();
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
  if (value < lowest || value > highest) {
    in.fail("a number stands outside of its range");
    return static_cast<Enum>(lowest);
  }
  return static_cast<Enum>(value);
}

std::uint32_t u32(Reader& in) {
  const std::uint64_t value = in.uinteger();
  if (value > UINT32_MAX) in.fail("a number is larger than 32 bits");
  return static_cast<std::uint32_t>(value);
}

void read_collectors(Reader& in, std::vector<CollectorInfo>& out) {
  out.clear();
  for (std::uint32_t n = array_upto(in, limits::collectors_max); n > 0 && in.ok(); --n) {
    Entry entry{in, 2};
    CollectorInfo info;
    info.name = name(in);
    for (std::uint32_t e = array_upto(in, limits::endpoints_max); e > 0 && in.ok(); --e) {
      info.endpoints.emplace_back(name(in));
    }
    out.push_back(std::move(info));
  }
}

HeldDelivery read_hold(Reader& in) {
  Entry entry{in, 5};
  HeldDelivery hold;
  hold.number = in.uinteger();
  hold.key = in.integer();
  hold.position = in.uinteger();
  hold.phase = enumeration<Hold>(in, 1, 3);
  hold.id = read_id(in);
  return hold;
}

/// A packed array of tasks, checked whole; its raw bytes.
BytesView follow_ups(Reader& in, std::vector<TaskView>* out) {
  const char* const start = in.position();
  std::uint32_t count = array_upto(in, limits::follow_ups_max);
  if (out != nullptr) out->reserve(count);
  const bool any = count > 0;
  for (; count > 0 && in.ok(); --count) {
    const TaskView task = detail::read_task(in);
    if (out != nullptr) out->push_back(task);
  }
  return any && in.ok() ? in.since(start) : BytesView{};
}

void read_ids(Reader& in, std::vector<IdView>& out) {
  out.clear();
  for (std::uint32_t n = array_upto(in, limits::batch_tasks_max); n > 0 && in.ok(); --n) {
    out.push_back(read_id(in));
  }
}

BytesView packed_record(Reader& in) {
  if (in.try_nil()) return {};
  return detail::read_record(in).raw;
}

}  // namespace

Result<OpenFrame> open_frame(BytesView frame) {
  OpenFrame open{.header = {}, .reader = Reader{frame}, .fields = 0};
  Reader& in = open.reader;
  const std::uint32_t fields = in.array();
  if (in.ok() && fields < 4) in.fail("a frame has at least version, type, session and seq");
  const std::uint64_t version = in.uinteger();
  if (!in.ok()) return unexpected(Errc::malformed, in.error());
  if (version != protocol_version) return unexpected(Errc::unknown_version, "version is not 1");
  const std::uint64_t type = in.uinteger();
  open.header.session = in.uinteger();
  open.header.seq = in.uinteger();
  if (!in.ok()) return unexpected(Errc::malformed, in.error());
  static constexpr std::uint8_t known[] = {1,  2,  3,  4,  5,  6,  7,  10, 11, 20, 21, 22,
                                           23, 24, 30, 31, 32, 33, 34, 35, 36, 40, 41, 50};
  if (type > 255 || !std::binary_search(std::begin(known), std::end(known), type)) {
    return unexpected(Errc::unknown_type, "unknown message type");
  }
  open.header.type = static_cast<Type>(type);
  open.fields = fields - 4;
  return open;
}

Result<void> decode(OpenFrame& frame, Hello& out) {
  Fields f{frame};
  out = {};
  f.must(), out.nonce = f.in.uinteger();
  f.must(), out.role = enumeration<Role>(f.in, 1, 6);
  f.must(), out.name = name(f.in);
  f.must(), out.incarnation = f.in.uinteger();
  f.must();
  for (std::uint32_t n = bounded(f.in, f.in.map(), limits::options_max, "more than 64 facts"); n > 0 && f.in.ok(); --n) {
    switch (f.in.uinteger()) {
      case 1: out.origin = origin(f.in); break;
      case 2:
        for (std::uint32_t q = array_upto(f.in, limits::queues_per_worker_max); q > 0 && f.in.ok(); --q) {
          out.queues.push_back(name(f.in));
        }
        break;
      case 3: out.concurrency = u32(f.in); break;
      case 4: out.software = text(f.in); break;
      case 5: out.host = text(f.in); break;
      case 6: out.pid = f.in.uinteger(); break;
      case 7:
        for (std::uint32_t e = array_upto(f.in, limits::endpoints_max); e > 0 && f.in.ok(); --e) {
          out.endpoints.push_back(name(f.in));
        }
        break;
      case 8: out.durable_results = f.in.boolean(); break;
      default: f.in.skip(); break;
    }
  }
  if (f.next()) {
    for (std::uint32_t n = array_upto(f.in, limits::holds_max); n > 0 && f.in.ok(); --n) {
      out.holds.push_back(read_hold(f.in));
    }
  }
  return f.finish();
}

Result<void> decode(OpenFrame& frame, Welcome& out) {
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
  return f.finish();
}

Result<void> decode(OpenFrame& frame, Ping&) { return Fields{frame}.finish(); }
Result<void> decode(OpenFrame& frame, Pong&) { return Fields{frame}.finish(); }

Result<void> decode(OpenFrame& frame, Goodbye& out) {
  Fields f{frame};
  out = {};
  if (f.next()) out.reason = text(f.in);
  return f.finish();
}

Result<void> decode(OpenFrame& frame, ErrorMessage& out) {
  Fields f{frame};
  f.must(), out.code = enumeration<ErrorCode>(f.in, 1, 255);
  f.must(), out.text = text(f.in);
  return f.finish();
}

Result<void> decode(OpenFrame& frame, Collectors& out) {
  Fields f{frame};
  f.must(), read_collectors(f.in, out.collectors);
  return f.finish();
}

Result<void> decode(OpenFrame& frame, Submit& out) {
  Fields f{frame};
  out.tasks.clear();
  f.must(), out.number = f.in.uinteger();
  f.must(), out.origin = origin(f.in);
  f.must(), out.home = name_or_nil(f.in);
  f.must(), out.flags = f.in.uinteger();
  f.must();
  const std::uint32_t count = array_upto(f.in, limits::batch_tasks_max);
  out.tasks.reserve(count);
  for (std::uint32_t i = 0; i < count && f.in.ok(); ++i) out.tasks.push_back(detail::read_task(f.in));
  if (f.in.ok() && out.number == 0) f.in.fail("batches are numbered from 1");
  if (f.in.ok() && count == 0) f.in.fail("a batch holds at least one task");
  return f.finish();
}

Result<void> decode(OpenFrame& frame, Submitted& out) {
  Fields f{frame};
  out.refusals.clear();
  f.must(), out.upto = f.in.uinteger();
  if (f.next()) {
    for (std::uint32_t n = array_upto(f.in, limits::batch_tasks_max); n > 0 && f.in.ok(); --n) {
      Entry entry{f.in, 6};
      BatchRefusal refusal;
      refusal.number = f.in.uinteger();
      refusal.code = enumeration<Refusal>(f.in, 1, 3);
      refusal.reason = enumeration<Reason>(f.in, 0, 255);
      refusal.expected = f.in.uinteger();
      refusal.retry_after_us = f.in.uinteger();
      for (std::uint32_t t = array_upto(f.in, limits::batch_tasks_max); t > 0 && f.in.ok(); --t) {
        Entry task_entry{f.in, 3};
        TaskRefusal task;
        task.index = u32(f.in);
        task.reason = enumeration<Reason>(f.in, 0, 255);
        task.text = text(f.in);
        refusal.tasks.push_back(task);
      }
      out.refusals.push_back(std::move(refusal));
    }
  }
  return f.finish();
}

Result<void> decode(OpenFrame& frame, Credit& out) {
  Fields f{frame};
  f.must(), out.count = f.in.uinteger();
  f.must(), out.bytes = f.in.uinteger();
  f.must(), out.returned = f.in.uinteger();
  f.must(), out.returned_bytes = f.in.uinteger();
  return f.finish();
}

Result<void> decode(OpenFrame& frame, Deliver& out) {
  Fields f{frame};
  f.must();
  const std::uint32_t groups = array_upto(f.in, limits::groups_max);
  out.groups.resize(std::min<std::uint32_t>(groups, 16));  // grows below, as far as the bytes prove it
  std::uint32_t g = 0;
  for (; g < groups && f.in.ok(); ++g) {
    if (g >= out.groups.size()) out.groups.emplace_back();
    DeliveryGroup& group = out.groups[g];
    group.deliveries.clear();
    Entry group_entry{f.in, 3};
    group.origin = origin(f.in);
    group.home = name_or_nil(f.in);
    const std::uint32_t count = array_upto(f.in, limits::batch_tasks_max);
    group.deliveries.reserve(count);
    for (std::uint32_t i = 0; i < count && f.in.ok(); ++i) {
      Entry entry{f.in, 7};
      Delivery& delivery = group.deliveries.emplace_back();
      delivery.number = f.in.uinteger();
      delivery.key = f.in.integer();
      delivery.position = f.in.uinteger();
      delivery.count = u32(f.in);
      delivery.retries = u32(f.in);
      delivery.flags = f.in.uinteger();
      delivery.task = detail::read_task(f.in);
    }
  }
  out.groups.resize(g);
  return f.finish();
}

Result<void> decode(OpenFrame& frame, Done& out) {
  Fields f{frame};
  out.entries.clear();
  f.must(), out.first = f.in.uinteger();
  f.must();
  const std::uint32_t count = array_upto(f.in, limits::batch_tasks_max);
  out.entries.reserve(count);
  for (std::uint32_t i = 0; i < count && f.in.ok(); ++i) {
    Entry entry{f.in, 4};
    Settlement& settlement = out.entries.emplace_back();
    settlement.number = f.in.uinteger();
    settlement.state = enumeration<TaskState>(f.in, 4, 7);
    settlement.flags = f.in.uinteger();
    settlement.raw_follow_ups = follow_ups(f.in, &settlement.follow_ups);
    if (entry.has(4)) {
      entry.read_also(1);
      settlement.record = packed_record(f.in);
    }
  }
  return f.finish();
}

Result<void> decode(OpenFrame& frame, DoneOk& out) {
  Fields f{frame};
  out.exceptions.clear();
  f.must(), out.upto = f.in.uinteger();
  if (f.next()) {
    for (std::uint32_t n = array_upto(f.in, limits::batch_tasks_max); n > 0 && f.in.ok(); --n) {
      Entry entry{f.in, 2};
      SettledException exception;
      exception.entry = f.in.uinteger();
      exception.code = enumeration<Settled>(f.in, 0, 255);
      out.exceptions.push_back(exception);
    }
  }
  return f.finish();
}

Result<void> decode(OpenFrame& frame, Nack& out) {
  Fields f{frame};
  out.entries.clear();
  f.must(), out.first = f.in.uinteger();
  f.must();
  for (std::uint32_t n = array_upto(f.in, limits::batch_tasks_max); n > 0 && f.in.ok(); --n) {
    Entry entry{f.in, 4};
    NackEntry nack;
    nack.number = f.in.uinteger();
    nack.kind = enumeration<NackKind>(f.in, 1, 3);
    nack.delay_us = f.in.uinteger();
    nack.reason = text(f.in);
    out.entries.push_back(nack);
  }
  return f.finish();
}

Result<void> decode(OpenFrame& frame, ResultMessage& out) {
  Fields f{frame};
  f.must(), out.first = f.in.uinteger();
  f.must();
  const std::uint32_t groups = array_upto(f.in, limits::groups_max);
  out.groups.resize(std::min<std::uint32_t>(groups, 16));
  std::uint32_t g = 0;
  for (; g < groups && f.in.ok(); ++g) {
    if (g >= out.groups.size()) out.groups.emplace_back();
    ResultGroup& group = out.groups[g];
    group.entries.clear();
    Entry group_entry{f.in, 3};
    group.origin = origin(f.in);
    group.worker = name_or_nil(f.in);
    const std::uint32_t count = array_upto(f.in, limits::batch_tasks_max);
    group.entries.reserve(count);
    for (std::uint32_t i = 0; i < count && f.in.ok(); ++i) {
      Entry fields{f.in, 5};
      ResultEntry& entry = group.entries.emplace_back();
      entry.number = f.in.uinteger();
      entry.generation = u32(f.in);
      entry.flags = f.in.uinteger();
      entry.record = detail::read_record(f.in);
      entry.raw_follow_ups = follow_ups(f.in, nullptr);
    }
  }
  out.groups.resize(g);
  return f.finish();
}

Result<void> decode(OpenFrame& frame, Stored& out) {
  Fields f{frame};
  out.losses.clear();
  f.must(), out.upto = f.in.uinteger();
  if (f.next()) {
    for (std::uint32_t n = array_upto(f.in, limits::batch_tasks_max); n > 0 && f.in.ok(); --n) {
      Entry entry{f.in, 5};
      ResultLoss loss;
      loss.entry = f.in.uinteger();
      loss.code = enumeration<Lost>(f.in, 1, 2);
      loss.record = packed_record(f.in);
      loss.raw_follow_ups = follow_ups(f.in, nullptr);
      loss.text = text(f.in);
      out.losses.push_back(loss);
    }
  }
  return f.finish();
}

Result<void> decode(OpenFrame& frame, Watch& out) {
  Fields f{frame};
  f.must(), out.flags = f.in.uinteger();
  f.must(), read_ids(f.in, out.ids);
  return f.finish();
}

Result<void> decode(OpenFrame& frame, StateMessage& out) {
  Fields f{frame};
  out.groups.clear();
  f.must();
  for (std::uint32_t g = array_upto(f.in, limits::groups_max); g > 0 && f.in.ok(); --g) {
    Entry group_entry{f.in, 3};
    StateGroup& group = out.groups.emplace_back();
    group.origin = origin(f.in);
    group.worker = name_or_nil(f.in);
    for (std::uint32_t n = array_upto(f.in, limits::batch_tasks_max); n > 0 && f.in.ok(); --n) {
      Entry fields{f.in, 3};
      StateEntry& entry = group.entries.emplace_back();
      entry.id = read_id(f.in);
      entry.state = name(f.in);
      entry.meta = f.in.skip();
    }
  }
  return f.finish();
}

Result<void> decode(OpenFrame& frame, Fetch& out) {
  Fields f{frame};
  f.must(), out.request = f.in.uinteger();
  f.must(), read_ids(f.in, out.ids);
  return f.finish();
}

Result<void> decode(OpenFrame& frame, Fetched& out) {
  Fields f{frame};
  out.entries.clear();
  f.must(), out.request = f.in.uinteger();
  f.must();
  for (std::uint32_t n = array_upto(f.in, limits::batch_tasks_max); n > 0 && f.in.ok(); --n) {
    Entry fields{f.in, 8};
    FetchedEntry& entry = out.entries.emplace_back();
    entry.id = read_id(f.in);
    entry.state = enumeration<TaskState>(f.in, 0, 7);
    entry.generation = u32(f.in);
    entry.number = f.in.uinteger();
    entry.incarnation = f.in.uinteger();
    entry.worker = name_or_nil(f.in);
    entry.record = packed_record(f.in);
    entry.raw_follow_ups = follow_ups(f.in, nullptr);
  }
  return f.finish();
}

Result<void> decode(OpenFrame& frame, Forget& out) {
  Fields f{frame};
  f.must(), out.request = f.in.uinteger();
  f.must(), read_ids(f.in, out.ids);
  return f.finish();
}

Result<void> decode(OpenFrame& frame, Control& out) {
  Fields f{frame};
  f.must(), out.request = f.in.uinteger();
  f.must(), out.command = name(f.in);
  f.must(), out.arguments = f.in.skip();
  if (f.in.ok() && Reader{out.arguments}.kind() != Reader::Kind::map) f.in.fail("the arguments of a control are a map");
  return f.finish();
}

Result<void> decode(OpenFrame& frame, Reply& out) {
  Fields f{frame};
  f.must(), out.request = f.in.uinteger();
  f.must(), out.code = f.in.uinteger();
  f.must(), out.payload = f.in.skip();
  return f.finish();
}

Result<void> decode(OpenFrame& frame, Revoke& out) {
  Fields f{frame};
  f.must(), out.request = f.in.uinteger();
  f.must(), out.flags = f.in.uinteger();
  f.must(), read_ids(f.in, out.ids);
  return f.finish();
}

}  // namespace baozi::wire
