#include "worker/task_host.hpp"

#include <stdexcept>

#include "base/limits.hpp"
#include "base/system_clock.hpp"
#include "wire/codec.hpp"
#include "worker/policies.hpp"

namespace baozi::worker {

namespace {

constexpr std::size_t meta_bytes_max = 65'536;
constexpr std::size_t follow_up_bytes_max =
    limits::frame_bytes_max / 2;  ///< of all of one task; they travel in its DONE

}  // namespace

void TaskHost::update_state(std::string_view state, std::string meta) {
  if (const auto word = parse_state(state); word && is_final(*word))
    throw std::invalid_argument{std::string{state} + " is an end, no state of a running task"};
  if (!wire::is_valid_name(state))
    throw std::invalid_argument{"a state is 1 to 255 bytes without control characters"};
  if (meta.size() > meta_bytes_max)
    throw std::length_error{"a state's value is at most 64 KiB packed"};
  port_.update_state(state, std::move(meta));
}

std::string TaskHost::follow_up(FollowUp task) {
  if (!wire::is_valid_name(task.name))
    throw std::invalid_argument{"a task's name is 1 to 255 bytes without control characters"};
  if (count_ == limits::follow_ups_max)
    throw std::length_error{"a task enqueues at most 1,000 others"};
  const WallTime now = base::wall_now();
  const TaskId id = task.options.task_id.empty()
                        ? TaskId{make_uuid7(now, random_.next(), random_.next())}
                        : TaskId::from_text(task.options.task_id);
  const wire::Lineage lineage{options_.root.bytes.empty() ? start_.id : options_.root, start_.id};
  const Result<Bytes> packed_options = wire::pack_options(task.options, now, lineage);
  if (!packed_options) throw std::invalid_argument{packed_options.error().message};
  const std::size_t before = packed_.size();
  Writer out{packed_};
  wire::pack_task(out, wire::view_of(id), task.name, task.options.queue, *packed_options,
                  task.body);
  const Result<wire::TaskView> check = wire::decode_task(BytesView{packed_}.substr(before));
  const bool too_large =
      packed_.size() - before > limits::task_bytes_max || packed_.size() > follow_up_bytes_max;
  if (!check || too_large) {
    packed_.resize(before);
    if (too_large)
      throw std::length_error{"an enqueued task is at most 1 MiB, all together at most 4 MiB"};
    throw std::invalid_argument{"task not enqueued: " + check.error().message};
  }
  ++count_;
  return id.to_string();
}

int TaskHost::max_retries() const {
  const std::optional<RetryPolicy> on_failure = retry_policy_in(start_.raw_options);
  return on_failure ? on_failure->max_retries : task_.settings().policy.max_retries;
}

bool TaskHost::soft_limit_strikes() {
  if (!soft_limit_at_ || base::mono_now() < *soft_limit_at_) return false;
  soft_limit_at_.reset();
  return true;
}

Bytes TaskHost::follow_ups() const {
  if (count_ == 0) return {};
  Bytes array;
  Writer out{array};
  out.array(count_);
  out.raw(packed_);
  return array;
}

}  // namespace baozi::worker
