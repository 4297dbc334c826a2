/// \file collector_send.hpp
/// How the collector's sources send; only they include this.
#pragma once
#include "collector/collector_core.hpp"

namespace baozi::collector {

/// Givers with this bit are sessions of our links, the others are sessions of our own.
inline constexpr std::uint64_t giver_is_link = std::uint64_t{1} << 63U;
/// Frames that we fill with records are cut here; one record more may follow, and frames may be 8
/// MiB.
inline constexpr std::size_t frame_fill_bytes = std::size_t{4} << 20U;
static_assert(frame_fill_bytes + limits::result_bytes_max < limits::frame_bytes_max);

template <class Message>
void CollectorCore::send(actor::Session& to, const Message& message, CollectorEffects& out) {
  out.net.to_peers.push_back({to.peer, to.frame(message)});
}

/// To whoever it was; nothing when that session is over.
template <class Message>
void CollectorCore::send(Giver to, const Message& message, Now now, CollectorEffects& out) {
  const auto number = static_cast<std::uint64_t>(to);
  if ((number & giver_is_link) == 0) {
    if (actor::Session* const session = sessions_.find(number)) send(*session, message, out);
    return;
  }
  for (std::size_t i = 0; i < brokers_.size(); ++i) {
    if (brokers_[i].giver != to || !brokers_[i].link.is_open()) continue;
    out.net.to_links.push_back(
        {actor::LinkId{static_cast<std::uint32_t>(i)}, brokers_[i].link.frame(message, now)});
  }
}

}  // namespace baozi::collector
