/// \file client.hpp
/// Room: client.
/// What a producer includes.
///
///     #include <baozi/client.hpp>
///
///     baozi::App app;                                       // $BAOZI_BROKER, else
///     tcp://127.0.0.1:7170 auto add = app.task<int(int, int)>("c.add"); int three = add.delay(1,
///     2).get(); auto later = add.with().countdown(5s).expires(60s).queue("math").delay(2, 3); auto
///     named = app.send("c.add", 1, baozi::arg("b") = 2);   // by name; AsyncResult<baozi::Value>
///     auto many = add.map(std::vector<std::tuple<int, int>>{{1, 1}, {2, 2}});
///
/// Threading: an App, its Tasks and their copies may be used by any number of threads. It has a
/// thread of its own for the network, which rests while somebody waits in `get` (that thread then
/// does its work), and one for callbacks. After fork the child's App starts anew under a new
/// producer id; results that the parent waits for stay the parent's. Blocking: `delay` hands over
/// and returns. It waits only while brokers are connected and slower than the caller
/// (AppOptions::pending_tasks_max); with no broker in reach it returns at once, and the outcome has
/// a deadline.
#pragma once
#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "baozi/arguments.hpp"
#include "baozi/detail/call_settings.hpp"
#include "baozi/errors.hpp"
#include "baozi/events.hpp"
#include "baozi/result.hpp"
#include "baozi/task.hpp"
#include "baozi/value.hpp"

namespace baozi {

namespace client {
class LocalRunner;
}

/// A call on its way to the brokers, as middleware sees it.
struct OutgoingCall {
  std::string_view name;
  std::string_view body;  ///< packed `[args, kwargs]`
  CallOptions options;    ///< to be changed before `submit`: headers, queue, …
  std::string id;         ///< after `submit`
};
/// Around every submit of an App, on the thread that calls: `[](OutgoingCall& call, const auto&
/// submit) { call.options.headers["trace"] = …; submit(); }`. What one throws, and one that does
/// not call `submit`, arrives at the caller as MiddlewareError.
struct SubmitMiddleware {
  std::string name;  ///< for error messages
  std::function<void(OutgoingCall& call, const std::function<void()>& submit)> around;
};

struct AppOptions {
  /// One address or several, separated by commas; tasks are spread over the brokers that are alive.
  /// One broker's address is enough, collectors are found through it. Empty: $BAOZI_BROKER, else
  /// tcp://127.0.0.1:7170.
  std::string broker{};
  /// How nodes show this producer. Empty: the program's name and process id.
  std::string name{};
  /// From a call to its broker's confirm; then the outcome is SubmitUnknown, or NotSent when it was
  /// never taken.
  std::chrono::microseconds submit_timeout = std::chrono::seconds{60};
  /// How long a task waits while no broker can be reached, before its own retry_policy adds to it;
  /// then NotSent.
  std::chrono::microseconds connect_timeout = std::chrono::seconds{5};
  /// For questions: revoke, forget, control, the state of tasks from elsewhere.
  std::chrono::microseconds answer_timeout = std::chrono::seconds{5};
  /// How long `close` and the destructor wait for confirms of what was handed in.
  std::chrono::microseconds close_timeout = std::chrono::seconds{2};
  /// Tasks handed in and not yet confirmed, in number and packed bytes. Beyond, `delay` waits for
  /// room.
  std::size_t pending_tasks_max = 100'000;
  std::size_t pending_bytes_max = std::size_t{64} << 20U;
  /// Brokers commit what is handed in at once, and do not wait for more: for programs that wait for
  /// each confirm.
  bool commit_at_once = false;
  /// Results are shown only after their collector has them on disk, and not as soon as it has them.
  bool durable_results = false;
  /// Around every submit; the first one is the outermost.
  std::vector<SubmitMiddleware> middleware{};
  /// Runs tasks in this process, at once, in `delay` itself: for tests. Made by `eager`
  /// (eager.hpp).
  std::shared_ptr<client::LocalRunner> runner{};
};

/// One node's answer to `App::control`.
struct NodeReply {
  std::string node;
  std::string error;  ///< empty: done
  Value payload;
};
struct NodeReplies {
  std::vector<NodeReply> replies;
  std::vector<std::string> silent;  ///< brokers that could not be asked, or did not answer in time
};

/// One worker's answer to `App::ask_workers`.
struct WorkerReply {
  std::string worker;
  std::string error;    ///< why there is no answer; empty: there is one
  bool silent = false;  ///< the worker said nothing; `error` says what is known of that
  Value answer;
};
struct WorkerReplies {
  std::vector<WorkerReply> workers;  ///< everyone that was addressed, by name
  std::vector<std::string> missing;  ///< destinations that match no worker
  std::vector<NodeReply> refusals;   ///< brokers that did not pass the question on, and why
  std::vector<std::string>
      silent;  ///< brokers that could not be asked: their workers may be missing above

  /// Somebody was addressed, and everybody answered without an error.
  [[nodiscard]] bool all_answered() const;
};

/// A call that was not made yet: a name, arguments and options.
template <class R>
class Signature : public detail::CallSettings<Signature<R>> {
 public:
  Signature(std::string name, std::string body) : name_{std::move(name)}, body_{std::move(body)} {}

  [[nodiscard]] const std::string& name() const { return name_; }
  /// Packed `[args, kwargs]`.
  [[nodiscard]] const std::string& body() const { return body_; }

 private:
  std::string name_;
  std::string body_;
};

namespace detail {

/// What Tasks, Calls and Apps hand tasks in with.
class Submitter {
 public:
  Submitter() = default;
  explicit Submitter(std::shared_ptr<client::Engine> engine) : engine_{std::move(engine)} {}

  /// Throws std::invalid_argument for a bad name, id or option, AppClosed. Whatever the network
  /// does is told by the handle. \param options  null: the defaults.
  [[nodiscard]] CallHandle submit(std::string_view name, std::string_view body,
                                  const CallOptions* options) const;

  struct Item {
    std::string_view name;
    std::string_view body;
    const CallOptions* options = nullptr;
  };
  [[nodiscard]] std::vector<CallHandle> submit_many(const std::vector<Item>& items) const;

 private:
  std::shared_ptr<client::Engine> engine_;
};

/// A string that is packed into again and again.
class BodyBuffer {
 public:
  BodyBuffer();
  ~BodyBuffer();
  BodyBuffer(const BodyBuffer&) = delete;
  BodyBuffer& operator=(const BodyBuffer&) = delete;
  [[nodiscard]] std::string& bytes() { return *bytes_; }

 private:
  std::string own_;  // used when this thread's buffer is in use further up
  std::string* bytes_;
};

/// An argument as the parameter's type would take it: what is packed is what the task declares.
template <class Parameter, class A>
decltype(auto) as_parameter(const A& argument) {
  using P = std::remove_cvref_t<Parameter>;
  if constexpr (std::same_as<A, P>) {
    return (argument);
  } else {
    static_assert(std::convertible_to<const A&, P>,
                  "the argument does not convert to the task's parameter");
    return static_cast<P>(argument);
  }
}

template <class R, class... Params>
struct TypedBody {
  using Tuple = std::tuple<std::remove_cvref_t<Params>...>;

  template <class... A>
  static void pack(std::string& bytes, const A&... args) {
    constexpr std::size_t positional = (std::size_t{0} + ... + (is_named<A> ? 0U : 1U));
    static_assert(positional <= sizeof...(Params), "more arguments than the task has parameters");
    static_assert(positional == sizeof...(Params) || positional < sizeof...(A),
                  "fewer arguments than the task has parameters");
    pack_indexed(bytes, std::index_sequence_for<A...>{}, args...);
  }

 private:
  template <std::size_t... I, class... A>
  static void pack_indexed(std::string& bytes, std::index_sequence<I...>, const A&... args) {
    pack_body_into(bytes, converted<I>(args)...);
  }
  template <std::size_t I, class A>
  static decltype(auto) converted(const A& argument) {
    if constexpr (is_named<A>) {
      return (argument);
    } else {
      return as_parameter<std::tuple_element_t<I, Tuple>>(argument);
    }
  }
};

template <class... A>
inline constexpr bool last_is_options = false;
template <class First, class... Rest>
inline constexpr bool last_is_options<First, Rest...> =
    std::same_as<std::tuple_element_t<sizeof...(Rest), std::tuple<First, Rest...>>, CallOptions>;

template <class T>
inline constexpr bool is_tuple_like = requires {
  std::tuple_size<T>::value;
};
}  // namespace detail

template <class F>
class Task;

/// A task by name and type: `app.task<int(int, int)>("c.add")`. Cheap to copy.
template <class R, class... Params>
class Task<R(Params...)> {
 public:
  using Result = AsyncResult<R>;
  using Arguments = std::tuple<std::remove_cvref_t<Params>...>;

  Task(detail::Submitter submitter, std::string name)
      : submitter_{std::move(submitter)}, name_{std::move(name)} {}

  [[nodiscard]] const std::string& name() const { return name_; }

  /// Calls it. Arguments convert as in a call of a function; `arg("b") = 2` names one.
  template <class... A>
  Result delay(const A&... args) const {
    return call(nullptr, args...);
  }
  /// `add.apply_async({2, 3}, {.countdown = 5s, .queue = "math"})`
  Result apply_async(const Arguments& args = {}, const CallOptions& options = {}) const {
    return std::apply([&](const auto&... a) { return call(&options, a...); }, args);
  }

  /// `add.with().countdown(5s).queue("math").delay(2, 3)`; may be kept and used for many calls.
  class Call : public detail::CallSettings<Call> {
   public:
    template <class... A>
    Result delay(const A&... args) const {
      return task_.call(&this->options(), args...);
    }

   private:
    friend class Task;
    Call(Task task, CallOptions options)
        : detail::CallSettings<Call>{std::move(options)}, task_{std::move(task)} {}
    Task task_;
  };
  [[nodiscard]] Call with(CallOptions options = {}) const {
    return Call{*this, std::move(options)};
  }

  /// The call as a value, to be made later: `app.submit(add.s(1, 2))`.
  template <class... A>
  [[nodiscard]] Signature<R> s(const A&... args) const {
    std::string body;
    Body::pack(body, args...);
    return {name_, std::move(body)};
  }

  /// One call for each element: a tuple of arguments, or the argument itself where the task has
  /// one.
  template <class Range>
  std::vector<Result> map(const Range& calls, const CallOptions& options = {}) const {
    constexpr std::size_t chunk = 500;
    std::vector<Result> results;
    if constexpr (requires { std::size(calls); }) results.reserve(std::size(calls));
    std::string bytes;
    std::vector<std::size_t> ends;
    const auto flush = [&] {
      std::vector<detail::Submitter::Item> items;
      std::size_t begin = 0;
      for (const std::size_t end : ends) {
        items.push_back({name_, std::string_view{bytes}.substr(begin, end - begin), &options});
        begin = end;
      }
      for (auto& handle : submitter_.submit_many(items)) results.emplace_back(std::move(handle));
      bytes.clear();
      ends.clear();
    };
    for (const auto& call : calls) {
      using Element = std::remove_cvref_t<decltype(call)>;
      if constexpr (detail::is_tuple_like<Element> &&
                    !(sizeof...(Params) == 1 &&
                      std::convertible_to<Element, std::tuple_element_t<0, Arguments>>)) {
        std::apply([&](const auto&... a) { Body::pack(bytes, a...); }, call);
      } else {
        Body::pack(bytes, call);
      }
      ends.push_back(bytes.size());
      if (ends.size() == chunk) flush();
    }
    flush();
    return results;
  }

 private:
  using Body = detail::TypedBody<R, Params...>;

  template <class... A>
  Result call(const CallOptions* options, const A&... args) const {
    detail::BodyBuffer body;
    Body::pack(body.bytes(), args...);
    return Result{submitter_.submit(name_, body.bytes(), options)};
  }

  detail::Submitter submitter_;
  std::string name_;
};

class App {
 public:
  App() : App{AppOptions{}} {}
  /// Nothing is connected before the first use. Throws std::invalid_argument for an address that is
  /// none.
  explicit App(AppOptions options);
  explicit App(std::string broker) : App{AppOptions{.broker = std::move(broker)}} {}
  /// Closes it.
  ~App();
  App(App&&) noexcept;
  App& operator=(App&&) noexcept;

  template <class F>
  [[nodiscard]] Task<F> task(std::string name) {
    check_name(name);
    return Task<F>{submitter(), std::move(name)};
  }

  /// By name, for tasks whose type is not known here: `app.send("c.add", 1, 2)`,
  /// `app.send<int>("c.add", 1, 2)`, `app.send("c.add", 1, arg("b") = 2, CallOptions{.queue =
  /// "math"})` (options last).
  template <class R = Value, class... A>
  AsyncResult<R> send(std::string_view name, const A&... args) {
    detail::BodyBuffer body;
    if constexpr (detail::last_is_options<A...>) {
      const auto all = std::tie(args...);
      pack_first(body.bytes(), all, std::make_index_sequence<sizeof...(A) - 1>{});
      return AsyncResult<R>{
          submitter().submit(name, body.bytes(), &std::get<sizeof...(A) - 1>(all))};
    } else {
      pack_body_into(body.bytes(), args...);
      return AsyncResult<R>{submitter().submit(name, body.bytes(), nullptr)};
    }
  }
  /// By name, with arguments as values.
  AsyncResult<Value> apply(std::string_view name, const Value::Array& args,
                           const Value::Object& kwargs = {}, const CallOptions& options = {});

  /// A call by name as a value.
  template <class R = Value, class... A>
  [[nodiscard]] Signature<R> signature(std::string name, const A&... args) const {
    check_name(name);
    return {std::move(name), pack_body(args...)};
  }
  template <class R>
  AsyncResult<R> submit(const Signature<R>& call) {
    return AsyncResult<R>{submitter().submit(call.name(), call.body(), &call.options())};
  }
  /// Many calls, handed in together.
  template <class R>
  std::vector<AsyncResult<R>> submit_many(const std::vector<Signature<R>>& calls) {
    std::vector<detail::Submitter::Item> items;
    items.reserve(calls.size());
    for (const Signature<R>& call : calls)
      items.push_back({call.name(), call.body(), &call.options()});
    auto handles = submitter().submit_many(items);
    return {std::make_move_iterator(handles.begin()), std::make_move_iterator(handles.end())};
  }

  /// The result of a task that was called elsewhere, or before: by another process, by the task's
  /// id.
  template <class T = Value>
  [[nodiscard]] AsyncResult<T> result(std::string_view id) {
    return AsyncResult<T>{foreign(id)};
  }

  /// Erases stored results; how many there were. Throws NoAnswer, WouldBlock, AppClosed.
  std::size_t forget(const std::vector<std::string>& ids);
  /// Ends tasks before they run; with `terminate` also those that run, by `signal` where a process
  /// runs them. One answer for each id. Throws as `forget`.
  std::vector<Revocation> revoke(const std::vector<std::string>& ids, bool terminate = false,
                                 std::string_view signal = {});
  /// Asks every broker: `app.control("status")`, `app.control("purge", Value::object({{"queue",
  /// "math"}}))`.
  NodeReplies control(std::string_view command, const Value& arguments = {});
  /// Asks every collector that the brokers name: `app.control_collectors("status")`.
  NodeReplies control_collectors(std::string_view command, const Value& arguments = {});

  /// What happens in the network, from now on or from earlier. Throws std::invalid_argument,
  /// AppClosed.
  [[nodiscard]] EventStream events(const EventOptions& options = {});
  /// Asks workers through every broker: `app.ask_workers("inspect.ping")`,
  /// `app.ask_workers("worker.pool_grow", Value::object({{"n", 2}}), {"w1@host", "gpu*"})`. Each
  /// worker obeys once, however many brokers it serves. Commands: docs/control.md.
  /// \param destination  names, or patterns with `*`, `?`, `[a-z]`; empty: every worker.
  /// \param timeout      for the workers, 1 ms to 60 s; those that say nothing in it are silent.
  /// Throws as `forget` when no broker answered.
  WorkerReplies ask_workers(std::string_view command, const Value& arguments = {},
                            const std::vector<std::string>& destination = {},
                            std::chrono::microseconds timeout = std::chrono::seconds{1});

  /// Waits until everything that was handed in has been confirmed, refused or given up. False when
  /// the time is over.
  bool flush() { return flush_within(detail::forever); }
  template <class Rep, class Period>
  bool flush(std::chrono::duration<Rep, Period> timeout) {
    return flush_within(detail::to_timeout(timeout));
  }
  /// Waits up to AppOptions::close_timeout for confirms, then ends everything: whoever waits gets
  /// AppClosed, callbacks are called. Returns once they are done. Afterwards calls throw AppClosed.
  /// Not from the callback thread.
  void close();

 private:
  static void check_name(std::string_view name);
  [[nodiscard]] detail::Submitter submitter() const { return detail::Submitter{engine_}; }
  [[nodiscard]] detail::CallHandle foreign(std::string_view id);
  bool flush_within(detail::Span timeout);
  template <class Tuple, std::size_t... I>
  static void pack_first(std::string& bytes, const Tuple& all, std::index_sequence<I...>) {
    pack_body_into(bytes, std::get<I>(all)...);
  }

  std::shared_ptr<client::Engine>
      engine_;  // shared with Tasks and AsyncResults, which may outlive the App
};

}  // namespace baozi
