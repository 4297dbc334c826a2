#include "base/config.hpp"

#include <gtest/gtest.h>

#include "support/temp_dir.hpp"

namespace baozi::base {
namespace {

using namespace std::chrono_literals;
using test::TempDir;

enum class Pool { threads, solo };

/// One option of each kind.
struct Options {
  std::string listen = "tcp://127.0.0.1:7170";
  Micros liveness = 15s;
  std::chrono::milliseconds interval = 100ms;
  ByteCount memory{std::uint64_t{64} << 20U};
  unsigned concurrency = 2;
  int offset = 0;
  double share = 0.5;
  bool sync = false;
  std::vector<std::string> queues{"default"};
  std::vector<int> numbers;
  std::optional<Micros> wait;
  Pool pool = Pool::threads;
  std::string password;

  void declare(OptionTable& table) {
    table.add("listen", listen, "where peers connect").word("ADDRESS");
    table.add("liveness", liveness, "silence after which a peer is dead").range(100ms, 1h);
    table.add("interval", interval, "between two looks");
    table.add("memory", memory, "kept in memory at most");
    table.add("concurrency", concurrency, "tasks at once").short_name('c').range(1U, 64U);
    table.add("offset", offset, "may be negative");
    table.add("share", share, "part of the whole");
    table.add("sync-writes", sync, "wait for the disk");
    table.add("queues", queues, "queues to serve").short_name('Q');
    table.add("numbers", numbers, "any numbers");
    table.add("wait", wait, "wait for the result").implicit("1h").range(1s, 1h);
    table.add("pool", pool, "how tasks run")
        .short_name('P')
        .choices({{"threads", Pool::threads}, {"solo", Pool::solo}});
    table.add("password", password, "kept to ourselves").secret();
  }
};

class Config : public testing::Test {
 protected:
  Config() { options.declare(table); }

  Parsed parse(const std::vector<std::string>& arguments, const Environment& environment = {}) {
    return table.parse(arguments, environment);
  }
  /// What the operator is told, or "" when nothing was wrong.
  std::string complaint(const std::vector<std::string>& arguments,
                        const Environment& environment = {}) {
    try {
      (void)parse(arguments, environment);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return {};
  }
  std::string file(const std::string& content) { return dir.write("broker.yaml", content); }

  TempDir dir;
  Options options;
  OptionTable table{"baozi-test", "Tests options."};
};

TEST_F(Config, LeavesDefaultsWhereNothingIsSaid) {
  EXPECT_EQ(parse({}), Parsed::run);
  EXPECT_EQ(options.listen, "tcp://127.0.0.1:7170");
  EXPECT_EQ(options.queues, std::vector<std::string>{"default"});
  EXPECT_FALSE(table.was_given("listen"));
}

TEST_F(Config, ReadsEveryKindOfValueFromTheCommandLine) {
  EXPECT_EQ(parse({"--listen", "ipc:///x", "--liveness=20s", "--interval", "5ms", "--memory",
                   "1GiB", "-c", "8", "--offset=-3", "--share", "0.25", "--sync-writes", "-Q",
                   "a,b", "--pool", "solo"}),
            Parsed::run);
  EXPECT_EQ(options.listen, "ipc:///x");
  EXPECT_EQ(options.liveness, 20s);
  EXPECT_EQ(options.interval, 5ms);
  EXPECT_EQ(options.memory.value, std::uint64_t{1} << 30U);
  EXPECT_EQ(options.concurrency, 8u);
  EXPECT_EQ(options.offset, -3);
  EXPECT_DOUBLE_EQ(options.share, 0.25);
  EXPECT_TRUE(options.sync);
  EXPECT_EQ(options.queues, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(options.pool, Pool::solo);
}

TEST_F(Config, TakesAShortOptionWithItsValueAttached) {
  EXPECT_EQ(parse({"-c4", "-Psolo"}), Parsed::run);
  EXPECT_EQ(options.concurrency, 4u);
  EXPECT_EQ(options.pool, Pool::solo);
}

TEST_F(Config, ReadsEveryKindOfValueFromAFile) {
  const std::string path = file(
      "# a comment\n"
      "listen: tcp://0.0.0.0:7170\n"
      "liveness: 1m30s\n"
      "memory: 128MiB\n"
      "concurrency: 16\n"
      "sync-writes: yes\n"
      "queues: [mail, video]\n"
      "numbers:\n  - 1\n  - 2\n"
      "pool: Solo\n");
  EXPECT_EQ(parse({"--config", path}), Parsed::run);
  EXPECT_EQ(options.listen, "tcp://0.0.0.0:7170");
  EXPECT_EQ(options.liveness, 90s);
  EXPECT_EQ(options.memory.value, std::uint64_t{128} << 20U);
  EXPECT_EQ(options.concurrency, 16u);
  EXPECT_TRUE(options.sync);
  EXPECT_EQ(options.queues, (std::vector<std::string>{"mail", "video"}));
  EXPECT_EQ(options.numbers, (std::vector<int>{1, 2}));
  EXPECT_EQ(options.pool, Pool::solo);
}

TEST_F(Config, TakesAnEmptyFileAndOneOfCommentsAlone) {
  EXPECT_EQ(complaint({"--config", file("")}), "");
  EXPECT_EQ(complaint({"--config", file("# nothing yet\n")}), "");
}

TEST_F(Config, ReadsTheEnvironment) {
  EXPECT_EQ(
      parse({},
            {{"BAOZI_LISTEN", "ipc:///y"}, {"BAOZI_SYNC_WRITES", "true"}, {"BAOZI_QUEUES", "a,b"}}),
      Parsed::run);
  EXPECT_EQ(options.listen, "ipc:///y");
  EXPECT_TRUE(options.sync);
  EXPECT_EQ(options.queues, (std::vector<std::string>{"a", "b"}));
}

TEST_F(Config, LetsTheCommandLineWinOverTheEnvironmentAndThatOverTheFile) {
  const std::string path = file("listen: file\nconcurrency: 3\nqueues: [file]\n");
  EXPECT_EQ(
      parse({"--listen", "line"},
            {{"BAOZI_CONFIG", path}, {"BAOZI_LISTEN", "environment"}, {"BAOZI_CONCURRENCY", "4"}}),
      Parsed::run);
  EXPECT_EQ(options.listen, "line");
  EXPECT_EQ(options.concurrency, 4u);
  EXPECT_EQ(options.queues, std::vector<std::string>{"file"});
  EXPECT_EQ(table.find("listen")->source(), "--listen");
  EXPECT_EQ(table.find("concurrency")->source(), "BAOZI_CONCURRENCY");
  EXPECT_EQ(table.find("queues")->source(), path + ":3: queues");
}

TEST_F(Config, ReplacesAListAsAWhole) {
  EXPECT_EQ(parse({"-Q", "a", "-Q", "b,c"}, {{"BAOZI_QUEUES", "x,y,z"}}), Parsed::run);
  EXPECT_EQ(options.queues, (std::vector<std::string>{"a", "b", "c"}));
}

TEST_F(Config, TakesTheLastOfAnOptionGivenTwice) {
  EXPECT_EQ(parse({"-c", "3", "-c", "5"}), Parsed::run);
  EXPECT_EQ(options.concurrency, 5u);
}

TEST_F(Config, TakesAnEmptyVariableForAnUnsetOne) {
  EXPECT_EQ(parse({}, {{"BAOZI_CONCURRENCY", ""}}), Parsed::run);
  EXPECT_EQ(options.concurrency, 2u);
}

TEST_F(Config, LeavesVariablesOfOtherProgramsAlone) {
  EXPECT_EQ(complaint({}, {{"BAOZI_SCHEDULE", "x.yaml"}}), "");
}

TEST_F(Config, LetsAnOptionStandAloneWhereItHasAMeaningAlone) {
  EXPECT_EQ(parse({"--wait"}), Parsed::run);
  EXPECT_EQ(options.wait, 1h);
  EXPECT_EQ(parse({"--wait=3"}), Parsed::run);
  EXPECT_EQ(options.wait, 3s);
}

TEST_F(Config, LetsAFlagBeTakenBack) {
  EXPECT_EQ(parse({"--sync-writes=false"}, {{"BAOZI_SYNC_WRITES", "1"}}), Parsed::run);
  EXPECT_FALSE(options.sync);
}

TEST_F(Config, DoesNotSwallowAnArgumentAfterAFlag) {
  std::string name;
  table.add_positional("NAME", name, "what to do");
  EXPECT_EQ(parse({"--sync-writes", "c.add"}), Parsed::run);
  EXPECT_TRUE(options.sync);
  EXPECT_EQ(name, "c.add");
}

TEST_F(Config, GivesArgumentsToPositionalsInTheirOrder) {
  std::string name;
  std::string arguments = "[]";
  table.add_positional("NAME", name, "the task").required();
  table.add_positional("ARGS", arguments, "its arguments");
  EXPECT_EQ(parse({"c.add", "-c", "3", "[1,-2]"}), Parsed::run);
  EXPECT_EQ(name, "c.add");
  EXPECT_EQ(arguments, "[1,-2]");
  EXPECT_EQ(complaint({}), "NAME is missing");
  EXPECT_EQ(complaint({"a", "b", "c"}), "'c' is one argument too many");
}

TEST_F(Config, GivesTheRestToAListOfPositionals) {
  std::vector<std::string> names;
  table.add_positional("NAMES", names, "nodes");
  EXPECT_EQ(parse({"w1,x", "w2", "--", "--sync-writes"}), Parsed::run);
  EXPECT_EQ(names, (std::vector<std::string>{"w1,x", "w2", "--sync-writes"}));
  EXPECT_FALSE(options.sync);
}

TEST_F(Config, AsksForHelpAndVersionWhateverElseIsWrong) {
  EXPECT_EQ(parse({"--help", "-c", "none"}), Parsed::help);
  EXPECT_EQ(parse({"-h"}), Parsed::help);
  EXPECT_EQ(parse({"--version"}), Parsed::version);
  EXPECT_EQ(table.version_line(), "baozi-test 0.1.0");
}

TEST_F(Config, NeedsWhatIsRequired) {
  std::string store;
  table.add("store", store, "where").required();
  EXPECT_EQ(complaint({}), "--store is needed");
  EXPECT_EQ(complaint({"--store", "x"}), "");
  EXPECT_EQ(complaint({}, {{"BAOZI_STORE", "x"}}), "");
}

TEST_F(Config, ChangesNothingThatDidNotParse) {
  EXPECT_NE(complaint({"-c", "many"}), "");
  EXPECT_EQ(options.concurrency, 2u);
}

TEST_F(Config, ExplainsEveryOptionInItsHelp) {
  const std::string help = table.help_text();
  EXPECT_NE(help.find("usage: baozi-test"), std::string::npos);
  EXPECT_NE(help.find("--listen ADDRESS"), std::string::npos);
  EXPECT_NE(help.find("(default tcp://127.0.0.1:7170)"), std::string::npos);
  EXPECT_NE(help.find("-c, --concurrency N"), std::string::npos);
  EXPECT_NE(help.find("--wait[=TIME]"), std::string::npos);
  EXPECT_NE(help.find("(default threads)"), std::string::npos);
  EXPECT_NE(help.find("(default 64MiB)"), std::string::npos);
  EXPECT_NE(help.find("--config FILE"), std::string::npos);
}

TEST(ConfigHelp, KeepsTheListsOfASummaryAndWrapsItsSentences) {
  const std::string sentence =
      "One of these, said in a sentence that is so long that it does not fit into a single line of "
      "the help that is printed:";
  const OptionTable table{"baozi-test",
                          sentence + "\n\n  ping    is it there?\n  active  tasks that run now\n"};
  const std::string help = table.help_text();
  EXPECT_NE(help.find("\n\n  ping    is it there?\n  active  tasks that run now\n"),
            std::string::npos)
      << help;
  EXPECT_EQ(help.find(sentence), std::string::npos) << "it is wrapped";
}

TEST_F(Config, NeverShowsASecret) {
  EXPECT_EQ(parse({"--password", "steam"}), Parsed::run);
  EXPECT_EQ(options.password, "steam");
  EXPECT_EQ(table.find("password")->shown(), "(not shown)");
  EXPECT_EQ(table.help_text().find("steam"), std::string::npos);
}

struct Mistake {
  const char* why;
  std::vector<std::string> arguments;
  const char* want;
};
const Mistake mistakes[] = {
    {"MistypedOption",
     {"--listne", "x"},
     "there is no option '--listne'; did you mean '--listen'?"},
    {"MistypedWithValue",
     {"--listne=x"},
     "there is no option '--listne'; did you mean '--listen'?"},
    {"UnknownOption", {"--frobnicate"}, "there is no option '--frobnicate'"},
    {"UnknownLetter", {"-z"}, "there is no option '-z'"},
    {"NoAbbreviations", {"--conc", "3"}, "there is no option '--conc'"},
    {"NoValue", {"--listen"}, "the required argument for option '--listen' is missing"},
    {"NotANumber", {"-c", "many"}, "--concurrency: 'many' is not a whole number"},
    {"HalfANumber", {"-c", "1.5"}, "--concurrency: '1.5' is not a whole number"},
    {"NegativeOfUnsigned", {"--concurrency=-1"}, "--concurrency: '-1' is not a whole number"},
    {"NumberTooLarge", {"-c", "99999999999"}, "--concurrency: '99999999999' is out of range"},
    {"BelowTheRange", {"-c", "0"}, "--concurrency: must be between 1 and 64, not 0"},
    {"AboveTheRange", {"--liveness", "2h"}, "--liveness: must be between 100ms and 1h, not 2h"},
    {"OptionalOutOfRange", {"--wait=1ms"}, "--wait: must be between 1s and 1h, not 1ms"},
    {"NotADuration",
     {"--liveness", "soon"},
     "--liveness: 'soon' is not a duration (write 200ms, 5s, 1m30s or 2h)"},
    {"TooFine", {"--interval", "5us"}, "--interval: '5us' is finer than is kept here"},
    {"NotASize",
     {"--memory", "lots"},
     "--memory: 'lots' is not a size (write 4096, 64KiB, 1.5MiB or 2GB)"},
    {"NotAFlag", {"--sync-writes=maybe"}, "--sync-writes: 'maybe' is neither true nor false"},
    {"NotAChoice", {"--pool", "fork"}, "--pool: 'fork' is not one of threads, solo"},
    {"NotAReal", {"--share", "nan"}, "--share: 'nan' is not a number"},
    {"BadListItem", {"--numbers", "1,two"}, "--numbers: 'two' is not a whole number"},
    {"StrayArgument", {"stray"}, "'stray' is one argument too many"},
    {"NoSuchFile",
     {"--config", "/nowhere/x.yaml"},
     "cannot read the configuration file '/nowhere/x.yaml': No such file or directory"},
};
class CommandLineMistake : public Config, public testing::WithParamInterface<Mistake> {};
TEST_P(CommandLineMistake, IsNamed) { EXPECT_EQ(complaint(GetParam().arguments), GetParam().want); }
INSTANTIATE_TEST_SUITE_P(Config, CommandLineMistake, testing::ValuesIn(mistakes),
                         [](const auto& row) { return std::string{row.param.why}; });

TEST_F(Config, NamesTheVariableThatIsWrong) {
  EXPECT_EQ(complaint({}, {{"BAOZI_CONCURRENCY", "0"}}),
            "BAOZI_CONCURRENCY: must be between 1 and 64, not 0");
}

struct FileMistake {
  const char* why;
  const char* content;
  const char* want;  ///< behind "FILE:"
};
const FileMistake file_mistakes[] = {
    {"MistypedKey", "listen: x\n\nlivenes: 5s\n",
     "3: there is no option 'livenes'; did you mean 'liveness'?"},
    {"UnknownKey", "frobnicate: 1\n", "1: there is no option 'frobnicate'"},
    {"AFileInAFile", "config: other.yaml\n", "1: there is no option 'config'"},
    {"BadValue", "# sizes\nlisten: x\nmemory: lots\n",
     "3: memory: 'lots' is not a size (write 4096, 64KiB, 1.5MiB or 2GB)"},
    {"OutOfRange", "concurrency: 1000\n", "1: concurrency: must be between 1 and 64, not 1000"},
    {"KeyTwice", "listen: x\nmemory: 1\nlisten: y\n", "3: listen stands here and in line 1"},
    {"NoValue", "listen:\n", "1: listen has no value"},
    {"AListForOneValue", "listen: [a, b]\n", "1: listen takes one value, not a list"},
    {"AMap", "listen:\n  address: x\n", "2: listen must be a value or a list of values"},
    {"AListOfMaps", "queues:\n  - a\n  - name: b\n", "3: queues must be a list of plain values"},
    {"NotAMap", "- listen\n", "1: must be lines of the form 'option: value'"},
};
class ConfigFileMistake : public Config, public testing::WithParamInterface<FileMistake> {};
TEST_P(ConfigFileMistake, IsNamedWithFileLineAndKey) {
  const std::string path = file(GetParam().content);
  EXPECT_EQ(complaint({"--config", path}), path + ':' + GetParam().want);
}
INSTANTIATE_TEST_SUITE_P(Config, ConfigFileMistake, testing::ValuesIn(file_mistakes),
                         [](const auto& row) { return std::string{row.param.why}; });

TEST_F(Config, NamesTheLineOfASyntaxError) {
  const std::string path = file("listen: x\nqueues: [a, b\nmemory: 1\n");
  EXPECT_TRUE(complaint({"--config", path}).starts_with(path + ":"))
      << complaint({"--config", path});
}

TEST_F(Config, SaysThatAFolderIsNoFile) {
  const std::string folder = dir.path().string();
  EXPECT_EQ(complaint({"--config", folder}),
            "cannot read the configuration file '" + folder + "': Is a directory");
}

}  // namespace
}  // namespace baozi::base
