/// \file config_value.hpp
/// How an option's text becomes a value and a value becomes text, for every type that an option may
/// have: string, bool, whole and real numbers, durations, ByteCount, and optional<T> or vector<T>
/// of these. Part of config.hpp.
#pragma once
#include <charconv>
#include <chrono>
#include <cmath>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.hpp"
#include "base/units.hpp"

namespace baozi::base {

/// Specialised per type: `parse`, `show`, and the word that stands for a value in --help.
template <class T>
struct ConfigValue;

template <>
struct ConfigValue<std::string> {
  static constexpr const char* word = "TEXT";
  static Result<std::string> parse(std::string_view text) { return std::string{text}; }
  static std::string show(const std::string& value) { return value; }
};

template <>
struct ConfigValue<bool> {
  static constexpr const char* word = "";
  static Result<bool> parse(std::string_view text) {
    for (const std::string_view yes : {"true", "yes", "on", "1"}) {
      if (text == yes) return true;
    }
    for (const std::string_view no : {"false", "no", "off", "0"}) {
      if (text == no) return false;
    }
    return unexpected(Errc::invalid, "'" + std::string{text} + "' is neither true nor false");
  }
  static std::string show(bool value) { return value ? "true" : "false"; }
};

template <class T>
requires(std::integral<T> && !std::same_as<T, bool>) struct ConfigValue<T> {
  static constexpr const char* word = "N";
  static Result<T> parse(std::string_view text) {
    T value{};
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure == std::errc::result_out_of_range) {
      return unexpected(Errc::invalid, "'" + std::string{text} + "' is out of range");
    }
    if (failure != std::errc{} || end != text.data() + text.size()) {
      return unexpected(Errc::invalid, "'" + std::string{text} + "' is not a whole number");
    }
    return value;
  }
  static std::string show(T value) { return std::to_string(value); }
};

template <>
struct ConfigValue<double> {
  static constexpr const char* word = "NUMBER";
  static Result<double> parse(std::string_view text) {
    double value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
      return unexpected(Errc::invalid, "'" + std::string{text} + "' is not a number");
    }
    return value;
  }
  static std::string show(double value) {
    char text[32];
    const auto [end, failure] = std::to_chars(text, text + sizeof text, value);
    return failure == std::errc{} ? std::string{text, end} : std::string{};
  }
};

template <class Rep, class Period>
struct ConfigValue<std::chrono::duration<Rep, Period>> {
  using Duration = std::chrono::duration<Rep, Period>;
  static constexpr const char* word = "TIME";
  static Result<Duration> parse(std::string_view text) {
    const auto parsed = parse_duration(text);
    if (!parsed) return unexpected(parsed.error().code, parsed.error().message);
    const auto value = std::chrono::duration_cast<Duration>(*parsed);
    if (std::chrono::duration_cast<Micros>(value) != *parsed) {
      return unexpected(Errc::invalid, "'" + std::string{text} + "' is finer than is kept here");
    }
    return value;
  }
  static std::string show(Duration value) {
    return to_text(std::chrono::duration_cast<Micros>(value));
  }
};

template <>
struct ConfigValue<ByteCount> {
  static constexpr const char* word = "SIZE";
  static Result<ByteCount> parse(std::string_view text) { return parse_bytes(text); }
  static std::string show(ByteCount value) { return to_text(value); }
};

template <class T>
struct ConfigValue<std::optional<T>> {
  static constexpr const char* word = ConfigValue<T>::word;
  static Result<std::optional<T>> parse(std::string_view text) {
    auto value = ConfigValue<T>::parse(text);
    if (!value) return unexpected(value.error().code, value.error().message);
    return std::optional<T>{std::move(*value)};
  }
  static std::string show(const std::optional<T>& value) {
    return value ? ConfigValue<T>::show(*value) : std::string{};
  }
};

/// An enumeration has texts only through OptionOf::choices.
template <class T>
requires std::is_enum_v<T>
struct ConfigValue<T> {
  static constexpr const char* word = "NAME";
  static Result<T> parse(std::string_view) { return unexpected(Errc::invalid, "has no choices"); }
  static std::string show(T) { return {}; }
};

template <class T>
inline constexpr bool is_config_list = false;
template <class T>
inline constexpr bool is_config_list<std::vector<T>> = true;

template <class T>
inline constexpr bool is_config_optional = false;
template <class T>
inline constexpr bool is_config_optional<std::optional<T>> = true;

template <class T>
struct ConfigInner {
  using type = T;
};
template <class T>
struct ConfigInner<std::optional<T>> {
  using type = T;
};
/// T, and for optional<T> its T.
template <class T>
using config_inner = typename ConfigInner<T>::type;

}  // namespace baozi::base
