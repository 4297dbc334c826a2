/// Opening: what an operator meets when something is not as it should be. Each refusal names the
/// file, says what to do, and leaves the bytes as they were.
#include <algorithm>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "damage.hpp"
#include "engines.hpp"

namespace baozi::store {
namespace {

namespace fs = std::filesystem;
using testing::cut;
using testing::flip_bit;
using testing::opened;

TaskBatch hundred_tasks(std::int64_t from = 0) {
  TaskBatch batch;
  for (std::int64_t i = 0; i < 100; ++i) batch.puts.push_back({from + i, Bytes(200, 't')});
  return batch;
}

void sql(const std::string& path, const std::string& text) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  char* message = nullptr;
  EXPECT_EQ(sqlite3_exec(db, text.c_str(), nullptr, nullptr, &message), SQLITE_OK) << message;
  sqlite3_close(db);
}

class SqliteFileTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string path() const { return dir_ / "store.db"; }
  [[nodiscard]] Result<std::unique_ptr<TaskStore>> open() const {
    return open_task_store("sqlite:" + path());
  }
  /// A closed store with 100 tasks.
  void make_store() const {
    const auto store = opened(open());
    const auto batch = hundred_tasks();
    ASSERT_TRUE(store->commit({&batch, 1}));
  }
  void expect_refusal(Errc code, const std::string& words) const {
    const auto before = test::TempDir::read(path());
    const auto refused = open();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, code) << refused.error().message;
    EXPECT_NE(refused.error().message.find(words), std::string::npos) << refused.error().message;
    EXPECT_NE(refused.error().message.find(dir_.path().string()), std::string::npos)
        << "names no file: " << refused.error().message;
    EXPECT_EQ(refused.error().message.find('\n'), std::string::npos);
    EXPECT_EQ(test::TempDir::read(path()), before) << "a refusal must leave the file alone";
  }
  test::TempDir dir_{test::TempDir::fast_parent()};
};

TEST_F(SqliteFileTest, KeepsWhatWasCommittedOverARestart) {
  make_store();
  const auto store = opened(open());
  EXPECT_EQ(store->load(0, 1000, 1000, 1 << 20)->size(), 100U);
}

TEST_F(SqliteFileTest, IsOneFileAnOperatorCanQuery) {
  make_store();
  EXPECT_FALSE(fs::exists(path() + "-wal")) << "a clean stop leaves one file";
  const auto store = opened(open());
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open_v2(path().c_str(), &db, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, "SELECT count(*) FROM tasks", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
}

TEST_F(SqliteFileTest, ShowsResultsInWordsAnOperatorReads) {
  auto store = opened(open_result_store("sqlite:" + path()));
  ResultRow row{.id = TaskId::from_text("01890a5d-ac96-774b-bcce-b302099a8057"), .state = 4};
  row.finished_us = 1'700'000'000'250'000;
  row.worker = "w1@host";
  row.record = "12345";
  ASSERT_TRUE(store->commit({&row, 1}));
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open_v2(path().c_str(), &db, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK);
  std::string line;
  const auto add = [](void* to, int n, char** values, char**) {
    for (int i = 0; i < n; ++i) *static_cast<std::string*>(to) += std::string{values[i]} + '|';
    return 0;
  };
  EXPECT_EQ(sqlite3_exec(db, "SELECT id,state,finished_utc,worker,record_bytes FROM readable", add,
                         &line, nullptr),
            SQLITE_OK);
  EXPECT_EQ(line,
            "01890a5d-ac96-774b-bcce-b302099a8057|SUCCESS|2023-11-14 22:13:20.250|w1@host|5|");
  sqlite3_close(db);
}

TEST_F(SqliteFileTest, IsRefusedWhileThisProcessHasItOpen) {
  const auto first = opened(open());
  expect_refusal(Errc::store_locked, "already open in this process");
  const auto batch = hundred_tasks();
  EXPECT_TRUE(first->commit({&batch, 1})) << "the first one must be unhurt";
  expect_refusal(Errc::store_locked, "already open");
}

TEST_F(SqliteFileTest, IsRefusedUnderAnotherNameToo) {
  const auto first = opened(open());
  fs::create_symlink(path(), dir_ / "alias.db");
  const auto refused = open_task_store("sqlite:" + dir_ / "alias.db");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::store_locked);
}

/// A process that has the store open until it is killed.
class Holder {
 public:
  explicit Holder(const std::string& path) {
    int ready[2];
    if (::pipe(ready) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) {
      const auto store = open_task_store("sqlite:" + path);
      const char done = store ? 'y' : 'n';
      if (::write(ready[1], &done, 1) != 1) ::_exit(1);
      while (true) ::pause();
    }
    ::close(ready[1]);
    char answer = 'n';
    holds_ = ::read(ready[0], &answer, 1) == 1 && answer == 'y';
    ::close(ready[0]);
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  ~Holder() { kill(); }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  [[nodiscard]] bool holds() const { return holds_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  bool holds_ = false;
};

TEST_F(SqliteFileTest, IsRefusedByNameOfTheProcessThatHasItAndFreeOnceThatIsKilled) {
  make_store();
  Holder other{path()};
  ASSERT_TRUE(other.holds());
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::store_locked);
  EXPECT_NE(refused.error().message.find("by process " + std::to_string(other.pid())),
            std::string::npos)
      << refused.error().message;
  other.kill();
  const auto store = open();
  EXPECT_TRUE(store) << store.error().message;
}

TEST_F(SqliteFileTest, AForkedChildDoesNotKeepTheLockOfADeadParent) {
  int grandchild_pipe[2];
  ASSERT_EQ(::pipe(grandchild_pipe), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    const auto store = open_task_store("sqlite:" + path());
    const pid_t child = ::fork();
    if (child == 0) {
      while (true) ::pause();
    }
    if (::write(grandchild_pipe[1], &child, sizeof child) != sizeof child) ::_exit(1);
    ::raise(SIGKILL);
  }
  pid_t grandchild = -1;
  ASSERT_EQ(::read(grandchild_pipe[0], &grandchild, sizeof grandchild),
            static_cast<ssize_t>(sizeof grandchild));
  ::waitpid(parent, nullptr, 0);
  const auto store = open();
  EXPECT_TRUE(store) << store.error().message;
  ::kill(grandchild, SIGKILL);
  ::close(grandchild_pipe[0]);
  ::close(grandchild_pipe[1]);
}

TEST_F(SqliteFileTest, OneFileHoldsOneKind) {
  make_store();
  const auto refused = open_result_store("sqlite:" + path());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid);
  EXPECT_NE(refused.error().message.find("holds tasks, not results"), std::string::npos);
}

TEST_F(SqliteFileTest, ANewerSchemaIsRefused) {
  make_store();
  sql(path(), "UPDATE about SET value=99 WHERE name='schema'");
  expect_refusal(Errc::store_newer, "newer baozi");
}

/// Turns the file into one of schema 1, which had no outboxes.
constexpr const char* schema_1 =
    "DROP TABLE peers; DROP TABLE outbox; UPDATE about SET value=1 WHERE name='schema'";

TEST_F(SqliteFileTest, AFileOfTheSchemaBeforeGetsWhatItLacks) {
  make_store();
  sql(path(), schema_1);
  {
    const auto store = opened(open());
    EXPECT_EQ(store->load(0, 1000, 1000, 1 << 20)->size(), 100U);
    const TaskBatch batch{.records = {{Space::outbox, "k", "row"}, {Space::peers, "p", "lane"}}};
    ASSERT_TRUE(store->commit({&batch, 1}));
  }
  const auto store = opened(open());
  EXPECT_EQ(*store->records(Space::outbox), (std::vector<Record>{{Space::outbox, "k", "row"}}));
  EXPECT_EQ(*store->records(Space::peers), (std::vector<Record>{{Space::peers, "p", "lane"}}));
}

TEST_F(SqliteFileTest, AFileThatSaysToBeNewerThanItIsIsDamaged) {
  make_store();
  sql(path(), "DROP TABLE outbox");
  expect_refusal(Errc::store_corrupt, "tables");
}

TEST_F(SqliteFileTest, SomebodyElsesDatabaseIsRefused) {
  sql(path(), "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
  expect_refusal(Errc::invalid, "not a baozi store");
}

TEST_F(SqliteFileTest, AFileThatIsNoDatabaseIsRefused) {
  dir_.write("store.db", std::string(5000, 'z'));
  expect_refusal(Errc::store_corrupt, "damaged");
}

TEST_F(SqliteFileTest, AnEmptyFileIsNotTakenForANewStore) {
  dir_.write("store.db", "");
  expect_refusal(Errc::store_corrupt, "is empty");
}

TEST_F(SqliteFileTest, ACutFileIsRefused) {
  make_store();
  const auto size = fs::file_size(path());
  for (const auto kept :
       {size - 1, size - 4096, size / 2, std::uintmax_t{4096}, std::uintmax_t{100}}) {
    const std::string whole = test::TempDir::read(path());
    cut(path(), kept);
    expect_refusal(Errc::store_corrupt, "damaged");
    dir_.write("store.db", whole);
  }
}

TEST_F(SqliteFileTest, ALogWithoutItsFileIsRefused) {
  dir_.write("store.db-wal", "pages of a file that is gone");
  expect_refusal(Errc::store_corrupt, "its log");
  EXPECT_FALSE(fs::exists(path()));
}

TEST_F(SqliteFileTest, AnInterruptedCreationLeavesNothingThatLooksLikeAStore) {
  dir_.write("store.db.creating", "half");
  dir_.write("store.db.creating-journal", "half");
  EXPECT_TRUE(opened(open()));
  EXPECT_FALSE(fs::exists(path() + ".creating"));
}

TEST_F(SqliteFileTest, AMissingFolderIsNamed) {
  const auto refused = open_task_store("sqlite:" + dir_ / "no/such/store.db");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::not_found);
  EXPECT_NE(refused.error().message.find(dir_ / "no/such does not exist"), std::string::npos)
      << refused.error().message;
}

TEST_F(SqliteFileTest, AFolderIsNoStore) {
  fs::create_directory(path());
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid) << refused.error().message;
  EXPECT_FALSE(open_task_store("sqlite:" + dir_.path().string() + "/"));
  EXPECT_FALSE(open_task_store("sqlite:"));
}

TEST_F(SqliteFileTest, APipeIsNoStore) {
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid) << refused.error().message;
}

TEST_F(SqliteFileTest, ALinkIntoAnUnmountedDiskIsNotReplacedByAnEmptyStore) {
  fs::create_symlink("/nowhere/at/all/store.db", path());
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::not_found);
  EXPECT_TRUE(fs::is_symlink(path()));
}

TEST_F(SqliteFileTest, AnUnknownUrlIsRefusedWithTheOnesThatExist) {
  for (const char* url : {"", "sqlite", "postgresql://host/db", "memory", "/var/lib/store.db"}) {
    const auto refused = open_task_store(url);
    ASSERT_FALSE(refused) << url;
    EXPECT_EQ(refused.error().code, Errc::invalid);
    EXPECT_NE(refused.error().message.find("sqlite:PATH"), std::string::npos);
  }
}

/// The log starts again from its beginning although commits and reads follow each other without a
/// pause, and although nobody but the store's own threads sees to it.
TEST_F(SqliteFileTest, TheLogStaysBoundedUnderSteadyTraffic) {
  const StoreOptions options{.checkpoint_pages = 64};
  const auto store = opened(open_task_store("sqlite:" + path(), options));
  std::uintmax_t longest = 0;
  for (std::int64_t n = 0; n < 1500; ++n) {
    auto batch = hundred_tasks(n * 100);  // about six pages
    for (std::int64_t i = 0; n > 10 && i < 100; ++i) batch.erases.push_back((n - 10) * 100 + i);
    ASSERT_TRUE(store->commit({&batch, 1}));
    ASSERT_GT(store->free_bytes(), 0U);
    ASSERT_TRUE(store->load(n * 100, n * 100 + 10, 10, 10'000));
    longest = std::max(longest, fs::file_size(path() + "-wal"));
  }
  EXPECT_LT(longest, (3 * 64 + 32) * std::uintmax_t{4096 + 24});
}

// ---- damage inside ----

/// Every row that carries this text, by its place in the file.
std::vector<std::size_t> places_of(const std::string& path, const std::string& text) {
  const auto bytes = test::TempDir::read(path);
  std::vector<std::size_t> places;
  for (auto at = bytes.find(text); at != std::string::npos; at = bytes.find(text, at + 1)) {
    places.push_back(at);
  }
  return places;
}

TEST_F(SqliteFileTest, AFlippedBitInATaskIsFoundAndTheTaskNamed) {
  {
    const auto store = opened(open());
    const TaskBatch batch{.puts = {{41, "before"}, {42, "the marked task"}, {43, "behind"}}};
    ASSERT_TRUE(store->commit({&batch, 1}));
  }
  const auto places = places_of(path(), "the marked task");
  ASSERT_EQ(places.size(), 1U);
  flip_bit(path(), places[0] + 4, 3);
  const auto store = opened(open());
  const auto loaded = store->load(0, 100, 100, 1000);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Errc::store_corrupt);
  EXPECT_NE(loaded.error().message.find("task 42"), std::string::npos) << loaded.error().message;
  EXPECT_NE(loaded.error().message.find(path()), std::string::npos);
  const auto batch = hundred_tasks();
  EXPECT_EQ(store->commit({&batch, 1}).error().code, Errc::store_corrupt) << "nothing after damage";
}

TEST_F(SqliteFileTest, AFlippedBitInAResultIsFoundAndTheTaskNamed) {
  const auto id = TaskId::from_text("order-17");
  {
    const auto store = opened(open_result_store("sqlite:" + path()));
    const ResultRow row{.id = id, .record = "the marked result"};
    ASSERT_TRUE(store->commit({&row, 1}));
  }
  const auto places = places_of(path(), "the marked result");
  ASSERT_EQ(places.size(), 1U);
  flip_bit(path(), places[0]);
  const auto store = opened(open_result_store("sqlite:" + path()));
  const auto found = store->find({&id, 1});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Errc::store_corrupt);
  EXPECT_NE(found.error().message.find("order-17"), std::string::npos) << found.error().message;
}

/// Whatever bit flips: every task comes back as it was, or the damage is found when the store is
/// opened or read.
TEST_F(SqliteFileTest, NoFlippedBitLosesOrChangesATaskInSilence) {
  make_store();
  const auto whole = test::TempDir::read(path());
  int found = 0;
  int harmless = 0;
  for (std::size_t byte = 0; byte < whole.size(); byte += 23) {
    dir_.write("store.db", whole);
    flip_bit(path(), byte, static_cast<unsigned>(byte % 8));
    const auto store = open();
    if (!store) {
      ++found;
      continue;
    }
    const auto tasks = (*store)->load(std::numeric_limits<std::int64_t>::min(),
                                      std::numeric_limits<std::int64_t>::max(), 1000, 1 << 20);
    if (!tasks) {
      ++found;
      EXPECT_EQ(tasks.error().code, Errc::store_corrupt) << tasks.error().message;
      continue;
    }
    ++harmless;
    EXPECT_EQ(tasks->size(), 100U) << "byte " << byte;
    for (const auto& task : *tasks) {
      ASSERT_TRUE(task.key >= 0 && task.key < 100 && task.rec == Bytes(200, 't'))
          << "byte " << byte;
    }
  }
  EXPECT_GT(found, 100);
  EXPECT_GT(harmless, 10);
}

/// A store as kill -9 leaves it, with `commits` transactions in its log.
void make_killed_store(const std::string& path, int commits) {
  const pid_t child = ::fork();
  if (child == 0) {
    auto store = open_task_store("sqlite:" + path);
    for (int i = 0; i < commits; ++i) {
      const auto batch = hundred_tasks(i * 100);
      if (!store || !(*store)->commit({&batch, 1})) ::_exit(1);
    }
    ::raise(SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
}

constexpr std::uint64_t frame_bytes = 24 + 4096;

TEST_F(SqliteFileTest, ALogThatAKilledProcessLeftIsTakenOver) {
  make_killed_store(path(), 5);
  ASSERT_GT(fs::file_size(path() + "-wal"), 5 * frame_bytes);
  const auto store = opened(open());
  EXPECT_EQ(store->load(0, 10'000, 10'000, 1 << 20)->size(), 500U);
  EXPECT_EQ(fs::file_size(path() + "-wal"), 0U) << "what was recovered goes into the file at once";
}

TEST_F(SqliteFileTest, ADamagedLogIsRefusedInsteadOfDroppingWhatWasConfirmed) {
  make_killed_store(path(), 5);
  const std::string log = path() + "-wal";
  const auto whole = test::TempDir::read(log);
  const auto file = test::TempDir::read(path());
  int refused = 0;
  for (std::size_t byte = 0; byte < whole.size(); byte += 211) {
    dir_.write("store.db", file);
    dir_.write("store.db-wal", whole);
    fs::remove(path() + "-shm");
    flip_bit(log, byte, static_cast<unsigned>(byte % 8));
    const auto store = open();
    if (!store) {
      EXPECT_EQ(store.error().code, Errc::store_corrupt) << store.error().message;
      ++refused;
      continue;
    }
    // Only the end of the log can pass for a torn transaction, so at most the last two are missing:
    // the one that was hit, when it is the last but one and the bad frame is not the one that ends
    // it.
    const auto tasks = (*store)->load(0, 10'000, 10'000, 1 << 20);
    ASSERT_TRUE(tasks) << tasks.error().message;
    EXPECT_GE(tasks->size(), 300U) << "byte " << byte;
  }
  EXPECT_GT(refused, 50);
}

TEST_F(SqliteFileTest, ATornTailOfTheLogIsCutSilently) {
  make_killed_store(path(), 5);
  const std::string log = path() + "-wal";
  const auto whole = test::TempDir::read(log);
  const auto file = test::TempDir::read(path());
  for (std::uint64_t lost = 1; lost < 4 * frame_bytes; lost += 1500) {
    dir_.write("store.db", file);
    dir_.write("store.db-wal", whole.substr(0, whole.size() - lost));
    fs::remove(path() + "-shm");
    const auto store = opened(open());
    EXPECT_EQ(store->load(0, 10'000, 10'000, 1 << 20)->size(), 400U) << lost;
  }
}

}  // namespace
}  // namespace baozi::store
