#include "base/signal_names.hpp"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstring>
#include <string>

namespace baozi::base {

std::optional<int> signal_number(std::string_view name) {
  int number = 0;
  const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (failure == std::errc{} && end == name.data() + name.size()) {
    return number > 0 && number < NSIG ? std::optional{number} : std::nullopt;
  }
  std::string upper{name};
  std::transform(upper.begin(), upper.end(), upper.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  if (upper.starts_with("SIG")) upper.erase(0, 3);
  for (number = 1; number < NSIG; ++number) {
    const char* const abbreviation = sigabbrev_np(number);
    if (abbreviation != nullptr && upper == abbreviation) return number;
  }
  return std::nullopt;
}

}  // namespace baozi::base
