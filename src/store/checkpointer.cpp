#include "store/checkpointer.hpp"

#include <chrono>
#include <utility>

namespace baozi::store {
namespace {

// After an attempt that could not finish (no space, a foreign reader) the next waits this long,
// unless asked.
constexpr std::chrono::milliseconds retry_pause{100};

}  // namespace

Checkpointer::Checkpointer(Database db, std::uint32_t pages_start, TransactionGate& gate,
                           Health& health)
    : db_{std::move(db)}, pages_start_{pages_start}, gate_{gate}, health_{health}, thread_{[this] {
        run();
      }} {}

Checkpointer::~Checkpointer() {
  {
    const std::lock_guard guard{mutex_};
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Checkpointer::log_grew(std::uint32_t pages) {
  if (pages < pages_start_ || wanted_.load(std::memory_order_relaxed)) return;
  {
    const std::lock_guard guard{mutex_};
    wanted_.store(true, std::memory_order_relaxed);
  }
  wake_.notify_one();
}

void Checkpointer::catch_up() {
  std::unique_lock lock{mutex_};
  const auto next = attempts_ + 1;
  attempted_.wait(lock, [&] {
    return hindered_ || attempts_ >= next || !wanted_.load(std::memory_order_relaxed);
  });
}

void Checkpointer::make_room() { log_grew(pages_start_); }

void Checkpointer::run() {
  std::unique_lock lock{mutex_};
  while (true) {
    wake_.wait(lock, [this] { return stop_ || wanted_.load(std::memory_order_relaxed); });
    if (stop_) return;
    lock.unlock();
    const Outcome outcome = move_pages();
    lock.lock();
    ++attempts_;
    hindered_ = outcome != Outcome::complete;
    attempted_.notify_all();
    if (outcome == Outcome::failed) return;
    if (outcome == Outcome::partial) {
      wake_.wait_for(lock, retry_pause, [this] { return stop_; });
    }
    wanted_.store(false, std::memory_order_relaxed);
  }
}

Checkpointer::Outcome Checkpointer::move_pages() {
  // Most of the work, beside commits. A second round when many commits came during the first.
  for (int round = 0; round < 2; ++round) {
    const Outcome outcome = checkpoint();
    if (outcome == Outcome::failed) return outcome;
    if (pages_left_ < static_cast<int>(pages_start_ / 8)) break;
  }
  gate_.shut();
  const Outcome outcome = checkpoint();
  gate_.open();
  return outcome;
}

Checkpointer::Outcome Checkpointer::checkpoint() {
  if (health_.failed()) return Outcome::failed;
  int in_log = 0;
  int moved = 0;
  const int code =
      sqlite3_wal_checkpoint_v2(db_.raw(), "main", SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);
  if (code == SQLITE_OK) {
    pages_left_ = in_log - moved;
    return pages_left_ == 0 ? Outcome::complete : Outcome::partial;
  }
  const auto failure = db_.failure("move the log into the file");
  if (is_fatal(failure.error.code)) {
    health_.fail(failure.error);
    return Outcome::failed;
  }
  return Outcome::partial;
}

}  // namespace baozi::store
