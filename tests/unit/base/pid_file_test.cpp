#include "base/pid_file.hpp"

#include <filesystem>
#include <stdexcept>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/process.hpp"
#include "support/temp_dir.hpp"

namespace baozi::base {
namespace {

using test::Process;
using test::TempDir;

class PidFileTest : public testing::Test {
 protected:
  std::string complaint() {
    try {
      const PidFile file{path};
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return {};
  }
  /// Runs in a child and reports whether it could take the file.
  bool another_process_may_have_it() {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(complaint().empty() ? 0 : 1);
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

  TempDir dir;
  std::string path = dir / "broker.pid";
};

TEST_F(PidFileTest, HoldsOurNumberAndIsGoneWithUs) {
  {
    const PidFile file{path};
    EXPECT_EQ(TempDir::read(path), std::to_string(::getpid()) + '\n');
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(PidFileTest, IsRefusedWhileItsProcessLives) {
  const PidFile file{path};
  EXPECT_FALSE(another_process_may_have_it());
  EXPECT_EQ(TempDir::read(path), std::to_string(::getpid()) + '\n');
}

TEST_F(PidFileTest, OfALiveProcessThatHoldsNoLockIsRefusedToo) {
  const Process sleeper{{"/bin/sleep", "1000"}};
  dir.write("broker.pid", std::to_string(sleeper.pid()) + '\n');
  EXPECT_EQ(complaint(),
            "pid file '" + path + "': process " + std::to_string(sleeper.pid()) + " is running");
  EXPECT_EQ(TempDir::read(path), std::to_string(sleeper.pid()) + '\n');
}

TEST_F(PidFileTest, OfADeadProcessIsReplaced) {
  pid_t dead = 0;
  {
    Process brief{{"/bin/true"}};
    brief.wait();
    dead = brief.pid();
  }
  dir.write("broker.pid", std::to_string(dead) + '\n');
  const PidFile file{path};
  EXPECT_EQ(TempDir::read(path), std::to_string(::getpid()) + '\n');
}

TEST_F(PidFileTest, OfAProcessThatIsDeadButNotYetReapedIsReplaced) {
  Process brief{{"/bin/true"}};
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(brief.pid()), &info, WEXITED | WNOWAIT), 0);
  dir.write("broker.pid", std::to_string(brief.pid()) + '\n');
  EXPECT_EQ(complaint(), "");
}

TEST_F(PidFileTest, WhoseNumberWasGivenToALaterProcessIsReplaced) {
  const Process later{{"/bin/sleep", "1000"}};
  dir.write("broker.pid", std::to_string(later.pid()) + '\n');
  const timespec an_hour_before[2] = {{::time(nullptr) - 3600, 0}, {::time(nullptr) - 3600, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), an_hour_before, 0), 0);
  EXPECT_EQ(complaint(), "");
}

TEST_F(PidFileTest, WithOurOwnNumberFromAnEarlierLifeIsReplaced) {
  dir.write("broker.pid", std::to_string(::getpid()) + '\n');
  EXPECT_EQ(complaint(), "");
}

TEST_F(PidFileTest, ThatIsEmptyIsTaken) {
  dir.write("broker.pid", "");
  EXPECT_EQ(complaint(), "");
}

TEST_F(PidFileTest, ThatIsSomethingElseIsNotTouched) {
  dir.write("broker.pid", "root:x:0:0\n");
  EXPECT_EQ(complaint(), "pid file '" + path + "': holds no process id; not touched");
  EXPECT_EQ(TempDir::read(path), "root:x:0:0\n");
}

TEST_F(PidFileTest, InNoFolderIsAnError) {
  path = "/nowhere/x.pid";
  EXPECT_EQ(complaint(), "pid file '/nowhere/x.pid': No such file or directory");
}

TEST_F(PidFileTest, IsLeftAloneByAForkedChild) {
  const PidFile file{path};
  const pid_t child = ::fork();
  if (child == 0) {
    file.~PidFile();
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(std::filesystem::exists(path));
  EXPECT_FALSE(another_process_may_have_it());
}

TEST_F(PidFileTest, ThatWasReplacedByAnotherIsNotRemoved) {
  {
    const PidFile file{path};
    std::filesystem::remove(path);
    dir.write("broker.pid", "12345\n");
  }
  EXPECT_EQ(TempDir::read(path), "12345\n");
}

}  // namespace
}  // namespace baozi::base
