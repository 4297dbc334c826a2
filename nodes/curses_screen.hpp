/// \file curses_screen.hpp
/// The terminal of `baozi top`, by ncurses.
#pragma once
#include "client/cli/screen.hpp"

namespace baozi {

/// \return nullptr, with what is missing in `why_not`, where there is no terminal that can place
/// its cursor.
[[nodiscard]] std::unique_ptr<cli::Screen> open_curses_screen(std::string& why_not);

}  // namespace baozi
