/// \file frame_text.hpp
/// A frame as a line of text, for the event log.
#pragma once
#include <string>

#include "base/bytes.hpp"
#include "base/ids.hpp"

namespace baozi::sim {

[[nodiscard]] std::string frame_text(BytesView frame);
/// "t17" for the simulation's own ids, the usual text for others.
[[nodiscard]] std::string short_id(const TaskId& id);

}  // namespace baozi::sim
