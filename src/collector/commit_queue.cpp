#include "collector/commit_queue.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/assert.hpp"

namespace baozi::collector {

namespace {

std::size_t size_of(const store::ResultRow& row) {
  return sizeof(store::ResultRow) + row.record.size() + row.followups.size() + row.origin.size();
}

}  // namespace

CommitQueue::Batch& CommitQueue::gathering(Now now) {
  if (gathering_.empty() || gathering_.back().rows.size() >= options_.rows_max) {
    Batch& batch = gathering_.emplace_back();
    batch.oldest = now.mono;
    batch.rows.reserve(options_.rows_trigger);
  }
  return gathering_.back();
}

std::uint32_t CommitQueue::add(store::ResultRow&& row, Giver giver, std::uint64_t entry, Now now) {
  Batch& batch = gathering(now);
  const auto index = static_cast<std::uint32_t>(batch.rows.size());
  const std::size_t size = size_of(row);
  batch.bytes += size;
  bytes_ += size;
  ++rows_;
  batch.rows.push_back(std::move(row));
  batch.row_count = batch.rows.size();
  if (!batch.spans.empty()) {
    Span& last = batch.spans.back();
    if (last.giver == giver && last.entry + last.count == entry) {
      ++last.count;
      return index;
    }
  }
  batch.spans.push_back({giver, entry, index, 1});
  return index;
}

void CommitQueue::refuse(Giver giver, std::uint64_t entry, std::string text, Now now) {
  gathering(now).refusals.push_back({giver, entry, std::move(text)});
}

void CommitQueue::show(Shown shown) {
  Batch& batch = gathering_.back();
  const std::size_t size =
      sizeof(Shown) + shown.origin.size() + shown.worker.size() + shown.record.size();
  batch.bytes += size;
  bytes_ += size;
  batch.shown.push_back(std::move(shown));
}

std::optional<CommitQueue::Commit> CommitQueue::take(Now now, bool all) {
  while (!gathering_.empty() && outstanding_.size() < options_.outstanding_max) {
    Batch& first = gathering_.front();
    const bool due = all || gathering_.size() > 1 || first.rows.size() >= options_.rows_trigger ||
                     now.mono - first.oldest >= options_.age_trigger;
    if (!due) return std::nullopt;
    Batch& taken = outstanding_.emplace_back(std::move(first));
    gathering_.pop_front();
    if (taken.rows.empty()) continue;  // seq 0: nothing for the store to do
    taken.seq = next_seq_++;
    return Commit{taken.seq, std::move(taken.rows)};
  }
  return std::nullopt;
}

void CommitQueue::take_empty(Completed& out) {
  while (!outstanding_.empty() && outstanding_.front().seq == 0) {
    Batch batch = std::move(outstanding_.front());
    outstanding_.pop_front();
    complete(std::move(batch), {}, true, out);
  }
}

void CommitQueue::on_committed(std::uint64_t seq, const std::vector<store::Loss>& losses,
                               bool tell_losses, Completed& out) {
  take_empty(out);
  BAOZI_ASSERT(!outstanding_.empty() && outstanding_.front().seq == seq);
  Batch batch = std::move(outstanding_.front());
  outstanding_.pop_front();
  bytes_ -= batch.bytes;
  rows_ -= batch.row_count;
  complete(std::move(batch), losses, tell_losses, out);
}

void CommitQueue::complete(Batch&& batch, const std::vector<store::Loss>& losses, bool tell_losses,
                           Completed& out) {
  const std::size_t first_answer = out.answers.size();
  std::unordered_map<std::uint64_t, std::size_t> by_giver;
  const auto answer_for = [&](Giver giver) -> Answer& {
    const auto [at, fresh] =
        by_giver.try_emplace(static_cast<std::uint64_t>(giver), out.answers.size());
    if (fresh) out.answers.push_back({.giver = giver, .upto = 0, .losses = {}});
    return out.answers[at->second];
  };
  for (const Span& span : batch.spans) {
    Answer& answer = answer_for(span.giver);
    answer.upto = std::max(answer.upto, span.entry + span.count - 1);
  }
  for (Refusal& refusal : batch.refusals) {
    Answer& answer = answer_for(refusal.giver);
    answer.upto = std::max(answer.upto, refusal.entry);
    answer.losses.push_back({refusal.entry, wire::Lost::refused, {}, {}, std::move(refusal.text)});
  }
  if (tell_losses) {
    for (const store::Loss& loss : losses) {
      const auto after =
          std::upper_bound(batch.spans.begin(), batch.spans.end(), loss.index,
                           [](std::size_t index, const Span& span) { return index < span.row; });
      BAOZI_ASSERT(after != batch.spans.begin());
      const Span& span = *(after - 1);
      answer_for(span.giver)
          .losses.push_back({span.entry + (loss.index - span.row),
                             wire::Lost::to_winner,
                             loss.winner.record,
                             loss.winner.followups,
                             {}});
    }
  }
  for (std::size_t i = first_answer; i < out.answers.size(); ++i) {
    std::sort(out.answers[i].losses.begin(), out.answers[i].losses.end(),
              [](const Answer::Loss& a, const Answer::Loss& b) { return a.entry < b.entry; });
  }
  for (Shown& shown : batch.shown) out.shown.push_back(std::move(shown));
  out.rows += batch.row_count;
}

std::optional<MonoTime> CommitQueue::next_deadline() const {
  if (gathering_.empty() || outstanding_.size() >= options_.outstanding_max) return std::nullopt;
  return gathering_.front().oldest + options_.age_trigger;
}

}  // namespace baozi::collector
