/// \file codec.hpp
/// Frames to messages and back. Source: docs/protocol.md; the frames in tests/vectors/ pin every
/// byte. Decoding is bounded: sizes, counts and depth are checked before anything is reserved.
/// Trailing fields that we do not know are ignored, so the protocol can grow; trailing bytes after
/// the frame's array are an error. Threading: free functions on the caller's data. Errors:
/// returned, never thrown.
#pragma once
#include <string>

#include "baozi/packing.hpp"
#include "base/result.hpp"
#include "wire/message.hpp"

namespace baozi::wire {

/// A frame's reader after its header was read: hand it to the `decode` of that type.
struct OpenFrame {
  Header header;
  Reader reader;
  std::uint32_t fields = 0;  ///< elements of the array that are left
};

/// Errors: malformed, unknown_version, unknown_type, too_large.
[[nodiscard]] Result<OpenFrame> open_frame(BytesView frame);

/// The numbers of a frame whose type is unknown to us (`open_frame` said so): it still counts in
/// its session.
struct FrameNumbers {
  std::uint64_t type = 0;
  std::uint64_t session = 0;
  std::uint64_t seq = 0;
};
[[nodiscard]] FrameNumbers peek_numbers(BytesView frame);

/// Each reads the fields of its type into `out`, whose lists are reused. After an error (malformed,
/// too_large) the lists are empty and the other fields unspecified. `frame` is left as it was.
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Hello& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Welcome& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Ping& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Pong& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Goodbye& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, ErrorMessage& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Collectors& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Submit& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Submitted& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Credit& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Deliver& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Done& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, DoneOk& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Nack& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Queues& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Tasks& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, ResultMessage& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Stored& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Watch& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, StateMessage& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Fetch& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Fetched& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Forget& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Control& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Reply& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Revoke& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Events& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, EventsOk& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Follow& out);
[[nodiscard]] Result<void> decode(const OpenFrame& frame, Followed& out);

/// One packed task, as it stands in a SUBMIT, a DONE or a stored record.
[[nodiscard]] Result<TaskView> decode_task(BytesView raw);
/// The keys that stand in an option map; none when it does not parse.
[[nodiscard]] TaskKeys read_keys(BytesView raw_options);
/// A packed array of tasks (follow-ups); empty input means none.
[[nodiscard]] Result<std::vector<TaskView>> decode_tasks(BytesView raw, std::uint32_t count_max);
/// One packed result record.
[[nodiscard]] Result<RecordView> decode_record(BytesView raw);

/// The whole frame for a message.
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Hello& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Welcome& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Ping& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Pong& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Goodbye& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const ErrorMessage& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Collectors& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Submit& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const PackedSubmit& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Submitted& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Credit& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Deliver& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Done& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const DoneOk& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Nack& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Queues& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Tasks& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const ResultMessage& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Stored& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Watch& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const StateMessage& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Fetch& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Fetched& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Forget& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Control& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Reply& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Revoke& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Events& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const PackedEvents& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const EventsOk& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Follow& message);
[[nodiscard]] Bytes encode(std::uint64_t session, std::uint64_t seq, const Followed& message);

/// Appends `[id, name, queue, options, body]`. `raw_options` is a packed map; empty means an empty
/// map.
void pack_task(Writer& out, const IdView& id, std::string_view name, std::string_view queue,
               BytesView raw_options, BytesView body);
/// Appends a result record.
void pack_record(Writer& out, const RecordView& record);
void pack_id(Writer& out, const IdView& id);
/// Appends the head of an event, of five fields; the map of its fields is to follow.
/// \param id  of the task, or nullptr. \param name  empty: none.
void pack_event(Writer& out, EventType type, std::int64_t time_us, const IdView* id,
                std::string_view name);
[[nodiscard]] IdView read_id(Reader& in);
/// Packed `[type, message, traceback]`.
[[nodiscard]] Bytes pack_failure(std::string_view type, std::string_view message,
                                 std::string_view traceback);

/// The elements of `TaskOptions::labels`.
[[nodiscard]] std::vector<std::string_view> read_labels(BytesView labels);
/// Why this is no label: "key" or "key=value", a name. Empty: it is one.
[[nodiscard]] std::string label_problem(std::string_view label);

/// True for 1 to 255 bytes of UTF-8 without control characters.
[[nodiscard]] bool is_valid_name(std::string_view name);

}  // namespace baozi::wire
