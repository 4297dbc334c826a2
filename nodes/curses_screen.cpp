#include "curses_screen.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <langinfo.h>
#include <unistd.h>

#define NCURSES_NOMACROS 1
#include <curses.h>
#include <term.h>

namespace baozi {

namespace {

enum Pair : short { pair_bad = 1 };

class CursesScreen final : public cli::Screen {
 public:
  explicit CursesScreen(SCREEN* screen) : screen_{screen} {
    set_term(screen_);
    cbreak();
    noecho();
    curs_set(0);
    keypad(stdscr, TRUE);
    if (has_colors()) {
      start_color();
      use_default_colors();
      init_pair(pair_bad, COLOR_RED, -1);
    }
    const char* const codes = nl_langinfo(CODESET);
    utf8_ = codes != nullptr && std::strcmp(codes, "UTF-8") == 0;
  }
  ~CursesScreen() override {
    endwin();
    delscreen(screen_);
  }
  CursesScreen(const CursesScreen&) = delete;
  CursesScreen& operator=(const CursesScreen&) = delete;

  void draw(const std::vector<cli::ScreenLine>& picture) override {
    werase(stdscr);
    const int rows = std::min(height(), static_cast<int>(picture.size()));
    for (int row = 0; row < rows; ++row) {
      const cli::ScreenLine& line = picture[static_cast<std::size_t>(row)];
      const attr_t look = look_of(line.style);
      wattron(stdscr, static_cast<int>(look));
      std::string text = shown(line.text);
      if (line.style == cli::ScreenLine::Style::bar)
        text.resize(std::max(text.size(), static_cast<std::size_t>(width())), ' ');
      mvwaddnstr(stdscr, row, 0, text.c_str(), static_cast<int>(text.size()));
      wattroff(stdscr, static_cast<int>(look));
    }
    wrefresh(stdscr);
  }
  int key(Micros timeout) override {
    wtimeout(stdscr, static_cast<int>(timeout.count() / 1'000));
    const int key = wgetch(stdscr);
    if (key == ERR) return no_key;
    return key == KEY_RESIZE ? resized : key;
  }
  [[nodiscard]] int width() const override { return getmaxx(stdscr); }
  [[nodiscard]] int height() const override { return getmaxy(stdscr); }

 private:
  static attr_t look_of(cli::ScreenLine::Style style) {
    switch (style) {
      case cli::ScreenLine::Style::bar: return A_REVERSE;
      case cli::ScreenLine::Style::heading: return A_BOLD;
      case cli::ScreenLine::Style::bad:
        return has_colors() ? static_cast<attr_t>(COLOR_PAIR(pair_bad)) : A_BOLD;
      case cli::ScreenLine::Style::dim: return A_DIM;
      case cli::ScreenLine::Style::plain: break;
    }
    return A_NORMAL;
  }
  /// A terminal that does not speak UTF-8 gets a question mark for each character beyond ASCII.
  [[nodiscard]] std::string shown(const std::string& text) const {
    if (utf8_) return text;
    std::string plain;
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x80) {
        plain += c;
      } else if ((byte & 0xC0U) != 0x80U) {
        plain += '?';
      }
    }
    return plain;
  }

  SCREEN* screen_;
  bool utf8_ = false;
};

}  // namespace

std::unique_ptr<cli::Screen> open_curses_screen(std::string& why_not) {
  if (isatty(STDIN_FILENO) == 0 || isatty(STDOUT_FILENO) == 0) {
    why_not = "it needs a terminal, and this is none";
    return nullptr;
  }
  const char* const name = std::getenv("TERM");
  const std::string type = name == nullptr ? "" : name;
  int found = 0;
  if (type.empty() || setupterm(type.c_str(), STDOUT_FILENO, &found) == ERR) {
    why_not = type.empty() ? "the variable TERM does not say what terminal this is"
                           : "the terminal '" + type + "' is not known (TERM)";
    return nullptr;
  }
  const char* const place = tigetstr(const_cast<char*>("cup"));
  if (place == nullptr || place == reinterpret_cast<char*>(-1)) {
    why_not = "it needs a terminal that can place its cursor, and '" + type + "' cannot (TERM)";
    return nullptr;
  }
  SCREEN* const screen = newterm(type.c_str(), stdout, stdin);
  if (screen == nullptr) {
    why_not = "the terminal '" + type + "' cannot be used (TERM)";
    return nullptr;
  }
  return std::make_unique<CursesScreen>(screen);
}

}  // namespace baozi
