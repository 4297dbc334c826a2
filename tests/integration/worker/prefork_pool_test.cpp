// The pool of processes and what tasks may do to it: a task that crashes costs itself only, and
// says why.
#include <algorithm>
#include <array>
#include <csignal>
#include <fstream>
#include <set>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <baozi/arguments.hpp>
#include <baozi/codec.hpp>

#include "base/system_clock.hpp"
#include "pool_bench.hpp"
#include "support/eventually.hpp"
#include "support/process.hpp"
#include "wire/call_options.hpp"
#include "worker/plugin.hpp"
#include "worker/prefork/server.hpp"
#include "worker/task_table.hpp"

namespace baozi::worker {
namespace {

using namespace std::chrono_literals;
using test::executes;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

struct FailureText {
  std::string type, message, traceback;
};
FailureText failure_of(const Ended& ended) {
  const auto texts = unpack<std::array<std::string, 3>>(ended.value);
  return {texts[0], texts[1], texts[2]};
}

/// Without the one that names stacks, which starts when it is time.
std::set<pid_t> descendants_of(pid_t pid) {
  std::set<pid_t> all;
  std::ifstream list{"/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children"};
  for (pid_t child = 0; list >> child;) {
    std::string name;
    std::getline(std::ifstream{"/proc/" + std::to_string(child) + "/comm"}, name);
    if (name == "bz-namer") continue;
    all.insert(child);
    all.merge(descendants_of(child));
  }
  return all;
}

class PreforkPoolTest : public PoolBench {
 protected:
  void start(PreforkPool::Options options = {}) {
    if (options.apps.empty()) options.apps = {BAOZI_ZOO};
    options.worker_name = "w1@here";
    pool = std::make_unique<PreforkPool>(options);
    if (tasks.size() == 0) load_plugin(options.apps[0], tasks);
  }
  void start(std::size_t children) { start(PreforkPool::Options{.children = children}); }

  Start item(std::string_view name, const std::string& body) {
    return PoolBench::item(tasks, name, body);
  }
  template <class... Args>
  Token submit(std::string_view name, const Args&... args) {
    const Start start = item(name, pack_body(args...));
    EXPECT_EQ(pool->submit({&start, 1}), 1u);
    return start.token;
  }

  template <class... Args>
  FailureText failure(std::string_view name, const Args&... args) {
    const Ended& one = end_of(submit(name, args...));
    EXPECT_NE(one.verdict, Verdict::success);
    return one.verdict == Verdict::success ? FailureText{} : failure_of(one);
  }
  template <class T, class... Args>
  T value(std::string_view name, const Args&... args) {
    const Ended& one = end_of(submit(name, args...));
    EXPECT_EQ(one.verdict, Verdict::success);
    return one.verdict == Verdict::success ? unpack<T>(one.value) : T{};
  }
  [[nodiscard]] bool said(const std::vector<std::string>& lines, std::string_view text) const {
    return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
      return line.find(text) != std::string::npos;
    });
  }
  /// A task that crashes, while others run beside it: it alone fails.
  FailureText costs_itself_only(std::string_view name) {
    start(2);
    std::vector<Token> others;
    for (int i = 0; i < 50; ++i) others.push_back(submit("zoo.add", i, 1));
    const Token bad = submit(name);
    for (int i = 50; i < 200; ++i) others.push_back(submit("zoo.add", i, 1));
    EXPECT_TRUE(run_until([&] { return ended.size() == 201; }));
    for (std::size_t i = 0; i < others.size(); ++i) {
      const Ended& one = end_of(others[i]);
      EXPECT_EQ(one.verdict, Verdict::success);
      if (one.verdict == Verdict::success) {
        EXPECT_EQ(unpack<int>(one.value), static_cast<int>(i) + 1);
      }
    }
    EXPECT_EQ(pool->in_hand(), 0u);
    EXPECT_EQ(end_of(bad).verdict, Verdict::lost);
    return failure_of(end_of(bad));
  }

  TaskTable tasks;
};

TEST_F(PreforkPoolTest, RunsTasksInProcessesOfTheirOwn) {
  start(2);
  EXPECT_EQ(value<int>("zoo.add", 20, 22), 42);
  const pid_t pid = value<int>("zoo.pid");
  EXPECT_NE(pid, getpid());
  EXPECT_NE(pid, pool->server_pid());
  EXPECT_TRUE(warnings.empty()) << warnings.front();
}

TEST_F(PreforkPoolTest, EverythingThatIsSubmittedEndsOnce) {
  start(3);
  std::size_t submitted = 0;
  const std::string body = pack_body(1, 2);
  while (submitted < 20'000) {
    std::vector<Start> chunk;
    for (int i = 0; i < 100; ++i) chunk.push_back(item("zoo.add", body));
    const std::size_t taken = pool->submit(chunk);
    submitted += taken;
    last_token -= chunk.size() - taken;
    if (taken < chunk.size()) turn();
  }
  ASSERT_TRUE(run_until([&] { return ended.size() == submitted; }));
  EXPECT_EQ(pool->in_hand(), 0u);
  for (const auto& [token, one] : ended) ASSERT_EQ(one.verdict, Verdict::success);
}

TEST_F(PreforkPoolTest, LargeArgumentsAndResultsTravelWhole) {
  start(1);
  for (const int size : {0, 1, 4'000, 100'000, 600'000, 1'000'000}) {
    EXPECT_EQ(value<std::string>("zoo.text", size).size(), static_cast<std::size_t>(size));
    EXPECT_EQ(value<std::size_t>("zoo.length", std::string(static_cast<std::size_t>(size), 'y')),
              static_cast<std::size_t>(size));
  }
  EXPECT_EQ(failure("zoo.text", 1'100'000).type, "baozi::ResultTooLarge");
}

TEST_F(PreforkPoolTest, ATasksContextWorks) {
  start(1);
  const Ended& reported = end_of(submit("zoo.report"));
  EXPECT_EQ(reported.verdict, Verdict::success);
  ASSERT_FALSE(updates.empty());
  EXPECT_EQ(updates.back().state, "UPLOADING");
  EXPECT_EQ(unpack<int>(updates.back().meta), 17);
  const Ended& enqueued = end_of(submit("zoo.enqueue"));
  Reader follow_ups{enqueued.follow_ups};
  EXPECT_EQ(follow_ups.array(), 2u);
}

TEST_F(PreforkPoolTest, AStartIsToldWhenTheTaskBeginsAndNotWhenAProcessHasIt) {
  start(1);
  for (int i = 0; i < 500; ++i) submit("zoo.noop");
  ASSERT_TRUE(run_until([&] { return ended.size() == 500; }));  // now a process gets several
  Start first = item("zoo.wait_for_limit", pack_body());
  Start second = item("zoo.pid", pack_body());
  const Bytes tracked = *wire::pack_options({.track_started = true}, wall_time(1), {});
  first.raw_options = second.raw_options = tracked;
  const Start both[] = {first, second};
  ASSERT_EQ(pool->submit(both), 2u);
  const auto told = [&](Token token) {
    return std::any_of(updates.begin(), updates.end(), [&](const StateUpdate& one) {
      return one.token == token && one.state == "STARTED";
    });
  };
  ASSERT_TRUE(run_until([&] { return told(first.token); }));
  EXPECT_EQ(pool->status().at(0).token, first.token);
  for (int i = 0; i < 10; ++i) turn(1ms);
  EXPECT_FALSE(told(second.token));
  EXPECT_EQ(pool->cancel(first.token, true), Cancelled::running);
  ASSERT_TRUE(run_until([&] { return told(second.token); }));
  EXPECT_TRUE(ended.contains(first.token));
  const pid_t pid = unpack<int>(end_of(second.token).value);
  const auto meta = unpack<std::map<std::string, Value>>(updates.back().meta);
  EXPECT_EQ(meta.at("pid"), Value{std::int64_t{pid}});
  EXPECT_EQ(meta.at("hostname"), Value{"w1@here"});
}

TEST_F(PreforkPoolTest, ARunningTaskIsToldThatItIsRevokedAndAWaitingOneIsTakenBack) {
  start(1);
  const Token first = submit("zoo.wait_for_limit");
  ASSERT_TRUE(run_until([&] { return pool->status().at(0).token == first; }));
  const Token second = submit("zoo.pid");
  EXPECT_EQ(pool->cancel(second, false), Cancelled::taken_back);
  EXPECT_EQ(pool->cancel(first, true), Cancelled::running);
  EXPECT_EQ(end_of(first).verdict, Verdict::revoked);
  EXPECT_EQ(pool->in_hand(), 0u);
  EXPECT_EQ(pool->cancel(first, false), Cancelled::unknown);
}

TEST_F(PreforkPoolTest, WhatWaitsBehindALongTaskGoesToAnIdleProcess) {
  start(2);
  for (int i = 0; i < 500; ++i) submit("zoo.noop");
  ASSERT_TRUE(run_until([&] { return ended.size() == 500; }));  // it has learned: short tasks
  submit("zoo.nap", 30.0);
  for (int i = 0; i < 20; ++i) submit("zoo.noop");
  EXPECT_TRUE(run_until([&] { return ended.size() == 520; }, 20s));
}

// ---- the crash zoo

TEST_F(PreforkPoolTest, ANullDereferenceIsAFailureWithTheStackOfItsPlace) {
  const FailureText text = costs_itself_only("zoo.null");
  EXPECT_EQ(text.type, "WorkerLostError");
  EXPECT_NE(text.message.find("signal 11"), std::string::npos) << text.message;
  EXPECT_NE(text.message.find("at address 0x0"), std::string::npos) << text.message;
  EXPECT_NE(text.message.find("MiB at its peak"), std::string::npos) << text.message;
  if (sanitized) return;  // there each child is a program of its own, whose stack nobody can name
  EXPECT_NE(text.traceback.find("at zoo::read_nothing(int volatile*)"), std::string::npos)
      << text.traceback;
  EXPECT_NE(text.traceback.find("zoo::null_dereference(int)"), std::string::npos);
  EXPECT_NE(text.traceback.find("zoo.cpp:"), std::string::npos) << "with its line";
  EXPECT_EQ(text.traceback.find("on_fatal_signal"), std::string::npos) << text.traceback;
}

TEST_F(PreforkPoolTest, AnAbortIsAFailure) {
  const FailureText text = costs_itself_only("zoo.abort");
  EXPECT_NE(text.message.find("signal 6 (Aborted)"), std::string::npos) << text.message;
}

TEST_F(PreforkPoolTest, AStackOverflowIsAFailureWithItsStack) {
  const FailureText text = costs_itself_only("zoo.overflow");
  EXPECT_NE(text.message.find("signal 11"), std::string::npos) << text.message;
  if (sanitized) return;  // as above
  EXPECT_NE(text.traceback.find("zoo::never_enough_stack(int)"), std::string::npos)
      << text.traceback;
  EXPECT_NE(text.traceback.find(" more of this"), std::string::npos) << text.traceback;
  EXPECT_LT(std::count(text.traceback.begin(), text.traceback.end(), '\n'), 10) << text.traceback;
}

TEST_F(PreforkPoolTest, ADoubleFreeIsAFailure) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the thread sanitizer's heap does not mind";
#endif
  // A sanitizer sees it first, and ends the process with an exit code of its own.
  const FailureText text = costs_itself_only("zoo.double_free");
  EXPECT_NE(text.message.find(sanitized ? "process" : "signal 6"), std::string::npos)
      << text.message;
}

TEST_F(PreforkPoolTest, AnExceptionWhereNoneMayBeIsNamed) {
  const FailureText text = costs_itself_only("zoo.throw_where_none_may");
  EXPECT_NE(text.message.find("std::runtime_error: out of a noexcept function"), std::string::npos)
      << text.message;
}

TEST_F(PreforkPoolTest, ACrashInAThreadOfTheTasksOwnIsItsFailure) {
  const FailureText text = costs_itself_only("zoo.crash_in_thread");
  EXPECT_NE(text.message.find("signal 11"), std::string::npos) << text.message;
  if (sanitized) return;  // as above
  EXPECT_NE(text.traceback.find("zoo::null_dereference(int)"), std::string::npos) << text.traceback;
}

TEST_F(PreforkPoolTest, ATaskThatExitsIsAFailureEvenWithCode0) {
  start(1);
  const FailureText zero = failure("zoo.exit", 0);
  EXPECT_EQ(zero.type, "WorkerLostError");
  EXPECT_NE(zero.message.find("exit code 0"), std::string::npos) << zero.message;
  EXPECT_NE(failure("zoo.exit", 7).message.find("exit code 7"), std::string::npos);
  EXPECT_EQ(value<int>("zoo.add", 1, 1), 2);
}

TEST_F(PreforkPoolTest, ATerabyteIsAnExceptionLikeAnyOther) {
  start(1);
  const FailureText text = failure("zoo.terabyte");
  // A sanitizer's allocator does not throw: it ends the process.
  EXPECT_EQ(text.type, sanitized ? "WorkerLostError" : "std::bad_alloc") << text.message;
}

TEST_F(PreforkPoolTest, WhatIsNoStdExceptionIsAFailureLikeAnyOther) {
  start(1);
  const pid_t before = value<int>("zoo.pid");
  EXPECT_EQ(failure("zoo.throw_number").message, "42");
  EXPECT_EQ(failure("zoo.throw_odd").type, "zoo::Odd");
  EXPECT_EQ(value<int>("zoo.pid"), before) << "it costs no process";
}

TEST_F(PreforkPoolTest, AnExceptionsStacksHaveNamesAndLinesAndItsProcessReadsNoneOfThem) {
  start(1);
  const pid_t pid = value<int>("zoo.pid");
  const auto resident_mib = [pid] {
    std::ifstream file{"/proc/" + std::to_string(pid) + "/statm"};
    long total = 0;
    long resident = 0;
    file >> total >> resident;
    return resident * sysconf(_SC_PAGESIZE) >> 20;
  };
  const long before = resident_mib();
  const FailureText text = failure("zoo.throw_with_a_cause");
  const long after = resident_mib();
  EXPECT_EQ(text.type, "std::logic_error");
  EXPECT_TRUE(text.traceback.starts_with("std::logic_error: on the way\n    at "))
      << text.traceback;
  const std::size_t cause =
      text.traceback.find("Caused by: std::runtime_error: from the depth\n    at ");
  ASSERT_NE(cause, std::string::npos) << text.traceback;
  EXPECT_LT(text.traceback.find("zoo::throw_with_a_cause"), cause) << text.traceback;
  EXPECT_NE(text.traceback.find("zoo::throw_from_the_depth", cause), std::string::npos)
      << text.traceback;
  EXPECT_NE(text.traceback.find("zoo.cpp:", cause), std::string::npos) << text.traceback;
  if (!sanitized) {
    EXPECT_LT(after - before, 6) << "MiB";
  }
  EXPECT_EQ(failure("zoo.throw_with_a_cause").traceback, text.traceback);
  EXPECT_EQ(value<int>("zoo.pid"), pid);
  EXPECT_EQ(pool->in_hand(), 0u);
}

TEST_F(PreforkPoolTest, AnExceptionWhoseStackTheLostServerWasToNameIsToldWithoutIt) {
  start(1);
  ASSERT_TRUE(all_up(1));
  ::kill(pool->server_pid(), SIGSTOP);
  const Token fails = submit("zoo.throw_with_a_cause");
  const Token behind = submit("zoo.add", 1, 1);
  EXPECT_EQ(end_of(behind).verdict, Verdict::success) << "its process does not wait for names";
  ::kill(pool->server_pid(), SIGKILL);
  const FailureText text = failure_of(end_of(fails));
  EXPECT_TRUE(text.traceback.starts_with("std::logic_error: on the way\n")) << text.traceback;
  EXPECT_EQ(text.traceback.find('\x01'), std::string::npos);
  EXPECT_EQ(pool->in_hand(), 0u);
}

TEST_F(PreforkPoolTest, AnEndlessLoopThatIgnoresSignalsIsEndedByItsTimeLimit) {
  start(1);
  Start start = item("zoo.never_end", pack_body());
  start.time_limit = 200ms;
  ASSERT_EQ(pool->submit({&start, 1}), 1u);
  const Token behind = submit("zoo.add", 1, 1);
  const FailureText text = failure_of(end_of(start.token));
  EXPECT_EQ(text.type, "TimeLimitExceeded");
  EXPECT_NE(text.message.find("200ms"), std::string::npos) << text.message;
  EXPECT_EQ(text.message.find("memory ends"), std::string::npos) << text.message;
  EXPECT_EQ(end_of(behind).verdict, Verdict::success);
}

TEST_F(PreforkPoolTest, AForkBombEndsWithItsTimeLimit) {
  start(1);
  ASSERT_TRUE(all_up(1));
  Start start = item("zoo.bomb", pack_body());
  start.time_limit = 500ms;
  ASSERT_EQ(pool->submit({&start, 1}), 1u);
  EXPECT_TRUE(run_until([&] { return descendants_of(pool->server_pid()).size() > 10; }, 20s));
  EXPECT_EQ(failure_of(end_of(start.token)).type, "TimeLimitExceeded");
  EXPECT_EQ(value<int>("zoo.add", 1, 1), 2);
  EXPECT_TRUE(run_until([&] { return descendants_of(pool->server_pid()).size() == 1; }, 20s))
      << "the rest of the bomb lives";
}

TEST_F(PreforkPoolTest, ATaskThatClosesAllDescriptorsEndsAsItWouldAndItsProcessIsReplaced) {
  start(1);
  EXPECT_EQ(value<int>("zoo.close_everything"), 0);
  EXPECT_EQ(value<int>("zoo.add", 1, 1), 2);
  EXPECT_TRUE(run_until([&] { return said(notices, "closed the descriptors"); }));
}

TEST_F(PreforkPoolTest, TheForkServerIsLinkedAtItsStartAndTasksSeeNothingOfHow) {
  start(1);
  const auto environment_of = [](pid_t pid) {
    std::ifstream file{"/proc/" + std::to_string(pid) + "/environ", std::ios::binary};
    return std::string{std::istreambuf_iterator<char>{file}, {}};
  };
  EXPECT_NE(environment_of(pool->server_pid()).find("LD_BIND_NOW="), std::string::npos);
  EXPECT_EQ(value<std::string>("zoo.environment", std::string{"LD_BIND_NOW"}), "(none)");
  setenv("LD_BIND_NOW", "the user's", 1);
  start(1);
  unsetenv("LD_BIND_NOW");
  EXPECT_EQ(value<std::string>("zoo.environment", std::string{"LD_BIND_NOW"}), "the user's");
}

TEST_F(PreforkPoolTest, WhatATaskPrintsIsForTheLog) {
  start(1);
  const pid_t pid = value<int>("zoo.print", std::string{"hello"}, 2);
  const std::string by_cout = "(process " + std::to_string(pid) + "): hello by cout";
  EXPECT_TRUE(run_until([&] { return said(notices, by_cout); }));
  EXPECT_TRUE(run_until([&] { return said(notices, "hello by printf"); }));
  EXPECT_TRUE(run_until([&] { return said(notices, "hello by stderr"); }));
}

TEST_F(PreforkPoolTest, ATaskThatPrintsMoreThanAPipeHoldsIsNotHeldUp) {
  start(1);
  EXPECT_GT(value<int>("zoo.print", std::string(1'000, 'x'), 1'000), 0);
}

TEST_F(PreforkPoolTest, WhatOneTaskPrintsIsBoundedAndTheNextOneIsHeard) {
  start(1);
  const auto bytes_said = [&] {
    std::size_t sum = 0;
    for (const std::string& line : notices) sum += line.size();
    return sum;
  };
  for (int i = 1; i <= 2; ++i) {
    const std::size_t before = bytes_said();
    EXPECT_GT(value<int>("zoo.print", std::string(1'000, 'x'), 1'000), 0);
    EXPECT_TRUE(run_until([&] {
      return std::count_if(notices.begin(), notices.end(), [](const std::string& line) {
               return line.ends_with("(what its task writes from here on is not logged)");
             }) == i;
    }));
    EXPECT_GT(value<int>("zoo.print", "hello " + std::to_string(i), 1), 0);
    EXPECT_TRUE(
        run_until([&] { return said(notices, "hello " + std::to_string(i) + " by stderr"); }));
    EXPECT_GT(bytes_said() - before, 200'000u);
    EXPECT_LT(bytes_said() - before, 400'000u);
  }
}

TEST_F(PreforkPoolTest, ALeakingTasksProcessIsReplaced) {
  start({.children = 1, .child_bytes_max = std::uint64_t{200} << 20U});
  const pid_t first = value<int>("zoo.leak", 1);
  EXPECT_EQ(value<int>("zoo.leak", 1), first);
  EXPECT_EQ(value<int>("zoo.leak", 250), first);
  EXPECT_TRUE(run_until([&] { return !executes(first); }));
  EXPECT_NE(value<int>("zoo.leak", 1), first);
  EXPECT_TRUE(warnings.empty()) << warnings.front();
}

TEST_F(PreforkPoolTest, AProcessThatIsTooLargeFromTheBeginningStaysUntilATaskHasEnded) {
  start({.children = 1, .child_bytes_max = 1UL << 20U});
  ASSERT_TRUE(all_up(1));
  const std::int64_t first = pool->status()[0].id;
  EXPECT_EQ(value<int>("zoo.pid"), first);
  EXPECT_NE(value<int>("zoo.pid"), first);
}

TEST_F(PreforkPoolTest, AProcessIsReplacedAfterSoManyTasks) {
  start({.children = 1, .tasks_per_child_max = 5});
  std::vector<Token> tokens;
  for (int i = 0; i < 20; ++i) tokens.push_back(submit("zoo.pid"));
  std::map<int, int> runs;
  for (const Token token : tokens) ++runs[unpack<int>(end_of(token).value)];
  EXPECT_EQ(runs.size(), 4u);
  for (const auto& [pid, count] : runs) EXPECT_EQ(count, 5);
  EXPECT_TRUE(warnings.empty()) << warnings.front();
}

TEST_F(PreforkPoolTest, AGrandchildIsEndedWithTheProcessThatLeftIt) {
  start(1);
  const pid_t left = value<int>("zoo.leave_somebody", false);
  ASSERT_GT(left, 0);
  EXPECT_TRUE(executes(left));
  static_cast<void>(failure("zoo.exit", 1));
  EXPECT_TRUE(test::eventually([&] { return !executes(left); }, 20s));
}

TEST_F(PreforkPoolTest, NobodyIsLeftBehindWhenThePoolEnds) {
  start(2);
  const pid_t near = value<int>("zoo.leave_somebody", false);
  const pid_t far = value<int>("zoo.leave_somebody", true);
  ASSERT_TRUE(executes(near) && executes(far));
  submit("zoo.never_end");
  const pid_t server = pool->server_pid();
  const std::set<pid_t> all = descendants_of(server);
  EXPECT_GE(all.size(), 4u);
  EXPECT_TRUE(all.contains(far));
  pool.reset();
  EXPECT_FALSE(executes(server));
  for (const pid_t pid : all) {
    EXPECT_TRUE(test::eventually([&] { return !executes(pid); }, 20s)) << pid;
  }
}

TEST_F(PreforkPoolTest, AProcessThatScribblesOverSharedMemoryIsEndedAndCostsItsTaskOnly) {
  start(1);
  const Token bad = submit("zoo.scribble");
  EXPECT_EQ(end_of(bad).verdict, Verdict::lost);
  EXPECT_NE(failure_of(end_of(bad)).message.find("damaged"), std::string::npos)
      << failure_of(end_of(bad)).message;
  EXPECT_EQ(value<int>("zoo.add", 1, 1), 2);
}

TEST_F(PreforkPoolTest, ALostForkServerIsStartedAgain) {
  start(2);
  ASSERT_TRUE(all_up(2));
  const Token running = submit("zoo.nap", 60.0);
  ASSERT_TRUE(run_until([&] {
    const auto slots = pool->status();
    return slots[0].token == running || slots[1].token == running;
  }));
  const std::set<pid_t> children = descendants_of(pool->server_pid());
  ::kill(pool->server_pid(), SIGKILL);
  EXPECT_EQ(end_of(running).verdict, Verdict::suspect)
      << "it has not cost its process: it is delivered again";
  for (const pid_t child : children) {
    EXPECT_TRUE(test::eventually([&] { return !executes(child); }, 20s));
  }
  EXPECT_EQ(value<int>("zoo.add", 1, 1), 2);
}

TEST_F(PreforkPoolTest, ACrashWhoseStackTheLostServerWasToNameIsToldWithoutOne) {
  start(2);
  ASSERT_TRUE(all_up(2));
  std::set<std::int64_t> before;
  for (const SlotStatus& slot : pool->status()) before.insert(slot.id);
  const Token crashes = submit("zoo.null");
  // Its process is replaced: now it is asked for the names.
  ASSERT_TRUE(run_until([&] {
    const auto slots = pool->status();
    return std::any_of(slots.begin(), slots.end(),
                       [&](const auto& slot) { return !before.contains(slot.id); });
  }));
  ::kill(pool->server_pid(), SIGKILL);
  EXPECT_TRUE(run_until([&] { return ended.contains(crashes); }, 20s));
}

TEST_F(PreforkPoolTest, NobodyIsLeftBehindByALostForkServer) {
  start(2);
  const pid_t near = value<int>("zoo.leave_somebody", false);
  const pid_t far = value<int>("zoo.leave_somebody", true);
  ASSERT_TRUE(executes(near) && executes(far));
  ::kill(pool->server_pid(), SIGKILL);
  EXPECT_TRUE(run_until([&] { return said(warnings, "the fork server was lost"); }));
  EXPECT_TRUE(test::eventually([&] { return !executes(near) && !executes(far); }, 20s));
  EXPECT_EQ(value<int>("zoo.add", 1, 1), 2);
}

TEST_F(PreforkPoolTest, WhereLoadingStartsThreadsEveryProcessLoadsTheLibraryAnew) {
  start({.children = 2, .apps = {BAOZI_THREADED}});
  const pid_t first = value<int>("threaded.beat");  // its own thread lives
  EXPECT_NE(first, pool->server_pid());
  EXPECT_TRUE(said(warnings, "starts threads")) << "and that is said";
  const FailureText text = failure("threaded.crash");
  EXPECT_EQ(text.type, "WorkerLostError");
  EXPECT_NE(text.message.find("signal 11"), std::string::npos) << text.message;
  EXPECT_EQ(text.traceback, "");
  EXPECT_GT(value<int>("threaded.beat"), 0);
  pool->restart();
  ASSERT_TRUE(all_up(2));
  EXPECT_GT(value<int>("threaded.beat"), 0);
  const std::set<pid_t> all = descendants_of(pool->server_pid());
  pool.reset();
  for (const pid_t pid : all) EXPECT_TRUE(test::eventually([&] { return !executes(pid); }, 20s));
}

// ---- tasks that make copies of their process

TEST_F(PreforkPoolTest, ACopyThatComesBackFromTheTaskEndsAndIsNoSecondProcessOfTheSlot) {
  start(2);
  ASSERT_TRUE(all_up(2));
  std::vector<Token> forked;
  for (int i = 0; i < 600; ++i) {
    submit("zoo.add", i, 1);
    if (i % 50 == 25) forked.push_back(submit("zoo.fork_and_return", i % 100 == 25));
  }
  const std::size_t all = 600 + forked.size();
  ASSERT_TRUE(run_until([&] { return ended.size() == all; }));
  for (const auto& [token, one] : ended) {
    EXPECT_EQ(one.verdict, Verdict::success) << failure_of(one).message;
  }
  std::set<pid_t> slots;
  for (const SlotStatus& slot : pool->status()) slots.insert(static_cast<pid_t>(slot.id));
  for (const Token token : forked) EXPECT_TRUE(slots.contains(unpack<int>(end_of(token).value)));
  EXPECT_TRUE(run_until([&] { return said(notices, "a copy of this process"); }));
  EXPECT_TRUE(warnings.empty()) << warnings.front();
}

TEST_F(PreforkPoolTest, WhatACopyDoesIsNotToldOfTheTask) {
  start(1);
  EXPECT_EQ(value<int>("zoo.crash_in_a_copy"), SIGSEGV);
  const FailureText text = failure("zoo.exit", 4);
  EXPECT_EQ(text.traceback, "") << "that is the copy's";
  EXPECT_EQ(value<int>("zoo.report_in_a_copy"), 0);
  for (int i = 0; i < 10; ++i) turn(1ms);
  EXPECT_TRUE(updates.empty()) << updates.front().state;
}

// ---- what else a task may do to its process

TEST_F(PreforkPoolTest, ATaskThatLeavesItsProcessGroupEndsWithItsTimeLimit) {
  start(1);
  Start start = item("zoo.leave_the_group", pack_body());
  start.time_limit = 300ms;
  ASSERT_EQ(pool->submit({&start, 1}), 1u);
  EXPECT_EQ(failure_of(end_of(start.token)).type, "TimeLimitExceeded");
  EXPECT_EQ(value<int>("zoo.add", 1, 1), 2);
}

TEST_F(PreforkPoolTest, ATaskThatHasStoppedItsProcessCanBeTerminated) {
  start(1);
  const Token stopped = submit("zoo.stop_itself");
  ASSERT_TRUE(run_until([&] {
    std::string stat;
    std::getline(std::ifstream{"/proc/" + std::to_string(pool->status()[0].id) + "/stat"}, stat);
    return stat.find(") T ") != std::string::npos;
  }));
  EXPECT_EQ(pool->terminate(stopped, SIGTERM), Terminated::signalled);
  EXPECT_EQ(end_of(stopped).verdict, Verdict::revoked);
  EXPECT_EQ(value<int>("zoo.add", 1, 1), 2);
}

TEST_F(PreforkPoolTest, ATaskThatAsksToBeTracedCrashesAsAnyOther) {
  start(1);
  EXPECT_NE(failure("zoo.crash_when_traced").message.find("signal 11"), std::string::npos);
  EXPECT_EQ(value<int>("zoo.add", 1, 1), 2);
}

TEST_F(PreforkPoolTest, AForkServerThatATaskStopsGoesOn) {
  start(1);
  EXPECT_EQ(value<int>("zoo.signal_parent", SIGSTOP), SIGSTOP);
  static_cast<void>(failure("zoo.exit", 1));  // told and replaced by the fork server alone
  EXPECT_EQ(value<int>("zoo.add", 1, 1), 2);
  EXPECT_TRUE(said(warnings, "the fork server was stopped"));
}

TEST_F(PreforkPoolTest, NoiseInTheBooksOfASlotHoldsNobodyUp) {
  start(2);
  for (int seed = 1; seed <= 40; ++seed) {
    const Token bad = submit("zoo.scribble_over_the_books", seed);
    std::vector<Token> others;
    for (int i = 0; i < 5; ++i) others.push_back(submit("zoo.add", i, 1));
    for (const Token other : others) static_cast<void>(end_of(other));
    const Ended& one = end_of(bad);
    if (one.verdict == Verdict::success) continue;
    const std::string message = failure_of(one).message;
    EXPECT_EQ(message.find("nobody caught"), std::string::npos) << "noise: " << message;
  }
  EXPECT_EQ(pool->in_hand(), 0u);
}

// ---- what an operator does

TEST_F(PreforkPoolTest, TerminatingEndsThatTaskAndNoOther) {
  start(1);
  const Token first = submit("zoo.nap", 60.0);
  ASSERT_TRUE(run_until([&] { return pool->status().at(0).token == first; }));
  const Token second = submit("zoo.pid");
  const Token third = submit("zoo.pid");
  EXPECT_EQ(pool->terminate(third, SIGKILL), Terminated::taken_back);
  EXPECT_EQ(pool->terminate(Token{999}, SIGKILL), Terminated::not_here);
  EXPECT_EQ(pool->terminate(first, SIGTERM), Terminated::signalled);
  EXPECT_EQ(end_of(first).verdict, Verdict::revoked);
  EXPECT_NE(failure_of(end_of(first)).message.find("signal 15"), std::string::npos)
      << failure_of(end_of(first)).message;
  EXPECT_EQ(end_of(second).verdict, Verdict::success);
  EXPECT_EQ(pool->terminate(first, SIGKILL), Terminated::not_here);
}

TEST_F(PreforkPoolTest, ASignalThatTheTaskSurvivesLeavesTheNextOneAlone) {
  start(1);
  const Token first = submit("zoo.nap", 0.3);
  ASSERT_TRUE(run_until([&] { return pool->status().at(0).token == first; }));
  const Token second = submit("zoo.add", 1, 1);
  EXPECT_EQ(pool->terminate(first, SIGWINCH), Terminated::signalled);
  EXPECT_EQ(end_of(first).verdict, Verdict::success);
  EXPECT_EQ(end_of(second).verdict, Verdict::success);
}

TEST_F(PreforkPoolTest, TerminatingRacesWithTheEndAndNeverHitsTheNextTask) {
  start(1);
  int hit = 0;
  // Until some were met while they ran; the longer it takes, the longer they run.
  for (int i = 0; i < 60 || (hit == 0 && i < 600); ++i) {
    const Token first = submit("zoo.nap", 0.002 * (1 + i / 60));
    const Token second = submit("zoo.add", i, 1);
    run_until([&] { return ended.contains(first) || pool->status().at(0).token == first; });
    hit += pool->terminate(first, SIGKILL) == Terminated::signalled ? 1 : 0;
    ASSERT_EQ(end_of(second).verdict, Verdict::success) << "round " << i;
    static_cast<void>(end_of(first));
  }
  EXPECT_GT(hit, 0);
}

TEST_F(PreforkPoolTest, GrowsAndShrinks) {
  start(1);
  EXPECT_EQ(pool->resize(3), 3u);
  ASSERT_TRUE(all_up(3));
  const Token running = submit("zoo.nap", 0.2);
  EXPECT_EQ(pool->resize(0), 1u);
  EXPECT_EQ(end_of(running).verdict, Verdict::success);
  EXPECT_TRUE(all_up(1));
  EXPECT_EQ(value<int>("zoo.add", 1, 1), 2);
  EXPECT_TRUE(warnings.empty()) << warnings.front();
}

TEST_F(PreforkPoolTest, RestartingReplacesEveryProcessAfterItsTask) {
  start(2);
  ASSERT_TRUE(all_up(2));
  const auto ids = [&] {
    std::set<std::int64_t> found;
    for (const SlotStatus& slot : pool->status()) found.insert(slot.id);
    return found;
  };
  const std::set<std::int64_t> before = ids();
  const Token running = submit("zoo.nap", 0.2);
  pool->restart();
  EXPECT_EQ(end_of(running).verdict, Verdict::success);
  EXPECT_TRUE(run_until([&] {
    const auto now = ids();
    return now.size() == 2 && !now.contains(0) &&
           std::none_of(now.begin(), now.end(), [&](auto id) { return before.contains(id); });
  }));
  EXPECT_EQ(value<int>("zoo.add", 1, 1), 2);
}

TEST_F(PreforkPoolTest, TheSoftLimitThrowsInTheTask) {
  start(1);
  Start start = item("zoo.wait_for_limit", pack_body());
  start.soft_time_limit = 50ms;
  ASSERT_EQ(pool->submit({&start, 1}), 1u);
  EXPECT_EQ(end_of(start.token).verdict, Verdict::success);
  EXPECT_EQ(unpack<std::string>(end_of(start.token).value), "cleaned up");
}

TEST_F(PreforkPoolTest, HandingBackNamesWhatNeverStarted) {
  start(1);
  const Token running = submit("zoo.nap", 0.3);
  ASSERT_TRUE(run_until([&] { return pool->status().at(0).token == running; }));
  std::set<Token> waiting;
  for (int i = 0; i < 10; ++i) waiting.insert(submit("zoo.pid"));
  const std::vector<Token> back = pool->stop(StopMode::hand_back);
  EXPECT_EQ((std::set<Token>{back.begin(), back.end()}), waiting);
  EXPECT_EQ(end_of(running).verdict, Verdict::success);
  EXPECT_EQ(pool->in_hand(), 0u);
}

TEST_F(PreforkPoolTest, ALibraryThatCannotBeLoadedIsRefusedWithItsReason) {
  try {
    PreforkPool refused{{.children = 1, .apps = {"/nowhere/libtasks.so"}}};
    FAIL() << "it was taken";
  } catch (const PluginError& error) {
    EXPECT_NE(std::string{error.what()}.find("/nowhere/libtasks.so: no such file"),
              std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace baozi::worker

/// This program is its own fork server.
int main(int argc, char** argv) {
  if (const auto code = baozi::worker::prefork::run_if_asked(argc, argv)) return *code;
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
