#include "base/units.hpp"

#include <limits>

#include <gtest/gtest.h>

namespace baozi::base {
namespace {

using namespace std::chrono_literals;

struct Duration {
  const char* why;
  const char* text;
  Micros want;
};
const Duration durations[] = {
    {"ZeroNeedsNoUnit", "0", 0us},
    {"SecondsWithoutAUnit", "5", 5s},
    {"Fractions", "1.5s", 1500ms},
    {"FractionsWithoutAUnit", "0.25", 250ms},
    {"Microseconds", "7us", 7us},
    {"Milliseconds", "200ms", 200ms},
    {"Minutes", "2m", 2min},
    {"Hours", "12h", 12h},
    {"Days", "1d", 24h},
    {"SeveralUnits", "1h30m5s", 1h + 30min + 5s},
    {"TheLargest", "9223372036854775807us", Micros{std::numeric_limits<std::int64_t>::max()}},
};
class ParseDuration : public testing::TestWithParam<Duration> {};
TEST_P(ParseDuration, Reads) {
  const auto parsed = parse_duration(GetParam().text);
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  EXPECT_EQ(*parsed, GetParam().want);
}
INSTANTIATE_TEST_SUITE_P(Good, ParseDuration, testing::ValuesIn(durations),
                         [](const auto& row) { return std::string{row.param.why}; });

TEST(ParseRate, IsANumberForEachSecondMinuteOrHour) {
  EXPECT_DOUBLE_EQ(*parse_rate("10/s"), 10);
  EXPECT_DOUBLE_EQ(*parse_rate("90/m"), 1.5);
  EXPECT_DOUBLE_EQ(*parse_rate("36/h"), 0.01);
  EXPECT_DOUBLE_EQ(*parse_rate("0.5"), 0.5);
  EXPECT_DOUBLE_EQ(*parse_rate("0"), 0);
  EXPECT_DOUBLE_EQ(*parse_rate(""), 0);
  for (const char* bad : {"often", "/s", "10/d", "-1/s", "10 /s", "10/s ", "1e3", "2000001/s",
                          "99999999999999999999"})
    EXPECT_FALSE(parse_rate(bad).has_value()) << bad;
}

struct Bad {
  const char* why;
  const char* text;
};
const Bad bad_durations[] = {
    {"Empty", ""},
    {"OnlyAUnit", "s"},
    {"UnknownUnit", "5x"},
    {"CapitalUnit", "5S"},
    {"Negative", "-5s"},
    {"Signed", "+5s"},
    {"Blank", "5 s"},
    {"NoDigitsBehindThePoint", "5.s"},
    {"NoDigitsBeforeThePoint", ".5s"},
    {"SevenPlaces", "0.0000001s"},
    {"TwoPoints", "1.2.3s"},
    {"ASecondPartWithoutUnit", "1m30"},
    {"OneMicrosecondTooLong", "9223372036854775808us"},
    {"TooLongInDays", "999999999999d"},
    {"TooManyDigits", "99999999999999999999s"},
};
class BadDuration : public testing::TestWithParam<Bad> {};
TEST_P(BadDuration, IsRefused) {
  const auto parsed = parse_duration(GetParam().text);
  ASSERT_FALSE(parsed.has_value()) << parsed->count();
  EXPECT_EQ(parsed.error().code, Errc::invalid);
  EXPECT_NE(parsed.error().message.find(std::string{"'"} + GetParam().text + "'"),
            std::string::npos);
}
INSTANTIATE_TEST_SUITE_P(Malformed, BadDuration, testing::ValuesIn(bad_durations),
                         [](const auto& row) { return std::string{row.param.why}; });

struct Size {
  const char* why;
  const char* text;
  std::uint64_t want;
};
const Size sizes[] = {
    {"BytesWithoutAUnit", "4096", 4096},
    {"Bytes", "4096B", 4096},
    {"Kibibytes", "64KiB", 65'536},
    {"Mebibytes", "64MiB", 67'108'864},
    {"Gibibytes", "2GiB", 2'147'483'648},
    {"Tebibytes", "1TiB", 1'099'511'627'776},
    {"DecimalUnits", "10MB", 10'000'000},
    {"Fractions", "1.5MiB", 1'572'864},
    {"TheLargest", "18446744073709551615", std::numeric_limits<std::uint64_t>::max()},
};
class ParseBytes : public testing::TestWithParam<Size> {};
TEST_P(ParseBytes, Reads) {
  const auto parsed = parse_bytes(GetParam().text);
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  EXPECT_EQ(parsed->value, GetParam().want);
}
INSTANTIATE_TEST_SUITE_P(Good, ParseBytes, testing::ValuesIn(sizes),
                         [](const auto& row) { return std::string{row.param.why}; });

const Bad bad_sizes[] = {
    {"Empty", ""},
    {"Negative", "-1"},
    {"AnAmbiguousUnit", "64M"},
    {"SmallLetters", "64mib"},
    {"TwoUnits", "1MiB5KiB"},
    {"TooLarge", "18446744073709551616"},
    {"TooLargeInTebibytes", "16777216TiB"},
};
class BadBytes : public testing::TestWithParam<Bad> {};
TEST_P(BadBytes, AreRefused) { EXPECT_FALSE(parse_bytes(GetParam().text).has_value()); }
INSTANTIATE_TEST_SUITE_P(Malformed, BadBytes, testing::ValuesIn(bad_sizes),
                         [](const auto& row) { return std::string{row.param.why}; });

TEST(UnitText, IsShortForDurations) {
  EXPECT_EQ(to_text(0us), "0s");
  EXPECT_EQ(to_text(Micros{90s}), "1m30s");
  EXPECT_EQ(to_text(Micros{1500ms}), "1s500ms");
  EXPECT_EQ(to_text(Micros{24h}), "1d");
  EXPECT_EQ(to_text(Micros{-5s}), "-5s");
}

TEST(UnitText, IsExactForSizes) {
  EXPECT_EQ(to_text(ByteCount{0}), "0B");
  EXPECT_EQ(to_text(ByteCount{1000}), "1000B");
  EXPECT_EQ(to_text(ByteCount{65'536}), "64KiB");
  EXPECT_EQ(to_text(ByteCount{std::uint64_t{3} << 30U}), "3GiB");
}

TEST(UnitText, IsReadBackAsTheSame) {
  for (const std::int64_t us :
       {1LL, 999LL, 1'000'001LL, 86'399'999'999LL, 9'223'372'036'854'775'807LL}) {
    EXPECT_EQ(*parse_duration(to_text(Micros{us})), Micros{us}) << to_text(Micros{us});
  }
  for (const std::uint64_t bytes : {1ULL, 1023ULL, 1024ULL, 1536ULL, ~0ULL}) {
    EXPECT_EQ(parse_bytes(to_text(ByteCount{bytes}))->value, bytes);
  }
}

}  // namespace
}  // namespace baozi::base
