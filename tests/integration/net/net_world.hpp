/// \file net_world.hpp
/// One loop on the test's thread, with everything that its sources hand out written down.
#pragma once
#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/system_clock.hpp"
#include "net/connector.hpp"
#include "net/endpoint.hpp"
#include "net/listener.hpp"
#include "net/loop.hpp"

namespace baozi::net {

using namespace std::chrono_literals;

constexpr const char* any_port = "tcp://127.0.0.1:*";

inline Endpoint at(const std::string& text, Purpose purpose = Purpose::listen) {
  auto endpoint = parse_endpoint(text, purpose);
  if (!endpoint) throw std::runtime_error{endpoint.error().message};
  return *endpoint;
}

/// What a source handed out, in its order.
struct Heard {
  std::vector<std::pair<PeerKey, Bytes>> frames;
  std::vector<std::pair<PeerKey, Gone>> gone;
  int connected = 0;
  std::string order;  ///< one letter each: c connected, f frame, g gone

  void note(const Received& in) {
    switch (in.kind) {
      case Received::Kind::frame:
        frames.emplace_back(in.peer, Bytes{in.frame});
        order += 'f';
        break;
      case Received::Kind::connected:
        ++connected;
        order += 'c';
        break;
      case Received::Kind::gone:
        gone.emplace_back(in.peer, in.why);
        order += 'g';
        break;
    }
  }
  [[nodiscard]] bool has(BytesView frame) const {
    return std::ranges::any_of(frames, [&](const auto& f) { return f.second == frame; });
  }
};

template <class Side>
struct Heeded {  // a source and what was heard from it
  std::unique_ptr<Side> side;
  Heard heard;
  bool deaf = false;  ///< leave its input where it is

  Side* operator->() const { return side.get(); }
};

class World {
 public:
  Context context = Context::shared();
  Loop loop;

  Heeded<Listener>& listen(const std::string& endpoint, ListenerOptions options = {}) {
    return listen(std::vector<Endpoint>{at(endpoint)}, options);
  }
  Heeded<Listener>& listen(const std::vector<Endpoint>& endpoints, ListenerOptions options = {}) {
    listeners_.push_back(std::make_unique<Heeded<Listener>>());
    listeners_.back()->side = std::make_unique<Listener>(context, endpoints, options);
    loop.add(*listeners_.back()->side);
    return *listeners_.back();
  }
  Heeded<Connector>& connect(const Endpoint& endpoint, ConnectorOptions options = quick()) {
    connectors_.push_back(std::make_unique<Heeded<Connector>>());
    connectors_.back()->side = std::make_unique<Connector>(context, endpoint, options);
    loop.add(*connectors_.back()->side);
    return *connectors_.back();
  }
  template <class Side>
  void close(Heeded<Side>& heeded) {
    loop.remove(*heeded.side);
    heeded.side.reset();
  }
  template <class Side>
  void set_deaf(Heeded<Side>& heeded, bool deaf) {
    heeded.deaf = deaf;
    deaf ? loop.remove(*heeded.side) : loop.add(*heeded.side);
  }

  /// Turns the loop until `condition` holds; false when it does not within the time.
  template <class Condition>
  bool until(Condition&& condition, Micros patience = 45s) {
    const MonoTime end = base::mono_now() + patience;
    while (true) {
      for (auto& listener : listeners_) drain(*listener);
      for (auto& connector : connectors_) drain(*connector);
      if (condition()) return true;
      const MonoTime now = base::mono_now();
      if (now >= end) return false;
      loop.wait(
          std::min(end, now + Micros{20'000}));  // the condition may be on the far side of a socket
    }
  }
  /// Turns the loop for a while, to see that something does not happen.
  void linger(Micros time) {
    static_cast<void>(until([] { return false; }, time));
  }
  bool all_connected() {
    return until([&] {
      return std::ranges::all_of(connectors_, [](auto& c) { return c->side->is_connected(); });
    });
  }
  /// The peer behind `connector`, found by a frame.
  PeerKey greet(Heeded<Listener>& listener, Heeded<Connector>& connector) {
    const std::string hello = "hello " + std::to_string(++greetings_);
    if (!until([&] { return connector->is_connected(); })) return {};
    connector->send(Bytes{hello});
    if (!until([&] { return listener.heard.has(hello); })) return {};
    return std::ranges::find(listener.heard.frames, hello, [](auto& f) { return f.second; })->first;
  }

  static ConnectorOptions quick() {
    ConnectorOptions options;
    options.reconnect_min = 10ms;
    options.reconnect_max = 100ms;
    options.linger = 0ms;
    return options;
  }
  auto& connectors() { return connectors_; }

 private:
  template <class Side>
  void drain(Heeded<Side>& heeded) {
    if (!heeded.side || heeded.deaf) return;
    Received in;
    for (int i = 0; i < 1'000 && heeded.side->try_receive(in); ++i) heeded.heard.note(in);
  }

  std::vector<std::unique_ptr<Heeded<Listener>>> listeners_;
  std::vector<std::unique_ptr<Heeded<Connector>>> connectors_;
  int greetings_ = 0;
};

}  // namespace baozi::net
