/// Power cuts: an ext4 file system on a loop device is shut down at a random moment, which drops
/// everything that was not synced (ext4's shutdown ioctl, no log flush). What was reported must be
/// there after the next mount. kill -9 does not show this: there the page cache survives.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.hpp"
#include "faulty_vfs.hpp"
#include "mounts.hpp"
#include "script.hpp"
#include "store/open_store.hpp"

namespace baozi::store {
namespace {

constexpr unsigned long ext4_shutdown = _IOR('X', 125, std::uint32_t);
constexpr std::uint32_t without_log_flush = 2;

int shell(const std::string& command) {
  return std::system(
      (command + " >/dev/null 2>&1").c_str());  // NOLINT(cert-env33-c): a test's own tools
}

/// A disk whose power can be cut.
class Disk {
 public:
  Disk() {
    const std::string image = dir_ / "image";
    made_ = shell("truncate -s 48M " + image) == 0 &&
            shell("/sbin/mkfs.ext4 -q -F " + image) == 0 && shell("mkdir " + at()) == 0;
    if (made_) mount();
  }
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;
  ~Disk() { unmount(); }
  bool mount() {
    mounted_ = shell("mount -o loop " + dir_ / "image" + " " + at()) == 0;
    return mounted_;
  }
  bool cut_power() {
    const int fd = ::open(at().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool done = fd >= 0 && ::ioctl(fd, ext4_shutdown, &without_log_flush) == 0;
    if (fd >= 0) ::close(fd);
    return done;
  }
  bool unmount() {
    if (mounted_) mounted_ = shell("umount " + at()) != 0;
    return !mounted_;
  }
  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] std::string at() const { return dir_ / "disk"; }

 private:
  test::TempDir dir_;
  bool made_ = false;
  bool mounted_ = false;
};

/// Commits in a child and reports each commit; cuts the power after `time`, and returns the last
/// report from before.
std::uint64_t last_report_before_cut(Disk& disk, std::uint64_t from, const StoreOptions& options,
                                     std::chrono::microseconds time) {
  int report[2];
  if (::pipe(report) != 0) return 0;
  const pid_t pid = ::fork();
  if (pid == 0) {
    auto store = open_task_store("sqlite:" + disk.at() + "/store.db", options);
    if (!store) ::_exit(2);
    for (std::uint64_t n = from + 1;; ++n) {
      const auto batch = testing::scripted(n);
      if (!(*store)->commit({&batch, 1})) break;  // the disk is gone
      if (::write(report[1], &n, sizeof n) != sizeof n) break;
    }
    ::raise(SIGKILL);
  }
  ::close(report[1]);
  std::uint64_t last = from;
  const auto read_one = [&] { return ::read(report[0], &last, sizeof last) == sizeof last; };
  EXPECT_TRUE(read_one()) << "the child reported nothing";
  const auto until = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < until) {
    ::pollfd waiting{report[0], POLLIN, 0};
    if (::poll(&waiting, 1, 1) == 1 && !read_one()) break;
  }
  // Reports that are in the pipe already were made before the cut; those that come later need not
  // be.
  ::pollfd waiting{report[0], POLLIN, 0};
  while (::poll(&waiting, 1, 0) == 1 && read_one()) {
  }
  EXPECT_TRUE(disk.cut_power());
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  ::close(report[0]);
  return last;
}

#define BAOZI_NEEDS_POWER_CUTS(disk) \
  BAOZI_NEEDS_MOUNTS();              \
  Disk disk;                         \
  if (!(disk).mounted()) GTEST_SKIP() << "cannot mount an ext4 image on a loop device"

TEST(PowerCut, EveryReportedCommitIsThere) {
  BAOZI_NEEDS_POWER_CUTS(disk);
  Random random{99};
  std::uint64_t n = 0;
  for (int round = 0; round < 8; ++round) {
    const StoreOptions options{.cache_kib = 128, .checkpoint_pages = round % 2 == 0 ? 16U : 2048U};
    const std::chrono::microseconds time{random.below(60'000)};
    const auto reported = last_report_before_cut(disk, n, options, time);
    ASSERT_TRUE(disk.unmount());
    ASSERT_TRUE(disk.mount());
    const auto store = open_task_store("sqlite:" + disk.at() + "/store.db");
    ASSERT_TRUE(store) << store.error().message;
    n = testing::checked_state(**store);
    ASSERT_GE(n, reported) << "round " << round;
  }
}

/// The control: without syncs the same cut must lose something, or the test above is blind.
TEST(PowerCut, WithoutSyncsSomethingIsLost) {
  BAOZI_NEEDS_POWER_CUTS(disk);
  bool lost = false;
  for (int round = 0; round < 5 && !lost; ++round) {
    const std::string path = disk.at() + "/store.db";
    testing::drop_syncs(true);
    const auto reported = last_report_before_cut(disk, 0, {.vfs = testing::faulty_vfs()},
                                                 std::chrono::milliseconds{50});
    testing::drop_syncs(false);
    ASSERT_TRUE(disk.unmount());
    ASSERT_TRUE(disk.mount());
    const auto store = open_task_store("sqlite:" + path);
    if (!store) {
      lost = true;  // not even a store
    } else {
      const auto records = (*store)->records(Space::epochs);
      lost = !records || records->empty() || std::stoull(*records->front().value) < reported;
    }
    ASSERT_EQ(shell("rm -f " + path + "*"), 0);
  }
  EXPECT_TRUE(lost);
}

/// A new store survives a cut right after its opening was reported: file and name are synced.
TEST(PowerCut, ANewStoreKeepsItsName) {
  BAOZI_NEEDS_POWER_CUTS(disk);
  const std::string url = "sqlite:" + disk.at() + "/store.db";
  const pid_t pid = ::fork();
  if (pid == 0) {
    const auto store = open_task_store(url);
    ::_exit(store && disk.cut_power() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  ASSERT_EQ(status, 0);
  ASSERT_TRUE(disk.unmount());
  ASSERT_TRUE(disk.mount());
  ASSERT_EQ(::access((disk.at() + "/store.db").c_str(), R_OK), 0);
  const auto store = open_task_store(url);
  EXPECT_TRUE(store) << store.error().message;
}

}  // namespace
}  // namespace baozi::store
