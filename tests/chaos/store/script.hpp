/// \file script.hpp
/// A run of commits whose every state can be told from one number: after commit n the file holds
/// the tasks of the last `kept` batches, and says n. So a file that was cut off anywhere can be
/// checked by itself.
#pragma once
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "store/task_store.hpp"

namespace baozi::store::testing {

inline constexpr std::uint64_t kept = 5;
inline constexpr std::uint64_t rows_each = 12;

inline Bytes task_text(std::int64_t key) { return "task " + std::to_string(key) + Bytes(200, 'x'); }

/// Commit n, counted from 1.
inline TaskBatch scripted(std::uint64_t n) {
  TaskBatch batch{.n = n};
  for (std::uint64_t i = 0; i < rows_each; ++i) {
    const auto key = static_cast<std::int64_t>(n * rows_each + i);
    batch.puts.push_back({key, task_text(key)});
    if (n > kept) batch.erases.push_back(key - static_cast<std::int64_t>(kept * rows_each));
  }
  batch.records = {{Space::epochs, "last", std::to_string(n)}};
  return batch;
}

/// The n that the file says, after checking that everything else in it belongs to that n.
inline std::uint64_t checked_state(TaskStore& store) {
  const auto records = store.records(Space::epochs);
  if (!records) {
    ADD_FAILURE() << records.error().message;
    return 0;
  }
  const std::uint64_t n = records->empty() ? 0 : std::stoull(*records->front().value);
  const auto tasks = store.load(std::numeric_limits<std::int64_t>::min(),
                                std::numeric_limits<std::int64_t>::max(), 1'000'000, 1U << 30U);
  if (!tasks) {
    ADD_FAILURE() << tasks.error().message;
    return 0;
  }
  const std::uint64_t first = n > kept ? n - kept + 1 : 1;
  EXPECT_EQ(tasks->size(), (n + 1 - first) * rows_each) << "a commit is there in parts; n is " << n;
  auto key = static_cast<std::int64_t>(first * rows_each);
  for (const auto& task : *tasks) {
    EXPECT_EQ(task.key, key);
    EXPECT_EQ(task.rec, task_text(key));
    ++key;
  }
  return n;
}

}  // namespace baozi::store::testing
