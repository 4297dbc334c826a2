/// \file producer_peer.hpp
/// A node that the producer is connected to, broker or collector: its connection and its session.
/// Threading: owned by the producer core.
#pragma once
#include <string>
#include <utility>

#include "actor/effects.hpp"
#include "actor/link.hpp"

namespace baozi::client {

struct ProducerPeer {
  actor::LinkId id{};
  std::string endpoint;
  std::string name;     ///< as its WELCOME said; empty before
  std::string trouble;  ///< what it said last when it refused us
  bool connected = false;
  actor::Link link;

  ProducerPeer(actor::LinkId link_id, std::string where, const Rules& rules)
      : id{link_id}, endpoint{std::move(where)}, link{rules} {}

  [[nodiscard]] const std::string& label() const { return name.empty() ? endpoint : name; }
  template <class Message>
  void send(const Message& message, Now now, actor::NetEffects& net) {
    net.to_links.push_back({id, link.frame(message, now)});
  }
};

}  // namespace baozi::client
