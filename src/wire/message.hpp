/// \file message.hpp
/// The messages of BZP/1 as values. Decoded messages hold views into the frame: they live as long
/// as it does. The same structs are encoded. Field meanings, units and who sends what:
/// docs/protocol.md.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/limits.hpp"
#include "wire/types.hpp"

namespace baozi::wire {

/// `[version, type, session, seq, fields…]`. `seq` numbers the frames of a session per direction
/// from 1; HELLO, WELCOME and ERROR carry 0.
struct Header {
  Type type{};
  std::uint64_t session = 0;
  std::uint64_t seq = 0;
};

/// A task id as it stands on the wire: 16 bytes or a string.
struct IdView {
  bool uuid = true;
  BytesView bytes;

  [[nodiscard]] TaskId to_id() const {
    return uuid ? TaskId{Uuid::from_bytes(bytes)} : TaskId::from_text(bytes);
  }
  bool operator==(const IdView&) const = default;
};
[[nodiscard]] IdView view_of(const TaskId& id);

/// What the broker and the worker need of a task's options; the rest stays in the raw bytes.
struct TaskOptions {
  std::optional<std::int64_t> eta_us;
  std::optional<std::int64_t> expires_us;
  std::uint8_t priority = static_cast<std::uint8_t>(limits::priority_default);
  bool ignore_result = false;
  bool acks_early = false;
  std::uint32_t generation = 0;
  std::uint32_t delivery_limit = 0;           ///< 0: the broker's default
  std::optional<std::int64_t> once_until_us;  ///< its id counts until then (D26)
  BytesView labels;    ///< packed array of what its worker must have; empty: nothing
  bool keyed = false;  ///< has a unique, ordering or concurrency key: read_keys
  bool homed = false;  ///< names its home: read_keys
};

/// The keys of a task. Views into its options.
struct TaskKeys {
  std::string_view home;         ///< decides its home broker instead of the others; empty: none
  std::string_view ordering;     ///< empty: none
  std::string_view unique;       ///< empty: none
  std::uint64_t window_us = 0;   ///< of the unique key; 0: no limit
  bool until_started = false;    ///< the unique key is free once the task has started
  std::string_view concurrency;  ///< empty: none
  std::uint32_t concurrency_limit = 0;
};

/// `[id, name, queue, options, body]`: immutable bytes from SUBMIT to the store to DELIVER.
struct TaskView {
  IdView id;
  std::string_view name;
  std::string_view queue;  ///< empty: the default queue (nil on the wire)
  TaskOptions options;
  BytesView raw_options;  ///< the option map, packed
  BytesView body;         ///< `[args, kwargs]`, packed; never decoded by the broker
  BytesView raw;          ///< the whole array
};

struct CollectorInfo {
  std::string name;
  std::vector<std::string> endpoints;
  bool operator==(const CollectorInfo&) const = default;
};

struct HeldDelivery {
  std::uint64_t number = 0;    ///< DeliveryNumber
  std::int64_t key = 0;        ///< as it came in DELIVER
  std::uint64_t position = 0;  ///< as it came in DELIVER
  Hold phase = Hold::executing;
  IdView id;
};

/// What a registered task asks its brokers to keep, over all workers.
struct TaskLimit {
  std::string_view name;
  std::uint32_t concurrency = 0;  ///< at the same time; 0: no limit
  std::uint64_t interval_us = 0;  ///< between two starts; 0: no limit
};

struct Hello {
  std::uint64_t nonce = 0;  ///< echoed by WELCOME, so that an old one is not taken for the new one
  Role role = Role::producer;
  std::string_view name;
  std::uint64_t incarnation = 0;
  BytesView origin;  ///< 16 bytes: a producer's id; at a collector its standing watch. Empty: none
  std::vector<std::string_view> queues;
  std::uint32_t concurrency = 0;
  std::string_view software;
  std::string_view host;
  std::uint64_t pid = 0;
  std::vector<std::string_view> endpoints;  ///< where a collector listens
  bool durable_results = false;             ///< the standing watch wants the durable mark too
  std::vector<std::string_view> labels;     ///< of a worker: "gpu=1", "ssd"
  std::vector<std::string_view> early;      ///< a worker's tasks that run at most once, by name
  std::vector<TaskLimit> limits;            ///< of a worker's tasks, for the broker to keep
  std::vector<HeldDelivery> holds;
};

struct ProducerResume {
  bool known = false;           ///< false: this broker has no row for the producer (D8)
  std::uint64_t accepted = 0;   ///< the last batch taken, committed or not
  std::uint64_t committed = 0;  ///< the last batch committed
};

struct Welcome {
  std::uint64_t nonce = 0;
  std::string_view name;
  std::uint64_t incarnation = 0;
  std::uint64_t epoch = 0;
  std::uint64_t heartbeat_us = 0;
  std::uint64_t liveness_us = 0;
  std::uint64_t frame_bytes_max = 0;
  std::uint64_t task_bytes_max = 0;
  std::vector<CollectorInfo> collectors;
  std::optional<ProducerResume> resume;
};

struct Ping {};
struct Pong {};
struct Goodbye {
  std::string_view reason;
};
struct ErrorMessage {
  ErrorCode code{};
  std::string_view text;
  std::uint64_t about = 0;        ///< seq of the frame that it speaks of; 0: of none in particular
  std::uint64_t version_min = 0;  ///< unknown_version: what the answerer speaks; 0 otherwise
  std::uint64_t version_max = 0;
};
struct Collectors {
  std::vector<CollectorInfo> collectors;
};

struct Submit {
  std::uint64_t number = 0;  ///< of the batch, 1, 2, 3 … per producer and broker (D4)
  BytesView origin;          ///< 16 bytes
  std::string_view home;     ///< the home collector's name (D21); empty: any
  std::uint64_t flags = 0;
  std::vector<TaskView> tasks;
};
/// A SUBMIT for encoding only, whose tasks lie packed one after the other: a producer copies them
/// once.
struct PackedSubmit {
  std::uint64_t number = 0;
  BytesView origin;
  std::string_view home;
  std::uint64_t flags = 0;
  std::size_t count = 0;
  BytesView tasks;  ///< `count` packed tasks
};
struct TaskRefusal {
  std::uint32_t index = 0;
  Reason reason{};
  std::string_view text;
};
struct BatchRefusal {
  std::uint64_t number = 0;
  Refusal code{};
  Reason reason{};
  std::uint64_t expected = 0;        ///< out_of_sequence: the number that would be taken
  std::uint64_t retry_after_us = 0;  ///< full: a hint
  std::vector<TaskRefusal> tasks;    ///< rejected: why, per task
};
struct Submitted {
  std::uint64_t upto = 0;  ///< every batch up to this one is committed
  std::vector<BatchRefusal> refusals;
};

struct Credit {
  std::uint64_t count = 0;  ///< deliveries that the worker will hold queued or running
  std::uint64_t bytes = 0;
  std::uint64_t returned = 0;  ///< deliveries of this session that are no longer queued or running
  std::uint64_t returned_bytes = 0;
};

/// What a worker takes tasks from now on, instead of HELLO's queues.
struct Queues {
  std::vector<std::string_view>
      names;  ///< an empty one is the broker's default queue; no names: no queue
  std::vector<std::string_view> excluded;  ///< not from these, whatever `names` says
};

/// What a worker's tasks ask of the broker from now on, instead of what HELLO said of them.
struct Tasks {
  std::vector<std::string_view> early;  ///< they run at most once
  std::vector<TaskLimit> limits;        ///< those that are not named keep theirs
};

struct Delivery {
  std::uint64_t number = 0;
  std::int64_t key = 0;
  std::uint64_t position = 0;  ///< commit that its insert will be part of; 0: durable already (D10)
  std::uint32_t count = 1;     ///< delivery count, 1 for the first
  std::uint32_t retries = 0;   ///< times that it asked to be retried
  std::uint64_t flags = 0;
  std::int64_t since_us = 0;  ///< wall clock of its first charged retry; 0: there was none
  TaskView task;
};
struct DeliveryGroup {
  BytesView origin;
  std::string_view home;
  std::vector<Delivery> deliveries;
};
struct Deliver {
  std::vector<DeliveryGroup> groups;
};

struct Settlement {  // one entry of DONE
  std::uint64_t number = 0;
  TaskState state = TaskState::success;
  std::uint64_t flags = 0;
  std::vector<TaskView> follow_ups;
  BytesView raw_follow_ups;  ///< packed array of tasks; used when encoding, set when decoding
  BytesView record;          ///< D23: a result that no collector took; empty otherwise
};
struct Done {
  std::uint64_t first =
      0;  ///< number of the first entry; DONE and NACK of a session count together from 1
  std::vector<Settlement> entries;
};
struct NackEntry {
  std::uint64_t number = 0;
  NackKind kind{};
  std::uint64_t delay_us = 0;
  std::string_view reason;
  std::uint64_t flags = 0;
};
struct Nack {
  std::uint64_t first = 0;
  std::vector<NackEntry> entries;
};
struct SettledException {
  std::uint64_t entry = 0;
  Settled code{};
};
struct DoneOk {
  std::uint64_t upto = 0;
  std::vector<SettledException> exceptions;
};

/// `[id, name, state, body, started, finished, meta]`: immutable bytes from worker to store to
/// waiter.
struct RecordView {
  IdView id;
  std::string_view name;
  TaskState state{};
  BytesView body;  ///< SUCCESS: the packed value. Otherwise packed `[type, message, traceback]`
  std::int64_t started_us = 0;
  std::int64_t finished_us = 0;
  std::uint32_t retries = 0;
  bool exhausted =
      false;  ///< a FAILURE after the last retry: whoever settles the task flags it so (D18)
  BytesView raw;
};
struct ResultEntry {
  std::uint64_t number = 0;
  std::uint32_t generation = 0;
  std::uint64_t flags = 0;
  RecordView record;
  BytesView raw_follow_ups;  ///< packed array of tasks
};
struct ResultGroup {
  BytesView origin;
  std::string_view worker;
  std::vector<ResultEntry> entries;
};
struct ResultMessage {
  std::uint64_t first =
      0;  ///< number of the first entry, from 1 in a session; 0 when nothing is to be answered
  std::vector<ResultGroup> groups;
};
struct ResultLoss {
  std::uint64_t entry = 0;
  Lost code{};
  BytesView record;          ///< the winner's; empty when refused
  BytesView raw_follow_ups;  ///< the winner's
  std::string_view text;     ///< why it was refused
};
struct Stored {
  std::uint64_t upto = 0;
  std::vector<ResultLoss> losses;
};
struct Watch {
  std::uint64_t flags = 0;
  std::vector<IdView> ids;
};
struct StateEntry {
  IdView id;
  std::string_view state;  ///< "STARTED", "RETRY", "PROGRESS", or the task's own word
  BytesView meta;          ///< packed value
};
struct StateGroup {
  BytesView origin;
  std::string_view worker;
  std::vector<StateEntry> entries;
};
struct StateMessage {
  std::vector<StateGroup> groups;
};
struct Fetch {
  std::uint64_t request = 0;
  std::vector<IdView> ids;
};
struct FetchedEntry {
  IdView id;
  TaskState state = TaskState::pending;
  std::uint32_t generation = 0;
  std::uint64_t number = 0;
  std::uint64_t incarnation = 0;
  std::string_view worker;
  BytesView record;  ///< empty while there is no result
  BytesView raw_follow_ups;
};
struct Fetched {
  std::uint64_t request = 0;
  std::vector<FetchedEntry> entries;
};
struct Forget {
  std::uint64_t request = 0;
  std::vector<IdView> ids;
};
struct Control {
  std::uint64_t request = 0;
  std::string_view command;
  BytesView arguments;  ///< a packed map
};
struct Reply {
  std::uint64_t request = 0;
  std::uint64_t code = 0;  ///< 0: done; otherwise an ErrorCode, and `payload` is a packed text
  BytesView payload;       ///< a packed value
};
struct Revoke {
  std::uint64_t request = 0;
  std::uint64_t flags = 0;
  std::vector<IdView> ids;
  std::string_view signal;  ///< with flag terminate: "SIGTERM"; empty: SIGKILL is up to the worker
};

/// `[type, time, id, name, fields]`: immutable bytes from the node that saw it to who follows.
struct EventView {
  EventType type{};
  std::int64_t time_us = 0;
  bool has_id = false;
  IdView id;              ///< of the task; only with `has_id`
  std::string_view name;  ///< of the task; empty: none
  BytesView fields;       ///< a packed map from text
  BytesView raw;          ///< the whole array
};
struct Events {
  std::uint64_t first = 0;  ///< number of the first event, counted by its node from 1
  std::uint64_t lost = 0;   ///< events right before `first` that the node had to drop
  std::vector<EventView> events;
};
/// EVENTS for encoding only, whose events lie packed one after the other.
struct PackedEvents {
  std::uint64_t first = 0;
  std::uint64_t lost = 0;
  std::size_t count = 0;
  BytesView events;
};
struct EventsOk {
  std::uint64_t upto = 0;
};
struct Follow {
  std::uint64_t request = 0;
  std::optional<std::uint64_t> from;  ///< an offset; 0: the oldest; nothing: what comes from now on
  std::uint64_t count_max = 0;
  std::uint64_t bytes_max = 0;
  std::vector<EventType> types;         ///< empty: all
  std::vector<std::string_view> names;  ///< of tasks; one may end in '*'. Empty: all
};
struct FollowedEntry {
  std::uint64_t offset = 0;
  EventView event;
};
struct FollowedGroup {
  std::string_view node;  ///< that saw them
  std::vector<FollowedEntry> entries;
};
struct Followed {
  std::uint64_t request = 0;
  std::uint64_t next = 0;  ///< where to go on
  std::uint64_t lost = 0;  ///< events that fell out of the history before they were asked for
  std::uint64_t flags = 0;
  std::vector<FollowedGroup> groups;
};

}  // namespace baozi::wire
