/// \file home.hpp
/// Which key of a task decides its home, the one broker where its keys and its id count. Producers
/// and brokers ask here, so that both name the same broker; among which ones it is chosen is
/// base::rendezvous. Pure. Source: delivery.md D26, D27; docs/protocol.md section 6, "Keys".
#pragma once
#include "base/ids.hpp"
#include "wire/message.hpp"

namespace baozi::wire {

/// Of its `home`, else its ordering, unique or concurrency key, else its id when that counts until
/// an instant. 0: any broker may have it.
/// \param once_id  empty when its id does not count.
[[nodiscard]] std::uint64_t home_hash(const TaskKeys& keys, const TaskId& once_id);
/// The same of a packed task; a task without any of them costs a look at three flags.
[[nodiscard]] std::uint64_t home_hash(const TaskView& task);

}  // namespace baozi::wire
