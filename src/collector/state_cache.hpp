/// \file state_cache.hpp
/// The latest word on tasks that have not ended (STARTED, RETRY, PROGRESS, the task's own), in
/// memory only and bounded: the least recently told makes room. Threading: owned by the collector's
/// loop.
#pragma once
#include <cstddef>
#include <list>
#include <string>
#include <unordered_map>

#include "base/ids.hpp"

namespace baozi::collector {

class StateCache {
 public:
  struct Latest {
    TaskId id;
    std::string state;
    std::string worker;
    Bytes meta;  ///< packed value
  };

  StateCache(std::size_t tasks_max, std::size_t bytes_max)
      : tasks_max_{tasks_max}, bytes_max_{bytes_max} {}

  void tell(Latest latest) {
    const auto found = by_id_.find(latest.id);
    bytes_ += latest.meta.size();
    if (found != by_id_.end()) {
      bytes_ -= found->second->meta.size();
      *found->second = std::move(latest);
      order_.splice(order_.begin(), order_, found->second);
    } else {
      order_.push_front(std::move(latest));
      by_id_.emplace(order_.front().id, order_.begin());
    }
    while (order_.size() > tasks_max_ || (bytes_ > bytes_max_ && order_.size() > 1)) {
      bytes_ -= order_.back().meta.size();
      by_id_.erase(order_.back().id);
      order_.pop_back();
    }
  }
  [[nodiscard]] const Latest* find(const TaskId& id) const {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : &*found->second;
  }
  void forget(const TaskId& id) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return;
    bytes_ -= found->second->meta.size();
    order_.erase(found->second);
    by_id_.erase(found);
  }
  [[nodiscard]] std::size_t size() const { return order_.size(); }

 private:
  std::size_t tasks_max_;
  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::list<Latest> order_;  // most recently told first
  std::unordered_map<TaskId, std::list<Latest>::iterator> by_id_;
};

}  // namespace baozi::collector
