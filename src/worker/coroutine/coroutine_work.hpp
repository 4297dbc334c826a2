/// \file coroutine_work.hpp
/// The thread of a CoroutineRunner: its coroutines, what they wait for, and whose turn it is.
/// Threading: the runner's thread, but for `step`.
#pragma once
#include <atomic>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "baozi/coroutine.hpp"
#include "base/random.hpp"
#include "worker/coroutine/coroutine_runner.hpp"
#include "worker/coroutine/descriptor_watch.hpp"

namespace baozi::worker {

class CoroutineRunner::Work {
 public:
  /// \throws std::system_error
  Work(std::shared_ptr<Inbox> inbox, Outbox& outbox, std::string worker_name, CoroutineStep* step);
  ~Work();

  /// Until the inbox says to stop; then every frame is destroyed.
  void run();

  // ---- for the coroutine that runs
  int suspend(Job& job, std::coroutine_handle<> handle, const detail::CoroutineWait& wait) noexcept;
  [[nodiscard]] std::shared_ptr<detail::Wakeup> wakeup(Job& job);
  void update_state(Job& job, std::string_view state, Bytes meta);

  // ---- for the loop
  [[nodiscard]] const CoroutineStep& step() const { return step_; }
  [[nodiscard]] std::int64_t thread_id() const { return thread_id_.load(); }

 private:
  /// False: it is time to stop.
  bool take_inbox();
  void wait_for_something();
  void strike(MonoTime now);
  void start(Job& job);
  void resume(Job& job);
  void wake(Job& job, detail::Woken why);
  /// It waits no longer, neither for a descriptor nor for the time.
  void leave_wait(Job& job);
  void finish(Job& job);
  [[nodiscard]] Job* find(Token token);

  std::shared_ptr<Inbox> inbox_;
  Outbox& outbox_;
  const std::string worker_name_;
  Random random_;
  DescriptorWatch watch_;
  std::unordered_map<Token, Job*> jobs_;  ///< started
  std::set<std::pair<MonoTime, Job*>> timers_;
  std::deque<Job*> runnable_;
  std::vector<Token> ready_;

  CoroutineStep own_step_{};
  CoroutineStep& step_;
  std::atomic<std::int64_t> thread_id_{0};
};

}  // namespace baozi::worker
