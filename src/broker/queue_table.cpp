#include "broker/queue_table.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "broker/labels.hpp"
#include "wire/codec.hpp"

namespace baozi::broker {

std::int64_t scheduled_key(std::int64_t eta_us, std::uint64_t sequence) {
  constexpr unsigned sequence_bits = 30;
  const std::int64_t seconds =
      std::clamp<std::int64_t>(eta_us / 1'000'000, 0, (std::int64_t{1} << 33U) - 2);
  const std::uint64_t low = (static_cast<std::uint64_t>(seconds) << sequence_bits) |
                            (sequence & ((std::uint64_t{1} << sequence_bits) - 1));
  return INT64_MIN + static_cast<std::int64_t>(low);
}

Queue* QueueTable::get(std::string_view name) {
  if (name.empty()) name = options_.default_queue;
  if (last_ != nullptr && last_->name == name) return last_;
  if (Queue* found = find(name)) return last_ = found;
  if (queues_.size() >= queues_max) return nullptr;
  restore(static_cast<std::uint32_t>(queues_.size()), name);
  queues_.back().changed = true;
  return last_ = &queues_.back();
}

Queue* QueueTable::find(std::string_view name) {
  const auto found = by_key_.find(std::string{name});
  return found == by_key_.end() ? nullptr : &queues_[found->second];
}

Queue* QueueTable::labelled(const wire::TaskView& task, bool over) {
  Queue* const base = get(task.queue);
  if (base == nullptr) return nullptr;
  const std::string key = labelled_key(base->name, wire::read_labels(task.options.labels));
  if (Queue* const found = find(key)) return found;
  if (queues_.size() >= queues_max || (!over && base->labelled.size() >= options_.label_sets_max))
    return nullptr;
  restore(static_cast<std::uint32_t>(queues_.size()), key);
  Queue& queue = queues_.back();
  queue.changed = true;
  join_base(queue);
  return &queue;
}

void QueueTable::join_base(Queue& queue) {
  Queue* const base = get(queue.name);
  if (base == nullptr) return;
  queue.base = base->number;
  base->labelled.push_back(queue.number);
  new_labelled_.push_back(queue.number);
}

std::string QueueTable::key_of(const Queue& queue) {
  return queue.labels.empty()
             ? queue.name
             : labelled_key(queue.name, {queue.labels.begin(), queue.labels.end()});
}

void QueueTable::finish_restore() {
  for (std::uint32_t number = 0; number < queues_.size(); ++number) {
    if (!queues_[number].labels.empty()) join_base(queues_[number]);
  }
  new_labelled_.clear();  // no worker is there yet
}

void QueueTable::restore(std::uint32_t number, std::string_view key) {
  while (queues_.size() <= number) {
    queues_.emplace_back();
    queues_.back().number = static_cast<std::uint32_t>(queues_.size() - 1);
  }
  Queue& queue = queues_[number];
  KeyParts parts = parts_of_key(key);
  queue.name = std::move(parts.name);
  queue.labels = std::move(parts.labels);
  const auto exception = options_.queues.find(queue.name);
  queue.options = exception == options_.queues.end() ? options_.queue_defaults : exception->second;
  by_key_[std::string{key}] = number;
}

void QueueTable::push_back(TaskTable& tasks, Slot slot) {
  Task& task = tasks[slot];
  Queue& queue = queues_[task.queue];
  Lane& lane = queue.lanes[task.priority];
  task.stage = Stage::ready;
  task.previous = lane.tail;
  task.next = no_slot;
  (lane.tail == no_slot ? lane.head : tasks[lane.tail].next) = slot;
  lane.tail = slot;
  ++lane.in_memory;
  ++queue.in_memory;
  ++queue.ready;
  activate(queue);
}

void QueueTable::push_front(TaskTable& tasks, Slot slot) {
  Task& task = tasks[slot];
  Queue& queue = queues_[task.queue];
  Lane& lane = queue.lanes[task.priority];
  task.stage = Stage::ready;
  task.next = lane.head;
  task.previous = no_slot;
  (lane.head == no_slot ? lane.tail : tasks[lane.head].previous) = slot;
  lane.head = slot;
  ++lane.in_memory;
  ++queue.in_memory;
  ++queue.ready;
  activate(queue);
}

void QueueTable::unlink(TaskTable& tasks, Slot slot) {
  Task& task = tasks[slot];
  BAOZI_ASSERT(task.stage == Stage::ready);
  Queue& queue = queues_[task.queue];
  Lane& lane = queue.lanes[task.priority];
  (task.previous == no_slot ? lane.head : tasks[task.previous].next) = task.next;
  (task.next == no_slot ? lane.tail : tasks[task.next].previous) = task.previous;
  task.previous = task.next = no_slot;
  --lane.in_memory;
  --queue.in_memory;
  --queue.ready;
}

}  // namespace baozi::broker
