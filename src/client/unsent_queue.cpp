#include "client/unsent_queue.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace baozi::client {

namespace {
constexpr std::size_t merge_below = std::size_t{64}
                                    << 10U;  // small piles become one, so that batches are real
constexpr Micros look_step{5'000};
}  // namespace

void UnsentQueue::Bounds::note(const Submission& task, const SubmitLedger& ledger) {
  const Terms& terms = ledger.terms_of(task);
  deadline = std::min(deadline, task.since + terms.deadline);
  patience = std::min(patience, task.since + terms.patience);
  patience_least = std::min(patience_least, terms.patience);
}

void UnsentQueue::note(const TaskPile& pile, const SubmitLedger& ledger) {
  if (piles_.empty()) bounds_ = {};
  for (const Submission& task : pile.tasks) bounds_.note(task, ledger);
}

void UnsentQueue::push_back(TaskPile&& pile, const SubmitLedger& ledger) {
  if (pile.empty()) return;
  note(pile, ledger);
  if (!piles_.empty() && piles_.back().tasks.packed.size() + pile.packed.size() < merge_below) {
    TaskPile& last = piles_.back().tasks;
    last.packed.append(pile.packed);
    last.tasks.insert(last.tasks.end(), std::make_move_iterator(pile.tasks.begin()),
                      std::make_move_iterator(pile.tasks.end()));
    return;
  }
  piles_.push_back({std::move(pile)});
}

void UnsentQueue::push_front(TaskPile&& pile, const SubmitLedger& ledger) {
  if (pile.empty()) return;
  note(pile, ledger);
  piles_.push_front({std::move(pile)});
}

TaskPile UnsentQueue::take(const Cut& cut, SubmitLedger& ledger, Now now, ProducerEffects& out) {
  TaskPile batch;
  std::set<std::uint64_t>
      uniques;  // no two tasks of a batch have one unique key, or id that counts
  while (!piles_.empty() && batch.tasks.size() < cut.tasks_max) {
    Pile& pile = piles_.front();
    auto& tasks = pile.tasks.tasks;
    const std::size_t first = pile.next;
    const std::size_t first_byte = pile.next_byte;
    bool full = false;
    while (pile.next < tasks.size() && batch.tasks.size() + (pile.next - first) < cut.tasks_max) {
      const std::size_t size = tasks[pile.next].bytes;
      if (size > cut.task_bytes_max) break;
      const std::size_t held = batch.packed.size() + (pile.next_byte - first_byte);
      full = held > 0 && held + size > cut.bytes_max;
      if (full) break;
      const std::uint64_t unique = tasks[pile.next].unique_hash;
      full = unique != 0 && !uniques.insert(unique).second;
      if (full) break;
      ++pile.next;
      pile.next_byte += size;
    }
    batch.packed.append(pile.tasks.packed, first_byte, pile.next_byte - first_byte);
    batch.tasks.insert(
        batch.tasks.end(),
        std::make_move_iterator(tasks.begin() + static_cast<std::ptrdiff_t>(first)),
        std::make_move_iterator(tasks.begin() + static_cast<std::ptrdiff_t>(pile.next)));
    if (full) break;
    if (pile.next < tasks.size() && tasks[pile.next].bytes > cut.task_bytes_max) {
      Submission& task = tasks[pile.next];
      const BytesView packed = BytesView{pile.tasks.packed}.substr(pile.next_byte, task.bytes);
      ++pile.next;
      pile.next_byte += packed.size();
      ledger.rejected(std::move(task), packed, wire::Reason::too_large,
                      "the task has " + std::to_string(packed.size()) +
                          " bytes, its broker takes up to " + std::to_string(cut.task_bytes_max),
                      now, out);
    }
    if (pile.next == tasks.size()) piles_.pop_front();
  }
  return batch;
}

void UnsentQueue::expire(Now now, std::optional<MonoTime> unreachable_since, const std::string& why,
                         SubmitLedger& ledger, ProducerEffects& out) {
  const auto due = next_deadline(unreachable_since);
  if (!due || *due > now.mono) return;
  not_before_ = now.mono + look_step;
  bounds_ = {};
  for (Pile& pile : piles_) {
    auto& tasks = pile.tasks.tasks;
    const auto expired = [&](const Submission& task) {
      if (ledger.deadline_of(task) <= now.mono) return true;
      return unreachable_since &&
             std::max(task.since, *unreachable_since) + ledger.terms_of(task).patience <= now.mono;
    };
    const bool any =
        std::any_of(tasks.begin() + static_cast<std::ptrdiff_t>(pile.next), tasks.end(), expired);
    if (!any) {
      for (std::size_t i = pile.next; i < tasks.size(); ++i) bounds_.note(tasks[i], ledger);
      continue;
    }
    TaskPile kept;
    std::size_t at = pile.next_byte;
    for (std::size_t i = pile.next; i < tasks.size(); ++i) {
      const BytesView packed = BytesView{pile.tasks.packed}.substr(at, tasks[i].bytes);
      at += packed.size();
      if (expired(tasks[i])) {
        ledger.not_sent(tasks[i], packed, wire::Reason::none, why, out);
      } else {
        bounds_.note(tasks[i], ledger);
        kept.add(std::move(tasks[i]), packed);
      }
    }
    pile = {std::move(kept)};
  }
  std::erase_if(piles_, [](const Pile& pile) { return pile.tasks.empty(); });
}

void UnsentQueue::close(SubmitLedger& ledger, ProducerEffects& out) {
  for (const Pile& pile : piles_) {
    std::size_t at = pile.next_byte;
    for (std::size_t i = pile.next; i < pile.tasks.tasks.size(); ++i) {
      const Submission& task = pile.tasks.tasks[i];
      ledger.closed(task, BytesView{pile.tasks.packed}.substr(at, task.bytes), out);
      at += task.bytes;
    }
  }
  piles_.clear();
}

std::optional<MonoTime> UnsentQueue::next_deadline(
    std::optional<MonoTime> unreachable_since) const {
  if (piles_.empty()) return std::nullopt;
  MonoTime due = bounds_.deadline;
  if (unreachable_since) {
    due = std::min(due, std::max(bounds_.patience, *unreachable_since + bounds_.patience_least));
  }
  return std::max(due, not_before_);
}

}  // namespace baozi::client
