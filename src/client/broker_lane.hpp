/// \file broker_lane.hpp
/// The batches that went to one broker: their numbers, what is not confirmed yet, what must be sent
/// again.
///
/// A batch is *outstanding* from when it was sent until its answer; only the broker can say what
/// became of it, so it stays here whatever happens (D7). A refused one, or one that WELCOME shows
/// was never taken, is *untaken*: it is sent again under the next free number, merged with nothing,
/// or given back for another broker. It is *doubtful* when the broker restarted meanwhile: before
/// that it may have handed the tasks out while their commit was under way (D10, D15), so they stay
/// with it all the same and are never said not to exist. Numbers in the lane always rise from front
/// to back, so an answer names one batch. Threading: owned by the producer core. Time: passed in.
/// Source: delivery.md D4 to D8; docs/protocol.md "SUBMIT".
#pragma once
#include <deque>
#include <optional>

#include "base/random.hpp"
#include "base/rules.hpp"
#include "client/submit_ledger.hpp"

namespace baozi::client {

struct LaneLimits {
  std::size_t tasks_max = 32'768;  ///< unconfirmed at one broker
  std::size_t bytes_max = std::size_t{32} << 20U;
  Micros backoff_first{2'000};  ///< after FULL, when the broker gives no hint; doubles
  Micros backoff_max{1'000'000};
};

class BrokerLane {
 public:
  struct Batch {
    std::uint64_t number = 0;
    bool outstanding = false;
    bool again = false;     ///< it was sent before
    bool doubtful = false;  ///< an earlier start of the broker may have taken it
    std::uint64_t flags = 0;
    std::string home;
    TaskPile pile;
    std::size_t window_bytes = 0;
    std::size_t window_tasks = 0;
    MonoTime deadline = MonoTime::max();       ///< the earliest of those that were not told yet
    wire::Reason reason = wire::Reason::none;  ///< why it was refused last
  };

  BrokerLane(const LaneLimits& limits, SubmitLedger& ledger, const Rules& rules)
      : limits_{limits}, ledger_{ledger}, rules_{rules} {}

  /// Room for a new batch, and nothing that must go before it.
  [[nodiscard]] bool has_room(Now now) const;
  /// FULL was the last word: nothing is sent until the backoff is over.
  [[nodiscard]] bool is_blocked(Now now) const { return now.mono < blocked_until_; }
  [[nodiscard]] std::size_t unconfirmed_tasks() const { return tasks_; }
  [[nodiscard]] std::size_t unconfirmed_bytes() const { return bytes_; }
  [[nodiscard]] bool has_untaken() const { return untaken_ > 0; }

  /// A new batch; `next_to_send` will give it out.
  void add(TaskPile&& pile, std::string home, std::uint64_t flags);
  /// The next batch to be sent, now outstanding under its number; nullptr when there is none or the
  /// lane is blocked.
  const Batch* next_to_send(Now now);

  /// The session opened: settles what the broker has, and marks the rest as untaken.
  /// \param epoch  counts the broker's starts.
  void on_welcome(const std::optional<wire::ProducerResume>& resume, std::uint64_t epoch, Now now,
                  ProducerEffects& out);
  void on_submitted(const wire::Submitted& message, Random& random, Now now, ProducerEffects& out);
  /// The session is over: what is outstanding waits for the next WELCOME.
  void on_lost() { blocked_until_ = {}; }

  /// Takes out what the broker is known not to have, for another broker.
  void recall(TaskPile& pile);
  void expire(Now now, ProducerEffects& out);
  [[nodiscard]] std::optional<MonoTime> next_deadline(bool session_open) const;
  /// Untaken ones are told `closed`, outstanding and doubtful ones `unknown`.
  void close(ProducerEffects& out);

 private:
  void confirm_upto(std::uint64_t number, ProducerEffects& out);
  void on_refusal(const wire::BatchRefusal& refusal, Random& random, Now now, ProducerEffects& out);
  void on_rejected(Batch& batch, const wire::BatchRefusal& refusal, Now now, ProducerEffects& out);
  /// An untaken batch goes on without those whose callers were told already.
  void take_out_told(Batch& batch);
  void refill(Batch& batch, TaskPile&& pile);
  void leave_window(const Batch& batch);
  void measure(Batch& batch);
  /// \param until  of the tasks whose deadline lies at or before it; MonoTime::max() for all.
  void tell_unknown(Batch& batch, MonoTime until, ProducerEffects& out);
  void tell_not_sent(Batch& batch, MonoTime until, ProducerEffects& out);
  void drop_empty();
  [[nodiscard]] bool is_regular() const;

  const LaneLimits limits_;
  SubmitLedger& ledger_;
  const Rules rules_;
  std::deque<Batch> batches_;  ///< by number; a number stays with a batch until it is sent again
  std::uint64_t floor_ = 0;    ///< the number before the first batch
  std::uint64_t epoch_ = 0;    ///< of the last WELCOME; 0: there was none
  bool confirmed_any_ =
      false;  ///< this broker has committed something of ours, so it has a row for us
  std::size_t tasks_ = 0;
  std::size_t bytes_ = 0;
  std::size_t untaken_ = 0;
  MonoTime deadline_ = MonoTime::max();  ///< the earliest of all batches, or earlier
  MonoTime not_before_{};                ///< of the next look for passed deadlines
  MonoTime blocked_until_{};
  Micros backoff_{};
};

}  // namespace baozi::client
