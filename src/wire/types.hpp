/// \file types.hpp
/// The numbers of BZP/1: message types, roles, states, codes, option keys.
/// Source: docs/protocol.md; a number once given is never given another meaning.
#pragma once
#include <cstdint>

namespace baozi::wire {

inline constexpr std::uint64_t protocol_version = 1;

enum class Type : std::uint8_t {
  hello = 1,
  welcome = 2,
  ping = 3,
  pong = 4,
  goodbye = 5,
  error = 6,
  collectors = 7,
  submit = 10,
  submitted = 11,
  credit = 20,
  deliver = 21,
  done = 22,
  done_ok = 23,
  nack = 24,
  queues = 25,
  tasks = 26,
  result = 30,
  stored = 31,
  watch = 32,
  state = 33,
  fetch = 34,
  fetched = 35,
  forget = 36,
  control = 40,
  reply = 41,
  revoke = 50,
  events = 60,
  events_ok = 61,
  follow = 62,
  followed = 63,
  // 64 to 69: events. 70 to 79: joins. Given out, not yet used.
};
[[nodiscard]] const char* to_string(Type type);

enum class Role : std::uint8_t {
  producer = 1,
  worker = 2,
  collector = 3,
  admin = 4,
  beat = 5,
  bridge = 6,
  broker = 7,  ///< passes on what belongs to the one that it connects to (D27)
};
[[nodiscard]] const char* to_string(Role role);

/// Celery's names for the life of a task, as the wire numbers them.
enum class TaskState : std::uint8_t {
  pending = 0,
  received = 1,
  started = 2,
  retry = 3,
  success = 4,
  failure = 5,
  revoked = 6,
  ignored = 7,
};
[[nodiscard]] const char* to_string(TaskState state);  ///< "SUCCESS" …
[[nodiscard]] constexpr bool is_terminal(TaskState state) { return state >= TaskState::success; }

enum class ErrorCode : std::uint8_t {
  malformed = 1,        ///< the frame does not parse; `text` says where
  unknown_version = 2,  ///< with the lowest and highest version that the answerer speaks
  unknown_type = 3,
  no_session = 4,   ///< say HELLO (again)
  gap = 5,          ///< a frame of the session is missing: say HELLO again
  not_allowed = 6,  ///< the role may not send this
  too_large = 7,
  overloaded = 8,  ///< the node serves as many peers as it may; try later
  draining = 9,    ///< the node is stopping; take another
  bad_request = 10,
};
[[nodiscard]] const char* to_string(ErrorCode code);

/// Keys of a task's option map. Unknown keys are kept and ignored.
enum class Option : std::uint8_t {
  eta = 1,              ///< int, µs UTC
  expires = 2,          ///< int, µs UTC
  priority = 3,         ///< 0 to 9, 9 first, 4 when absent
  retry_policy = 4,     ///< [max_retries, start µs, step µs, max µs, jitter 0..1]
  time_limit = 5,       ///< µs
  soft_time_limit = 6,  ///< µs
  root_id = 7,
  parent_id = 8,
  group_id = 9,
  chain = 10,
  links = 11,
  link_errors = 12,
  ignore_result = 13,
  ordering_key = 15,
  unique = 16,
  headers = 17,
  generation = 18,
  acks_early = 19,
  delivery_limit = 20,
  once_until = 21,  ///< int, µs UTC: the id counts until then
  labels = 22,
  join = 23,
  shadow = 24,
  encoding = 25,  ///< of the body: 0 plain, 1 compressed, 2 chunked, 3 sealed; absent means 0
  track_started = 26,
  shown_arguments = 27,  ///< instead of the arguments, in tools and logs
  concurrency = 28,      ///< [key, limit]
  home = 29,             ///< decides which broker it belongs to, instead of its other keys
};

/// Why a batch was not taken (SUBMITTED).
enum class Refusal : std::uint8_t { full = 1, rejected = 2, out_of_sequence = 3 };
/// Why a task, or the batch that holds it, was refused.
enum class Reason : std::uint8_t {
  none = 0,
  queue_full = 1,
  no_space = 2,  ///< the broker's disk is below its reserve
  too_large = 3,
  bad_task = 4,
  draining = 5,
  memory = 6,
  duplicate =
      7,  ///< a task with the same unique key, or of this id (D26), is there: `text` is its id
  too_late = 8,  ///< its `once_until` has passed
};
[[nodiscard]] const char* to_string(Reason reason);

enum class Hold : std::uint8_t { executing = 1, awaiting_stored = 2, done_unanswered = 3 };
enum class NackKind : std::uint8_t {
  requeue = 1,
  retry = 2,
  reject = 3,
  lost = 4,  ///< its process was lost: counted as a delivery that was lost with its worker
};
/// What became of one settlement (exceptions in DONE_OK).
enum class Settled : std::uint8_t {
  ok = 0,     ///< settled after all: said of an entry that was `held` before
  stale = 1,  ///< the delivery is not, or no longer, this worker's: forget it
  held = 2,   ///< `upto` passed it, but it is not settled yet (D15, D25): keep it, another answer
              ///< follows
};
/// What became of one result (losses in STORED).
enum class Lost : std::uint8_t { to_winner = 1, refused = 2 };
/// What an event tells of, under Celery's names. Others are kept and passed on like these.
enum class EventType : std::uint16_t {
  task_sent = 1,
  task_received = 2,
  task_started = 3,
  task_succeeded = 4,
  task_failed = 5,
  task_rejected = 6,
  task_revoked = 7,
  task_retried = 8,
  worker_online = 20,
  worker_heartbeat = 21,
  worker_offline = 22,
  broker_online = 30,
  broker_heartbeat = 31,
  broker_offline = 32,
  events_lost = 40,  ///< made by the collector: a node had to drop some
};
[[nodiscard]] const char* to_string(EventType type);  ///< "task-sent" …; "event" for others
/// Answers to REVOKE, per id (delivery.md D28).
enum class Verdict : std::uint8_t { unknown = 0, revoked = 1, pending = 2, too_late = 3 };

namespace flag {
inline constexpr std::uint64_t submit_sync = 1;          ///< commit at once
inline constexpr std::uint64_t deliver_redelivered = 1;  ///< an earlier delivery was lost
inline constexpr std::uint64_t deliver_alone =
    2;  ///< run it in a slot that holds nothing else (D16)
inline constexpr std::uint64_t done_exhausted = 1;    ///< FAILURE after the last retry: dead letter
inline constexpr std::uint64_t nack_uncharged = 1;    ///< retry: not counted as one (a snooze)
inline constexpr std::uint64_t result_durable = 1;    ///< committed by the collector (D22)
inline constexpr std::uint64_t watch_durable = 1;     ///< show only, or again, what is committed
inline constexpr std::uint64_t revoke_terminate = 1;  ///< end it even when it runs
inline constexpr std::uint64_t followed_anew = 1;     ///< the offset asked for is of no use here
}  // namespace flag

}  // namespace baozi::wire
