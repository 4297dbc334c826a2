/// \file world.hpp
/// What everything in a simulation shares: the time, the chance, the log, and the word for "this
/// must not be".
#pragma once
#include <cstdio>
#include <string>
#include <string_view>

#include "chance.hpp"
#include "timeline.hpp"

namespace baozi::sim {

/// A promise was broken; the text says which and by whom.
struct Violation {
  std::string text;
};

struct World {
  explicit World(std::uint64_t seed) : chance{seed} {}

  Timeline time;
  Chance chance;
  bool logging = false;
  std::uint64_t hash =
      0xCBF29CE484222325ULL;  ///< of what happened: the same seed must give the same

  void say(std::string_view who, std::string_view what) const {
    const auto now = time.now();
    std::printf("%4lld.%06lld  %-11.*s %.*s\n", static_cast<long long>(now / 1'000'000),
                static_cast<long long>(now % 1'000'000), static_cast<int>(who.size()), who.data(),
                static_cast<int>(what.size()), what.data());
  }
  void mix(std::uint64_t value) { hash = (hash ^ value) * 0x100000001B3ULL; }
  void mix(std::string_view bytes) { mix(std::hash<std::string_view>{}(bytes)); }

  [[noreturn]] void violation(std::string text) const {
    if (logging) say("VIOLATION", text);
    throw Violation{std::move(text)};
  }
};

}  // namespace baozi::sim
