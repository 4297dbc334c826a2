/// \file kept_start.hpp
/// A `Start` that outlives the delivery it came from: for a task that the core may be told the end
/// of while it runs still.
#pragma once
#include "worker/execution.hpp"

namespace baozi::worker {

/// Copies what the views of `start` point to into `own`, and points them there.
inline void keep_start(Start& start, Bytes& own) {
  own.clear();
  own.reserve(start.id.bytes.size() + start.name.size() + start.queue.size() +
              start.raw_options.size() + start.body.size() + start.origin.size());
  const auto move_in = [&own](std::string_view& view) {  // within the reserved room: nothing moves
    const std::size_t at = own.size();
    own.append(view);
    view = std::string_view{own}.substr(at);
  };
  for (std::string_view* const view : {&start.id.bytes, &start.name, &start.queue,
                                       &start.raw_options, &start.body, &start.origin}) {
    move_in(*view);
  }
}

}  // namespace baozi::worker
