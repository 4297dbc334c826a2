#include "random_messages.hpp"

#include <limits>

namespace baozi::wire_test {

std::uint64_t RandomMessages::number() {
  static constexpr std::uint64_t edges[] = {
      0,      1,          127,         128,       255,         256,       65'535,
      65'536, UINT32_MAX, 1ULL << 32U, INT64_MAX, 1ULL << 63U, UINT64_MAX};
  if (random_.chance(0.3)) return edges[random_.below(std::size(edges))];
  return random_.next() >> random_.below(64);
}

std::int64_t RandomMessages::integer() {
  static constexpr std::int64_t edges[] = {0,         -1,
                                           -32,       -33,
                                           INT8_MIN,  INT8_MIN - 1,
                                           INT16_MIN, INT16_MIN - 1,
                                           INT32_MIN, std::int64_t{INT32_MIN} - 1,
                                           INT64_MIN, INT64_MAX};
  if (random_.chance(0.3)) return edges[random_.below(std::size(edges))];
  const auto magnitude = static_cast<std::int64_t>(random_.next() >> (1 + random_.below(63)));
  return flip() ? magnitude : -magnitude;
}

BytesView RandomMessages::bytes(std::size_t size) {
  Bytes out;
  while (out.size() < size) out.push_back(static_cast<char>(random_.next()));
  return keep(std::move(out));
}

std::string_view RandomMessages::name() {
  static constexpr std::string_view pieces[] = {"a", "c.add", "w1@host", "é", "包子",
                                                "𝄞", "-",     "queue 7", "~"};
  Bytes out;
  const std::size_t size = random_.chance(0.05) ? limits::name_bytes_max : 1 + random_.below(40);
  while (out.size() < size) {
    const std::string_view piece = pieces[random_.below(std::size(pieces))];
    out.append(out.size() + piece.size() <= size ? piece : "x");
  }
  return keep(std::move(out));
}

std::string_view RandomMessages::text() {
  const std::size_t size = random_.chance(0.05) ? limits::text_bytes_max : random_.below(300);
  return bytes(size);
}

void RandomMessages::pack_value(Writer& out, int depth_left) {
  switch (random_.below(depth_left > 0 ? 10 : 8)) {
    case 0: out.nil(); break;
    case 1: out.boolean(flip()); break;
    case 2: out.uinteger(number()); break;
    case 3: out.integer(integer()); break;
    case 4: out.real(random_.unit() * 1e9); break;
    case 5: out.real32(static_cast<float>(random_.unit())); break;
    case 6: out.str(text()); break;
    case 7: out.bin(text()); break;
    case 8: {
      const std::size_t n = count(random_.chance(0.1) ? 20 : 4);
      out.array(n);
      for (std::size_t i = 0; i < n; ++i) pack_value(out, depth_left - 1);
      break;
    }
    default: {
      const std::size_t n = count(random_.chance(0.1) ? 20 : 4);
      out.map(n);
      for (std::size_t i = 0; i < n; ++i) {
        if (flip()) {
          out.uinteger(i);
        } else {
          out.str("key " + std::to_string(i));
        }
        pack_value(out, depth_left - 1);
      }
      break;
    }
  }
}

BytesView RandomMessages::value() {
  Bytes out;
  Writer writer{out};
  pack_value(writer, 4);
  return keep(std::move(out));
}

wire::IdView RandomMessages::id() {
  if (flip()) return {true, bytes(16)};
  return {false, name()};
}

std::vector<wire::IdView> RandomMessages::ids() {
  std::vector<wire::IdView> out(count(20));
  for (wire::IdView& view : out) view = id();
  return out;
}

std::vector<wire::CollectorInfo> RandomMessages::collectors() {
  std::vector<wire::CollectorInfo> out(count(random_.chance(0.1) ? limits::collectors_max : 3));
  for (wire::CollectorInfo& info : out) {
    info.name = name();
    for (std::size_t n = count(limits::endpoints_max); n > 0; --n)
      info.endpoints.emplace_back(name());
  }
  return out;
}

wire::TaskView RandomMessages::task() {
  wire::TaskView view;
  view.id = id();
  view.name = name();
  view.queue = name_or_none();
  Bytes options;
  Writer out{options};
  const std::size_t others = count(3);
  const bool eta = flip();
  const bool priority = flip();
  out.map(others + (eta ? 1U : 0U) + (priority ? 1U : 0U));
  if (eta) out.uinteger(1), out.integer(integer());
  if (priority) out.uinteger(3), out.uinteger(random_.below(10));
  for (std::size_t i = 0; i < others; ++i) {
    out.uinteger(i == 0 ? number() | 1ULL << 32U : 30 + i);
    pack_value(out, 3);
  }
  view.raw_options = keep(std::move(options));
  view.body = text();
  Bytes raw;
  Writer raw_out{raw};
  wire::pack_task(raw_out, view.id, view.name, view.queue, view.raw_options, view.body);
  view.raw = keep(std::move(raw));
  return view;
}

BytesView RandomMessages::follow_ups(std::vector<wire::TaskView>* views) {
  const std::size_t n = count(3);
  if (n == 0) return {};
  Bytes raw;
  Writer out{raw};
  out.array(n);
  for (std::size_t i = 0; i < n; ++i) {
    const wire::TaskView view = task();
    out.raw(view.raw);
    if (views != nullptr) views->push_back(view);
  }
  return keep(std::move(raw));
}

wire::RecordView RandomMessages::record() {
  wire::RecordView view{.id = id(),
                        .name = name(),
                        .state = any<wire::TaskState>(4, 7),
                        .body = value(),
                        .started_us = integer(),
                        .finished_us = integer(),
                        .retries = static_cast<std::uint32_t>(number()),
                        .exhausted = flip()};
  Bytes raw;
  Writer out{raw};
  wire::pack_record(out, view);
  view.raw = keep(std::move(raw));
  return view;
}

void RandomMessages::fill(wire::Hello& m) {
  m.nonce = number();
  m.role = any<wire::Role>(1, 7);
  m.name = name();
  m.incarnation = number();
  m.origin = origin_or_none();
  for (std::size_t n = count(5); n > 0; --n) m.queues.push_back(name());
  m.concurrency = static_cast<std::uint32_t>(number());
  m.software = text();
  m.host = text();
  m.pid = number();
  for (std::size_t n = count(limits::endpoints_max); n > 0; --n) m.endpoints.push_back(name());
  m.durable_results = flip();
  for (std::size_t n = count(limits::labels_max); n > 0; --n) m.labels.push_back(name());
  for (std::size_t n = count(3); n > 0; --n) m.early.push_back(name());
  for (std::size_t n = count(3); n > 0; --n)
    m.limits.push_back({name(), static_cast<std::uint32_t>(number()), number()});
  for (std::size_t n = count(30); n > 0; --n) {
    m.holds.push_back({.number = number(),
                       .key = integer(),
                       .position = number(),
                       .phase = any<wire::Hold>(1, 3),
                       .id = id()});
  }
}

void RandomMessages::fill(wire::Welcome& m) {
  m.nonce = number();
  m.name = name();
  m.incarnation = number();
  m.epoch = number();
  m.heartbeat_us = limits::heartbeat_us_min + random_.below(10'000'000);
  m.liveness_us = m.heartbeat_us + random_.below(10'000'000);
  m.frame_bytes_max = number();
  m.task_bytes_max = number();
  m.collectors = collectors();
  if (flip())
    m.resume = wire::ProducerResume{.known = flip(), .accepted = number(), .committed = number()};
}

void RandomMessages::fill(wire::ErrorMessage& m) {
  m.code = any<wire::ErrorCode>(1, 255);
  m.text = text();
  m.about = flip() ? number() : 0;
  if (flip()) m.version_min = 1, m.version_max = 1 + random_.below(5);
}

void RandomMessages::fill(wire::Submit& m) {
  m.number = number() | 1U;
  m.origin = origin();
  m.home = name_or_none();
  m.flags = number();
  for (std::size_t n = 1 + count(30); n > 0; --n) m.tasks.push_back(task());
}

void RandomMessages::fill(wire::Submitted& m) {
  m.upto = number();
  for (std::size_t n = count(5); n > 0; --n) {
    wire::BatchRefusal& refusal = m.refusals.emplace_back();
    refusal = {.number = number(),
               .code = any<wire::Refusal>(1, 3),
               .reason = any<wire::Reason>(0, 255),
               .expected = number(),
               .retry_after_us = number(),
               .tasks = {}};
    for (std::size_t t = count(5); t > 0; --t) {
      refusal.tasks.push_back({.index = static_cast<std::uint32_t>(number()),
                               .reason = any<wire::Reason>(0, 255),
                               .text = text()});
    }
  }
}

void RandomMessages::fill(wire::Credit& m) {
  m = {.count = number(), .bytes = number(), .returned = number(), .returned_bytes = number()};
}

void RandomMessages::fill(wire::Deliver& m) {
  m.groups.resize(count(4));
  for (wire::DeliveryGroup& group : m.groups) {
    group.origin = origin_or_none();
    group.home = name_or_none();
    for (std::size_t n = count(20); n > 0; --n) {
      group.deliveries.push_back({.number = number(),
                                  .key = integer(),
                                  .position = number(),
                                  .count = static_cast<std::uint32_t>(number()),
                                  .retries = static_cast<std::uint32_t>(number()),
                                  .flags = number(),
                                  .since_us = count(3) == 0 ? integer() : 0,
                                  .task = task()});
    }
  }
}

void RandomMessages::fill(wire::Done& m) {
  m.first = number() | 1U;
  for (std::size_t n = count(20); n > 0; --n) {
    wire::Settlement& entry = m.entries.emplace_back();
    entry.number = number();
    entry.state = any<wire::TaskState>(4, 7);
    entry.flags = number();
    entry.raw_follow_ups = follow_ups(&entry.follow_ups);
    entry.record = record_or_none();
  }
}

void RandomMessages::fill(wire::DoneOk& m) {
  m.upto = number();
  for (std::size_t n = count(20); n > 0; --n)
    m.exceptions.push_back({number(), any<wire::Settled>(0, 255)});
}

void RandomMessages::fill(wire::Nack& m) {
  m.first = number() | 1U;
  for (std::size_t n = count(20); n > 0; --n) {
    m.entries.push_back(
        {number(), any<wire::NackKind>(1, 4), number(), text(), count(2) == 0 ? number() : 0});
  }
}

void RandomMessages::fill(wire::ResultMessage& m) {
  m.first = number();
  m.groups.resize(count(4));
  for (wire::ResultGroup& group : m.groups) {
    group.origin = origin_or_none();
    group.worker = name_or_none();
    for (std::size_t n = count(20); n > 0; --n) {
      group.entries.push_back({.number = number(),
                               .generation = static_cast<std::uint32_t>(number()),
                               .flags = number(),
                               .record = record(),
                               .raw_follow_ups = follow_ups()});
    }
  }
}

void RandomMessages::fill(wire::Stored& m) {
  m.upto = number();
  for (std::size_t n = count(10); n > 0; --n) {
    const bool refused = flip();
    m.losses.push_back({.entry = number(),
                        .code = refused ? wire::Lost::refused : wire::Lost::to_winner,
                        .record = refused ? record_or_none() : record().raw,
                        .raw_follow_ups = follow_ups(),
                        .text = text()});
  }
}

void RandomMessages::fill(wire::Watch& m) { m.flags = number(), m.ids = ids(); }

void RandomMessages::fill(wire::StateMessage& m) {
  m.groups.resize(count(4));
  for (wire::StateGroup& group : m.groups) {
    group.origin = origin_or_none();
    group.worker = name_or_none();
    for (std::size_t n = count(10); n > 0; --n) group.entries.push_back({id(), name(), value()});
  }
}

void RandomMessages::fill(wire::Fetch& m) { m.request = number(), m.ids = ids(); }

void RandomMessages::fill(wire::Fetched& m) {
  m.request = number();
  for (std::size_t n = count(10); n > 0; --n) {
    m.entries.push_back({.id = id(),
                         .state = any<wire::TaskState>(0, 7),
                         .generation = static_cast<std::uint32_t>(number()),
                         .number = number(),
                         .incarnation = number(),
                         .worker = name_or_none(),
                         .record = record_or_none(),
                         .raw_follow_ups = follow_ups()});
  }
}

void RandomMessages::fill(wire::Forget& m) { m.request = number(), m.ids = ids(); }

void RandomMessages::fill(wire::Control& m) {
  m.request = number();
  m.command = name();
  Bytes arguments;
  Writer out{arguments};
  out.map(1);
  out.str("value");
  pack_value(out, 3);
  m.arguments = keep(std::move(arguments));
}

void RandomMessages::fill(wire::Reply& m) {
  m.request = number();
  m.code = number();
  m.payload = value();
}

void RandomMessages::fill(wire::Revoke& m) {
  m.request = number(), m.flags = number(), m.ids = ids(), m.signal = name_or_none();
}

void RandomMessages::fill(wire::Queues& m) {
  for (std::size_t n = count(5); n > 0; --n) m.names.push_back(name_or_none());
  for (std::size_t n = count(5); n > 0; --n) m.excluded.push_back(name());
}

void RandomMessages::fill(wire::Tasks& m) {
  for (std::size_t n = count(5); n > 0; --n) m.early.push_back(name());
  for (std::size_t n = count(5); n > 0; --n)
    m.limits.push_back({name(), static_cast<std::uint32_t>(number()), number()});
}

wire::EventView RandomMessages::event() {
  wire::EventView view;
  view.type = any<wire::EventType>(1, 300);
  view.time_us = integer();
  view.has_id = flip();
  if (view.has_id) view.id = id();
  view.name = name_or_none();
  Bytes fields;
  Writer in{fields};
  in.map(1);
  in.str("value");
  pack_value(in, 2);
  Bytes packed;
  Writer out{packed};
  wire::pack_event(out, view.type, view.time_us, view.has_id ? &view.id : nullptr, view.name);
  const std::size_t at = packed.size();
  out.raw(fields);
  view.raw = keep(std::move(packed));
  view.fields = view.raw.substr(at);
  return view;
}

void RandomMessages::fill(wire::Events& m) {
  m.first = (number() >> 2U) + 1;
  m.lost = number() % m.first;
  for (std::size_t n = count(20); n > 0; --n) {
    if (const wire::EventView one = event(); one.raw.size() <= limits::event_bytes_max) {
      m.events.push_back(one);
    }
  }
}

void RandomMessages::fill(wire::Follow& m) {
  m.request = number();
  if (flip()) m.from = number();
  m.count_max = number();
  m.bytes_max = number();
  for (std::size_t n = count(5); n > 0; --n) m.types.push_back(any<wire::EventType>(1, 300));
  for (std::size_t n = count(5); n > 0; --n) m.names.push_back(name());
}

void RandomMessages::fill(wire::Followed& m) {
  m.request = number(), m.next = number(), m.lost = number(), m.flags = number();
  m.groups.resize(count(4));
  for (wire::FollowedGroup& group : m.groups) {
    group.node = name();
    for (std::size_t n = count(10); n > 0; --n) {
      const wire::EventView one = event();
      if (one.raw.size() <= limits::event_bytes_max) group.entries.push_back({number(), one});
    }
  }
}

}  // namespace baozi::wire_test
