#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engines.hpp"
#include "store/memory_result_store.hpp"
#include "store/memory_task_store.hpp"
#include "store/result_store_thread.hpp"
#include "store/task_store_thread.hpp"

namespace baozi::store {
namespace {

using namespace std::chrono_literals;

constexpr std::nullopt_t made = std::nullopt;

/// What a test and the store on the other thread know of each other.
class Script {
 public:
  /// The next commits end so, then all succeed.
  void answer_next(std::vector<std::optional<Errc>> codes) {
    const std::lock_guard guard{mutex_};
    answers_.assign(codes.begin(), codes.end());
  }
  /// Commits wait until resume().
  void hold() {
    const std::lock_guard guard{mutex_};
    held_ = true;
  }
  void resume() {
    const std::lock_guard guard{mutex_};
    held_ = false;
    changed_.notify_all();
  }
  [[nodiscard]] bool wait_for_commits(std::size_t n) {
    std::unique_lock lock{mutex_};
    return changed_.wait_for(lock, 10s, [&] { return sizes_.size() >= n; });
  }
  /// How many batches each commit was asked to make, failed ones included.
  [[nodiscard]] std::vector<std::size_t> sizes() {
    const std::lock_guard guard{mutex_};
    return sizes_;
  }
  /// Called by the store.
  Result<void> commit(std::size_t batches) {
    std::unique_lock lock{mutex_};
    sizes_.push_back(batches);
    changed_.notify_all();
    changed_.wait(lock, [&] { return !held_; });
    if (answers_.empty()) return {};
    const auto code = answers_.front();
    answers_.pop_front();
    if (!code) return {};
    return unexpected(*code, "as the script says");
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::optional<Errc>> answers_;
  std::vector<std::size_t> sizes_;
  bool held_ = false;
};

class ScriptedTaskStore final : public TaskStore {
 public:
  explicit ScriptedTaskStore(Script& script) : script_{script} {}
  Result<void> commit(std::span<const TaskBatch> batches) override {
    if (auto done = script_.commit(batches.size()); !done) return done;
    return inside_.commit(batches);
  }
  Result<std::vector<TaskRow>> load(std::int64_t from, std::int64_t to, std::size_t rows_max,
                                    std::size_t bytes_max) override {
    if (from == damaged_key) return unexpected(Errc::store_corrupt, "damaged");
    return inside_.load(from, to, rows_max, bytes_max);
  }
  Result<std::vector<Record>> records_after(Space space, BytesView after,
                                            std::size_t rows_max) override {
    return inside_.records_after(space, after, rows_max);
  }
  Result<std::vector<PrefixCount>> count_by_prefix(unsigned shift) override {
    return inside_.count_by_prefix(shift);
  }
  std::uint64_t free_bytes() override { return 4711; }
  std::uint64_t reserve_bytes() const override { return 0; }
  static constexpr std::int64_t damaged_key = -666;

 private:
  Script& script_;
  MemoryTaskStore inside_;
};

/// A loop's side of a store thread: waits for events with a deadline.
template <class Thread>
class Loop {
 public:
  using Event = typename Thread::Event;
  Loop(std::unique_ptr<typename Thread::Store> store, const StoreThreadOptions& options)
      : thread_{std::move(store), options, [this] {
                  const std::lock_guard guard{mutex_};
                  ++notified_;
                  wake_.notify_all();
                }} {}

  Thread& thread() { return thread_; }

  /// The next event, which must be an E.
  template <class E>
  E next() {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (events_.empty()) {
      std::unique_lock lock{mutex_};
      if (!wake_.wait_until(lock, deadline, [&] { return notified_ > 0; })) {
        ADD_FAILURE() << "no event within ten seconds";
        return {};
      }
      notified_ = 0;
      lock.unlock();
      take();
    }
    Event event = std::move(events_.front());
    events_.pop_front();
    if (auto* wanted = std::get_if<E>(&event)) return std::move(*wanted);
    ADD_FAILURE() << "another event came: number " << event.index();
    return {};
  }
  [[nodiscard]] bool quiet() {
    take();
    return events_.empty();
  }

 private:
  void take() {
    for (auto& event : thread_.take_events()) events_.push_back(std::move(event));
  }
  std::mutex mutex_;
  std::condition_variable wake_;
  int notified_ = 0;
  std::deque<Event> events_;
  Thread thread_;
};

using TaskLoop = Loop<TaskStoreThread>;
using ResultLoop = Loop<ResultStoreThread>;

constexpr StoreThreadOptions quick{.retry_pause = 1ms, .rest_after = 1ms};

TaskBatch batch(std::uint64_t n, std::size_t rows = 1) {
  TaskBatch filled{.n = n};
  for (std::size_t i = 0; i < rows; ++i) {
    filled.puts.push_back({static_cast<std::int64_t>(n * 1000 + i), "task"});
  }
  return filled;
}

class TaskStoreThreadTest : public ::testing::Test {
 protected:
  TaskLoop start(const StoreThreadOptions& options = quick) {
    return TaskLoop{std::make_unique<ScriptedTaskStore>(script_), options};
  }
  /// Everything that is asked meanwhile waits together.
  template <class Ask>
  void while_a_commit_runs(TaskLoop& loop, Ask&& ask) {
    script_.hold();
    loop.thread().commit(batch(1));
    ASSERT_TRUE(script_.wait_for_commits(1));
    ask();
    script_.resume();
    EXPECT_EQ(loop.next<Persisted>().n_upto, 1U);
  }
  Script script_;
};

TEST_F(TaskStoreThreadTest, ReportsWhatIsOnDiskAndHowMuchRoomIsLeft) {
  auto loop = start();
  loop.thread().commit(batch(7));
  const auto persisted = loop.next<Persisted>();
  EXPECT_EQ(persisted.n_upto, 7U);
  EXPECT_EQ(persisted.free_bytes, 4711U);
}

TEST_F(TaskStoreThreadTest, CommitsThatWaitAreMadeInOneTransaction) {
  auto loop = start();
  while_a_commit_runs(loop, [&] {
    for (std::uint64_t n = 2; n <= 50; ++n) loop.thread().commit(batch(n));
  });
  EXPECT_EQ(loop.next<Persisted>().n_upto, 50U);
  EXPECT_EQ(script_.sizes(), (std::vector<std::size_t>{1, 49}));
}

TEST_F(TaskStoreThreadTest, ATransactionHasALimitInRowsAndInBytes) {
  auto options = quick;
  options.rows_per_commit_max = 20;
  options.bytes_per_commit_max = 48;  // twelve rows of four bytes
  auto loop = start(options);
  while_a_commit_runs(loop, [&] {
    for (std::uint64_t n = 2; n <= 5; ++n) loop.thread().commit(batch(n, 5));
    loop.thread().commit(batch(6, 100));  // alone above both limits, and still made
  });
  EXPECT_EQ(loop.next<Persisted>().n_upto, 3U);
  EXPECT_EQ(loop.next<Persisted>().n_upto, 5U);
  EXPECT_EQ(loop.next<Persisted>().n_upto, 6U);
}

TEST_F(TaskStoreThreadTest, ALoadSeesTheCommitsBeforeItAndNoneAfter) {
  auto loop = start();
  while_a_commit_runs(loop, [&] {
    loop.thread().commit(batch(2));
    loop.thread().load(99, 0, 1'000'000, 100, 1000);
    loop.thread().commit(batch(3));
  });
  EXPECT_EQ(loop.next<Persisted>().n_upto, 2U);
  const auto loaded = loop.next<Loaded>();
  EXPECT_EQ(loaded.request, 99U);
  EXPECT_EQ(loaded.rows, (std::vector<TaskRow>{{1000, "task"}, {2000, "task"}}));
  EXPECT_EQ(loop.next<Persisted>().n_upto, 3U);
}

TEST_F(TaskStoreThreadTest, AnswersEveryKindOfRequest) {
  auto loop = start();
  auto first = batch(1);
  first.records = {{Space::queues, "a", "1"}, {Space::queues, "b", "2"}};
  loop.thread().commit(first);
  loop.thread().records(5, Space::queues, "a", 10);
  loop.thread().count_by_prefix(6, 0);
  EXPECT_EQ(loop.next<Persisted>().n_upto, 1U);
  const auto read = loop.next<RecordsRead>();
  EXPECT_EQ(read.request, 5U);
  EXPECT_EQ(read.records, (std::vector<Record>{{Space::queues, "b", "2"}}));
  const auto counted = loop.next<Counted>();
  EXPECT_EQ(counted.request, 6U);
  EXPECT_EQ(counted.counts, (std::vector<PrefixCount>{{1000, 1, 4, 1000, 1000}}));
}

TEST_F(TaskStoreThreadTest, NoSpaceIsSaidOnceAndTheCommitIsMadeWhenThereIsSome) {
  auto loop = start();
  script_.answer_next(std::vector<std::optional<Errc>>(5, Errc::store_full));
  loop.thread().commit(batch(1));
  EXPECT_EQ(loop.next<CommitStalled>().error.code, Errc::store_full);
  loop.next<CommitResumed>();
  EXPECT_EQ(loop.next<Persisted>().n_upto, 1U);
  EXPECT_EQ(script_.sizes().size(), 6U);
  script_.answer_next({Errc::store_full});
  loop.thread().commit(batch(2));
  loop.next<CommitStalled>();  // a new shortage is said again
  loop.next<CommitResumed>();
  EXPECT_EQ(loop.next<Persisted>().n_upto, 2U);
}

TEST_F(TaskStoreThreadTest, ASmallerTransactionIsTriedBeforeWaitingForSpace) {
  auto loop = start();
  script_.answer_next({made, Errc::store_full, Errc::store_full});
  while_a_commit_runs(loop, [&] {
    for (std::uint64_t n = 2; n <= 9; ++n) loop.thread().commit(batch(n));
  });
  EXPECT_EQ(loop.next<Persisted>().n_upto, 3U);
  EXPECT_EQ(loop.next<Persisted>().n_upto, 7U);
  EXPECT_EQ(loop.next<Persisted>().n_upto, 9U);
  EXPECT_EQ(script_.sizes(), (std::vector<std::size_t>{1, 8, 4, 2, 4, 2}));
}

TEST_F(TaskStoreThreadTest, AFailedCommitIsTheEndAndSaysFromWhereNothingIsConfirmed) {
  auto loop = start();
  while_a_commit_runs(loop, [&] {
    loop.thread().commit(batch(2));
    loop.thread().load(1, 0, 10, 10, 10);
    loop.thread().commit(batch(3));
  });
  EXPECT_EQ(loop.next<Persisted>().n_upto, 2U);
  loop.next<Loaded>();
  EXPECT_EQ(loop.next<Persisted>().n_upto, 3U);
  script_.answer_next({Errc::store_failed});
  loop.thread().commit(batch(4));
  const auto failed = loop.next<CommitFailed>();
  EXPECT_EQ(failed.error.code, Errc::store_failed);
  EXPECT_EQ(failed.from, 4U);
  loop.thread().commit(batch(5));
  loop.thread().stop();
  EXPECT_TRUE(loop.quiet());
  EXPECT_EQ(script_.sizes().size(), 4U) << "nothing may be tried after a failed sync";
}

TEST_F(TaskStoreThreadTest, DamageThatALoadFindsIsTheEndToo) {
  auto loop = start();
  loop.thread().commit(batch(1));
  loop.thread().load(8, ScriptedTaskStore::damaged_key, 0, 10, 10);
  EXPECT_EQ(loop.next<Persisted>().n_upto, 1U);
  const auto request = loop.next<RequestFailed>();
  EXPECT_EQ(request.request, 8U);
  EXPECT_EQ(request.error.code, Errc::store_corrupt);
  EXPECT_EQ(loop.next<CommitFailed>().from, 2U);
}

TEST_F(TaskStoreThreadTest, StoppingMakesTheCommitsThatWait) {
  auto loop = start();
  script_.hold();
  loop.thread().commit(batch(1));
  ASSERT_TRUE(script_.wait_for_commits(1));
  loop.thread().commit(batch(2));
  loop.thread().load(1, 0, 10'000, 10, 1000);
  script_.resume();
  loop.thread().stop();
  EXPECT_EQ(loop.next<Persisted>().n_upto, 1U);
  EXPECT_EQ(loop.next<Persisted>().n_upto, 2U);
  EXPECT_EQ(loop.next<Loaded>().rows.size(), 2U);
}

TEST_F(TaskStoreThreadTest, StoppingDoesNotWaitForSpace) {
  auto options = quick;
  options.retry_pause = 1h;
  auto loop = start(options);
  script_.answer_next({Errc::store_full, Errc::store_full, Errc::store_full});
  loop.thread().commit(batch(1));
  loop.next<CommitStalled>();
  loop.thread().stop();
  const auto failed = loop.next<CommitFailed>();
  EXPECT_EQ(failed.error.code, Errc::store_full);
  EXPECT_EQ(failed.from, 1U);
}

TEST_F(TaskStoreThreadTest, NoCommitIsLostUnderSteadyTraffic) {
  auto loop = start();
  for (std::uint64_t n = 1; n <= 3000; ++n) loop.thread().commit(batch(n));
  std::uint64_t upto = 0;
  while (upto < 3000) {
    const auto n = loop.next<Persisted>().n_upto;
    ASSERT_GT(n, upto);
    upto = n;
  }
  loop.thread().load(1, 0, 1 << 30, 10'000, 1 << 30);
  EXPECT_EQ(loop.next<Loaded>().rows.size(), 3000U);
}

TEST(ResultStoreThread, ReportsCommitsAndLossesByTheirCommit) {
  const auto row = [](const char* id, std::uint64_t number) {
    return ResultRow{.id = TaskId::from_text(id), .number = number};
  };
  ResultLoop loop{std::make_unique<MemoryResultStore>(), quick};
  loop.thread().commit(1, {row("a", 1), row("b", 2)});
  loop.thread().commit(2, {});
  loop.thread().commit(3, {row("c", 3), row("a", 9), row("b", 2)});
  loop.thread().find(77, {TaskId::from_text("a"), TaskId::from_text("zzz")});
  loop.thread().erase(78, {TaskId::from_text("b")});
  loop.thread().expire(79, 100, 100);
  std::vector<StoredLoss> losses;
  for (std::uint64_t upto = 0; upto < 3;) {
    auto stored = loop.next<Stored>();
    upto = stored.upto_seq;
    std::move(stored.losses.begin(), stored.losses.end(), std::back_inserter(losses));
  }
  ASSERT_EQ(losses.size(), 1U);
  EXPECT_EQ(losses[0].seq, 3U);
  EXPECT_EQ(losses[0].index, 1U);
  EXPECT_EQ(losses[0].winner, row("a", 1));
  const auto found = loop.next<Found>();
  EXPECT_EQ(found.request, 77U);
  EXPECT_EQ(found.rows, (std::vector<ResultRow>{row("a", 1)}));
  EXPECT_EQ(loop.next<Erased>().erased, 1U);
  const auto expired = loop.next<Expired>();
  EXPECT_EQ(expired.request, 79U);
  EXPECT_EQ(expired.sweep, (Sweep{.erased = 2, .end_reached = true, .rows = 0, .kept = {}}));
}

TEST(ResultStoreThread, WorksOnAFile) {
  const test::TempDir dir{test::TempDir::fast_parent()};
  const auto url = "sqlite:" + dir / "results.db";
  {
    ResultLoop loop{testing::opened(open_result_store(url)), quick};
    loop.thread().commit(1, {{.id = TaskId::from_text("a"), .record = "r"}});
    EXPECT_EQ(loop.next<Stored>().upto_seq, 1U);
  }
  EXPECT_EQ(testing::opened(open_result_store(url))->count(), 1U);
}

}  // namespace
}  // namespace baozi::store
