/// \file follow_table.hpp
/// Streams of events: each asks every collector for the next piece, one at a time, and for the one
/// after it only when its reader has taken that. So a slow reader costs a piece of memory for each
/// collector, and nothing more. Threading: owned by the producer core.
/// Source: docs/protocol.md section 9, "Events".
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/collector_set.hpp"
#include "client/producer_effects.hpp"

namespace baozi::client {

/// What a stream wants to see.
struct EventWish {
  std::optional<std::uint64_t> from;             ///< an offset, 0 the oldest; nothing: from now on
  std::map<std::string, std::uint64_t> from_of;  ///< offsets of single collectors, by name
  std::vector<wire::EventType> types;            ///< empty: all
  std::vector<std::string> names;                ///< empty: all
  std::uint64_t count_max = 1'000;               ///< events, and bytes, of one piece
  std::uint64_t bytes_max = std::uint64_t{1} << 20U;
};

class FollowTable {
 public:
  void follow(Tag tag, EventWish wish) { streams_[tag].wish = std::move(wish); }
  /// The reader has taken the piece of that collector.
  void more(Tag tag, const std::string& collector);
  void end(Tag tag) { streams_.erase(tag); }

  void on_followed(const CollectorSet::Collector& collector, const wire::Followed& message,
                   ProducerEffects& out);
  /// Its session ended: what was asked there is asked again in the next one.
  void on_lost(const std::string& collector);
  void turn(const std::vector<std::unique_ptr<CollectorSet::Collector>>& collectors, Now now,
            actor::NetEffects& net);
  [[nodiscard]] bool empty() const { return streams_.empty(); }
  void clear() { streams_.clear(); }

 private:
  struct Place {  // of a stream, at one collector
    std::optional<std::uint64_t> from;
    std::uint64_t request = 0;  // open; 0: none
    bool taken = true;          // the reader wants more
    std::uint64_t history = 0;  // the collector's incarnation that `from` belongs to; 0: unknown
    bool anew = false;          // that one is gone, and the reader is to be told
  };
  struct Stream {
    EventWish wish;
    std::map<std::string, Place> places;  // by collector
  };
  std::map<Tag, Stream> streams_;
  // Apart from the numbers of questions, whose answers may be REPLY as well.
  std::uint64_t next_request_ = std::uint64_t{1} << 61U;
};

}  // namespace baozi::client
