// Loading libraries of tasks: good ones run, any other is refused with one line that says which
// file and why.
#include "worker/plugin.hpp"

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "support/temp_dir.hpp"
#include "task_bench.hpp"

namespace baozi::worker {
namespace {

const std::string plugins = BAOZI_BINARY_DIR "/tests/plugins/";
const std::string sample = BAOZI_BINARY_DIR "/examples/libtasks.so";

std::string refusal(const std::string& name) {
  TaskTable table;
  try {
    load_plugin(name, table);
  } catch (const PluginError& error) {
    EXPECT_EQ(std::string_view{error.what()}.find('\n'), std::string_view::npos);
    EXPECT_EQ(table.size(), 0u);
    return error.what();
  }
  return "loaded";
}

struct Loaded : TaskBench {
  explicit Loaded(const std::string& names) : TaskBench{[](Registry&) {}} {
    load_plugins(names, table);
  }
};

TEST(Plugin, TheSampleRuns) {
  Loaded tasks{sample};
  EXPECT_EQ(tasks.table.names(), (std::vector<std::string>{"c.add", "c.echo", "c.fail", "c.sleep",
                                                           "c.xsum", "text.count_words"}));
  EXPECT_EQ(tasks.value<int>("c.add", 1, arg("b") = 2), 3);
  EXPECT_EQ(tasks.value<int>("c.xsum", std::vector<int>{1, 2, 3}), 6);
  EXPECT_EQ(tasks.value<Value>("c.echo", Value::object({{"a", 1}})), Value::object({{"a", 1}}));
  EXPECT_EQ(tasks.value<double>("c.sleep", 0.0), 0.0);
  EXPECT_EQ(tasks.failure("c.add", 1),
            "baozi::ArgumentError: c.add() missing 1 required argument: 'b'");
}

TEST(Plugin, AFailureInAPluginNamesItsFunctionAndItsLine) {
  Loaded tasks{sample};
  const FailureText failure = failure_text(tasks.call("c.fail").value);
  EXPECT_EQ(failure.type, "std::runtime_error");
  EXPECT_EQ(failure.message, "boom");
  const std::string first = failure.traceback.substr(failure.traceback.find('\n') + 1);
  EXPECT_TRUE(first.starts_with("    at (anonymous namespace)::fail(std::string const&) ("))
      << failure.traceback;
  EXPECT_NE(first.find("tasks.cpp:"), std::string::npos) << failure.traceback;
  EXPECT_EQ(failure.traceback.find("baozi::detail"), std::string::npos) << failure.traceback;
}

TEST(Plugin, WordsAreCountedAsWcCountsThem) {
  const test::TempDir folder;
  const std::string file =
      folder.write("text", "The (quick) brown fox,\n  the\tlazy DOG -- THE end");
  Loaded tasks{sample};
  const auto counted = tasks.value<Value>("text.count_words", file);
  EXPECT_EQ(counted.at("words"), Value{10});
  EXPECT_EQ(counted.at("lines"), Value{1});
  EXPECT_EQ(counted.at("bytes"), Value{std::filesystem::file_size(file)});
  EXPECT_EQ(counted.at("counts").at("the"), Value{3});
  EXPECT_EQ(counted.at("counts").at("fox"), Value{1});
  EXPECT_EQ(counted.at("counts").find("--"), nullptr);
  EXPECT_EQ(tasks.failure("text.count_words", folder / "none"),
            "std::runtime_error: cannot read " + folder / "none");
}

TEST(Plugin, SeveralAreLoadedSideBySide) {
  Loaded tasks{sample + "," + plugins + "libplugin_second.so"};
  EXPECT_EQ(tasks.value<int>("c.add", 1, 2), 3);
  const Ended failed = tasks.call("second.fail");
  EXPECT_EQ(failure_text(failed.value).type, "Problem");
  EXPECT_TRUE(failed.retryable);
  const Ended retried = tasks.call("second.retry");
  EXPECT_EQ(retried.verdict, Verdict::retry);
  EXPECT_EQ(retried.delay, std::chrono::seconds{3});
}

TEST(Plugin, ANameThatTwoLibrariesRegisterIsRefusedWithBoth) {
  TaskTable table;
  load_plugin(sample, table);
  try {
    load_plugin(sample, table);
    FAIL() << "loaded";
  } catch (const PluginError& error) {
    EXPECT_EQ(std::string{error.what()}, "cannot load tasks from " + sample +
                                             ": task \"c.add\" of " + sample +
                                             " is registered already, by " + sample);
  }
}

TEST(Plugin, AFileThatIsNoLibraryIsRefused) {
  const test::TempDir folder;
  const std::string text = folder.write("text.so", "int main() {}");
  const std::string empty = folder.write("empty.so", "");
  const std::string elf =
      "\x7F"
      "ELF";
  const std::string cut =
      folder.write("cut.so", elf + std::string{"\x02\x01\x01", 3} + std::string(20, '\0'));
  const std::string alien =
      folder.write("alien.so", elf + std::string{"\x01\x01\x01", 3} + std::string(100, '\0'));
  const std::string none = folder / "none.so";
  EXPECT_EQ(refusal(none), "cannot load tasks from " + none + ": no such file");
  EXPECT_EQ(refusal(folder.path().string()),
            "cannot load tasks from " + folder.path().string() + ": it is a folder");
  EXPECT_EQ(refusal(text),
            "cannot load tasks from " + text + ": not a shared library (no ELF header)");
  EXPECT_EQ(refusal(empty),
            "cannot load tasks from " + empty + ": not a shared library (no ELF header)");
  EXPECT_EQ(refusal(cut), "cannot load tasks from " + cut + ": the file is cut off");
  EXPECT_EQ(refusal(alien),
            "cannot load tasks from " + alien + ": a shared library for another kind of machine");
}

TEST(Plugin, ALibraryThatIsCutOffIsRefused) {
  const test::TempDir folder;
  const std::string half = folder / "half.so";
  std::filesystem::copy_file(plugins + "libplugin_foreign.so", half);
  std::filesystem::resize_file(half, 200);
  EXPECT_TRUE(refusal(half).starts_with("cannot load tasks from " + half + ": ")) << refusal(half);
}

TEST(Plugin, AForeignLibraryIsRefused) {
  const std::string foreign = plugins + "libplugin_foreign.so";
  const std::string impostor = plugins + "libplugin_impostor.so";
  EXPECT_EQ(refusal(foreign), "cannot load tasks from " + foreign +
                                  ": a shared library without tasks (no BAOZI_TASKS in it)");
  EXPECT_EQ(refusal(impostor), "cannot load tasks from " + impostor +
                                   ": its symbol baozi_plugin is not a description of tasks");
}

TEST(Plugin, AnotherAbiIsRefusedBeforeAnythingIsCalled) {
  const std::string abi = plugins + "libplugin_other_abi.so";
  const std::string cxx = plugins + "libplugin_other_cxx_abi.so";
  const std::string sizes = plugins + "libplugin_other_sizes.so";
  EXPECT_EQ(refusal(abi), "cannot load tasks from " + abi +
                              ": built for plug-in ABI 999, this is baozi 0.1.0 with ABI " +
                              std::to_string(plugin_abi) + ": build it again");
  EXPECT_NE(refusal(cxx).find("another C++ standard library ABI"), std::string::npos)
      << refusal(cxx);
  EXPECT_NE(refusal(sizes).find("with other headers of baozi"), std::string::npos)
      << refusal(sizes);
}

TEST(Plugin, WhatItLacksIsNamed) {
  const std::string lacking = plugins + "libplugin_missing_symbol.so";
  EXPECT_EQ(refusal(lacking), "cannot load tasks from " + lacking +
                                  ": built against another version of baozi (it wants "
                                  "baozi::from_the_future(int)): build it again");
}

TEST(Plugin, ItsAuthorsMistakeIsReported) {
  const std::string mistakes = plugins + "libplugin_mistakes.so";
  const std::string throws = plugins + "libplugin_throws.so";
  EXPECT_EQ(refusal(mistakes), "cannot load tasks from " + mistakes +
                                   ": task \"m.one\": 2 names for 1 parameters (name all or none)");
  EXPECT_EQ(refusal(throws),
            "cannot load tasks from " + throws + ": std::runtime_error: no licence file");
}

TEST(Plugin, ABareNameIsLookedForInTheCurrentFolder) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(BAOZI_BINARY_DIR "/examples");
  TaskTable table;
  load_plugin("tasks", table);
  TaskTable again;
  load_plugin("libtasks.so", again);
  std::filesystem::current_path(before);
  EXPECT_EQ(table.size(), 6u);
  EXPECT_EQ(again.size(), 6u);
  EXPECT_EQ(refusal("no_such_library_anywhere")
                .find("cannot load tasks from libno_such_library_anywhere.so: "),
            0u);
}

}  // namespace
}  // namespace baozi::worker
