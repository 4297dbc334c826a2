/// \file submit_ledger.hpp
/// What becomes of every task that was handed in: each is told its fate exactly once, leaves the
/// count of open tasks, and its awaited result is given up when the task does not exist. Also the
/// refused ones that are to be tried again after their interval. Threading: owned by the producer
/// core. Source: delivery.md D5, D7.
#pragma once
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/producer_effects.hpp"
#include "client/result_table.hpp"
#include "client/submission.hpp"

namespace baozi::client {

struct SubmitCounters {
  std::uint64_t submitted = 0;
  std::uint64_t confirmed = 0;
  std::uint64_t late_confirms = 0;  ///< after the caller was told `unknown`
  std::uint64_t not_sent = 0;
  std::uint64_t rejected = 0;
  std::uint64_t unknown = 0;
  std::uint64_t duplicates = 0;  ///< another task held the unique key, or the id
  std::uint64_t closed = 0;
  std::uint64_t retried = 0;  ///< refused for a reason that may pass, and tried again
  std::uint64_t batches_full = 0;
  std::uint64_t batches_out_of_sequence = 0;
  std::uint64_t batches_rejected = 0;
  std::uint64_t batches_resent = 0;
  std::uint64_t batches_recalled = 0;  ///< known not to be taken, and given to another broker
};

class SubmitLedger {
 public:
  SubmitLedger(const Terms& terms, ResultTable& results) : terms_{terms}, results_{results} {}

  [[nodiscard]] const Terms& terms_of(const Submission& task) const {
    return task.terms ? *task.terms : terms_;
  }
  [[nodiscard]] MonoTime deadline_of(const Submission& task) const {
    return task.since + terms_of(task).deadline;
  }

  void opened(const Submission& task);
  void confirmed(const Submission& task, BytesView packed, ProducerEffects& out);
  /// It may exist; it stays where it is and is only marked as told.
  void unknown(Submission& task, BytesView packed, ProducerEffects& out);
  void not_sent(const Submission& task, BytesView packed, wire::Reason reason, std::string text,
                ProducerEffects& out);
  void closed(const Submission& task, BytesView packed, ProducerEffects& out);
  /// A broker refused it. When the reason may pass and its terms allow another try, it rests here
  /// until then.
  void rejected(Submission&& task, BytesView packed, wire::Reason reason, std::string_view text,
                Now now, ProducerEffects& out);

  /// Another task holds its unique key, or there is one of its id (D26): its caller waits for that
  /// one.
  void duplicate(const Submission& task, BytesView packed, const TaskId& first,
                 ProducerEffects& out);

  /// Ids whose results have to be asked for since they were confirmed: see `confirmed`.
  [[nodiscard]] std::vector<TaskId> take_watched() { return std::exchange(watched_, {}); }
  [[nodiscard]] bool has_watched() const { return !watched_.empty(); }

  /// Moves those whose interval is over to the pile; those whose deadline passed are not sent.
  void take_due(Now now, TaskPile& pile, ProducerEffects& out);
  void close_resting(ProducerEffects& out);
  [[nodiscard]] std::optional<MonoTime> next_deadline() const;
  [[nodiscard]] bool has_resting() const { return !resting_.empty(); }

  /// Tasks that were handed in and whose caller does not know their fate yet.
  [[nodiscard]] std::size_t open_tasks() const { return open_tasks_; }
  [[nodiscard]] std::size_t open_bytes() const { return open_bytes_; }
  SubmitCounters counters;

 private:
  struct Resting {
    Submission task;
    Bytes packed;
    wire::Reason reason{};
    std::string text;
  };
  void fail(const Submission& task, BytesView packed, Fate fate, wire::Reason reason,
            std::string text, ProducerEffects& out);
  void settled(const Submission& task);

  const Terms terms_;
  ResultTable& results_;
  std::multimap<MonoTime, Resting> resting_;
  std::vector<TaskId> watched_;
  std::size_t open_tasks_ = 0;
  std::size_t open_bytes_ = 0;
};

/// The id of a packed task; `packed` was made by this process.
[[nodiscard]] wire::IdView id_of(BytesView packed);
/// True for refusals that another try may not meet.
[[nodiscard]] bool may_pass(wire::Reason reason);

}  // namespace baozi::client
