/// \file value.hpp
/// Value: any msgpack or JSON value, for headers, for tasks that take whatever they are given, and
/// for tools. Threading: a plain value. Errors: DecodeError where it does not hold what was asked
/// for.
#pragma once
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "baozi/codec.hpp"

namespace baozi {

class Value {
 public:
  using Array = std::vector<Value>;
  using Object = std::map<std::string, Value, std::less<>>;

  Value() = default;
  Value(std::nullptr_t) {}
  template <std::same_as<bool> T>
  Value(T value) : held_{value} {}
  /// Whole numbers from -2^63 to 2^64 - 1.
  template <detail::Integer T>
  Value(T value) : held_{number(value)} {}
  template <std::floating_point T>
  Value(T value) : held_{static_cast<double>(value)} {}
  Value(const char* text) : held_{std::string{text}} {}
  Value(std::string_view text) : held_{std::string{text}} {}
  Value(std::string text) : held_{std::move(text)} {}
  Value(Binary bytes) : held_{std::move(bytes)} {}
  Value(Array elements) : held_{std::move(elements)} {}
  Value(Object fields) : held_{std::move(fields)} {}

  /// `Value::array({1, "two", 3.0})`.
  [[nodiscard]] static Value array(std::initializer_list<Value> elements = {}) {
    return Value{Array{elements}};
  }
  /// `Value::object({{"a", 1}, {"b", "two"}})`.
  [[nodiscard]] static Value object(std::initializer_list<Object::value_type> fields = {}) {
    return Value{Object{fields}};
  }
  /// Anything that has a codec, as the value that its packed form is.
  template <class T>
  [[nodiscard]] static Value of(const T& value) {
    return unpack<Value>(pack(value));
  }

  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::monostate>(held_); }
  [[nodiscard]] bool is_bool() const { return std::holds_alternative<bool>(held_); }
  [[nodiscard]] bool is_integer() const {
    return std::holds_alternative<std::int64_t>(held_) ||
           std::holds_alternative<std::uint64_t>(held_);
  }
  [[nodiscard]] bool is_real() const { return std::holds_alternative<double>(held_); }
  [[nodiscard]] bool is_number() const { return is_integer() || is_real(); }
  [[nodiscard]] bool is_string() const { return std::holds_alternative<std::string>(held_); }
  [[nodiscard]] bool is_binary() const { return std::holds_alternative<Binary>(held_); }
  [[nodiscard]] bool is_array() const { return std::holds_alternative<Array>(held_); }
  [[nodiscard]] bool is_object() const { return std::holds_alternative<Object>(held_); }

  /// The value as a T, by T's codec: `value.to<int>()`, `value.to<std::vector<Order>>()`. Throws
  /// DecodeError.
  template <class T>
  [[nodiscard]] T to() const {
    return unpack<T>(pack(*this));
  }

  /// Throw DecodeError when it is something else.
  [[nodiscard]] const std::string& as_string() const;
  [[nodiscard]] const Array& as_array() const;
  [[nodiscard]] const Object& as_object() const;
  [[nodiscard]] Array& as_array();
  [[nodiscard]] Object& as_object();

  /// Elements of an array, fields of an object; 0 for anything else.
  [[nodiscard]] std::size_t size() const;
  /// A field of an object. Throws DecodeError when it is not there.
  [[nodiscard]] const Value& at(std::string_view field) const;
  [[nodiscard]] const Value& at(std::size_t index) const;
  /// nullptr when this is no object or has no such field.
  [[nodiscard]] const Value* find(std::string_view field) const;
  /// A field of an object, made when it is not there; null becomes an object first.
  Value& operator[](std::string_view field);

  /// JSON text. Binary becomes base64 text, a number that JSON has not (infinite, not a number)
  /// null, and bytes that are not UTF-8 the replacement character. \param indent  spaces per level;
  /// negative: one line.
  [[nodiscard]] std::string to_json(int indent = -1) const;
  /// Throws DecodeError with line and column. Nesting is limited to `Unpacker::depth_max`.
  [[nodiscard]] static Value from_json(std::string_view text);

  /// 2 and 2.0 differ, as they do on the wire.
  bool operator==(const Value&) const = default;

  /// The alternatives, for std::visit. A number above 2^63 - 1 is held as std::uint64_t, any other
  /// whole one as std::int64_t.
  using Held = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string,
                            Binary, Array, Object>;
  [[nodiscard]] const Held& held() const { return held_; }

 private:
  template <class T>
  static Held number(T value) {
    if constexpr (std::is_unsigned_v<T>) {
      if (value > static_cast<std::uint64_t>(INT64_MAX)) return static_cast<std::uint64_t>(value);
    }
    return static_cast<std::int64_t>(value);
  }

  Held held_;
};

/// Keys of maps are text in a Value: whole numbers as keys become their decimal text, as in JSON.
template <>
struct Codec<Value> {
  static void pack(Writer& out, const Value& value);
  static Value unpack(Unpacker& in);
};

}  // namespace baozi
