/// \file frames.hpp
/// Frames as the other side would send them, and time that the test turns by hand.
#pragma once
#include <string>

#include "wire/codec.hpp"

namespace baozi::actor_test {

inline constexpr std::uint64_t heartbeat_us = 1'000'000;
inline constexpr std::uint64_t liveness_us = 4'000'000;
inline constexpr MonoTime start{Micros{50'000'000}};

[[nodiscard]] inline Now at(std::int64_t after_start_us) {
  return {start + Micros{after_start_us}, wall_time(1'700'000'000'000'000 + after_start_us)};
}

[[nodiscard]] inline Bytes welcome_frame(std::uint64_t session, std::uint64_t nonce,
                                         std::string_view name = "a broker with a long name") {
  wire::Welcome welcome;
  welcome.nonce = nonce;
  welcome.name = name;
  welcome.incarnation = 7;
  welcome.heartbeat_us = heartbeat_us;
  welcome.liveness_us = liveness_us;
  return wire::encode(session, 0, welcome);
}

[[nodiscard]] inline Bytes error_frame(std::uint64_t session, wire::ErrorCode code) {
  return wire::encode(session, 0, wire::ErrorMessage{.code = code, .text = "why"});
}

/// A message of a type that only the next version of the other side knows.
[[nodiscard]] inline Bytes unknown_frame(std::uint64_t session, std::uint64_t seq) {
  Bytes frame;
  Writer out{frame};
  out.array(5);
  out.uinteger(1);
  out.uinteger(251);
  out.uinteger(session);
  out.uinteger(seq);
  out.str("an event");
  return frame;
}

[[nodiscard]] inline std::uint64_t nonce_of(BytesView hello_frame) {
  wire::Hello hello;
  const auto open = wire::open_frame(hello_frame);
  return open && wire::decode(*open, hello) ? hello.nonce : 0;
}

[[nodiscard]] inline wire::Type type_of(BytesView frame) {
  return wire::open_frame(frame).value().header.type;
}

[[nodiscard]] inline wire::ErrorMessage error_in(BytesView frame) {
  wire::ErrorMessage error;
  const auto open = wire::open_frame(frame);
  if (!open || !wire::decode(*open, error)) error.text = "not an ERROR";
  return error;
}

}  // namespace baozi::actor_test
