/// \file commit_queue.hpp
/// Which results wait for which commit, and who is to be told when it has happened. Gathers rows
/// into batches (speed.md: 1,000 rows, or 5 ms after the oldest), keeps at most two of them with
/// the store, and turns the store's report into answers: per giver a cumulative number and its
/// losses. Threading: owned by the collector's loop. Time: passed in. Source: docs/protocol.md
/// "Results"; delivery.md D18.
#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "store/result_store.hpp"
#include "wire/message.hpp"

namespace baozi::collector {

/// Who handed results in, for as long as one session lasts: a session of ours, or one that a link
/// of ours has at a broker. Never reused, so what is answered late finds nobody rather than
/// somebody else.
enum class Giver : std::uint64_t {};

/// What STORED will say to one giver.
struct Answer {
  struct Loss {
    std::uint64_t entry = 0;
    wire::Lost code{};
    Bytes record;
    Bytes follow_ups;
    std::string text;
  };
  Giver giver{};
  std::uint64_t upto = 0;
  std::vector<Loss> losses;  ///< by entry, ascending
};

/// A copy of a row that somebody wants to see again once it is committed (D22), or replaced by its
/// winner.
struct Shown {
  std::uint32_t row = 0;
  std::uint64_t session = 0;   ///< of the waiter; 0: everybody who watches the row's origin
  bool wants_durable = false;  ///< false: only a different winner is news
  Bytes origin;
  std::string worker;
  std::uint64_t number = 0;
  std::uint32_t generation = 0;
  Bytes record;  ///< empty unless `wants_durable`
};

class CommitQueue {
 public:
  struct Options {
    std::size_t rows_trigger = 1'000;  ///< a batch of so many rows is committed at once
    std::size_t rows_max = 10'000;     ///< rows of one commit; more wait for the next
    Micros age_trigger{5'000};         ///< and any batch when its oldest row is so old
    std::size_t outstanding_max = 2;   ///< batches with the store at a time
  };
  struct Commit {
    std::uint64_t seq = 0;
    std::vector<store::ResultRow> rows;
  };
  struct Completed {
    std::vector<Answer> answers;
    std::vector<Shown> shown;
    std::size_t rows = 0;
  };

  explicit CommitQueue(const Options& options) : options_{options} {}

  /// \return the row's index in its commit, for `show`.
  std::uint32_t add(store::ResultRow&& row, Giver giver, std::uint64_t entry, Now now);
  /// An entry that is not stored at all; it is answered in its place among the giver's others.
  void refuse(Giver giver, std::uint64_t entry, std::string text, Now now);
  /// Remembers that the row that was added last in `row` was or will be shown to somebody.
  void show(Shown shown);

  /// The next batch for the store, when it is time. With `all`: whatever there is.
  [[nodiscard]] std::optional<Commit> take(Now now, bool all);
  /// Batches that needed no store (refusals alone) and stand at the head of the queue: their
  /// answers.
  void take_empty(Completed& out);
  /// The store committed batch `seq`; batches complete in the order in which they were taken.
  void on_committed(std::uint64_t seq, const std::vector<store::Loss>& losses, bool tell_losses,
                    Completed& out);

  [[nodiscard]] std::optional<MonoTime> next_deadline() const;
  [[nodiscard]] bool empty() const { return gathering_.empty() && outstanding_.empty(); }
  /// Rows that the store was not given yet.
  [[nodiscard]] bool is_gathering() const { return !gathering_.empty(); }
  /// Of rows and of the copies that are to be shown again.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t rows() const { return rows_; }

 private:
  struct Span {  // entries of one giver that follow each other, and the rows that they became
    Giver giver{};
    std::uint64_t entry = 0;
    std::uint32_t row = 0;
    std::uint32_t count = 0;
  };
  struct Refusal {
    Giver giver{};
    std::uint64_t entry = 0;
    std::string text;
  };
  struct Batch {
    std::uint64_t seq = 0;
    std::vector<store::ResultRow> rows;
    std::vector<Span> spans;
    std::vector<Refusal> refusals;
    std::vector<Shown> shown;
    std::size_t row_count = 0;
    std::size_t bytes = 0;
    MonoTime oldest{};
    [[nodiscard]] bool empty() const { return spans.empty() && refusals.empty(); }
  };
  Batch& gathering(Now now);
  static void complete(Batch&& batch, const std::vector<store::Loss>& losses, bool tell_losses,
                       Completed& out);

  Options options_;
  std::uint64_t next_seq_ = 1;
  std::deque<Batch> gathering_;  // only the last one still grows
  std::deque<Batch> outstanding_;
  std::size_t bytes_ = 0;
  std::size_t rows_ = 0;
};

}  // namespace baozi::collector
