/// \file effects.hpp
/// What every core may ask of its shell's network. A core appends; the shell carries out in order.
#pragma once
#include <string>
#include <vector>

#include "actor/peer.hpp"
#include "base/bytes.hpp"

namespace baozi::actor {

struct NetEffects {
  struct ToPeer {
    PeerKey peer;
    Bytes frame;
  };
  struct ToLink {
    LinkId link;
    Bytes frame;
  };
  struct OpenLink {
    LinkId link;
    std::string endpoint;
  };
  std::vector<ToPeer> to_peers;
  std::vector<ToLink> to_links;
  /// Close the connection and make a fresh one to the same endpoint; `on_connected` follows when it
  /// stands.
  std::vector<LinkId> reset_links;
  std::vector<OpenLink> open_links;
  std::vector<LinkId> close_links;

  void clear() {
    to_peers.clear();
    to_links.clear();
    reset_links.clear();
    open_links.clear();
    close_links.clear();
  }
};

}  // namespace baozi::actor
