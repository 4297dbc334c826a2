/// \file codec_containers.hpp
/// Codecs of containers, tuples, optionals and variants. Included by codec.hpp.
#pragma once
#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "baozi/codec.hpp"

namespace baozi {

namespace detail {

template <class T>
concept Map = requires {
  typename T::key_type;
  typename T::mapped_type;
  typename T::value_type;
}
&&requires(T t, typename T::key_type k, typename T::mapped_type m) {
  t.insert_or_assign(std::move(k), std::move(m));
};

/// vector, deque, list, set, unordered_set and what looks like them; not strings, not maps.
template <class T>
concept Sequence = !Map<T> && requires(T t, const T c, typename T::value_type v) {
  c.begin();
  c.end();
  c.size();
  t.insert(t.end(), std::move(v));
}
&&!requires(T t) { t.c_str(); };

/// Memory is asked for as the elements come: a count alone, however large, reserves no more than
/// this.
inline constexpr std::size_t reserve_bytes_max = 65'536;

template <class T>
inline constexpr Kinds kinds_of = all_kinds;
template <class T>
requires requires { Codec<T>::kinds; }
inline constexpr Kinds kinds_of<T> = Codec<T>::kinds;

template <class T>
inline constexpr Kinds exact_kinds_of = kinds_of<T>;
template <class T>
requires requires { Codec<T>::exact_kinds; }
inline constexpr Kinds exact_kinds_of<T> = Codec<T>::exact_kinds;

template <class T, std::size_t N>
inline constexpr bool borrows<std::array<T, N>> = borrows<T>;

template <class T>
[[nodiscard]] T element(Unpacker& in, std::size_t index) {
  const Unpacker::Step step{in, index};
  return in.get<T>();
}
void expect_count(const Unpacker& in, std::size_t count, std::size_t wanted);

/// A type whose absence has a natural value: a missing field or argument leaves it empty.
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_optional<std::unique_ptr<T>> = true;

}  // namespace detail

template <detail::Sequence T>
struct Codec<T> {
  using Element = typename T::value_type;
  static constexpr detail::Kinds kinds = detail::kind_bit(Reader::Kind::array);
  static void pack(Writer& out, const T& values) {
    out.array(values.size());
    for (const auto& value : values) pack_into<Element>(out, value);
  }
  static T unpack(Unpacker& in) {
    const std::uint32_t count = in.array();
    T values;
    if constexpr (requires { values.reserve(count); }) {
      values.reserve(std::min<std::size_t>(count, detail::reserve_bytes_max / sizeof(Element) + 1));
    }
    for (std::uint32_t i = 0; i < count; ++i) {
      const Unpacker::Step step{in, i};
      values.insert(values.end(), in.get<Element>());
    }
    return values;
  }
};

template <detail::Map T>
struct Codec<T> {
  using Key = typename T::key_type;
  using Mapped = typename T::mapped_type;
  static constexpr detail::Kinds kinds = detail::kind_bit(Reader::Kind::map);
  static void pack(Writer& out, const T& values) {
    out.map(values.size());
    for (const auto& [key, value] : values) {
      pack_into<Key>(out, key);
      pack_into<Mapped>(out, value);
    }
  }
  /// A key that comes twice: the later one wins, as in JSON and Python.
  static T unpack(Unpacker& in) {
    const std::uint32_t count = in.map();
    T values;
    for (std::uint32_t i = 0; i < count; ++i) {
      const Unpacker::Step step{in, in.mark()};
      Key key = in.get<Key>();
      values.insert_or_assign(std::move(key), in.get<Mapped>());
    }
    return values;
  }
};

template <class T, std::size_t N>
struct Codec<std::array<T, N>> {
  static constexpr detail::Kinds kinds = detail::kind_bit(Reader::Kind::array);
  static void pack(Writer& out, const std::array<T, N>& values) {
    out.array(N);
    for (const T& value : values) pack_into<T>(out, value);
  }
  static std::array<T, N> unpack(Unpacker& in) {
    detail::expect_count(in, in.array(), N);
    return fill(in, std::make_index_sequence<N>{});
  }

 private:
  template <std::size_t... I>
  static std::array<T, N> fill(Unpacker& in, std::index_sequence<I...>) {
    return {detail::element<T>(in, I)...};
  }
};

template <class... Ts>
struct Codec<std::tuple<Ts...>> {
  static constexpr detail::Kinds kinds = detail::kind_bit(Reader::Kind::array);
  static void pack(Writer& out, const std::tuple<Ts...>& values) {
    out.array(sizeof...(Ts));
    std::apply([&](const Ts&... each) { (pack_into<Ts>(out, each), ...); }, values);
  }
  static std::tuple<Ts...> unpack(Unpacker& in) {
    detail::expect_count(in, in.array(), sizeof...(Ts));
    return fill(in, std::index_sequence_for<Ts...>{});
  }

 private:
  template <std::size_t... I>
  static std::tuple<Ts...> fill([[maybe_unused]] Unpacker& in, std::index_sequence<I...>) {
    return std::tuple<Ts...>{
        detail::element<Ts>(in, I)...};  // braces: evaluated from left to right
  }
};

template <class A, class B>
struct Codec<std::pair<A, B>> {
  static constexpr detail::Kinds kinds = detail::kind_bit(Reader::Kind::array);
  static void pack(Writer& out, const std::pair<A, B>& value) {
    out.array(2);
    pack_into<A>(out, value.first);
    pack_into<B>(out, value.second);
  }
  static std::pair<A, B> unpack(Unpacker& in) {
    detail::expect_count(in, in.array(), 2);
    return std::pair<A, B>{detail::element<A>(in, 0), detail::element<B>(in, 1)};
  }
};

/// nil or the value.
template <class T>
struct Codec<std::optional<T>> {
  static_assert(!detail::is_optional<T>,
                "an optional of an optional cannot be told from an empty one");
  static constexpr detail::Kinds kinds = detail::kinds_of<T> | detail::kind_bit(Reader::Kind::nil);
  static void pack(Writer& out, const std::optional<T>& value) {
    if (value) {
      pack_into<T>(out, *value);
    } else {
      out.nil();
    }
  }
  static std::optional<T> unpack(Unpacker& in) {
    if (in.reader().try_nil()) return std::nullopt;
    return in.get<T>();
  }
};
/// nil or what it points to: for structs that hold their own kind.
template <class T>
struct Codec<std::unique_ptr<T>> {
  static void pack(Writer& out, const std::unique_ptr<T>& value) {
    if (value) {
      pack_into<T>(out, *value);
    } else {
      out.nil();
    }
  }
  static std::unique_ptr<T> unpack(Unpacker& in) {
    if (in.reader().try_nil()) return nullptr;
    return std::make_unique<T>(in.get<T>());
  }
};
template <>
struct Codec<std::monostate> {
  static constexpr detail::Kinds kinds = detail::kind_bit(Reader::Kind::nil);
  static void pack(Writer& out, std::monostate) { out.nil(); }
  static std::monostate unpack(Unpacker& in) {
    if (!in.reader().try_nil()) in.expected("nil");
    return {};
  }
};

/// A variant is packed as the value it holds, without a tag, since other languages have none. It is
/// read as the first alternative that takes a value of that kind: exactly (2 is an int before it is
/// a double), or else at all. Where two alternatives share a kind, the first that decodes is taken,
/// so put the stricter one first.
template <class... Ts>
struct Codec<std::variant<Ts...>> {
  using Variant = std::variant<Ts...>;
  static constexpr detail::Kinds kinds = (detail::kinds_of<Ts> | ...);
  static void pack(Writer& out, const Variant& value) {
    std::visit([&]<class T>(const T& held) { pack_into<T>(out, held); }, value);
  }
  static Variant unpack(Unpacker& in) {
    const detail::Kinds next = detail::kind_bit(in.kind());
    const int exact = (((detail::exact_kinds_of<Ts> & next) != 0 ? 1 : 0) + ...);
    std::optional<Variant> found;
    if (exact > 0) {
      (attempt<Ts>(in, (detail::exact_kinds_of<Ts> & next) != 0, exact == 1, found), ...);
    }
    if (!found) {
      const int able = (((detail::kinds_of<Ts> & next) != 0 ? 1 : 0) + ...);
      (attempt<Ts>(in, (detail::kinds_of<Ts> & next) != 0, able == 1, found), ...);
    }
    if (!found) in.expected("a value of another type");
    return *std::move(found);
  }

 private:
  template <class T>
  static void attempt(Unpacker& in, bool fits, bool only_one, std::optional<Variant>& found) {
    if (!fits || found) return;
    if (only_one) {  // its own error message is the best there is
      found.emplace(std::in_place_type<T>, in.get<T>());
      return;
    }
    const Reader mark = in.mark();
    try {
      found.emplace(std::in_place_type<T>, in.get<T>());
    } catch (const DecodeError&) {
      in.rewind(mark);
    }
  }
};

}  // namespace baozi
