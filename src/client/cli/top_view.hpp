/// \file top_view.hpp
/// The picture that `baozi top` shows: a model as lines of a given size, as text for scripts, and
/// as a value for JSON.
#pragma once
#include <vector>

#include "client/cli/screen.hpp"
#include "client/cli/top_model.hpp"

namespace baozi::cli {

enum class TopSort : std::uint8_t { busiest, name, newest };
[[nodiscard]] const char* to_string(TopSort sort);
[[nodiscard]] TopSort next(TopSort sort);

struct TopPicture {
  int width = 120;
  int height = 0;  ///< lines in all; 0: as many as it takes, at most `rows_max` of each table
  int rows_max = 50;
  TopSort sort = TopSort::busiest;
  bool paused = false;
  bool keys = true;  ///< says which there are
};

[[nodiscard]] std::vector<ScreenLine> draw_top(const TopModel& model, const TopPicture& picture,
                                               WallTime now);
[[nodiscard]] Value top_value(const TopModel& model, WallTime now);

}  // namespace baozi::cli
