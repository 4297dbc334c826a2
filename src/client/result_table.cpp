#include "client/result_table.hpp"

#include <algorithm>
#include <utility>

namespace baozi::client {

std::size_t ResultTable::place_of(const Uuid& id) const {
  std::size_t place = home_of(id);
  while (flat_[place].tag != Tag{} && flat_[place].id != id) place = (place + 1) & mask_;
  return place;
}

void ResultTable::add_own(const wire::IdView& id, Tag tag) {
  if (id.uuid) {
    if ((flat_size_ + 1) * 4 > flat_.size() * 3) resize(flat_.size() * 2);
    Entry& entry = flat_[place_of(key(id))];
    if (entry.tag == Tag{}) {
      entry = {key(id), tag};
      ++flat_size_;
      return;
    }
  }
  others_[id.to_id()].push_back({tag, false});
  ++other_size_;
}

void ResultTable::add_foreign(const TaskId& id, Tag tag) {
  others_[id].push_back({tag, true});
  ++other_size_;
}

bool ResultTable::remove(const wire::IdView& id, Tag tag) {
  if (id.uuid) {
    const std::size_t place = place_of(key(id));
    if (flat_[place].tag == tag && tag != Tag{}) {
      erase_at(place);
      return true;
    }
  }
  if (others_.empty()) return false;
  const auto found = others_.find(id.to_id());
  if (found == others_.end()) return false;
  auto& waiters = found->second;
  const auto waiter =
      std::find_if(waiters.begin(), waiters.end(), [&](const Waiter& w) { return w.tag == tag; });
  if (waiter == waiters.end()) return false;
  waiters.erase(waiter);
  --other_size_;
  if (waiters.empty()) others_.erase(found);
  return true;
}

void ResultTable::take(const wire::IdView& id, std::vector<Tag>& tags) {
  if (id.uuid) {
    const std::size_t place = place_of(key(id));
    if (flat_[place].tag != Tag{}) {
      tags.push_back(flat_[place].tag);
      erase_at(place);
    }
  }
  if (others_.empty()) return;
  const auto found = others_.find(id.to_id());
  if (found == others_.end()) return;
  for (const Waiter& waiter : found->second) tags.push_back(waiter.tag);
  other_size_ -= found->second.size();
  others_.erase(found);
}

void ResultTable::look(const wire::IdView& id, std::vector<Tag>& tags) const {
  if (id.uuid) {
    const Entry& entry = flat_[place_of(key(id))];
    if (entry.tag != Tag{}) tags.push_back(entry.tag);
  }
  if (others_.empty()) return;
  const auto found = others_.find(id.to_id());
  if (found == others_.end()) return;
  for (const Waiter& waiter : found->second) tags.push_back(waiter.tag);
}

void ResultTable::take_all(std::vector<Tag>& tags) {
  for (Entry& entry : flat_) {
    if (entry.tag != Tag{}) tags.push_back(std::exchange(entry.tag, Tag{}));
  }
  for (const auto& [id, waiters] : others_) {
    for (const Waiter& waiter : waiters) tags.push_back(waiter.tag);
  }
  others_.clear();
  flat_size_ = other_size_ = 0;
}

bool ResultTable::contains(const wire::IdView& id) const {
  if (id.uuid && flat_[place_of(key(id))].tag != Tag{}) return true;
  return !others_.empty() && others_.contains(id.to_id());
}

void ResultTable::own_ids(std::vector<TaskId>& ids) const {
  for (const Entry& entry : flat_) {
    if (entry.tag != Tag{}) ids.emplace_back(entry.id);
  }
  for (const auto& [id, waiters] : others_) {
    if (std::any_of(waiters.begin(), waiters.end(), [](const Waiter& w) { return !w.foreign; }))
      ids.push_back(id);
  }
}

void ResultTable::foreign_ids(std::vector<TaskId>& ids) const {
  for (const auto& [id, waiters] : others_) {
    if (std::any_of(waiters.begin(), waiters.end(), [](const Waiter& w) { return w.foreign; }))
      ids.push_back(id);
  }
}

// Linear probing without tombstones: what follows moves up, unless it stands at or after its own
// home.
void ResultTable::erase_at(std::size_t place) {
  --flat_size_;
  std::size_t hole = place;
  for (std::size_t next = (hole + 1) & mask_; flat_[next].tag != Tag{}; next = (next + 1) & mask_) {
    const std::size_t home = home_of(flat_[next].id);
    const bool may_move = ((next - home) & mask_) >= ((next - hole) & mask_);
    if (!may_move) continue;
    flat_[hole] = flat_[next];
    hole = next;
  }
  flat_[hole].tag = Tag{};
}

void ResultTable::resize(std::size_t places) {
  std::vector<Entry> old = std::exchange(flat_, std::vector<Entry>(places));
  mask_ = places - 1;
  for (const Entry& entry : old) {
    if (entry.tag != Tag{}) flat_[place_of(entry.id)] = entry;
  }
}

}  // namespace baozi::client
