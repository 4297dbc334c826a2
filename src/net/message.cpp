#include "net/message.hpp"

#include <cstring>
#include <memory>
#include <new>

#include <zmq.h>

namespace baozi::net {
namespace {

static_assert(sizeof(zmq_msg_t) == 64);
static_assert(alignof(zmq_msg_t) <= alignof(void*));

zmq_msg_t* as_zmq(std::array<std::byte, 64>& storage) {
  return reinterpret_cast<zmq_msg_t*>(storage.data());
}
// libzmq's getters take a pointer to non-const, but change nothing.
zmq_msg_t* as_zmq(const std::array<std::byte, 64>& storage) {
  return as_zmq(const_cast<std::array<std::byte, 64>&>(storage));
}

void free_bytes(void* /*data*/, void* hint) { delete static_cast<Bytes*>(hint); }

}  // namespace

Message::Message() { zmq_msg_init(as_zmq(storage_)); }
Message::~Message() { zmq_msg_close(as_zmq(storage_)); }

void Message::copy(BytesView bytes) {
  zmq_msg_close(as_zmq(storage_));
  if (zmq_msg_init_size(as_zmq(storage_), bytes.size()) != 0) {
    zmq_msg_init(as_zmq(storage_));
    throw std::bad_alloc{};
  }
  if (!bytes.empty()) std::memcpy(zmq_msg_data(as_zmq(storage_)), bytes.data(), bytes.size());
}

void Message::take(Bytes&& bytes) {
  if (bytes.size() < zero_copy_bytes_min) {
    copy(bytes);
    return;
  }
  zmq_msg_close(as_zmq(storage_));
  auto kept = std::make_unique<Bytes>(std::move(bytes));
  if (zmq_msg_init_data(as_zmq(storage_), kept->data(), kept->size(), free_bytes, kept.get()) !=
      0) {
    zmq_msg_init(as_zmq(storage_));
    throw std::bad_alloc{};
  }
  static_cast<void>(kept.release());  // free_bytes has it now
}

BytesView Message::view() const {
  auto* message = as_zmq(storage_);
  return {static_cast<const char*>(zmq_msg_data(message)), zmq_msg_size(message)};
}

bool Message::has_more() const { return zmq_msg_more(as_zmq(storage_)) != 0; }

const char* Message::property(const char* name) const {
  return zmq_msg_gets(as_zmq(storage_), name);
}

int Message::connection_fd() const { return zmq_msg_get(as_zmq(storage_), ZMQ_SRCFD); }

}  // namespace baozi::net
