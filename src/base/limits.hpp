/// \file limits.hpp
/// Every bound of the protocol and of the nodes, in one place (promise P9). A peer's bytes are
/// checked against these before anything is allocated.
#pragma once
#include <cstddef>
#include <cstdint>

namespace baozi::limits {

inline constexpr std::size_t frame_bytes_max = std::size_t{8} << 20U;  ///< one ZeroMQ message
inline constexpr std::size_t task_bytes_max = std::size_t{1}
                                              << 20U;  ///< one packed task, default limit
inline constexpr std::size_t result_bytes_max = std::size_t{1}
                                                << 20U;  ///< one packed result record
inline constexpr std::size_t name_bytes_max =
    255;  ///< names of tasks, queues, nodes; ids that are strings
inline constexpr std::size_t text_bytes_max = 4096;  ///< reasons and error texts
inline constexpr std::uint32_t batch_tasks_max =
    10'000;  ///< tasks in a SUBMIT, entries in DELIVER, DONE, RESULT
inline constexpr std::uint32_t groups_max = 10'000;     ///< origin groups in one frame
inline constexpr std::uint32_t options_max = 64;        ///< entries of a task's option map
inline constexpr std::uint32_t follow_ups_max = 1'000;  ///< tasks that one DONE may enqueue
inline constexpr std::uint32_t holds_max =
    65'536;  ///< deliveries that a worker may report in HELLO
inline constexpr std::uint32_t queues_per_worker_max = 1'000;
inline constexpr std::uint32_t labels_max = 16;  ///< labels of a worker, or that a task requires
inline constexpr std::uint32_t endpoints_max = 16;
inline constexpr std::uint32_t collectors_max = 64;
inline constexpr std::uint32_t delivery_limit_max =
    1'000'000;  ///< deliveries that a task may ask to lose
inline constexpr std::uint64_t heartbeat_us_min = 1'000;  ///< announced in WELCOME: a millisecond …
inline constexpr std::uint64_t liveness_us_max = 86'400'000'000;        ///< … to a day
inline constexpr std::size_t event_bytes_max = std::size_t{16} << 10U;  ///< one packed event
inline constexpr std::uint32_t event_filters_max =
    100;  ///< types, or names, that one FOLLOW asks for
inline constexpr std::uint32_t priority_max = 9;
inline constexpr std::uint32_t priority_default = 4;

static_assert(task_bytes_max < frame_bytes_max);
static_assert(result_bytes_max < frame_bytes_max);

}  // namespace baozi::limits
