/// \file glob.hpp
/// Patterns for names, as shells write them. Threading: free functions.
#pragma once
#include <string_view>

namespace baozi {

/// `*` any text, `?` one character, `[abc]`, `[a-z]`, `[!abc]` one of a set; anything else means
/// itself. A bracket that is not closed means itself. Takes time in proportion to the product of
/// the lengths at most. Bytes, not characters, are matched: `?` is one byte.
[[nodiscard]] bool matches_glob(std::string_view name, std::string_view pattern);
/// False when the pattern can match one name only, itself.
[[nodiscard]] bool is_glob(std::string_view pattern);

}  // namespace baozi
