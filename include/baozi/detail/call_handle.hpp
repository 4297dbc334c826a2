/// \file call_handle.hpp
/// Room: client.
/// What all AsyncResults have in common, without their type: one call of one task, as its caller
/// sees it.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "baozi/errors.hpp"
#include "baozi/task.hpp"

namespace baozi::client {
class Call;
class Engine;
class Waiter;
}  // namespace baozi::client

namespace baozi {

/// Runs functions somewhere: a thread pool, a user interface's loop. It must not throw.
using Executor = std::function<void(std::function<void()>)>;

/// What became of handing a task to a broker.
enum class SubmitState : std::uint8_t {
  pending,    ///< not known yet
  confirmed,  ///< a broker has it, durably
  not_sent,   ///< no broker took it; it does not exist
  rejected,   ///< a broker refused it; it does not exist
  unknown,    ///< it may exist
};
[[nodiscard]] const char* to_string(SubmitState state);

/// An answer to `revoke`.
struct Revocation {
  enum class Verdict : std::uint8_t {
    unknown,   ///< no broker knows the task (or those that might could not be asked)
    revoked,   ///< it will not run
    pending,   ///< a worker has it, and was asked to end it
    too_late,  ///< it had ended
  };
  Verdict verdict = Verdict::unknown;
  State state = State::pending;  ///< too_late: how it had ended
  std::string unasked;           ///< brokers that could not be asked, separated by commas
};

namespace detail {

using Span = std::chrono::microseconds;
inline constexpr Span forever = Span::max();

template <class Rep, class Period>
constexpr Span to_timeout(std::chrono::duration<Rep, Period> span) {
  using std::chrono::duration;
  // Compared in floating point: hours::max() is not to overflow.
  if (duration<double>{span} > std::chrono::hours{24 * 36500}) return forever;
  return std::chrono::ceil<Span>(span);
}

template <class E>
Executor to_executor(E&& executor) {
  if constexpr (requires(std::function<void()> f) { executor.post(f); }) {
    return [&executor](std::function<void()> f) { executor.post(std::move(f)); };
  } else {
    return Executor{std::forward<E>(executor)};
  }
}

class CallHandle {
 public:
  CallHandle() = default;
  CallHandle(client::Call* call, std::shared_ptr<client::Engine> engine) noexcept;
  CallHandle(const CallHandle& other) noexcept;
  CallHandle(CallHandle&& other) noexcept;
  CallHandle& operator=(CallHandle other) noexcept;
  ~CallHandle();

  /// False for one that was default-constructed or moved from; nothing else may be asked of such a
  /// one.
  [[nodiscard]] bool valid() const { return call_ != nullptr; }
  /// The task's id, as text. Of a duplicate, once that is known: the id of the first.
  [[nodiscard]] std::string id() const;
  /// True when another task held the unique key: this is that one's result. Known with the confirm
  /// (`wait_submitted`).
  [[nodiscard]] bool is_duplicate() const;
  /// "c.add"; empty for a task that was called elsewhere and has not ended.
  [[nodiscard]] std::string name() const;

  /// Waits until the task has ended or nothing more can come. Throws WouldBlock.
  void wait() const { (void)wait_for(forever); }
  /// False when the time is over.
  template <class Rep, class Period>
  bool wait(std::chrono::duration<Rep, Period> timeout) const {
    return wait_for(to_timeout(timeout));
  }

  /// Nothing more will come: a final state, or an error of the way there.
  [[nodiscard]] bool ready() const;
  [[nodiscard]] bool successful() const;
  [[nodiscard]] bool failed() const;
  /// The latest that is known. For a task of this App without asking anybody; for one that was
  /// called elsewhere the first time asks the collectors, for up to AppOptions::answer_timeout.
  [[nodiscard]] State state() const;
  /// Of a failure; empty otherwise.
  [[nodiscard]] std::string traceback() const;
  /// What the running task last said about itself (Context::update_state): its own word, such as
  /// "PROGRESS", …
  [[nodiscard]] std::string state_name() const;
  /// … and the value beside it; null while there is none.
  [[nodiscard]] Value info() const;
  /// The worker that ran it, or runs it; empty when not known.
  [[nodiscard]] std::string worker() const;
  /// Times that the task was retried before it ended.
  [[nodiscard]] std::uint32_t retries() const;
  /// When its last execution began and ended; nothing before it ended.
  [[nodiscard]] std::optional<Instant> started() const;
  [[nodiscard]] std::optional<Instant> finished() const;

  /// What became of handing it in.
  [[nodiscard]] SubmitState submit_state() const;
  /// True once a broker has it, durably.
  [[nodiscard]] bool submitted() const { return submit_state() == SubmitState::confirmed; }
  /// Waits for the broker's confirm. Throws NotSent, Rejected, SubmitUnknown, AppClosed, Timeout,
  /// WouldBlock.
  void wait_submitted() const { confirm_within(forever); }
  template <class Rep, class Period>
  void wait_submitted(std::chrono::duration<Rep, Period> timeout) const {
    confirm_within(to_timeout(timeout));
  }

  /// Calls it once `submit_state` is no longer pending, on the callback thread or by the executor;
  /// soon, when it is not. Not for a task that was called elsewhere.
  void when_submitted(std::function<void()> callback, Executor executor = {}) const;

  /// Erases the stored result. True when there was one. Throws NoAnswer, WouldBlock, AppClosed.
  bool forget() const;
  /// Ends the task before it runs; with `terminate` also when it runs: then a worker that runs
  /// tasks in processes sends `signal` ("SIGTERM" when empty, "SIGKILL", …) to the process of this
  /// very task. A revoke lasts: a worker that is away obeys when it comes back. Throws NoAnswer,
  /// WouldBlock, AppClosed.
  Revocation revoke(bool terminate = false, std::string_view signal = {}) const;

 protected:
  [[nodiscard]] bool wait_for(Span timeout) const;
  void confirm_within(Span timeout) const;
  void throw_trouble() const;
  /// Waits, throws Timeout, then whatever error there is; afterwards `packed_value` is the result.
  void require_success(Span timeout) const;
  /// Throws the error when there is one. False while not ready.
  [[nodiscard]] bool require_no_error() const;
  [[nodiscard]] std::string_view packed_value() const;
  /// "result of c.add", for error messages.
  [[nodiscard]] std::string value_label() const;
  /// State and error as an Outcome holds them; a success has no error.
  [[nodiscard]] State outcome_state() const;
  [[nodiscard]] std::optional<TaskError> outcome_error() const;
  /// Calls it once ready, on the callback thread or by the executor; soon, when it is ready
  /// already.
  void when_ready(std::function<void()> callback, Executor executor) const;
  /// Calls it with the word and the packed value of each state until the end.
  void when_told(std::function<void(const std::string&, const std::string&)> callback,
                 Executor executor) const;

 private:
  friend class ManyCalls;
  client::Call* call_ = nullptr;
  std::shared_ptr<client::Engine> engine_;  // shared: handles may outlive their App
};

/// Waits for some of many calls.
class ManyCalls {
 public:
  explicit ManyCalls(std::vector<CallHandle> calls) : calls_{std::move(calls)} {}
  /// The index of a call that is ready, the first of those that are; nothing when the time is over.
  [[nodiscard]] std::optional<std::size_t> wait_any(Span timeout) const;
  [[nodiscard]] bool wait_all(Span timeout) const;
  void when_any(std::function<void(std::size_t)> callback, Executor executor) const;
  void when_all(std::function<void()> callback, Executor executor) const;

 private:
  std::vector<CallHandle> calls_;
};

}  // namespace detail
}  // namespace baozi
