// A broker whose disk is full: new tasks are refused with a reason, acks and results go on, and it
// recovers by itself.
#include <fcntl.h>
#include <unistd.h>

#include "../../chaos/store/mounts.hpp"
#include "programs.hpp"
#include "store/disk_space.hpp"

namespace baozi::test {
namespace {

using namespace std::chrono_literals;
using store::testing::SmallDisk;

/// Takes all the room of a disk but `leave` bytes.
class Ballast {
 public:
  Ballast(std::string path, std::uint64_t leave) : path_{std::move(path)} {
    const int fd = ::open(path_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    const std::string block(4096, 'b');
    while (store::disk_space(path_).free_bytes > leave) {
      if (::write(fd, block.data(), block.size()) <= 0) break;
    }
    ::close(fd);
  }
  ~Ballast() { ::unlink(path_.c_str()); }
  Ballast(const Ballast&) = delete;
  Ballast& operator=(const Ballast&) = delete;

 private:
  std::string path_;
};

class FullDisk : public ProgramsTest {};

TEST_F(FullDisk, RefusesNewTasksWithAReasonFinishesTheOldOnesAndRecovers) {
  BAOZI_NEEDS_MOUNTS();
  const SmallDisk disk{"64m"};
  ASSERT_TRUE(disk.mounted());
  cluster.start_broker({"--store", "sqlite:" + disk / "tasks.db"});
  cluster.start_collector();
  App app{AppOptions{.broker = cluster.address(), .submit_timeout = 120s}};
  auto mark = app.task<std::int64_t(std::string, std::int64_t)>("t.mark");
  std::vector<AsyncResult<std::int64_t>> old;
  for (int i = 0; i < 500; ++i) old.push_back(mark.delay(path, i));
  ASSERT_TRUE(app.flush(30s));

  std::optional<Ballast> ballast{std::in_place, disk / "ballast",
                                 1 << 20};  // the reserve is a tenth: 6.4 MiB
  App impatient{AppOptions{.broker = cluster.address(), .submit_timeout = 3s}};
  // The broker learns of the disk with its next commit, so the first one or two may still be taken.
  std::int64_t number = 500;
  std::int64_t taken = 500;
  std::string why;
  ASSERT_TRUE(eventually(
      [&] {
        try {
          auto one = impatient.send<std::int64_t>("t.mark", path, number++);
          one.wait_submitted(20s);
          if (one.submit_state() == SubmitState::confirmed) {
            ++taken;
            return false;
          }
          (void)one.get(20s);
        } catch (const ClientError& error) {
          why = error.what();
        }
        return true;
      },
      60s));
  EXPECT_NE(why.find("no_space"), std::string::npos) << "the caller is told: " << why;
  const Value full = status();
  ASSERT_TRUE(full.is_object());
  EXPECT_TRUE(full.at("node").at("store_full").to<bool>());
  EXPECT_GT(full.at("counters").at("submit_full").to<int>(), 0);
  const Ran shown = cluster.baozi({"status"});
  EXPECT_NE(shown.out.find("THE DISK IS FULL"), std::string::npos) << shown.out;

  cluster.start_worker(0);  // acks and results go on
  for (std::size_t i = 0; i < old.size(); ++i)
    EXPECT_EQ(old[i].get(60s), static_cast<std::int64_t>(i));
  ASSERT_TRUE(eventually([&] { return cluster.status("books.succeeded") == taken; }, 30s));
  EXPECT_EQ(status().at("node").at("store_full").to<bool>(), true) << "still";

  ballast.reset();
  auto later = mark.delay(path, 1'000'000);
  EXPECT_EQ(later.get(60s), 1'000'000) << "it recovers by itself";
  EXPECT_TRUE(eventually([&] { return cluster.status("node.store_full") == 0; }, 30s));
  expect_books(taken + 1, taken + 1);
}

}  // namespace
}  // namespace baozi::test
