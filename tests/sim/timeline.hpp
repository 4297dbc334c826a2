/// \file timeline.hpp
/// Virtual time: what happens next, and when. Two things at the same instant happen in the order in
/// which they were planned, so that a seed always gives the same run.
#pragma once
#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "base/time.hpp"

namespace baozi::sim {

class Timeline {
 public:
  using Action = std::function<void()>;

  /// Microseconds since the simulation began.
  [[nodiscard]] std::int64_t now() const { return now_; }

  void at(std::int64_t time, Action action) {
    events_.push({time < now_ ? now_ : time, next_sequence_++, std::move(action)});
  }
  void after(Micros delay, Action action) { at(now_ + delay.count(), std::move(action)); }

  /// Lets the next thing happen; false when there is none before `end`.
  bool step(std::int64_t end) {
    if (events_.empty() || events_.top().time > end) {
      now_ = end;
      return false;
    }
    // The queue gives only const access to what is about to be removed anyway.
    Event event = std::move(
        const_cast<Event&>(events_.top()));  // NOLINT(cppcoreguidelines-pro-type-const-cast)
    events_.pop();
    now_ = event.time;
    ++steps_;
    event.action();
    return true;
  }
  [[nodiscard]] std::uint64_t steps() const { return steps_; }

 private:
  struct Event {
    std::int64_t time;
    std::uint64_t sequence;
    Action action;
    bool operator<(const Event& other) const {
      return std::pair{time, sequence} > std::pair{other.time, other.sequence};
    }
  };
  std::int64_t now_ = 0;
  std::uint64_t next_sequence_ = 0;
  std::uint64_t steps_ = 0;
  std::priority_queue<Event> events_;
};

}  // namespace baozi::sim
