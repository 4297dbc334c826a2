/// \file codec_fields.hpp
/// BAOZI_FIELDS: a struct as a map by field names. Included by codec.hpp.
///
///     struct Order { std::string id; int amount; std::optional<std::string> note; int priority; };
///     BAOZI_FIELDS(Order, id, amount, note, priority = 4)
///
/// stands after the struct, in the struct's own namespace. Fields are public members. Unknown
/// fields in the input are ignored, so a struct may grow; a missing one is an error unless it is a
/// std::optional (left empty) or has a default, as `priority` here.
#pragma once
#include <array>
#include <tuple>
#include <type_traits>
#include <utility>

#include "baozi/codec.hpp"

namespace baozi {

namespace detail {

struct NoDefault {};

template <class Type, class Member, class Default>
struct Field {
  std::string_view name;
  Member Type::*member;
  [[no_unique_address]] Default fallback;

  using Value = Member;
  static constexpr bool has_default = !std::is_same_v<Default, NoDefault>;
  static constexpr bool required = !has_default && !is_optional<Member>;
};

/// `FieldOf<T>{} ->* &T::x = 4` parses as `(FieldOf<T>{} ->* &T::x) = 4`: that is how one macro
/// argument can be a name or a name with its default.
template <class Type, class Member>
struct FieldStart {
  Member Type::*member;
  template <class Default>
  constexpr auto operator=(Default&& fallback) const {
    return Field<Type, Member, std::decay_t<Default>>{{}, member, std::forward<Default>(fallback)};
  }
};
template <class Type>
struct FieldOf {
  template <class Member>
  constexpr FieldStart<Type, Member> operator->*(Member Type::*member) const {
    return {member};
  }
};

/// "priority = 4" to "priority".
constexpr std::string_view field_name(std::string_view text) {
  return text.substr(0, text.find_first_of(" =\t"));
}

template <class Type, class Member>
constexpr auto named_field(std::string_view text, FieldStart<Type, Member> start) {
  return Field<Type, Member, NoDefault>{field_name(text), start.member, {}};
}
template <class Type, class Member, class Default>
constexpr auto named_field(std::string_view text, Field<Type, Member, Default> field) {
  field.name = field_name(text);
  return field;
}

template <class T>
concept Fielded = std::is_class_v<T> && requires(const T* type) {
  baozi_fields(type);
};

[[noreturn]] void missing_field(const Unpacker& in, std::string_view name);

}  // namespace detail

template <detail::Fielded T>
struct Codec<T> {
  static constexpr detail::Kinds kinds = detail::kind_bit(Reader::Kind::map);
  using Fields = decltype(baozi_fields(static_cast<const T*>(nullptr)));
  static constexpr std::size_t count = std::tuple_size_v<Fields>;

  static void pack(Writer& out, const T& value) {
    out.map(count);
    std::apply(
        [&](const auto&... field) {
          ((out.str(field.name), pack_into<typename std::remove_cvref_t<decltype(field)>::Value>(
                                     out, value.*field.member)),
           ...);
        },
        baozi_fields(static_cast<const T*>(nullptr)));
  }

  static T unpack(Unpacker& in) {
    const auto fields = baozi_fields(static_cast<const T*>(nullptr));
    std::array<bool, count> seen{};
    T value{};
    for (std::uint32_t left = in.map(); left > 0; --left) {
      if (in.kind() != Reader::Kind::str) in.expected("a field's name");
      read_field(in, in.text(), fields, seen, value, std::make_index_sequence<count>{});
    }
    settle(in, fields, seen, value, std::make_index_sequence<count>{});
    return value;
  }

 private:
  template <std::size_t... I>
  static void read_field(Unpacker& in, std::string_view name, const Fields& fields,
                         std::array<bool, count>& seen, T& value, std::index_sequence<I...>) {
    const bool known =
        ((std::get<I>(fields).name == name && (seen[I] = read(in, std::get<I>(fields), value))) ||
         ...);
    if (!known) in.skip();
  }
  template <class Field>
  static bool read(Unpacker& in, const Field& field, T& value) {
    const Unpacker::Step step{in, field.name};
    value.*field.member = in.get<typename Field::Value>();
    return true;
  }
  template <std::size_t... I>
  static void settle(const Unpacker& in, const Fields& fields, const std::array<bool, count>& seen,
                     T& value, std::index_sequence<I...>) {
    ((seen[I] ? void() : absent(in, std::get<I>(fields), value)), ...);
  }
  template <class Field>
  static void absent(const Unpacker& in, const Field& field, T& value) {
    if constexpr (Field::has_default) {
      value.*field.member = field.fallback;
    } else if constexpr (Field::required) {
      detail::missing_field(in, field.name);
    }
  }
};

}  // namespace baozi

#define BAOZI_DETAIL_PARENS ()
#define BAOZI_DETAIL_EXPAND(...) \
  BAOZI_DETAIL_EXPAND3(BAOZI_DETAIL_EXPAND3(BAOZI_DETAIL_EXPAND3(__VA_ARGS__)))
#define BAOZI_DETAIL_EXPAND3(...) \
  BAOZI_DETAIL_EXPAND2(BAOZI_DETAIL_EXPAND2(BAOZI_DETAIL_EXPAND2(__VA_ARGS__)))
#define BAOZI_DETAIL_EXPAND2(...) \
  BAOZI_DETAIL_EXPAND1(BAOZI_DETAIL_EXPAND1(BAOZI_DETAIL_EXPAND1(__VA_ARGS__)))
#define BAOZI_DETAIL_EXPAND1(...) __VA_ARGS__
#define BAOZI_DETAIL_FIELDS(Type, field, ...)                                           \
  ::baozi::detail::named_field(#field, ::baozi::detail::FieldOf<Type>{}->*&Type::field) \
      __VA_OPT__(, BAOZI_DETAIL_FIELDS_AGAIN BAOZI_DETAIL_PARENS(Type, __VA_ARGS__))
#define BAOZI_DETAIL_FIELDS_AGAIN() BAOZI_DETAIL_FIELDS

/// Names the fields of a struct, in the struct's namespace; up to 40. A semicolon may follow. See
/// the top of this file.
#define BAOZI_FIELDS(Type, ...)                                                          \
  [[maybe_unused]] inline auto baozi_fields(const Type*) {                               \
    return std::make_tuple(BAOZI_DETAIL_EXPAND(BAOZI_DETAIL_FIELDS(Type, __VA_ARGS__))); \
  }
