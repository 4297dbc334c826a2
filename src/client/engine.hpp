/// \file engine.hpp
/// The inside of an App: makes calls, waits for them, asks questions, closes, and starts anew after
/// a fork. Threading: any thread. Lives as long as the App or any of its Tasks and AsyncResults.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "baozi/client.hpp"
#include "client/running.hpp"

namespace baozi::client {

class Engine {
 public:
  /// \throws std::invalid_argument  an address that is none.
  explicit Engine(AppOptions options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  [[nodiscard]] const AppOptions& options() const { return options_; }

  using Item = detail::Submitter::Item;
  /// Throw as detail::Submitter's.
  static detail::CallHandle submit(const std::shared_ptr<Engine>& engine, const Item& item);
  /// The same without the App's middleware.
  static detail::CallHandle submit_now(const std::shared_ptr<Engine>& engine, const Item& item);
  static detail::CallHandle foreign(const std::shared_ptr<Engine>& engine, const TaskId& id);

  /// False when the time is over. Throws WouldBlock.
  bool wait(Call& call, Call::Event event, detail::Span timeout);
  bool wait_any(const std::vector<Call*>& calls, detail::Span timeout, std::size_t& index);
  void when_ended(Call& call, std::function<void()> callback, Executor executor);
  void when_submitted(Call& call, std::function<void()> callback, Executor executor);
  void when_told(Call& call, Call::OnState callback, Executor executor);
  /// The last handle of a call is gone.
  void dropped(Call& call);
  /// In a child of fork: a call of its parent ends here with AppClosed.
  void check_home(Call& call);
  /// A call from elsewhere, of which nothing has come yet: asks how it stands. Once.
  void look_up(Call& call);

  /// Throws WouldBlock, AppClosed.
  Answer ask(Question question);
  /// A stream of events; pieces come one at a time from each collector, on the thread that steers,
  /// until `unfollow`. Throws AppClosed.
  Tag follow(EventWish wish, std::function<void(ArrivedEvents&&)> receiver);
  /// The last piece of that collector was taken: it is asked for the next.
  void follow_more(Tag tag, const std::string& collector);
  void unfollow(Tag tag);
  [[nodiscard]] Helm& helm_to_wait() { return running().helm; }
  /// False when the time is over. Throws WouldBlock, AppClosed.
  bool wait_for_events(Waiter& waiter, std::optional<MonoTime> deadline);
  [[nodiscard]] std::string trouble();
  bool flush(detail::Span timeout);
  void close();

 private:
  struct Prepared;
  Prepared prepare(const Item& item) const;
  Running& running();
  Running& start_running(std::uint32_t generation);
  void hand_in(Running& running, const Inbox::Task& task, const Terms& terms);
  void run_here(Call& call, std::string packed_task);
  /// Throws WouldBlock: inside a task whenever the call may block, so that it is found at once; on
  /// the callback thread when it would.
  static void refuse_blocking(bool may_block, bool would_block);
  [[nodiscard]] ProducerOptions producer_options() const;

  AppOptions options_;
  std::vector<std::string> brokers_;
  Terms terms_;
  std::atomic<Running*> running_{nullptr};
  std::atomic<std::uint32_t> generation_{0};  ///< of forks, when `running_` was made
  TinyLock starting_;
  std::atomic<bool> closed_{false};
  std::atomic<std::uint64_t> next_question_{1};
  std::mutex names_mutex_;
  std::set<std::string>
      worker_names_;  ///< guarded by names_mutex_: of results that were looked up; few

  // eager
  CallbackThread local_callbacks_;
  std::mutex local_mutex_;
  std::map<TaskId, Call*>
      local_calls_;  ///< guarded by local_mutex_: a reference each, for `foreign`
};

}  // namespace baozi::client
