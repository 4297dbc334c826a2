// Frames to messages: the frame itself, and what opens, keeps and ends a session.
#include "wire/decode_fields.hpp"

namespace baozi::wire {

using namespace detail;

namespace {

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
  read_id(in, hold.id);
}

/// The map of facts in HELLO; keys that we do not know are skipped.
void read_facts(Reader& in, Hello& out) {
  std::uint32_t left = bounded(in, in.map(), limits::options_max, "more than 64 facts");
  Keys keys{in};
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

/// One bit per message type that we know.
constexpr std::uint64_t known_types = [] {
  std::uint64_t bits = 0;
  for (const Type type :
       {Type::hello,   Type::welcome,    Type::ping,    Type::pong,      Type::goodbye,
        Type::error,   Type::collectors, Type::submit,  Type::submitted, Type::credit,
        Type::deliver, Type::done,       Type::done_ok, Type::nack,      Type::result,
        Type::stored,  Type::watch,      Type::state,   Type::fetch,     Type::fetched,
        Type::forget,  Type::control,    Type::reply,   Type::revoke,    Type::queues,
        Type::events,  Type::events_ok,  Type::follow,  Type::followed,  Type::tasks}) {
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

}  // namespace baozi::wire
