/// \file result.hpp
/// Result<T>: a value or an Error, with the interface of C++23's std::expected<T, Error>, so that
/// one alias replaces it later. For what the peer can act on; operators' mistakes are exceptions.
#pragma once
#include <string>
#include <utility>
#include <variant>

namespace baozi {

enum class Errc {
  malformed,        ///< bytes do not parse, or a field has the wrong type or range
  unknown_version,  ///< a protocol version that we do not speak
  unknown_type,     ///< a message type that we do not know
  too_large,        ///< a size, count or depth limit was passed
  store_corrupt,    ///< the store's file is damaged; nothing was changed
  store_newer,      ///< the store was written by a newer baozi
  store_locked,     ///< another process has the store open
  store_read_only,  ///< the store cannot be written (permissions, read-only file system)
  store_full,       ///< no space left: new tasks are refused, acks and results go on
  store_failed,     ///< a write or sync failed: stop (delivery.md D9, reliability: never retry an
                    ///< fsync)
  not_found,
  invalid,  ///< a bad argument or option
};

[[nodiscard]] const char* to_string(Errc code);

struct Error {
  Errc code{};
  std::string message;
};

struct Unexpected {
  Error error;
};
[[nodiscard]] inline Unexpected unexpected(Errc code, std::string message) {
  return Unexpected{Error{code, std::move(message)}};
}

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_{std::in_place_index<0>, std::move(value)} {}
  Result(Unexpected failure) : state_{std::in_place_index<1>, std::move(failure.error)} {}

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  T& operator*() & { return std::get<0>(state_); }
  const T& operator*() const& { return std::get<0>(state_); }
  T&& operator*() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  [[nodiscard]] const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Unexpected failure) : failed_{true}, error_{std::move(failure.error)} {}
  [[nodiscard]] bool has_value() const { return !failed_; }
  explicit operator bool() const { return !failed_; }
  [[nodiscard]] const Error& error() const { return error_; }

 private:
  bool failed_ = false;
  Error error_;
};

}  // namespace baozi
