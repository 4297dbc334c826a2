/// \file process.hpp
/// One program of one role: it starts, stops for a while, crashes and starts again; what reaches it
/// waits in an inbox until its loop turns. The loop is that of the real shells: take what came,
/// turn the core, carry out its effects, sleep until its next deadline.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "actor/effects.hpp"
#include "base/time.hpp"
#include "world.hpp"

namespace baozi::sim {

class Network;

class Process {
 public:
  Process(World& world, Network& network, std::string name, std::string endpoint);
  virtual ~Process() = default;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& endpoint() const {
    return endpoint_;
  }  ///< empty: it does not listen
  [[nodiscard]] std::size_t index() const { return index_; }
  [[nodiscard]] bool is_up() const { return up_; }
  [[nodiscard]] bool is_paused() const { return paused_; }
  [[nodiscard]] std::uint64_t starts() const { return starts_; }
  /// Steady time that it ran over all starts; of every stop only `count_stops` of its length
  /// counts.
  [[nodiscard]] std::int64_t awake() const;
  /// A loop cannot tell a short stop from a time in which nothing happened.
  void count_stops(Micros at_most) { counted_stop_ = at_most; }

  void start();
  void crash(std::string_view why);
  /// SIGSTOP and SIGCONT: nothing of it runs meanwhile, threads and store included.
  void pause();
  void resume();
  /// SIGTERM: it ends by itself when it is done.
  virtual void drain() = 0;
  void step_wall_clock(Micros by) { wall_offset_ += by; }
  [[nodiscard]] Micros wall_offset() const { return wall_offset_; }

  using Input = std::function<void(Now)>;
  /// Something for its loop: lost when it is down, kept while it is stopped.
  void post(Input input);
  /// Runs `action` after `delay` unless the process has ended by then; put off while it is stopped.
  void later(Micros delay, std::function<void()> action);

  [[nodiscard]] Now now() const;

  // The network's side of a connection. `live` tells whether what arrives still counts when its
  // turn comes.
  virtual void on_connected(actor::LinkId link, Now now) = 0;
  virtual void on_disconnected(actor::LinkId link, Now now) = 0;
  virtual void on_frame(actor::LinkId link, BytesView frame, Now now) = 0;
  virtual void on_frame(actor::PeerKey, BytesView, Now) {}
  virtual void on_gone(actor::PeerKey, Now) {}

  /// Nothing left to do that anybody waits for.
  [[nodiscard]] virtual bool is_idle() const = 0;
  /// What it still waits for.
  [[nodiscard]] virtual std::string busy_with() const = 0;

 protected:
  virtual void boot(Now now) = 0;
  /// The core is gone; `graceful` when it had drained.
  virtual void halt() = 0;
  /// Turns the core and carries out what it asks for.
  virtual void turn(Now now) = 0;
  [[nodiscard]] virtual std::optional<MonoTime> next_deadline() const = 0;

  /// It drained: the process ends, and starts again after a while.
  void end();
  void perform(actor::NetEffects& net);

  World& world_;
  Network& network_;

 private:
  void schedule_wake(std::int64_t at);
  void wake();
  void stop_running();

  std::string name_;
  std::string endpoint_;
  std::size_t index_ = 0;
  bool up_ = false;
  bool paused_ = false;
  std::uint64_t starts_ = 0;
  Micros wall_offset_{0};
  std::deque<Input> inbox_;
  std::deque<std::function<void()>> put_off_;  // came due while it was stopped
  std::int64_t wake_at_ = -1;
  std::int64_t awake_since_ = 0;
  std::int64_t awake_before_ = 0;
  std::int64_t stopped_since_ = 0;
  Micros counted_stop_{0};
  std::int64_t spin_second_ = 0;
  std::uint64_t spins_ = 0;
  bool ending_ = false;
  friend class Network;
};

}  // namespace baozi::sim
