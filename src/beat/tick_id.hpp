/// \file tick_id.hpp
/// The ids of beat's tasks (P7): a version 5 UUID of what is sent and when, so that every beat
/// which ever sends a tick sends the same id, and brokers take it once. Pure. Part of the protocol
/// between beats of different versions: never changed.
#pragma once
#include <cstdint>
#include <string_view>

#include "base/ids.hpp"
#include "base/time.hpp"

namespace baozi::beat {

/// Beats that share a schedule share its namespace; others must not, if their entries have the same
/// names. \param text  "": that of all beats that were told none
[[nodiscard]] Uuid beat_namespace(std::string_view text);
/// \param tick  when the schedule says, before any jitter
[[nodiscard]] Uuid tick_id(const Uuid& name_space, std::string_view entry, WallTime tick);
/// Of the n-th run that somebody asked for.
[[nodiscard]] Uuid run_id(const Uuid& name_space, std::string_view entry, std::uint64_t number);
/// 0 to `most`, evenly spread over ids, for each the same everywhere.
[[nodiscard]] Micros jitter_of(const Uuid& id, Micros most);

}  // namespace baozi::beat
