/// \file results_cap.hpp
/// From when on results are kept so that no more of them are kept than may be: the sweep that
/// erases old results shows the age of those it leaves, and at the end of its round this knows how
/// old the oldest one may be. Ages are counted in steps of about a tenth, so up to a tenth more
/// goes than has to. Pure. Threading: owned by the collector's loop. Source: docs/delivery.md D31.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace baozi::collector {

class ResultsCap {
 public:
  explicit ResultsCap(std::uint64_t rows_max) : rows_max_{rows_max} {}

  /// One step of the sweep left these, by the time at which they finished.
  void saw(std::span<const std::int64_t> finished_us, std::int64_t now_us);
  /// It has looked at all of them: so many are there.
  void end_round(std::uint64_t rows, std::int64_t now_us);
  /// Those that finished earlier make room; nothing while there is room. Whatever finished less
  /// than a second ago stays.
  [[nodiscard]] std::optional<std::int64_t> finished_before_us() const { return before_us_; }

 private:
  static constexpr std::size_t steps = 320;  // eight to each doubling of an age, from a second on
  static std::size_t step_of(std::int64_t age_us);
  static std::int64_t age_us_of(std::size_t step);

  std::uint64_t rows_max_;
  std::array<std::uint64_t, steps> ages_{};
  std::optional<std::int64_t> before_us_;
};

}  // namespace baozi::collector
