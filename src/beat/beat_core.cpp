#include "beat/beat_core.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/units.hpp"
#include "beat/due_ticks.hpp"
#include "beat/schedule/instant.hpp"
#include "beat/tick_id.hpp"

namespace baozi::beat {

namespace {

constexpr Micros step_told{1'000'000};    // a smaller step of the clock is not worth a line
constexpr std::size_t turn_most = 2'000;  // entries of one turn, so that answers are heard between

bool has_same_times(const Entry& a, const Entry& b) {
  return a.schedule == b.schedule && a.zone == b.zone && a.start == b.start && a.end == b.end;
}

}  // namespace

// ---- entries

EntryHandle BeatCore::handle_of(std::uint32_t index) const {
  return EntryHandle{std::uint64_t{slots_[index].generation} << 32U | index};
}

BeatCore::Item* BeatCore::item_of(EntryHandle entry) const {
  const auto index = static_cast<std::uint32_t>(static_cast<std::uint64_t>(entry));
  const auto generation = static_cast<std::uint32_t>(static_cast<std::uint64_t>(entry) >> 32U);
  if (index >= slots_.size() || slots_[index].generation != generation) return nullptr;
  return slots_[index].item.get();
}

const Entry* BeatCore::find(EntryHandle entry) const {
  const Item* const item = item_of(entry);
  return item != nullptr ? &item->entry : nullptr;
}

bool BeatCore::wants_end(EntryHandle entry) const {
  const Item* const item = item_of(entry);
  return item != nullptr && item->entry.overlap == Overlap::skip;
}

void BeatCore::set_entries(std::vector<store::StoredEntry> entries, Now now) {
  std::vector<bool> is_kept(slots_.size(), false);
  by_name_.reserve(entries.size());
  for (store::StoredEntry& stored : entries) {
    const auto found = by_name_.find(stored.entry.name);
    if (found == by_name_.end()) {
      const std::uint32_t index = add(std::move(stored), now);
      if (index < is_kept.size()) is_kept[index] = true;
    } else {
      if (found->second < is_kept.size()) is_kept[found->second] = true;
      change(found->second, std::move(stored), now);
    }
  }
  for (std::uint32_t index = 0; index < is_kept.size(); ++index) {
    Slot& slot = slots_[index];
    if (is_kept[index] || slot.item == nullptr) continue;
    in_flight_ -= slot.item->in_flight.size();
    by_name_.erase(slot.item->entry.name);
    slot.item.reset();
    ++slot.generation;
    free_.push_back(index);
  }
}

std::uint32_t BeatCore::add(store::StoredEntry&& stored, Now now) {
  std::uint32_t index = 0;
  if (free_.empty()) {
    index = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  auto item = std::make_unique<Item>();
  item->entry = std::move(stored.entry);
  item->record = std::move(stored.record);
  item->run_requests = stored.run_requests;
  item->runs_begun = item->record.runs_answered;
  item->cursor = item->record.last_tick.value_or(now.wall);
  if (const auto* clocked = std::get_if<Clocked>(&item->entry.schedule.kind());
      clocked != nullptr && !item->record.last_tick && clocked->at > now.wall - options_.horizon) {
    // It may be new or have been added while no beat ran: a time that has just gone by was missed.
    item->cursor = std::min(now.wall, clocked->at - Micros{1});
  }
  by_name_.emplace(item->entry.name, index);
  slots_[index].item = std::move(item);
  watch_last(index, now);
  plan(index);
  return index;
}

void BeatCore::change(std::uint32_t index, store::StoredEntry&& stored, Now now) {
  Item& item = *slots_[index].item;
  const bool has_new_requests = stored.run_requests > item.run_requests;
  item.run_requests = std::max(item.run_requests, stored.run_requests);
  if (stored.entry != item.entry) {
    const bool could_send = may_send(item);
    const bool goes_on = has_same_times(item.entry, stored.entry);
    const bool was_watched = item.entry.overlap == Overlap::skip;
    item.entry = std::move(stored.entry);
    if (!goes_on || !could_send) {
      item.cursor = std::max(item.cursor, now.wall);
      item.waiting.clear();
    }
    if (!was_watched) watch_last(index, now);
    plan(index);
  } else if (has_new_requests) {
    plan(index);
  }
}

/// Of an entry that was just met: nobody has told how its last task ended.
void BeatCore::watch_last(std::uint32_t index, Now now) {
  Item& item = *slots_[index].item;
  item.is_busy = false;
  if (item.entry.overlap != Overlap::skip || item.record.last_task_id.empty()) return;
  item.is_busy = true;
  if (is_busy(item, now)) watches_.push_back({handle_of(index), item.record.last_task_id});
}

void BeatCore::stop() {
  for (std::uint32_t index = 0; index < slots_.size(); ++index) {
    Slot& slot = slots_[index];
    if (slot.item == nullptr) continue;
    slot.item.reset();
    ++slot.generation;
    free_.push_back(index);
  }
  by_name_.clear();
  due_ = {};
  held_ = {};
  ready_.clear();
  dirty_.clear();
  watches_.clear();
  in_flight_ = 0;
}

/// nullopt: no limit.
std::optional<std::uint64_t> BeatCore::runs_left(const Item& item) {
  std::optional<std::uint64_t> most = item.entry.max_runs;
  if (item.entry.one_off) most = 1;
  if (!most) return std::nullopt;
  return *most > item.record.total_run_count ? *most - item.record.total_run_count : 0;
}

bool BeatCore::may_send(const Item& item) { return item.entry.enabled && runs_left(item) != 0; }

bool BeatCore::is_busy(const Item& item, Now now) const {
  if (!item.in_flight.empty()) return true;
  if (!item.is_busy) return false;
  const WallTime since = item.record.last_run_at.value_or(WallTime{});
  return now.wall - since <= options_.forgotten_after + item.entry.expires.value_or(Micros{0});
}

// ---- turns

void BeatCore::turn(Now now, BeatEffects& out) {
  notice_clock(now);
  if (!draining_) send_due(now, out);
  std::move(watches_.begin(), watches_.end(), std::back_inserter(out.watches));
  watches_.clear();
  write_records(out);
  std::move(notices_.begin(), notices_.end(), std::back_inserter(out.notices));
  notices_.clear();
  std::move(warnings_.begin(), warnings_.end(), std::back_inserter(out.warnings));
  warnings_.clear();
}

void BeatCore::send_due(Now now, BeatEffects& out) {
  std::size_t considered = 0;
  for (const std::uint32_t index : std::exchange(ready_, {})) {
    if (slots_[index].item != nullptr) consider(index, now, out);
  }
  while (!held_.empty() && held_.top().until <= now.mono && ++considered < turn_most) {
    const Held held = held_.top();
    held_.pop();
    const Slot& slot = slots_[held.index];
    if (slot.item == nullptr || slot.generation != held.generation) continue;
    slot.item->held_until.reset();
    consider(held.index, now, out);
  }
  while (!due_.empty() && due_.top().at <= now.wall && in_flight_ < options_.in_flight_most &&
         ++considered < turn_most) {
    const Due due = due_.top();
    due_.pop();
    const Slot& slot = slots_[due.index];
    if (slot.item != nullptr && slot.item->stamp == due.stamp) consider(due.index, now, out);
  }
}

std::optional<MonoTime> BeatCore::next_deadline(Now now) const {
  if (draining_) {
    return dirty_.empty() && warnings_.empty() ? std::nullopt : std::optional{now.mono};
  }
  if (!ready_.empty() || !dirty_.empty() || !watches_.empty() || !warnings_.empty())
    return now.mono;
  std::optional<MonoTime> next;
  if (!held_.empty()) next = held_.top().until;
  if (!due_.empty() && in_flight_ < options_.in_flight_most) {
    const MonoTime due = now.mono + std::max(due_.top().at - now.wall, Micros{0});
    if (!next || due < *next) next = due;
  }
  return next;
}

void BeatCore::notice_clock(Now now) {
  if (last_turn_) {
    const Micros step = (now.wall - last_turn_->wall) - (now.mono - last_turn_->mono);
    if (step > step_told) {
      warnings_.push_back(
          fmt::format("the clock was set forward by {}: what was due meanwhile counts as missed",
                      base::to_text(step)));
    } else if (step < -step_told) {
      warnings_.push_back(fmt::format("the clock was set back by {}: nothing is sent a second time",
                                      base::to_text(-step)));
    }
  }
  last_turn_ = now;
}

void BeatCore::consider(std::uint32_t index, Now now, BeatEffects& out) {
  Item& item = *slots_[index].item;
  if (item.held_until) return;
  for (InFlight& one : item.in_flight) {
    if (!one.is_handed) submit(index, one, out);
  }
  item.is_stalled = is_stalled(item, now);
  if (item.is_stalled) return;
  while (item.runs_begun < item.run_requests &&
         item.in_flight.size() < options_.in_flight_per_entry) {
    const std::uint64_t run = ++item.runs_begun;
    item.in_flight.push_back(
        {run_id(options_.name_space, item.entry.name, run), now.wall, run, now.mono, false});
    ++in_flight_;
    submit(index, item.in_flight.back(), out);
  }
  if (may_send(item)) {
    gather(item, now);
    hand_out(index, now, out);
  }
  note_progress(index);
  plan(index);
}

/// Moves what is due among what waits, and drops what the policy for missed ticks drops.
void BeatCore::gather(Item& item, Now now) {
  const Entry& entry = item.entry;
  const WallTime missed_upto = now.wall - options_.in_time - entry.jitter;
  std::size_t limit = 0;
  if (entry.missed == Missed::last) limit = 1;
  if (entry.missed == Missed::all) limit = entry.missed_limit;

  if (item.cursor < missed_upto) {
    std::vector<WallTime> late = latest_ticks(entry, item.cursor, missed_upto, limit + 1);
    if (late.size() > limit) {
      ++counters_.missed;
      late.erase(late.begin());
    }
    item.waiting.insert(item.waiting.end(), late.begin(), late.end());
    item.cursor = missed_upto;
  }
  std::sort(item.waiting.begin(), item.waiting.end());
  const auto late_end = std::upper_bound(item.waiting.begin(), item.waiting.end(), missed_upto);
  const auto late = static_cast<std::size_t>(late_end - item.waiting.begin());
  if (late > limit) {
    const auto dropped = static_cast<std::ptrdiff_t>(late - limit);
    item.waiting.erase(item.waiting.begin(), item.waiting.begin() + dropped);
    counters_.missed += static_cast<std::uint64_t>(dropped);
  }
  for (auto tick = entry.next(item.cursor); tick && *tick <= now.wall; tick = entry.next(*tick)) {
    if (entry.jitter > Micros{0}) {
      const Uuid id = tick_id(options_.name_space, entry.name, *tick);
      if (*tick + jitter_of(id, entry.jitter) > now.wall) break;
    }
    item.waiting.push_back(*tick);
    item.cursor = *tick;
  }
}

void BeatCore::hand_out(std::uint32_t index, Now now, BeatEffects& out) {
  Item& item = *slots_[index].item;
  std::size_t taken = 0;
  for (; taken < item.waiting.size(); ++taken) {
    const WallTime tick = item.waiting[taken];
    if (item.entry.overlap == Overlap::skip && is_busy(item, now)) {
      ++counters_.overlaps;
      continue;
    }
    if (item.in_flight.size() >= options_.in_flight_per_entry) break;
    const std::optional<std::uint64_t> left = runs_left(item);
    if (left && item.in_flight.size() >= *left) break;
    item.in_flight.push_back(
        {tick_id(options_.name_space, item.entry.name, tick), tick, 0, now.mono, false});
    ++in_flight_;
    submit(index, item.in_flight.back(), out);
  }
  item.waiting.erase(item.waiting.begin(),
                     item.waiting.begin() + static_cast<std::ptrdiff_t>(taken));
}

/// Nobody seems to be there: what comes due is then dealt with as missed, when it is known what
/// became of the first.
bool BeatCore::is_stalled(const Item& item, Now now) const {
  return std::any_of(item.in_flight.begin(), item.in_flight.end(), [&](const InFlight& one) {
    return now.mono - one.since > options_.stalled_after;
  });
}

void BeatCore::submit(std::uint32_t index, InFlight& one, BeatEffects& out) const {
  one.is_handed = true;
  out.submits.push_back({handle_of(index), one.id, one.tick, one.tick + options_.horizon});
}

/// When to look at the entry again.
void BeatCore::plan(std::uint32_t index) {
  Item& item = *slots_[index].item;
  ++item.stamp;  // whatever was planned before
  if (item.held_until) return;
  if (item.runs_begun < item.run_requests && item.in_flight.size() < options_.in_flight_per_entry) {
    ready_.push_back(index);
  }
  if (!may_send(item)) return;
  // An answer makes room, and brings it back here.
  if (!item.waiting.empty() || item.in_flight.size() >= options_.in_flight_per_entry) return;
  if (const auto left = runs_left(item); left && item.in_flight.size() >= *left) return;
  const auto tick = item.entry.next(item.cursor);
  if (!tick) return;
  WallTime at = *tick;
  if (item.entry.jitter > Micros{0}) {
    at += jitter_of(tick_id(options_.name_space, item.entry.name, *tick), item.entry.jitter);
  }
  due_.push({at, index, item.stamp});
}

// ---- answers

std::optional<BeatCore::InFlight> BeatCore::take(Item& item, const Uuid& id) {
  const auto found = std::find_if(item.in_flight.begin(), item.in_flight.end(),
                                  [&](const InFlight& one) { return one.id == id; });
  if (found == item.in_flight.end() || !found->is_handed) return std::nullopt;
  const InFlight one = *found;
  item.in_flight.erase(found);
  return one;
}

void BeatCore::on_accepted(EntryHandle entry, const Uuid& id, Now now) {
  Item* const item = item_of(entry);
  if (item == nullptr || !take(*item, id)) return;
  --in_flight_;
  ++counters_.sent;
  ++item->record.total_run_count;
  item->record.last_run_at = now.wall;
  item->record.last_task_id = to_string(id);
  item->is_busy = item->entry.overlap == Overlap::skip;
  settle(static_cast<std::uint32_t>(static_cast<std::uint64_t>(entry)));
}

void BeatCore::on_refused(EntryHandle entry, const Uuid& id, const std::string& why, Now) {
  Item* const item = item_of(entry);
  if (item == nullptr) return;
  const std::optional<InFlight> one = take(*item, id);
  if (!one) return;
  --in_flight_;
  ++counters_.refused;
  warnings_.push_back(
      fmt::format("{}: the task of {} was refused: {}", item->entry.name, to_text(one->tick), why));
  settle(static_cast<std::uint32_t>(static_cast<std::uint64_t>(entry)));
}

void BeatCore::on_not_sent(EntryHandle entry, const Uuid& id, Now now) {
  Item* const item = item_of(entry);
  if (item == nullptr) return;
  const std::optional<InFlight> one = take(*item, id);
  if (!one) return;
  const auto index = static_cast<std::uint32_t>(static_cast<std::uint64_t>(entry));
  if (one->run != 0) {
    item->in_flight.push_back({one->id, one->tick, one->run, one->since, false});
  } else {
    --in_flight_;
    item->waiting.push_back(one->tick);
  }
  hold(index, now);
}

void BeatCore::on_unknown(EntryHandle entry, const Uuid& id, Now now) {
  Item* const item = item_of(entry);
  if (item == nullptr) return;
  for (InFlight& one : item->in_flight) {
    if (one.id == id) one.is_handed = false;
  }
  hold(static_cast<std::uint32_t>(static_cast<std::uint64_t>(entry)), now);
}

void BeatCore::on_ended(EntryHandle entry, const std::string& task_id, Now) {
  Item* const item = item_of(entry);
  if (item != nullptr && item->record.last_task_id == task_id) item->is_busy = false;
}

/// Its broker was not reached: until it is tried again, ticks only come due.
void BeatCore::hold(std::uint32_t index, Now now) {
  Item& item = *slots_[index].item;
  if (!item.held_until) {
    item.held_until = now.mono + options_.retry_after;
    held_.push({*item.held_until, index, slots_[index].generation});
  }
  ++item.stamp;
}

void BeatCore::settle(std::uint32_t index) {
  Item& item = *slots_[index].item;
  if (runs_left(item) == 0) item.waiting.clear();
  if (!item.is_dirty) {
    item.is_dirty = true;
    dirty_.push_back(index);
  }
  // What waited for room can go; a full house of others may have kept it out, too.
  if (!item.waiting.empty() || item.is_stalled) {
    ready_.push_back(index);
  } else {
    plan(index);
  }
}

/// Ticks were left out or begun: what is kept of the entry may be another.
void BeatCore::note_progress(std::uint32_t index) {
  Item& item = *slots_[index].item;
  if (item.is_dirty || !item.in_flight.empty()) return;  // the answers will
  if (item.record.last_tick && item.cursor <= *item.record.last_tick) return;
  if (!item.waiting.empty()) return;
  item.is_dirty = true;
  dirty_.push_back(index);
}

void BeatCore::write_records(BeatEffects& out) {
  for (const std::uint32_t index : std::exchange(dirty_, {})) {
    Item* const item = slots_[index].item.get();
    if (item == nullptr || !std::exchange(item->is_dirty, false)) continue;
    WallTime upto = item->cursor;
    std::uint64_t answered = item->runs_begun;
    for (const WallTime tick : item->waiting) upto = std::min(upto, tick - Micros{1});
    for (const InFlight& one : item->in_flight) {
      if (one.run == 0) {
        upto = std::min(upto, one.tick - Micros{1});
      } else {
        answered = std::min(answered, one.run - 1);
      }
    }
    if (!item->record.last_tick || *item->record.last_tick < upto) item->record.last_tick = upto;
    item->record.runs_answered = std::max(item->record.runs_answered, answered);
    const bool is_over = item->entry.enabled && runs_left(*item) == 0;
    if (is_over) {
      item->entry.enabled = false;
      notices_.push_back(
          fmt::format("{}: it has run as often as it was to: disabled", item->entry.name));
    }
    out.records.push_back({item->entry.name, item->record, is_over});
  }
}

}  // namespace baozi::beat
