/// \file checkpointer.hpp
/// Moves committed pages from SQLite's log (FILE-wal) into the file, on a thread and a connection
/// of its own: a checkpoint inside a commit would stall that commit by 100 ms. The log starts again
/// from its beginning only when everything in it was moved, and under steady commits that moment
/// never comes by itself; so the last, small step is done while the owner waits at the gate.
/// Threading: made, nudged and destroyed by the store's owner; the thread inside talks to nobody
/// else.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "store/health.hpp"
#include "store/sqlite_db.hpp"

namespace baozi::store {

/// The owner's transactions, reads included, pass it one at a time; the checkpointer may shut it
/// for a moment. A read that is open while the last pages are moved would keep the log from
/// starting again. The checkpointer is let in before the next transaction, however fast those
/// follow each other.
class TransactionGate {
 public:
  void enter() {
    const std::lock_guard turn{turnstile_};
    gate_.lock();
  }
  void leave() { gate_.unlock(); }
  void shut() {
    turnstile_.lock();
    gate_.lock();
  }
  void open() {
    gate_.unlock();
    turnstile_.unlock();
  }

 private:
  std::mutex turnstile_;
  std::mutex gate_;
};

class Checkpointer {
 public:
  /// \param db           a connection of its own, already used for a SELECT: SQLite 3.40's
  /// wal_checkpoint on
  ///                     a connection that has read nothing yet does nothing and says OK.
  /// \param pages_start  length of the log, in pages, at which its pages are moved.
  Checkpointer(Database db, std::uint32_t pages_start, TransactionGate& gate, Health& health);
  ~Checkpointer();
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;

  /// The log has this many pages now. Cheap; called after every commit.
  void log_grew(std::uint32_t pages);
  /// Waits for the attempt that is under way: the log grows faster than its pages can be moved, and
  /// must stay bounded. Does not wait when moving is not possible just now (a foreign reader, no
  /// space).
  void catch_up();
  [[nodiscard]] std::uint32_t pages_start() const { return pages_start_; }
  /// A commit found no room: space inside the log is the first that can be had.
  void make_room();

 private:
  enum class Outcome : std::uint8_t { complete, partial, failed };

  void run();
  Outcome move_pages();
  Outcome checkpoint();

  Database db_;
  std::uint32_t pages_start_;
  TransactionGate& gate_;
  Health& health_;
  int pages_left_ = 0;  // in the log and not yet moved, after the last checkpoint()

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable attempted_;
  std::atomic<bool> wanted_{false};
  std::uint64_t attempts_ = 0;
  bool hindered_ = false;  // the last attempt could not move everything, or there will be none
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace baozi::store
