// Coroutine tasks on their thread: timers, descriptors, others' ends, how they are ended early, and
// what becomes of their frames.
#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/system_clock.hpp"
#include "task_bench.hpp"
#include "worker/coroutine/coroutine_runner.hpp"
#include "worker/coroutine/mixed_pool.hpp"
#include "worker/thread_pool.hpp"

namespace baozi::worker {
namespace {

using namespace std::chrono_literals;

constexpr Micros for_ever{600'000'000};

/// Two ends of a connection within the process.
class Pair {
 public:
  Pair() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds_), 0); }
  ~Pair() {
    for (const int fd : fds_) close(fd);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
  [[nodiscard]] int ours() const { return fds_[0]; }
  [[nodiscard]] int theirs() const { return fds_[1]; }
  void say(char word) const { EXPECT_EQ(write(fds_[0], &word, 1), 1); }

 private:
  int fds_[2] = {-1, -1};
};

/// Something that ends on another thread, as an AsyncResult does: whoever awaits it is resumed by
/// whoever calls `end`.
class Remote {
 public:
  struct Awaiter {
    Remote* remote;
    [[nodiscard]] bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiting) const { remote->park(waiting); }
    int await_resume() const {
      if (remote->fails) throw std::runtime_error{"remote"};
      return 7;
    }
  };
  struct Awaitable {
    Remote* remote;
    Awaiter operator co_await() const { return {remote}; }
  };

  [[nodiscard]] bool wait_until_parked(std::size_t count) {
    std::unique_lock lock{mutex_};
    return changed_.wait_for(lock, 20s, [&] { return parked_.size() >= count; });
  }
  void end() {
    std::vector<std::coroutine_handle<>> all;
    {
      const std::lock_guard lock{mutex_};
      all.swap(parked_);
    }
    std::thread{[&] {
      for (const auto one : all) one.resume();
    }}.join();
  }
  bool fails = false;

 private:
  void park(std::coroutine_handle<> waiting) {
    {
      const std::lock_guard lock{mutex_};
      parked_.push_back(waiting);
    }
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::coroutine_handle<>> parked_;
};

}  // namespace
}  // namespace baozi::worker

template <>
inline constexpr bool baozi::owns_its_wait<baozi::worker::Remote::Awaitable> = true;

namespace baozi::worker {
namespace {

/// Counts those of its kind that live.
struct Alive {
  explicit Alive(std::atomic<int>& count) : count_{count} { ++count_; }
  ~Alive() { --count_; }
  Alive(const Alive&) = delete;
  Alive& operator=(const Alive&) = delete;

 private:
  std::atomic<int>& count_;
};

Task<int> twice(int n) { co_return 2 * n; }
Task<int> boom(Context& context) {
  co_await context.sleep(1us);
  throw std::out_of_range{"boom"};
}
Task<std::string> joined(Context& context, const std::string& a, std::string b) {
  co_await context.sleep(1ms);
  co_return a + b;
}

/// A pool with its loop: waits for notifications as a loop would.
class CoroutineTest : public testing::Test {
 protected:
  CoroutineTest() {
    Registry registry;
    registry.task("twice", twice);
    registry.task("joined", joined, {"a", "b"});
    registry.task("nothing", []() -> Task<void> { co_return; });
    registry.task("sleep", [](Context& context, int us) -> Task<int> {
      co_await context.sleep(std::chrono::microseconds{us});
      co_return us;
    });
    registry.task("patient", [this](Context& context) -> Task<void> {
      const Alive alive{living};
      ++started;
      co_await context.sleep(1h);
    });
    registry.task("deep", [](Context& context, int calls) -> Task<int> {
      struct Down {
        static Task<int> to(Context& at, int n) {
          if (n == 0) {
            co_await at.sleep(0us);
            co_return 0;
          }
          co_return 1 + co_await to(at, n - 1);
        }
      };
      co_return co_await Down::to(context, calls);
    });
    registry.task("many", [](int calls) -> Task<int> {
      int sum = 0;
      for (int i = 0; i < calls; ++i) sum += co_await twice(1);
      co_return sum;
    });
    registry.task("boom", [](Context& context) -> Task<int> { co_return co_await boom(context); });
    registry.task("caught", [](Context& context) -> Task<std::string> {
      std::string what;
      try {
        co_await boom(context);
      } catch (const std::out_of_range& error) {
        what = error.what();
      }
      co_await context.sleep(1us);
      co_return what;
    });
    registry.task("read", [this](int fd, int timeout_us) -> Task<std::string> {
      ++started;
      if (timeout_us < 0) {
        if (!co_await readable(fd)) co_return "never";
      } else if (!co_await readable(fd, std::chrono::microseconds{timeout_us})) {
        co_return "timed out";
      }
      char word = '?';
      co_return read(fd, &word, 1) == 1 ? std::string{word} : "end";
    });
    registry.task("write", [](int fd) -> Task<bool> { co_return co_await writable(fd, 10min); });
    registry.task("remote", [this](Context& context) -> Task<bool> {
      const Alive alive{living};
      const auto thread = std::this_thread::get_id();
      const int seven = co_await Remote::Awaitable{&remote};
      context.check();
      co_return seven == 7 && thread == std::this_thread::get_id();
    });
    registry.task("retry", [](Context& context) -> Task<void> {
      co_await context.sleep(1us);
      context.retry(3s, "later");
    });
    registry.task("reject", [](Context& context) -> Task<void> {
      co_await context.sleep(1us);
      context.reject("no");
    });
    registry.task("snooze", [](Context& context) -> Task<void> {
      co_await context.sleep(1us);
      context.snooze(2s);
    });
    registry.task("ignore", [](Context& context) -> Task<void> {
      co_await context.sleep(1us);
      context.ignore();
    });
    registry.task("follow", [](Context& context) -> Task<void> {
      context.progress(0.5);
      co_await context.sleep(1us);
      context.enqueue("next", 1);
    });
    registry.task("soft", [](Context& context) -> Task<std::string> {
      std::string said;
      try {
        co_await context.sleep(1h);
      } catch (const SoftTimeLimitExceeded&) {
        said = "cleaned up";
      }
      co_await context.sleep(1us);  // it strikes once
      context.check();
      co_return said;
    });
    registry.task("stubborn", [this](Context& context) -> Task<int> {
      const Alive alive{living};
      while (true) {
        try {
          co_await context.sleep(1h);
        } catch (const TimeLimitExceeded&) {
          ++struck;
        } catch (const Revoked&) {
          ++struck;
          co_return 1;
        }
      }
    });
    registry.task("hog", [this](Context& context) -> Task<void> {
      ++started;
      while (!released) std::this_thread::yield();
      co_await context.sleep(1us);
    });
    registry.task("function", [this] {
      while (!released) std::this_thread::yield();
      return 5;
    });
    table.add(std::move(registry), "this test");
    start_pool(CoroutineRunner::Options{.worker_name = "w"});
  }
  ~CoroutineTest() override {
    released = true;
    pool.reset();  // it notifies
  }

  void start_pool(CoroutineRunner::Options options) {
    const auto notify = [this] {
      {
        const std::lock_guard lock{mutex_};
        notified_ = true;
      }
      changed_.notify_all();
    };
    pool = std::make_unique<MixedPool>(
        std::make_unique<ThreadPool>(ThreadPool::Options{.threads = 1, .worker_name = "w"}, notify),
        std::make_unique<CoroutineRunner>(std::move(options), notify));
  }

  template <class... Args>
  Token submit(std::string_view name, const Args&... args) {
    return submit_with(Start{}, name, args...);
  }
  template <class... Args>
  Token submit_with(Start start, std::string_view name, const Args&... args) {
    start.token = Token{++last_};
    start.definition = table.find(name)->definition;
    start.id = {false, "id-1"};
    start.name = name;
    bodies_.push_back(std::make_unique<std::string>(pack_body(args...)));
    start.body = *bodies_.back();
    EXPECT_EQ(pool->submit({&start, 1}), 1U);
    return start.token;
  }

  /// Looks at what happens until `enough`.
  [[nodiscard]] bool loop_until(const std::function<bool()>& enough) {
    const MonoTime deadline = base::mono_now() + Micros{30'000'000};
    while (true) {
      pool->tick(base::mono_now());
      pool->take_events(events_);
      for (Ended& one : events_.completions) ended[one.token] = std::move(one);
      for (StateUpdate& one : events_.updates) updates.push_back(std::move(one));
      for (std::string& one : events_.warnings) warnings.push_back(std::move(one));
      if (enough()) return true;
      if (base::mono_now() > deadline) return false;
      std::unique_lock lock{mutex_};
      changed_.wait_for(lock, 5ms, [&] { return notified_; });
      notified_ = false;
    }
  }
  const Ended& end_of(Token token) {
    EXPECT_TRUE(loop_until([&] { return ended.contains(token); }));
    return ended[token];
  }
  template <class T>
  T value_of(Token token) {
    const Ended& one = end_of(token);
    EXPECT_EQ(one.verdict, Verdict::success);
    return one.verdict == Verdict::success ? unpack<T>(one.value) : T{};
  }

  TaskTable table;
  std::map<Token, Ended> ended;
  std::vector<StateUpdate> updates;
  std::vector<std::string> warnings;
  std::atomic<int> started{0};
  std::atomic<int> living{0};
  std::atomic<int> struck{0};
  std::atomic<bool> released{false};
  Remote remote;
  std::unique_ptr<MixedPool> pool;

 private:
  std::uint64_t last_ = 0;
  std::vector<std::unique_ptr<std::string>> bodies_;
  PoolEvents events_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool notified_ = false;
};

TEST_F(CoroutineTest, ReturnsWhatItsCoroutineReturns) {
  EXPECT_EQ(value_of<int>(submit("twice", 21)), 42);
  EXPECT_EQ(end_of(submit("nothing")).value, pack(Value{}));
}

TEST_F(CoroutineTest, ArgumentsLiveAsLongAsItDoes) {
  const std::string longer(100, 'x');
  EXPECT_EQ(value_of<std::string>(submit("joined", longer, std::string{"y"})), longer + "y");
  EXPECT_EQ(value_of<std::string>(submit("joined", std::string{"a"}, arg("b") = "b")), "ab");
}

TEST_F(CoroutineTest, ArgumentsThatDoNotFitNeverReachIt) {
  const Ended& end = end_of(submit("twice", "text"));
  EXPECT_EQ(end.verdict, Verdict::failure);
  EXPECT_TRUE(end.permanent);
  EXPECT_EQ(failure_text(end.value).type, "baozi::ArgumentError");
}

TEST_F(CoroutineTest, ASleepLastsItsTimeAndHoldsUpNobody) {
  const MonoTime begin = base::mono_now();
  const Token slow = submit("sleep", 50'000);
  const Token quick = submit("sleep", 1);
  EXPECT_EQ(value_of<int>(quick), 1);
  EXPECT_EQ(value_of<int>(slow), 50'000);
  EXPECT_GE(base::mono_now() - begin, Micros{50'000});
  EXPECT_GE(ended[slow].ran, Micros{50'000});
}

TEST_F(CoroutineTest, ThousandsWaitOnOneThread) {
  std::vector<Token> all;
  for (int i = 0; i < 5'000; ++i) all.push_back(submit("sleep", 100'000 + i));
  EXPECT_TRUE(loop_until([&] { return ended.size() == all.size(); }));
  EXPECT_EQ(pool->in_hand(), 0U);
  EXPECT_FALSE(pool->is_busy());
}

TEST_F(CoroutineTest, CallsOfCoroutinesDoNotGrowTheStack) {
  EXPECT_EQ(value_of<int>(submit("deep", 20'000)), 20'000);
  EXPECT_EQ(value_of<int>(submit("many", 200'000)), 400'000);
}

TEST_F(CoroutineTest, WhatItThrowsIsItsFailureWithTypeAndStack) {
  const Ended& end = end_of(submit("boom"));
  EXPECT_EQ(end.verdict, Verdict::failure);
  const FailureText text = failure_text(end.value);
  EXPECT_EQ(text.type, "std::out_of_range");
  EXPECT_EQ(text.message, "boom");
  EXPECT_NE(text.traceback, "");
}

TEST_F(CoroutineTest, WhatACoroutineThrowsReachesWhoAwaitsIt) {
  EXPECT_EQ(value_of<std::string>(submit("caught")), "boom");
}

TEST_F(CoroutineTest, RetryRejectSnoozeAndIgnoreMeanWhatTheyMeanInAFunction) {
  const Ended& retry = end_of(submit("retry"));
  EXPECT_EQ(retry.verdict, Verdict::retry);
  EXPECT_EQ(retry.delay, Micros{3'000'000});
  EXPECT_EQ(end_of(submit("reject")).verdict, Verdict::reject);
  const Ended& snooze = end_of(submit("snooze"));
  EXPECT_EQ(snooze.verdict, Verdict::snooze);
  EXPECT_EQ(snooze.delay, Micros{2'000'000});
  EXPECT_EQ(end_of(submit("ignore")).verdict, Verdict::ignore);
}

TEST_F(CoroutineTest, TellsItsProgressAndEnqueuesFollowUps) {
  const Token token = submit("follow");
  EXPECT_FALSE(end_of(token).follow_ups.empty());
  ASSERT_EQ(updates.size(), 1U);
  EXPECT_EQ(updates[0].state, "PROGRESS");
}

TEST_F(CoroutineTest, WaitsUntilADescriptorIsReadable) {
  const Pair pair;
  const Token token = submit("read", pair.theirs(), -1);
  ASSERT_TRUE(loop_until([&] { return started == 1; }));
  EXPECT_FALSE(ended.contains(token));
  pair.say('!');
  EXPECT_EQ(value_of<std::string>(token), "!");
}

TEST_F(CoroutineTest, SeveralMayWaitForOneDescriptorEitherWay) {
  const Pair pair;
  const Token first = submit("read", pair.theirs(), -1);
  const Token second = submit("read", pair.theirs(), -1);
  EXPECT_TRUE(value_of<bool>(submit("write", pair.theirs())));
  ASSERT_TRUE(loop_until([&] { return started == 2; }));
  EXPECT_TRUE(ended.size() == 1);
  shutdown(pair.ours(), SHUT_WR);
  EXPECT_EQ(value_of<std::string>(first), "end");
  EXPECT_EQ(value_of<std::string>(second), "end");
}

TEST_F(CoroutineTest, ADescriptorThatStaysSilentTimesOut) {
  const Pair pair;
  EXPECT_EQ(value_of<std::string>(submit("read", pair.theirs(), 1'000)), "timed out");
  EXPECT_EQ(value_of<std::string>(submit("read", pair.theirs(), 0)), "timed out");
  pair.say('!');
  EXPECT_EQ(value_of<std::string>(submit("read", pair.theirs(), 0)), "!");
}

TEST_F(CoroutineTest, ANumberThatIsNoOpenDescriptorIsAnError) {
  for (const int fd : {-1, 1'000'000}) {
    const FailureText text = failure_text(end_of(submit("read", fd, 1'000)).value);
    EXPECT_EQ(text.type, "std::system_error") << fd;
    EXPECT_NE(text.message.find("descriptor " + std::to_string(fd)), std::string::npos);
  }
}

TEST_F(CoroutineTest, AFileIsAlwaysReadable) {
  const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(value_of<std::string>(submit("read", fd, -1)), "\x7f");
  close(fd);
}

TEST_F(CoroutineTest, ANumberThatWasClosedAndIsUsedAgainIsAnotherDescriptor) {
  auto pair = std::make_unique<Pair>();
  const int fd = pair->theirs();
  const Token lost = submit("read", fd, -1);  // its descriptor goes without a word
  ASSERT_TRUE(loop_until([&] { return started == 1; }));
  pair = std::make_unique<Pair>();
  const Token token = submit("read", pair->theirs(), -1);
  ASSERT_TRUE(loop_until([&] { return started == 2; }));
  pair->say('!');
  pair->say('!');
  EXPECT_EQ(value_of<std::string>(token), "!");
  EXPECT_EQ(pool->cancel(lost, true) == Cancelled::unknown, ended.contains(lost));
}

TEST_F(CoroutineTest, WhatEndsOnAnotherThreadResumesItOnItsOwn) {
  const Token one = submit("remote");
  const Token two = submit("remote");
  ASSERT_TRUE(remote.wait_until_parked(2));
  remote.end();
  EXPECT_TRUE(value_of<bool>(one));
  EXPECT_TRUE(value_of<bool>(two));
}

TEST_F(CoroutineTest, WhatFailsOnAnotherThreadIsThrownWhereItIsAwaited) {
  remote.fails = true;
  const Token token = submit("remote");
  ASSERT_TRUE(remote.wait_until_parked(1));
  remote.end();
  EXPECT_EQ(failure_text(end_of(token).value).message, "remote");
}

TEST_F(CoroutineTest, WhatEndsAfterItsCoroutineHarmsNobody) {
  const Token token = submit("remote");
  ASSERT_TRUE(remote.wait_until_parked(1));
  EXPECT_EQ(pool->cancel(token, true), Cancelled::running);
  EXPECT_EQ(end_of(token).verdict, Verdict::revoked);
  EXPECT_EQ(living, 0);
  const Token next = submit("remote");
  ASSERT_TRUE(remote.wait_until_parked(2));
  remote.end();
  EXPECT_TRUE(value_of<bool>(next));
}

TEST_F(CoroutineTest, WhatEndsAfterTheRunnerHarmsNobody) {
  submit("remote");
  ASSERT_TRUE(remote.wait_until_parked(1));
  pool.reset();
  EXPECT_EQ(living, 0);
  remote.end();
}

TEST_F(CoroutineTest, ARevokeReachesItWhereItWaits) {
  const Pair pair;
  const Token sleeper = submit("patient");
  const Token reader = submit("read", pair.theirs(), -1);
  ASSERT_TRUE(loop_until([&] { return started == 2; }));
  EXPECT_EQ(pool->cancel(sleeper, false), Cancelled::running);  // only asked for
  EXPECT_EQ(pool->cancel(sleeper, true), Cancelled::running);
  EXPECT_EQ(pool->terminate(reader, 15), Terminated::told);
  EXPECT_EQ(end_of(sleeper).verdict, Verdict::revoked);
  EXPECT_EQ(end_of(reader).verdict, Verdict::revoked);
  EXPECT_EQ(pool->cancel(sleeper, true), Cancelled::unknown);
}

TEST_F(CoroutineTest, ARevokeIsThrownAndMayBeCaught) {
  const Token token = submit("stubborn");
  ASSERT_TRUE(loop_until([&] { return living == 1; }));
  pool->cancel(token, true);
  EXPECT_EQ(value_of<int>(token), 1);
}

TEST_F(CoroutineTest, TheSoftLimitStrikesOnceWhereItWaits) {
  const Token token = submit_with({.soft_time_limit = Micros{20'000}}, "soft");
  EXPECT_EQ(value_of<std::string>(token), "cleaned up");
}

TEST_F(CoroutineTest, TheHardLimitEndsItWhereItWaits) {
  const Token token = submit_with({.time_limit = Micros{20'000}}, "patient");
  const FailureText text = failure_text(end_of(token).value);
  EXPECT_EQ(text.type, "TimeLimitExceeded");
  EXPECT_NE(text.message.find("20ms"), std::string::npos) << text.message;
  EXPECT_EQ(living, 0);
}

TEST_F(CoroutineTest, WhoAwaitsAgainAfterTheHardLimitIsDestroyed) {
  const Token token = submit_with({.time_limit = Micros{20'000}}, "stubborn");
  EXPECT_EQ(failure_text(end_of(token).value).type, "TimeLimitExceeded");
  EXPECT_EQ(struck, 1);
  EXPECT_EQ(living, 0);
}

TEST_F(CoroutineTest, OneThatNeverAwaitsIsToldOfAndGivenUpAtItsHardLimit) {
  pool.reset();
  start_pool({.worker_name = "w", .patience = Micros{20'000}});
  const Token hog = submit_with({.time_limit = Micros{30'000}}, "hog");
  const Token other = submit("twice", 1);
  EXPECT_EQ(failure_text(end_of(hog).value).type, "TimeLimitExceeded");
  EXPECT_FALSE(ended.contains(other));
  EXPECT_TRUE(pool->is_busy());
  ASSERT_EQ(warnings.size(), 2U);
  EXPECT_NE(warnings[0].find("hog has not awaited anything"), std::string::npos) << warnings[0];
  ended.erase(hog);
  released = true;  // it comes back to its senses: nothing more is heard of it
  EXPECT_EQ(value_of<int>(other), 2);
  EXPECT_TRUE(loop_until([&] { return !pool->is_busy(); }));
  EXPECT_FALSE(ended.contains(hog));
}

TEST_F(CoroutineTest, TheRunnersEndDestroysThoseThatWait) {
  const Pair pair;
  for (int i = 0; i < 100; ++i) submit("patient");
  submit("read", pair.theirs(), -1);
  ASSERT_TRUE(loop_until([&] { return started == 101; }));
  EXPECT_EQ(living, 100);
  pool.reset();
  EXPECT_EQ(living, 0);
}

TEST_F(CoroutineTest, WhatHasNotStartedIsTakenBack) {
  submit("hog");
  ASSERT_TRUE(loop_until([&] { return started == 1; }));
  const Token one = submit("twice", 1);
  const Token two = submit("twice", 2);
  EXPECT_EQ(pool->cancel(one, false), Cancelled::taken_back);
  EXPECT_EQ(pool->stop(StopMode::hand_back), std::vector<Token>{two});
  Start more{.definition = table.find("twice")->definition};
  EXPECT_EQ(pool->submit({&more, 1}), 0U);
  EXPECT_EQ(pool->in_hand(), 1U);
}

TEST_F(CoroutineTest, StoppingAtOnceRevokesThoseThatWait) {
  const Token token = submit("patient");
  ASSERT_TRUE(loop_until([&] { return started == 1; }));
  EXPECT_TRUE(pool->stop(StopMode::interrupt).empty());
  EXPECT_EQ(end_of(token).verdict, Verdict::revoked);
}

TEST_F(CoroutineTest, RunsBesideTheSlots) {
  const Token function = submit("function");
  const Token patient = submit("patient");
  EXPECT_EQ(value_of<int>(submit("twice", 1)), 2);  // the only slot is taken meanwhile
  EXPECT_EQ(pool->in_hand(), 2U);
  EXPECT_EQ(pool->in_slots(), 1U);
  ASSERT_TRUE(loop_until([&] { return pool->beside().size() == 1; }));
  EXPECT_EQ(pool->beside()[0].token, patient);
  released = true;
  EXPECT_EQ(value_of<int>(function), 5);
}

TEST_F(CoroutineTest, IsNotRunByWhoeverHasNoRunner) {
  TaskBench bench{[](Registry& registry) { registry.task("c", twice); }};
  EXPECT_EQ(bench.failure("c", 1),
            "baozi::NotRun: a coroutine task runs beside the slots of a worker, not in one");
}

std::string refusal(const std::function<void(Registry&)>& fill) {
  try {
    TaskBench bench{fill};
  } catch (const RegistrationError& error) {
    return error.what();
  }
  return "registered";
}

TEST(CoroutineRegistration, RefusesHooks) {
  EXPECT_EQ(
      refusal([](Registry& registry) { registry.task("c", twice).before_start([](Context&) {}); }),
      "task \"c\": a coroutine task has no hooks: it can do before, after and on failure by "
      "itself");
}

TEST(CoroutineRegistration, RefusesMiddlewareInTheSameWorker) {
  const auto around = [](Context&, const TaskNext& next) { next(); };
  EXPECT_EQ(refusal([&](Registry& registry) {
              registry.middleware("spans", around);
              registry.task("c", twice);
            }),
            "middleware \"spans\" and task \"c\", found with this test: a coroutine task cannot "
            "run inside middleware; a worker has one or the other");
  TaskTable table;  // and from two libraries
  Registry first;
  first.task("c", twice);
  table.add(std::move(first), "one.so");
  Registry second;
  second.middleware("spans", around);
  EXPECT_THROW(table.add(std::move(second), "two.so"), RegistrationError);
}

}  // namespace
}  // namespace baozi::worker
