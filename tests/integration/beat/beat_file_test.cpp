// A schedule in a file: what is sent of it, and what happens when it changes.
#include <algorithm>

#include "beat_fixture.hpp"

namespace baozi::test {
namespace {

TEST_F(BeatProgram, SendsTheTicksOfAFileAndSaysSo) {
  const WallTime begin = base::wall_now();
  write(ticking());
  auto beat = start_beat();
  ASSERT_TRUE(has_run(6));
  EXPECT_TRUE(says("Scheduler: Sending due task e (t.mark_id)"));
  beat->signal(SIGTERM);
  EXPECT_EQ(beat->wait(), 0);
  EXPECT_TRUE(says("beat: stopped"));
  expect_no_gap_and_none_twice(begin);
}

TEST_F(BeatProgram, AWrongFileIsRefusedWithLineAndColumn) {
  write("entries:\n  e:\n    crontab: {minute: 61}\n    task: t\n");
  auto beat = start_beat();
  EXPECT_EQ(beat->wait(), 2);
  EXPECT_NE(beat->err().find(file + ":3:15: entry 'e': minute: '61' is outside 0 to 59"),
            std::string::npos)
      << beat->err();
}

TEST_F(BeatProgram, AChangedFileIsReadAgainAndAWrongOneChangesNothing) {
  write(ticking());
  auto beat = start_beat();
  ASSERT_TRUE(has_run(2));
  write("entries: {e: {every: 0.2x, task: t}}\n");
  ASSERT_TRUE(says(":1:15: entry 'e': every: '0.2x'"));
  EXPECT_TRUE(says("the schedule that was read before goes on"));
  ASSERT_TRUE(has_run(runs().size() + 2));
  write(ticking() + "  more: {every: 3600, task: t}\n");
  ASSERT_TRUE(says("the schedule has 2 entries"));
  write("entries: {}\n");
  ASSERT_TRUE(says("the schedule has 0 entries"));
  beat->signal(SIGHUP);  // the same again, asked for
  EXPECT_TRUE(eventually([&] {
    const std::string log = TempDir::read(logs.back());
    const std::size_t first = log.find("the schedule has 0 entries");
    return log.find("the schedule has 0 entries", first + 1) != std::string::npos;
  }));
}

TEST_F(BeatProgram, ATickIsLeftOutWhileTheLastTaskRuns) {
  write("entries:\n  e: {every: 0.2, task: t.span, args: ['" + marks +
        "', 1, 500], overlap: skip}\n");
  auto beat = start_beat();
  ASSERT_TRUE(eventually(
      [&] {
        std::ifstream in{marks};
        int lines = 0;
        for (std::string line; in >> line;) ++lines;
        return lines >= 6;
      },
      30s));
  std::ifstream in{marks};
  std::string before = "-1";
  for (std::string line; in >> line; before = line)
    EXPECT_NE(line, before) << "two ran at the same time";
}

TEST_F(BeatProgram, OneOffIsSentOnceAndWhatHasRunOutIsSaid) {
  write("entries:\n  once: {every: 0.2, task: t.mark_id, args: ['" + (cluster.folder() / "once") +
        "'], one_off: true}\n" + ticking().substr(9));
  auto beat = start_beat();
  ASSERT_TRUE(has_run(6));
  std::ifstream in{cluster.folder() / "once"};
  std::set<std::string> ids;
  for (std::string id; in >> id;) EXPECT_TRUE(ids.insert(id).second);
  EXPECT_EQ(ids.size(), 1u);
  EXPECT_TRUE(says("once: it has run as often as it was to"));
}

TEST_F(BeatProgram, AWorkerMayHoldABeat) {
  const WallTime begin = base::wall_now();
  write(ticking());
  cluster.start_worker(2, 1, {"-B", "--schedule", file});
  ASSERT_TRUE(has_run(4));
  cluster.worker(2).signal(SIGTERM);
  EXPECT_EQ(cluster.worker(2).wait(), 0);
  ASSERT_TRUE(eventually(
      [&] { return cluster.status("books.queued") == 0 && cluster.status("books.leased") == 0; }));
  expect_no_gap_and_none_twice(begin);
}

TEST(BeatInside, OneProcessMayPlayEveryRole) {
  TempDir folder;
  const std::string marks = folder / "marks";
  std::ofstream{folder / "s.yaml"} << "entries: {e: {every: 0.2, task: t.mark_id, args: ['" << marks
                                   << "'], missed: all}}\n";
  Process node{{std::string{BAOZI_BINARY_DIR} + "/bin/baozi-node", "--roles",
                "broker,collector,worker,beat", "-A", BAOZI_SAMPLE_TASKS, "-P", "threads",
                "--broker-listen", "tcp://127.0.0.1:0", "--collector-listen", "tcp://127.0.0.1:0",
                "--broker-store", "memory:", "--collector-store", "memory:", "--schedule",
                folder / "s.yaml"}};
  EXPECT_TRUE(eventually(
      [&] {
        const std::string ids = TempDir::read(marks);
        return std::count(ids.begin(), ids.end(), '\n') >= 4;
      },
      30s))
      << node.err();
  node.signal(SIGTERM);
  EXPECT_EQ(node.wait(), 0) << node.err();
}

}  // namespace
}  // namespace baozi::test
