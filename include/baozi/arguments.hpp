/// \file arguments.hpp
/// Named arguments and the body of a task: `[args, kwargs]`.
/// `baozi::arg("b") = 3` is a keyword argument where a task is called, and a parameter with a
/// default where one is registered.
#pragma once
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "baozi/codec.hpp"

namespace baozi {

/// A name, with a packed value once one was assigned.
class Arg {
 public:
  explicit Arg(std::string name) : name_{std::move(name)} {}
  Arg(const char* name) : name_{name} {}

  template <class T>
  requires(!std::same_as<std::remove_cvref_t<T>, Arg>) Arg operator=(const T& value) && {
    packed_ = pack(value);
    return std::move(*this);
  }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] bool has_value() const { return packed_.has_value(); }
  /// The value as msgpack; empty without one.
  [[nodiscard]] std::string_view packed() const {
    return packed_ ? std::string_view{*packed_} : std::string_view{};
  }

 private:
  std::string name_;
  std::optional<std::string> packed_;
};

[[nodiscard]] inline Arg arg(std::string name) { return Arg{std::move(name)}; }

namespace detail {
template <class T>
inline constexpr bool is_named = std::same_as<std::remove_cvref_t<T>, Arg>;

/// As in Python, nothing without a name may follow something that has one.
template <class... Args>
constexpr bool named_come_last() {
  bool seen = false;
  bool ordered = true;
  ((is_named<Args> ? void(seen = true) : void(ordered = ordered && !seen)), ...);
  return ordered;
}

template <class T>
void pack_positional(Writer& out, const T& value) {
  if constexpr (!is_named<T>) pack_into(out, value);
}
template <class T>
void pack_named(Writer& out, const T& value) {
  if constexpr (is_named<T>) {
    out.str(value.name());
    if (value.has_value()) {
      out.raw(value.packed());
    } else {
      out.nil();
    }
  }
}
}  // namespace detail

/// Appends the body of a call, `[args, kwargs]`: `pack_body(out, 1, 2)`, `pack_body(out, 1,
/// arg("b") = 2)`.
template <class... Args>
void pack_body_into(std::string& bytes, const Args&... args) {
  static_assert(detail::named_come_last<Args...>(), "a positional argument follows a named one");
  Writer out{bytes};
  out.array(2);
  out.array((0U + ... + (detail::is_named<Args> ? 0U : 1U)));
  (detail::pack_positional(out, args), ...);
  out.map((0U + ... + (detail::is_named<Args> ? 1U : 0U)));
  (detail::pack_named(out, args), ...);
}
template <class... Args>
[[nodiscard]] std::string pack_body(const Args&... args) {
  std::string bytes;
  pack_body_into(bytes, args...);
  return bytes;
}

}  // namespace baozi
