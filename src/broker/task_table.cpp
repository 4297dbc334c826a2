#include "broker/task_table.hpp"

#include <cstring>

#include "baozi/packing.hpp"
#include "base/assert.hpp"

namespace baozi::broker {

namespace {
constexpr std::uint32_t generation_end = 1U << delivery_generation_bits;
constexpr std::size_t slots_max = std::size_t{1} << delivery_slot_bits;
}  // namespace

std::string_view Task::name() const {
  Reader in{raw()};
  in.array();
  in.skip();
  return in.str();
}

Slot TaskTable::add(BytesView raw) {
  Slot slot = no_slot;
  if (!free_.empty() && (free_.size() >= 1024 || tasks_.size() >= slots_max)) {
    slot = free_.front();  // a few thousand slots in rotation before one comes again
    free_.pop_front();
  } else if (tasks_.size() < slots_max) {
    slot = static_cast<Slot>(tasks_.size());
    tasks_.emplace_back();
  } else {
    return no_slot;
  }
  Task& task = tasks_[slot];
  const std::uint32_t generation = task.generation;
  task = Task{};
  task.generation = task.first_generation = generation;
  task.stage = Stage::loose;
  task.record = std::make_unique_for_overwrite<char[]>(raw.size());
  std::memcpy(task.record.get(), raw.data(), raw.size());
  task.bytes = static_cast<std::uint32_t>(raw.size());
  ++used_;
  bytes_ += raw.size();
  return slot;
}

void TaskTable::remove(Slot slot) {
  Task& task = tasks_[slot];
  BAOZI_ASSERT(task.stage != Stage::free);
  if (task.origin != no_index) release_origin(task.origin);
  --used_;
  bytes_ -= task.bytes;
  task.stage = Stage::free;
  task.record.reset();
  task.history.reset();
  task.gate.reset();
  // A slot whose generations are used up is never given out again: numbers do not repeat (D13).
  if (task.generation + 64 < generation_end) free_.push_back(slot);
}

std::uint64_t TaskTable::next_number(Slot slot) {
  Task& task = tasks_[slot];
  if (task.generation + 1 < generation_end) ++task.generation;
  return number(slot);
}

std::uint64_t TaskTable::number(Slot slot) const {
  return static_cast<std::uint64_t>(make_delivery_number(epoch_, tasks_[slot].generation, slot));
}

Slot TaskTable::find(std::uint64_t number) const {
  const DeliveryNumber n{number};
  if (epoch_of(n) != epoch_) return no_slot;
  const Slot slot = slot_of(n);
  if (slot >= tasks_.size()) return no_slot;
  const Task& task = tasks_[slot];
  const std::uint32_t generation = generation_of(n);
  if (task.stage == Stage::free || generation <= task.first_generation ||
      generation > task.generation) {
    return no_slot;
  }
  return slot;
}

std::uint32_t TaskTable::intern(BytesView id, std::string_view home) {
  if (last_origin_ != no_index && origins_[last_origin_].uses > 0 &&
      origins_[last_origin_].id == id && origins_[last_origin_].home == home) {
    return last_origin_;  // producers send in runs
  }
  const auto key = std::pair{Bytes{id}, std::string{home}};
  if (const auto found = origin_index_.find(key); found != origin_index_.end())
    return last_origin_ = found->second;
  std::uint32_t index = 0;
  if (free_origins_.empty()) {
    index = static_cast<std::uint32_t>(origins_.size());
    origins_.emplace_back();
  } else {
    index = free_origins_.back();
    free_origins_.pop_back();
  }
  origins_[index] = Origin{key.first, key.second, 0};
  origin_index_.emplace(key, index);
  return last_origin_ = index;
}

void TaskTable::release_origin(std::uint32_t index) {
  Origin& origin = origins_[index];
  if (--origin.uses > 0) return;
  origin_index_.erase(std::pair{origin.id, origin.home});
  free_origins_.push_back(index);
}

}  // namespace baozi::broker
