/// \file rate_limits.hpp
/// When tasks that are limited in starts per second may start: evenly spaced turns, one after the
/// other, never two at once after a pause. Threading: owned by one core. Time: passed in.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"

namespace baozi::worker {

/// One task's turns.
struct RateBucket {
  double rate = 0;                ///< starts per second; 0: no limit
  std::optional<double> asked{};  ///< an operator's word, which goes before the registered one
  MonoTime next{};                ///< the first turn that nobody has
  MonoTime promised{};            ///< when those that were handed back may find a turn
  std::uint64_t resting = 0;      ///< tasks that wait here for the turn they have

  [[nodiscard]] Micros interval() const { return Micros{static_cast<std::int64_t>(1e6 / rate)}; }
};

class RateLimits {
 public:
  /// What a task with a turn to come does.
  struct Turn {
    enum class Kind : std::uint8_t {
      start,      ///< its turn is now, and is taken
      rest,       ///< it has a turn soon: wait for `at` here
      hand_back,  ///< too far off, or too many wait here: back to its broker until `at`
    };
    Kind kind = Kind::start;
    MonoTime at{};
    RateBucket* bucket = nullptr;  ///< of `rest`
  };

  /// \param registered  the task's own limit; 0: none.
  [[nodiscard]] bool applies(double registered) const { return registered > 0 || any_asked_; }
  [[nodiscard]] Turn take(std::string_view task, double registered, MonoTime now);
  /// From now on; 0: no limit. Turns that were given out are forgotten.
  void set(std::string_view task, double rate, MonoTime now);
  /// Other limits are registered; an operator's word still goes before them.
  void reconsider(const std::function<double(std::string_view task)>& registered, MonoTime now);
  /// The limit that counts; 0: none.
  [[nodiscard]] double rate(std::string_view task, double registered) const;

 private:
  static void change(RateBucket& bucket, double rate, MonoTime now);

  std::map<std::string, RateBucket, std::less<>> buckets_;
  bool any_asked_ = false;
};

}  // namespace baozi::worker
