#include "base/glob.hpp"

#include <cstddef>

namespace baozi {

namespace {

/// Matches one character against what stands at `at`; moves `at` behind it when it matches.
bool matches_one(char c, std::string_view pattern, std::size_t& at) {
  if (pattern[at] == '?') return ++at, true;
  if (pattern[at] == '[') {
    std::size_t i = at + 1;
    const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
    if (negated) ++i;
    bool found = false;
    // A bracket that comes first stands for itself.
    for (bool first = true; i < pattern.size() && (first || pattern[i] != ']'); first = false) {
      const auto low = static_cast<unsigned char>(pattern[i++]);
      auto high = low;
      if (i + 1 < pattern.size() && pattern[i] == '-' && pattern[i + 1] != ']') {
        high = static_cast<unsigned char>(pattern[i + 1]);
        i += 2;
      }
      const auto byte = static_cast<unsigned char>(c);
      found = found || (low <= byte && byte <= high);
    }
    if (i < pattern.size()) {
      if (found == negated) return false;
      at = i + 1;
      return true;
    }
  }
  if (pattern[at] != c) return false;
  ++at;
  return true;
}

}  // namespace

bool matches_glob(std::string_view name, std::string_view pattern) {
  std::size_t at = 0;
  std::size_t star = std::string_view::npos;  // behind the last star, and how much it has taken
  std::size_t taken = 0;
  for (std::size_t i = 0; i < name.size();) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = ++at;
      taken = i;
    } else if (at < pattern.size() && matches_one(name[i], pattern, at)) {
      ++i;
    } else if (star != std::string_view::npos) {
      at = star;
      i = ++taken;
    } else {
      return false;
    }
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

bool is_glob(std::string_view pattern) {
  return pattern.find_first_of("*?[") != std::string_view::npos;
}

}  // namespace baozi
