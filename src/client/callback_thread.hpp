/// \file callback_thread.hpp
/// The one thread, "baozi-callback", on which what users gave to `then`, and their coroutines, go
/// on: one function at a time, in the order in which their results came. Threading: any thread. The
/// thread is started with the first function.
#pragma once
#include <functional>
#include <memory>
#include <thread>

#include "baozi/detail/call_handle.hpp"

namespace baozi::client {

class CallbackThread {
 public:
  CallbackThread();
  ~CallbackThread() { stop(); }
  CallbackThread(const CallbackThread&) = delete;
  CallbackThread& operator=(const CallbackThread&) = delete;

  /// \param executor  where to run it; empty: here. What a function throws is logged.
  void run(std::function<void()> function, Executor executor);
  /// Runs what is left, then ends the thread (which goes by itself when it is the one that calls).
  /// Later functions run on the thread that brings them.
  void stop();
  /// The calling thread is the callback thread of some App.
  [[nodiscard]] static bool is_this();

 private:
  struct Queue;
  static void work(const std::shared_ptr<Queue>& queue);

  std::shared_ptr<Queue>
      queue_;           // shared with the thread, which may outlive this when it stops itself
  std::thread thread_;  // guarded by the queue's mutex
};

}  // namespace baozi::client
