// Files of periodic tasks: what they mean, and where they are wrong.
#include "beat/schedule_file.hpp"

#include <chrono>

#include <gtest/gtest.h>

#include "beat/yaml_value.hpp"
#include "support/temp_dir.hpp"

namespace baozi::beat {
namespace {

std::vector<Entry> read(const std::string& text) {
  Result<std::vector<Entry>> entries = parse_schedule_text(text, "f.yaml");
  EXPECT_TRUE(entries) << (entries ? "" : entries.error().message);
  return entries ? *entries : std::vector<Entry>{};
}

TEST(ScheduleFile, HoldsTheClassicEntries) {
  const auto entries = read(R"(
zone: Asia/Shanghai
entries:
  add every 3 seconds:
    every: 3
    task: c.add
    args: [10, 10]
  minute 3: {crontab: {minute: 3}, task: c.add, args: [1, 2], kwargs: {c: "3", d: 1.5, e: null, f: true}}
  each third minute: {crontab: {minute: '*/3'}, task: c.add, zone: UTC}
)");
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].name, "add every 3 seconds");
  EXPECT_EQ(entries[0].schedule.text(), "every 3s");
  EXPECT_EQ(entries[0].zone.name(), "Asia/Shanghai");
  EXPECT_EQ(Value{entries[0].args}.to_json(), "[10,10]");
  EXPECT_EQ(entries[1].zone.name(), "UTC");
  EXPECT_EQ(Value{entries[2].kwargs}.to_json(), R"({"c":"3","d":1.5,"e":null,"f":true})");
}

TEST(ScheduleFile, TheSampleIsOne) {
  const auto entries = read_schedule_file(std::string{BAOZI_SOURCE_DIR} + "/configs/schedule.yaml");
  ASSERT_TRUE(entries) << entries.error().message;
  EXPECT_GE(entries->size(), 3u);
}

TEST(ScheduleFile, MayBeJsonAndHasAnchors) {
  EXPECT_EQ(read(R"({"entries": {"a": {"every": 3, "task": "t", "args": ["1"]}}})").size(), 1u);
  const auto entries = read(
      "entries:\n  a: {every: 3, task: t, args: &x [1, 2]}\n  b: {every: 3, task: t, args: *x}\n");
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].args, entries[1].args);
  EXPECT_TRUE(read("entries: {}").empty());
}

struct WrongFile {
  const char* why;
  const char* text;
  const char* message;
};

class WrongFiles : public testing::TestWithParam<WrongFile> {};

TEST_P(WrongFiles, AreRefusedWithLineAndColumn) {
  const auto entries = parse_schedule_text(GetParam().text, "f.yaml");
  ASSERT_FALSE(entries);
  EXPECT_EQ(entries.error().message.rfind(GetParam().message, 0), 0u) << entries.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    Files, WrongFiles,
    testing::Values(
        WrongFile{"Empty", "", "f.yaml:1:1: a schedule is a map with 'entries'"},
        WrongFile{"OnlyAComment", "# later\n", "f.yaml:1:1: a schedule is a map"},
        WrongFile{"AList", "- a\n", "f.yaml:1:1: a schedule is a map"},
        WrongFile{"NoEntries", "zone: UTC\n", "f.yaml:1:1: 'entries' is missing"},
        WrongFile{"EntriesAreAList", "entries: [1]\n", "f.yaml:1:1: entries: lines of the form"},
        WrongFile{"NoYaml", "entries:\n  a: {every: 3, task: t\n", "f.yaml:3:1: "},
        WrongFile{"ATab", "entries:\n\ta: 1\n", "f.yaml:2:3: "},
        WrongFile{"AnUnknownTopKey", "entries: {}\nzones: UTC\n",
                  "f.yaml:2:1: there is no 'zones' here"},
        WrongFile{"AnUnknownZone", "entries: {}\nzone: Asia/Shangai\n", "f.yaml:2:1: "},
        WrongFile{"TwoOfAName", "entries:\n  a: {every: 3, task: t}\n  a: {every: 3, task: t}\n",
                  "f.yaml:3:3: 'a' stands here for the second time"},
        WrongFile{"AFieldOutOfRange",
                  "entries:\n  a:\n    task: t\n    crontab:\n      minute: 61\n",
                  "f.yaml:5:7: entry 'a': minute: '61' is outside 0 to 59"},
        WrongFile{"AnUnknownField", "entries:\n  a: {every: 3, tsak: t}\n",
                  "f.yaml:2:17: entry 'a': there is no field 'tsak'; did you mean 'task'?"},
        WrongFile{"NoTask", "entries:\n  b: {every: 3, task: t}\n  a: {every: 3}\n",
                  "f.yaml:3:3: entry 'a': task: "},
        WrongFile{"NoSchedule", "entries:\n  a: {task: t}\n", "f.yaml:2:3: entry 'a': "},
        WrongFile{"AnEntryThatIsNoMap", "entries:\n  a: 3\n",
                  "f.yaml:2:3: entry 'a': '3' is no map"},
        WrongFile{"AKeyThatIsAList", "entries:\n  [a, b]: {every: 3}\n",
                  "f.yaml:2:3: a key is a plain word"},
        WrongFile{"ItselfInIt", "entries: &e\n  a: *e\n", "f.yaml:2:6: "},
        WrongFile{"Laughs",
                  "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c "
                  "[*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
                  "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e "
                  "[*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"
                  "g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]\n",
                  "f.yaml:6:29: its anchors"},
        WrongFile{
            "TooDeep",
            "entries: "
            "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n",
            "f.yaml:1:"}),
    [](const auto& row) { return std::string{row.param.why}; });

TEST(ScheduleFile, AnyPrefixOfOneIsReadOrRefusedAndNothingElse) {
  const std::string text =
      "zone: UTC\nentries:\n  a: {every: 3, task: t, args: [1, \"x\"]}\n  'b c': {cron: \"* * * * "
      "*\", task: u}\n";
  for (std::size_t n = 0; n < text.size(); ++n) {
    const auto entries = parse_schedule_text(text.substr(0, n), "f.yaml");
    if (entries) continue;
    EXPECT_EQ(entries.error().message.rfind("f.yaml:", 0), 0u) << entries.error().message;
  }
}

TEST(ScheduleFile, OneThatIsNotThereIsNamed) {
  test::TempDir folder;
  const auto entries = read_schedule_file(folder / "none.yaml");
  ASSERT_FALSE(entries);
  EXPECT_NE(entries.error().message.find("none.yaml': No such file"), std::string::npos)
      << entries.error().message;
  EXPECT_FALSE(read_schedule_file(folder / "")) << "a folder";
}

TEST(YamlValue, PlainWordsAreWhatTheyLookLike) {
  EXPECT_TRUE(value_of_plain("null").is_null());
  EXPECT_EQ(value_of_plain("-7"), Value{-7});
  EXPECT_EQ(value_of_plain("18446744073709551615"), Value{UINT64_MAX});
  EXPECT_EQ(value_of_plain("1.5e3"), Value{1500.0});
  EXPECT_EQ(value_of_plain("true"), Value{true});
  for (const char* text : {"no", "nan", "inf", "2026-12-01", "1h", "0x10", "*/3"})
    EXPECT_EQ(value_of_plain(text), Value{text}) << text;
}

TEST(ScheduleFile, ManyEntriesAreReadInReasonableTime) {
  std::string text = "entries:\n";
  for (int i = 0; i < 10'000; ++i) {
    text += "  entry " + std::to_string(i) + ": {crontab: {minute: " + std::to_string(i % 60) +
            ", hour: 4}, task: c.add, args: [1, 2]}\n";
  }
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(read(text).size(), 10'000u);
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_LT(took, std::chrono::seconds{
                      60});  // bench/ has the figure; this finds what grows with the square
  RecordProperty(
      "ms", static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
}

}  // namespace
}  // namespace baozi::beat
