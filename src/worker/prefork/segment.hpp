/// \file segment.hpp
/// The memory that the worker and one of its children share: a ring of requests one way, a ring of
/// bytes the other, and what a crash leaves behind. It lives as long as the child and is thrown
/// away with it.
///
/// Nothing in it is a lock, so that a child that dies anywhere blocks nobody. Who may write what:
/// the worker the requests and the words marked so, the child everything else, and both of them the
/// state of a request, by compare-and-swap only. User code in the child can scribble over all of
/// it, so the worker copies what it reads and checks the copy; what it must know for sure (which
/// tasks the child has) it knows by itself.
///
/// Threading: each side belongs to one thread of its process.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.hpp"
#include "worker/prefork/shared_memory.hpp"

namespace baozi::worker::prefork {

inline constexpr std::uint64_t ring_slots = 512;                     ///< a power of two
inline constexpr std::size_t arena_bytes = std::size_t{5} << 19U;    ///< two of the largest tasks
inline constexpr std::size_t reply_bytes = std::size_t{1} << 18U;    ///< longer ones come in parts
inline constexpr std::size_t update_bytes = std::size_t{66} << 10U;  ///< the latest state of a task
inline constexpr std::size_t crash_frames_max = 64;
inline constexpr std::size_t crash_note_bytes = 512;

/// The life of a place in the ring of requests.
enum class Place : std::uint32_t {
  free,
  ready,      ///< the worker has put a task there
  taken,      ///< the child runs it
  claimed,    ///< the worker sends a signal to who runs it: the child takes nothing else meanwhile
  done,       ///< the child has answered
  taken_back  ///< the worker took it back unstarted
};

struct Request {
  std::atomic<Place> place;
  std::uint32_t offset;
  std::uint32_t size;
  std::atomic<std::int64_t> began_us;  ///< steady clock; by the child
};

/// What the handler of a fatal signal writes. `signal` comes first, `count` grows with each frame.
struct CrashRecord {
  std::atomic<std::int32_t> signal;
  std::int32_t code;
  std::uint64_t address;
  std::atomic<std::uint32_t> count;
  std::uint64_t frames[crash_frames_max];
  std::atomic<std::uint32_t> note_size;
  char note[crash_note_bytes];  ///< the exception that nobody caught
};

/// Why a child ends by itself.
enum class Leaving : std::uint32_t { no, asked, tasks, memory, descriptors };

struct Segment {
  // By the child.
  alignas(64) std::atomic<std::uint64_t> head;  ///< requests that it has behind it
  std::atomic<std::uint64_t> written;           ///< bytes of replies so far
  std::atomic<std::uint32_t> up;                ///< it has begun to look for requests
  std::atomic<Leaving> leaving;
  std::atomic<std::uint32_t> update_version;  ///< odd while it is being written
  std::uint32_t update_size;
  // By the worker.
  alignas(64) std::atomic<std::uint64_t> read;  ///< bytes of replies that it has taken
  std::atomic<std::uint64_t> interrupted;       ///< the token of the task that is to end early
  std::atomic<std::uint32_t> leave;             ///< end after the present task
  // By both.
  alignas(64) std::atomic<std::uint32_t> bell;   ///< the futex that the child sleeps on
  std::atomic<std::uint32_t> sleeping;           ///< the child sleeps, or is about to
  alignas(64) std::atomic<std::uint32_t> armed;  ///< the child's next event wakes the worker
  CrashRecord crash;
  Request requests[ring_slots];
  alignas(64) char arena[arena_bytes];
  char replies[reply_bytes];
  char update[update_bytes];
};

using Mapping = SharedMemory<Segment>;

/// A new, empty one: its descriptor. Throws std::system_error.
[[nodiscard]] inline int make_segment_file() { return make_memory_file(sizeof(Segment)); }

/// Places for the bytes of requests, given out and taken back in one order. The worker's own.
class Arena {
 public:
  /// nullopt: no room now.
  [[nodiscard]] std::optional<std::uint32_t> take(std::uint32_t size);
  /// The oldest `take` is over.
  void give_back();

 private:
  struct Piece {
    std::uint32_t offset;
    std::uint32_t end;
  };
  Piece pieces_[ring_slots];
  std::uint64_t first_ = 0, last_ = 0;
};

/// The worker's end of the ring of bytes: whole messages, checked for their length only.
class ReplyReader {
 public:
  static constexpr std::size_t message_bytes_max = std::size_t{9} << 20U;
  enum class Got : std::uint8_t { nothing, message, damaged };

  /// Copies what has arrived. Call before `next`. False: the counters make no sense.
  [[nodiscard]] bool pull(Segment& segment);
  /// The next whole message, valid until the next `pull`.
  [[nodiscard]] Got next(BytesView& message);

 private:
  Bytes bytes_;
  std::size_t at_ = 0;
  std::uint64_t read_ = 0;
};

/// The child's end.
class ReplyWriter {
 public:
  explicit ReplyWriter(Segment& segment) : segment_{&segment} {}
  /// Waits, `wake` being called, as long as the worker has not made room.
  template <class Wake>
  void write(BytesView message, Wake wake) {
    const auto size = static_cast<std::uint32_t>(message.size());
    char head[sizeof size];
    __builtin_memcpy(head, &size, sizeof size);
    put({head, sizeof head}, wake);
    put(message, wake);
    segment_->written.store(written_, std::memory_order_release);
  }

 private:
  template <class Wake>
  void put(BytesView bytes, Wake& wake) {
    while (!bytes.empty()) {
      const std::size_t part = put_some(bytes);
      bytes.remove_prefix(part);
      if (part != 0) continue;
      segment_->written.store(written_, std::memory_order_release);
      wake();
      wait_for_room();
    }
  }
  [[nodiscard]] std::size_t put_some(BytesView bytes);
  static void wait_for_room();

  Segment* segment_;
  std::uint64_t written_ = 0;
};

void futex_wake(std::atomic<std::uint32_t>& word);
/// Sleeps while the word is `value`, `most_ms` milliseconds at most.
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t value, int most_ms);

}  // namespace baozi::worker::prefork
