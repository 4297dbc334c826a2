/// \file message.hpp
/// One ZeroMQ message part: what a received frame's view points into, and what a frame is sent as.
/// zmq.h stays out of this header; the storage is checked against it in the source.
#pragma once
#include <array>
#include <cstddef>

#include "base/bytes.hpp"

namespace baozi::net {

class Message {
 public:
  Message();
  ~Message();
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  /// Frames of at least this size are handed over without a copy. Below, one copy costs less than
  /// what libzmq allocates and frees to keep a foreign buffer.
  static constexpr std::size_t zero_copy_bytes_min = 8'192;

  /// Makes it a copy of `bytes`.
  void copy(BytesView bytes);
  /// Makes it hold `bytes`: copied when small, else moved; the I/O thread frees them when they are
  /// sent.
  void take(Bytes&& bytes);

  /// Valid until this message is received into, sent, changed or destroyed.
  [[nodiscard]] BytesView view() const;
  [[nodiscard]] bool has_more() const;
  /// A property of the connection that the message came by ("Socket-Type", "User-Id", …), or null.
  [[nodiscard]] const char* property(const char* name) const;
  /// The file descriptor of the connection that the message came by; -1 when there is none
  /// (inproc).
  [[nodiscard]] int connection_fd() const;

  /// The `zmq_msg_t*`. Only for this room.
  [[nodiscard]] void* raw() { return storage_.data(); }

 private:
  alignas(void*) std::array<std::byte, 64> storage_;
};

}  // namespace baozi::net
