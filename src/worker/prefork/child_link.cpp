#include "worker/prefork/child_link.hpp"

#include <algorithm>
#include <cstring>

namespace baozi::worker::prefork {

bool ChildLink::push(const Start& start, MonoTime now) {
  if (items_.size() == ring_slots) return false;
  const auto size = static_cast<std::uint32_t>(start_size(start));
  const auto offset = arena_.take(size);
  if (!offset) return false;
  write_start(start, segment_->arena + *offset);
  Request& place = request(items_.size());
  place.offset = *offset;
  place.size = size;
  place.began_us.store(0, std::memory_order_relaxed);
  place.place.store(Place::ready);
  items_.push_back({.start = start, .pushed = now});
  ++live_;
  return true;
}

void ChildLink::ring_bell() {
  if (segment_->sleeping.load() == 0 || segment_->sleeping.exchange(0) == 0) return;
  segment_->bell.fetch_add(1);
  futex_wake(segment_->bell);
}

std::size_t ChildLink::next_index() {
  while (next_ < items_.size() && items_[next_].over) ++next_;
  return next_;
}

/// Forgets what the child has behind it.
bool ChildLink::advance(std::uint64_t head) {
  if (head < first_ || head > first_ + items_.size()) return false;
  while (first_ != head) {
    if (!items_.front().over) return false;  // it never answered
    items_.pop_front();
    arena_.give_back();
    ++first_;
    if (next_ > 0) --next_;
  }
  return true;
}

bool ChildLink::collect(std::vector<Ended>& ended, std::vector<StateUpdate>& updates) {
  // Read before the replies: what it has behind it by now is answered among them.
  const std::uint64_t head = segment_->head.load(std::memory_order_acquire);
  if (!replies_.pull(*segment_)) return false;
  BytesView message;
  while (true) {
    const ReplyReader::Got got = replies_.next(message);
    if (got == ReplyReader::Got::damaged) return false;
    if (got == ReplyReader::Got::nothing) break;
    std::optional<Ended> one = unpack_ended(message);
    const std::size_t index = next_index();
    if (!one || index == items_.size() || items_[index].start.token != one->token) return false;
    items_[index].over = true;
    --live_;
    ++answered_;
    ended.push_back(*std::move(one));
  }
  read_update(updates);
  return advance(head);
}

void ChildLink::read_update(std::vector<StateUpdate>& updates) {
  for (int attempt = 0; attempt < 3; ++attempt) {
    const std::uint32_t before = segment_->update_version.load(std::memory_order_acquire);
    if (before == update_seen_ || before % 2 != 0) return;
    const std::size_t size = segment_->update_size;
    update_.assign(segment_->update, std::min(size, update_bytes));
    std::atomic_thread_fence(std::memory_order_acquire);
    if (segment_->update_version.load(std::memory_order_relaxed) != before) continue;
    update_seen_ = before;
    std::optional<StateUpdate> update = unpack_update(update_);
    const auto ours = [&](const Item& item) { return item.start.token == update->token; };
    // Also of a task whose end came with it: the child has it behind it or not.
    if (update && std::any_of(items_.begin(), items_.end(), ours)) {
      updates.push_back(*std::move(update));
    }
    return;
  }
}

ChildLink::TookBack ChildLink::take_back(Token token) {
  for (std::size_t i = next_index(); i < items_.size(); ++i) {
    if (items_[i].over || items_[i].start.token != token) continue;
    Place ready = Place::ready;
    if (!request(i).place.compare_exchange_strong(ready, Place::taken_back)) return TookBack::runs;
    items_[i].over = true;
    --live_;
    return TookBack::yes;
  }
  return TookBack::unknown;
}

std::vector<Start> ChildLink::take_back_ready(std::size_t most) {
  std::vector<Start> taken;
  for (std::size_t i = items_.size(); i > next_index() && taken.size() < most; --i) {
    Item& item = items_[i - 1];
    if (item.over) continue;
    Place ready = Place::ready;
    if (!request(i - 1).place.compare_exchange_strong(ready, Place::taken_back)) break;
    item.over = true;
    --live_;
    taken.push_back(item.start);
  }
  std::reverse(taken.begin(), taken.end());
  return taken;
}

ChildLink::Item* ChildLink::running() {
  const std::size_t index = next_index();
  if (index == items_.size()) return nullptr;
  const Place place = request(index).place.load();
  return place == Place::taken || place == Place::claimed ? &items_[index] : nullptr;
}

ChildLink::Item* ChildLink::claim(Token token) {
  Item* const item = running();
  if (item == nullptr || item->start.token != token) return nullptr;
  Place taken = Place::taken;
  if (!request(next_).place.compare_exchange_strong(taken, Place::claimed) &&
      taken != Place::claimed) {
    return nullptr;
  }
  return item;
}

void ChildLink::release() {
  for (std::size_t i = 0; i < items_.size(); ++i) {
    Place claimed = Place::claimed;
    if (request(i).place.compare_exchange_strong(claimed, Place::taken)) return;
  }
}

MonoTime ChildLink::began(const Item& item, MonoTime now) const {
  const MonoTime said = mono_time(request(next_).began_us.load(std::memory_order_relaxed));
  return said < item.pushed || said > now ? item.pushed : said;
}

void ChildLink::bury(std::vector<Item>& begun, std::vector<Start>& ready) {
  for (std::size_t i = next_index(); i < items_.size(); ++i) {
    Item& item = items_[i];
    if (item.over) continue;
    item.over = true;
    --live_;
    if (request(i).place.load() == Place::ready) {
      ready.push_back(item.start);
    } else {
      begun.push_back(item);
    }
  }
}

Leaving ChildLink::leaving() const {
  const Leaving said = segment_->leaving.load();
  return said > Leaving::descriptors ? Leaving::no : said;
}

void ChildLink::ask_to_leave() {
  segment_->leave.store(1);
  ring_bell();
}

}  // namespace baozi::worker::prefork
