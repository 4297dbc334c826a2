/// \file signals.hpp
/// The signals of a node as something to poll: TERM and INT ask it to drain, any second one to stop
/// now, HUP reopens the logs. Threading: made before any other thread, so that all threads inherit
/// the blocked signals; read by one.
#pragma once

namespace baozi::base {

class Signals {
 public:
  enum class Asked {
    nothing,
    drain,  ///< finish or hand back what is in hand, then return
    stop,   ///< return now
  };

  /// Blocks TERM, INT and HUP in the calling thread and those that it will start; ignores PIPE.
  /// Throws std::system_error.
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

  /// For a child process that is to live by the ordinary rules: unblocks what we blocked.
  /// Async-signal-safe.
  static void restore_in_child();

 private:
  int descriptor_ = -1;
  int count_ = 0;
};

}  // namespace baozi::base
