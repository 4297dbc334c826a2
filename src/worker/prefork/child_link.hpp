/// \file child_link.hpp
/// The worker's side of one child: what was put into its ring, what of it is answered, and who gets
/// what when it dies. Knows nothing of processes. Threading: the loop's.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "worker/prefork/messages.hpp"
#include "worker/prefork/segment.hpp"

namespace baozi::worker::prefork {

class ChildLink {
 public:
  struct Item {
    Start start;
    MonoTime pushed{};
    bool over = false;       ///< answered, or taken back
    int signal = 0;          ///< sent to end this very task; 0: none
    bool timed_out = false;  ///< … because of its hard limit
  };
  enum class TookBack : std::uint8_t { yes, runs, unknown };

  explicit ChildLink(int memory) : segment_{memory} {}

  /// False: no room. `ring_bell` after the last one.
  bool push(const Start& start, MonoTime now);
  void ring_bell();

  /// Takes what the child has said. False: what it said is no sense, and nothing further from it
  /// can be believed.
  bool collect(std::vector<Ended>& ended, std::vector<StateUpdate>& updates);
  /// The next event of the child wakes the worker.
  void arm() {
    if (segment_->armed.load(std::memory_order_relaxed) == 0) segment_->armed.store(1);
  }

  TookBack take_back(Token token);
  /// All that has not begun, in order; `most` of them at most, the latest ones.
  [[nodiscard]] std::vector<Start> take_back_ready(std::size_t most);
  void interrupt(Token token) { segment_->interrupted.store(static_cast<std::uint64_t>(token)); }
  /// Claims the place of this task, if it is the one that runs: until `release`, the child takes no
  /// other. nullptr otherwise.
  [[nodiscard]] Item* claim(Token token);
  /// The signal has arrived by now; should the process still live, it goes on.
  void release();

  /// What it runs; nullptr when nothing, or what comes next has not begun.
  [[nodiscard]] Item* running();
  /// True when nothing runs, and what comes next was there at that time already.
  [[nodiscard]] bool waits_since(MonoTime time);
  /// When `running()` began; never before it was pushed and never in the future, whatever the child
  /// says.
  [[nodiscard]] MonoTime began(const Item& one, MonoTime now) const;
  /// The process is gone. Splits what it left: what it had begun, and what can be run elsewhere.
  void bury(std::vector<Item>& begun, std::vector<Start>& ready);

  [[nodiscard]] std::size_t live() const { return live_; }
  /// What has not ended, in order.
  template <class Visit>
  void for_each_live(Visit&& visit) const {
    for (std::size_t i = 0; i < size_; ++i) {
      if (const Item& one = item(i); !one.over) visit(one);
    }
  }
  [[nodiscard]] std::uint64_t answered() const { return answered_; }
  [[nodiscard]] bool is_up() const { return segment_->up.load() != 0; }
  [[nodiscard]] Leaving leaving() const;
  /// It says that it crashes, or leaves: what it has not begun it never will.
  [[nodiscard]] bool is_ending() const {
    return segment_->crash.signal.load() != 0 || leaving() != Leaving::no;
  }
  void ask_to_leave();
  [[nodiscard]] const CrashRecord& crash() const { return segment_->crash; }

 private:
  [[nodiscard]] Request& request(std::size_t index) {
    return segment_->requests[(first_ + index) % ring_slots];
  }
  [[nodiscard]] const Request& request(std::size_t index) const {
    return segment_->requests[(first_ + index) % ring_slots];
  }
  [[nodiscard]] Item& item(std::size_t index) { return items_[(first_ + index) % ring_slots]; }
  [[nodiscard]] const Item& item(std::size_t index) const {
    return items_[(first_ + index) % ring_slots];
  }
  [[nodiscard]] std::size_t next_index();
  [[nodiscard]] bool advance(std::uint64_t head);
  void read_update(std::vector<StateUpdate>& updates);

  Mapping segment_;
  Arena arena_;
  ReplyReader replies_;
  /// What is in the places `first_` onwards, each at its place's index. Allocated once: a task
  /// costs no allocation here.
  std::unique_ptr<Item[]> items_ = std::make_unique<Item[]>(ring_slots);
  std::uint64_t first_ = 0;  ///< the oldest that the child has not behind it
  std::size_t size_ = 0;
  std::size_t next_ = 0;  ///< no item before this one is live
  std::size_t live_ = 0;
  std::uint64_t answered_ = 0;
  std::uint32_t update_seen_ = 0;
  Bytes update_;
};

}  // namespace baozi::worker::prefork
