// Files of exec tasks: what they may say, and how what is wrong is told.
#include "worker/exec/exec_file.hpp"

#include <gtest/gtest.h>

#include "support/temp_dir.hpp"
#include "worker/exec/exec_task.hpp"
#include "worker/plugin.hpp"

namespace baozi::worker::exec {
namespace {

using namespace std::chrono_literals;

struct File {
  test::TempDir folder;
  std::string path;
  explicit File(std::string_view text) : path{folder.write("tasks.yaml", text)} {}

  /// What is said of it, without the folder.
  [[nodiscard]] std::string refusal() const {
    TaskTable table;
    try {
      load_plugin("exec:" + path, table);
    } catch (const PluginError& error) {
      EXPECT_EQ(table.size(), 0u);
      std::string text = error.what();
      EXPECT_EQ(text.find('\n'), std::string::npos) << text;
      const std::size_t at = text.find(folder / "");
      if (at != std::string::npos) text.erase(at, (folder / "").size());
      return text;
    }
    return "loaded";
  }
};

std::string refusal(std::string_view text) { return File{text}.refusal(); }

TEST(ExecFile, EveryKeyArrivesInTheDefinition) {
  const File file{R"(
# A comment.
shrink:
  command: [convert, "{0}", -resize, "{size}", "png:-"]
  input: none
  output: binary
  cwd: /tmp
  env: {LANG: C.UTF-8, HOME: }
  retry_on: [75, 111]
  max_retries: 5
  backoff: [1s, 2.0, 1m]
  jitter: 0.5
  time_limit: 30s
  soft_time_limit: 20s
  rate_limit: 10/s
  ignore_result: true
  acks_early: yes
report:
  shell: true
  command: make -s report | tail -1
)"};
  const Registry registry = read_exec_file(file.path);
  ASSERT_EQ(registry.tasks().size(), 2u);
  const TaskDefinition& shrink = registry.tasks()[0];
  EXPECT_EQ(shrink.name(), "shrink");
  EXPECT_TRUE(shrink.keeps_time_limit());
  const auto& settings = shrink.settings();
  EXPECT_EQ(settings.policy.max_retries, 5);
  EXPECT_EQ(settings.backoff_factor, 2.0);
  EXPECT_EQ(settings.policy.interval_start, 1s);
  EXPECT_EQ(settings.policy.interval_max, 60s);
  EXPECT_EQ(settings.policy.jitter, 0.5);
  EXPECT_EQ(settings.time_limit, 30s);
  EXPECT_EQ(settings.soft_time_limit, 20s);
  EXPECT_EQ(settings.rate_limit, "10/s");
  EXPECT_TRUE(settings.ignore_result);
  EXPECT_TRUE(settings.acks_early);
  const ExecOptions& options = static_cast<const ExecTask*>(shrink.function())->options;
  EXPECT_EQ(options.input, ExecInput::none);
  EXPECT_EQ(options.output, ExecOutput::binary);
  EXPECT_EQ(options.cwd, "/tmp");
  EXPECT_EQ(options.env.at("LANG"), "C.UTF-8");
  EXPECT_FALSE(options.env.at("HOME").has_value());
  EXPECT_EQ(options.retry_on, (std::vector{75, 111}));
  EXPECT_TRUE(static_cast<const ExecTask*>(registry.tasks()[1].function())->options.shell);
}

TEST(ExecFile, AMistakeIsToldWithFileLineAndKey) {
  EXPECT_EQ(refusal("a:\n  command: [x]\n  comand: [y]\n"),
            "tasks.yaml:3: task 'a': comand is no key of a task; did you mean command?");
  EXPECT_EQ(refusal("a:\n  output: json\n"), "tasks.yaml:1: task 'a' has no command");
  EXPECT_EQ(refusal("a:\n  command: x y\n"),
            "tasks.yaml:2: task 'a': command must be a list of words; with 'shell: true' it is a "
            "text for the shell");
  EXPECT_EQ(refusal("a:\n  command: [x, {}]\n"),
            "tasks.yaml:2: task 'a': command must be a plain value");
  EXPECT_EQ(refusal("a:\n  command: [x]\n  output: xml\n"),
            "tasks.yaml:3: task 'a': output must be one of auto, json, text, binary, msgpack, "
            "none, not 'xml'");
  EXPECT_EQ(refusal("a:\n  command: [x]\n  time_limit: soon\n"),
            "tasks.yaml:3: task 'a': time_limit must be a duration as 30s, 1m30s or 200ms, not "
            "'soon'");
  EXPECT_EQ(refusal("a:\n  command: [x]\n  time_limit: 0s\n"),
            "tasks.yaml:3: task 'a': time_limit cannot be: a time limit is above 0");
  EXPECT_EQ(refusal("a:\n  command: [x]\n  max_retries: many\n"),
            "tasks.yaml:3: task 'a': max_retries must be a whole number, not 'many'");
  EXPECT_EQ(refusal("a:\n  command: [x]\n  retry_on: [75,\n   0]\n"),
            "tasks.yaml:4: task 'a': retry_on must be exit codes from 1 to 255");
  EXPECT_EQ(refusal("a:\n  command: [x]\n  shell: perhaps\n"),
            "tasks.yaml:3: task 'a': shell must be true or false, not 'perhaps'");
  EXPECT_EQ(refusal("a:\n  command: [x]\n  backoff: 1s\n"),
            "tasks.yaml:3: task 'a': backoff must be [first delay, factor, longest delay]");
  EXPECT_EQ(refusal("a:\n  command: [x]\n  cwd:\n"), "tasks.yaml:3: task 'a': cwd has no value");
  EXPECT_EQ(refusal("a:\n  command: [x]\n  cwd: /\n  cwd: /tmp\n"),
            "tasks.yaml:4: task 'a': cwd stands here and in line 3");
  EXPECT_EQ(refusal("a:\n  command: [x, '{']\n"),
            "tasks.yaml:2: task 'a': command cannot be: '{' has a brace that belongs to no "
            "{number} or {name}: write {{ and }} for braces");
  EXPECT_EQ(refusal("a:\n  command: [x]\n  rate_limit: fast\n"),
            "tasks.yaml:3: task 'a': rate_limit cannot be: a rate is a number and /s, /m or /h, "
            "as \"10/s\"; got \"fast\"");
  EXPECT_EQ(refusal("a:\n  command: [x]\na:\n  command: [y]\n"),
            "tasks.yaml:3: : a stands here and in line 1");
  EXPECT_EQ(refusal("a: [x]\n"), "tasks.yaml:1: task 'a' must be lines of the form 'name: value'");
  EXPECT_EQ(refusal("- a\n"), "tasks.yaml:1: must be lines of the form 'task: {…}'");
  EXPECT_EQ(refusal("a: [x\n").substr(0, 12), "tasks.yaml:2");
}

TEST(ExecFile, AFileThatIsNotThereIsNamed) {
  TaskTable table;
  try {
    load_plugin("exec:/nonexistent/tasks.yaml", table);
    FAIL() << "loaded";
  } catch (const PluginError& error) {
    EXPECT_STREQ(error.what(),
                 "cannot load tasks from /nonexistent/tasks.yaml: No such file or directory");
  }
}

TEST(ExecFile, ATaskMayNotBeRegisteredTwice) {
  const File file{"a:\n  command: [x]\n"};
  TaskTable table;
  load_plugin("exec:" + file.path, table);
  EXPECT_THROW(load_plugin("exec:" + file.path, table), PluginError);
  EXPECT_EQ(table.names(), std::vector<std::string>{"a"});
}

}  // namespace
}  // namespace baozi::worker::exec
