/// \file task_function.hpp
/// Room: worker.
/// From a C++ function to the wrapper that the worker calls. Included by registry.hpp; compiled
/// into the plug-in, so that what a task throws is caught on its own side.
#pragma once
#include <array>
#include <cstddef>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "baozi/coroutine.hpp"
#include "baozi/registry.hpp"

namespace baozi::detail {

// ---- what a callable takes and returns

template <class... Params>
struct ParameterList {};

template <class F>
struct SignatureOf {  // neither a function nor something with one operator()
  static constexpr bool known = false;
};
template <class R, class... Params>
struct SignatureOf<R (*)(Params...)> {
  static constexpr bool known = true;
  static constexpr bool shareable = true;
  using Return = R;
  using List = ParameterList<Params...>;
};
template <class R, class... Params>
struct SignatureOf<R (*)(Params...) noexcept> : SignatureOf<R (*)(Params...)> {};
template <class R, class C, class... Params>
struct SignatureOf<R (C::*)(Params...) const> : SignatureOf<R (*)(Params...)> {};
template <class R, class C, class... Params>
struct SignatureOf<R (C::*)(Params...) const noexcept> : SignatureOf<R (*)(Params...)> {};
template <class R, class C, class... Params>
struct SignatureOf<R (C::*)(Params...)> : SignatureOf<R (*)(Params...)> {
  static constexpr bool shareable = false;
};
template <class R, class C, class... Params>
struct SignatureOf<R (C::*)(Params...) noexcept> : SignatureOf<R (C::*)(Params...)> {};
template <class F>
requires requires { &F::operator(); }
struct SignatureOf<F> : SignatureOf<decltype(&F::operator())> {};

template <class List>
struct WithoutContext {
  static constexpr bool takes_context = false;
  using Rest = List;
};
template <class... Rest_>
struct WithoutContext<ParameterList<Context&, Rest_...>> {
  static constexpr bool takes_context = true;
  using Rest = ParameterList<Rest_...>;
};

template <class P>
constexpr void check_parameter() {
  using T = std::remove_cvref_t<P>;
  static_assert(!std::is_same_v<T, Context>, "baozi::Context& is the first parameter, or none");
  static_assert(!std::is_lvalue_reference_v<P> || std::is_const_v<std::remove_reference_t<P>>,
                "a task takes its arguments by value or const reference: nobody would see what it "
                "writes there");
  static_assert(!std::is_pointer_v<T>,
                "a task's argument cannot be a pointer: take std::string or std::optional<T>");
  static_assert(HasCodec<T>,
                "baozi has no codec for this parameter: name its fields with BAOZI_FIELDS(Type, a, "
                "b), or specialise "
                "baozi::Codec<Type>");
}

// ---- the parts that need no template; they live in libbaozi

/// Finds each parameter's packed value in the body: `slots[i]`, in the order of the parameters;
/// empty where a parameter of type std::optional was left out. Throws ArgumentError.
void bind_arguments(const TaskDefinition& task, std::string_view body, const bool* may_be_absent,
                    std::string_view* slots);
/// Inside a catch block: fills the reply in from the exception that is being handled.
void report_exception(const TaskDefinition& task, TaskReply& reply) noexcept;
/// What `TaskDefinition::run` says of a coroutine.
void refuse_coroutine(const TaskDefinition& task, const TaskCall& call, TaskReply& reply) noexcept;
[[noreturn]] void refuse_default(const TaskDefinition& task, std::size_t index,
                                 const DecodeError& why);

// ---- the wrapper

/// The outermost coroutine of a task. It belongs to whoever resumes it.
class CoroutineRoot {
 public:
  class promise_type final : public PromiseBase {
   public:
    CoroutineRoot get_return_object() noexcept {
      return CoroutineRoot{std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }  // it catches all there is
  };

  [[nodiscard]] std::coroutine_handle<> begin(CoroutineHost& host) const noexcept {
    handle_.promise().host = &host;
    return handle_;
  }

 private:
  explicit CoroutineRoot(std::coroutine_handle<promise_type> handle) : handle_{handle} {}
  std::coroutine_handle<promise_type> handle_;
};

/// What the caller of a task gets.
template <class Return>
struct ResultOf {
  using Type = Return;
};
template <class T>
requires(!std::is_function_v<T>) struct ResultOf<Task<T>> {
  using Type = T;
};

template <class F, class Return, bool takes_context, class List>
struct Wrapper;

template <class F, class Return, bool takes_context, class... Params>
struct Wrapper<F, Return, takes_context, ParameterList<Params...>> {
  static constexpr std::size_t arity = sizeof...(Params);
  static constexpr std::array<bool, arity + 1> may_be_absent{
      is_optional<std::remove_cvref_t<Params>>..., false};

  using Values = std::tuple<std::remove_cvref_t<Params>...>;

  static void run(const TaskDefinition& task, const TaskCall& call, TaskReply& reply) noexcept {
    try {
      std::array<std::string_view, arity + 1> slots;
      bind_arguments(task, call.facts->body, may_be_absent.data(), slots.data());
      execute(task, call, reply, slots.data(), std::index_sequence_for<Params...>{});
      reply.verdict = TaskReply::Verdict::returned;
    } catch (...) {
      report_exception(task, reply);
    }
  }

  static std::coroutine_handle<> begin(const TaskDefinition& task, const TaskCall& call,
                                       TaskReply& reply, CoroutineHost& host) noexcept {
    try {
      return around(task, call, reply).begin(host);
    } catch (...) {
      report_exception(task, reply);  // no memory for its frame
      return {};
    }
  }

  /// Every default must be what its parameter can take: found at registration, not in the first
  /// call that needs it.
  static void check_defaults(const TaskDefinition& task) {
    check_defaults(task, std::index_sequence_for<Params...>{});
  }

 private:
  template <class T>
  static T decode(TaskReply& reply, std::uint32_t index, std::string_view slot) {
    if constexpr (is_optional<T>) {
      if (slot.empty()) return T{};
    }
    reply.argument = index;  // for the error message, should there be one
    Unpacker in{slot};
    return in.get<T>();
  }

  template <std::size_t... I>
  static Values decode_all(TaskReply& reply, [[maybe_unused]] const std::string_view* slots,
                           std::index_sequence<I...>) {
    // Braces: decoded from left to right, so that the first wrong argument is the one that is
    // named.
    return Values{decode<std::remove_cvref_t<Params>>(reply, I, slots[I])...};
  }

  /// The coroutine around the task's own: its frame holds the arguments and the Context for as long
  /// as that runs, so a parameter may be a const reference.
  static CoroutineRoot around(const TaskDefinition& task, TaskCall call, TaskReply& reply) {
    try {
      std::array<std::string_view, arity + 1> slots;
      bind_arguments(task, call.facts->body, may_be_absent.data(), slots.data());
      Values values = decode_all(reply, slots.data(), std::index_sequence_for<Params...>{});
      reply.entered = true;
      Context context{*call.host, *call.facts};
      Return coroutine = enter(task, context, values, std::index_sequence_for<Params...>{});
      if constexpr (std::is_void_v<typename Return::Value>) {
        co_await coroutine;
        Writer out{*reply.value};
        out.nil();
      } else {
        const typename Return::Value value = co_await coroutine;
        Writer out{*reply.value};
        pack_into<typename Return::Value>(out, value);
      }
      reply.verdict = TaskReply::Verdict::returned;
    } catch (...) {
      report_exception(task, reply);
    }
  }
  template <std::size_t... I>
  static Return enter(const TaskDefinition& task, [[maybe_unused]] Context& context,
                      [[maybe_unused]] Values& values, std::index_sequence<I...>) {
    const F& function = *static_cast<const F*>(task.function());
    if constexpr (takes_context) {
      return function(context, static_cast<Params&&>(std::get<I>(values))...);
    } else {
      return function(static_cast<Params&&>(std::get<I>(values))...);
    }
  }

  template <std::size_t... I>
  static void execute(const TaskDefinition& task, const TaskCall& call, TaskReply& reply,
                      [[maybe_unused]] const std::string_view* slots, std::index_sequence<I...>) {
    Values values = decode_all(reply, slots, std::index_sequence<I...>{});
    reply.entered = true;
    const F& function = *static_cast<const F*>(task.function());
    [[maybe_unused]] Context context{*call.host, *call.facts};
    Writer out{*reply.value};
    const auto invoke = [&]() -> Return {
      if constexpr (takes_context) {
        return function(context, static_cast<Params&&>(std::get<I>(values))...);
      } else {
        return function(static_cast<Params&&>(std::get<I>(values))...);
      }
    };
    if constexpr (std::is_void_v<Return>) {
      invoke();
      out.nil();
    } else {
      pack_into<std::remove_cvref_t<Return>>(out, invoke());
    }
  }

  template <std::size_t... I>
  static void check_defaults(const TaskDefinition& task, std::index_sequence<I...>) {
    (check_default<std::remove_cvref_t<Params>>(task, I), ...);
  }
  template <class T>
  static void check_default(const TaskDefinition& task, std::size_t index) {
    const auto& fallback = task.parameters()[index].fallback;
    if (!fallback) return;
    try {
      Unpacker in{*fallback};
      (void)in.get<T>();
    } catch (const DecodeError& why) {
      refuse_default(task, index, why);
    }
  }
};

}  // namespace baozi::detail

namespace baozi {

template <class F>
TaskDefinition& Registry::task(std::string name, F function,
                               std::initializer_list<Arg> parameters) {
  using Signature = detail::SignatureOf<F>;
  static_assert(Signature::known,
                "a task is a function, a lambda without auto parameters, or an object with exactly "
                "one operator()");
  if constexpr (Signature::known) {
    static_assert(Signature::shareable,
                  "several threads call a task's object at once: its operator() must be const (no "
                  "mutable lambda)");
    using Shape = detail::WithoutContext<typename Signature::List>;
    using Wrapper =
        detail::Wrapper<F, typename Signature::Return, Shape::takes_context, typename Shape::Rest>;
    [&]<class... Params>(detail::ParameterList<Params...>) {
      (detail::check_parameter<Params>(), ...);
    }(typename Shape::Rest{});
    using Return = typename Signature::Return;
    constexpr bool is_coroutine = detail::is_coroutine_task<Return>;
    using Result = typename detail::ResultOf<Return>::Type;
    if constexpr (!std::is_void_v<Result>) {
      static_assert(HasCodec<std::remove_cvref_t<Result>>,
                    "baozi has no codec for what this task returns: name its fields with "
                    "BAOZI_FIELDS(Type, a, b), or "
                    "specialise baozi::Codec<Type>");
    }
    TaskDefinition::Run run = &detail::refuse_coroutine;
    TaskDefinition::Begin begin = nullptr;
    if constexpr (is_coroutine) {
      begin = &Wrapper::begin;
    } else {
      run = &Wrapper::run;
    }
    TaskDefinition& added = add(
        TaskDefinition{std::move(name), std::make_shared<const F>(std::move(function)), run, begin},
        parameters, Wrapper::arity);
    Wrapper::check_defaults(added);
    return added;
  }
}

}  // namespace baozi
