/// \file peer_outbox.hpp
/// Tasks that belong to one other broker and wait durably until it has them, and the lane that
/// brings them there. The lane is a producer whose id and numbers outlive the process: each row is
/// a batch of one task under its own number, so what is sent again after a crash of either side is
/// the same batch and makes no second task. Pure: the owner writes rows and lane in its
/// transactions, tells when they are durable, and carries frames.
///
/// Rows have sequences without gaps, from `first()` up; they are sent in that order once they are
/// durable. A row's number at the peer is its sequence less the *shift*: a row that the peer
/// refused for good spent no number there, so those behind it move up by one, and nothing is sent
/// until that is durable too. Of the rows only the next ones to be sent are in memory.
/// Threading: owned by one core. Time: passed in.
/// Source: delivery.md D4 to D6, D27; docs/protocol.md section 6.
#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "actor/effects.hpp"
#include "actor/link.hpp"
#include "base/ids.hpp"

namespace baozi::actor {

struct OutboxLimits {
  std::uint64_t rows_max = 100'000;  ///< from there on `is_full`: the owner stops giving, if it can
  std::uint64_t bytes_max = std::uint64_t{256} << 20U;
  std::size_t window_rows = 256;  ///< sent and not confirmed
  std::size_t window_bytes = std::size_t{4} << 20U;
  std::size_t memory_rows = 1'024;  ///< at least a window
  std::size_t memory_bytes = std::size_t{8} << 20U;
  Micros backoff_first{20'000};  ///< after the peer had no room; doubles
  Micros backoff_max{1'000'000};
};

/// One task on its way.
struct OutboxRow {
  Bytes origin;               ///< the producer whose result it is
  std::string home;           ///< its home collector; empty: not chosen yet (D21)
  Bytes task;                 ///< packed
  std::int64_t since_us = 0;  ///< when it came into the outbox, wall clock
};
[[nodiscard]] Bytes pack_outbox_row(const OutboxRow& row);
/// Errors: store_corrupt.
[[nodiscard]] Result<OutboxRow> unpack_outbox_row(BytesView bytes);

class PeerOutbox {
 public:
  /// What of the lane is durable, beside the rows.
  struct Lane {
    Uuid origin;             ///< the producer id
    std::uint64_t next = 1;  ///< the next row's sequence
    std::int64_t shift = 0;  ///< a row's sequence less its number
  };
  /// A row that the peer will never take; it is gone from the outbox.
  struct Refused {
    OutboxRow row;
    wire::Reason reason{};
    std::string text;
  };

  /// \param link  nothing: the peer is not to be reached any more; its rows are kept.
  PeerOutbox(std::string endpoint, std::optional<LinkId> link, const Lane& lane,
             const OutboxLimits& limits, Now now, const Rules& rules = {});

  /// At start: what lies in the store. \param bytes  of the rows' packed forms
  void restore(std::uint64_t first, std::uint64_t rows, std::uint64_t bytes);

  // ---- rows
  /// A new row. \return its sequence; the owner writes it, and `lane()`, with the open transaction.
  std::uint64_t push(OutboxRow&& row, std::size_t packed_bytes);
  /// The transaction that is handed over under `n` holds all that was pushed and changed until now.
  void closed(std::uint64_t n);
  void on_persisted(std::uint64_t n);
  /// Rows in [first, next) are waiting; those before it are to be erased.
  [[nodiscard]] std::uint64_t first() const { return first_; }
  [[nodiscard]] const Lane& lane() const { return lane_; }
  /// `lane()` is to be written; `closed` says that it was.
  [[nodiscard]] bool is_lane_dirty() const { return lane_dirty_; }
  [[nodiscard]] std::vector<Refused> take_refused() { return std::exchange(refused_, {}); }

  /// Rows to be read: at most `rows_max` with sequences after `after`. One load at a time.
  struct Load {
    std::uint64_t after;
    std::size_t rows_max;
  };
  [[nodiscard]] std::optional<Load> load();
  /// In order, without gaps. \return false: they are not those that should be there; nothing more
  /// is sent.
  bool on_loaded(std::vector<std::pair<std::uint64_t, Bytes>>&& rows);

  // ---- the lane
  /// \param hello  without the origin.
  void on_connected(wire::Hello hello, Now now, NetEffects& net);
  void on_disconnected(Now now, NetEffects& net);
  void on_frame(BytesView frame, Now now, NetEffects& net);
  /// At the end of every turn: heartbeats, and what is due.
  void turn(Now now, NetEffects& net);
  [[nodiscard]] std::optional<MonoTime> next_deadline() const;
  /// The owner stops: says GOODBYE.
  void close(Now now, NetEffects& net);

  // ---- what it is like
  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  [[nodiscard]] std::optional<LinkId> link_id() const { return link_id_; }
  [[nodiscard]] bool is_open() const { return link_.is_open() && !leaving_; }
  /// Since when it is open, or is not.
  [[nodiscard]] MonoTime since() const { return since_; }
  /// The peer's last word was that it has no room.
  [[nodiscard]] bool is_refused() const { return is_open() && full_; }
  [[nodiscard]] const std::string& peer_name() const { return peer_name_; }
  /// Why the peer's last word was no other; empty: none.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  [[nodiscard]] std::uint64_t rows() const { return lane_.next - first_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] bool is_full() const {
    return rows() >= limits_.rows_max || bytes_ >= limits_.bytes_max;
  }
  /// When the first row came; 0: there is none, or it is not in memory.
  [[nodiscard]] std::int64_t oldest_us() const {
    return memory_.empty() ? 0 : memory_.front().row.since_us;
  }
  struct Counters {
    std::uint64_t sent = 0;
    std::uint64_t confirmed = 0;
    std::uint64_t resent = 0;
    std::uint64_t waited = 0;      ///< times that the peer had no room
    std::uint64_t renumbered = 0;  ///< the peer had forgotten what it took, or we what we sent
  };
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  struct InMemory {
    OutboxRow row;
    std::size_t bytes;
    std::uint64_t frame = 0;  ///< that it was sent with last, in this session
    std::string unreadable;   ///< what the peer said when it could not read that
  };
  [[nodiscard]] std::int64_t number_of(std::uint64_t sequence) const {
    return static_cast<std::int64_t>(sequence) - lane_.shift;
  }
  [[nodiscard]] std::uint64_t sequence_of(std::uint64_t number) const {
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(number) + lane_.shift);
  }
  [[nodiscard]] std::uint64_t memory_end() const { return first_ + memory_.size(); }
  [[nodiscard]] std::uint64_t sendable_end() const;
  /// All but the time to wait.
  [[nodiscard]] bool may_send_next() const;
  void on_welcome(Now now);
  void on_submitted(const wire::Submitted& message, Now now);
  void on_refusal(const wire::BatchRefusal& refusal, Now now);
  void rewind(std::uint64_t sequence);
  void wait(std::uint64_t hint_us, Now now);
  void on_error(const wire::ErrorMessage& message);
  void refuse_unreadable();
  void refuse_first(wire::Reason reason, std::string text);
  void confirm_upto(std::uint64_t number);
  void remove_first();
  void change_shift(std::int64_t shift);
  void send_due(Now now, NetEffects& net);
  void lost(Now now);
  void lose(Now now, NetEffects& net);

  const std::string endpoint_;
  const std::optional<LinkId> link_id_;
  const OutboxLimits limits_;
  const Rules rules_;

  Lane lane_;
  bool lane_dirty_ = false;
  bool shifted_ = false;  ///< and that is not durable yet
  std::uint64_t shifted_n_ = 0;
  std::uint64_t first_ = 1;
  std::uint64_t durable_end_ = 1;
  struct Mark {
    std::uint64_t n;
    std::uint64_t end;
  };
  std::deque<Mark> marks_;       ///< what becomes durable with which transaction
  std::deque<InMemory> memory_;  ///< the first rows
  std::size_t memory_bytes_ = 0;
  std::uint64_t bytes_ = 0;
  bool loading_ = false;
  bool damaged_ = false;
  std::vector<Refused> refused_;

  Link link_;
  bool connected_ = false;
  bool leaving_ = false;
  MonoTime since_{};
  std::string peer_name_;
  std::string trouble_;
  std::uint64_t next_send_ = 1;  ///< in [first, next]; what is before it is with the peer
  std::uint64_t sent_to_ = 1;    ///< the end of what was ever sent
  std::size_t sent_bytes_ = 0;   ///< of [first, next_send)
  bool probing_ = false;         ///< one at a time, until one is confirmed
  bool full_ = false;
  Micros backoff_{0};
  MonoTime blocked_until_{};
  Counters counters_;
  wire::Submitted submitted_;
};

}  // namespace baozi::actor
