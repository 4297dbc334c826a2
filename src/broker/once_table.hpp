/// \file once_table.hpp
/// Ids of tasks that count as taken until an instant, whatever became of their tasks (delivery.md
/// D26). Pure; the core writes the rows. Threading: owned by the broker core. Time: wall clock.
///
/// All marks are in memory, since every question is about one id and must be answered at once: 24
/// bytes each in open addressing, 27 to 45 with the free places (a million: about 40 MB), so
/// paging them would save less than it costs. The table is cut into shards: none of them is ever
/// moved or walked through whole but in its turn, so that no turn of the loop is long.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "store/task_store.hpp"
#include "wire/message.hpp"

namespace baozi::broker {

struct OnceMark {
  Uuid id;  ///< `OnceTable::digest` of the task's id; never nil
  std::int64_t until_us = 0;
  bool operator==(const OnceMark&) const = default;
};

class OnceTable {
 public:
  explicit OnceTable(std::size_t marks_max) : marks_max_{marks_max} {}

  /// A UUID is its own, but for the nil one; that and any other id have 128 bits of hash, which is
  /// part of the stored form.
  [[nodiscard]] static Uuid digest(const wire::IdView& id);

  [[nodiscard]] bool has_room_for(std::size_t more) const { return size_ + more <= marks_max_; }
  [[nodiscard]] std::size_t marks_max() const { return marks_max_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  /// Bytes that the table has reserved.
  [[nodiscard]] std::size_t memory() const;

  /// Until when the id counts; nothing when it is not known.
  [[nodiscard]] std::optional<std::int64_t> until(const Uuid& id) const;
  /// Marks the id, or marks it anew.
  void add(const OnceMark& mark);

  /// Takes out marks that count until `upto_us` at most, into `gone`: as many as one turn may.
  /// \return true when none of them is left.
  bool purge(std::int64_t upto_us, std::vector<Uuid>& gone);

  // ---- the stored form, in `store::Space::marks`
  [[nodiscard]] static Bytes key(const Uuid& id);
  [[nodiscard]] static Bytes pack(std::int64_t until_us);
  /// Nothing when the record is another kind of mark, or cannot be read.
  [[nodiscard]] static std::optional<OnceMark> unpack(const store::Record& record);

 private:
  struct Shard {
    std::vector<OnceMark> places;  // a nil id: free
    std::size_t size = 0;
    std::int64_t earliest = INT64_MAX;  // no mark of it counts until less
  };
  /// Where a search for the id begins.
  [[nodiscard]] static std::size_t first_place(const Shard& shard, std::uint64_t hash);
  static void put(Shard& shard, const OnceMark& mark);
  static void grow(Shard& shard);
  static void erase_at(Shard& shard, std::size_t at);

  static constexpr std::size_t shard_count = 256;
  std::size_t marks_max_;
  std::size_t size_ = 0;
  std::array<Shard, shard_count> shards_;
  std::size_t purged_upto_ = 0;  // the shard that a purge looks at next
};

}  // namespace baozi::broker
