// Tasks whose id counts as taken until an instant: beat's ticks, imports (delivery.md D26).
#include <algorithm>

#include "base/units.hpp"
#include "broker/broker_core.hpp"

namespace baozi::broker {

void Recovered::add(store::Record&& record) {
  if (const auto mark = OnceTable::unpack(record)) {
    once.push_back(*mark);
  } else if (!count_outbox_row(record)) {
    records.push_back(std::move(record));
  }
}

std::int64_t BrokerCore::once_clock(Now now) const {
  return std::max(once_forgot_us_, micros(now.wall));
}

std::optional<wire::TaskRefusal> BrokerCore::once_refusal(const wire::TaskView& task,
                                                          OnceOfBatch& batch, Now now) {
  const std::int64_t until_us = *task.options.once_until_us;
  const std::int64_t clock_us = once_clock(now);
  const auto refused = [&](wire::Reason reason, std::string text) {
    batch.texts.push_back(std::move(text));
    return wire::TaskRefusal{.index = 0, .reason = reason, .text = batch.texts.back()};
  };
  if (until_us <= clock_us) {
    ++counters_.once_too_late;
    return refused(wire::Reason::too_late,
                   "its once_until had passed " + base::to_text(Micros{clock_us - until_us}) +
                       " before, by the latest time that this broker has seen");
  }
  const Uuid id = OnceTable::digest(task.id);
  const std::optional<std::int64_t> known = once_.until(id);
  const bool taken = known && *known > clock_us;
  if (taken || !batch.ids.insert(id).second) {
    ++counters_.duplicates;
    // The answer is worth a confirm: the mark, and its task with it, may be in a commit that is
    // still open.
    if (taken) batch.holders_n = std::max(batch.holders_n, open_dirty_ ? open_ : open_ - 1);
    return refused(wire::Reason::duplicate, task.id.to_id().to_string());
  }
  if (!batch.passed_on && !once_.has_room_for(batch.ids.size())) {
    ++counters_.once_full;
    batch.ids.erase(id);
    return refused(wire::Reason::memory, "this broker remembers as many ids as it may: " +
                                             std::to_string(once_.marks_max()) + " (--once-max)");
  }
  return std::nullopt;
}

bool BrokerCore::mark_once(const wire::TaskView& task, Now now) {
  const OnceMark mark{OnceTable::digest(task.id), *task.options.once_until_us};
  const std::int64_t clock_us = once_clock(now);
  const std::optional<std::int64_t> known = once_.until(mark.id);
  if (mark.until_us <= clock_us || (known && *known > clock_us)) return false;
  if (once_.size() >=
      2 * once_.marks_max()) {  // only follow-ups come so far: losing them would be worse
    ++counters_.once_unmarked;
    return true;
  }
  once_.add(mark);
  if (rules_.d26_mark_in_transaction) {
    note_record(store::Space::marks, OnceTable::key(mark.id), OnceTable::pack(mark.until_us));
  }
  return true;
}

void BrokerCore::purge_once(Now now) {
  // One piece at a time: the next when the disk has done with this one. Not at once after the
  // start: a machine's clock may be wrong for some seconds then, and what is forgotten is too late
  // for good.
  if (once_.empty() || now.mono < next_once_purge_ || in_flight_ > 0 || draining_) return;
  std::vector<Uuid> gone;
  const std::int64_t clock_us = once_clock(now);
  if (once_.purge(clock_us, gone)) next_once_purge_ = now.mono + options_.once_purge_every;
  if (gone.empty()) return;
  for (const Uuid& id : gone) note_record(store::Space::marks, OnceTable::key(id), std::nullopt);
  urgent_ = urgent_ || now.mono >= next_once_purge_;
  if (!rules_.d26_clock_goes_forward) return;  // the seeded bug
  // Whatever the clock says later, also after a restart: a forgotten id is not taken for a new one.
  once_forgot_us_ = clock_us;
  note_record(store::Space::meta, "clock",
              key_bytes(static_cast<std::uint64_t>(std::max<std::int64_t>(clock_us, 0))));
}

}  // namespace baozi::broker
