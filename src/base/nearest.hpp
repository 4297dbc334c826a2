/// \file nearest.hpp
/// "Did you mean …?": the known name that a mistyped one was probably meant to be. Pure.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace baozi::base {

/// Edits that turn one into the other: letters added, dropped, changed, or two neighbours swapped.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// The nearest of `known`, or "" when none is near: more than a third of the letters would have to
/// change.
[[nodiscard]] std::string nearest(std::string_view mistyped, std::span<const std::string> known);

}  // namespace baozi::base
