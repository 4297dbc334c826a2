/// \file store_thread.hpp
/// A store on a thread of its own: requests are served in the order in which they were made, and
/// all commits that wait are made in one transaction (group commit). The loop never waits for the
/// disk. Threading: requests, take_events() and stop() from the owning loop; `notify` is called on
/// the store's thread.
///
/// When there is no space the commits are kept and tried again until there is: nothing that was
/// handed over is lost. When a write or a sync fails, CommitFailed is the last event and the thread
/// ends.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <pthread.h>

#include "base/result.hpp"
#include "store/health.hpp"
#include "store/mailbox.hpp"

namespace baozi::store {

/// No space (or a foreign program writes in the file): commits wait. Said once, until
/// CommitResumed.
struct CommitStalled {
  Error error;
};
/// Commits go on.
struct CommitResumed {};
/// The store is finished: what was reported before is safe, everything from this number on is not
/// confirmed.
struct CommitFailed {
  Error error;
  std::uint64_t from = 0;  ///< number of the first batch that is not reported as committed
};
/// A request other than a commit could not be served. If that was fatal, CommitFailed follows.
struct RequestFailed {
  std::uint64_t request = 0;
  Error error;
};

struct StoreThreadOptions {
  std::size_t rows_per_commit_max = 20'000;
  std::size_t bytes_per_commit_max = std::size_t{32} << 20U;
  /// Between attempts to commit while there is no space.
  std::chrono::milliseconds retry_pause{200};
  /// Right after traffic only; an idle thread sleeps.
  std::chrono::microseconds spin{50};
  /// Idle for this long: the store gives its caches back.
  std::chrono::milliseconds rest_after{2000};
};

/// What a kind of store brings along:
///   Store, Batch, Request (a variant of everything but commits), Event (a variant)
///   number(batch), rows(batch), bytes(batch)
///   commit(store, span<const Batch>) -> Result<Event>
///   serve(store, Request&&) -> Event, which may be a RequestFailed
template <class Kind>
class StoreThread {
 public:
  using Store = typename Kind::Store;
  using Batch = typename Kind::Batch;
  using Request = typename Kind::Request;
  using Event = typename Kind::Event;
  using Options = StoreThreadOptions;

  StoreThread(std::unique_ptr<Store> store, const Options& options, std::function<void()> notify)
      : store_{std::move(store)}, options_{options}, outbox_{std::move(notify)}, thread_{[this] {
          run();
        }} {}
  StoreThread(const StoreThread&) = delete;
  StoreThread& operator=(const StoreThread&) = delete;
  ~StoreThread() { stop(); }

  /// What happened since the last call, in order.
  [[nodiscard]] std::vector<Event> take_events() { return outbox_.take(); }

  /// Serves what was asked so far, closes the store and ends the thread; the events of that can
  /// still be taken. Commits that find no space are not waited for: they end in CommitFailed. Later
  /// requests are dropped.
  void stop() {
    inbox_.close();
    if (thread_.joinable()) thread_.join();
    store_.reset();
  }

 protected:
  void ask(Batch batch) { inbox_.push(Item{std::move(batch)}); }
  void ask(Request request) { inbox_.push(Item{std::move(request)}); }

 private:
  using Item = std::variant<Batch, Request>;

  void run() {
    pthread_setname_np(pthread_self(), "baozi-store");
    bool busy = false;
    while (true) {
      const auto spin = busy ? options_.spin : std::chrono::microseconds{0};
      auto items = inbox_.take(spin, busy ? std::optional{options_.rest_after} : std::nullopt);
      if (!items.empty()) {
        busy = true;
        if (!serve(items)) break;
      } else if (inbox_.closed()) {
        break;
      } else {
        store_->rest();
        busy = false;
      }
    }
    inbox_.close();
  }

  bool serve(std::vector<Item>& items) {
    std::vector<Batch> batches;
    for (auto& item : items) {
      if (auto* batch = std::get_if<Batch>(&item)) {
        batches.push_back(std::move(*batch));
        continue;
      }
      // Reads see every commit that was asked for before them, and none after.
      if (!commit_all(batches)) return false;
      batches.clear();
      Event answer = Kind::serve(*store_, std::move(std::get<Request>(item)));
      const auto* failed = std::get_if<RequestFailed>(&answer);
      const std::optional<Error> fatal = failed != nullptr && is_fatal(failed->error.code)
                                             ? std::optional{failed->error}
                                             : std::nullopt;
      outbox_.push(std::move(answer));
      if (fatal) {
        outbox_.push(CommitFailed{*fatal, last_number_ + 1});
        return false;
      }
    }
    return commit_all(batches);
  }

  bool commit_all(std::span<const Batch> batches) {
    while (!batches.empty()) {
      const std::size_t size = group_size(batches);
      auto done = Kind::commit(*store_, batches.first(size));
      if (done) {
        if (std::exchange(stalled_, false)) outbox_.push(CommitResumed{});
        last_number_ = Kind::number(batches[size - 1]);
        outbox_.push(std::move(*done));
        batches = batches.subspan(size);
        group_max_ = std::max(group_max_, size) * 2;
      } else if (const bool fatal = is_fatal(done.error().code); !fatal && size > 1) {
        group_max_ = size / 2;  // a smaller transaction may find room
      } else if (fatal || !wait_for_space(done.error())) {
        outbox_.push(CommitFailed{done.error(), Kind::number(batches.front())});
        return false;
      }
    }
    return true;
  }

  std::size_t group_size(std::span<const Batch> batches) const {
    std::size_t rows = 0;
    std::size_t bytes = 0;
    std::size_t size = 0;
    for (const auto& batch : batches) {
      rows += Kind::rows(batch);
      bytes += Kind::bytes(batch);
      const bool fits = rows <= options_.rows_per_commit_max &&
                        bytes <= options_.bytes_per_commit_max && size < group_max_;
      if (size > 0 && !fits) break;
      ++size;
    }
    return size;
  }

  bool wait_for_space(const Error& error) {
    if (!std::exchange(stalled_, true)) outbox_.push(CommitStalled{error});
    return !inbox_.pause(options_.retry_pause);
  }

  std::unique_ptr<Store> store_;
  const Options options_;
  Inbox<Item> inbox_;
  Outbox<Event> outbox_;
  std::size_t group_max_ = SIZE_MAX / 4;
  std::uint64_t last_number_ = 0;
  bool stalled_ = false;
  std::thread thread_;
};

}  // namespace baozi::store
