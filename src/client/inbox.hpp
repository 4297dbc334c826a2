/// \file inbox.hpp
/// What callers hand to the App's loop: tasks, packed where they will be sent from, and requests.
/// The way in for a million tasks a second: one short lock each, and one wake for all that come
/// while the loop sleeps. Threading: `take` and `may_sleep` for who steers the loop; the rest from
/// any thread.
#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "client/call.hpp"
#include "client/helm.hpp"
#include "client/submission.hpp"

namespace baozi::client {

class ProducerCore;

class Inbox {
 public:
  struct Limits {
    std::size_t tasks_max = 100'000;  ///< handed in and not settled
    std::size_t bytes_max = std::size_t{64} << 20U;
  };
  /// Something to do on the loop.
  using Request = std::function<void(ProducerCore& core, Now now, ProducerEffects& out)>;

  explicit Inbox(const Limits& limits) : limits_{limits} {}

  enum class Put : std::uint8_t {
    yes,
    wake,    ///< yes, and the loop sleeps: interrupt it
    full,    ///< no room: nothing was taken
    closed,  ///< nothing was taken
  };
  struct Task {
    Call* call = nullptr;
    std::string_view name;
    std::string_view queue;
    BytesView options;  ///< packed map; empty: none
    BytesView body;
    std::shared_ptr<const Terms> terms;  ///< null: the App's own
    MonoTime since{};
    bool sync = false;
    bool once = false;
    std::uint64_t key_hash = 0;
    std::uint64_t unique_hash = 0;
  };
  /// \param limit_times  1, or 2 for callers that cannot wait.
  Put put(const Task& task, std::size_t limit_times = 1);
  Put put(Request request);
  /// The caller of a task no longer wants its result. The reference to the call goes with it.
  void put_dropped(Call& call);

  struct Taken {
    TaskPile pile;
    std::vector<Request> requests;
    std::vector<Call*> dropped;
  };
  /// Empties it. \param open_tasks  how many (and bytes) the core has that are not settled, without
  /// these.
  void take(Taken& taken, std::size_t open_tasks, std::size_t open_bytes);
  /// False when there is something to take. Otherwise the next `put` says `wake`.
  [[nodiscard]] bool may_sleep();

  /// Tells it once there is room, or at once (false: nothing was added).
  bool add_waiter(Waiter& waiter);
  /// The same once everything that was handed in is settled.
  bool add_settle_waiter(Waiter& waiter);
  void remove_waiter(const Waiter& waiter);
  void close();

 private:
  [[nodiscard]] bool has_room(std::size_t limit_times) const {
    return open_tasks_ < limits_.tasks_max * limit_times &&
           open_bytes_ < limits_.bytes_max * limit_times;
  }
  Put done() { return std::exchange(sleeping_, false) ? Put::wake : Put::yes; }

  const Limits limits_;
  std::mutex mutex_;  // guards everything below
  TaskPile pile_;
  std::vector<Request> requests_;
  std::vector<Call*> dropped_;
  std::vector<Waiter*> waiters_;  // for room
  std::vector<Waiter*> settle_waiters_;
  std::size_t open_tasks_ = 0;
  std::size_t open_bytes_ = 0;
  bool sleeping_ = false;
  bool closed_ = false;
};

}  // namespace baozi::client
