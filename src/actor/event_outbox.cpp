#include "actor/event_outbox.hpp"

#include <utility>

namespace baozi::actor {

EventOutbox::Batch& EventOutbox::begin_batch() {
  Batch& batch = batches_.emplace_back();
  batch.first = next_;
  batch.opened = now_.mono;
  batch.bytes = std::exchange(spare_, {});
  open_ = true;
  return batch;
}

void EventOutbox::remove_front() {
  Batch& front = batches_.front();
  events_ -= front.count;
  bytes_ -= front.bytes.size();
  spare_ = std::move(front.bytes);
  spare_.clear();
  batches_.pop_front();
  if (sent_ > 0) --sent_;
}

void EventOutbox::drop_oldest() {
  // A frame of them may be on its way all the same: the collector counts only what it has not seen.
  while (batches_.size() > 1 && (events_ > limits_.events_max || bytes_ > limits_.bytes_max)) {
    lost_ += batches_.front().count;
    batches_[1].lost += batches_.front().lost + batches_.front().count;
    remove_front();
  }
}

bool EventOutbox::on_ok(std::uint64_t upto) {
  if (upto >= next_) return false;
  while (sent_ > 0 && batches_.front().first + batches_.front().count - 1 <= upto) remove_front();
  return true;
}

std::optional<MonoTime> EventOutbox::next_deadline() const {
  if (sent_ >= limits_.frames_max || sent_ == batches_.size()) return std::nullopt;
  if (sent_ < sealed()) return now_.mono;
  return batches_.back().opened + limits_.delay;
}

}  // namespace baozi::actor
