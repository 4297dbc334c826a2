// The pool of threads: what is submitted completes once, can be taken back until it starts, and
// wakes the loop once.
#include "worker/thread_pool.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "base/system_clock.hpp"
#include "task_bench.hpp"

namespace baozi::worker {
namespace {

using namespace std::chrono_literals;

/// A door that tasks wait at.
class Gate {
 public:
  void open() {
    {
      const std::lock_guard lock{mutex_};
      open_ = true;
    }
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock{mutex_};
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
  }
  [[nodiscard]] bool wait_until_somebody_waits(int count = 1) {
    std::unique_lock lock{mutex_};
    return changed_.wait_for(lock, 20s, [&] { return waiting_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int waiting_ = 0;
};

/// A pool with its loop: waits for notifications as a loop would.
class Loop {
 public:
  explicit Loop(std::size_t threads, std::size_t backlog_max = 4096) {
    Registry registry;
    registry.task("one", [this] { return ++runs; });
    registry.task("gate", [this] { gate.pass(); });
    registry.task("patient", [this](Context& context) {
      started = true;
      while (!context.revoked()) std::this_thread::yield();
      context.check();
    });
    registry.task("soft", [this](Context& context) {
      started = true;
      try {
        while (true) context.check();
      } catch (const SoftTimeLimitExceeded&) {
        context.check();  // it strikes once: there is time to clean up
        return std::string{"cleaned up"};
      }
    });
    registry.task("progress", [](Context& context, int steps) {
      for (int i = 0; i < steps; ++i) context.progress(static_cast<double>(i) / steps);
    });
    registry.task("thread",
                  [] { return std::hash<std::thread::id>{}(std::this_thread::get_id()); });
    table.add(std::move(registry), "this test");
    pool = std::make_unique<ThreadPool>(
        ThreadPool::Options{.threads = threads, .worker_name = "w", .backlog_max = backlog_max},
        [this] { notify(); });
  }
  ~Loop() { gate.open(); }

  Start item(std::string_view name, std::uint64_t token) {
    Start start;
    start.token = Token{token};
    start.definition = table.find(name)->definition;
    start.id = {false, "id"};
    start.name = name;
    start.body =
        name == "progress" ? std::string_view{progress_body} : std::string_view{empty_body};
    return start;
  }
  bool submit(std::string_view name, std::uint64_t token) {
    const Start start = item(name, token);
    return pool->submit({&start, 1}) == 1;
  }

  /// Takes events until `enough`; false after a long time.
  template <class Enough>
  bool run_until(Enough enough) {
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    PoolEvents events;
    while (true) {
      pool->tick(base::mono_now());
      pool->take_events(events);
      for (const std::string& warning : events.warnings) warnings.push_back(warning);
      for (const Ended& ended : events.completions) completed.push_back(ended);
      for (const StateUpdate& update : events.updates) updates.push_back(update);
      if (enough()) return true;
      std::unique_lock lock{mutex};
      auto until = deadline;
      if (const auto due = pool->next_deadline()) {
        until = std::min(until, std::chrono::steady_clock::now() + (*due - base::mono_now()));
      }
      changed.wait_until(lock, until, [&] { return notified; });
      if (std::chrono::steady_clock::now() >= deadline) return false;
      notified = false;
    }
  }
  bool run_until_completed(std::size_t count) {
    return run_until([&] { return completed.size() >= count; });
  }
  void notify() {
    {
      const std::lock_guard lock{mutex};
      notified = true;
      ++notifications;
    }
    changed.notify_all();
  }

  std::atomic<int> runs{0};
  std::atomic<bool> started{false};
  Gate gate;
  TaskTable table;
  const std::string empty_body = pack_body();
  const std::string progress_body = pack_body(1000);
  std::mutex mutex;
  std::condition_variable changed;
  bool notified = false;
  int notifications = 0;
  std::vector<Ended> completed;
  std::vector<StateUpdate> updates;
  std::vector<std::string> warnings;
  std::unique_ptr<ThreadPool> pool;  // last: its threads use all of the above
};

TEST(ThreadPool, EverythingThatIsSubmittedCompletesOnce) {
  Loop loop{3};
  std::size_t submitted = 0;
  while (submitted < 20'000) {
    std::vector<Start> chunk;
    for (std::size_t i = 0; i < 64; ++i) chunk.push_back(loop.item("one", submitted + i + 1));
    const std::size_t taken = loop.pool->submit(chunk);
    submitted += taken;
    if (taken < chunk.size()) {
      ASSERT_TRUE(loop.run_until_completed(submitted - 1000));
    }
  }
  ASSERT_TRUE(loop.run_until_completed(submitted));
  EXPECT_EQ(loop.pool->in_hand(), 0u);
  EXPECT_EQ(static_cast<std::size_t>(loop.runs), submitted);
  std::set<Token> tokens;
  for (const Ended& ended : loop.completed) {
    EXPECT_EQ(ended.verdict, Verdict::success);
    tokens.insert(ended.token);
  }
  EXPECT_EQ(tokens.size(), submitted);
}

TEST(ThreadPool, TasksStartInTheOrderOfSubmission) {
  Loop loop{1};
  for (std::uint64_t i = 1; i <= 100; ++i) ASSERT_TRUE(loop.submit("one", i));
  ASSERT_TRUE(loop.run_until_completed(100));
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(loop.completed[i].token, Token{i + 1});
    EXPECT_EQ(unpack<int>(loop.completed[i].value), static_cast<int>(i) + 1);
  }
}

TEST(ThreadPool, ATaskThatHasNotStartedIsTakenBackAndNeverRuns) {
  Loop loop{1};
  ASSERT_TRUE(loop.submit("gate", 1));
  ASSERT_TRUE(loop.gate.wait_until_somebody_waits());
  ASSERT_TRUE(loop.submit("one", 2));
  ASSERT_TRUE(loop.submit("one", 3));
  EXPECT_EQ(loop.pool->cancel(Token{2}, false), Cancelled::taken_back);
  EXPECT_EQ(loop.pool->cancel(Token{2}, false), Cancelled::unknown);
  EXPECT_EQ(loop.pool->cancel(Token{1}, false), Cancelled::running);
  EXPECT_EQ(loop.pool->cancel(Token{9}, false), Cancelled::unknown);
  EXPECT_EQ(loop.pool->in_hand(), 2u);
  loop.gate.open();
  ASSERT_TRUE(loop.run_until_completed(2));
  EXPECT_EQ(loop.runs, 1);
  EXPECT_EQ(loop.completed[1].token, Token{3});
  EXPECT_EQ(loop.pool->in_hand(), 0u);
}

TEST(ThreadPool, ARunningTaskIsToldThatItIsRevoked) {
  Loop loop{1};
  ASSERT_TRUE(loop.submit("patient", 1));
  while (!loop.started) std::this_thread::yield();
  EXPECT_EQ(loop.pool->cancel(Token{1}, true), Cancelled::running);
  ASSERT_TRUE(loop.run_until_completed(1));
  EXPECT_EQ(loop.completed[0].verdict, Verdict::revoked);
  ASSERT_TRUE(loop.submit("one", 2));  // the next one in the same place is not revoked
  ASSERT_TRUE(loop.run_until_completed(2));
  EXPECT_EQ(loop.completed[1].verdict, Verdict::success);
}

TEST(ThreadPool, ASlowTaskKeepsNothingBackWhileAnotherThreadIsFree) {
  Loop loop{2};
  for (std::uint64_t i = 1; i <= 200; ++i)
    ASSERT_TRUE(loop.submit("one", i));  // the pool learns: short tasks
  ASSERT_TRUE(loop.run_until_completed(200));
  std::vector<Start> chunk{loop.item("gate", 1000)};  // a slow one first, and fast ones behind it
  for (std::uint64_t i = 0; i < 50; ++i) chunk.push_back(loop.item("one", 1001 + i));
  ASSERT_EQ(loop.pool->submit(chunk), chunk.size());
  ASSERT_TRUE(loop.run_until_completed(250)) << "the fast ones wait behind the slow one";
  loop.gate.open();
  ASSERT_TRUE(loop.run_until_completed(251));
}

TEST(ThreadPool, TheLoopIsWokenOnceForAllThatHappensBeforeItLooks) {
  Loop loop{1};
  PoolEvents events;
  loop.pool->take_events(events);
  for (std::uint64_t i = 1; i <= 100; ++i) ASSERT_TRUE(loop.submit("one", i));
  while (loop.runs < 100) std::this_thread::yield();
  ASSERT_TRUE(loop.run_until_completed(100));
  const std::lock_guard lock{loop.mutex};
  EXPECT_GE(loop.notifications, 1);
  EXPECT_LE(loop.notifications, 3);
}

TEST(ThreadPool, UpdatesThatNobodySawAreReplacedAndComeBeforeTheCompletion) {
  Loop loop{1};
  ASSERT_TRUE(loop.submit("progress", 1));
  while (true) {  // the loop is away until the task is done
    const std::lock_guard lock{loop.mutex};
    if (loop.notified) break;
  }
  bool ended_first = false;
  ASSERT_TRUE(loop.run_until([&] {
    ended_first = ended_first || (!loop.completed.empty() && loop.updates.empty());
    return !loop.completed.empty();
  }));
  EXPECT_FALSE(ended_first);
  ASSERT_FALSE(loop.updates.empty());
  EXPECT_LT(loop.updates.size(), 500u);
  EXPECT_EQ(loop.updates.back().token, Token{1});
  EXPECT_EQ(unpack<Value>(loop.updates.back().meta).at("progress"), Value{0.999});
}

TEST(ThreadPool, TakesNoMoreThanItsBacklogHolds) {
  Loop loop{1, 8};
  ASSERT_TRUE(loop.submit("gate", 1));
  ASSERT_TRUE(loop.gate.wait_until_somebody_waits());
  std::vector<Start> chunk;
  for (std::uint64_t i = 2; i < 22; ++i) chunk.push_back(loop.item("one", i));
  EXPECT_EQ(loop.pool->submit(chunk), 8u);
  EXPECT_EQ(loop.pool->submit(chunk), 0u);
  loop.gate.open();
  ASSERT_TRUE(loop.run_until_completed(9));
  EXPECT_EQ(loop.pool->submit({chunk.data() + 8, 1}), 1u);
  ASSERT_TRUE(loop.run_until_completed(10));
}

TEST(ThreadPool, DrainingFinishesEverythingAndTakesNothingNew) {
  Loop loop{1};
  ASSERT_TRUE(loop.submit("gate", 1));
  ASSERT_TRUE(loop.submit("one", 2));
  EXPECT_TRUE(loop.pool->stop(StopMode::drain).empty());
  EXPECT_FALSE(loop.submit("one", 3));
  loop.gate.open();
  ASSERT_TRUE(loop.run_until_completed(2));
  EXPECT_EQ(loop.pool->in_hand(), 0u);
}

TEST(ThreadPool, HandingBackNamesWhatNeverStarted) {
  Loop loop{1};
  ASSERT_TRUE(loop.submit("gate", 1));
  ASSERT_TRUE(loop.gate.wait_until_somebody_waits());
  ASSERT_TRUE(loop.submit("one", 2));
  ASSERT_TRUE(loop.submit("one", 3));
  const std::vector<Token> back = loop.pool->stop(StopMode::hand_back);
  EXPECT_EQ((std::set<Token>{back.begin(), back.end()}), (std::set<Token>{Token{2}, Token{3}}));
  EXPECT_EQ(loop.pool->in_hand(), 1u);
  loop.gate.open();
  ASSERT_TRUE(loop.run_until_completed(1));
  EXPECT_EQ(loop.runs, 0);
}

TEST(ThreadPool, InterruptingTellsWhatRuns) {
  Loop loop{1};
  ASSERT_TRUE(loop.submit("patient", 1));
  while (!loop.started) std::this_thread::yield();
  loop.pool->stop(StopMode::interrupt);
  ASSERT_TRUE(loop.run_until_completed(1));
  EXPECT_EQ(loop.completed[0].verdict, Verdict::revoked);
}

TEST(ThreadPool, CancellingRacesWithStartingAndOneOfThemWins) {
  Loop loop{2};
  std::size_t taken_back = 0;
  for (std::uint64_t token = 1; token <= 5'000; ++token) {
    ASSERT_TRUE(loop.submit("one", token));
    if (loop.pool->cancel(Token{token}, false) == Cancelled::taken_back) ++taken_back;
    if (token % 500 == 0) {
      ASSERT_TRUE(loop.run_until_completed(token - taken_back));
    }
  }
  ASSERT_TRUE(loop.run_until_completed(5'000 - taken_back));
  EXPECT_EQ(static_cast<std::size_t>(loop.runs), 5'000 - taken_back);
  EXPECT_EQ(loop.pool->in_hand(), 0u);
}

/// Looks again and again until it is so; false after a long time.
template <class Condition>
bool eventually(const Loop& loop, Condition so) {
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (std::chrono::steady_clock::now() < deadline) {
    loop.pool->tick(base::mono_now());
    if (so()) return true;
    std::this_thread::sleep_for(1ms);
  }
  return false;
}

TEST(ThreadPool, GrowsWhileItsOnlyThreadIsBusy) {
  Loop loop{1};
  ASSERT_TRUE(loop.submit("gate", 1));
  ASSERT_TRUE(loop.gate.wait_until_somebody_waits());
  ASSERT_TRUE(loop.submit("one", 2));
  EXPECT_EQ(loop.pool->resize(3), 3u);
  EXPECT_EQ(loop.pool->capacity(), 3u);
  ASSERT_TRUE(loop.run_until_completed(1));
  EXPECT_EQ(loop.completed[0].token, Token{2});
  loop.gate.open();
  ASSERT_TRUE(loop.run_until_completed(2));
}

TEST(ThreadPool, ShrinkingLetsWhatRunsFinish) {
  Loop loop{3};
  for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(loop.submit("gate", i));
  ASSERT_TRUE(loop.gate.wait_until_somebody_waits(3));
  EXPECT_EQ(loop.pool->resize(0), 1u) << "one is the least";
  EXPECT_EQ(loop.pool->status().size(), 3u);
  loop.gate.open();
  for (std::uint64_t i = 4; i <= 50; ++i) ASSERT_TRUE(loop.submit("one", i));
  ASSERT_TRUE(loop.run_until_completed(50));
  EXPECT_TRUE(eventually(loop, [&] { return loop.pool->status().size() == 1; }));
}

TEST(ThreadPool, RestartingReplacesEveryThread) {
  Loop loop{2};
  const auto ids = [&] {
    std::set<std::int64_t> found;
    for (const SlotStatus& slot : loop.pool->status()) found.insert(slot.id);
    return found;
  };
  ASSERT_TRUE(eventually(loop, [&] { return ids().size() == 2 && !ids().contains(0); }));
  const std::set<std::int64_t> before = ids();
  loop.pool->restart();
  ASSERT_TRUE(eventually(loop, [&] {
    const std::set<std::int64_t> now = ids();
    return now.size() == 2 && !now.contains(0) &&
           std::none_of(now.begin(), now.end(), [&](auto id) { return before.contains(id); });
  }));
  ASSERT_TRUE(loop.submit("one", 1));
  ASSERT_TRUE(loop.run_until_completed(1));
}

TEST(ThreadPool, TellsWhatEachSlotRuns) {
  Loop loop{2};
  ASSERT_TRUE(loop.submit("gate", 7));
  ASSERT_TRUE(loop.gate.wait_until_somebody_waits());
  std::vector<SlotStatus> slots = loop.pool->status();
  ASSERT_EQ(slots.size(), 2u);
  if (!slots[0].token) std::swap(slots[0], slots[1]);
  EXPECT_EQ(slots[0].token, Token{7});
  EXPECT_NE(slots[0].id, 0);
  EXPECT_GT(micros(slots[0].since), 0);
  EXPECT_FALSE(slots[1].token);
  EXPECT_FALSE(slots[0].leaving);
  loop.gate.open();
  ASSERT_TRUE(loop.run_until_completed(1));
  slots = loop.pool->status();
  EXPECT_FALSE(slots[0].token || slots[1].token);
  EXPECT_EQ(slots[0].executed + slots[1].executed, 1u);
}

TEST(ThreadPool, TerminatingEndsThatTaskOnly) {
  Loop loop{1};
  ASSERT_TRUE(loop.submit("patient", 1));
  while (!loop.started) std::this_thread::yield();
  ASSERT_TRUE(loop.submit("one", 2));
  ASSERT_TRUE(loop.submit("one", 3));
  EXPECT_EQ(loop.pool->terminate(Token{3}, SIGTERM), Terminated::taken_back);
  EXPECT_EQ(loop.pool->terminate(Token{9}, SIGTERM), Terminated::not_here);
  EXPECT_EQ(loop.pool->terminate(Token{1}, SIGTERM), Terminated::told);
  ASSERT_TRUE(loop.run_until_completed(2));
  EXPECT_EQ(loop.completed[0].verdict, Verdict::revoked);
  EXPECT_EQ(loop.completed[1].token, Token{2});
}

TEST(ThreadPool, TheSoftLimitThrowsAtTheNextCheckAndOnlyOnce) {
  Loop loop{1};
  Start start = loop.item("soft", 1);
  start.soft_time_limit = 5ms;
  ASSERT_EQ(loop.pool->submit({&start, 1}), 1u);
  ASSERT_TRUE(loop.run_until_completed(1));
  EXPECT_EQ(loop.completed[0].verdict, Verdict::success);
  EXPECT_EQ(unpack<std::string>(loop.completed[0].value), "cleaned up");
}

TEST(ThreadPool, AfterTheHardLimitTheTaskFailsAndItsSlotGoesOn) {
  Loop loop{1};
  {
    std::string body = pack_body();  // the core's bytes go with the task's end
    Start start = loop.item("gate", 1);
    start.body = body;
    start.time_limit = 5ms;
    ASSERT_EQ(loop.pool->submit({&start, 1}), 1u);
    ASSERT_TRUE(loop.submit("one", 2));
    ASSERT_TRUE(loop.run_until_completed(2));
  }
  // The slot's new thread may be done with the next task before the end of the first one is told.
  if (loop.completed[0].token != Token{1}) std::swap(loop.completed[0], loop.completed[1]);
  EXPECT_EQ(loop.completed[0].token, Token{1});
  EXPECT_EQ(loop.completed[0].verdict, Verdict::failure);
  const FailureText failure = failure_text(loop.completed[0].value);
  EXPECT_EQ(failure.type, "TimeLimitExceeded");
  EXPECT_NE(failure.message.find("5ms"), std::string::npos) << failure.message;
  ASSERT_EQ(loop.warnings.size(), 1u);
  EXPECT_NE(loop.warnings[0].find("task gate"), std::string::npos) << loop.warnings[0];
  EXPECT_EQ(loop.pool->in_hand(), 0u);
  EXPECT_TRUE(loop.pool->is_busy()) << "its thread is in it still";
  const auto slots = loop.pool->status();
  EXPECT_EQ(std::count_if(slots.begin(), slots.end(), [](const auto& one) { return one.stuck; }),
            1);
  loop.gate.open();
  EXPECT_TRUE(eventually(loop, [&] { return loop.pool->status().size() == 1; }));
  EXPECT_FALSE(loop.pool->is_busy());
  ASSERT_TRUE(loop.submit("one", 3));
  ASSERT_TRUE(loop.run_until_completed(3));
  EXPECT_EQ(loop.completed[2].token, Token{3}) << "the late end of the first is told to nobody";
}

TEST(ThreadPool, ATaskThatIsInTimeKeepsItsOwnEnd) {
  Loop loop{2};
  for (std::uint64_t i = 1; i <= 2'000; ++i) {
    Start start = loop.item("one", i);
    start.time_limit = 30s;
    ASSERT_EQ(loop.pool->submit({&start, 1}), 1u);
  }
  ASSERT_TRUE(loop.run_until_completed(2'000));
  for (const Ended& ended : loop.completed) EXPECT_EQ(ended.verdict, Verdict::success);
  EXPECT_TRUE(loop.warnings.empty());
}

TEST(ThreadPool, WithoutAThreadIsRefused) {
  EXPECT_THROW(ThreadPool({.threads = 0}, [] {}), std::invalid_argument);
}

TEST(SoloPool, RunsEveryTaskOnTheSameThread) {
  Loop loop{1};
  loop.pool.reset();
  SoloPool solo{{.threads = 8}, [&] { loop.notify(); }};
  EXPECT_EQ(solo.capacity(), 1u);
  std::vector<Start> chunk;
  for (std::uint64_t i = 1; i <= 50; ++i) chunk.push_back(loop.item("thread", i));
  ASSERT_EQ(solo.submit(chunk), 50u);
  std::set<std::size_t> threads;
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  PoolEvents events;
  while (solo.in_hand() > 0 && std::chrono::steady_clock::now() < deadline) {
    solo.take_events(events);
    for (const Ended& ended : events.completions) threads.insert(unpack<std::size_t>(ended.value));
    std::this_thread::yield();
  }
  EXPECT_EQ(solo.in_hand(), 0u);
  EXPECT_EQ(threads.size(), 1u);
}

}  // namespace
}  // namespace baozi::worker
