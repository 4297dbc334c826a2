/// Real file systems that are full or may not be written.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mounts.hpp"
#include "script.hpp"
#include "store/disk_space.hpp"
#include "store/open_store.hpp"
#include "store/result_store_thread.hpp"
#include "store/task_store_thread.hpp"

namespace baozi::store {
namespace {

using namespace std::chrono_literals;
using testing::SmallDisk;

constexpr std::uint64_t mib = 1U << 20U;

/// A file that takes all the room there is.
class Ballast {
 public:
  Ballast(std::string path, std::uint64_t leave) : path_{std::move(path)} {
    const int fd = ::open(path_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    const std::string block(4096, 'b');
    while (disk_space(path_).free_bytes > leave) {
      if (::write(fd, block.data(), block.size()) <= 0) break;
    }
    ::close(fd);
  }
  Ballast(const Ballast&) = delete;
  Ballast& operator=(const Ballast&) = delete;
  ~Ballast() { ::unlink(path_.c_str()); }

 private:
  std::string path_;
};

TEST(FullDisk, RefusesACommitAndMakesItOnceThereIsSpace) {
  BAOZI_NEEDS_MOUNTS();
  const SmallDisk disk{"8m"};
  ASSERT_TRUE(disk.mounted());
  auto store = open_task_store("sqlite:" + disk / "tasks.db");
  ASSERT_TRUE(store) << store.error().message;
  std::uint64_t n = 0;
  std::optional<Ballast> ballast{std::in_place, disk / "ballast", 256 * 1024};
  Result<void> done;
  do {
    const auto batch = testing::scripted(++n);
    done = (*store)->commit({&batch, 1});
    ASSERT_LT(n, 10'000U);
  } while (done);
  EXPECT_EQ(done.error().code, Errc::store_full) << done.error().message;
  EXPECT_EQ(testing::checked_state(**store), n - 1)
      << "reading goes on, and nothing of it was kept";

  ballast.reset();
  const auto batch = testing::scripted(n);
  done = (*store)->commit({&batch, 1});
  ASSERT_TRUE(done) << done.error().message;
  store->reset();
  store = open_task_store("sqlite:" + disk / "tasks.db");
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ(testing::checked_state(**store), n);
}

/// Takes events until `wanted` says so.
template <class Thread>
class Waiter {
 public:
  std::function<void()> notify() {
    return [this] {
      const std::lock_guard guard{mutex_};
      notified_ = true;
      wake_.notify_one();
    };
  }
  template <class Wanted>
  ::testing::AssertionResult wait(Thread& thread, const Wanted& wanted) {
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (true) {
      for (const auto& event : thread.take_events()) {
        if (wanted(event)) return ::testing::AssertionSuccess();
      }
      std::unique_lock lock{mutex_};
      if (!wake_.wait_until(lock, deadline, [this] { return notified_; })) {
        return ::testing::AssertionFailure() << "nothing came within 20 s";
      }
      notified_ = false;
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool notified_ = false;
};

TEST(FullDisk, TheThreadKeepsItsCommitsAndGoesOnByItself) {
  BAOZI_NEEDS_MOUNTS();
  const SmallDisk disk{"8m"};
  ASSERT_TRUE(disk.mounted());
  const std::string url = "sqlite:" + disk / "tasks.db";
  auto store = open_task_store(url);
  ASSERT_TRUE(store) << store.error().message;
  constexpr std::uint64_t last = 1200;
  const auto batch = [](std::uint64_t n) {
    TaskBatch filled{.n = n};
    for (std::uint64_t i = 0; i < 20; ++i) {
      filled.puts.push_back({static_cast<std::int64_t>(n * 20 + i), Bytes(180, 't')});
    }
    return filled;
  };
  {
    Waiter<TaskStoreThread> waiter;
    TaskStoreThread thread{std::move(*store), {.retry_pause = 5ms}, waiter.notify()};
    std::optional<Ballast> ballast{std::in_place, disk / "ballast", 512 * 1024};
    for (std::uint64_t n = 1; n <= last; ++n) thread.commit(batch(n));
    ASSERT_TRUE(waiter.wait(thread, [](const TaskStoreEvent& event) {
      return std::holds_alternative<CommitStalled>(event);
    }));
    ballast.reset();
    ASSERT_TRUE(waiter.wait(thread, [](const TaskStoreEvent& event) {
      const auto* persisted = std::get_if<Persisted>(&event);
      return persisted != nullptr && persisted->n_upto == last;
    }));
  }
  store = open_task_store(url);
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ((*store)->count_by_prefix(63)->front().rows, last * 20);
}

/// What the broker does: below the reserve it takes no new tasks, and the endings of the old ones
/// still fit.
TEST(FullDisk, TheReserveIsEnoughToEraseEverything) {
  BAOZI_NEEDS_MOUNTS();
  const SmallDisk disk{"160m"};
  ASSERT_TRUE(disk.mounted());
  auto opened = open_task_store("sqlite:" + disk / "tasks.db");
  ASSERT_TRUE(opened) << opened.error().message;
  TaskStore& store = **opened;
  EXPECT_EQ(store.reserve_bytes(), 16 * mib) << "a tenth of the file system";
  std::int64_t key = 0;
  while (store.free_bytes() > store.reserve_bytes()) {
    TaskBatch batch;
    for (int i = 0; i < 1000; ++i) batch.puts.push_back({key++, Bytes(500, 't')});
    const auto done = store.commit({&batch, 1});
    ASSERT_TRUE(done) << done.error().message << " with " << store.free_bytes() << " bytes free";
  }
  EXPECT_GT(key, 50'000);
  const auto full = store.free_bytes();
  // All over the file, each row on a page of its own: the worst way to erase.
  std::vector<std::int64_t> order;
  for (std::int64_t from = 0; from < 25; ++from) {
    for (auto k = from; k < key; k += 25) order.push_back(k);
  }
  for (std::size_t at = 0; at < order.size(); at += 1000) {
    TaskBatch batch;
    for (std::size_t i = at; i < std::min(order.size(), at + 1000); ++i)
      batch.erases.push_back(order[i]);
    const auto done = store.commit({&batch, 1});
    ASSERT_TRUE(done) << done.error().message << " with " << store.free_bytes() << " bytes free";
  }
  EXPECT_GT(store.free_bytes(), full + 50 * mib) << "what is free inside the file counts as room";
}

TEST(FullDisk, AStoreOpensOnAFullDiskSoThatItCanBeEmptied) {
  BAOZI_NEEDS_MOUNTS();
  const SmallDisk disk{"8m"};
  ASSERT_TRUE(disk.mounted());
  const std::string url = "sqlite:" + disk / "tasks.db";
  std::uint64_t n = 0;
  {
    auto store = open_task_store(url);
    ASSERT_TRUE(store) << store.error().message;
    for (n = 1; n <= 20; ++n) {
      const auto batch = testing::scripted(n);
      ASSERT_TRUE((*store)->commit({&batch, 1}));
    }
  }
  // Room for the log's index and little more.
  const Ballast ballast{disk / "ballast", 128 * 1024};
  auto store = open_task_store(url);
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ(testing::checked_state(**store), 20U);
  EXPECT_LT((*store)->free_bytes(), (*store)->reserve_bytes());
}

TEST(FullDisk, ANewStoreOnAFullDiskIsRefusedAndLeavesNothing) {
  BAOZI_NEEDS_MOUNTS();
  const SmallDisk disk{"1m"};
  ASSERT_TRUE(disk.mounted());
  const Ballast ballast{disk / "ballast", 8192};
  const auto store = open_task_store("sqlite:" + disk / "tasks.db");
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, Errc::store_full) << store.error().message;
  EXPECT_FALSE(std::filesystem::exists(disk / "tasks.db"));
}

TEST(ReadOnly, AStoreOnAReadOnlyFileSystemIsRefusedAndUntouched) {
  BAOZI_NEEDS_MOUNTS();
  SmallDisk disk{"8m"};
  ASSERT_TRUE(disk.mounted());
  const std::string url = "sqlite:" + disk / "tasks.db";
  ASSERT_TRUE(open_task_store(url));
  const auto before = test::TempDir::read(disk / "tasks.db");
  ASSERT_TRUE(disk.make_read_only());
  for (const auto& refused :
       {open_task_store(url).error(), open_task_store("sqlite:" + disk / "new.db").error()}) {
    EXPECT_EQ(refused.code, Errc::store_read_only) << refused.message;
    EXPECT_NE(refused.message.find("read-only"), std::string::npos) << refused.message;
  }
  EXPECT_EQ(test::TempDir::read(disk / "tasks.db"), before);
  ASSERT_TRUE(disk.make_writable());
  EXPECT_TRUE(open_task_store(url));
}

/// This process as user `nobody`, for one scope.
class AsNobody {
 public:
  AsNobody() : done_{::geteuid() == 0 && ::seteuid(65534) == 0} {}
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;
  ~AsNobody() {
    if (done_ && ::seteuid(0) != 0) ::abort();
  }
  [[nodiscard]] bool done() const { return done_; }

 private:
  bool done_;
};

TEST(ReadOnly, AFileOrFolderOfAnotherUserIsRefusedByName) {
  const test::TempDir dir;
  ASSERT_EQ(::chmod(dir.path().c_str(), 0755), 0);
  ASSERT_TRUE(open_task_store("sqlite:" + dir / "tasks.db"));
  ASSERT_EQ(::chmod((dir / "tasks.db.lock").c_str(), 0666), 0);
  const AsNobody nobody;
  if (!nobody.done()) GTEST_SKIP() << "only root can become another user";
  for (const char* name : {"tasks.db", "new.db"}) {
    const auto refused = open_task_store("sqlite:" + dir / name);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::store_read_only) << refused.error().message;
    EXPECT_NE(refused.error().message.find(dir / name), std::string::npos)
        << refused.error().message;
  }
}

}  // namespace
}  // namespace baozi::store
