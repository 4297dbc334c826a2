/// \file signals.hpp
/// The signals of a node as something to poll: TERM and INT ask it to drain, QUIT not to finish
/// what runs, any second one to stop now; HUP reopens the logs, USR1 asks what the node is doing.
/// Threading: made before any other thread, so that all threads inherit
/// the blocked signals; read by one.
#pragma once
#include <utility>

namespace baozi::base {

class Signals {
 public:
  enum class Asked {
    nothing,
    drain,  ///< finish or hand back what is in hand, then return
    cold,   ///< the same without finishing what runs
    stop,   ///< return now
  };

  /// Blocks TERM, INT, QUIT, HUP and USR1 in the calling thread and those that it will start;
  /// ignores PIPE. Throws std::system_error.
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  /// Readable when `asked` has news. Never read it directly.
  [[nodiscard]] int fd() const { return descriptor_; }

  /// Takes in what has arrived, without waiting, and says what is asked for by now: once `drain`,
  /// never `nothing` again. Two signals of one kind that arrive together count as one (the system
  /// merges them).
  [[nodiscard]] Asked asked();

  /// True once for each time that USR1 arrived, as far as `asked` has taken it in.
  [[nodiscard]] bool take_report_wish() { return std::exchange(report_wished_, false); }

  /// True once for each time that HUP arrived, beside the logs that it reopened.
  [[nodiscard]] bool take_reload_wish() { return std::exchange(reload_wished_, false); }

  /// For a child process that is to live by the ordinary rules: unblocks what we blocked.
  /// Async-signal-safe.
  static void restore_in_child();

 private:
  int descriptor_ = -1;
  int count_ = 0;
  bool cold_ = false;
  bool report_wished_ = false;
  bool reload_wished_ = false;
};

}  // namespace baozi::base
