/// \file producer_loop.hpp
/// Runs a ProducerCore on ZeroMQ: connections, clock, what callers handed in, and what is told to
/// calls. Threading: one thread at a time (the helm sees to that), except where it says otherwise.
/// Time: reads both clocks once per turn.
#pragma once
#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "actor/link_sockets.hpp"
#include "client/callback_thread.hpp"
#include "client/inbox.hpp"
#include "client/producer_core.hpp"
#include "net/loop.hpp"

namespace baozi::client {

class ProducerLoop {
 public:
  /// \throws net::NetError  no file descriptors or threads left.
  ProducerLoop(const ProducerOptions& options, Inbox& inbox, CallbackThread& callbacks);
  ~ProducerLoop();

  /// Does what there is to do, without waiting.
  void turn();
  /// Waits for something to do, at most until then, and does it.
  void wait_and_turn(std::optional<MonoTime> until);
  /// Makes `wait_and_turn` return soon. From any thread.
  void interrupt() { loop_.wake(); }
  /// The next turn may be another thread's.
  void hand_over();

  /// Since when no broker can be reached; nothing while one can. From any thread; as of the last
  /// turn.
  [[nodiscard]] std::optional<MonoTime> unreachable_since() const {
    const std::int64_t since = unreachable_since_.load(std::memory_order_relaxed);
    if (since == 0) return std::nullopt;
    return mono_time(since);
  }
  /// Everything that was handed in and taken up has met its fate.
  [[nodiscard]] bool is_settled() const { return core_.is_settled(); }
  [[nodiscard]] std::string trouble() const { return core_.trouble(); }

  /// A question's answer goes here, once. Before it is asked.
  void expect_answer(Tag tag, std::function<void(Answer&&)> receiver);

  /// The same for a stream of events, again and again, until `forget_events`.
  void expect_events(Tag tag, std::function<void(ArrivedEvents&&)> receiver);
  void forget_events(Tag tag) { event_receivers_.erase(static_cast<std::uint64_t>(tag)); }

  /// Ends every call with AppClosed and closes the connections. Waits up to `linger` for what was
  /// sent last.
  void close(const char* why);

 private:
  void take_in(Now now);
  void receive(Now now);
  void perform(Now now);
  void carry_out();
  void tell_callers();
  const std::string* interned(std::string_view worker);

  Inbox& inbox_;
  CallbackThread& callbacks_;
  net::Loop loop_;
  actor::LinkSockets links_;
  ProducerCore core_;
  ProducerEffects effects_;
  Inbox::Taken taken_;
  std::unordered_map<std::uint64_t, std::function<void(Answer&&)>>
      receivers_;  // of answers, by tag
  std::unordered_map<std::uint64_t, std::function<void(ArrivedEvents&&)>> event_receivers_;
  std::set<std::string, std::less<>> workers_;  // names, kept once
  std::atomic<std::int64_t> unreachable_since_{0};
  bool closed_ = false;
};

}  // namespace baozi::client
