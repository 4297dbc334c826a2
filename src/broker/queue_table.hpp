/// \file queue_table.hpp
/// Queues and their lanes. A lane is one priority of a queue: a list of ready tasks in memory, and
/// behind it the tasks that rest only in the store. Row keys are made so that a lane's rows lie
/// side by side in order of submission, so paging in is one range scan and the store needs no
/// second index. Tasks that require labels stand in a queue of their own for each set of labels, so
/// that nobody else's way to a worker is longer for them. Threading: owned by the broker core.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/limits.hpp"
#include "broker/options.hpp"
#include "broker/task_table.hpp"

namespace baozi::broker {

/// Row keys. A queued task: lane (queue · 10 + 9 − priority) above 45 bits of sequence. A scheduled
/// one is negative: ETA in whole seconds above 30 bits of sequence, so that the next to start come
/// first.
inline constexpr unsigned lane_shift = 45;
inline constexpr std::uint64_t sequence_mask = (std::uint64_t{1} << lane_shift) - 1;
inline constexpr std::uint32_t queues_max = 26'000;
/// Tasks with keys have a range of their own, in order of submission, whatever their queue,
/// priority and ETA: their rows never move, and a restart finds them all without looking at any
/// other.
inline constexpr std::int64_t keyed_lane = 262'000;
static_assert(std::int64_t{queues_max} * 10 <= keyed_lane &&
              keyed_lane < (std::int64_t{1} << (63 - lane_shift)));
inline constexpr std::int64_t keyed_begin = keyed_lane << lane_shift;
[[nodiscard]] constexpr std::int64_t keyed_key(std::uint64_t sequence) {
  return keyed_begin | static_cast<std::int64_t>(sequence & sequence_mask);
}
[[nodiscard]] constexpr bool is_keyed(std::int64_t key) { return key >= keyed_begin; }
inline constexpr std::int64_t schedule_end = -1;  ///< the largest key of a scheduled task

[[nodiscard]] constexpr std::int64_t lane_number(std::uint32_t queue, std::uint32_t priority) {
  return static_cast<std::int64_t>(queue) * 10 + (9 - static_cast<std::int64_t>(priority));
}
[[nodiscard]] constexpr std::int64_t queued_key(std::uint32_t queue, std::uint32_t priority,
                                                std::uint64_t sequence) {
  return static_cast<std::int64_t>(
      (static_cast<std::uint64_t>(lane_number(queue, priority)) << lane_shift) |
      (sequence & sequence_mask));
}
[[nodiscard]] std::int64_t scheduled_key(std::int64_t eta_us, std::uint64_t sequence);

struct Lane {
  Slot head = no_slot;
  Slot tail = no_slot;
  std::uint64_t in_memory = 0;
  std::uint64_t on_disk =
      0;  ///< ready tasks that are not in memory (some may still wait to be committed)
  std::int64_t disk_from = 0;  ///< they have keys from here on
  std::uint64_t parked = 0;    ///< of the queue's `parked`
  bool loading = false;
};

struct Queue {
  std::uint32_t number = 0;
  std::string name;
  std::vector<std::string> labels;      ///< what its tasks require; empty: a plain queue
  std::uint32_t base = no_index;        ///< of one with labels: the plain queue of its name
  std::vector<std::uint32_t> labelled;  ///< of a plain one: those with labels
  QueueOptions options;
  std::array<Lane, 10> lanes;
  std::uint64_t ready = 0;              ///< in memory and on disk
  std::uint64_t in_memory = 0;          ///< of them
  std::uint64_t scheduled = 0;          ///< in memory
  std::uint64_t scheduled_on_disk = 0;  ///< or on their way there
  std::uint64_t timed =
      0;  ///< its rows among those of the schedule, whatever became of the tasks; stored
  std::uint64_t blocked = 0;  ///< wait at a gate
  std::uint64_t parked = 0;   ///< of them, those that came from a lane: a limit keeps them
  std::uint64_t to_move =
      0;  ///< of those, the ones that wait for room on the way to another broker
  std::uint64_t to_move_bytes = 0;
  std::uint64_t leased = 0;  ///< leased, marking, asking
  std::uint64_t ending =
      0;                    ///< wait for a collector's word; they no longer count against the limit
  std::uint64_t bytes = 0;  ///< of all of them
  std::uint64_t ending_bytes = 0;        ///< of those that are ending
  std::vector<std::uint32_t> consumers;  ///< workers, by index
  std::uint32_t rotation = 0;
  bool paused = false;  ///< takes tasks, delivers none; one with labels heeds its plain queue's
  std::uint64_t purged_before =
      0;  ///< tasks with a lower sequence are being purged; it delivers nothing meanwhile. 0: none
  bool changed = false;  ///< its row is to be written
  bool active = false;   ///< in the list of queues with ready tasks in memory

  /// Whether follow-ups wait as well (D25).
  [[nodiscard]] bool is_at_hard_limit() const {
    return (tasks() >= options.tasks_max && tasks() >= options.tasks_hard()) ||
           (task_bytes() >= options.bytes_max && task_bytes() >= options.bytes_hard());
  }
  // What counts against the limits.
  [[nodiscard]] std::uint64_t tasks() const {
    return ready + scheduled + scheduled_on_disk + leased + blocked;
  }
  [[nodiscard]] std::uint64_t task_bytes() const { return bytes - ending_bytes; }
};

class QueueTable {
 public:
  explicit QueueTable(const BrokerOptions& options) : options_{options} {}

  /// Finds or makes the queue; empty means the default queue. nullptr when there are too many
  /// queues.
  Queue* get(std::string_view name);
  [[nodiscard]] Queue* find(std::string_view name);
  [[nodiscard]] Queue& operator[](std::uint32_t number) { return queues_[number]; }
  [[nodiscard]] const Queue& operator[](std::uint32_t number) const { return queues_[number]; }
  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(queues_.size()); }
  /// The queue of a task: the plain one of its name, or the one for the labels that it requires.
  /// \param over  make it even when the queue has as many sets of labels as it may.
  /// nullptr when there are too many queues, or sets of labels.
  Queue* home_of(const wire::TaskView& task, bool over = false) {
    return task.options.labels.empty() ? get(task.queue) : labelled(task, over);
  }
  /// What its row is stored under: the name, and the labels if there are any.
  [[nodiscard]] static std::string key_of(const Queue& queue);
  /// Queues with labels that were made since the last call: they have no consumers yet.
  [[nodiscard]] std::vector<std::uint32_t> take_new_labelled() {
    return std::exchange(new_labelled_, {});
  }
  /// Puts a queue back under the number that its rows use.
  void restore(std::uint32_t number, std::string_view key);
  /// Call once after the last `restore`: queues with labels find their plain ones.
  void finish_restore();

  void push_back(TaskTable& tasks, Slot slot);
  void push_front(TaskTable& tasks, Slot slot);
  /// Takes a ready task out of its lane's list, wherever it stands.
  void unlink(TaskTable& tasks, Slot slot);

  /// Queues that had ready tasks in memory when they were last looked at.
  [[nodiscard]] std::vector<std::uint32_t>& active() { return active_; }

  [[nodiscard]] bool has_new_labelled() const { return !new_labelled_.empty(); }

 private:
  Queue* labelled(const wire::TaskView& task, bool over);
  void join_base(Queue& queue);
  void activate(Queue& queue) {
    if (queue.active) return;
    queue.active = true;
    active_.push_back(queue.number);
  }

  const BrokerOptions& options_;
  std::vector<std::uint32_t> active_;
  std::deque<Queue> queues_;
  std::unordered_map<std::string, std::uint32_t> by_key_;
  std::vector<std::uint32_t> new_labelled_;
  Queue* last_ = nullptr;
};

}  // namespace baozi::broker
