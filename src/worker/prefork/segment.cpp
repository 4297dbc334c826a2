#include "worker/prefork/segment.hpp"

#include <algorithm>
#include <cstring>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace baozi::worker::prefork {

static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(std::atomic<Place>::is_always_lock_free);

std::optional<std::uint32_t> Arena::take(std::uint32_t size) {
  if (last_ - first_ == ring_slots) return std::nullopt;
  std::uint32_t at = 0;
  std::uint32_t limit = arena_bytes;
  if (first_ != last_) {
    const std::uint32_t oldest = pieces_[first_ % ring_slots].offset;
    const Piece& newest = pieces_[(last_ - 1) % ring_slots];
    at = newest.end;
    if (newest.offset < oldest) {
      limit = oldest;  // it has gone round already
    } else if (arena_bytes - at < size) {
      at = 0;
      limit = oldest;
    }
  }
  if (limit - at < size) return std::nullopt;
  pieces_[last_++ % ring_slots] = {at, at + size};
  return at;
}

void Arena::give_back() { ++first_; }

bool ReplyReader::pull(Segment& segment) {
  bytes_.erase(0, at_);
  at_ = 0;
  const std::uint64_t written = segment.written.load(std::memory_order_acquire);
  if (written < read_ || written - read_ > reply_bytes) return false;
  while (read_ != written) {
    const std::size_t from = read_ % reply_bytes;
    const std::size_t part = std::min<std::size_t>(written - read_, reply_bytes - from);
    bytes_.append(segment.replies + from, part);
    read_ += part;
  }
  segment.read.store(read_, std::memory_order_release);
  return true;
}

ReplyReader::Got ReplyReader::next(BytesView& message) {
  std::uint32_t size = 0;
  if (bytes_.size() - at_ < sizeof size) return Got::nothing;
  std::memcpy(&size, bytes_.data() + at_, sizeof size);
  if (size == 0 || size > message_bytes_max) return Got::damaged;
  if (bytes_.size() - at_ - sizeof size < size) return Got::nothing;
  message = BytesView{bytes_}.substr(at_ + sizeof size, size);
  at_ += sizeof size + size;
  return Got::message;
}

std::size_t ReplyWriter::put_some(BytesView bytes) {
  const std::uint64_t unread = written_ - segment_->read.load(std::memory_order_acquire);
  const std::size_t room = unread <= reply_bytes ? reply_bytes - unread : 0;
  const std::size_t at = written_ % reply_bytes;
  const std::size_t part = std::min({bytes.size(), room, reply_bytes - at});
  std::memcpy(segment_->replies + at, bytes.data(), part);
  written_ += part;
  return part;
}

void ReplyWriter::wait_for_room() {
  const timespec moment{0, 100'000};
  nanosleep(&moment, nullptr);
}

void futex_wake(std::atomic<std::uint32_t>& word) {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t value, int most_ms) {
  const timespec most{most_ms / 1'000, most_ms % 1'000 * 1'000'000L};
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAIT, value, &most, nullptr, 0);
}

}  // namespace baozi::worker::prefork
