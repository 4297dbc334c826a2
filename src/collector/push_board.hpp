/// \file push_board.hpp
/// Results laid out per waiting session, grouped by origin and worker as RESULT wants them. Holds
/// views: what is laid out must live until the board is flushed.
#pragma once
#include <cstdint>
#include <map>

#include "wire/message.hpp"

namespace baozi::collector {

class PushBoard {
 public:
  void lay(std::uint64_t session, BytesView origin, std::string_view worker, std::uint64_t number,
           std::uint32_t generation, BytesView record) {
    std::vector<wire::ResultGroup>& groups = by_session_[session].groups;
    if (groups.empty() || groups.back().origin != origin || groups.back().worker != worker) {
      groups.push_back({.origin = origin, .worker = worker, .entries = {}});
    }
    wire::ResultEntry& entry = groups.back().entries.emplace_back();
    entry.number = number;
    entry.generation = generation;
    entry.record.raw = record;
  }
  [[nodiscard]] bool empty() const { return by_session_.empty(); }
  [[nodiscard]] const std::map<std::uint64_t, wire::ResultMessage>& by_session() const {
    return by_session_;
  }
  void clear() { by_session_.clear(); }

 private:
  std::map<std::uint64_t, wire::ResultMessage>
      by_session_;  // ordered: the same run sends in the same order
};

}  // namespace baozi::collector
