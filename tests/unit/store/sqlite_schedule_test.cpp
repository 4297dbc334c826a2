// Schedules in SQLite files: what is wrong with a file, and what becomes of it while it is used.
#include <filesystem>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/open_store.hpp"
#include "store/sqlite_db.hpp"
#include "support/temp_dir.hpp"

namespace baozi::store {
namespace {

namespace fs = std::filesystem;

class SqliteSchedule : public testing::Test {
 protected:
  Result<std::unique_ptr<ScheduleStore>> open() { return open_schedule_store("sqlite:" + path_); }
  std::unique_ptr<ScheduleStore> opened() {
    auto store = open();
    if (!store) throw std::runtime_error{store.error().message};
    return std::move(*store);
  }
  Error refusal() {
    auto store = open();
    return store ? Error{Errc::not_found, "it was opened"} : store.error();
  }
  static Result<void> add(ScheduleStore& store, const std::string& name) {
    const auto entry = *beat::Entry::parse(name, Value::from_json(R"({"every": 3, "task": "t"})"));
    return store.put(std::span{&entry, 1}, "add", "eva@host", wall_time(1));
  }
  test::TempDir folder_{test::TempDir::fast_parent()};
  std::string path_ = folder_ / "schedule.db";
};

TEST_F(SqliteSchedule, StoresOfOtherKindsAreRefused) {
  {
    auto tasks = open_task_store("sqlite:" + path_);
    ASSERT_TRUE(tasks);
  }
  EXPECT_EQ(refusal().message,
            "store " + path_ + " holds tasks, not a schedule: give another path");
  path_ = folder_.write("text", "this is not a database, and it is long enough to be looked at");
  EXPECT_EQ(refusal().code, Errc::store_corrupt);
  path_ = folder_.write("empty", "");
  EXPECT_EQ(refusal().code, Errc::store_corrupt);
  path_ = folder_.path().string();
  EXPECT_EQ(refusal().code, Errc::invalid);
  path_ = folder_ / "no/such/folder.db";
  EXPECT_EQ(refusal().code, Errc::not_found);
}

TEST_F(SqliteSchedule, OnlyAUrlOfAStoreIsOne) {
  const auto store = open_schedule_store("mysql://x");
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, Errc::invalid);
}

TEST_F(SqliteSchedule, ADamagedFileIsNamed) {
  {
    auto store = opened();
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(add(*store, "entry-" + std::to_string(i)));
  }
  std::string bytes = test::TempDir::read(path_);
  for (std::size_t at = 4096 * 2; at < bytes.size(); at += 512) bytes[at] = '\x7f';
  folder_.write("schedule.db", bytes);
  EXPECT_EQ(refusal().code, Errc::store_corrupt);
  EXPECT_NE(refusal().message.find(path_), std::string::npos);
}

TEST_F(SqliteSchedule, AFileThatIsGoneIsNotMadeAnewWhileItIsUsed) {
  auto store = opened();
  ASSERT_TRUE(add(*store, "a"));
  for (const char* part : {"", "-wal", "-shm"}) fs::remove(path_ + part);
  const auto version = store->version();
  ASSERT_FALSE(version);
  EXPECT_EQ(version.error().code, Errc::store_failed);
  EXPECT_EQ(version.error().message, "store " + path_ + " is gone: put the file back");
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(SqliteSchedule, AnotherFileInItsPlaceIsTheOneThatCounts) {
  auto store = opened();
  ASSERT_TRUE(add(*store, "a"));
  const std::string mine = path_;
  path_ = folder_ / "other.db";
  {
    auto other = opened();
    ASSERT_TRUE(add(*other, "b"));
  }
  for (const char* part : {"-wal", "-shm"}) fs::remove(mine + part);
  fs::rename(path_, mine);
  EXPECT_TRUE((*store->find("b")).has_value());
}

TEST_F(SqliteSchedule, AForeignWriterIsWaitedForAndNotForEver) {
  StoreOptions options;
  options.busy_timeout = std::chrono::milliseconds{50};
  auto store = std::move(*open_schedule_store("sqlite:" + path_, options));
  auto foreign = Database::open(path_, "", std::chrono::seconds{10});
  ASSERT_TRUE(foreign);
  ASSERT_TRUE(foreign->exec("BEGIN IMMEDIATE"));
  const Result<void> added = add(*store, "a");
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code, Errc::store_locked);
  EXPECT_TRUE(store->version());  // reading goes on
  ASSERT_TRUE(foreign->exec("COMMIT"));
  EXPECT_TRUE(add(*store, "a"));
}

TEST_F(SqliteSchedule, ManyProcessesCreateOneFile) {
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      auto store = open();
      ::_exit(store && add(**store, "e" + std::to_string(i)) ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  std::vector<std::string> broken;
  EXPECT_EQ(opened()->load(broken)->size(), 4U);
}

}  // namespace
}  // namespace baozi::store
