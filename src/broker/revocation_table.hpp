/// \file revocation_table.hpp
/// Marks of tasks that somebody revoked: they outlast workers that are away and restarts of the
/// broker, until the task has ended or the mark is old (delivery.md D28). Pure; the core writes the
/// rows. Threading: owned by the broker core. Time: wall clock, since a mark outlives the process.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"

namespace baozi::broker {

struct Revocation {
  std::int64_t at_us = 0;
  bool terminate = false;  ///< end it even when it runs
  std::string signal;      ///< with terminate; empty: the worker's default
  bool operator==(const Revocation&) const = default;
};

class RevocationTable {
 public:
  explicit RevocationTable(std::size_t marks_max) : marks_max_{marks_max} {}

  [[nodiscard]] bool has_room_for(std::size_t more) const {
    return marks_.size() + more <= marks_max_;
  }
  /// Marks the task, or marks it anew.
  void add(const TaskId& id, Revocation mark);
  /// False when there was none.
  bool erase(const TaskId& id);
  [[nodiscard]] const Revocation* find(const TaskId& id) const;
  /// Takes out those made before that instant.
  [[nodiscard]] std::vector<TaskId> expire(std::int64_t before_us);
  [[nodiscard]] bool empty() const { return marks_.empty(); }
  [[nodiscard]] std::size_t size() const { return marks_.size(); }
  /// The newest first, at most so many.
  [[nodiscard]] std::vector<std::pair<TaskId, Revocation>> newest(std::size_t count) const;

  // ---- the stored form
  [[nodiscard]] static Bytes key(const TaskId& id);
  [[nodiscard]] static Bytes pack(const Revocation& mark);
  /// False when it cannot be read.
  bool restore(BytesView key, BytesView value);

 private:
  std::size_t marks_max_;
  std::unordered_map<TaskId, Revocation>
      marks_;  // asked for every task that comes, while there are any
  std::set<std::pair<std::int64_t, TaskId>> by_age_;
};

}  // namespace baozi::broker
