/// \file task.hpp
/// The plain values around a task: its states, how it is called, how it is retried, how it ended.
/// Threading: values. Times: microseconds; an instant is always UTC, or has a zone.
#pragma once
#include <chrono>
#include <concepts>
#include <cstdint>
#include <exception>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "baozi/value.hpp"

namespace baozi {

/// The life of a task, by Celery's names; the numbers are those of the wire.
enum class State : std::uint8_t {
  pending = 0,   ///< not known yet: queued, or an id that nobody used
  received = 1,  ///< a worker has it
  started = 2,
  retry = 3,  ///< failed, and will be run again
  success = 4,
  failure = 5,
  revoked = 6,  ///< ended by request, expiry or a queue's limit
  ignored = 7,  ///< no failure and no value: its caller wanted none, or it asked to be ignored
};
/// "PENDING", "SUCCESS" …
[[nodiscard]] const char* to_string(State state);
/// From the upper-case name.
[[nodiscard]] std::optional<State> parse_state(std::string_view name);
/// True once nothing will change any more.
[[nodiscard]] constexpr bool is_final(State state) { return state >= State::success; }

/// When to try again, in the four numbers of Celery's `retry_policy`, with Celery's defaults.
struct RetryPolicy {
  int max_retries = 3;  ///< tries after the first; 0: none, negative: without end
  std::chrono::microseconds interval_start =
      std::chrono::microseconds{0};  ///< before the first retry
  std::chrono::microseconds interval_step =
      std::chrono::milliseconds{200};  ///< more for each further one
  std::chrono::microseconds interval_max =
      std::chrono::milliseconds{200};  ///< never more than this (or the start)
  double jitter = 0.0;  ///< 0 to 1: the share of a delay that chance may take away or add
  std::chrono::microseconds retry_for =
      std::chrono::microseconds{0};  ///< none once the first one is so long ago; 0: no such limit

  [[nodiscard]] bool allows(std::uint32_t retries) const {
    return max_retries < 0 || retries < static_cast<std::uint32_t>(max_retries);
  }
  /// \param since  how long ago the first retry was asked for; 0 when there was none.
  [[nodiscard]] bool allows(std::uint32_t retries, std::chrono::microseconds since) const {
    return allows(retries) && (retry_for.count() <= 0 || since < retry_for);
  }
  /// \param retry   0 for the first one.
  /// \param chance  in [0, 1); 0.5 takes and adds nothing. The caller brings it, so the policy
  /// stays a value.
  [[nodiscard]] std::chrono::microseconds delay(std::uint32_t retry, double chance = 0.5) const;
  bool operator==(const RetryPolicy&) const = default;
};

/// What has an unmistakable instant: `std::chrono::sys_time`, or a zoned time (anything with
/// `get_sys_time()`, as `std::chrono::zoned_time` and `date::zoned_time`). A local time without a
/// zone is not one, nor is a steady clock's.
template <class T>
concept ZonedTime = requires(const T& t) {
  {t.get_sys_time().time_since_epoch()};
  requires std::same_as<typename std::remove_cvref_t<decltype(t.get_sys_time())>::clock,
                        std::chrono::system_clock>;
};

/// An instant in UTC microseconds. Made implicitly from a `sys_time` or a zoned time, and from
/// nothing else.
class Instant {
 public:
  using Time = std::chrono::sys_time<std::chrono::microseconds>;

  constexpr Instant() = default;
  template <class Duration>
  constexpr Instant(std::chrono::sys_time<Duration> time)
      : time_{std::chrono::floor<std::chrono::microseconds>(time)} {}
  template <ZonedTime T>
  constexpr Instant(const T& time) : Instant{time.get_sys_time()} {}

  [[nodiscard]] constexpr Time time() const { return time_; }
  [[nodiscard]] constexpr std::int64_t micros() const { return time_.time_since_epoch().count(); }
  [[nodiscard]] static constexpr Instant from_micros(std::int64_t us) {
    return Instant{Time{std::chrono::microseconds{us}}};
  }
  auto operator<=>(const Instant&) const = default;

 private:
  Time time_{};
};

/// A latest useful start: an instant, or a span from the moment of the call.
class Expiry {
 public:
  template <class Rep, class Period>
  constexpr Expiry(std::chrono::duration<Rep, Period> span)
      : span_{std::chrono::duration_cast<std::chrono::microseconds>(span)} {}
  template <class T>
  requires(std::convertible_to<const T&, Instant> &&
           !std::same_as<T, Expiry>) constexpr Expiry(const T& instant)
      : instant_{instant}, relative_{false} {}

  [[nodiscard]] constexpr bool is_relative() const { return relative_; }
  [[nodiscard]] constexpr Instant from(Instant now) const {
    return relative_ ? Instant{now.time() + span_} : instant_;
  }
  bool operator==(const Expiry&) const = default;

 private:
  std::chrono::microseconds span_{0};
  Instant instant_{};
  bool relative_ = true;
};

/// One task at a time may hold a key: see `CallOptions::unique`.
struct Unique {
  enum class Until : std::uint8_t { started, finished };

  std::string key;  ///< 1 to 255 bytes
  /// The key is free again after so long, even when the task has not come so far; 0: no such limit.
  std::chrono::microseconds window{0};
  Until until = Until::finished;
  bool operator==(const Unique&) const = default;
};

/// How one call of a task departs from the ordinary. Any subset of designated initialisers will do:
/// `{.countdown = 5s, .queue = "math"}`.
struct CallOptions {
  /// Not before this long from now. Not together with `eta`.
  std::optional<std::chrono::microseconds> countdown{};
  /// Not before this instant; the broker keeps it, to the microsecond, through restarts.
  std::optional<Instant> eta{};
  /// Not started later than this: it ends as REVOKED instead.
  std::optional<Expiry> expires{};
  /// Empty: the default queue.
  std::string queue{};
  /// Only for workers that have every one of these labels: "gpu=1", or "gpu" for any value. At
  /// most 16. Until one comes the task waits.
  std::vector<std::string> labels{};
  /// 0 to 9, 9 first; 4 when none is given.
  std::optional<int> priority{};
  /// Empty: a new UUID. Otherwise 1 to 255 bytes of your own.
  std::string task_id{};
  /// True: a success stores no result. Failures are always stored.
  bool ignore_result{};
  /// Your own, for the task to read through its context.
  std::map<std::string, Value, std::less<>> headers{};
  /// Whether sending is tried again while no broker can be reached, and how.
  bool retry{true};
  RetryPolicy retry_policy{};
  /// Whether and how a failed execution of this call is tried again; it goes before the task's own
  /// setting.
  std::optional<RetryPolicy> on_failure{};
  /// True: run at most once. A lost worker then makes the task fail instead of repeating it.
  bool acks_early{};
  /// Hard and soft limit of one execution.
  std::optional<std::chrono::microseconds> time_limit{};
  std::optional<std::chrono::microseconds> soft_time_limit{};
  /// Lost deliveries after which the task is a dead letter; 0: the broker's default.
  std::uint32_t delivery_limit{};
  /// A name to show in tools and logs instead of the task's.
  std::string shadow{};
  /// True: the start of the execution is reported as STARTED.
  bool track_started{};
  /// While another task holds the key, this call makes no task of its own: its AsyncResult is that
  /// task's, id and result (`AsyncResult::is_duplicate`).
  std::optional<Unique> unique{};
  /// Tasks with the same key run one at a time, in the order in which they were submitted, over any
  /// number of workers. One that waits for a retry or its ETA holds up those behind it.
  std::string ordering_key{};
  /// At most `concurrency_limit` tasks with the same key run at the same time.
  std::string concurrency_key{};
  std::uint32_t concurrency_limit{1};
  /// What tools and logs show instead of the arguments, such as "***"; empty: the arguments.
  std::string shown_arguments{};
  /// Only together with `task_id`. Until this instant the id counts as taken, whatever becomes of
  /// its task: another call with it and a `once_until` makes no task of its own, it is a second
  /// handle of the first one (`AsyncResult::is_duplicate`). After it such a call is rejected.
  std::optional<Instant> once_until{};
  /// With several brokers: all calls with the same home go to one of them, always the same one, and
  /// wait for it while it is away. Empty: that of the ordering, unique or concurrency key, or of
  /// the id with `once_until`, or any broker. Says nothing about order or number; follow-ups stay
  /// with their parent's broker.
  std::string home{};
};

/// A failure that happened elsewhere, as text: what the task threw, or what the network decided.
class TaskError : public std::runtime_error {
 public:
  TaskError(std::string type, std::string message, std::string traceback = {})
      : std::runtime_error{message.empty() ? type : type + ": " + message},
        type_{std::move(type)},
        message_{std::move(message)},
        traceback_{std::move(traceback)} {}

  [[nodiscard]] const std::string& type() const { return type_; }        ///< "std::out_of_range"
  [[nodiscard]] const std::string& message() const { return message_; }  ///< what its what() said
  [[nodiscard]] const std::string& traceback() const {
    return traceback_;
  }  ///< where it was thrown; may be empty

 private:
  std::string type_;
  std::string message_;
  std::string traceback_;
};

/// How a task stands or ended: its state, with the value of a success or the error of anything else
/// that is final.
template <class T>
class Outcome {
 public:
  using Held = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

  /// Not final, or IGNORED.
  explicit Outcome(State state = State::pending) : state_{state} {}
  /// SUCCESS.
  explicit Outcome(std::in_place_t, Held value = {})
      : state_{State::success}, value_{std::move(value)} {}
  /// FAILURE, REVOKED, or RETRY with the error that led to it.
  Outcome(State state, TaskError error) : state_{state}, error_{std::move(error)} {}

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] bool ready() const { return is_final(state_); }
  [[nodiscard]] bool successful() const {
    return state_ == State::success || state_ == State::ignored;
  }
  [[nodiscard]] bool failed() const { return state_ == State::failure; }
  explicit operator bool() const { return successful(); }

  /// The value of a success. Throws the task's TaskError, or one of type `baozi::NotReady` or
  /// `baozi::ResultIgnored` where there is no value to give.
  [[nodiscard]] const Held& value() const& {
    if (!value_) raise();
    return *value_;
  }
  [[nodiscard]] Held value() && {
    if (!value_) raise();
    return *std::move(value_);
  }
  /// Null unless the task failed, was revoked, or is to be retried.
  [[nodiscard]] const TaskError* error() const { return error_ ? &*error_ : nullptr; }

 private:
  [[noreturn]] void raise() const {
    if (error_) throw TaskError{*error_};
    if (state_ == State::ignored)
      throw TaskError{"baozi::ResultIgnored",
                      "called with ignore_result, or the task asked to be ignored"};
    throw TaskError{"baozi::NotReady", to_string(state_)};
  }

  State state_;
  std::optional<Held> value_;
  std::optional<TaskError> error_;
};

}  // namespace baozi
