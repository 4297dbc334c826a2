/// \file beat_thread.hpp
/// A beat inside another program, on a thread of its own.
/// Threading: made and destroyed by one thread.
#pragma once
#include <string>
#include <thread>

#include "beat/beat_node.hpp"

namespace baozi::beat {

class BeatThread {
 public:
  /// \throws base::ConfigError  as BeatNode; also when the configuration names no schedule
  BeatThread(BeatConfig config, const std::string& name);
  /// Sends nothing more, and waits a moment for what is in flight.
  ~BeatThread();
  BeatThread(const BeatThread&) = delete;
  BeatThread& operator=(const BeatThread&) = delete;

 private:
  BeatNode node_;
  std::thread thread_;
};

}  // namespace baozi::beat
