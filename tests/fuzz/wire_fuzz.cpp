// The decoder meets anything. It never crashes; and what it takes, the encoder writes in a form
// that means the same: encoding, decoding and encoding again ends where it was.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "wire/codec.hpp"

namespace {

using namespace baozi;

void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

template <class Message>
void round_trip(const wire::OpenFrame& open, Message& message) {
  if (!wire::decode(open, message)) return;
  const Bytes once = wire::encode(open.header.session, open.header.seq, message);
  const auto again = wire::open_frame(once);
  check(again.has_value(), "what the encoder wrote has a good header");
  check(again->header.type == open.header.type && again->header.session == open.header.session &&
            again->header.seq == open.header.seq,
        "the header stays as it was");
  static Message second;  // reused, as the nodes do
  check(wire::decode(*again, second).has_value(), "what the encoder wrote decodes");
  check(wire::encode(again->header.session, again->header.seq, second) == once,
        "and means the same");
}

template <class Message>
void round_trip(const wire::OpenFrame& open) {
  static Message reused;
  round_trip(open, reused);
  reused = {};  // its views must not outlive the input, should a later decode leave some of them
}

void as_frame(BytesView input) {
  const auto open = wire::open_frame(input);
  if (!open) return;
  switch (open->header.type) {
    case wire::Type::hello: return round_trip<wire::Hello>(*open);
    case wire::Type::welcome: return round_trip<wire::Welcome>(*open);
    case wire::Type::ping: return round_trip<wire::Ping>(*open);
    case wire::Type::pong: return round_trip<wire::Pong>(*open);
    case wire::Type::goodbye: return round_trip<wire::Goodbye>(*open);
    case wire::Type::error: return round_trip<wire::ErrorMessage>(*open);
    case wire::Type::collectors: return round_trip<wire::Collectors>(*open);
    case wire::Type::submit: return round_trip<wire::Submit>(*open);
    case wire::Type::submitted: return round_trip<wire::Submitted>(*open);
    case wire::Type::credit: return round_trip<wire::Credit>(*open);
    case wire::Type::deliver: return round_trip<wire::Deliver>(*open);
    case wire::Type::done: return round_trip<wire::Done>(*open);
    case wire::Type::done_ok: return round_trip<wire::DoneOk>(*open);
    case wire::Type::nack: return round_trip<wire::Nack>(*open);
    case wire::Type::result: return round_trip<wire::ResultMessage>(*open);
    case wire::Type::stored: return round_trip<wire::Stored>(*open);
    case wire::Type::watch: return round_trip<wire::Watch>(*open);
    case wire::Type::state: return round_trip<wire::StateMessage>(*open);
    case wire::Type::fetch: return round_trip<wire::Fetch>(*open);
    case wire::Type::fetched: return round_trip<wire::Fetched>(*open);
    case wire::Type::forget: return round_trip<wire::Forget>(*open);
    case wire::Type::control: return round_trip<wire::Control>(*open);
    case wire::Type::reply: return round_trip<wire::Reply>(*open);
    case wire::Type::revoke: return round_trip<wire::Revoke>(*open);
    case wire::Type::queues: return round_trip<wire::Queues>(*open);
    case wire::Type::tasks: return round_trip<wire::Tasks>(*open);
    case wire::Type::events: return round_trip<wire::Events>(*open);
    case wire::Type::events_ok: return round_trip<wire::EventsOk>(*open);
    case wire::Type::follow: return round_trip<wire::Follow>(*open);
    case wire::Type::followed: return round_trip<wire::Followed>(*open);
  }
}

void as_stored_bytes(BytesView input) {
  if (const auto task = wire::decode_task(input))
    check(task->raw == input, "a task is its whole input");
  if (const auto record = wire::decode_record(input))
    check(record->raw == input, "a record is its whole input");
  static_cast<void>(wire::decode_tasks(input, limits::follow_ups_max).has_value());
  Reader in{input};
  const std::string_view skipped = in.skip();
  check(in.ok() ? skipped.size() + in.left() == input.size() : skipped.empty(),
        "skip steps over one value");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const BytesView input{reinterpret_cast<const char*>(data), size};
  as_frame(input);
  as_stored_bytes(input);
  return 0;
}
