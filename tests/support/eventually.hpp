/// \file eventually.hpp
/// Waiting for a condition with a deadline. There is no other waiting in tests.
#pragma once
#include <chrono>
#include <thread>

namespace baozi::test {

/// Looks every few milliseconds; true as soon as `condition()` is, false when the time is up. Give
/// it a time that is only ever used up by a failure.
template <class Condition>
[[nodiscard]] bool eventually(Condition condition,
                              std::chrono::milliseconds within = std::chrono::seconds{10}) {
  const auto deadline = std::chrono::steady_clock::now() + within;
  for (;;) {
    if (condition()) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
  }
}

}  // namespace baozi::test
