// Messages to frames: what opens, keeps and ends a session.
#include "wire/encode_fields.hpp"

namespace baozi::wire {

using namespace detail;

namespace {

void collectors(Writer& out, const std::vector<CollectorInfo>& list) {
  out.array(list.size());
  for (const CollectorInfo& info : list) {
    out.array(2);
    out.str(info.name);
    out.array(info.endpoints.size());
    for (const std::string& endpoint : info.endpoints) out.str(endpoint);
  }
}

}  // namespace

Bytes encode(std::uint64_t session, std::uint64_t seq, const Hello& message) {
  Frame f{Type::hello, session, seq, message.holds.empty() ? 5U : 6U,
          128 + 48 * message.holds.size()};
  f.out.uinteger(message.nonce);
  f.out.uinteger(number(message.role));
  f.out.str(message.name);
  f.out.uinteger(message.incarnation);
  const std::size_t facts =
      (message.origin.empty() ? 0U : 1U) + (message.queues.empty() ? 0U : 1U) +
      (message.concurrency == 0 ? 0U : 1U) + (message.software.empty() ? 0U : 1U) +
      (message.host.empty() ? 0U : 1U) + (message.pid == 0 ? 0U : 1U) +
      (message.endpoints.empty() ? 0U : 1U) + (message.durable_results ? 1U : 0U) +
      (message.labels.empty() ? 0U : 1U) + (message.early.empty() ? 0U : 1U) +
      (message.limits.empty() ? 0U : 1U);
  f.out.map(facts);
  if (!message.origin.empty()) f.out.uinteger(1), f.out.bin(message.origin);
  if (!message.queues.empty()) f.out.uinteger(2), names(f.out, message.queues);
  if (message.concurrency != 0) f.out.uinteger(3), f.out.uinteger(message.concurrency);
  if (!message.software.empty()) f.out.uinteger(4), f.out.str(message.software);
  if (!message.host.empty()) f.out.uinteger(5), f.out.str(message.host);
  if (message.pid != 0) f.out.uinteger(6), f.out.uinteger(message.pid);
  if (!message.endpoints.empty()) f.out.uinteger(7), names(f.out, message.endpoints);
  if (message.durable_results) f.out.uinteger(8), f.out.boolean(true);
  if (!message.labels.empty()) f.out.uinteger(10), names(f.out, message.labels);
  if (!message.early.empty()) f.out.uinteger(11), names(f.out, message.early);
  if (!message.limits.empty()) f.out.uinteger(12), task_limits(f.out, message.limits);
  if (!message.holds.empty()) {
    f.out.array(message.holds.size());
    for (const HeldDelivery& hold : message.holds) {
      f.out.array(5);
      f.out.uinteger(hold.number);
      f.out.integer(hold.key);
      f.out.uinteger(hold.position);
      f.out.uinteger(number(hold.phase));
      pack_id(f.out, hold.id);
    }
  }
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Welcome& message) {
  Frame f{Type::welcome, session, seq, message.resume ? 10U : 9U, 256};
  f.out.uinteger(message.nonce);
  f.out.str(message.name);
  f.out.uinteger(message.incarnation);
  f.out.uinteger(message.epoch);
  f.out.uinteger(message.heartbeat_us);
  f.out.uinteger(message.liveness_us);
  f.out.uinteger(message.frame_bytes_max);
  f.out.uinteger(message.task_bytes_max);
  collectors(f.out, message.collectors);
  if (message.resume) {
    f.out.array(3);
    f.out.boolean(message.resume->known);
    f.out.uinteger(message.resume->accepted);
    f.out.uinteger(message.resume->committed);
  }
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Ping&) {
  return Frame{Type::ping, session, seq, 0}.take();
}
Bytes encode(std::uint64_t session, std::uint64_t seq, const Pong&) {
  return Frame{Type::pong, session, seq, 0}.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Goodbye& message) {
  Frame f{Type::goodbye, session, seq, 1};
  f.out.str(message.reason.substr(0, limits::text_bytes_max));
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const ErrorMessage& message) {
  const std::uint32_t more = message.version_max != 0 ? 2 : message.about != 0 ? 1 : 0;
  Frame f{Type::error, session, seq, 2 + more, 64 + message.text.size()};
  f.out.uinteger(number(message.code));
  f.out.str(message.text.substr(0, limits::text_bytes_max));
  if (more > 0) f.out.uinteger(message.about);
  if (more > 1) {
    f.out.array(2);
    f.out.uinteger(message.version_min);
    f.out.uinteger(message.version_max);
  }
  return f.take();
}

Bytes encode(std::uint64_t session, std::uint64_t seq, const Collectors& message) {
  Frame f{Type::collectors, session, seq, 1};
  collectors(f.out, message.collectors);
  return f.take();
}

}  // namespace baozi::wire
