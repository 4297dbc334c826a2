/// \file task_table.hpp
/// The tasks that the broker has in memory: a slab whose index is part of every delivery number
/// (D13), so that DONE finds its task without a lookup. Also the origins, kept once each.
/// Threading: owned by the broker core.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "broker/gates.hpp"
#include "wire/message.hpp"

namespace baozi::broker {

inline constexpr Slot no_slot = UINT32_MAX;
inline constexpr std::uint32_t no_index = UINT32_MAX;

enum class Stage : std::uint8_t {
  free,
  loose,      ///< between two stages, in no list
  ready,      ///< in a lane's list
  scheduled,  ///< in the schedule, until its ETA
  blocked,    ///< at a gate: others of its key come first, or a limit is reached (D27)
  paged,      ///< waits for its insert to be committed, then leaves memory
  marking,    ///< chosen for a worker; a durable mark must come first (D16, D17)
  leased,
  asking,  ///< redelivery: the collector is asked for a result first (D16)
  ending,  ///< the broker ends it: the collector arbitrates (D19)
};

/// Why the broker ends a task.
enum class Ending : std::uint8_t {
  none = 0,
  expired = 1,
  revoked = 2,
  dropped = 3,
  purged = 4,
  dead = 5,
  lost_early = 6,
  rejected = 7,
  carried = 8
};

/// What an unhappy task carries: most tasks never have one.
struct TaskHistory {
  struct Loss {
    std::uint64_t number = 0;       ///< the delivery
    std::uint64_t incarnation = 0;  ///< of the worker that had it
    std::int64_t at_us = 0;
    std::string reason;
  };
  std::vector<Loss> losses;
  std::string ending_text;
  Bytes carried_record;  ///< D23: a result that its worker could bring to no collector
  Bytes carried_follow_ups;
  std::int64_t since_us = 0;  ///< when it was first retried; 0: never
  std::uint64_t counted_n =
      0;  ///< the commit that has its last loss or retry: it is delivered after that (D16)
};

struct Task {
  std::uint32_t generation = 0;        ///< slot generation of the newest delivery
  std::uint32_t first_generation = 0;  ///< generations above this one belong to this task
  Stage stage = Stage::free;
  std::uint8_t priority = 0;
  Ending ending = Ending::none;
  bool ignore_result : 1 = false;
  bool acks_early : 1 = false;
  bool early_there : 1 = false;  ///< acks_early by the word of a worker, not of its options
  bool marked : 1 = false;       ///< a durable mark says that it may have been delivered
  bool revoke_asked : 1 = false;
  bool in_tail_region : 1 = false;  ///< its key lies where only paged-out tasks are expected
  bool dirty : 1 = false;           ///< its row is to be written again
  bool keyed : 1 = false;  ///< its row lies among those with keys, and it never leaves memory
  bool moved : 1 = false;  ///< it came from another broker, since its limit counts here; durable
  bool once : 1 = false;   ///< its id counts until an instant: it leaves after its commit (D26)
  bool suspicious : 1 = false;  ///< it may have been delivered before a restart: ask first
  bool home_chosen : 1 =
      false;  ///< by this broker, not by its producer: delivered when that is durable (D21)
  std::uint16_t lost = 0;   ///< lost deliveries (D16)
  std::uint16_t limit = 0;  ///< of lost deliveries
  std::uint32_t retries = 0;
  std::uint32_t queue = 0;
  std::uint32_t origin = no_index;
  std::uint32_t worker = no_index;
  Slot previous = no_slot;
  Slot next = no_slot;
  std::uint32_t bytes = 0;
  std::int64_t key = 0;            ///< of its row
  std::uint64_t position = 0;      ///< the commit of its insert; 0: of an earlier epoch
  std::int64_t eta_us = 0;         ///< 0: none
  std::int64_t expires_us = 0;     ///< 0: never
  std::int64_t delay_us = 0;       ///< of the retry that it waits for; 0: none
  std::uint64_t adopted = 0;       ///< a delivery number of an earlier epoch that still holds (D14)
  std::unique_ptr<char[]> record;  ///< the packed task
  std::unique_ptr<TaskHistory> history;
  std::unique_ptr<Gate> gate;  ///< null for nearly every task

  [[nodiscard]] BytesView raw() const { return {record.get(), bytes}; }
  [[nodiscard]] std::string_view name() const;
};

class TaskTable {
 public:
  explicit TaskTable(std::uint32_t epoch) : epoch_{epoch} {}

  /// A slot for a new task; `no_slot` when all 4 million are taken.
  [[nodiscard]] Slot add(BytesView raw);
  void remove(Slot slot);
  [[nodiscard]] Task& operator[](Slot slot) { return tasks_[slot]; }
  [[nodiscard]] const Task& operator[](Slot slot) const { return tasks_[slot]; }

  /// The number of a new delivery of the task.
  [[nodiscard]] std::uint64_t next_number(Slot slot);
  /// The number of the newest delivery of the task.
  [[nodiscard]] std::uint64_t number(Slot slot) const;
  /// The task that a number of this epoch was given to, if it is still the same task; else
  /// `no_slot`.
  [[nodiscard]] Slot find(std::uint64_t number) const;

  [[nodiscard]] std::size_t size() const { return used_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t slots() const { return tasks_.size(); }

  // ---- origins ----
  struct Origin {
    Bytes id;          ///< 16 bytes, or empty
    std::string home;  ///< the home collector; empty: not chosen yet
    std::uint64_t uses = 0;
  };
  [[nodiscard]] std::uint32_t intern(BytesView id, std::string_view home);
  [[nodiscard]] const Origin& origin(std::uint32_t index) const { return origins_[index]; }
  void retain_origin(std::uint32_t index) { ++origins_[index].uses; }
  void release_origin(std::uint32_t index);

 private:
  std::uint32_t epoch_;
  std::deque<Task> tasks_;  // a deque: references stay while it grows
  std::deque<Slot> free_;   // first in, first out, so that generations grow evenly
  std::size_t used_ = 0;
  std::uint64_t bytes_ = 0;
  std::vector<Origin> origins_;
  std::vector<std::uint32_t> free_origins_;
  std::map<std::pair<Bytes, std::string>, std::uint32_t> origin_index_;
  std::uint32_t last_origin_ = no_index;
};

}  // namespace baozi::broker
