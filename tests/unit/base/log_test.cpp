#include "base/log.hpp"

#include <filesystem>
#include <regex>
#include <system_error>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/temp_dir.hpp"

namespace baozi::log {
namespace {

using test::TempDir;

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream file{path};
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

class Log : public testing::Test {
 protected:
  Log() { open({Level::debug, path, "broker@cook", false}); }
  ~Log() override { open({Level::warning, "", "baozi", false}); }

  TempDir dir;
  std::string path = dir / "broker.log";
};

TEST_F(Log, WritesTimeInUtcLevelNodeAndText) {
  info("listening on {}", "tcp://127.0.0.1:7170");
  const auto lines = lines_of(path);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(std::regex_match(
      lines[0],
      std::regex{R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z info     broker@cook: listening on )"
                 R"(tcp://127\.0\.0\.1:7170)"}))
      << lines[0];
}

TEST_F(Log, CallsTheLevelsByCelerysNames) {
  debug("x");
  info("x");
  warning("x");
  error("x");
  critical("x");
  std::string levels;
  for (const std::string& line : lines_of(path))
    levels += line.substr(28, line.find(' ', 28) - 28) + ' ';
  EXPECT_EQ(levels, "debug info warning error critical ");
}

TEST_F(Log, LeavesOutWhatIsBelowItsLevel) {
  set_level(Level::error);
  EXPECT_FALSE(enabled(Level::warning));
  EXPECT_TRUE(enabled(Level::error));
  warning("not this");
  error("this");
  const auto lines = lines_of(path);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(lines[0].ends_with("this"));
}

TEST_F(Log, KeepsAnEventOnOneLineWhateverIsInIt) {
  info("task {} failed:\r\n{}", "a\nfake line", std::string{"\x1b[31m\t\x7f\0z", 9});
  const auto lines = lines_of(path);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(lines[0].ends_with(R"(task a\nfake line failed:\r\n\x1b[31m\t\x7f\x00z)"))
      << lines[0];
}

TEST_F(Log, LeavesUtf8AsItIs) { EXPECT_EQ(one_line("包子"), "包子"); }

TEST_F(Log, AppendsToWhatAnEarlierRunWrote) {
  info("first");
  open({Level::info, path, "broker@cook", false});
  info("second");
  EXPECT_EQ(lines_of(path).size(), 2u);
}

TEST_F(Log, GoesOnInANewFileAfterTheOldOneWasMovedAway) {
  info("old");
  std::filesystem::rename(path, dir / "broker.log.1");
  info("still old");
  reopen();
  info("new");
  EXPECT_EQ(lines_of(dir / "broker.log.1").size(), 2u);
  ASSERT_EQ(lines_of(path).size(), 1u);
  EXPECT_TRUE(lines_of(path)[0].ends_with("new"));
}

TEST_F(Log, StaysWithTheOldFileWhenANewOneCannotBeOpened) {
  const std::string folder = dir / "logs";
  std::filesystem::create_directory(folder);
  open({Level::info, folder + "/x.log", "broker@cook", false});
  std::filesystem::rename(folder, dir / "moved");
  reopen();
  info("after");
  const auto lines = lines_of(dir / "moved/x.log");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_NE(lines[0].find("cannot reopen"), std::string::npos);
  EXPECT_TRUE(lines[1].ends_with("after"));
}

TEST_F(Log, RefusesAFileThatCannotBeOpenedAndNamesIt) {
  try {
    open({Level::info, "/nowhere/x.log", "broker@cook", false});
    FAIL() << "opened";
  } catch (const std::system_error& error) {
    EXPECT_NE(std::string{error.what()}.find("'/nowhere/x.log'"), std::string::npos)
        << error.what();
    EXPECT_EQ(error.code(), std::errc::no_such_file_or_directory);
  }
}

TEST_F(Log, KeepsLinesOfSeveralThreadsWhole) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 250; ++i) info("thread {} line {} {}", t, i, std::string(200, 'x'));
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto lines = lines_of(path);
  ASSERT_EQ(lines.size(), 1'000u);
  for (const std::string& line : lines) {
    ASSERT_TRUE(line.ends_with(std::string(200, 'x')) && line[4] == '-') << line;
  }
}

}  // namespace
}  // namespace baozi::log
