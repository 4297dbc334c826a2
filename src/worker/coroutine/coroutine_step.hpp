/// \file coroutine_step.hpp
/// Who runs at this moment on the thread of a CoroutineRunner. It may lie in memory that another
/// process reads, also once this one is gone. Threading: written by the runner's thread, read by
/// anybody.
#pragma once
#include <atomic>
#include <cstdint>
#include <optional>

#include "base/time.hpp"
#include "worker/execution.hpp"

namespace baozi::worker {

struct CoroutineStep {
  std::atomic<std::uint64_t> number;  ///< odd while a coroutine runs
  std::atomic<std::uint64_t> token;
  std::atomic<std::int64_t> since_us;  ///< steady clock

  struct Seen {
    std::uint64_t number = 0;
    Token token{};
    MonoTime since{};  ///< it has not awaited anything since
  };
  void begin(Token who, MonoTime now) {
    token.store(static_cast<std::uint64_t>(who));
    since_us.store(micros(now));
    number.fetch_add(1);
  }
  void end() { number.fetch_add(1); }
  /// nullopt: none runs.
  [[nodiscard]] std::optional<Seen> look() const {
    const std::uint64_t before = number.load();
    if (before % 2 == 0) return std::nullopt;
    const Seen seen{before, Token{token.load()}, mono_time(since_us.load())};
    return number.load() == before ? std::optional{seen} : std::nullopt;
  }
};

}  // namespace baozi::worker
