/// \file coroutine.hpp
/// Room: worker.
/// Task<T>: a task that is a coroutine. While it waits it holds no thread and no slot, so thousands
/// may be in flight in one worker.
///
///     baozi::Task<std::string> poll(baozi::Context& ctx, std::string host) {
///       co_await ctx.sleep(1s);                              // a timer
///       int sum = co_await app().task<int(int, int)>("c.add").delay(1, 2);  // another task's
///       result if (!co_await baozi::readable(fd, 5s)) co_return "timed out";       // a descriptor
///       co_return co_await parse(fd);                        // another Task<T>
///     }
///     registry.task("c.poll", poll);
///
/// Every coroutine of a worker runs on one and the same thread, between two awaits without
/// interruption: what blocks or computes for long there holds up all the others.
///
/// Each `co_await` is a point where the task can be ended: it throws `Revoked` when the task is
/// revoked or the worker stops now, `SoftTimeLimitExceeded` once after the soft time limit, and
/// `TimeLimitExceeded` after the hard one; who awaits again after that is destroyed where it waits.
///
/// `Task<R(Params...)>` with a function's type is something else: the client's handle of a task
/// (client.hpp).
#pragma once
#include <chrono>
#include <concepts>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include "baozi/context.hpp"
#include "baozi/detail/coroutine_host.hpp"

namespace baozi {

template <class F>
class Task;
template <class T>
class AsyncResult;
template <class T>
class Resumption;
class WhenAny;
template <class T>
class WhenAll;

/// What `readable` and `writable` give a coroutine to await: true once it is so (or there is an end
/// or an error to be read), false when the time was over before. The descriptor stays open
/// meanwhile. Throws std::system_error for one that is not open.
struct [[nodiscard]] DescriptorWait {
  int fd = -1;
  bool write = false;
  std::optional<std::chrono::microseconds> timeout{};
};
inline DescriptorWait readable(int fd) { return {fd, false, {}}; }
inline DescriptorWait writable(int fd) { return {fd, true, {}}; }
template <class Rep, class Period>
DescriptorWait readable(int fd, std::chrono::duration<Rep, Period> timeout) {
  return {fd, false, std::chrono::duration_cast<std::chrono::microseconds>(timeout)};
}
template <class Rep, class Period>
DescriptorWait writable(int fd, std::chrono::duration<Rep, Period> timeout) {
  return {fd, true, std::chrono::duration_cast<std::chrono::microseconds>(timeout)};
}

/// True for what a coroutine task may await beside the above. It is moved away before the wait
/// and may end on any thread, after the coroutine itself has gone: so it owns all that it needs.
/// Specialise it for awaitables of your own that do.
template <class T>
inline constexpr bool owns_its_wait = false;
template <class T>
inline constexpr bool owns_its_wait<AsyncResult<T>> = true;
template <class T>
inline constexpr bool owns_its_wait<Resumption<T>> = true;
template <>
inline constexpr bool owns_its_wait<WhenAny> = true;
template <class T>
inline constexpr bool owns_its_wait<WhenAll<T>> = true;

namespace detail {

/// True: the wait is over by itself; false: by its timeout. Throws what is to end the coroutine.
bool finish_wait(const CoroutineHost& host);

struct HostWait {
  CoroutineHost* host;
  CoroutineWait wait;
  int error = 0;

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) noexcept {
    error = host->suspend(waiting, wait);
    if (error != 0) host->next = waiting;
  }
};
struct SleepAwaiter : HostWait {
  void await_resume() const { (void)finish_wait(*host); }
};
struct DescriptorAwaiter : HostWait {
  [[nodiscard]] bool await_resume() const {
    if (error != 0) {
      throw std::system_error{error, std::generic_category(),
                              "descriptor " + std::to_string(wait.fd)};
    }
    return finish_wait(*host);
  }
};

inline std::int64_t timeout_of(const std::optional<std::chrono::microseconds>& timeout) {
  return timeout ? (timeout->count() < 0 ? 0 : timeout->count()) : -1;
}

// ---- what ends on another thread

/// Where its end is laid, until the coroutine takes it, or for ever when that has gone.
template <class R>
struct Bridge {
  using Held = std::conditional_t<std::is_void_v<R>, std::monostate, R>;
  std::optional<Held> value;
  std::exception_ptr error;
  std::shared_ptr<Wakeup> wakeup;
};

/// A coroutine of its own, which nobody waits for.
struct Carrier {
  struct promise_type {
    Carrier get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};
template <class R, class Awaiter>
Carrier carry(Awaiter awaiter, std::shared_ptr<Bridge<R>> bridge) {
  try {
    if constexpr (std::is_void_v<R>) {
      co_await awaiter;
      bridge->value.emplace();
    } else {
      bridge->value.emplace(co_await awaiter);
    }
  } catch (...) {
    bridge->error = std::current_exception();
  }
  bridge->wakeup->fire();
}

template <class A>
auto awaiter_of(A&& awaitable) {
  if constexpr (requires { std::forward<A>(awaitable).operator co_await(); }) {
    return std::forward<A>(awaitable).operator co_await();
  } else if constexpr (requires { operator co_await(std::forward<A>(awaitable)); }) {
    return operator co_await(std::forward<A>(awaitable));
  } else {
    return std::remove_cvref_t<A>{std::forward<A>(awaitable)};
  }
}

template <class Awaiter>
class BridgeAwaiter {
 public:
  using R = std::remove_cvref_t<decltype(std::declval<Awaiter&>().await_resume())>;
  static_assert(std::is_void_v<R> || std::is_move_constructible_v<R>);

  BridgeAwaiter(CoroutineHost& host, Awaiter awaiter)
      : host_{&host}, awaiter_{std::move(awaiter)} {}

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    bridge_ = std::make_shared<Bridge<R>>();
    bridge_->wakeup = host_->wakeup();
    carry<R, Awaiter>(std::move(awaiter_), bridge_);  // what may throw comes before the wait
    (void)host_->suspend(waiting, {});
  }
  R await_resume() {
    (void)finish_wait(*host_);
    if (bridge_->error) std::rethrow_exception(bridge_->error);
    if constexpr (!std::is_void_v<R>) return *std::move(bridge_->value);
  }

 private:
  CoroutineHost* host_;
  Awaiter awaiter_;
  std::shared_ptr<Bridge<R>> bridge_;
};

// ---- promises

template <class T>
struct ChildAwaiter;
template <class T>
inline constexpr bool is_coroutine_task = false;
template <class T>
inline constexpr bool is_coroutine_task<Task<T>> = !std::is_function_v<T>;

class PromiseBase {
 public:
  CoroutineHost* host = nullptr;           ///< before the first resume
  std::coroutine_handle<> continuation{};  ///< who awaits it; null for the first

  struct Final {
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class P>
    void await_suspend(std::coroutine_handle<P> ended) const noexcept {
      ended.promise().host->next = ended.promise().continuation;
    }
    void await_resume() const noexcept {}
  };
  [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
  [[nodiscard]] Final final_suspend() const noexcept { return {}; }

  template <class A>
  auto await_transform(A&& awaitable) {
    using T = std::remove_cvref_t<A>;
    if constexpr (std::is_same_v<T, Sleep>) {
      return SleepAwaiter{{host, {.timeout_us = timeout_of(awaitable.span)}}};
    } else if constexpr (std::is_same_v<T, DescriptorWait>) {
      return DescriptorAwaiter{{host,
                                {.descriptor = true,
                                 .write = awaitable.write,
                                 .fd = awaitable.fd,
                                 .timeout_us = timeout_of(awaitable.timeout)}}};
    } else if constexpr (is_coroutine_task<T>) {
      return ChildAwaiter<typename T::Value>{*host, awaitable.handle_};
    } else {
      static_assert(
          owns_its_wait<T>,
          "a coroutine task awaits ctx.sleep, readable, writable, AsyncResult, when_any, "
          "when_all and other baozi::Task<T>; say baozi::owns_its_wait for a type of your "
          "own");
      if constexpr (owns_its_wait<T>) {
        using Awaiter = decltype(awaiter_of(std::forward<A>(awaitable)));
        return BridgeAwaiter<Awaiter>{*host, awaiter_of(std::forward<A>(awaitable))};
      }
    }
  }
};

template <class T>
class Promise final : public PromiseBase {
 public:
  Task<T> get_return_object() noexcept;
  template <class U = T>
  requires std::convertible_to<U&&, T>
  void return_value(U&& value) { end_.template emplace<1>(std::forward<U>(value)); }
  void unhandled_exception() noexcept { end_.template emplace<2>(std::current_exception()); }
  T take() {
    if (end_.index() == 2) std::rethrow_exception(std::get<2>(end_));
    return std::get<1>(std::move(end_));
  }

 private:
  std::variant<std::monostate, T, std::exception_ptr> end_;
};
template <>
class Promise<void> final : public PromiseBase {
 public:
  Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void unhandled_exception() noexcept { error_ = std::current_exception(); }
  void take() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::exception_ptr error_;
};

template <class T>
struct ChildAwaiter {
  using Handle = std::coroutine_handle<Promise<T>>;

  ChildAwaiter(CoroutineHost& host, Handle child) : child_{child} {
    if (!child || child.promise().host != nullptr) {
      throw std::logic_error{"a baozi::Task is awaited once, and not after it was moved from"};
    }
    child.promise().host = &host;
  }
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> parent) const noexcept {
    child_.promise().continuation = parent;
    child_.promise().host->next = child_;
  }
  T await_resume() const { return child_.promise().take(); }

 private:
  Handle child_;
};

}  // namespace detail

/// A coroutine that begins when it is awaited, by the worker or by another one. Owns its frame:
/// destroyed with it, wherever it waits.
template <class T>
class [[nodiscard]] Task {
  static_assert(!std::is_function_v<T>,
                "baozi::Task<R(Params...)> is the client's: #include <baozi/client.hpp>");
  static_assert(!std::is_reference_v<T>, "a coroutine returns values: Task<T>, not Task<T&>");

 public:
  using Value = T;
  using promise_type = detail::Promise<T>;

  Task(Task&& other) noexcept : handle_{std::exchange(other.handle_, {})} {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

 private:
  friend promise_type;
  friend detail::PromiseBase;
  explicit Task(std::coroutine_handle<promise_type> handle) noexcept : handle_{handle} {}

  std::coroutine_handle<promise_type> handle_;
};

namespace detail {
template <class T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>{std::coroutine_handle<Promise>::from_promise(*this)};
}
inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>{std::coroutine_handle<Promise>::from_promise(*this)};
}
}  // namespace detail

}  // namespace baozi
