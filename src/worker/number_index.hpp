/// \file number_index.hpp
/// The delivery numbers of one broker that a worker holds: open addressing, no allocation per
/// entry. Threading: owned by one core.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace baozi::worker {

class NumberIndex {
 public:
  /// False when the number is there already. 0 is no delivery and never stored.
  bool insert(std::uint64_t number) {
    if ((count_ + 1) * 2 > cells_.size()) grow();
    std::size_t at = home_of(number);
    for (; cells_[at] != 0; at = next(at)) {
      if (cells_[at] == number) return false;
    }
    cells_[at] = number;
    ++count_;
    return true;
  }

  void erase(std::uint64_t number) {
    if (cells_.empty()) return;
    std::size_t hole = home_of(number);
    for (; cells_[hole] != number; hole = next(hole)) {
      if (cells_[hole] == 0) return;
    }
    --count_;
    // What follows moves up, so that no search meets a gap before its number.
    for (std::size_t at = next(hole); cells_[at] != 0; at = next(at)) {
      const std::size_t home = home_of(cells_[at]);
      const bool stays = hole <= at ? hole < home && home <= at : hole < home || home <= at;
      if (stays) continue;
      cells_[hole] = cells_[at];
      hole = at;
    }
    cells_[hole] = 0;
  }

  [[nodiscard]] std::size_t size() const { return count_; }

 private:
  [[nodiscard]] std::size_t home_of(std::uint64_t number) const {
    return static_cast<std::size_t>((number * 0x9E3779B97F4A7C15ULL) >> shift_);
  }
  [[nodiscard]] std::size_t next(std::size_t at) const { return (at + 1) & (cells_.size() - 1); }
  void grow() {
    std::vector<std::uint64_t> old(cells_.empty() ? 64 : cells_.size() * 2);
    old.swap(cells_);
    shift_ = 64U - static_cast<unsigned>(std::countr_zero(cells_.size()));
    count_ = 0;
    for (const std::uint64_t number : old) {
      if (number != 0) insert(number);
    }
  }

  std::vector<std::uint64_t> cells_;
  unsigned shift_ = 0;
  std::size_t count_ = 0;
};

}  // namespace baozi::worker
