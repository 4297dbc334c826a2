/// \file event_publishers.hpp
/// How far each node's events were taken, by its incarnation: what is sent again is not taken
/// twice, and what a node dropped is counted once. Bounded: who told nothing for longest is
/// forgotten. Threading: owned by the collector's loop.
#pragma once
#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <string_view>

#include "base/ids.hpp"

namespace baozi::collector {

class EventPublishers {
 public:
  explicit EventPublishers(std::size_t nodes_max) : nodes_max_{nodes_max} {}

  struct Taken {
    std::uint64_t skip = 0;  ///< of the batch's events, from the front, that were taken before
    std::uint64_t lost = 0;  ///< events before them that nobody will see
    std::uint64_t upto = 0;  ///< every event of this node up to here is taken now
  };
  /// A batch of `count` events from number `first` on came; its node dropped `lost` before them.
  Taken take(std::string_view node, Incarnation incarnation, std::uint64_t first,
             std::uint64_t lost, std::uint64_t count);

 private:
  using Key = std::pair<std::string, std::uint64_t>;
  struct Node {
    std::uint64_t next = 0;
    std::list<Key>::iterator place;
  };
  std::size_t nodes_max_;
  std::map<Key, Node> nodes_;
  std::list<Key> order_;  // who told something last comes first
};

}  // namespace baozi::collector
