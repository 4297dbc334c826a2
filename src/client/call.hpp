/// \file call.hpp
/// One call of one task inside the App: what its handles share with the loop. The loop writes how
/// it ended, once; then it never changes, and handles read it without a lock. Threading: any
/// thread; who may call what stands beside it. Memory: counted by hand, since a shared_ptr's two
/// words and its control block are a third of what a million waiting calls cost.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "baozi/detail/call_handle.hpp"
#include "base/ids.hpp"
#include "client/producer_effects.hpp"

namespace baozi::client {

class CallbackThread;
class Running;
class Waiter;

/// A lock for a few words, of one byte: there is one in every call. Held for nanoseconds.
class TinyLock {
 public:
  void lock() noexcept;
  void unlock() noexcept { flag_.clear(std::memory_order_release); }

 private:
  std::atomic_flag flag_;
};

class Call {
 public:
  enum class Event : std::uint8_t { ended, submitted };

  /// With one reference and one interest, those of the first handle.
  /// \param home  whose loop it belongs to.
  Call(const TaskId& id, Running* home, bool foreign);
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  void retain(std::uint32_t count = 1) noexcept {
    references_.fetch_add(count, std::memory_order_relaxed);
  }
  void release() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  /// Handles and callbacks: while there are any, the result is wanted.
  void add_interest() noexcept { interest_.fetch_add(1, std::memory_order_relaxed); }
  /// True for the last one.
  [[nodiscard]] bool drop_interest() noexcept { return interest_.fetch_sub(1) == 1; }
  /// After `take_up`: then either this sees a dropped interest, or who drops it sees that it was
  /// taken up.
  [[nodiscard]] bool is_wanted() const noexcept { return interest_.load() > 0; }

  [[nodiscard]] TaskId id() const {
    if ((flags() & duplicate_flag) != 0) return *first_;
    return text_id_ ? TaskId::from_text(*text_id_) : TaskId{uuid_};
  }
  [[nodiscard]] Running* home() const { return home_; }
  [[nodiscard]] bool is_foreign() const { return foreign_; }
  [[nodiscard]] Tag tag() noexcept {
    return static_cast<Tag>(reinterpret_cast<std::uintptr_t>(this));
  }
  [[nodiscard]] static Call& of(Tag tag) noexcept {
    return *reinterpret_cast<Call*>(static_cast<std::uintptr_t>(tag));
  }
  /// The loop knows it from here on: a dropped interest must be told.
  void take_up() noexcept { flags_.fetch_or(taken_flag); }
  [[nodiscard]] bool is_taken() const noexcept { return (flags_.load() & taken_flag) != 0; }
  /// True the second time.
  [[nodiscard]] bool was_looked_up() noexcept {
    return (flags_.fetch_or(looked_up_flag) & looked_up_flag) != 0;
  }
  /// Set before it is handed in: its success has no result, so it ends with the confirm.
  void ignore_result() { ignores_result_ = true; }
  [[nodiscard]] bool ignores_result() const { return ignores_result_; }

  // ---- the loop's side
  void confirmed(CallbackThread& callbacks);
  void failed(const SubmitFailure& failure, CallbackThread& callbacks);
  /// Another task holds its unique key: from here on it is that one's call.
  void duplicate_of(const TaskId& first, CallbackThread& callbacks);
  /// \param worker  lives as long as the App's inside.
  void ended(const wire::RecordView& record, const std::string* worker, CallbackThread& callbacks);
  void told_state(std::string_view state, BytesView meta, const std::string* worker,
                  CallbackThread& callbacks);
  /// Nothing more will come. \param why  a literal.
  void closed(const char* why, CallbackThread& callbacks);

  // ---- the handles' side
  [[nodiscard]] bool is_ended() const noexcept { return (flags() & ended_flag) != 0; }
  [[nodiscard]] bool is_submit_known() const noexcept { return (flags() & submitted_flag) != 0; }

  /// After `is_ended`, unless `trouble` or `closed_because` says that it never came so far.
  struct Ending {
    State state = State::pending;
    std::string body;  ///< SUCCESS: the packed value; otherwise packed `[type, message, traceback]`
    std::string name;
    const std::string* worker = nullptr;
    std::int64_t started_us = 0;
    std::int64_t finished_us = 0;
    std::uint32_t retries = 0;
  };
  [[nodiscard]] const Ending& ending() const { return ending_; }

  enum class Problem : std::uint8_t { none, not_sent, rejected, unknown, closed };
  struct Trouble {
    Problem problem = Problem::none;
    wire::Reason reason = wire::Reason::none;
    std::string text;
  };
  /// Why it was not submitted; null when it was, or while that is not known.
  [[nodiscard]] const Trouble* trouble() const {
    return is_submit_known() ? trouble_.get() : nullptr;
  }
  /// After `is_ended`: whether that is what ended it.
  [[nodiscard]] bool is_ended_by_trouble() const noexcept {
    return (flags() & by_trouble_flag) != 0;
  }
  /// After `is_ended`: whether it ended because nobody waits any more, and why; else null.
  [[nodiscard]] const char* closed_because() const {
    return (flags() & closed_flag) != 0 ? closed_because_ : nullptr;
  }
  [[nodiscard]] SubmitState submit_state() const;
  [[nodiscard]] bool is_duplicate() const noexcept { return (flags() & duplicate_flag) != 0; }

  struct Progress {
    State state = State::pending;
    std::string word;
    std::string meta;
    const std::string* worker = nullptr;
  };
  /// The latest that came before the end.
  [[nodiscard]] Progress progress() const;

  /// Tells the waiter when the event happens. False: it has happened, nothing was added.
  bool add_waiter(Waiter& waiter, Event event, std::size_t index = 0);
  /// After this the waiter may go.
  void remove_waiter(const Waiter& waiter);
  /// Runs it once ended, on the callback thread or by the executor; soon, when it has.
  void when_ended(std::function<void()> callback, Executor executor, CallbackThread& callbacks) {
    when(Event::ended, std::move(callback), std::move(executor), callbacks);
  }
  /// The same once it is known what became of handing it in.
  void when_submitted(std::function<void()> callback, Executor executor,
                      CallbackThread& callbacks) {
    when(Event::submitted, std::move(callback), std::move(executor), callbacks);
  }
  /// Runs it for every state that comes before the end, and soon for the latest one that has come.
  using OnState = std::function<void(const std::string& word, const std::string& meta)>;
  void when_told(OnState callback, Executor executor, CallbackThread& callbacks);

 private:
  ~Call() = default;
  void when(Event event, std::function<void()> callback, Executor executor,
            CallbackThread& callbacks);

  struct Listener {
    Event event{};
    Waiter* waiter = nullptr;  // or
    std::size_t index = 0;
    std::function<void()> callback;
    Executor executor;
  };
  static constexpr std::uint32_t submitted_flag = 1;
  static constexpr std::uint32_t ended_flag = 2;
  static constexpr std::uint32_t by_trouble_flag = 4;
  static constexpr std::uint32_t closed_flag = 8;
  static constexpr std::uint32_t taken_flag = 16;
  static constexpr std::uint32_t looked_up_flag = 32;
  static constexpr std::uint32_t duplicate_flag = 64;
  [[nodiscard]] std::uint32_t flags() const noexcept {
    return flags_.load(std::memory_order_acquire);
  }

  /// Raises the flags and tells those that listen. With the lock held, which it gives back.
  void raise(std::uint32_t flags, CallbackThread& callbacks);

  std::atomic<std::uint32_t> references_{1};
  std::atomic<std::uint32_t> interest_{1};
  std::atomic<std::uint32_t> flags_{0};
  mutable TinyLock lock_;
  const bool foreign_;
  bool ignores_result_ = false;
  Uuid uuid_;
  std::unique_ptr<const std::string> text_id_;  // for ids that are no UUID
  std::unique_ptr<const TaskId> first_;         // written before duplicate_flag is raised
  Running* const home_;
  Ending ending_;                                     // written before ended_flag is raised
  std::unique_ptr<Trouble> trouble_;                  // written before submitted_flag is raised
  const char* closed_because_ = nullptr;              // written before closed_flag is raised
  std::unique_ptr<Progress> progress_;                // guarded by lock_
  std::unique_ptr<std::vector<Listener>> listeners_;  // guarded by lock_
  struct StateListener {
    std::shared_ptr<const OnState> callback;  // shared with the calls of it that are under way
    Executor executor;
  };
  std::unique_ptr<std::vector<StateListener>> state_listeners_;  // guarded by lock_
};

/// Packed `[type, message, traceback]` as an error.
[[nodiscard]] TaskError unpack_error(std::string_view packed);

}  // namespace baozi::client
