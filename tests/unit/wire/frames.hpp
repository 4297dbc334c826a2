/// \file frames.hpp
/// What the tests of the codec share: hex, the vectors, and one call that decodes a frame of any
/// type.
#pragma once
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>

#include "message_json.hpp"

namespace baozi::wire_test {

inline Bytes from_hex(std::string_view hex) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(std::string{hex.substr(i, 2)}, nullptr, 16)));
  }
  return bytes;
}

inline Json load_vectors(const std::string& file) {
  std::ifstream in{std::string{BAOZI_SOURCE_DIR} + "/tests/vectors/" + file};
  if (!in) throw std::runtime_error{"no vector file " + file};
  return Json::parse(in);
}

/// One list of a vector file, by value: a loop over `load_vectors(…)["…"]` would outlive what it
/// loops over.
inline Json load_list(const std::string& file, const char* list) {
  return load_vectors(file)[list];
}

inline constexpr const char* vector_files[] = {
    "hello",     "welcome", "ping",      "pong",    "goodbye",  "error",   "collectors", "submit",
    "submitted", "credit",  "deliver",   "done",    "done_ok",  "nack",    "result",     "stored",
    "watch",     "state",   "fetch",     "fetched", "forget",   "control", "reply",      "revoke",
    "queues",    "events",  "events_ok", "follow",  "followed", "tasks"};

/// Calls `use` with an empty message of the type.
template <class Use>
decltype(auto) with_message(wire::Type type, Use&& use) {
  switch (type) {
    case wire::Type::hello: return use(wire::Hello{});
    case wire::Type::welcome: return use(wire::Welcome{});
    case wire::Type::ping: return use(wire::Ping{});
    case wire::Type::pong: return use(wire::Pong{});
    case wire::Type::goodbye: return use(wire::Goodbye{});
    case wire::Type::error: return use(wire::ErrorMessage{});
    case wire::Type::collectors: return use(wire::Collectors{});
    case wire::Type::submit: return use(wire::Submit{});
    case wire::Type::submitted: return use(wire::Submitted{});
    case wire::Type::credit: return use(wire::Credit{});
    case wire::Type::deliver: return use(wire::Deliver{});
    case wire::Type::done: return use(wire::Done{});
    case wire::Type::done_ok: return use(wire::DoneOk{});
    case wire::Type::nack: return use(wire::Nack{});
    case wire::Type::queues: return use(wire::Queues{});
    case wire::Type::tasks: return use(wire::Tasks{});
    case wire::Type::result: return use(wire::ResultMessage{});
    case wire::Type::stored: return use(wire::Stored{});
    case wire::Type::watch: return use(wire::Watch{});
    case wire::Type::state: return use(wire::StateMessage{});
    case wire::Type::fetch: return use(wire::Fetch{});
    case wire::Type::fetched: return use(wire::Fetched{});
    case wire::Type::forget: return use(wire::Forget{});
    case wire::Type::control: return use(wire::Control{});
    case wire::Type::reply: return use(wire::Reply{});
    case wire::Type::events: return use(wire::Events{});
    case wire::Type::events_ok: return use(wire::EventsOk{});
    case wire::Type::follow: return use(wire::Follow{});
    case wire::Type::followed: return use(wire::Followed{});
    case wire::Type::revoke: break;
  }
  return use(wire::Revoke{});
}

/// Decodes a whole frame and throws the message away; the error, if it has one.
inline std::optional<Error> refusal_of(BytesView frame) {
  const auto open = wire::open_frame(frame);
  if (!open) return open.error();
  return with_message(open->header.type, [&](auto message) -> std::optional<Error> {
    const auto decoded = wire::decode(*open, message);
    if (decoded) return std::nullopt;
    return decoded.error();
  });
}

/// What a frame that decodes means.
inline Json meaning_of(BytesView frame) {
  const auto open = wire::open_frame(frame);
  if (!open) throw std::runtime_error{open.error().message};
  return with_message(open->header.type, [&](auto message) {
    const auto decoded = wire::decode(*open, message);
    if (!decoded) throw std::runtime_error{decoded.error().message};
    return to_json(message);
  });
}

/// The frame that our encoder makes of what was decoded.
inline Bytes encoded_again(BytesView frame) {
  const auto open = wire::open_frame(frame);
  if (!open) throw std::runtime_error{open.error().message};
  return with_message(open->header.type, [&](auto message) {
    const auto decoded = wire::decode(*open, message);
    if (!decoded) throw std::runtime_error{decoded.error().message};
    return wire::encode(open->header.session, open->header.seq, message);
  });
}

}  // namespace baozi::wire_test
