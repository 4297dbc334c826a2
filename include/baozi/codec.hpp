/// \file codec.hpp
/// C++ values to msgpack and back: `pack(value)` and `unpack<T>(bytes)`.
///
/// What has a codec: bool; every integer up to 64 bits (checked for range); float and double;
/// std::string, std::string_view, char; `Binary`, vectors of bytes; vector, deque, list, set,
/// array, pair, tuple, map and unordered_map of those; optional, unique_ptr, variant; chrono
/// durations and sys_time (both as microseconds); enums (as their number); `Value` (value.hpp);
/// structs named with BAOZI_FIELDS. Another type joins with
///
///     template <> struct baozi::Codec<Money> {
///       static void pack(baozi::Writer& out, const Money& money) { out.integer(money.cents); }
///       static Money unpack(baozi::Unpacker& in) { return Money{in.get<std::int64_t>()}; }
///     };
///
/// Text is UTF-8, as msgpack's `str` wants it; bytes that are not text belong in `Binary` or a
/// vector of bytes. Errors: `DecodeError`, which says where: "argument 'order'.lines[2].price:
/// expected integer, got string \"x\"". Safety: never reads outside its input, never reserves
/// memory that the input could not fill, refuses nesting deeper than 32. Threading: none inside.
#pragma once
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "baozi/packing.hpp"

namespace baozi {

/// How T is packed. Specialise it for your own types, or name a struct's fields with BAOZI_FIELDS.
template <class T>
struct Codec;

/// Bytes that are not text: msgpack's `bin`.
struct Binary {
  std::string bytes;
  bool operator==(const Binary&) const = default;
};

/// The bytes do not hold the type that was asked for.
class DecodeError : public std::runtime_error {
 public:
  DecodeError(std::string path, std::string reason)
      : std::runtime_error{path.empty() ? reason : path + ": " + reason},
        path_{std::move(path)},
        reason_{std::move(reason)} {}

  [[nodiscard]] const std::string& path() const {
    return path_;
  }  ///< "lines[2].price"; empty: the whole
  [[nodiscard]] const std::string& reason() const {
    return reason_;
  }  ///< "expected integer, got string \"x\""

 private:
  std::string path_;
  std::string reason_;
};

template <class T>
concept HasCodec = requires {
  sizeof(Codec<T>);
};

/// Reads values one after the other from packed bytes and knows where it stands, for its error
/// messages.
class Unpacker {
 public:
  using Kind = Reader::Kind;

  /// \param root  how error messages call the whole, such as "argument 'b'"; must outlive the
  /// Unpacker.
  explicit Unpacker(std::string_view packed, std::string_view root = {})
      : reader_{packed}, root_{root} {}
  Unpacker(const Unpacker&) = delete;
  Unpacker& operator=(const Unpacker&) = delete;

  /// The next value as a T. Throws DecodeError.
  template <class T>
  [[nodiscard]] T get() {
    static_assert(HasCodec<T>,
                  "baozi has no codec for this type: name its fields with BAOZI_FIELDS(Type, a, "
                  "b), or specialise "
                  "baozi::Codec<Type>");
    return Codec<T>::unpack(*this);
  }

  [[nodiscard]] Kind kind() const { return reader_.kind(); }
  /// For codecs that read by themselves; call `check()` afterwards.
  [[nodiscard]] Reader& reader() { return reader_; }
  /// Throws DecodeError when the reader has met an error.
  void check() {
    if (!reader_.ok()) fail(reader_.error());
  }

  [[nodiscard]] bool boolean() {
    if (kind() != Kind::boolean) expected("boolean");
    return reader_.boolean();
  }
  [[nodiscard]] std::int64_t integer(std::int64_t lowest, std::int64_t highest) {
    if (kind() != Kind::integer) expected("integer");
    const Reader before = reader_;
    const std::int64_t value = reader_.integer();
    if (!reader_.ok() || value < lowest || value > highest) {
      reader_ = before;
      out_of_range(lowest, static_cast<std::uint64_t>(highest));
    }
    return value;
  }
  [[nodiscard]] std::uint64_t uinteger(std::uint64_t highest) {
    if (kind() != Kind::integer) expected("integer");
    const Reader before = reader_;
    const std::uint64_t value = reader_.uinteger();
    if (!reader_.ok() || value > highest) {
      reader_ = before;
      out_of_range(0, highest);
    }
    return value;
  }
  /// Any number.
  [[nodiscard]] double real() {
    const Kind next = kind();
    if (next != Kind::real && next != Kind::integer) expected("number");
    const double value = reader_.real();
    check();
    return value;
  }
  /// Text; binary is taken too, since an older msgpack and some languages know one string type
  /// only.
  [[nodiscard]] std::string_view text() {
    const Kind next = kind();
    if (next != Kind::str && next != Kind::bin) expected("string");
    const std::string_view view = next == Kind::str ? reader_.str() : reader_.bin();
    check();
    return view;
  }
  [[nodiscard]] std::string_view binary() {
    const Kind next = kind();
    if (next != Kind::str && next != Kind::bin) expected("binary");
    const std::string_view view = next == Kind::str ? reader_.str() : reader_.bin();
    check();
    return view;
  }
  /// The number of elements that follow.
  [[nodiscard]] std::uint32_t array(const char* what = "array") {
    if (kind() != Kind::array) expected(what);
    const std::uint32_t count = reader_.array();
    check();
    return count;
  }
  /// The number of pairs that follow.
  [[nodiscard]] std::uint32_t map(const char* what = "map") {
    if (kind() != Kind::map) expected(what);
    const std::uint32_t count = reader_.map();
    check();
    return count;
  }
  /// Steps over one value and returns its bytes.
  std::string_view skip() {
    const std::string_view bytes = reader_.skip();
    check();
    return bytes;
  }
  /// Nothing may follow.
  void finish() {
    if (!reader_.at_end()) fail("bytes after the value");
  }

  /// "expected integer, got string \"x\"", with the place in front.
  [[noreturn]] void expected(const char* what) const;
  [[noreturn]] void fail(const std::string& reason) const;

  /// While alive, the cursor is inside an element of an array or a field of a map: one line of a
  /// path.
  class Step {
   public:
    Step(Unpacker& in, std::size_t index) : in_{in}, outer_{in.step_}, index_{index} { enter(); }
    /// \param field  must outlive the step.
    Step(Unpacker& in, std::string_view field)
        : in_{in}, outer_{in.step_}, field_{field}, what_{What::field} {
      enter();
    }
    /// \param key  a reader that stands at the packed key of a map: rendered only when there is an
    /// error.
    Step(Unpacker& in, const Reader& key) : in_{in}, outer_{in.step_}, key_{key}, what_{What::key} {
      enter();
    }
    ~Step() {
      in_.step_ = outer_;
      --in_.depth_;
    }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   private:
    friend class Unpacker;
    enum class What : std::uint8_t { index, field, key };
    void enter() {
      if (in_.depth_ >= depth_max) in_.fail("nested too deeply");
      ++in_.depth_;
      in_.step_ = this;
    }
    Unpacker& in_;
    const Step* outer_;
    std::string_view field_{};
    Reader key_{std::string_view{}};
    std::size_t index_ = 0;
    What what_ = What::index;
  };

  /// Where a codec may want to come back to (variant).
  [[nodiscard]] Reader mark() const { return reader_; }
  void rewind(const Reader& mark) { reader_ = mark; }

  static constexpr int depth_max = Reader::skip_depth_max;

 private:
  [[noreturn]] void out_of_range(std::int64_t lowest, std::uint64_t highest) const;
  [[nodiscard]] std::string path() const;

  Reader reader_;
  std::string_view root_;
  const Step* step_ = nullptr;
  int depth_ = 0;
};

namespace detail {
/// Types that point into the packed bytes: good for a task's parameters, not for what `unpack`
/// returns.
template <class T>
inline constexpr bool borrows = false;
template <>
inline constexpr bool borrows<std::string_view> = true;
template <template <class...> class Container, class... Ts>
inline constexpr bool borrows<Container<Ts...>> = (borrows<Ts> || ...);

/// What the next value is, for messages: `string "x"`, `array of 3`.
[[nodiscard]] std::string describe(Reader at);
}  // namespace detail

/// Appends a value.
template <class T>
void pack_into(Writer& out, const T& value) {
  static_assert(HasCodec<T>,
                "baozi has no codec for this type: name its fields with BAOZI_FIELDS(Type, a, b), "
                "or specialise "
                "baozi::Codec<Type>");
  Codec<T>::pack(out, value);
}
inline void pack_into(Writer& out, const char* text) { out.str(text); }

/// The value as msgpack. Throws std::range_error for a duration or time that microseconds in 64
/// bits cannot hold.
template <class T>
[[nodiscard]] std::string pack(const T& value) {
  std::string bytes;
  Writer out{bytes};
  pack_into(out, value);
  return bytes;
}

/// The T that the bytes hold, all of them. Throws DecodeError.
template <class T>
[[nodiscard]] T unpack(std::string_view packed, std::string_view root = {}) {
  static_assert(!detail::borrows<T>,
                "the result would point into the packed bytes: take a std::string");
  Unpacker in{packed, root};
  T value = in.get<T>();
  in.finish();
  return value;
}

}  // namespace baozi

#include "baozi/detail/codec_basic.hpp"       // IWYU pragma: export
#include "baozi/detail/codec_containers.hpp"  // IWYU pragma: export
#include "baozi/detail/codec_fields.hpp"      // IWYU pragma: export
