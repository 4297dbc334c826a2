/// \file result_queue.hpp
/// What one collector still has to be told, or has not stored yet: results, numbered from 1 in a
/// session and kept until STORED. Threading: owned by one core.
#pragma once
#include <cstdint>
#include <deque>
#include <string_view>
#include <utility>

#include "wire/message.hpp"
#include "worker/delivery_table.hpp"

namespace baozi::worker {

class ResultQueue {
 public:
  void push(Slot slot) { unsent_.push_back(slot); }
  /// A new session: entries are numbered anew, and what was not stored will be sent again, oldest
  /// first.
  void restart();
  /// Takes everything out, oldest first (D23).
  [[nodiscard]] std::deque<Slot> take_all();

  [[nodiscard]] std::size_t unsent() const { return unsent_.size(); }
  [[nodiscard]] std::size_t unstored() const { return sent_.size(); }
  [[nodiscard]] bool empty() const { return unsent_.empty() && sent_.empty(); }

  /// Sends everything that is unsent: `send(const wire::ResultMessage&)`. `oversized(slot)` is
  /// called for a result that does not fit into `frame_bytes_max` even alone, and leaves a smaller
  /// one in its place.
  template <class Send, class Oversized>
  void flush(const DeliveryTable& table, std::string_view worker, std::size_t frame_bytes_max,
             Send&& send, Oversized&& oversized) {
    while (!unsent_.empty()) {
      const Held& held = table[unsent_.front()];
      if (held.record.size() + held.follow_ups.size() + envelope_bytes > frame_bytes_max) {
        oversized(unsent_.front());
      }
      gather(table, worker, frame_bytes_max);
      send(std::as_const(message_));
    }
  }

  /// Calls `stored(slot, loss)` for each entry that the answer ends; `loss` is nullptr for what is
  /// stored as it was sent. False: it speaks of entries that were never sent, and nothing was done.
  template <class Ended>
  bool on_stored(const wire::Stored& answer, Ended&& stored) {
    if (answer.upto > stored_ + sent_.size()) return false;
    std::size_t loss = 0;
    while (stored_ < answer.upto) {
      const Slot slot = sent_.front();
      sent_.pop_front();
      ++stored_;
      while (loss < answer.losses.size() && answer.losses[loss].entry < stored_) ++loss;
      const bool lost = loss < answer.losses.size() && answer.losses[loss].entry == stored_;
      stored(slot, lost ? &answer.losses[loss] : nullptr);
    }
    return true;
  }

 private:
  static constexpr std::size_t envelope_bytes = 512;  // header, one group, one entry
  void gather(const DeliveryTable& table, std::string_view worker, std::size_t frame_bytes_max);

  std::deque<Slot> unsent_;
  std::deque<Slot> sent_;  // the front is entry `stored_ + 1` of this session
  std::uint64_t stored_ = 0;
  wire::ResultMessage message_;
};

}  // namespace baozi::worker
