/// \file result_table.hpp
/// Whose results are awaited: task id → tag. The producer's own tasks, by UUID, lie in a flat table
/// (one probe and no allocation per task); other ids, ids from elsewhere and second waiters in a
/// map beside it. Threading: owned by the producer core.
#pragma once
#include <cstddef>
#include <map>
#include <vector>

#include "base/ids.hpp"
#include "client/submission.hpp"
#include "wire/message.hpp"

namespace baozi::client {

class ResultTable {
 public:
  /// A task that this producer sends.
  void add_own(const wire::IdView& id, Tag tag);
  /// An id from elsewhere: the collectors are asked to push it.
  void add_foreign(const TaskId& id, Tag tag);
  /// Its caller no longer cares, or the task does not exist. False when it was not awaited.
  bool remove(const wire::IdView& id, Tag tag);

  /// Appends the tags that wait for `id` and forgets them; nothing when nobody waits.
  void take(const wire::IdView& id, std::vector<Tag>& tags);
  /// Appends the tags that wait for `id`.
  void look(const wire::IdView& id, std::vector<Tag>& tags) const;
  /// Appends every tag and forgets them all.
  void take_all(std::vector<Tag>& tags);
  [[nodiscard]] bool contains(const wire::IdView& id) const;

  [[nodiscard]] std::size_t size() const { return flat_size_ + other_size_; }
  /// Appends every id that one of our own tasks has, in an order that depends on the ids alone.
  void own_ids(std::vector<TaskId>& ids) const;
  void foreign_ids(std::vector<TaskId>& ids) const;

 private:
  struct Entry {
    Uuid id;
    Tag tag{};  // 0: the place is free
  };
  struct Waiter {
    Tag tag{};
    bool foreign = false;
  };
  [[nodiscard]] std::size_t home_of(const Uuid& id) const { return std::hash<Uuid>{}(id)&mask_; }
  [[nodiscard]] std::size_t place_of(
      const Uuid& id) const;  // where it is, or where it would be put
  void erase_at(std::size_t place);
  void resize(std::size_t places);
  static Uuid key(const wire::IdView& id) { return Uuid::from_bytes(id.bytes); }

  std::vector<Entry> flat_ = std::vector<Entry>(64);
  std::size_t mask_ = 63;
  std::size_t flat_size_ = 0;
  std::map<TaskId, std::vector<Waiter>> others_;
  std::size_t other_size_ = 0;
};

}  // namespace baozi::client
