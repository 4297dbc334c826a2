// A pool of processes whose task libraries are replaced while it works.
#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>
#include <unistd.h>

#include <baozi/arguments.hpp>
#include <baozi/codec.hpp>

#include "base/system_clock.hpp"
#include "pool_bench.hpp"
#include "support/eventually.hpp"
#include "support/process.hpp"
#include "support/temp_dir.hpp"
#include "worker/plugin.hpp"
#include "worker/prefork/server.hpp"

namespace baozi::worker {
namespace {

using namespace std::chrono_literals;
using test::executes;

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> all;
  std::ifstream list{"/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children"};
  for (pid_t child = 0; list >> child;) all.push_back(child);
  return all;
}

class PreforkReload : public PoolBench {
 protected:
  /// As `install` and `mv` do it: the old file stays whole for those who have it.
  void install(const std::string& plugin) const {
    const std::string fresh = library() + ".new";
    std::filesystem::copy_file(std::string{BAOZI_PLUGINS} + "libplugin_" + plugin + ".so", fresh,
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::rename(fresh, library());
  }
  [[nodiscard]] std::string library() const { return folder / "libtasks.so"; }

  void start(const std::string& plugin, PreforkPool::Options options = {}) {
    install(plugin);
    if (options.apps.empty()) options.apps = {library()};
    options.worker_name = "w1@here";
    pool = std::make_unique<PreforkPool>(options);
    ASSERT_TRUE(all_up(options.children));
  }
  Token submit(std::string_view name, std::string body) {
    const auto tasks = pool->tasks();
    EXPECT_NE(tasks->find(name), nullptr) << name;
    if (tasks->find(name) == nullptr) return Token{};
    tables.push_back(tasks);  // the worker keeps what runs by it
    const Start start = item(*tasks, name, std::move(body));
    EXPECT_EQ(pool->submit({&start, 1}), 1u);
    return start.token;
  }
  int number_of(Token token) {
    const Ended& one = end_of(token);
    EXPECT_EQ(one.verdict, Verdict::success) << one.value;
    return one.verdict == Verdict::success ? unpack<int>(one.value) : 0;
  }
  int version() { return number_of(submit("v.version", pack_body())); }
  bool runs(Token token) {
    return run_until([&] {
      const auto slots = pool->status();
      return std::any_of(slots.begin(), slots.end(),
                         [&](const auto& slot) { return slot.token == token; });
    });
  }
  /// How it ended: empty, or why nothing has changed.
  std::string reload() {
    const std::size_t before = reloads.size();
    EXPECT_EQ(pool->reload(), "");
    EXPECT_TRUE(run_until([&] { return reloads.size() > before; }));
    return reloads.size() > before ? reloads.back() : "it does not end";
  }
  void refuses(const std::string& plugin, const std::string& why) {
    start("version_1", {.children = 2});
    const pid_t server = pool->server_pid();
    const auto tasks = pool->tasks();
    if (plugin.empty()) {
      std::filesystem::remove(library());
    } else {
      install(plugin);
    }
    const std::string said = reload();
    EXPECT_NE(said.find(why), std::string::npos) << said;
    EXPECT_EQ(said.find('\n'), std::string::npos) << said;
    EXPECT_EQ(pool->server_pid(), server);
    EXPECT_EQ(pool->tasks(), tasks);
    EXPECT_EQ(version(), 1);
    EXPECT_EQ(children_of(getpid()), std::vector<pid_t>{server}) << "nobody is left of the attempt";
    install("version_2");  // and the next one may go well
    EXPECT_EQ(reload(), "");
    EXPECT_TRUE(run_until([&] { return version() == 2; }));
  }
  std::string open_gate() { return folder.write("gate", "open"); }
  [[nodiscard]] std::string gate() const { return folder / "gate"; }

  test::TempDir folder;
  std::vector<std::shared_ptr<const TaskTable>> tables;
};

TEST_F(PreforkReload, NewCodeComesWithoutALostTaskAndTheOldServerEnds) {
  start("version_1", {.children = 2});
  const pid_t before = pool->server_pid();
  EXPECT_EQ(version(), 1);
  const Token runs_on = submit("v.wait", pack_body(gate()));
  ASSERT_TRUE(runs(runs_on));
  install("version_2");
  EXPECT_EQ(version(), 1) << "nothing happens by itself";
  EXPECT_EQ(reload(), "");
  EXPECT_NE(pool->server_pid(), before);
  EXPECT_TRUE(run_until([&] { return version() == 2; })) << "in the slot that was free";
  for (int i = 0; i < 100; ++i) EXPECT_EQ(version(), 2);
  EXPECT_TRUE(executes(before)) << "one of its children is in a task";
  open_gate();
  EXPECT_EQ(number_of(runs_on), 1) << "it ends as what it began as";
  EXPECT_TRUE(run_until([&] { return children_of(getpid()).size() == 1; })) << "no zombie either";
  EXPECT_FALSE(executes(before));
  EXPECT_EQ(pool->in_hand(), 0u);
}

TEST_F(PreforkReload, TheWorkerLearnsWhatIsRegisteredNow) {
  start("version_1");
  const auto before = pool->tasks();
  EXPECT_EQ(before->find("v.retry")->retry.max_retries, 7);
  EXPECT_EQ(before->find("v.only_in_2"), nullptr);
  EXPECT_TRUE(before->at_most_once().empty());
  EXPECT_EQ(before->broker_limits().at(0), (TaskPolicies::BrokerLimit{"v.version", 3}));
  install("version_2");
  EXPECT_EQ(reload(), "");
  const auto after = pool->tasks();
  EXPECT_EQ(after->find("v.only_in_1"), nullptr);
  ASSERT_NE(after->find("v.only_in_2"), nullptr);
  EXPECT_TRUE(after->find("v.only_in_2")->redacted);
  EXPECT_EQ(after->definition("v.only_in_2")->parameters().at(0).name, "secret");
  EXPECT_EQ(after->find("v.retry")->retry.max_retries, 0);
  EXPECT_EQ(after->find("v.version")->time_limit, Micros{5'000'000});
  EXPECT_EQ(after->find("v.version")->rate, 1'000);
  EXPECT_EQ(after->at_most_once(), std::vector<std::string>{"v.version"});
  EXPECT_TRUE(after->broker_limits().empty());
  EXPECT_NE(before->find("v.only_in_1"), nullptr) << "who has the old table keeps it";
  EXPECT_EQ(number_of(submit("v.only_in_2", pack_body(1))), 2);
}

TEST_F(PreforkReload, TheSameTasksStayTheSameTable) {
  start("version_1");
  turn();
  const auto before = pool->tasks();
  const int changes_before = changes;
  EXPECT_EQ(reload(), "");
  EXPECT_EQ(pool->tasks(), before);
  EXPECT_EQ(changes, changes_before);
  EXPECT_EQ(version(), 1);
}

TEST_F(PreforkReload, WithoutALibraryNothingChanges) { refuses("", "no such file"); }
TEST_F(PreforkReload, ALibraryThatCrashesInAConstructorChangesNothing) {
  refuses("version_91", "ended while it did: signal 11");
}
TEST_F(PreforkReload, ANameThatIsRegisteredTwiceChangesNothing) {
  refuses("version_93", "registered twice");
}

TEST_F(PreforkReload, ALibraryThatNeverLoadsIsGivenUp) {
  start("version_1", {.load_patience = 3s});
  const pid_t server = pool->server_pid();
  install("version_92");
  EXPECT_EQ(reload(), "loading the tasks takes too long");
  EXPECT_EQ(children_of(getpid()), std::vector<pid_t>{server});
  EXPECT_EQ(version(), 1);
}

TEST_F(PreforkReload, TwoInARowLeaveOneServerAndWhatRunsIsFinished) {
  start("version_1", {.children = 3});
  const Token first = submit("v.wait", pack_body(gate()));
  ASSERT_TRUE(runs(first));
  install("version_2");
  EXPECT_EQ(pool->reload(), "");
  EXPECT_NE(pool->reload(), "") << "one at a time";
  ASSERT_TRUE(run_until([&] { return reloads.size() == 1; }));
  EXPECT_TRUE(run_until([&] { return version() == 2; }));
  const Token second = submit("v.wait", pack_body(gate()));
  ASSERT_TRUE(runs(second));
  install("version_1");
  EXPECT_EQ(reload(), "");
  EXPECT_TRUE(run_until([&] { return version() == 1; }));
  EXPECT_EQ(children_of(getpid()).size(), 3u);
  open_gate();
  EXPECT_EQ(number_of(first), 1);
  EXPECT_EQ(number_of(second), 2);
  EXPECT_TRUE(run_until([&] { return children_of(getpid()).size() == 1; }));
}

TEST_F(PreforkReload, ACrashInAProcessOfTheOldServerIsNamedByIt) {
  start("version_1", {.children = 2});
  const Token crash = submit("v.wait_and_crash", pack_body(gate()));
  ASSERT_TRUE(runs(crash));
  install("version_2");
  EXPECT_EQ(reload(), "");
  EXPECT_TRUE(run_until([&] { return version() == 2; }));
  open_gate();
  EXPECT_EQ(end_of(crash).verdict, Verdict::lost);
  const auto texts = unpack<std::array<std::string, 3>>(end_of(crash).value);
  // By what is in memory: the file is another one by now, whose lines would be wrong ones.
  EXPECT_NE(texts[2].find("crash_of_this_version (libtasks.so+0x"), std::string::npos)
      << texts[1] << texts[2];
  EXPECT_EQ(texts[2].find("versioned.cpp"), std::string::npos) << texts[2];
  EXPECT_TRUE(run_until([&] { return children_of(getpid()).size() == 1; }));
  EXPECT_EQ(version(), 2);
}

TEST_F(PreforkReload, ALostOldServerCostsWhatItsProcessesRanAndNoMore) {
  start("version_1", {.children = 2});
  const pid_t before = pool->server_pid();
  const Token lost = submit("v.wait", pack_body(gate()));
  ASSERT_TRUE(runs(lost));
  install("version_2");
  EXPECT_EQ(reload(), "");
  ::kill(before, SIGKILL);
  EXPECT_EQ(end_of(lost).verdict, Verdict::suspect) << "it is delivered again";
  ASSERT_TRUE(all_up(2));
  EXPECT_EQ(version(), 2);
  EXPECT_EQ(children_of(getpid()), std::vector<pid_t>{pool->server_pid()});
}

TEST_F(PreforkReload, AServerThatIsLostWhileAnotherLoadsIsReplacedByIt) {
  start("version_1", {.children = 2});
  install("version_2");
  EXPECT_EQ(pool->reload(), "");
  ::kill(pool->server_pid(), SIGKILL);
  ASSERT_TRUE(run_until([&] { return reloads.size() == 1; }));
  EXPECT_EQ(reloads[0], "");
  EXPECT_EQ(version(), 2);
  ASSERT_TRUE(all_up(2));
  EXPECT_TRUE(run_until([&] { return children_of(getpid()).size() == 1; }));
}

TEST_F(PreforkReload, AServerThatIsLostWhileItLoadsChangesNothing) {
  start("version_1");
  const pid_t server = pool->server_pid();
  install("version_92");
  EXPECT_EQ(pool->reload(), "");
  ASSERT_TRUE(run_until([&] { return children_of(getpid()).size() == 2; }));
  for (const pid_t child : children_of(getpid())) {
    if (child != server) ::kill(child, SIGKILL);
  }
  ASSERT_TRUE(run_until([&] { return reloads.size() == 1; }));
  EXPECT_NE(reloads[0].find("signal 9"), std::string::npos) << reloads[0];
  EXPECT_EQ(version(), 1);
}

TEST_F(PreforkReload, ALostServerBringsWhatIsInstalledByThen) {
  start("version_1");
  install("version_2");
  ::kill(pool->server_pid(), SIGKILL);
  ASSERT_TRUE(run_until([&] { return pool->tasks()->find("v.only_in_2") != nullptr; }));
  EXPECT_EQ(version(), 2);
}

TEST_F(PreforkReload, OneThatIsAbandonedLeavesNothing) {
  start("version_1");
  const pid_t server = pool->server_pid();
  install("version_2");
  EXPECT_EQ(pool->reload(), "");
  pool->abandon_reload();
  EXPECT_EQ(children_of(getpid()), std::vector<pid_t>{server});
  EXPECT_EQ(version(), 1);
  EXPECT_TRUE(reloads.empty());
  EXPECT_TRUE(pool->stop(StopMode::hand_back).empty());
  EXPECT_EQ(pool->reload(), "the pool is stopping");
}

TEST_F(PreforkReload, WhereLoadingStartsThreadsItWorksToo) {
  start("threaded_version_1", {.children = 2});
  EXPECT_EQ(version(), 1);
  const Token runs_on = submit("v.wait", pack_body(gate()));
  ASSERT_TRUE(runs(runs_on));
  install("threaded_version_2");
  EXPECT_EQ(reload(), "");
  EXPECT_TRUE(run_until([&] { return version() == 2; }));
  EXPECT_NE(pool->tasks()->find("v.only_in_2"), nullptr);
  open_gate();
  EXPECT_EQ(number_of(runs_on), 1);
  EXPECT_TRUE(run_until([&] { return children_of(getpid()).size() == 1; }));
}

TEST_F(PreforkReload, FilesOfProgramsAreReadAnew) {
  const auto says = [&](const char* word) {
    folder.write("tasks.yaml", std::string{"e.say:\n  command: [/bin/echo, "} + word + "]\n");
  };
  says("one");
  start("version_1", {.apps = {"exec:" + (folder / "tasks.yaml")}});
  const auto answer = [&] { return end_of(submit("e.say", pack_body())).value; };
  EXPECT_NE(answer().find("one"), std::string::npos);
  says("two");
  EXPECT_EQ(reload(), "");
  EXPECT_TRUE(run_until([&] { return answer().find("two") != std::string::npos; }));
  folder.write("tasks.yaml", "e.say: nonsense\n");
  EXPECT_NE(reload().find("tasks.yaml"), std::string::npos);
  EXPECT_NE(answer().find("two"), std::string::npos);
}

TEST_F(PreforkReload, ProcessesThatAreReplacedAnywayComeFromTheNewServer) {
  start("version_1", {.children = 2, .tasks_per_child_max = 3});
  for (int i = 0; i < 10; ++i) EXPECT_EQ(version(), 1);
  install("version_2");
  EXPECT_EQ(reload(), "");
  EXPECT_TRUE(run_until([&] { return version() == 2; }));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(version(), 2);
  EXPECT_EQ(pool->resize(4), 4u);
  ASSERT_TRUE(all_up(4));
  EXPECT_EQ(version(), 2);
}

}  // namespace
}  // namespace baozi::worker

/// This program is its own fork server.
int main(int argc, char** argv) {
  if (const auto code = baozi::worker::prefork::run_if_asked(argc, argv)) return *code;
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
