/// \file link_sockets.hpp
/// The connections that a core's links run on: one Connector per link, made, reset and closed as
/// the core asks. Threading: owned by the loop's thread.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "actor/effects.hpp"
#include "net/connector.hpp"
#include "net/loop.hpp"

namespace baozi::actor {

class LinkSockets {
 public:
  explicit LinkSockets(net::Loop& loop, const net::ConnectorOptions& options = {})
      : loop_{loop}, options_{options} {}
  ~LinkSockets();
  LinkSockets(const LinkSockets&) = delete;
  LinkSockets& operator=(const LinkSockets&) = delete;

  /// Does what concerns links in `effects`: resets, closes, opens, then frames. Not the frames to
  /// peers. An endpoint that cannot be read is logged once and never connected.
  void perform(NetEffects& effects);

  struct Handler {
    std::function<void(LinkId)> connected;
    std::function<void(LinkId)> disconnected;
    std::function<void(LinkId, BytesView)> frame;
  };
  /// Hands out what arrived, at most `frames_max` frames a link.
  void receive(int frames_max, const Handler& handler);
  /// The thread that uses them next may be another. The caller orders the two: by a mutex, say.
  void hand_over();

 private:
  net::Loop& loop_;
  net::ConnectorOptions options_;
  std::map<LinkId, std::unique_ptr<net::Connector>> links_;
  net::Received received_;
};

}  // namespace baozi::actor
