#include "worker/worker_desk.hpp"

#include <algorithm>

#include <baozi/packing.hpp>

#include "base/units.hpp"
#include "wire/arguments.hpp"
#include "wire/types.hpp"

namespace baozi::worker {

namespace {

WorkerDesk::Said with_code(std::string_view text, wire::ErrorCode code) {
  WorkerDesk::Said answer;
  answer.code = static_cast<std::uint64_t>(code);
  Writer{answer.payload}.str(text);
  return answer;
}

}  // namespace

WorkerDesk::Said WorkerDesk::said(std::string_view text) {
  return with_code(text, wire::ErrorCode{});
}
WorkerDesk::Said WorkerDesk::refused(std::string_view why) {
  return with_code(why, wire::ErrorCode::bad_request);
}

WorkerDesk::Said WorkerDesk::obey(std::string_view command, BytesView arguments, Now now) {
  if (command == "inspect.active") return {0, tasks_in(true, now)};
  if (command == "inspect.reserved") return {0, tasks_in(false, now)};
  if (command == "inspect.query_task") return {0, query_tasks(arguments, now)};
  if (command == "inspect.registered") return {0, registered()};
  if (command == "inspect.stats") return {0, stats(now)};
  if (command == "inspect.conf") return {0, conf()};
  if (command == "inspect.report") return {0, report(now)};
  if (command == "worker.shutdown") {
    with_.shut_down();
    return said("shutting down: what runs is finished, the rest is handed back");
  }
  if (command == "worker.pool_grow" || command == "worker.pool_shrink")
    return resize(arguments, command == "worker.pool_grow");
  if (command == "worker.autoscale") return autoscale(arguments);
  if (command == "worker.time_limit") return set_time_limits(arguments);
  if (command == "worker.rate_limit") return set_rate_limit(arguments, now);
  if (command == "worker.enable_events") return switch_events(true);
  if (command == "worker.disable_events") return switch_events(false);
  if (command == "worker.pool_restart") return restart(arguments);
  return refused("unknown command '" + std::string{command} + "'");
}

WorkerDesk::Said WorkerDesk::restart(BytesView arguments) {
  if (with_.core.is_draining()) return refused("the worker is stopping");
  if (wire::flag_argument(arguments, "reload")) return {.code = 0, .payload = {}, .later = true};
  with_.pool.restart();
  return said("every slot is replaced as soon as it is between two tasks");
}

WorkerDesk::Said WorkerDesk::switch_events(bool on) {
  const std::string word = on ? "enabled" : "disabled";
  if (with_.core.has_task_events() == on) return said("task events already " + word);
  with_.core.set_task_events(on);
  return said("task events " + word);
}

WorkerDesk::Said WorkerDesk::set_rate_limit(BytesView arguments, Now now) {
  const auto task = wire::text_argument(arguments, "task");
  const auto rate = base::parse_rate(wire::text_argument(arguments, "rate").value_or(""));
  if (!rate) return refused(rate.error().message);
  if (!task || !with_.core.set_rate_limit(*task, *rate, now)) return refused("unknown task");
  return said(*rate > 0 ? "new rate limit set successfully" : "rate limit disabled successfully");
}

WorkerDesk::Said WorkerDesk::set_time_limits(BytesView arguments) {
  const auto task = wire::text_argument(arguments, "task");
  if (!task || with_.tasks->find(*task) == nullptr) return refused("unknown task");
  const auto span = [&](std::string_view name) {
    const std::uint64_t us = wire::number_argument(arguments, name).value_or(0);
    return Micros{
        static_cast<std::int64_t>(std::min<std::uint64_t>(us, 366ULL * 24 * 3600 * 1'000'000))};
  };
  const WorkerCore::TimeLimits limits{.soft = span("soft_us"), .hard = span("hard_us")};
  if (limits.hard > Micros{0} && limits.soft > limits.hard)
    return refused("the soft limit lies beyond the hard one");
  with_.core.set_time_limits(*task, limits);
  return said("time limits set successfully");
}

WorkerDesk::Said WorkerDesk::autoscale(BytesView arguments) {
  const std::uint64_t most = wire::number_argument(arguments, "max").value_or(0);
  const std::uint64_t least = wire::number_argument(arguments, "min").value_or(0);
  if (least == 0 || most < least || most > Pool::slots_max) {
    return refused("'max' and 'min' are numbers from 1 to " + std::to_string(Pool::slots_max) +
                   ", the larger one first");
  }
  if (with_.config.pool == PoolKind::solo) return refused("a solo pool has one slot, always");
  with_.autoscale(most, least);
  return said("the pool has " + std::to_string(least) + " to " + std::to_string(most) + " slots");
}

WorkerDesk::Said WorkerDesk::resize(BytesView arguments, bool grow) {
  const std::uint64_t n = wire::number_argument(arguments, "n").value_or(1);
  if (n == 0 || n > Pool::slots_max)
    return refused("'n' is a number from 1 to " + std::to_string(Pool::slots_max));
  if (with_.autoscales()) {
    return refused("autoscale decides how many slots the pool has: tell it MAX and MIN");
  }
  const std::size_t before = with_.pool.capacity();
  if (!grow && before <= n) {
    return refused("the pool has " + std::to_string(before) + " slots, and one must remain");
  }
  const std::size_t wanted = grow ? before + n : before - n;
  const std::size_t after = with_.pool.resize(wanted);
  with_.set_concurrency(after);
  if (after != wanted) {
    return refused("the pool has " + std::to_string(after) + " slots and cannot have " +
                   std::to_string(wanted));
  }
  return said("the pool has " + std::to_string(after) + " slots");
}

}  // namespace baozi::worker
