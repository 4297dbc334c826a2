/// \file result.hpp
/// Room: client.
/// AsyncResult<T>: the caller's end of a task. Results are pushed to it; nothing polls.
///
///     auto r = add.delay(1, 2);
///     int three = r.get();                                  // blocking
///     if (auto value = r.try_get()) use(*value);            // looking
///     r.then([](baozi::Outcome<int> o) { … });              // called, on the callback thread
///     int again = co_await r;                               // resumed, on the callback thread
///     auto o = r.get_for(10s);                              // an Outcome: nothing is thrown
///
/// Threading: one AsyncResult is a value of one thread; copies of it may be used by others at the
/// same time. Errors: what the task threw arrives as TaskError; NotSent, Rejected, SubmitUnknown,
/// Timeout, AppClosed and TaskRevoked say the rest. Dropping an AsyncResult cancels nothing. It may
/// outlive its App.
#pragma once
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "baozi/codec.hpp"
#include "baozi/detail/call_handle.hpp"

namespace baozi {

/// For `get(timeout, no_propagate)`.
inline constexpr std::false_type no_propagate{};

template <class T>
class [[nodiscard]] Resumption;

template <class T>
class AsyncResult : public detail::CallHandle {
 public:
  using Held = typename Outcome<T>::Held;
  AsyncResult() = default;
  explicit AsyncResult(detail::CallHandle handle) noexcept
      : detail::CallHandle{std::move(handle)} {}

  /// Waits and returns what the task returned. Throws what it threw (TaskError), and what came
  /// between.
  T get() const { return take(detail::forever); }
  /// Throws Timeout when the time is over; the task goes on.
  template <class Rep, class Period>
  T get(std::chrono::duration<Rep, Period> timeout) const {
    return take(detail::to_timeout(timeout));
  }
  /// Throws Timeout; an error of the task is in the Outcome instead of being thrown.
  template <class Rep, class Period>
  [[nodiscard]] Outcome<T> get(std::chrono::duration<Rep, Period> timeout, std::false_type) const {
    if (!wait_for(detail::to_timeout(timeout))) throw Timeout{"no result in time"};
    return outcome();
  }
  [[nodiscard]] Outcome<T> get(std::false_type) const {
    (void)wait_for(detail::forever);
    return outcome();
  }
  /// Waits up to `timeout`; an Outcome that is not ready says that it was not enough.
  template <class Rep, class Period>
  [[nodiscard]] Outcome<T> get_for(std::chrono::duration<Rep, Period> timeout) const {
    (void)wait_for(detail::to_timeout(timeout));
    return outcome();
  }
  /// The value if it is there, without waiting. Throws as `get` does.
  [[nodiscard]] std::optional<Held> try_get() const {
    if (!require_no_error()) return std::nullopt;
    return decode();
  }
  /// How it stands now. An error that is neither the task's nor a revoke is there with a state of
  /// FAILURE (NotSent, Rejected: the task does not exist) or PENDING (SubmitUnknown, AppClosed:
  /// nobody here knows).
  [[nodiscard]] Outcome<T> outcome() const {
    if (!ready()) return Outcome<T>{state()};
    if (auto error = outcome_error()) return Outcome<T>{outcome_state(), *std::move(error)};
    if (outcome_state() != State::success) return Outcome<T>{outcome_state()};
    try {
      return Outcome<T>{std::in_place, decode()};
    } catch (const DecodeError& error) {
      return Outcome<T>{State::failure, TaskError{"baozi::DecodeError", error.what()}};
    }
  }

  /// Calls `f(Outcome<T>)` once ready: on the callback thread, on which one function runs at a
  /// time. What it throws is logged. When it is ready already the call comes soon, never from
  /// within `then`.
  template <class F>
  void then(F&& f) const {
    when_ready(calling(std::forward<F>(f)), {});
  }
  /// The same, by an executor: something with `post(function)`, or that can be called with one.
  template <class E, class F>
  void then(E&& executor, F&& f) const {
    when_ready(calling(std::forward<F>(f)), detail::to_executor(std::forward<E>(executor)));
  }

  /// Calls `f(const std::string& word, const Value& value)` for each state that the running task
  /// reports (Context::progress, Context::update_state, STARTED, RETRY), and soon for the latest
  /// one that has come already: on the callback thread, in order, until it has ended. A state that
  /// nobody took in time may be left out.
  template <class F>
  void on_progress(F&& f) const {
    when_told(showing(std::forward<F>(f)), {});
  }
  /// The same, by an executor.
  template <class E, class F>
  void on_progress(E&& executor, F&& f) const {
    when_told(showing(std::forward<F>(f)), detail::to_executor(std::forward<E>(executor)));
  }

  /// `co_await r.on(executor)`: resumes there instead of on the callback thread.
  template <class E>
  [[nodiscard]] Resumption<T> on(E&& executor) const {
    return {*this, detail::to_executor(std::forward<E>(executor))};
  }
  [[nodiscard]] Resumption<T> operator co_await() const { return {*this, {}}; }

 private:
  friend class Resumption<T>;

  T take(detail::Span timeout) const {
    require_success(timeout);
    if constexpr (!std::is_void_v<T>) return decode();
  }
  Held decode() const {
    if constexpr (std::is_void_v<T>) {
      return {};
    } else {
      const std::string label = value_label();
      return unpack<T>(packed_value(), label);
    }
  }
  template <class F>
  std::function<void()> calling(F&& f) const {
    auto shared =
        std::make_shared<std::decay_t<F>>(std::forward<F>(f));  // std::function wants copies
    return [self = *this, shared = std::move(shared)] { (*shared)(self.outcome()); };
  }
  template <class F>
  std::function<void(const std::string&, const std::string&)> showing(F&& f) const {
    auto shared = std::make_shared<std::decay_t<F>>(std::forward<F>(f));
    return [self = *this, shared = std::move(shared)](const std::string& word,
                                                      const std::string& meta) {
      (*shared)(word, meta.empty() ? Value{} : unpack<Value>(meta));
    };
  }
};

/// What `co_await` on an AsyncResult waits with. Gives the value, or throws as `get` does.
template <class T>
class [[nodiscard]] Resumption {
 public:
  Resumption(AsyncResult<T> result, Executor executor)
      : result_{std::move(result)}, executor_{std::move(executor)} {}
  [[nodiscard]] bool await_ready() const { return !executor_ && result_.ready(); }
  void await_suspend(std::coroutine_handle<> waiting) const {
    result_.when_ready([waiting] { waiting.resume(); }, executor_);
  }
  T await_resume() const { return result_.take(detail::Span{0}); }

 private:
  AsyncResult<T> result_;
  Executor executor_;
};

namespace detail {
template <class Results>
std::vector<CallHandle> handles(const Results& results) {
  return {results.begin(), results.end()};
}
}  // namespace detail

/// The first of many: see `when_any`.
class WhenAny {
 public:
  explicit WhenAny(std::vector<detail::CallHandle> calls)
      : calls_{std::make_shared<detail::ManyCalls>(std::move(calls))} {}

  /// Waits for one and returns its index. Throws WouldBlock, and Timeout.
  std::size_t get() const { return *calls_->wait_any(detail::forever); }
  template <class Rep, class Period>
  std::size_t get(std::chrono::duration<Rep, Period> timeout) const {
    if (const auto index = calls_->wait_any(detail::to_timeout(timeout))) return *index;
    throw Timeout{"none was ready in time"};
  }
  template <class Rep, class Period>
  [[nodiscard]] std::optional<std::size_t> get_for(
      std::chrono::duration<Rep, Period> timeout) const {
    return calls_->wait_any(detail::to_timeout(timeout));
  }
  /// Calls `f(index)` once, on the callback thread or by an executor.
  template <class F>
  void then(F f) const {
    calls_->when_any(std::move(f), {});
  }
  template <class E, class F>
  void then(E&& executor, F f) const {
    calls_->when_any(std::move(f), detail::to_executor(std::forward<E>(executor)));
  }

  class Awaiter {
   public:
    explicit Awaiter(std::shared_ptr<detail::ManyCalls> calls) : calls_{std::move(calls)} {}
    [[nodiscard]] bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiting) {
      calls_->when_any(
          [this, waiting](std::size_t index) {
            index_ = index;
            waiting.resume();
          },
          {});
    }
    std::size_t await_resume() const { return index_; }

   private:
    std::shared_ptr<detail::ManyCalls> calls_;
    std::size_t index_ = 0;
  };
  [[nodiscard]] Awaiter operator co_await() const { return Awaiter{calls_}; }

 private:
  std::shared_ptr<detail::ManyCalls> calls_;  // shared with what waits
};

/// All of many: see `when_all`.
template <class T>
class WhenAll {
 public:
  explicit WhenAll(std::vector<AsyncResult<T>> results)
      : calls_{std::make_shared<detail::ManyCalls>(detail::handles(results))},
        results_{std::move(results)} {}

  /// Waits for all and returns their values in order; of void, nothing. Throws the first error, in
  /// order.
  auto get() const { return take(detail::forever); }
  template <class Rep, class Period>
  auto get(std::chrono::duration<Rep, Period> timeout) const {
    return take(detail::to_timeout(timeout));
  }
  /// False when the time is over.
  template <class Rep, class Period>
  bool wait(std::chrono::duration<Rep, Period> timeout) const {
    return calls_->wait_all(detail::to_timeout(timeout));
  }
  /// Waits for all; errors are in the Outcomes.
  [[nodiscard]] std::vector<Outcome<T>> outcomes() const {
    (void)calls_->wait_all(detail::forever);
    return stand();
  }
  /// Calls `f(std::vector<Outcome<T>>)` once all are ready, on the callback thread or by an
  /// executor.
  template <class F>
  void then(F f) const {
    calls_->when_all(calling(std::move(f)), {});
  }
  template <class E, class F>
  void then(E&& executor, F f) const {
    calls_->when_all(calling(std::move(f)), detail::to_executor(std::forward<E>(executor)));
  }

  class Awaiter {
   public:
    explicit Awaiter(WhenAll all) : all_{std::move(all)} {}
    [[nodiscard]] bool await_ready() const { return all_.calls_->wait_all(detail::Span{-1}); }
    void await_suspend(std::coroutine_handle<> waiting) const {
      all_.calls_->when_all([waiting] { waiting.resume(); }, {});
    }
    auto await_resume() const { return all_.values(); }

   private:
    WhenAll all_;
  };
  [[nodiscard]] Awaiter operator co_await() const { return Awaiter{*this}; }

 private:
  auto take(detail::Span timeout) const {
    if (!calls_->wait_all(timeout)) throw Timeout{"not all were ready in time"};
    return values();
  }
  auto values() const {
    if constexpr (std::is_void_v<T>) {
      for (const auto& result : results_) result.get();
    } else {
      std::vector<T> list;
      list.reserve(results_.size());
      for (const auto& result : results_) list.push_back(result.get());
      return list;
    }
  }
  std::vector<Outcome<T>> stand() const {
    std::vector<Outcome<T>> list;
    list.reserve(results_.size());
    for (const auto& result : results_) list.push_back(result.outcome());
    return list;
  }
  template <class F>
  std::function<void()> calling(F f) const {
    auto shared = std::make_shared<F>(std::move(f));
    return [self = *this, shared = std::move(shared)] { (*shared)(self.stand()); };
  }

  std::shared_ptr<detail::ManyCalls> calls_;
  std::vector<AsyncResult<T>> results_;
};

/// The first of the results to be ready: `results[when_any(results).get()]`.
template <class T>
[[nodiscard]] WhenAny when_any(const std::vector<AsyncResult<T>>& results) {
  return WhenAny{detail::handles(results)};
}
template <class... T>
requires(sizeof...(T) > 1) [[nodiscard]] WhenAny when_any(const AsyncResult<T>&... results) {
  return WhenAny{{static_cast<const detail::CallHandle&>(results)...}};
}
/// All of the results: `when_all(results).get()`.
template <class T>
[[nodiscard]] WhenAll<T> when_all(std::vector<AsyncResult<T>> results) {
  return WhenAll<T>{std::move(results)};
}

}  // namespace baozi
