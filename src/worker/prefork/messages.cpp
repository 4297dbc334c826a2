#include "worker/prefork/messages.hpp"

#include <cstring>

#include <baozi/packing.hpp>

#include "base/limits.hpp"
#include "wire/codec.hpp"

namespace baozi::worker::prefork {

namespace {

struct StartHead {
  std::uint64_t token;
  std::int64_t time_limit_us;
  std::int64_t soft_time_limit_us;
  std::int64_t since_us;
  std::uint32_t id, name, queue, options, body, origin;  // sizes
  std::uint32_t delivery_count;
  std::uint32_t retries;
  std::uint8_t priority;
  bool redelivered;
  bool uuid;
};

struct EndedHead {
  std::uint64_t token;
  std::int64_t delay_us;  // negative: none
  std::int64_t started_us;
  std::int64_t ran_us;
  std::int32_t max_retries;
  std::uint32_t value;  // size; the rest is the follow-ups
  std::uint8_t verdict;
  std::uint8_t permanent;
  std::uint8_t retryable;
  std::uint8_t expected;
  std::uint8_t has_max_retries;
};

struct UpdateHead {
  std::uint64_t token;
  std::uint32_t state;  // size; the rest is the meta
};

constexpr std::size_t value_bytes_max = limits::result_bytes_max;
constexpr std::size_t follow_ups_bytes_max = limits::frame_bytes_max;

template <class T>
void append(Bytes& out, const T& head) {
  out.append(reinterpret_cast<const char*>(&head), sizeof head);
}
template <class T>
bool take(BytesView& in, T& head) {
  if (in.size() < sizeof head) return false;
  std::memcpy(&head, in.data(), sizeof head);
  in.remove_prefix(sizeof head);
  return true;
}

/// Exactly one packed value.
bool is_one_value(BytesView bytes) {
  Reader in{bytes};
  return in.skip().size() == bytes.size() && in.ok();
}

bool is_failure(BytesView bytes) {
  Reader in{bytes};
  if (in.array() != 3) return false;
  for (int i = 0; i < 3; ++i) static_cast<void>(in.str());
  return in.ok();
}

/// It goes into frames as it is, where one wrong byte would end a session.
bool are_tasks(BytesView bytes) {
  Reader in{bytes};
  const std::uint32_t count = in.array();
  if (!in.ok() || count == 0 || count > limits::follow_ups_max) return false;
  for (std::uint32_t i = 0; i < count; ++i) {
    const BytesView task = in.skip();
    if (!in.ok() || !wire::decode_task(task)) return false;
  }
  return in.at_end();
}

}  // namespace

std::size_t start_size(const Start& start) {
  return sizeof(StartHead) + start.id.bytes.size() + start.name.size() + start.queue.size() +
         start.raw_options.size() + start.body.size() + start.origin.size();
}

void write_start(const Start& start, char* to) {
  const auto size = [](BytesView view) { return static_cast<std::uint32_t>(view.size()); };
  const StartHead head{.token = static_cast<std::uint64_t>(start.token),
                       .time_limit_us = start.time_limit.count(),
                       .soft_time_limit_us = start.soft_time_limit.count(),
                       .since_us = start.since_us,
                       .id = size(start.id.bytes),
                       .name = size(start.name),
                       .queue = size(start.queue),
                       .options = size(start.raw_options),
                       .body = size(start.body),
                       .origin = size(start.origin),
                       .delivery_count = start.delivery_count,
                       .retries = start.retries,
                       .priority = start.priority,
                       .redelivered = start.redelivered,
                       .uuid = start.id.uuid};
  std::memcpy(to, &head, sizeof head);
  to += sizeof head;
  for (const BytesView view :
       {start.id.bytes, start.name, start.queue, start.raw_options, start.body, start.origin}) {
    if (!view.empty()) std::memcpy(to, view.data(), view.size());
    to += view.size();
  }
}

Start read_start(BytesView bytes) {
  StartHead head{};
  static_cast<void>(take(bytes, head));
  const auto part = [&bytes](std::uint32_t size) {
    const BytesView view = bytes.substr(0, size);
    bytes.remove_prefix(view.size());
    return view;
  };
  Start start;
  start.token = Token{head.token};
  start.id.uuid = head.uuid;
  start.id.bytes = part(head.id);
  start.name = part(head.name);
  start.queue = part(head.queue);
  start.raw_options = part(head.options);
  start.body = part(head.body);
  start.origin = part(head.origin);
  start.delivery_count = head.delivery_count;
  start.retries = head.retries;
  start.priority = head.priority;
  start.redelivered = head.redelivered;
  start.time_limit = Micros{head.time_limit_us};
  start.soft_time_limit = Micros{head.soft_time_limit_us};
  start.since_us = head.since_us;
  return start;
}

Bytes pack_ended(const Ended& ended) {
  Bytes out;
  out.reserve(sizeof(EndedHead) + ended.value.size() + ended.follow_ups.size());
  append(out, EndedHead{.token = static_cast<std::uint64_t>(ended.token),
                        .delay_us = ended.delay ? ended.delay->count() : -1,
                        .started_us = micros(ended.started),
                        .ran_us = ended.ran.count(),
                        .max_retries = ended.max_retries.value_or(0),
                        .value = static_cast<std::uint32_t>(ended.value.size()),
                        .verdict = static_cast<std::uint8_t>(ended.verdict),
                        .permanent = ended.permanent,
                        .retryable = ended.retryable,
                        .expected = ended.expected,
                        .has_max_retries = ended.max_retries.has_value()});
  out += ended.value;
  out += ended.follow_ups;
  return out;
}

std::optional<Ended> unpack_ended(BytesView bytes) {
  EndedHead head{};
  if (!take(bytes, head) || head.value > bytes.size()) return std::nullopt;
  // Everything but `lost`, which only the parent can say.
  if (head.verdict >= static_cast<std::uint8_t>(Verdict::lost)) return std::nullopt;
  if (head.permanent > 1 || head.retryable > 1 || head.expected > 1 || head.has_max_retries > 1) {
    return std::nullopt;
  }
  if (head.ran_us < 0 || head.started_us < 0) return std::nullopt;
  const BytesView value = bytes.substr(0, head.value);
  const BytesView follow_ups = bytes.substr(head.value);
  if (value.size() > value_bytes_max || follow_ups.size() > follow_ups_bytes_max) {
    return std::nullopt;
  }
  Ended ended;
  ended.token = Token{head.token};
  ended.verdict = static_cast<Verdict>(head.verdict);
  const bool says_nothing = value.empty() && ended.verdict == Verdict::ignore;
  const bool sound =
      says_nothing || (ended.verdict == Verdict::success ? is_one_value(value) : is_failure(value));
  if (!sound || (!follow_ups.empty() && !are_tasks(follow_ups))) return std::nullopt;
  ended.permanent = head.permanent != 0;
  ended.retryable = head.retryable != 0;
  ended.expected = head.expected != 0;
  if (head.delay_us >= 0) ended.delay = Micros{head.delay_us};
  if (head.has_max_retries != 0) ended.max_retries = head.max_retries;
  ended.value.assign(value);
  ended.follow_ups.assign(follow_ups);
  ended.started = wall_time(head.started_us);
  ended.ran = Micros{head.ran_us};
  return ended;
}

void pack_update(Token token, std::string_view state, BytesView meta, Bytes& out) {
  out.clear();
  append(out,
         UpdateHead{static_cast<std::uint64_t>(token), static_cast<std::uint32_t>(state.size())});
  out += state;
  out += meta;
}

std::optional<StateUpdate> unpack_update(BytesView bytes) {
  UpdateHead head{};
  if (!take(bytes, head) || head.state > bytes.size()) return std::nullopt;
  const std::string_view state = bytes.substr(0, head.state);
  const BytesView meta = bytes.substr(head.state);
  if (!wire::is_valid_name(state) || !is_one_value(meta)) return std::nullopt;
  return StateUpdate{Token{head.token}, std::string{state}, Bytes{meta}};
}

}  // namespace baozi::worker::prefork
