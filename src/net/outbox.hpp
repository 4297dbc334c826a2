/// \file outbox.hpp
/// Frames that wait for a slow peer, in order, bounded in count and bytes (promise P9).
#pragma once
#include <cstddef>
#include <deque>
#include <utility>

#include "base/bytes.hpp"

namespace baozi::net {

struct OutboxLimits {
  std::size_t frames_max = 4'096;
  std::size_t bytes_max = std::size_t{64} << 20U;
};

class Outbox {
 public:
  /// False, and nothing kept, when `frame` would pass a limit.
  [[nodiscard]] bool push(Bytes&& frame, const OutboxLimits& limits) {
    if (frames_.size() >= limits.frames_max || bytes_ + frame.size() > limits.bytes_max)
      return false;
    bytes_ += frame.size();
    frames_.push_back(std::move(frame));
    return true;
  }
  [[nodiscard]] Bytes take_front() {
    Bytes frame = std::move(frames_.front());
    frames_.pop_front();
    bytes_ -= frame.size();
    return frame;
  }
  /// What `take_front` gave, refused by the network.
  void put_back(Bytes&& frame) {
    bytes_ += frame.size();
    frames_.push_front(std::move(frame));
  }
  void clear() {
    frames_.clear();
    bytes_ = 0;
  }
  [[nodiscard]] bool empty() const { return frames_.empty(); }
  [[nodiscard]] std::size_t size() const { return frames_.size(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  std::deque<Bytes> frames_;
  std::size_t bytes_ = 0;
};

}  // namespace baozi::net
