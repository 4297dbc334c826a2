#include "base/units.hpp"

#include <limits>
#include <optional>
#include <span>

namespace baozi::base {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t size;
};

constexpr Unit durations[] = {{"us", 1},         {"ms", 1'000},        {"s", 1'000'000},
                              {"m", 60'000'000}, {"h", 3'600'000'000}, {"d", 86'400'000'000}};
constexpr Unit sizes[] = {{"B", 1},
                          {"KiB", std::uint64_t{1} << 10U},
                          {"MiB", std::uint64_t{1} << 20U},
                          {"GiB", std::uint64_t{1} << 30U},
                          {"TiB", std::uint64_t{1} << 40U},
                          {"kB", 1'000},
                          {"MB", 1'000'000},
                          {"GB", 1'000'000'000},
                          {"TB", 1'000'000'000'000}};

bool digit(char c) { return c >= '0' && c <= '9'; }

/// A decimal number with at most six places, kept exactly.
struct Decimal {
  std::uint64_t whole = 0;
  std::uint64_t millionths = 0;
};

std::optional<Decimal> take_number(std::string_view& text) {
  Decimal number;
  std::size_t i = 0;
  for (; i < text.size() && digit(text[i]); ++i) {
    if (__builtin_mul_overflow(number.whole, std::uint64_t{10}, &number.whole) ||
        __builtin_add_overflow(number.whole, static_cast<std::uint64_t>(text[i] - '0'),
                               &number.whole)) {
      return std::nullopt;
    }
  }
  if (i == 0) return std::nullopt;
  if (i < text.size() && text[i] == '.') {
    std::uint64_t weight = 100'000;
    const std::size_t first = ++i;
    for (; i < text.size() && digit(text[i]); ++i, weight /= 10) {
      if (weight == 0) return std::nullopt;
      number.millionths += weight * static_cast<std::uint64_t>(text[i] - '0');
    }
    if (i == first) return std::nullopt;
  }
  text.remove_prefix(i);
  return number;
}

/// Takes letters off the front; nullopt when they name no unit of the table.
std::optional<std::uint64_t> take_unit(std::string_view& text, std::span<const Unit> units) {
  std::size_t length = 0;
  while (length < text.size() && !digit(text[length]) && text[length] != '.') ++length;
  for (const Unit& unit : units) {
    if (text.substr(0, length) == unit.name) {
      text.remove_prefix(length);
      return unit.size;
    }
  }
  return std::nullopt;
}

std::optional<std::uint64_t> times(const Decimal& number, std::uint64_t unit) {
  std::uint64_t result = 0;
  // millionths < 10^6 and unit <= 2^40, so their product fits
  if (__builtin_mul_overflow(number.whole, unit, &result) ||
      __builtin_add_overflow(result, number.millionths * unit / 1'000'000, &result)) {
    return std::nullopt;
  }
  return result;
}

std::string quoted(std::string_view text) { return "'" + std::string{text} + "'"; }

}  // namespace

Result<Micros> parse_duration(std::string_view text) {
  const auto refuse = [all = text] {
    return unexpected(Errc::invalid,
                      quoted(all) + " is not a duration (write 200ms, 5s, 1m30s or 2h)");
  };
  std::uint64_t total = 0;
  bool first = true;
  do {
    const auto number = take_number(text);
    if (!number) return refuse();
    const bool bare = first && text.empty();
    const auto unit = bare ? std::optional<std::uint64_t>{1'000'000} : take_unit(text, durations);
    if (!unit) return refuse();
    const auto part = times(*number, *unit);
    if (!part || __builtin_add_overflow(total, *part, &total) ||
        total > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return refuse();
    }
    first = false;
  } while (!text.empty());
  return Micros{static_cast<std::int64_t>(total)};
}

Result<ByteCount> parse_bytes(std::string_view text) {
  const std::string_view all = text;
  if (const auto number = take_number(text)) {
    const auto unit = text.empty() ? std::optional<std::uint64_t>{1} : take_unit(text, sizes);
    if (unit && text.empty()) {
      if (const auto bytes = times(*number, *unit)) return ByteCount{*bytes};
    }
  }
  return unexpected(Errc::invalid,
                    quoted(all) + " is not a size (write 4096, 64KiB, 1.5MiB or 2GB)");
}

Result<double> parse_rate(std::string_view text) {
  if (text.empty()) return 0.0;
  const std::string whole{text};
  const auto bad = [&] {
    return unexpected(Errc::invalid,
                      "'" + whole + "' is no rate: a number and /s, /m or /h, such as 10/s");
  };
  const auto number = take_number(text);
  if (!number || number->whole > 1'000'000'000) return bad();
  double rate = static_cast<double>(number->whole) + static_cast<double>(number->millionths) / 1e6;
  if (text == "/m") {
    rate /= 60;
  } else if (text == "/h") {
    rate /= 3600;
  } else if (!text.empty() && text != "/s") {
    return bad();
  }
  if (rate > 1e6) return bad();
  return rate;
}

std::string to_text(Micros duration) {
  static constexpr Unit largest_first[] = {{"d", 86'400'000'000}, {"h", 3'600'000'000},
                                           {"m", 60'000'000},     {"s", 1'000'000},
                                           {"ms", 1'000},         {"us", 1}};
  if (duration.count() <= 0) return duration.count() == 0 ? "0s" : "-" + to_text(-duration);
  std::string text;
  auto left = static_cast<std::uint64_t>(duration.count());
  for (const Unit& unit : largest_first) {
    if (left < unit.size) continue;
    text += std::to_string(left / unit.size);
    text += unit.name;
    left %= unit.size;
  }
  return text;
}

std::string to_text(ByteCount bytes) {
  const Unit* best = &sizes[0];
  for (const Unit& unit : std::span{sizes}.first(5)) {
    if (bytes.value != 0 && bytes.value % unit.size == 0) best = &unit;
  }
  return std::to_string(bytes.value / best->size) + std::string{best->name};
}

}  // namespace baozi::base
