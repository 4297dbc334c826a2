// Programs as tasks, with real programs.
#include <atomic>
#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "support/process.hpp"
#include "task_bench.hpp"

namespace baozi::worker {
namespace {

using namespace std::chrono_literals;
using Words = std::vector<std::string>;

struct Programs : TaskBench {
  Programs(const Words& command, const ExecOptions& options = {})
      : TaskBench{[&](Registry& registry) { registry.exec("p", command, options); }} {}
  explicit Programs(const std::function<void(Registry&)>& fill) : TaskBench{fill} {}

  template <class... Args>
  FailureText fails(const Args&... args) {
    const Ended ended = call("p", args...);
    EXPECT_EQ(ended.verdict, Verdict::failure);
    return failure_text(ended.value);
  }
};

/// Is revoked once it was asked a few times: the program has begun by then.
struct ImpatientPort final : ExecutionPort {
  explicit ImpatientPort(std::function<bool()> when) : is_time{std::move(when)} {}
  void update_state(std::string_view, Bytes) override {}
  [[nodiscard]] bool revoked() const override { return is_time(); }
  std::function<bool()> is_time;
};

const ExecOptions shell{.shell = true, .input = ExecInput::none};

/// What a script wrote there: a process id.
pid_t pid_in(const std::string& file) {
  const std::string text = test::TempDir::read(file);
  return text.find('\n') == std::string::npos ? 0 : static_cast<pid_t>(std::stol(text));
}

TEST(ExecTask, ArgumentsArriveOnStdinAsJson) {
  Programs tasks{{"cat"}};
  EXPECT_EQ(
      tasks.value<Value>("p", 1, "x", arg("b") = 2.5),
      Value::object({{"args", Value::array({1, "x"})}, {"kwargs", Value::object({{"b", 2.5}})}}));
}

TEST(ExecTask, BinaryArgumentsArriveAsMsgpack) {
  Programs tasks{{"cat"}, {.input = ExecInput::msgpack, .output = ExecOutput::msgpack}};
  const Binary bytes{std::string{"\0\xFF\n\0", 4}};
  EXPECT_EQ(tasks.value<Value>("p", bytes).at("args").at(0), Value{bytes});
}

TEST(ExecTask, ArgumentsArriveAsWords) {
  Programs tasks{{"printf", "%s|", "{0}", "{who}"}, {.input = ExecInput::none}};
  EXPECT_EQ(tasks.value<std::string>("p", "a b; exit", arg("who") = "$HOME"), "a b; exit|$HOME|");
  EXPECT_EQ(tasks.fails(1).type, "baozi::ArgumentError");
  EXPECT_EQ(tasks.fails(1).message, "p() needs an argument named 'who'");
}

TEST(ExecTask, TheShellNeverReadsAnArgumentAsACommand) {
  Programs tasks{{R"(printf '%s,' {0} "{0}" x{0})"}, shell};
  const std::string nasty = "'; echo pwned; \"$(echo pwned) `echo pwned` *";
  EXPECT_EQ(tasks.value<std::string>("p", nasty), nasty + "," + nasty + ",x" + nasty + ",");
}

TEST(ExecTask, StdoutBecomesTheResultAsAsked) {
  const auto result = [](const std::string& script, ExecOutput as) {
    Programs tasks{{script}, {.shell = true, .output = as}};
    return tasks.value<Value>("p");
  };
  EXPECT_EQ(result("echo '[1, 2]'", ExecOutput::automatic), Value::array({1, 2}));
  EXPECT_EQ(result("printf 'hello\\n\\n'", ExecOutput::automatic), Value{"hello"});
  EXPECT_EQ(result("printf '\\377'", ExecOutput::automatic), Value{Binary{"\xFF"}});
  EXPECT_EQ(result("true", ExecOutput::automatic), Value{""});
  EXPECT_EQ(result("echo 12", ExecOutput::text), Value{"12"});
  EXPECT_EQ(result("echo 12", ExecOutput::json), Value{12});
  EXPECT_EQ(result("echo 12", ExecOutput::binary), Value{Binary{"12\n"}});
  EXPECT_EQ(result("printf '\\201\\241a\\001'", ExecOutput::msgpack), Value::object({{"a", 1}}));
  EXPECT_EQ(result("echo 12", ExecOutput::none), Value{});
}

TEST(ExecTask, StdoutThatIsNotWhatWasPromisedIsAFailure) {
  const auto complaint = [](const std::string& script, ExecOutput as) {
    Programs tasks{{script}, {.shell = true, .output = as}};
    return tasks.failure("p");
  };
  EXPECT_TRUE(complaint("echo hello", ExecOutput::json)
                  .starts_with("ExecError: the shell: its stdout is not JSON: "));
  EXPECT_EQ(complaint("printf '\\377'", ExecOutput::text),
            "ExecError: the shell: its stdout is not UTF-8 text");
  EXPECT_EQ(complaint("printf '\\001\\001'", ExecOutput::msgpack),
            "ExecError: the shell: its stdout is not one msgpack value");
}

TEST(ExecTask, AnExitCodeIsAFailureWithTheEndOfStderr) {
  EXPECT_EQ(Programs{Words{"false"}}.failure("p"), "ExecError: false ended with exit code 1");
  Programs tasks{{"echo first >&2; printf 'last\\377' >&2; exit 3"}, shell};
  const FailureText failure = tasks.fails();
  EXPECT_EQ(failure.message, "the shell ended with exit code 3");
  EXPECT_EQ(failure.traceback, "first\nlast\xEF\xBF\xBD");
  Programs killed{{"kill -9 $$"}, shell};
  EXPECT_EQ(killed.failure("p"), "ExecError: the shell was killed by signal 9 (Killed)");
  Programs all_killed{{"kill -9 0; sleep 1000"}, shell};
  EXPECT_EQ(all_killed.failure("p"), "ExecError: the shell was killed by signal 9 (Killed)");
}

TEST(ExecTask, OnlyTheEndOfALongStderrIsKept) {
  Programs tasks{{"seq 1 20000 >&2; exit 1"}, shell};
  const FailureText failure = tasks.fails();
  EXPECT_LE(failure.traceback.size(), 8'192u);
  EXPECT_TRUE(failure.traceback.ends_with("19999\n20000\n"));
}

TEST(ExecTask, CodesOfRetryOnAreRetriesAndOthersAreNot) {
  Programs tasks{[](Registry& registry) {
    ExecOptions options = shell;
    registry.exec("plain", {"exit {0}"}, options);
    registry.exec("retried", {"exit {0}"}, options).max_retries(2);
    registry.exec("other kind", {"exit {0}"}, options).autoretry_for<TimeLimitExceeded>();
    options.retry_on = {75};
    registry.exec("asked", {"exit {0}"}, options).max_retries(2);
  }};
  EXPECT_FALSE(tasks.call("plain", 1).retryable);
  EXPECT_TRUE(tasks.call("retried", 1).retryable);
  EXPECT_FALSE(tasks.call("other kind", 1).retryable);
  const Ended asked = tasks.call("asked", 75);
  EXPECT_EQ(asked.verdict, Verdict::retry);
  EXPECT_EQ(failure_text(asked.value).message, "the shell ended with exit code 75");
  const Ended other = tasks.call("asked", 1);
  EXPECT_EQ(other.verdict, Verdict::failure);
  EXPECT_FALSE(other.retryable);
}

TEST(ExecTask, WhatCannotRunSaysWhy) {
  EXPECT_TRUE(Programs{Words{"no-such-program-here"}}.failure("p").starts_with(
      "ExecError: cannot run 'no-such-program-here': no such program in PATH ("));
#if !defined( \
    __SANITIZE_THREAD__)  // it makes a fork of posix_spawn's vfork: the reason does not come back
  EXPECT_EQ(Programs{Words{"/no/such/program"}}.failure("p"),
            "ExecError: cannot run '/no/such/program': No such file or directory");
  EXPECT_EQ(Programs{Words{"/etc/passwd"}}.failure("p"),
            "ExecError: cannot run '/etc/passwd': Permission denied");
  EXPECT_EQ((Programs{{"true"}, {.cwd = "/no/such/folder"}}.failure("p")),
            "ExecError: cannot run true in '/no/such/folder': No such file or directory");
#endif
}

TEST(ExecTask, FolderAndEnvironmentAreAsAsked) {
  ASSERT_EQ(setenv("BAOZI_TEST_KEPT", "kept", 1), 0);
  ASSERT_EQ(setenv("BAOZI_TEST_GONE", "gone", 1), 0);
  ExecOptions options = shell;
  options.cwd = "/usr";
  options.env = {{"OWN", "o w n"}, {"BAOZI_TEST_GONE", std::nullopt}};
  Programs tasks{
      {R"(echo "$PWD,$OWN,$BAOZI_TEST_KEPT,${BAOZI_TEST_GONE-none},$BAOZI_TASK_NAME,$BAOZI_TASK_ID")"},
      options};
  EXPECT_EQ(tasks.value<std::string>("p"), "/usr,o w n,kept,none,p,id-1");
}

TEST(ExecTask, TooMuchOutputIsRefusedForGood) {
  Programs tasks{{"head", "-c", "10000000", "/dev/zero"}};
  const Ended ended = tasks.call("p");
  EXPECT_EQ(ended.verdict, Verdict::failure);
  EXPECT_TRUE(ended.permanent);
  const FailureText failure = failure_text(ended.value);
  EXPECT_EQ(failure.type, "baozi::ResultTooLarge");
  EXPECT_TRUE(failure.message.starts_with("head wrote more than 1047552 bytes")) << failure.message;
  Programs thrown_away{{"head", "-c", "10000000", "/dev/zero"}, {.output = ExecOutput::none}};
  EXPECT_EQ(thrown_away.value<Value>("p"), Value{});
}

TEST(ExecTask, TheHardLimitEndsEverythingThatTheProgramStarted) {
  const test::TempDir folder;
  ExecOptions options = shell;
  options.cwd = folder.path();
  Programs tasks{{"trap '' TERM; sleep 1000 & echo $! > a; setsid sleep 1000 & echo $! > b; wait"},
                 options};
  tasks.start.time_limit = 4s;
  const FailureText failure = tasks.fails();
  EXPECT_EQ(failure.type, "TimeLimitExceeded");
  EXPECT_EQ(failure.message, "still running after its time limit of 4s; its processes were killed");
  for (const char* const file : {"a", "b"}) {
    const pid_t pid = pid_in(folder / file);
    ASSERT_GT(pid, 0);
    EXPECT_FALSE(test::executes(pid)) << file;
  }
}

TEST(ExecTask, WhatAProgramLeavesBehindEndsWithIt) {
  const test::TempDir folder;
  ExecOptions options = shell;
  options.cwd = folder.path();
  Programs tasks{{"sleep 1000 & echo $! > a; (setsid sleep 1000 & echo $! > b; wait) & "
                  "until test -s b; do sleep 0.01; done; echo done"},
                 options};
  EXPECT_EQ(tasks.value<std::string>("p"), "done");
  for (const char* const file : {"a", "b"}) {
    const pid_t pid = pid_in(folder / file);
    ASSERT_GT(pid, 0);
    EXPECT_FALSE(test::executes(pid)) << file;
  }
}

TEST(ExecTask, TheSoftLimitAsksFirst) {
  Programs plain{{"sleep", "1000"}};
  plain.start.soft_time_limit = 50ms;
  EXPECT_EQ(plain.failure("p"),
            "baozi::SoftTimeLimitExceeded: asked to end after the soft time limit; sleep was "
            "killed by signal 15 (Terminated)");
  Programs polite{{"trap 'echo saved; exit 0' TERM; while :; do sleep 0.05; done"}, shell};
  polite.start.soft_time_limit = 3s;
  EXPECT_EQ(polite.value<std::string>("p"), "saved");
}

TEST(ExecTask, ARevokedProgramIsEndedEvenWhenItIgnoresSigterm) {
  const test::TempDir folder;
  ExecOptions options = shell;
  options.cwd = folder.path();
  Programs tasks{{"trap '' TERM; sleep 1000 & echo $! > a; wait; sleep 1000"}, options};
  tasks.body = pack_body();
  tasks.start.body = tasks.body;
  tasks.start.name = "p";
  tasks.start.definition = tasks.table.find("p")->definition;
  const ImpatientPort port{[&] { return pid_in(folder / "a") > 0; }};
  ImpatientPort copy = port;
  const Ended ended = invoke(tasks.start, "w1@here", copy, tasks.random);
  EXPECT_EQ(ended.verdict, Verdict::revoked);
  EXPECT_FALSE(test::executes(pid_in(folder / "a")));
}

TEST(ExecTask, NoDescriptorReachesTheProgramAndNoneIsLeftBehind) {
  const int open_here = open("/dev/null", O_RDONLY);  // without O_CLOEXEC
  const auto count = [] {
    return std::distance(std::filesystem::directory_iterator{"/proc/self/fd"}, {});
  };
  const auto before = count();
  Programs tasks{{"ls", "/proc/self/fd"}, {.output = ExecOutput::text}};
  EXPECT_EQ(tasks.value<std::string>("p"), "0\n1\n2\n3");  // 3: the folder that it reads
  EXPECT_EQ(count(), before);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "a process was left unreaped";
  close(open_here);
}

TEST(ExecTask, ManyThreadsMayRunPrograms) {
  std::atomic<bool> stop{false};
  std::thread busy{[&] {  // holds the allocator's locks whenever somebody forks
    while (!stop)
      std::vector<std::string>(64, std::string(100, 'x'))
          .swap(*std::make_unique<std::vector<std::string>>());
  }};
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Programs tasks{{"echo", "{0}"}};
      for (int i = 0; i < 10; ++i)
        good += tasks.value<int>("p", t * 100 + i) == t * 100 + i ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  stop = true;
  busy.join();
  EXPECT_EQ(good, 40);
}

TEST(ExecTask, SettingsThatMakeNoSenseAreRefused) {
  Registry registry;
  const auto refusal = [&](const Words& command, const ExecOptions& options) {
    try {
      registry.exec("p", command, options);
      return std::string{"taken"};
    } catch (const RegistrationError& why) {
      return std::string{why.what()};
    }
  };
  EXPECT_EQ(refusal({}, {}), "task \"p\": the command is empty");
  EXPECT_EQ(refusal({"x"}, {.retry_on = {0}}),
            "task \"p\": retry_on holds exit codes from 1 to 255, not 0");
  EXPECT_EQ(refusal({"x"}, {.env = {{"A=B", "c"}}}), "task \"p\": 'A=B' is no name for a variable");
  EXPECT_TRUE(registry.tasks().empty());
}

}  // namespace
}  // namespace baozi::worker
