#include "actor/link_sockets.hpp"

#include <vector>

#include "base/log.hpp"

namespace baozi::actor {

LinkSockets::~LinkSockets() {
  for (auto& [id, connector] : links_) loop_.remove(*connector);
}

void LinkSockets::perform(NetEffects& effects) {
  for (const LinkId id : effects.reset_links) {
    if (const auto found = links_.find(id); found != links_.end()) found->second->reset();
  }
  for (const LinkId id : effects.close_links) {
    if (const auto found = links_.find(id); found != links_.end()) {
      loop_.remove(*found->second);
      links_.erase(found);
    }
  }
  for (const NetEffects::OpenLink& open : effects.open_links) {
    const auto endpoint = net::parse_endpoint(open.endpoint, net::Purpose::connect);
    if (!endpoint) {
      log::error("cannot connect to {}: {}", open.endpoint, endpoint.error().message);
      continue;
    }
    auto connector = std::make_unique<net::Connector>(net::Context::shared(), *endpoint, options_);
    loop_.add(*connector);
    links_[open.link] = std::move(connector);
  }
  for (NetEffects::ToLink& sent : effects.to_links) {
    // A frame that finds no connection is dropped: `gone` tells the core, which sends what matters
    // again.
    if (const auto found = links_.find(sent.link); found != links_.end())
      found->second->send(std::move(sent.frame));
  }
}

void LinkSockets::hand_over() {
  for (auto& [id, connector] : links_) connector->hand_over();
}

void LinkSockets::receive(int frames_max, const Handler& handler) {
  for (auto& [id, connector] : links_) {
    for (int i = 0; i < frames_max && connector->try_receive(received_); ++i) {
      switch (received_.kind) {
        case net::Received::Kind::frame: handler.frame(id, received_.frame); break;
        case net::Received::Kind::connected: handler.connected(id); break;
        case net::Received::Kind::gone: handler.disconnected(id); break;
      }
    }
  }
}

}  // namespace baozi::actor
