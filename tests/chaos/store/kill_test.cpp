/// kill -9 in the middle of commits, again and again on the same files: what was reported is there,
/// nothing is there in parts, and the next process gets the lock.
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.hpp"
#include "script.hpp"
#include "store/open_store.hpp"
#include "store/result_store_thread.hpp"
#include "store/task_store_thread.hpp"
#include "support/temp_dir.hpp"

namespace baozi::store {
namespace {

using namespace std::chrono_literals;

/// The child's loop: keeps `in_flight` commits asked for and writes each number that it is told of
/// to a pipe.
template <class Thread, class Event, class Ask, class Number>
[[noreturn]] void commit_for_ever(Thread& thread, int report, std::uint64_t from, const Ask& ask,
                                  const Number& number, std::mutex& mutex,
                                  std::condition_variable& wake, bool& notified) {
  std::uint64_t asked = from;
  std::uint64_t done = from;
  while (true) {
    while (asked < done + 40) ask(thread, ++asked);
    std::unique_lock lock{mutex};
    wake.wait(lock, [&] { return notified; });
    notified = false;
    lock.unlock();
    for (const auto& event : thread.take_events()) {
      const auto* reported = std::get_if<Event>(&event);
      if (reported == nullptr) ::_exit(3);
      done = number(*reported);
      if (::write(report, &done, sizeof done) != sizeof done) ::_exit(4);
    }
  }
}

/// Runs `child` in a process, kills it after `time` from its first report on, and returns its last
/// one.
template <class Child>
std::uint64_t last_report_before_kill(std::chrono::microseconds time, const Child& child) {
  int report[2];
  if (::pipe(report) != 0) return 0;
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(report[0]);
    child(report[1]);
    ::_exit(5);
  }
  ::close(report[1]);
  std::uint64_t last = 0;
  const auto read_one = [&] { return ::read(report[0], &last, sizeof last) == sizeof last; };
  EXPECT_TRUE(read_one()) << "the child reported nothing";
  const auto until = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < until) {
    ::pollfd waiting{report[0], POLLIN, 0};
    if (::poll(&waiting, 1, 1) == 1 && !read_one()) break;
  }
  ::kill(pid, SIGKILL);
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << WEXITSTATUS(status);
  while (read_one()) {
  }
  ::close(report[0]);
  return last;
}

const StoreOptions busy_checkpoints{.cache_kib = 128, .checkpoint_pages = 64};

TEST(KillNine, EveryReportedCommitOfTasksIsThere) {
  const test::TempDir dir{test::TempDir::fast_parent()};
  const std::string url = "sqlite:" + dir / "tasks.db";
  Random random{2024};
  std::uint64_t from = 0;
  for (int round = 0; round < 40; ++round) {
    const std::chrono::microseconds time{random.below(20'000)};
    const auto reported = last_report_before_kill(time, [&](int report) {
      auto store = open_task_store(url, busy_checkpoints);
      if (!store) ::_exit(2);
      std::mutex mutex;
      std::condition_variable wake;
      bool notified = false;
      TaskStoreThread thread{std::move(*store), {}, [&] {
                               const std::lock_guard guard{mutex};
                               notified = true;
                               wake.notify_one();
                             }};
      commit_for_ever<TaskStoreThread, Persisted>(
          thread, report, from,
          [](TaskStoreThread& to, std::uint64_t n) { to.commit(testing::scripted(n)); },
          [](const Persisted& event) { return event.n_upto; }, mutex, wake, notified);
    });
    const auto store = open_task_store(url);
    ASSERT_TRUE(store) << store.error().message;
    const auto n = testing::checked_state(**store);
    ASSERT_GE(n, reported) << "round " << round;
    from = n;
  }
  EXPECT_GT(from, 1000U) << "too little happened for this to mean much";
}

TEST(KillNine, EveryReportedCommitOfResultsIsThere) {
  constexpr std::uint64_t rows_each = 20;
  const test::TempDir dir{test::TempDir::fast_parent()};
  const std::string url = "sqlite:" + dir / "results.db";
  const auto row = [](std::uint64_t n, std::uint64_t i) {
    return ResultRow{.id = TaskId{make_uuid7(wall_time(static_cast<std::int64_t>(n * 1000)), n, i)},
                     .number = n,
                     .record = Bytes(150, 'r')};
  };
  Random random{7};
  std::uint64_t from = 0;
  for (int round = 0; round < 20; ++round) {
    const std::chrono::microseconds time{random.below(20'000)};
    const auto reported = last_report_before_kill(time, [&](int report) {
      auto store = open_result_store(url, busy_checkpoints);
      if (!store) ::_exit(2);
      std::mutex mutex;
      std::condition_variable wake;
      bool notified = false;
      ResultStoreThread thread{std::move(*store), {}, [&] {
                                 const std::lock_guard guard{mutex};
                                 notified = true;
                                 wake.notify_one();
                               }};
      commit_for_ever<ResultStoreThread, Stored>(
          thread, report, from,
          [&](ResultStoreThread& to, std::uint64_t n) {
            std::vector<ResultRow> rows;
            for (std::uint64_t i = 0; i < rows_each; ++i) rows.push_back(row(n, i));
            to.commit(n, std::move(rows));
          },
          [](const Stored& event) { return event.upto_seq; }, mutex, wake, notified);
    });
    const auto store = open_result_store(url);
    ASSERT_TRUE(store) << store.error().message;
    ASSERT_GE((*store)->count(), reported * rows_each);
    ASSERT_EQ((*store)->count() % rows_each, 0U);
    const auto n = (*store)->count() / rows_each;
    std::vector<TaskId> ids;
    for (auto at = from + 1; at <= n; ++at) {
      for (std::uint64_t i = 0; i < rows_each; ++i) ids.push_back(row(at, i).id);
    }
    const auto found = (*store)->find(ids);
    ASSERT_TRUE(found) << found.error().message;
    ASSERT_EQ(found->size(), ids.size());
    from = n;
  }
}

}  // namespace
}  // namespace baozi::store
