/// \file codec_basic.hpp
/// Codecs of single values: numbers, text, bytes, times, enums. Included by codec.hpp.
#pragma once
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "baozi/codec.hpp"

namespace baozi {

namespace detail {
using Kinds = std::uint32_t;
constexpr Kinds kind_bit(Reader::Kind kind) { return Kinds{1} << static_cast<unsigned>(kind); }
inline constexpr Kinds all_kinds = ~Kinds{0};

template <class T>
concept Integer = std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char> &&
                  !std::same_as<T, wchar_t> && !std::same_as<T, char8_t> &&
                  !std::same_as<T, char16_t> && !std::same_as<T, char32_t> && sizeof(T) <= 8;

[[noreturn]] void time_out_of_range();

/// Whole microseconds, rounded down for points in time (`floor`) and towards zero for spans.
template <bool floor, class Rep, class Period>
[[nodiscard]] std::int64_t to_micros(std::chrono::duration<Rep, Period> span) {
  using Ratio = std::ratio_divide<Period, std::micro>;
  if constexpr (std::is_floating_point_v<Rep>) {
    const auto exact = static_cast<long double>(span.count()) * Ratio::num / Ratio::den;
    const long double micros = floor ? std::floor(exact) : std::trunc(exact);
    if (!(micros >= -0x1p63L && micros < 0x1p63L)) time_out_of_range();
    return static_cast<std::int64_t>(micros);
  } else {
    static_assert(sizeof(Rep) <= 8);
    __extension__ using Wide = __int128;
    const Wide scaled = static_cast<Wide>(span.count()) * Ratio::num;
    Wide micros = scaled / Ratio::den;
    if (floor && micros * Ratio::den > scaled) --micros;
    if (micros < std::numeric_limits<std::int64_t>::min() ||
        micros > std::numeric_limits<std::int64_t>::max()) {
      time_out_of_range();
    }
    return static_cast<std::int64_t>(micros);
  }
}

/// Exact, or an error: 1.5 s do not become 1 s because somebody counts in seconds.
template <class Duration>
[[nodiscard]] Duration from_micros(Unpacker& in, std::int64_t micros) {
  using Rep = typename Duration::rep;
  using Ratio = std::ratio_divide<typename Duration::period, std::micro>;
  if constexpr (std::is_floating_point_v<Rep>) {
    return Duration{static_cast<Rep>(static_cast<long double>(micros) * Ratio::den / Ratio::num)};
  } else {
    __extension__ using Wide = __int128;
    const Wide scaled = static_cast<Wide>(micros) * Ratio::den;
    const Wide count = scaled / Ratio::num;
    if (count * Ratio::num != scaled)
      in.fail("a time of " + std::to_string(micros) + " us is no whole number of the unit");
    if (count < std::numeric_limits<Rep>::min() || count > std::numeric_limits<Rep>::max()) {
      in.fail("a time of " + std::to_string(micros) + " us is out of range");
    }
    return Duration{static_cast<Rep>(count)};
  }
}
}  // namespace detail

template <>
struct Codec<bool> {
  static constexpr detail::Kinds kinds = detail::kind_bit(Reader::Kind::boolean);
  static void pack(Writer& out, bool value) { out.boolean(value); }
  static bool unpack(Unpacker& in) { return in.boolean(); }
};

template <detail::Integer T>
struct Codec<T> {
  static constexpr detail::Kinds kinds = detail::kind_bit(Reader::Kind::integer);
  static void pack(Writer& out, T value) {
    if constexpr (std::is_signed_v<T>) {
      out.integer(value);
    } else {
      out.uinteger(value);
    }
  }
  static T unpack(Unpacker& in) {
    using Limits = std::numeric_limits<T>;
    if constexpr (std::is_signed_v<T>) {
      return static_cast<T>(in.integer(Limits::min(), Limits::max()));
    } else {
      return static_cast<T>(in.uinteger(Limits::max()));
    }
  }
};

/// Integers are taken where a number is wanted, since other languages write 2.0 as 2.
template <std::floating_point T>
struct Codec<T> {
  static constexpr detail::Kinds kinds =
      detail::kind_bit(Reader::Kind::real) | detail::kind_bit(Reader::Kind::integer);
  static constexpr detail::Kinds exact_kinds = detail::kind_bit(Reader::Kind::real);
  static void pack(Writer& out, T value) {
    if constexpr (sizeof(T) == sizeof(float)) {
      out.real32(value);
    } else {
      out.real(static_cast<double>(value));
    }
  }
  static T unpack(Unpacker& in) {
    const double value = in.real();
    if constexpr (sizeof(T) == sizeof(float)) {
      if (std::isfinite(value) &&
          std::fabs(value) > static_cast<double>(std::numeric_limits<float>::max())) {
        in.fail("a number out of a float's range");
      }
    }
    return static_cast<T>(value);
  }
};

template <>
struct Codec<std::string> {
  static constexpr detail::Kinds kinds =
      detail::kind_bit(Reader::Kind::str) | detail::kind_bit(Reader::Kind::bin);
  static constexpr detail::Kinds exact_kinds = detail::kind_bit(Reader::Kind::str);
  static void pack(Writer& out, std::string_view value) { out.str(value); }
  static std::string unpack(Unpacker& in) { return std::string{in.text()}; }
};
template <>
struct Codec<std::string_view> {
  static constexpr detail::Kinds kinds = Codec<std::string>::kinds;
  static constexpr detail::Kinds exact_kinds = Codec<std::string>::exact_kinds;
  static void pack(Writer& out, std::string_view value) { out.str(value); }
  static std::string_view unpack(Unpacker& in) { return in.text(); }
};
/// String literals can be packed.
template <std::size_t N>
struct Codec<char[N]> {
  static void pack(Writer& out, const char* value) { out.str(value); }
};
template <>
struct Codec<const char*> {
  static void pack(Writer& out, const char* value) { out.str(value); }
};
/// One character is a string of one byte.
template <>
struct Codec<char> {
  static constexpr detail::Kinds kinds = detail::kind_bit(Reader::Kind::str);
  static void pack(Writer& out, char value) { out.str({&value, 1}); }
  static char unpack(Unpacker& in) {
    const std::string_view text = in.text();
    if (text.size() != 1)
      in.fail("expected a string of one character, got " + std::to_string(text.size()) + " bytes");
    return text.front();
  }
};

template <>
struct Codec<Binary> {
  static constexpr detail::Kinds kinds = Codec<std::string>::kinds;
  static constexpr detail::Kinds exact_kinds = detail::kind_bit(Reader::Kind::bin);
  static void pack(Writer& out, const Binary& value) { out.bin(value.bytes); }
  static Binary unpack(Unpacker& in) { return Binary{std::string{in.binary()}}; }
};
/// Vectors of bytes are `bin`; an array of numbers is taken too, since JSON has nothing better.
template <class Byte>
requires(std::same_as<Byte, std::uint8_t> ||
         std::same_as<Byte, std::byte>) struct Codec<std::vector<Byte>> {
  static constexpr detail::Kinds kinds =
      Codec<std::string>::kinds | detail::kind_bit(Reader::Kind::array);
  static constexpr detail::Kinds exact_kinds = detail::kind_bit(Reader::Kind::bin);
  static void pack(Writer& out, const std::vector<Byte>& value) {
    out.bin({reinterpret_cast<const char*>(value.data()), value.size()});
  }
  static std::vector<Byte> unpack(Unpacker& in) {
    if (in.kind() == Reader::Kind::array) {
      std::vector<Byte> bytes(in.array());
      for (std::size_t i = 0; i < bytes.size(); ++i) {
        const Unpacker::Step step{in, i};
        bytes[i] = static_cast<Byte>(in.uinteger(255));
      }
      return bytes;
    }
    const std::string_view view = in.binary();
    const auto* const first = reinterpret_cast<const Byte*>(view.data());
    return std::vector<Byte>(first, first + view.size());
  }
};

/// Microseconds. What a coarser unit cannot hold exactly is an error when it is unpacked.
template <class Rep, class Period>
struct Codec<std::chrono::duration<Rep, Period>> {
  using Span = std::chrono::duration<Rep, Period>;
  static constexpr detail::Kinds kinds = detail::kind_bit(Reader::Kind::integer);
  static void pack(Writer& out, Span value) { out.integer(detail::to_micros<false>(value)); }
  static Span unpack(Unpacker& in) {
    using Limits = std::numeric_limits<std::int64_t>;
    return detail::from_micros<Span>(in, in.integer(Limits::min(), Limits::max()));
  }
};
/// Microseconds since the Unix epoch, UTC. Steady and local times have no codec: they mean nothing
/// elsewhere.
template <class Duration>
struct Codec<std::chrono::sys_time<Duration>> {
  using Time = std::chrono::sys_time<Duration>;
  static constexpr detail::Kinds kinds = detail::kind_bit(Reader::Kind::integer);
  static void pack(Writer& out, Time value) {
    out.integer(detail::to_micros<true>(value.time_since_epoch()));
  }
  static Time unpack(Unpacker& in) {
    using Limits = std::numeric_limits<std::int64_t>;
    return Time{detail::from_micros<Duration>(in, in.integer(Limits::min(), Limits::max()))};
  }
};

/// An enum is its number, checked against the underlying type only.
template <class T>
requires std::is_enum_v<T>
struct Codec<T> {
  using Number = std::underlying_type_t<T>;
  static constexpr detail::Kinds kinds = Codec<Number>::kinds;
  static void pack(Writer& out, T value) { Codec<Number>::pack(out, static_cast<Number>(value)); }
  static T unpack(Unpacker& in) { return static_cast<T>(Codec<Number>::unpack(in)); }
};

}  // namespace baozi
