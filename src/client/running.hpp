/// \file running.hpp
/// The moving parts of an App: what callers put in, the loop, who steers it, the callbacks. One per
/// process: after a fork the child abandons its parent's, whose threads it does not have, and makes
/// its own. Threading: as its parts.
#pragma once
#include "client/callback_thread.hpp"
#include "client/helm.hpp"
#include "client/inbox.hpp"
#include "client/producer_loop.hpp"

namespace baozi::client {

class Running {
 public:
  /// Opens the connections and starts the thread in the background.
  Running(const ProducerOptions& options, const Inbox::Limits& limits)
      : inbox{limits},
        loop{options, inbox, callbacks},
        helm{{.turn = [this] { loop.turn(); },
              .wait_and_turn = [this](std::optional<MonoTime> until) { loop.wait_and_turn(until); },
              .interrupt = [this] { loop.interrupt(); },
              .hand_over = [this] { loop.hand_over(); }}} {
    loop.hand_over();
    helm.start();
  }
  ~Running() {
    helm.stop();
    callbacks.stop();
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  /// After something was put in: the loop takes it up.
  void after(Inbox::Put put) {
    if (put == Inbox::Put::wake) {
      loop.interrupt();
    } else if (put == Inbox::Put::yes) {
      helm.nudge();
    }
  }

  CallbackThread callbacks;
  Inbox inbox;
  ProducerLoop loop;
  Helm helm;
};

}  // namespace baozi::client
