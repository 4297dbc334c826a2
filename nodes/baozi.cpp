#include "beat/schedule_file.hpp"
#include "client/cli/cli.hpp"
#include "curses_screen.hpp"

int main(int argc, char** argv) {
  return baozi::cli::run(argc, argv, baozi::open_curses_screen, baozi::beat::read_schedule_file);
}
