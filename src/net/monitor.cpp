#include "net/monitor.hpp"

#include <atomic>
#include <cstring>
#include <string>

#include <zmq.h>

#include "base/assert.hpp"

namespace baozi::net {
namespace {

constexpr int watched_events =
    ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_CONNECTED | ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_DISCONNECTED |
    ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
    ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
// ZMQ_EVENT_ACCEPT_FAILED is left out: without file descriptors the I/O thread reports it in an
// endless loop.

std::string unique_endpoint() {
  static std::atomic<std::uint64_t> count{0};
  return "inproc://baozi.monitor." + std::to_string(count.fetch_add(1));
}

Monitor::Event as_event(int event) {
  switch (event) {
    case ZMQ_EVENT_ACCEPTED: return Monitor::Event::accepted;
    case ZMQ_EVENT_CONNECTED: return Monitor::Event::connected;
    case ZMQ_EVENT_CONNECT_RETRIED: return Monitor::Event::retried;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: return Monitor::Event::ready;
    case ZMQ_EVENT_DISCONNECTED: return Monitor::Event::disconnected;
    default: return Monitor::Event::refused;
  }
}

}  // namespace

Monitor::Monitor(const Context& context, Socket& socket)
    : watched_{socket}, reader_{context, Socket::Type::pair} {
  // Without a bound of our own the pipe would have libzmq's, and the I/O thread would stop at it:
  // it writes its reports with blocking calls. What is read late costs memory instead, some 200
  // bytes a report.
  reader_.set(ZMQ_RCVHWM, 0);
  const std::string endpoint = unique_endpoint();
  watched_.monitor(endpoint, watched_events);
  const std::string why = reader_.connect(endpoint);
  BAOZI_ASSERT(why.empty());
}

Monitor::~Monitor() { watched_.stop_monitor(); }

Monitor::Report Monitor::next() {
  if (reader_.receive(message_) == Socket::Io::again) return {};
  // First part: 16 bits event, 32 bits value, as the machine has them. Second part: the address.
  const BytesView bytes = message_.view();
  BAOZI_ASSERT(bytes.size() == 6 && message_.has_more());
  std::uint16_t event = 0;
  std::int32_t value = 0;
  std::memcpy(&event, bytes.data(), sizeof event);
  std::memcpy(&value, bytes.data() + sizeof event, sizeof value);
  while (message_.has_more()) {
    const auto rest = reader_.receive(message_);
    BAOZI_ASSERT(rest == Socket::Io::done);
  }
  return {as_event(event), value};
}

}  // namespace baozi::net
