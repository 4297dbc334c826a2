#include "worker/delivery_table.hpp"

#include <utility>

#include "wire/codec.hpp"

namespace baozi::worker {

namespace {

constexpr std::size_t room_kept = 2'048;  // of a string, for the slot's next delivery
constexpr std::size_t body_shed =
    4'096;  // a task larger than this does not wait for its settlement whole

void empty_out(Bytes& bytes) {
  if (bytes.capacity() > room_kept) {
    Bytes{}.swap(bytes);
  } else {
    bytes.clear();
  }
}

}  // namespace

void Held::take_task(const wire::TaskView& view) {
  task.assign(view.raw);
  const char* const base = view.raw.data();
  const auto locate = [base](BytesView piece, std::uint32_t& at, std::uint32_t& size) {
    at = piece.empty() ? 0 : static_cast<std::uint32_t>(piece.data() - base);
    size = static_cast<std::uint32_t>(piece.size());
  };
  uuid_ = view.id.uuid;
  locate(view.id.bytes, id_at_, id_size_);
  locate(view.name, name_at_, name_size_);
  locate(view.queue, queue_at_, queue_size_);
  locate(view.raw_options, options_at_, options_size_);
  locate(view.body, body_at_, body_size_);
}

void Held::shed_body() {
  if (task.size() <= body_shed || in_pool) return;
  Bytes stub;
  Writer out{stub};
  wire::pack_task(out, id(), name(), {}, {}, {});
  const auto view = wire::decode_task(stub);
  BAOZI_ASSERT(view.has_value());
  take_task(*view);
  task.shrink_to_fit();
}

Slot DeliveryTable::add() {
  Slot slot = 0;
  if (!free_.empty()) {
    slot = free_.back();
    free_.pop_back();
  } else {
    if (used_ == blocks_.size() * block_size)
      blocks_.push_back(std::make_unique<Held[]>(block_size));
    slot = used_++;
  }
  Held& held = (*this)[slot];
  Held fresh;
  fresh.incarnation = held.incarnation + 1;
  fresh.phase = Held::Phase::ready;
  fresh.task = std::move(held.task);
  fresh.record = std::move(held.record);
  fresh.follow_ups = std::move(held.follow_ups);
  held = std::move(fresh);
  return slot;
}

void DeliveryTable::remove(Slot slot) {
  Held& held = (*this)[slot];
  BAOZI_ASSERT(held.phase != Held::Phase::free && !held.in_pool);
  held.phase = Held::Phase::free;
  empty_out(held.task);
  empty_out(held.record);
  empty_out(held.follow_ups);
  held.told.reset();
  free_.push_back(slot);
}

Held* DeliveryTable::find(Token token) {
  const Slot slot = slot_of(token);
  if (slot >= used_) return nullptr;
  Held& held = (*this)[slot];
  const auto incarnation = static_cast<std::uint32_t>(static_cast<std::uint64_t>(token) >> 32U);
  return held.phase != Held::Phase::free && held.incarnation == incarnation ? &held : nullptr;
}

}  // namespace baozi::worker
