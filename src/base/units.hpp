/// \file units.hpp
/// Durations and sizes as people write them: "1.5s", "200ms", "1h30m"; "64MiB", "10MB", "4096".
/// Pure; the same text means the same everywhere: options, files, environment.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"

namespace baozi {

/// A number of bytes that is not also a number of something else.
struct ByteCount {
  std::uint64_t value = 0;
  auto operator<=>(const ByteCount&) const = default;
};

}  // namespace baozi

namespace baozi::base {

/// One or more numbers, each with a unit: us, ms, s, m, h or d. A single number without one is in
/// seconds. Decimals down to a millionth of the unit; nothing negative. \return Errc::invalid  not
/// in that form, or more than 292,000 years.
[[nodiscard]] Result<Micros> parse_duration(std::string_view text);
/// A number with B, KiB, MiB, GiB, TiB, kB, MB, GB or TB; without a unit it is in bytes.
/// \return Errc::invalid  not in that form, or 2^64 and more.
[[nodiscard]] Result<ByteCount> parse_bytes(std::string_view text);

/// "10/s", "100/m", "5/h" as a number per second; a number alone is per second, "0" and "" are 0:
/// no limit. \return Errc::invalid  not in that form, negative, or beyond a million a second.
[[nodiscard]] Result<double> parse_rate(std::string_view text);

/// The shortest text that parse_duration reads back as the same: "90s" is "1m30s", 0 is "0s".
[[nodiscard]] std::string to_text(Micros duration);
/// In the largest binary unit that divides it: "64MiB", "1000B".
[[nodiscard]] std::string to_text(ByteCount bytes);

}  // namespace baozi::base
