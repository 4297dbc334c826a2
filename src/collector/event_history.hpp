/// \file event_history.hpp
/// The latest events of all nodes, numbered by offset; the oldest make room. In memory only.
/// Threading: owned by the collector's loop. Source: docs/protocol.md section 9, "Events".
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "wire/message.hpp"

namespace baozi::collector {

/// Which events somebody wants to see.
struct EventFilter {
  std::vector<wire::EventType> types;  ///< empty: all
  std::vector<std::string> names;      ///< of tasks; one may end in '*'. Empty: all, nodes' too

  /// That a node lost some is told to everybody.
  [[nodiscard]] bool wants(wire::EventType type, std::string_view name) const;
};

class EventHistory {
 public:
  struct Options {
    std::size_t events_max = 100'000;
    std::size_t bytes_max = std::size_t{64} << 20U;
  };
  explicit EventHistory(const Options& options) : options_{options} {}

  /// \param first  the offset of the first event ever, at least 1.
  void begin(std::uint64_t first) { next_ = begun_ = first; }
  void add(std::string_view node, const wire::EventView& event);

  [[nodiscard]] std::uint64_t begun() const { return begun_; }
  [[nodiscard]] std::uint64_t next() const { return next_; }  ///< the offset of the next event
  [[nodiscard]] std::uint64_t oldest() const {
    return chunks_.empty() ? next_ : chunks_.front().first;
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t events() const { return static_cast<std::size_t>(next_ - oldest()); }

  struct Part {
    std::size_t count_max = 0;  ///< events, and their bytes, at most; one is always given
    std::size_t bytes_max = 0;
    std::size_t looked_max = 0;  ///< events looked at, wanted or not
  };
  /// Appends what is wanted from `from` on (between oldest and next) to `groups`, whose views live
  /// until the next `add`. \return the offset to go on at.
  std::uint64_t read(std::uint64_t from, const EventFilter& filter, const Part& part,
                     std::vector<wire::FollowedGroup>& groups) const;

 private:
  struct Entry {
    std::uint32_t at = 0;
    std::uint32_t size = 0;
    std::uint32_t name_at = 0;
    std::uint8_t name_size = 0;
    wire::EventType type{};
  };
  struct Chunk {  // events of one node that came one after the other
    std::uint64_t first = 0;
    std::string node;
    Bytes bytes;
    std::vector<Entry> entries;
  };
  static constexpr std::size_t chunk_bytes_max = std::size_t{64} << 10U;
  static constexpr std::size_t chunk_cost = 128;  // what an event and a chunk take beside the bytes
  [[nodiscard]] std::size_t chunk_events() const;
  void trim();

  Options options_;
  std::deque<Chunk> chunks_;
  std::uint64_t begun_ = 1;
  std::uint64_t next_ = 1;
  std::size_t bytes_ = 0;
};

}  // namespace baozi::collector
