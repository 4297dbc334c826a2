/// \file beat_core.hpp
/// What a beat decides: which tick of which entry is sent when, which is left out, what is kept of
/// that. No clock, socket, file or chance: the same events give the same effects. Source:
/// docs/beat.md.
///
/// An entry's ticks go through three stages. *Due*: the wall clock has reached them. *Waiting*:
/// they are to be sent; those that were due more than `in_time` ago by the entry's policy for
/// missed ones. *In flight*: handed to the shell, and not answered. What was not sent waits again;
/// what may or may not have been taken is sent again under the same id, which the broker takes
/// once.
///
/// Threading: one owner.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "beat/schedule/entry.hpp"
#include "store/schedule_store.hpp"

namespace baozi::beat {

struct BeatOptions {
  Uuid name_space{};
  Micros horizon{std::chrono::hours{24}};  ///< from a tick: so long its id counts at the broker
  Micros in_time{1'000'000};               ///< a tick that is later than this was missed
  Micros retry_after{500'000};      ///< after a broker was not reached, until an entry tries again
  Micros stalled_after{2'000'000};  ///< unanswered for so long: later ticks of the entry wait
  Micros forgotten_after{std::chrono::hours{24}};  ///< a task of unknown outcome counts as ended
  std::size_t in_flight_per_entry = 100;
  std::size_t in_flight_most = 5'000;
};

/// An entry as the shell names it; stale once the entry was removed.
enum class EntryHandle : std::uint64_t {};

struct BeatEffects {
  struct Submit {
    EntryHandle entry{};
    Uuid id;
    WallTime tick{};        ///< what `expires` counts from
    WallTime once_until{};  ///< the id counts until then
  };
  /// How did that task end? To be answered with `on_ended`.
  struct Watch {
    EntryHandle entry{};
    std::string task_id;
  };
  std::vector<Submit> submits;
  std::vector<Watch> watches;
  std::vector<store::EntryProgress> records;
  std::vector<std::string> notices;
  std::vector<std::string> warnings;

  void clear() {
    submits.clear();
    watches.clear();
    records.clear();
    notices.clear();
    warnings.clear();
  }
};

class BeatCore {
 public:
  struct Counters {
    std::uint64_t sent = 0;      ///< tasks that a broker has
    std::uint64_t missed = 0;    ///< ticks, or rows of them, that were left out as due too long ago
    std::uint64_t overlaps = 0;  ///< ticks that were left out because the last task had not ended
    std::uint64_t refused = 0;   ///< tasks that a broker did not want
  };

  explicit BeatCore(BeatOptions options) : options_{options} {}

  /// From now on it sends ticks of these. Entries that it had go on where they are, unless their
  /// schedule was changed: that begins now. Those that are not among `entries` are gone.
  void set_entries(std::vector<store::StoredEntry> entries, Now now);
  /// Another beat leads: nothing is sent, and everything is forgotten until `set_entries`.
  void stop();
  /// Sends nothing more; answers are still taken.
  void drain() { draining_ = true; }

  // ---- answers to Submit
  void on_accepted(EntryHandle entry, const Uuid& id, Now now);
  /// No broker took it, and none will.
  void on_not_sent(EntryHandle entry, const Uuid& id, Now now);
  /// A broker may have it.
  void on_unknown(EntryHandle entry, const Uuid& id, Now now);
  void on_refused(EntryHandle entry, const Uuid& id, const std::string& why, Now now);
  /// A task of the entry has ended, however.
  void on_ended(EntryHandle entry, const std::string& task_id, Now now);

  void turn(Now now, BeatEffects& out);
  /// When `turn` has something to do, as far as the clock goes; nullopt: never.
  [[nodiscard]] std::optional<MonoTime> next_deadline(Now now) const;

  /// nullptr: it is gone. Until the next `set_entries`.
  [[nodiscard]] const Entry* find(EntryHandle entry) const;
  /// The end of its tasks is to be told.
  [[nodiscard]] bool wants_end(EntryHandle entry) const;
  [[nodiscard]] std::size_t entries() const { return by_name_.size(); }
  [[nodiscard]] std::size_t in_flight() const { return in_flight_; }
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  struct InFlight {
    Uuid id;
    WallTime tick{};
    std::uint64_t run = 0;   // the request that it answers; 0: a tick
    MonoTime since{};        // when it was handed out first
    bool is_handed = false;  // the shell has it
  };
  struct Item {
    Entry entry;
    EntryRecord record;
    std::uint64_t run_requests = 0;
    std::uint64_t runs_begun = 0;
    std::uint32_t stamp = 0;  // of what stands in `due_`; older ones are void
    WallTime cursor{};        // ticks up to here are waiting, in flight or dealt with
    std::vector<WallTime> waiting;
    std::vector<InFlight> in_flight;
    std::optional<MonoTime> held_until;  // its broker was not reached
    bool is_busy = false;                // `record.last_task_id` is not known to have ended
    bool is_stalled = false;             // an answer brings it back
    bool is_dirty = false;
  };
  struct Slot {
    std::unique_ptr<Item> item;
    std::uint32_t generation = 0;
  };
  struct Due {
    WallTime at;
    std::uint32_t index;
    std::uint32_t stamp;
    bool operator<(const Due& other) const { return at > other.at; }  // the earliest on top
  };
  struct Held {
    MonoTime until;
    std::uint32_t index;
    std::uint32_t generation;
    bool operator<(const Held& other) const { return until > other.until; }
  };

  [[nodiscard]] EntryHandle handle_of(std::uint32_t index) const;
  [[nodiscard]] Item* item_of(EntryHandle entry) const;
  std::uint32_t add(store::StoredEntry&& stored, Now now);
  void change(std::uint32_t index, store::StoredEntry&& stored, Now now);
  void watch_last(std::uint32_t index, Now now);
  [[nodiscard]] static std::optional<std::uint64_t> runs_left(const Item& item);
  [[nodiscard]] static bool may_send(const Item& item);
  [[nodiscard]] bool is_busy(const Item& item, Now now) const;
  void notice_clock(Now now);
  void send_due(Now now, BeatEffects& out);
  void consider(std::uint32_t index, Now now, BeatEffects& out);
  void gather(Item& item, Now now);
  void hand_out(std::uint32_t index, Now now, BeatEffects& out);
  void submit(std::uint32_t index, InFlight& one, BeatEffects& out) const;
  [[nodiscard]] bool is_stalled(const Item& item, Now now) const;
  void plan(std::uint32_t index);
  void hold(std::uint32_t index, Now now);
  void settle(std::uint32_t index);
  void note_progress(std::uint32_t index);
  [[nodiscard]] static std::optional<InFlight> take(Item& item, const Uuid& id);
  void write_records(BeatEffects& out);

  BeatOptions options_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::unordered_map<std::string, std::uint32_t> by_name_;
  std::priority_queue<Due> due_;
  std::priority_queue<Held> held_;
  std::vector<std::uint32_t> ready_;  // to be considered in the next turn, whatever the clock says
  std::vector<std::uint32_t> dirty_;
  std::vector<BeatEffects::Watch> watches_;
  std::vector<std::string> notices_;
  std::vector<std::string> warnings_;
  std::size_t in_flight_ = 0;
  bool draining_ = false;
  std::optional<Now> last_turn_;
  Counters counters_;
};

}  // namespace baozi::beat
