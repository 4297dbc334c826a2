/// \file unsent_queue.hpp
/// Tasks that no broker was given yet, in the order in which they were handed in. They may go to
/// any live broker. Threading: owned by the producer core. Source: delivery.md D7.
#pragma once
#include <cstddef>
#include <deque>
#include <optional>

#include "client/submit_ledger.hpp"

namespace baozi::client {

class UnsentQueue {
 public:
  void push_back(TaskPile&& pile, const SubmitLedger& ledger);
  /// What a broker gave back untouched goes before everything else.
  void push_front(TaskPile&& pile, const SubmitLedger& ledger);

  struct Cut {
    std::size_t tasks_max = 500;
    std::size_t bytes_max = std::size_t{256} << 10U;
    std::size_t task_bytes_max =
        0;  ///< the broker's limit: a larger one is rejected here, not sent
  };
  /// The next tasks for one SUBMIT; empty when none are left. One task may be larger than
  /// `bytes_max`.
  TaskPile take(const Cut& cut, SubmitLedger& ledger, Now now, ProducerEffects& out);

  /// Tells those whose deadline passed that they were not sent; so too, when `unreachable_since` is
  /// set (no broker was reachable since then), those whose patience is over. `why` says what is
  /// wrong with the brokers.
  void expire(Now now, std::optional<MonoTime> unreachable_since, const std::string& why,
              SubmitLedger& ledger, ProducerEffects& out);
  void close(SubmitLedger& ledger, ProducerEffects& out);

  [[nodiscard]] bool empty() const { return piles_.empty(); }
  [[nodiscard]] std::optional<MonoTime> next_deadline(
      std::optional<MonoTime> unreachable_since) const;

 private:
  /// Bounds of what a set of tasks waits for: never later than the truth, exact after `measure`.
  struct Bounds {
    MonoTime deadline = MonoTime::max();
    MonoTime patience = MonoTime::max();  // since + patience, the earliest
    Micros patience_least = Micros::max();
    void note(const Submission& task, const SubmitLedger& ledger);
  };
  struct Pile {
    TaskPile tasks;
    std::size_t next = 0;       // the first that was not taken yet,
    std::size_t next_byte = 0;  // and where its bytes begin
  };
  void note(const TaskPile& pile, const SubmitLedger& ledger);

  std::deque<Pile> piles_;
  Bounds bounds_;
  MonoTime not_before_{};  // of the next look: a bound that was too early must not spin the loop
};

}  // namespace baozi::client
