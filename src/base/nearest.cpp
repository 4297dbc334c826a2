#include "base/nearest.hpp"

#include <algorithm>
#include <vector>

namespace baozi::base {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // The table of optimal string alignment, three rows of it at a time.
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before_last.swap(last);
    last.swap(row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] =
          std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

std::string nearest(std::string_view mistyped, std::span<const std::string> known) {
  if (mistyped.size() > 64) return {};
  std::string best;
  std::size_t least = std::max<std::size_t>(mistyped.size() / 3, 1) + 1;
  for (const std::string& name : known) {
    if (const std::size_t distance = edit_distance(mistyped, name); distance < least) {
      least = distance;
      best = name;
    }
  }
  return best;
}

}  // namespace baozi::base
