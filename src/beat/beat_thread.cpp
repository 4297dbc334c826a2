#include "beat/beat_thread.hpp"

#include <utility>

#include <pthread.h>

namespace baozi::beat {

BeatThread::BeatThread(BeatConfig config, const std::string& name)
    : node_{std::move(config), name} {
  thread_ = std::thread{[this] { node_.run(); }};
  pthread_setname_np(thread_.native_handle(), "baozi-beat");
}

BeatThread::~BeatThread() {
  node_.ask_to_drain();
  thread_.join();
}

}  // namespace baozi::beat
