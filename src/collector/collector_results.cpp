// Results: taken, shown at once, committed, answered, and shown again where somebody asked for
// that.
#include <algorithm>

#include "collector/collector_core.hpp"
#include "collector/collector_send.hpp"

namespace baozi::collector {

CollectorCore::Taken CollectorCore::take_results(Giver giver, Incarnation incarnation,
                                                 std::uint64_t& entries, wire::OpenFrame& frame,
                                                 Now now, CollectorEffects& out) {
  if (commits_.bytes() > options_.pending_bytes_max) {
    ++counters_.turned_away;
    return Taken::overloaded;
  }
  if (!wire::decode(frame, results_)) {
    ++counters_.malformed;
    return Taken::malformed;
  }
  if (results_.first != entries + 1) {
    ++counters_.out_of_order;
    return Taken::out_of_order;
  }
  for (wire::ResultGroup& group : results_.groups) {
    const auto& standing = watches_.standing(group.origin);
    const bool again =
        std::any_of(standing.begin(), standing.end(), [](const auto& w) { return w.durable; });
    std::size_t kept = 0;
    for (std::size_t i = 0; i < group.entries.size(); ++i) {
      if (!take_entry(giver, incarnation, ++entries, group, group.entries[i], again, now)) continue;
      if (kept != i) group.entries[kept] = group.entries[i];
      ++kept;
    }
    group.entries.resize(kept);
  }
  push_standing(out);
  flush_board(false, out);
  return Taken::yes;
}

bool CollectorCore::take_entry(Giver giver, Incarnation incarnation, std::uint64_t number,
                               const wire::ResultGroup& group, const wire::ResultEntry& entry,
                               bool again, Now now) {
  const wire::RecordView& record = entry.record;
  ++counters_.results;
  if (record.raw.size() > options_.result_bytes_max) {
    ++counters_.refused;
    commits_.refuse(giver, number,
                    "the result has " + std::to_string(record.raw.size()) +
                        " bytes, this collector takes " + std::to_string(options_.result_bytes_max),
                    now);
    return false;
  }
  switch (record.state) {
    case wire::TaskState::success: ++counters_.succeeded; break;
    case wire::TaskState::revoked: ++counters_.revoked; break;
    default: ++counters_.failed; break;
  }
  store::ResultRow row;
  row.id = record.id.to_id();
  row.generation = entry.generation;
  row.state = static_cast<std::uint8_t>(record.state);
  row.number = entry.number;
  row.incarnation = static_cast<std::uint64_t>(incarnation);
  row.finished_us =
      micros(now.wall);  // ours, not the worker's: expiry must not depend on its clock
  row.origin = group.origin;
  row.worker = group.worker;
  row.record = record.raw;
  row.followups = entry.raw_follow_ups;
  const TaskId id = watches_.has_ids() ? row.id : TaskId{};
  const std::uint32_t index = commits_.add(std::move(row), giver, number, now);
  const auto remember = [&](std::uint64_t session, bool wants_durable) {
    commits_.show({.row = index,
                   .session = session,
                   .wants_durable = wants_durable,
                   .origin = Bytes{group.origin},
                   .worker = std::string{group.worker},
                   .number = entry.number,
                   .generation = entry.generation,
                   .record = wants_durable ? Bytes{record.raw} : Bytes{}});
  };
  if (again) remember(0, true);
  if (!watches_.has_ids()) return true;
  const auto* const watchers = watches_.find(id);
  if (watchers == nullptr) return true;
  for (const WatchTable::Watcher& watcher : *watchers) {
    if (!watcher.durable) {
      board_.lay(watcher.session, group.origin, group.worker, entry.number, entry.generation,
                 record.raw);
    }
    remember(watcher.session, watcher.durable);
  }
  watches_.shown(id);
  return true;
}

void CollectorCore::push_standing(CollectorEffects& out) {
  std::erase_if(results_.groups,
                [](const wire::ResultGroup& group) { return group.entries.empty(); });
  // Almost always one producer waits for a whole frame: then its groups are shown as they came.
  const std::vector<WatchTable::Watcher>* all = nullptr;
  bool same = true;
  for (const wire::ResultGroup& group : results_.groups) {
    const auto& watchers = watches_.standing(group.origin);
    if (all == nullptr) all = &watchers;
    same = same && all == &watchers;
  }
  if (all == nullptr) return;
  if (same) {
    if (all->empty()) return;
    results_.first = 0;
    for (wire::ResultGroup& group : results_.groups) {
      for (wire::ResultEntry& entry : group.entries) {
        entry.flags = 0;
        entry.raw_follow_ups = {};
      }
    }
    for (const WatchTable::Watcher& watcher : *all) push(watcher.session, results_, false, out);
    return;
  }
  for (const wire::ResultGroup& group : results_.groups) {
    for (const WatchTable::Watcher& watcher : watches_.standing(group.origin)) {
      for (const wire::ResultEntry& entry : group.entries) {
        board_.lay(watcher.session, group.origin, group.worker, entry.number, entry.generation,
                   entry.record.raw);
      }
    }
  }
}

void CollectorCore::push(std::uint64_t session_number, const wire::ResultMessage& message,
                         bool durable, CollectorEffects& out) {
  actor::Session* const session = sessions_.find(session_number);
  if (session == nullptr) return;
  for (const wire::ResultGroup& group : message.groups) {
    (durable ? counters_.pushed_durable : counters_.pushed) += group.entries.size();
  }
  send(*session, message, out);
}

void CollectorCore::flush_board(bool durable, CollectorEffects& out) {
  if (board_.empty()) return;
  for (const auto& [session, message] : board_.by_session()) {
    // What was laid out may be more than one frame can hold: cut it.
    wire::ResultMessage part;
    std::size_t bytes = 0;
    for (const wire::ResultGroup& group : message.groups) {
      part.groups.push_back({.origin = group.origin, .worker = group.worker, .entries = {}});
      for (const wire::ResultEntry& entry : group.entries) {
        const std::size_t size = entry.record.raw.size() + 32;
        if (bytes > 0 && (bytes + size > frame_fill_bytes ||
                          part.groups.back().entries.size() >= limits::batch_tasks_max)) {
          push(session, part, durable, out);
          part.groups.clear();
          part.groups.push_back({.origin = group.origin, .worker = group.worker, .entries = {}});
          bytes = 0;
        }
        part.groups.back().entries.push_back(entry);
        part.groups.back().entries.back().flags = durable ? wire::flag::result_durable : 0;
        bytes += size;
      }
    }
    push(session, part, durable, out);
  }
  board_.clear();
}

// ---- the store ----

void CollectorCore::commit(Now now, bool all, CollectorEffects& out) {
  while (auto batch = commits_.take(now, all)) out.commits.push_back(std::move(*batch));
  CommitQueue::Completed completed;
  commits_.take_empty(completed);
  answer(completed, {}, now, out);
}

void CollectorCore::on_committed(std::uint64_t seq, std::vector<store::Loss> losses, Now now,
                                 CollectorEffects& out) {
  CommitQueue::Completed completed;
  commits_.on_committed(seq, losses, rules_.d18_winner_decides, completed);
  counters_.committed += completed.rows;
  counters_.lost += losses.size();
  answer(completed, losses, now, out);
  commit(now, false, out);
}

void CollectorCore::on_store_stalled() {
  ++counters_.stalls;
  store_stalled_ = true;
}

void CollectorCore::answer(CommitQueue::Completed& completed,
                           const std::vector<store::Loss>& losses, Now now, CollectorEffects& out) {
  for (const Answer& one : completed.answers) send_stored(one, now, out);
  // Who was shown a loser is shown the winner (D22), whether or not it asked for durable results.
  std::map<std::size_t, const store::ResultRow*> winners;
  for (const store::Loss& loss : losses) winners.emplace(loss.index, &loss.winner);
  const auto lay = [&](std::uint64_t session, const store::ResultRow& row) {
    board_.lay(session, row.origin, row.worker, row.number, row.generation, row.record);
  };
  for (const store::Loss& loss : losses) {
    for (const auto& watcher : watches_.standing(loss.winner.origin))
      lay(watcher.session, loss.winner);
  }
  for (const Shown& shown : completed.shown) {
    if (const auto lost = winners.find(shown.row); lost != winners.end()) {
      if (shown.session != 0) lay(shown.session, *lost->second);
      continue;
    }
    if (!shown.wants_durable) continue;
    const auto show = [&](std::uint64_t session) {
      board_.lay(session, shown.origin, shown.worker, shown.number, shown.generation, shown.record);
    };
    if (shown.session != 0) {
      show(shown.session);
      continue;
    }
    for (const auto& watcher : watches_.standing(shown.origin)) {
      if (watcher.durable) show(watcher.session);
    }
  }
  flush_board(true, out);
}

void CollectorCore::send_stored(const Answer& answer, Now now, CollectorEffects& out) {
  wire::Stored stored;
  std::size_t bytes = 0;
  for (const Answer::Loss& loss : answer.losses) {
    const std::size_t size = loss.record.size() + loss.follow_ups.size() + loss.text.size() + 32;
    if (bytes > 0 &&
        (bytes + size > frame_fill_bytes || stored.losses.size() >= limits::batch_tasks_max)) {
      stored.upto = stored.losses.back().entry;  // cumulative as far as its losses are told
      send(answer.giver, stored, now, out);
      stored.losses.clear();
      bytes = 0;
    }
    stored.losses.push_back({loss.entry, loss.code, loss.record, loss.follow_ups, loss.text});
    bytes += size;
  }
  stored.upto = answer.upto;
  send(answer.giver, stored, now, out);
}

}  // namespace baozi::collector
