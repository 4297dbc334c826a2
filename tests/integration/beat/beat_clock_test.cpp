// A beat whose wall clock is stepped while it runs (libfaketime).
#include "beat_fixture.hpp"

namespace baozi::test {
namespace {

class BeatClock : public BeatProgram {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer's runtime has to be loaded first";
#endif
    ASSERT_STRNE(BAOZI_FAKETIME, "") << "libfaketime is not there: scripts/packages test";
    BeatProgram::SetUp();
  }
  void step(const std::string& by) const {
    std::ofstream{offset + ".new"} << by << "\n";
    ASSERT_EQ(std::rename((offset + ".new").c_str(), offset.c_str()), 0);
  }
  std::string offset = cluster.folder() / "offset";
};

TEST_F(BeatClock, IsSetBackAndForwardAndNoTickRunsTwice) {
  const WallTime begin = base::wall_now();
  write(ticking("missed: skip"));
  step("+0");
  auto beat = start_beat(
      {}, {std::string{"LD_PRELOAD="} + BAOZI_FAKETIME, "FAKETIME_TIMESTAMP_FILE=" + offset,
           "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1"});
  ASSERT_TRUE(has_run(4));
  step("-2");
  ASSERT_TRUE(says("the clock was set back by"));
  ASSERT_TRUE(has_run(runs().size() + 3)) << "when the clock is where it was, ticks go on";
  step("+3600");
  ASSERT_TRUE(says("the clock was set forward by"));
  ASSERT_TRUE(has_run(runs().size() + 3));
  step("+0");
  ASSERT_TRUE(eventually([&] {
    const std::string log = TempDir::read(logs.back());
    return log.find("set back by", log.find("set back by") + 1) != std::string::npos;
  }));
  beat->signal(SIGTERM);
  EXPECT_EQ(beat->wait(), 0);
  ASSERT_TRUE(eventually(
      [&] { return cluster.status("books.queued") == 0 && cluster.status("books.leased") == 0; }));
  const auto counts = runs();
  for (const auto& [id, times] : counts) EXPECT_EQ(times, 1) << id;
  std::size_t known = 0;
  for (WallTime tick = tick_after(begin - 3s); tick <= base::wall_now() + 3'605s; tick += interval)
    known += counts.count(id_of(tick));
  EXPECT_EQ(known, counts.size());
  EXPECT_LT(counts.size(), 200u) << "the hour that was left out was not sent";
  EXPECT_EQ(cluster.status("counters.duplicates"), 0) << "none was even sent twice";
}

}  // namespace
}  // namespace baozi::test
