/// \file submission.hpp
/// Tasks on their way to a broker, as the producer keeps them: packed, in piles, with the terms of
/// their sending. Threading: values.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"

namespace baozi::client {

/// The caller's own mark on a task or a question; it comes back with every event about it. Never 0.
enum class Tag : std::uint64_t {};

/// How long and how often sending is tried. The four fields of a publish retry policy, and two
/// deadlines.
struct Terms {
  Micros deadline{60'000'000};  ///< from the call to its confirm; then it is `unknown`, or
                                ///< `not_sent` if it was not taken
  Micros patience{5'000'000};   ///< while no broker can be reached; then it is `not_sent`
  int retries_max =
      3;  ///< after a refusal that may pass (queue full, no space, draining); negative: no limit
  Micros interval_start{0};
  Micros interval_step{200'000};
  Micros interval_max{200'000};

  /// Before the next try, when `retries` were made already.
  [[nodiscard]] Micros interval(std::uint32_t retries) const {
    const Micros grown = interval_start + interval_step * static_cast<std::int64_t>(retries);
    return grown < interval_max ? grown : interval_max;
  }
  bool operator==(const Terms&) const = default;
};

/// One task that is not settled yet. Its packed bytes lie in the pile or batch that holds it.
struct Submission {
  Tag tag{};
  MonoTime since{};         ///< when its caller handed it in
  std::uint32_t bytes = 0;  ///< of the packed task
  bool wants_result = false;
  bool sync = false;              ///< somebody waits for the confirm: the broker commits at once
  bool once = false;              ///< others may submit a task of this id (D26)
  bool told = false;              ///< its caller was told `unknown` already
  std::uint32_t retries = 0;      ///< refusals so far
  std::uint64_t key_hash = 0;     ///< of the key that decides its home broker (D26, D27); 0: none
  std::uint64_t unique_hash = 0;  ///< of its unique key, or of an id that counts (D26); 0: none
  std::shared_ptr<const Terms>
      terms;  ///< null: the producer's own; shared by calls that were given the same
};

/// Packed tasks, one after the other.
struct TaskPile {
  Bytes packed;
  std::vector<Submission> tasks;

  void add(Submission task, BytesView bytes) {
    task.bytes = static_cast<std::uint32_t>(bytes.size());
    packed.append(bytes);
    tasks.push_back(std::move(task));
  }
  [[nodiscard]] bool empty() const { return tasks.empty(); }
  /// A batch holds tasks with keys, or tasks without.
  [[nodiscard]] bool is_keyed() const { return !tasks.empty() && tasks.front().key_hash != 0; }
};

}  // namespace baozi::client
