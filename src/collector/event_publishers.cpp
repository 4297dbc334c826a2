#include "collector/event_publishers.hpp"

#include <algorithm>

namespace baozi::collector {

EventPublishers::Taken EventPublishers::take(std::string_view node, Incarnation incarnation,
                                             std::uint64_t first, std::uint64_t lost,
                                             std::uint64_t count) {
  const Key key{std::string{node}, static_cast<std::uint64_t>(incarnation)};
  const std::uint64_t after = first + count;
  const auto found = nodes_.find(key);
  if (found == nodes_.end()) {
    if (nodes_.size() >= nodes_max_) {
      nodes_.erase(order_.back());
      order_.pop_back();
    }
    order_.push_front(key);
    nodes_.emplace(key, Node{after, order_.begin()});
    return {.skip = 0, .lost = lost, .upto = after - 1};
  }
  Node& known = found->second;
  order_.splice(order_.begin(), order_, known.place);
  Taken taken;
  // A batch may have been dropped by its node after it had come here: then it is not lost.
  taken.lost = first > known.next ? std::min(lost, first - known.next) : 0;
  taken.skip = first < known.next ? std::min(known.next - first, count) : 0;
  known.next = std::max(known.next, after);
  taken.upto = known.next - 1;
  return taken;
}

}  // namespace baozi::collector
