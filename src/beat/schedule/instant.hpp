/// \file instant.hpp
/// Instants as text, ISO 8601 in UTC. Pure.
#pragma once
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"

namespace baozi::beat {

/// The years that schedules reckon with; an instant outside is refused, a search ends there.
inline constexpr int year_least = 1900;
inline constexpr int year_most = 9999;

/// "2026-12-01T10:00:00Z", with a fraction of up to six digits if you like, or an offset such as
/// "+01:00" instead of Z. A blank may stand for the T. A time that names no zone is refused: it
/// would mean something else on every machine. \return Errc::invalid  not in that form, no such
/// day, or outside the years above.
[[nodiscard]] Result<WallTime> parse_instant(std::string_view text);

/// "2026-12-01T10:00:00Z"; a fraction only when there is one.
[[nodiscard]] std::string to_text(WallTime time);

}  // namespace baozi::beat
