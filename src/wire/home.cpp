#include "wire/home.hpp"

#include "base/rendezvous.hpp"
#include "wire/codec.hpp"

namespace baozi::wire {

std::uint64_t home_hash(const TaskKeys& keys, const TaskId& once_id) {
  for (const std::string_view key : {keys.home, keys.ordering, keys.unique, keys.concurrency}) {
    if (!key.empty()) return base::key_hash(key);
  }
  // The same for a UUID in upper and in lower case.
  return once_id.empty() ? 0 : base::key_hash(once_id.to_string());
}

std::uint64_t home_hash(const TaskView& task) {
  const bool once = task.options.once_until_us.has_value();
  if (!task.options.keyed && !task.options.homed && !once) return 0;
  return home_hash(read_keys(task.raw_options), once ? task.id.to_id() : TaskId{});
}

}  // namespace baozi::wire
