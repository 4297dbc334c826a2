/// \file settle_queue.hpp
/// What one broker still has to be told, or has not answered yet: DONE and NACK entries, numbered
/// together from 1 in a session and kept until DONE_OK (delivery.md D11). Threading: owned by one
/// core.
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <utility>

#include "wire/message.hpp"
#include "worker/delivery_table.hpp"

namespace baozi::worker {

class SettleQueue {
 public:
  /// The entry is settled as its `Held` says, with the next flush.
  void push(Slot slot) { unsent_.push_back(slot); }
  /// A new session: entries are numbered anew, and what was not answered will be sent again, oldest
  /// first.
  void restart();

  [[nodiscard]] std::size_t unsent() const { return unsent_.size(); }
  [[nodiscard]] std::size_t unanswered() const { return sent_.size() + parked_.size(); }

  /// Sends everything that is unsent: `send(const wire::Done&)` or `send(const wire::Nack&)`, in
  /// order.
  template <class Send>
  void flush(const DeliveryTable& table, Send&& send) {
    while (!unsent_.empty()) {
      if (table[unsent_.front()].is_nack) {
        gather_nacks(table);
        send(std::as_const(nack_));
      } else {
        gather_dones(table);
        send(std::as_const(done_));
      }
    }
  }

  /// Calls `settled(slot, code)` for each entry that the answer ends. False: it speaks of entries
  /// that were never sent, and nothing was done.
  template <class Ended>
  bool on_done_ok(const wire::DoneOk& answer, Ended&& settled) {
    if (answer.upto > answered_ + sent_.size()) return false;
    std::map<std::uint64_t, wire::Settled> exceptions;
    for (const wire::SettledException& one : answer.exceptions) {
      if (one.entry > answer.upto) return false;
      exceptions[one.entry] = one.code;
    }
    for (const auto& [entry, code] : exceptions) {  // of entries that were held before
      const auto parked = parked_.find(entry);
      if (parked == parked_.end() || code == wire::Settled::held) continue;
      const Slot slot = parked->second;
      parked_.erase(parked);
      settled(slot, code);
    }
    while (answered_ < answer.upto) {
      const Slot slot = sent_.front();
      sent_.pop_front();
      ++answered_;
      wire::Settled code = wire::Settled::ok;
      if (!exceptions.empty()) {
        if (const auto found = exceptions.find(answered_); found != exceptions.end()) {
          code = found->second;
        }
      }
      if (code == wire::Settled::held) {
        parked_.emplace(answered_, slot);
      } else {
        settled(slot, code);
      }
    }
    return true;
  }

  /// Takes out what was sent, unanswered as it is: the seeded bug of D11.
  template <class Ended>
  void forget_sent(Ended&& settled) {
    for (; !sent_.empty(); sent_.pop_front(), ++answered_)
      settled(sent_.front(), wire::Settled::ok);
  }

 private:
  void gather_dones(const DeliveryTable& table);
  void gather_nacks(const DeliveryTable& table);

  std::deque<Slot> unsent_;
  std::deque<Slot> sent_;  // the front is entry `answered_ + 1` of this session
  std::uint64_t answered_ = 0;
  std::map<std::uint64_t, Slot> parked_;  // answered as held: another answer follows
  wire::Done done_;
  wire::Nack nack_;
};

}  // namespace baozi::worker
