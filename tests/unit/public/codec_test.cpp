// include/baozi/codec.hpp: what goes in comes out, and what does not fit is named with its place.
#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include <baozi/codec.hpp>

namespace shop {
struct Line {
  std::string sku;
  double price = 0;
  bool operator==(const Line&) const = default;
};
BAOZI_FIELDS(Line, sku, price)

struct Order {
  std::string id;
  int amount = 0;
  std::optional<std::string> note;
  int priority = 0;
  std::vector<Line> lines;
  std::string currency;
  bool operator==(const Order&) const = default;
};
BAOZI_FIELDS(Order, id, amount, note, priority = 4, lines, currency = "EUR")
}  // namespace shop

namespace {

using namespace std::chrono_literals;
using baozi::pack;
using baozi::unpack;

struct Money {
  std::int64_t cents = 0;
  bool operator==(const Money&) const = default;
};

struct Tree {
  int value = 0;
  std::vector<Tree> children;
  std::unique_ptr<Tree> next;
};
BAOZI_FIELDS(Tree, value, children, next);

struct Wide {
  int a1 = 1, a2 = 2, a3 = 3, a4 = 4, a5 = 5, a6 = 6, a7 = 7, a8 = 8, a9 = 9, a10 = 10;
  int b1 = 1, b2 = 2, b3 = 3, b4 = 4, b5 = 5, b6 = 6, b7 = 7, b8 = 8, b9 = 9, b10 = 10;
  int c1 = 1, c2 = 2, c3 = 3, c4 = 4, c5 = 5, c6 = 6, c7 = 7, c8 = 8, c9 = 9, c10 = 10;
  int d1 = 1, d2 = 2, d3 = 3, d4 = 4, d5 = 5, d6 = 6, d7 = 7, d8 = 8, d9 = 9, d10 = 10;
};
BAOZI_FIELDS(Wide, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10,
             c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, d1, d2, d3, d4, d5, d6, d7, d8, d9, d10)

enum class Colour : std::uint8_t { red = 1, green = 200 };

template <class T>
T again(const T& value) {
  return unpack<T>(pack(value));
}

template <class T>
std::string refusal(std::string_view packed, std::string_view root = {}) {
  try {
    (void)unpack<T>(packed, root);
  } catch (const baozi::DecodeError& error) {
    return error.what();
  }
  return "taken";
}

}  // namespace

template <>
struct baozi::Codec<Money> {
  static void pack(Writer& out, const Money& money) { out.integer(money.cents); }
  static Money unpack(Unpacker& in) { return Money{in.get<std::int64_t>()}; }
};

namespace {

TEST(Codec, NumbersComeBackAtTheEdgesOfTheirRange) {
  EXPECT_EQ(again(true), true);
  EXPECT_EQ(again(std::numeric_limits<std::int8_t>::min()),
            std::numeric_limits<std::int8_t>::min());
  EXPECT_EQ(again(std::numeric_limits<std::uint16_t>::max()),
            std::numeric_limits<std::uint16_t>::max());
  EXPECT_EQ(again(std::numeric_limits<std::int64_t>::min()),
            std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(again(std::numeric_limits<std::uint64_t>::max()),
            std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(again(1.5F), 1.5F);
  EXPECT_EQ(again(-0.1), -0.1);
  EXPECT_EQ(again('x'), 'x');
  EXPECT_EQ(again(Colour::green), Colour::green);
}

TEST(Codec, ANumberOutOfRangeIsRefusedWithTheRange) {
  EXPECT_EQ(refusal<std::int8_t>(pack(300)), "expected integer from -128 to 127, got 300");
  EXPECT_EQ(refusal<std::uint8_t>(pack(-1)), "expected integer from 0 to 255, got -1");
  EXPECT_EQ(refusal<std::int64_t>(pack(std::numeric_limits<std::uint64_t>::max())),
            "expected integer from -9223372036854775808 to 9223372036854775807, got "
            "18446744073709551615");
  EXPECT_EQ(refusal<Colour>(pack(256)), "expected integer from 0 to 255, got 256");
  EXPECT_EQ(refusal<float>(pack(1e300)), "a number out of a float's range");
}

TEST(Codec, AWholeNumberIsTakenForARealOneButNotTheOtherWayRound) {
  EXPECT_EQ(unpack<double>(pack(2)), 2.0);
  EXPECT_EQ(unpack<double>(pack(std::numeric_limits<std::uint64_t>::max())), 0x1p64);
  EXPECT_EQ(refusal<int>(pack(2.0)), "expected integer, got number 2");
  EXPECT_EQ(refusal<bool>(pack(1)), "expected boolean, got integer 1");
}

TEST(Codec, TextAndBytesComeBack) {
  const std::string zero{"a\0b", 3};
  EXPECT_EQ(again(zero), zero);
  EXPECT_EQ(unpack<std::string>(pack("literal")), "literal");
  EXPECT_EQ(again(baozi::Binary{zero}), baozi::Binary{zero});
  const std::vector<std::uint8_t> bytes{0, 255, 7};
  EXPECT_EQ(pack(bytes), pack(baozi::Binary{std::string{"\0\xff\x07", 3}}));
  EXPECT_EQ(again(bytes), bytes);
  EXPECT_EQ(again(std::vector<std::byte>{std::byte{1}}), std::vector<std::byte>{std::byte{1}});
  EXPECT_EQ(unpack<std::vector<std::uint8_t>>(pack(std::vector<int>{0, 255, 7})), bytes);
  EXPECT_EQ(refusal<std::vector<std::uint8_t>>(pack(std::vector<int>{1, 256})),
            "[1]: expected integer from 0 to 255, got 256");
}

TEST(Codec, ContainersComeBack) {
  EXPECT_EQ(again(std::vector<std::string>{"a", "b"}), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(again(std::vector<bool>{true, false}), (std::vector<bool>{true, false}));
  EXPECT_EQ(again(std::deque<int>{1, 2}), (std::deque<int>{1, 2}));
  EXPECT_EQ(again(std::list<int>{1, 2}), (std::list<int>{1, 2}));
  EXPECT_EQ(again(std::set<int>{1, 2}), (std::set<int>{1, 2}));
  EXPECT_EQ(again(std::unordered_set<int>{1, 2}), (std::unordered_set<int>{1, 2}));
  EXPECT_EQ(again(std::array<int, 3>{1, 2, 3}), (std::array<int, 3>{1, 2, 3}));
  EXPECT_EQ(again(std::array<int, 0>{}), (std::array<int, 0>{}));
  EXPECT_EQ(again(std::pair<int, std::string>{1, "x"}), (std::pair<int, std::string>{1, "x"}));
  EXPECT_EQ(again(std::tuple<int, double, std::string>{1, 2.5, "x"}),
            (std::tuple<int, double, std::string>{1, 2.5, "x"}));
  EXPECT_EQ(again(std::tuple<>{}), std::tuple<>{});
  EXPECT_EQ(again(std::map<std::string, std::vector<int>>{{"a", {1}}}),
            (std::map<std::string, std::vector<int>>{{"a", {1}}}));
  EXPECT_EQ(again(std::unordered_map<int, bool>{{1, true}}),
            (std::unordered_map<int, bool>{{1, true}}));
}

TEST(Codec, OptionalIsNilOrTheValue) {
  EXPECT_EQ(again(std::optional<int>{}), std::nullopt);
  EXPECT_EQ(again(std::optional<int>{3}), 3);
  EXPECT_EQ(unpack<std::optional<int>>("\xC0"), std::nullopt);
}

TEST(Codec, AVariantIsReadAsTheFirstAlternativeThatFitsExactly) {
  using Any = std::variant<double, int, std::string, std::vector<int>, std::monostate>;
  EXPECT_EQ(again(Any{2.0}).index(), 0u);
  EXPECT_EQ(again(Any{2}).index(), 1u);
  EXPECT_EQ(again(Any{"x"}).index(), 2u);
  EXPECT_EQ(again(Any{std::vector<int>{1}}).index(), 3u);
  EXPECT_EQ(again(Any{std::monostate{}}).index(), 4u);
  EXPECT_EQ(refusal<Any>(pack(true)), "expected a value of another type, got true");
}

TEST(Codec, AVariantOfTwoOfAKindTakesTheFirstThatDecodes) {
  using Sizes = std::variant<std::uint8_t, std::int64_t>;
  EXPECT_EQ(unpack<Sizes>(pack(200)).index(), 0u);
  EXPECT_EQ(unpack<Sizes>(pack(300)).index(), 1u);
  using Structs = std::variant<shop::Order, shop::Line>;
  EXPECT_EQ(unpack<Structs>(pack(shop::Line{"a", 1})).index(), 1u);
}

TEST(Codec, TheOnlyAlternativeOfAKindSaysWhatIsWrongInside) {
  using Any = std::variant<int, std::vector<int>>;
  EXPECT_EQ(refusal<Any>(pack(std::vector<std::string>{"x"})),
            "[0]: expected integer, got string \"x\"");
}

TEST(Codec, TimesAreMicroseconds) {
  EXPECT_EQ(pack(1500ms), pack(1'500'000));
  EXPECT_EQ(again(1500ms), 1500ms);
  EXPECT_EQ(pack(1999ns), pack(1));
  EXPECT_EQ(again(std::chrono::duration<double>{0.5}).count(), 0.5);
  const std::chrono::sys_time<std::chrono::microseconds> t{-1us};
  EXPECT_EQ(again(t), t);
  EXPECT_EQ(pack(std::chrono::sys_time<std::chrono::nanoseconds>{-1ns}),
            pack(-1));  // rounded down, not up
}

TEST(Codec, ATimeThatTheUnitCannotHoldIsRefusedAndNotRounded) {
  EXPECT_EQ(refusal<std::chrono::seconds>(pack(1500ms)),
            "a time of 1500000 us is no whole number of the unit");
  EXPECT_EQ(refusal<std::chrono::nanoseconds>(pack(std::numeric_limits<std::int64_t>::max())),
            "a time of 9223372036854775807 us is out of range");
  EXPECT_THROW((void)pack(std::chrono::hours::max()), std::range_error);
  EXPECT_THROW((void)pack(std::chrono::duration<double>{1e300}), std::range_error);
}

TEST(Codec, AStructIsAMapByFieldNames) {
  const shop::Order order{"x", 3, "quick", 1, {{"a", 2.5}}, "CNY"};
  EXPECT_EQ(again(order), order);
  const auto map = unpack<std::map<std::string, double>>(pack(std::map<std::string, double>{}));
  EXPECT_TRUE(map.empty());
  EXPECT_EQ(unpack<shop::Line>(pack(std::map<std::string, std::variant<double, std::string>>{
                {"price", 1.0}, {"sku", "a"}, {"colour", "unknown here"}})),
            (shop::Line{"a", 1.0}));
}

TEST(Codec, AMissingFieldIsAnErrorUnlessItIsOptionalOrHasADefault) {
  using Loose = std::map<std::string, std::variant<int, std::string, std::vector<int>>>;
  const Loose enough{{"id", "x"}, {"amount", 3}, {"lines", std::vector<int>{}}};
  EXPECT_EQ(unpack<shop::Order>(pack(enough)), (shop::Order{"x", 3, std::nullopt, 4, {}, "EUR"}));
  const Loose lacking{{"id", "x"}, {"lines", std::vector<int>{}}};
  EXPECT_EQ(refusal<shop::Order>(pack(lacking), "argument 'order'"),
            "argument 'order': missing field 'amount'");
}

TEST(Codec, AnErrorSaysWhereItIs) {
  using Rows = std::map<std::string, std::vector<std::map<std::string, std::string>>>;
  const std::string packed = pack(Rows{{"lines", {{{"sku", "a"}, {"price", "x"}}}}});
  EXPECT_EQ(refusal<shop::Order>(packed, "argument 'order'"),
            "argument 'order'.lines[0].price: expected number, got string \"x\"");
  EXPECT_EQ(refusal<shop::Order>(packed), "lines[0].price: expected number, got string \"x\"");
  EXPECT_EQ((refusal<std::map<std::string, std::vector<int>>>(
                pack(std::map<std::string, std::string>{{"k", "v"}}))),
            "[\"k\"]: expected array, got string \"v\"");
  EXPECT_EQ((refusal<std::map<int, int>>(pack(std::map<int, std::string>{{7, "v"}}))),
            "[7]: expected integer, got string \"v\"");
}

TEST(Codec, WhatStandsInAMessageIsShortAndPrintable) {
  EXPECT_EQ(refusal<int>(pack(std::string{"a\n\"\\"})),
            "expected integer, got string \"a\\x0a\\\"\\\\\"");
  const std::string message = refusal<int>(pack(std::string(1000, 'x')));
  EXPECT_LT(message.size(), 100u);
  EXPECT_TRUE(message.ends_with("\" ...")) << message;
}

TEST(Codec, AStructMayHoldItsOwnKind) {
  Tree tree{1, {}, nullptr};
  tree.children.push_back(Tree{2, {}, nullptr});
  tree.next = std::make_unique<Tree>(Tree{3, {}, nullptr});
  const Tree back = again(tree);
  EXPECT_EQ(back.children.at(0).value, 2);
  ASSERT_NE(back.next, nullptr);
  EXPECT_EQ(back.next->value, 3);
}

TEST(Codec, FortyFieldsFitInTheMacro) {
  Wide wide;
  wide.d10 = 99;
  EXPECT_EQ(again(wide).d10, 99);
}

TEST(Codec, YourOwnTypeJoinsBySpecialisation) {
  EXPECT_EQ(again(Money{-3}), Money{-3});
  EXPECT_EQ(refusal<std::vector<Money>>(pack(std::vector<std::string>{"x"})),
            "[0]: expected integer, got string \"x\"");
}

TEST(Codec, ATruncatedValueIsRefusedAtEveryByte) {
  const shop::Order order{"x", 3, "quick", 1, {{"a", 2.5}}, "CNY"};
  const std::string packed = pack(order);
  for (std::size_t size = 0; size < packed.size(); ++size) {
    EXPECT_NE(refusal<shop::Order>(std::string_view{packed}.substr(0, size)), "taken") << size;
  }
  EXPECT_EQ(refusal<shop::Order>(packed + '\0'), "bytes after the value");
}

TEST(Codec, AHugeCountIsRefusedBeforeMemoryIsReserved) {
  EXPECT_EQ(refusal<std::vector<std::string>>(std::string{"\xDD\x07\xFF\xFF\xFF", 5}),
            "count larger than the bytes that are left");
  EXPECT_EQ((refusal<std::map<std::string, int>>(std::string{"\xDF\x07\xFF\xFF\xFF", 5})),
            "count larger than the bytes that are left");
}

TEST(Codec, NestingIsBounded) {
  std::string deep(200, '\x91');
  deep += '\xC0';
  struct Nest;
  EXPECT_NE(refusal<Tree>(deep), "taken");
  std::string tree;  // {"value": 1, "children": [{…
  baozi::Writer out{tree};
  for (int i = 0; i < 100; ++i) {
    out.map(2);
    out.str("value");
    out.integer(1);
    out.str("children");
    out.array(1);
  }
  out.nil();
  EXPECT_NE(refusal<Tree>(tree).find("nested too deeply"), std::string::npos);
}

static_assert(baozi::detail::borrows<std::vector<std::optional<std::string_view>>>);
static_assert(!baozi::detail::borrows<std::vector<std::string>>);
static_assert(!baozi::HasCodec<std::chrono::steady_clock::time_point>);
static_assert(!baozi::HasCodec<std::chrono::local_seconds>);
static_assert(!baozi::HasCodec<int*>);

}  // namespace
