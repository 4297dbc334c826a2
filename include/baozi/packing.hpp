/// \file packing.hpp
/// msgpack (https://msgpack.org, spec of 2013 with str/bin) as a bounded cursor and an appender:
/// `Reader` and `Writer`. The protocol's envelope and users' values both go through these two
/// classes. Threading: none inside; one Reader or Writer belongs to one thread. Safety: a Reader
/// never allocates and never reads outside its view. A count that the bytes left cannot hold is
/// refused before anybody reserves memory for it; `skip` refuses nesting deeper than 32. Speed:
/// one-byte values and short strings are read inline; what is rare or wrong is kept out of line.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace baozi {

/// Appends msgpack to a string that it does not own; the smallest encoding of each number is
/// chosen.
class Writer {
 public:
  explicit Writer(std::string& out) : out_{out} {}

  void nil() { byte(0xC0); }
  void boolean(bool value) { byte(value ? 0xC3 : 0xC2); }
  void uinteger(std::uint64_t value) {
    if (value < 0x80) {
      byte(static_cast<std::uint8_t>(value));
    } else if (value <= 0xFF) {
      byte(0xCC);
      byte(static_cast<std::uint8_t>(value));
    } else if (value <= 0xFFFF) {
      big(0xCD, static_cast<std::uint16_t>(value));
    } else if (value <= 0xFFFFFFFF) {
      big(0xCE, static_cast<std::uint32_t>(value));
    } else {
      big(0xCF, value);
    }
  }
  void integer(std::int64_t value) {
    if (value >= 0) {
      uinteger(static_cast<std::uint64_t>(value));
    } else if (value >= -32) {
      byte(static_cast<std::uint8_t>(value));
    } else if (value >= INT8_MIN) {
      byte(0xD0);
      byte(static_cast<std::uint8_t>(value));
    } else if (value >= INT16_MIN) {
      big(0xD1, static_cast<std::uint16_t>(value));
    } else if (value >= INT32_MIN) {
      big(0xD2, static_cast<std::uint32_t>(value));
    } else {
      big(0xD3, static_cast<std::uint64_t>(value));
    }
  }
  void real(double value) { big(0xCB, std::bit_cast<std::uint64_t>(value)); }
  void real32(float value) { big(0xCA, std::bit_cast<std::uint32_t>(value)); }
  void str(std::string_view text) {
    const auto n = text.size();
    if (n < 32) {
      byte(static_cast<std::uint8_t>(0xA0U | n));
    } else if (n <= 0xFF) {
      byte(0xD9);
      byte(static_cast<std::uint8_t>(n));
    } else if (n <= 0xFFFF) {
      big(0xDA, static_cast<std::uint16_t>(n));
    } else {
      big(0xDB, static_cast<std::uint32_t>(n));
    }
    out_.append(text);
  }
  void bin(std::string_view bytes) {
    const auto n = bytes.size();
    if (n <= 0xFF) {
      byte(0xC4);
      byte(static_cast<std::uint8_t>(n));
    } else if (n <= 0xFFFF) {
      big(0xC5, static_cast<std::uint16_t>(n));
    } else {
      big(0xC6, static_cast<std::uint32_t>(n));
    }
    out_.append(bytes);
  }
  void array(std::size_t count) {
    if (count < 16) {
      byte(static_cast<std::uint8_t>(0x90U | count));
    } else if (count <= 0xFFFF) {
      big(0xDC, static_cast<std::uint16_t>(count));
    } else {
      big(0xDD, static_cast<std::uint32_t>(count));
    }
  }
  void map(std::size_t count) {
    if (count < 16) {
      byte(static_cast<std::uint8_t>(0x80U | count));
    } else if (count <= 0xFFFF) {
      big(0xDE, static_cast<std::uint16_t>(count));
    } else {
      big(0xDF, static_cast<std::uint32_t>(count));
    }
  }
  /// Appends bytes that are msgpack already.
  void raw(std::string_view packed) { out_.append(packed); }

  [[nodiscard]] std::string& buffer() { return out_; }

 private:
  void byte(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
  template <class Unsigned>
  void big(std::uint8_t head, Unsigned value) {
    char bytes[1 + sizeof(Unsigned)];
    bytes[0] = static_cast<char>(head);
    for (std::size_t i = 0; i < sizeof(Unsigned); ++i) {
      bytes[1 + i] =
          static_cast<char>(static_cast<std::uint8_t>(value >> (8 * (sizeof(Unsigned) - 1 - i))));
    }
    out_.append(bytes, sizeof bytes);
  }

  std::string& out_;
};

/// Reads msgpack from a view, one value after the other. The first thing that does not fit latches
/// an error: from then on every read returns an empty value and `ok()` is false, so a caller reads
/// a whole structure and asks once. Strings and binaries come back as views into the input.
class Reader {
 public:
  enum class Kind : std::uint8_t {
    nil,
    boolean,
    integer,
    real,
    str,
    bin,
    array,
    map,
    ext,
    end,
    invalid
  };

  explicit Reader(std::string_view input)
      : cursor_{reinterpret_cast<const std::uint8_t*>(input.data())},
        end_{cursor_ + input.size()} {}

  [[nodiscard]] bool ok() const { return error_ == nullptr; }
  /// What went wrong first, a static text; nullptr while all is well.
  [[nodiscard]] const char* error() const { return error_; }
  /// True when the error is a passed limit: the bytes may be msgpack, but more than the reader
  /// takes.
  [[nodiscard]] bool over_limit() const { return over_limit_; }
  [[gnu::cold, gnu::noinline]] void fail(const char* why) {
    if (error_ == nullptr) error_ = why;
    cursor_ = end_;
  }
  [[gnu::cold, gnu::noinline]] void fail_limit(const char* why) {
    if (error_ == nullptr) over_limit_ = true;
    fail(why);
  }
  [[nodiscard]] bool at_end() const { return cursor_ == end_; }
  [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end_ - cursor_); }
  /// Where the cursor stands; with `since` gives the raw slice of what was read in between.
  [[nodiscard]] const char* position() const { return reinterpret_cast<const char*>(cursor_); }
  [[nodiscard]] std::string_view since(const char* start) const {
    return {start, static_cast<std::size_t>(position() - start)};
  }

  /// The kind of the next value, without reading it.
  [[nodiscard]] Kind kind() const {
    if (error_ != nullptr) return Kind::invalid;
    if (cursor_ == end_) return Kind::end;
    const std::uint8_t head = *cursor_;
    if (head < 0x80 || head >= 0xE0) return Kind::integer;
    if (head < 0x90) return Kind::map;
    if (head < 0xA0) return Kind::array;
    if (head < 0xC0) return Kind::str;
    static constexpr Kind kinds[32] = {
        Kind::nil,     Kind::invalid, Kind::boolean, Kind::boolean, Kind::bin,     Kind::bin,
        Kind::bin,     Kind::ext,     Kind::ext,     Kind::ext,     Kind::real,    Kind::real,
        Kind::integer, Kind::integer, Kind::integer, Kind::integer, Kind::integer, Kind::integer,
        Kind::integer, Kind::integer, Kind::ext,     Kind::ext,     Kind::ext,     Kind::ext,
        Kind::ext,     Kind::str,     Kind::str,     Kind::str,     Kind::array,   Kind::array,
        Kind::map,     Kind::map};
    return kinds[head - 0xC0];
  }

  void nil() {
    if (take() != 0xC0) fail("nil expected");
  }
  /// True, and the nil is read, when the next value is nil.
  bool try_nil() {
    if (kind() != Kind::nil) return false;
    ++cursor_;
    return true;
  }
  bool boolean() {
    const std::uint8_t head = take();
    if (head != 0xC2 && head != 0xC3) fail("boolean expected");
    return ok() && head == 0xC3;
  }
  std::uint64_t uinteger() {
    if (cursor_ != end_) [[likely]] {
      const std::uint8_t head = *cursor_;
      if (head < 0x80) {
        ++cursor_;
        return head;
      }
      // CC to CF: 1, 2, 4 or 8 bytes follow. While nine bytes are at hand, one load serves all
      // four.
      if (const unsigned size = head - 0xCCU; size < 4 && left() >= 9) [[likely]] {
        const std::uint64_t value = big64(cursor_ + 1) >> (64U - (8U << size));
        cursor_ += 1 + (1U << size);
        return value;
      }
    }
    return uinteger_rare();
  }
  std::int64_t integer() {
    if (cursor_ != end_ && *cursor_ >= 0xD0) [[unlikely]]
      return integer_negative();
    const std::uint64_t value = uinteger();
    if (value > static_cast<std::uint64_t>(INT64_MAX)) [[unlikely]] {
      fail("integer out of range");
      return 0;
    }
    return static_cast<std::int64_t>(value);
  }
  /// Any number.
  double real() {
    if (cursor_ == end_) return static_cast<double>(uinteger());
    const std::uint8_t head = *cursor_;
    if (head == 0xCB) {
      ++cursor_;
      return std::bit_cast<double>(big<std::uint64_t>());
    }
    if (head == 0xCA) {
      ++cursor_;
      return static_cast<double>(std::bit_cast<float>(big<std::uint32_t>()));
    }
    if (head == 0xCF) return static_cast<double>(uinteger());
    return static_cast<double>(integer());
  }
  std::string_view str() {
    if (cursor_ != end_ && (*cursor_ & 0xE0U) == 0xA0) [[likely]]
      return bytes(*cursor_++ & 0x1FU);
    return str_long();
  }
  std::string_view bin() {
    if (left() >= 2 && *cursor_ == 0xC4) [[likely]] {
      const std::size_t size = cursor_[1];
      cursor_ += 2;
      return bytes(size);
    }
    return bin_long();
  }
  /// The number of elements that follow; never more than the bytes left could hold when each of
  /// them takes at least `bytes_each`: so a caller who reserves room for them is bounded by what
  /// was sent.
  std::uint32_t array(std::size_t bytes_each = 1) {
    if (cursor_ != end_ && (*cursor_ & 0xF0U) == 0x90) [[likely]] {
      return counted(*cursor_++ & 0x0FU, bytes_each);
    }
    return counted(array_long(), bytes_each);
  }
  /// The number of key-value pairs that follow; never more than the bytes left could hold.
  std::uint32_t map() {
    if (cursor_ != end_ && (*cursor_ & 0xF0U) == 0x80) [[likely]]
      return counted(*cursor_++ & 0x0FU, 2);
    return counted(map_long(), 2);
  }
  /// Steps over one whole value, whatever it is, and returns its bytes.
  std::string_view skip() {
    const char* const start = position();
    skip_value(skip_depth_max);
    return ok() ? since(start) : std::string_view{};
  }

  static constexpr int skip_depth_max = 32;

 private:
  std::uint8_t take() {
    if (cursor_ == end_) {
      fail("truncated");
      return 0xC1;  // the one code that msgpack never uses
    }
    return *cursor_++;
  }
  static std::uint64_t big64(const std::uint8_t* at) {
    std::uint64_t value = 0;
    std::memcpy(&value, at, sizeof value);
    if constexpr (std::endian::native == std::endian::little) value = __builtin_bswap64(value);
    return value;
  }
  template <class Unsigned>
  Unsigned big() {
    if (left() < sizeof(Unsigned)) {
      fail("truncated");
      return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(Unsigned); ++i) value = (value << 8U) | cursor_[i];
    cursor_ += sizeof(Unsigned);
    return static_cast<Unsigned>(value);
  }
  std::int64_t signed_tail(std::uint8_t head) {
    switch (head) {
      case 0xD0: return static_cast<std::int8_t>(big<std::uint8_t>());
      case 0xD1: return static_cast<std::int16_t>(big<std::uint16_t>());
      case 0xD2: return static_cast<std::int32_t>(big<std::uint32_t>());
      default: return static_cast<std::int64_t>(big<std::uint64_t>());
    }
  }
  std::string_view bytes(std::size_t size) {
    if (left() < size) [[unlikely]] {
      fail("truncated");
      return {};
    }
    const std::string_view view{position(), size};
    cursor_ += size;
    return view;
  }
  std::uint32_t counted(std::uint32_t count, std::size_t bytes_each) {
    if (std::uint64_t{count} * bytes_each > left()) [[unlikely]] {
      fail("count larger than the bytes that are left");
      return 0;
    }
    return count;  // after an error nothing is left, so only 0 comes this far
  }

  // What is long, rare or wrong.
  std::uint64_t uinteger_rare();
  std::int64_t integer_negative();
  std::string_view str_long();
  std::string_view bin_long();
  std::uint32_t array_long();
  std::uint32_t map_long();
  void skip_value(int depth_left);

  const std::uint8_t* cursor_;
  const std::uint8_t* end_;
  const char* error_ = nullptr;
  bool over_limit_ = false;
};

[[gnu::noinline]] inline std::uint64_t Reader::uinteger_rare() {
  switch (const std::uint8_t head = take()) {
    case 0xCC: return big<std::uint8_t>();
    case 0xCD: return big<std::uint16_t>();
    case 0xCE: return big<std::uint32_t>();
    case 0xCF: return big<std::uint64_t>();
    case 0xD0:
    case 0xD1:
    case 0xD2:
    case 0xD3: {
      const std::int64_t value = signed_tail(head);
      if (value < 0) fail("negative number where none may stand");
      return value < 0 ? 0 : static_cast<std::uint64_t>(value);
    }
    default:
      fail(head >= 0xE0 ? "negative number where none may stand" : "unsigned integer expected");
      return 0;
  }
}

[[gnu::noinline]] inline std::int64_t Reader::integer_negative() {
  const std::uint8_t head = take();
  if (head >= 0xE0) return static_cast<std::int8_t>(head);
  if (head <= 0xD3) return signed_tail(head);
  fail("integer expected");
  return 0;
}

[[gnu::noinline]] inline std::string_view Reader::str_long() {
  switch (take()) {
    case 0xD9: return bytes(big<std::uint8_t>());
    case 0xDA: return bytes(big<std::uint16_t>());
    case 0xDB: return bytes(big<std::uint32_t>());
    default: fail("string expected"); return {};
  }
}

[[gnu::noinline]] inline std::string_view Reader::bin_long() {
  switch (take()) {
    case 0xC4: return bytes(big<std::uint8_t>());
    case 0xC5: return bytes(big<std::uint16_t>());
    case 0xC6: return bytes(big<std::uint32_t>());
    default: fail("binary expected"); return {};
  }
}

[[gnu::noinline]] inline std::uint32_t Reader::array_long() {
  switch (take()) {
    case 0xDC: return big<std::uint16_t>();
    case 0xDD: return big<std::uint32_t>();
    default: fail("array expected"); return 0;
  }
}

[[gnu::noinline]] inline std::uint32_t Reader::map_long() {
  switch (take()) {
    case 0xDE: return big<std::uint16_t>();
    case 0xDF: return big<std::uint32_t>();
    default: fail("map expected"); return 0;
  }
}

inline void Reader::skip_value(int depth_left) {
  if (depth_left == 0) return fail_limit("nested too deeply");
  switch (kind()) {
    case Kind::nil: ++cursor_; break;
    case Kind::boolean: boolean(); break;
    case Kind::integer:
      if (*cursor_ == 0xCF) {
        uinteger();
      } else {
        integer();
      }
      break;
    case Kind::real: real(); break;
    case Kind::str: str(); break;
    case Kind::bin: bin(); break;
    case Kind::array:
      for (std::uint32_t n = array(); n > 0 && ok(); --n) skip_value(depth_left - 1);
      break;
    case Kind::map:
      for (std::uint32_t n = map(); n > 0 && ok(); --n) {
        skip_value(depth_left - 1);
        skip_value(depth_left - 1);
      }
      break;
    case Kind::ext: {
      const std::uint8_t head = take();
      std::size_t size = 0;
      if (head >= 0xD4 && head <= 0xD8) {
        size = std::size_t{1} << (head - 0xD4U);
      } else if (head == 0xC7) {
        size = big<std::uint8_t>();
      } else if (head == 0xC8) {
        size = big<std::uint16_t>();
      } else {
        size = big<std::uint32_t>();
      }
      bytes(size + 1);
      break;
    }
    case Kind::end: fail("truncated"); break;
    case Kind::invalid: fail("not msgpack"); break;
  }
}

}  // namespace baozi
