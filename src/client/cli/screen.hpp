/// \file screen.hpp
/// A terminal as `baozi top` sees it: lines to show, keys to read. The program brings one
/// (ncurses), so that the library needs none.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/time.hpp"

namespace baozi::cli {

struct ScreenLine {
  enum class Style : std::uint8_t { plain, bar, heading, bad, dim };
  std::string text;  ///< UTF-8, printable
  Style style = Style::plain;
};

class Screen {
 public:
  static constexpr int no_key = -1;
  static constexpr int resized = -2;

  virtual ~Screen() = default;
  virtual void draw(const std::vector<ScreenLine>& lines) = 0;
  /// A key, `resized`, or `no_key` when the time was over or a signal came.
  virtual int key(Micros timeout) = 0;
  [[nodiscard]] virtual int width() const = 0;
  [[nodiscard]] virtual int height() const = 0;
};

/// Opens the terminal, or says in `why_not` what is missing and returns nullptr.
using OpenScreen = std::unique_ptr<Screen> (*)(std::string& why_not);

}  // namespace baozi::cli
