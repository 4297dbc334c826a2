#include "worker/prefork/child_link.hpp"

#include <algorithm>
#include <cstring>

namespace baozi::worker::prefork {

bool ChildLink::push(const Start& start, MonoTime now) {
  if (size_ == ring_slots) return false;
  const auto size = static_cast<std::uint32_t>(start_size(start));
  const auto offset = arena_.take(size);
  if (!offset) return false;
  write_start(start, segment_->arena + *offset);
  Request& place = request(size_);
  place.offset = *offset;
  place.size = size;
  place.began_us.store(0, std::memory_order_relaxed);
  place.place.store(Place::ready);
  item(size_++) = {.start = start, .pushed = now};
  ++live_;
  return true;
}

void ChildLink::ring_bell() {
  if (segment_->sleeping.load() == 0 || segment_->sleeping.exchange(0) == 0) return;
  segment_->bell.fetch_add(1);
  futex_wake(segment_->bell);
}

std::size_t ChildLink::next_index() {
  while (next_ < size_ && item(next_).over) ++next_;
  return next_;
}

/// Forgets what the child has behind it.
bool ChildLink::advance(std::uint64_t head) {
  if (head < first_ || head > first_ + size_) return false;
  while (first_ != head) {
    if (!item(0).over) return false;  // it never answered
    --size_;
    arena_.give_back();
    ++first_;
    if (next_ > 0) --next_;
  }
  return true;
}

bool ChildLink::collect(std::vector<Ended>& ended, std::vector<StateUpdate>& updates) {
  // Read before the replies: what it has behind it by now is answered among them.
  const std::uint64_t head = segment_->head.load(std::memory_order_acquire);
  const std::size_t next = next_index();
  const Place place = next == size_ ? Place::ready : request(next).place.load();
  if (!replies_.pull(*segment_)) return false;
  BytesView message;
  while (true) {
    const ReplyReader::Got got = replies_.next(message);
    if (got == ReplyReader::Got::damaged) return false;
    if (got == ReplyReader::Got::nothing) break;
    std::optional<Ended> one = unpack_ended(message);
    const std::size_t index = next_index();
    if (!one || index == size_ || item(index).start.token != one->token) return false;
    item(index).over = true;
    --live_;
    ++answered_;
    ended.push_back(*std::move(one));
  }
  read_update(updates);
  // What is neither ready nor being run has been answered: otherwise it never will be.
  const bool is_open = place == Place::ready || place == Place::taken || place == Place::claimed;
  if (!is_open && !item(next).over) return false;
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
    if (!update) return;
    // Also of a task whose end came with it: the child has it behind it or not.
    for (std::size_t i = 0; i < size_; ++i) {
      if (item(i).start.token != update->token) continue;
      updates.push_back(*std::move(update));
      return;
    }
    return;
  }
}

ChildLink::TookBack ChildLink::take_back(Token token) {
  for (std::size_t i = next_index(); i < size_; ++i) {
    if (item(i).over || item(i).start.token != token) continue;
    Place ready = Place::ready;
    if (!request(i).place.compare_exchange_strong(ready, Place::taken_back)) return TookBack::runs;
    item(i).over = true;
    --live_;
    return TookBack::yes;
  }
  return TookBack::unknown;
}

std::vector<Start> ChildLink::take_back_ready(std::size_t most) {
  std::vector<Start> taken;
  for (std::size_t i = size_; i > next_index() && taken.size() < most; --i) {
    Item& one = item(i - 1);
    if (one.over) continue;
    Place ready = Place::ready;
    if (!request(i - 1).place.compare_exchange_strong(ready, Place::taken_back)) break;
    one.over = true;
    --live_;
    taken.push_back(one.start);
  }
  std::reverse(taken.begin(), taken.end());
  return taken;
}

ChildLink::Item* ChildLink::running() {
  const std::size_t index = next_index();
  if (index == size_) return nullptr;
  const Place place = request(index).place.load();
  return place == Place::taken || place == Place::claimed ? &item(index) : nullptr;
}

bool ChildLink::waits_since(MonoTime time) {
  const std::size_t index = next_index();
  return index != size_ && request(index).place.load() == Place::ready &&
         item(index).pushed <= time;
}

ChildLink::Item* ChildLink::claim(Token token) {
  Item* const runs = running();
  if (runs == nullptr || runs->start.token != token) return nullptr;
  Place taken = Place::taken;
  if (!request(next_).place.compare_exchange_strong(taken, Place::claimed) &&
      taken != Place::claimed) {
    return nullptr;
  }
  return runs;
}

void ChildLink::release() {
  for (std::size_t i = 0; i < size_; ++i) {
    Place claimed = Place::claimed;
    if (request(i).place.compare_exchange_strong(claimed, Place::taken)) return;
  }
}

MonoTime ChildLink::began(const Item& one, MonoTime now) const {
  const MonoTime said = mono_time(request(next_).began_us.load(std::memory_order_relaxed));
  return said < one.pushed || said > now ? one.pushed : said;
}

void ChildLink::bury(std::vector<Item>& begun, std::vector<Start>& ready) {
  for (std::size_t i = next_index(); i < size_; ++i) {
    Item& one = item(i);
    if (one.over) continue;
    one.over = true;
    --live_;
    if (request(i).place.load() == Place::ready) {
      ready.push_back(one.start);
    } else {
      begun.push_back(one);
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
