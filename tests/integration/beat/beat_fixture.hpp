/// \file beat_fixture.hpp
/// Beats as processes in front of a small cluster whose tasks write down their ids.
#pragma once
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/system_clock.hpp"
#include "beat/tick_id.hpp"
#include "support/cluster.hpp"

namespace baozi::test {

using namespace std::chrono_literals;

class BeatProgram : public testing::Test {
 protected:
  static constexpr Micros interval{200'000};

  void SetUp() override {
    cluster.start_broker();
    cluster.start_collector();
    cluster.start_worker(1, 2);
  }
  void TearDown() override {
    if (!HasFailure()) return;
    std::cerr << cluster.logs();
    for (const std::string& log : logs) std::cerr << "==== " << log << "\n" << TempDir::read(log);
  }

  /// The one thing that is in the file: "e", every 0.2 s, and more of its fields.
  [[nodiscard]] std::string ticking(const std::string& more = "missed: all") const {
    return "entries:\n  e: {every: 0.2, task: t.mark_id, args: ['" + marks + "'], " + more + "}\n";
  }
  /// In one step, as an editor does it.
  void write(const std::string& text) const {
    std::ofstream{file + ".new"} << text;
    ASSERT_EQ(std::rename((file + ".new").c_str(), file.c_str()), 0);
  }
  std::unique_ptr<Process> start_beat(const std::vector<std::string>& more = {},
                                      const std::vector<std::string>& environment = {}) {
    logs.push_back(cluster.folder() / ("beat." + std::to_string(logs.size()) + ".log"));
    std::vector<std::string> command{std::string{BAOZI_BINARY_DIR} + "/bin/baozi-beat",
                                     "-l",
                                     "info",
                                     "-f",
                                     logs.back(),
                                     "--broker",
                                     cluster.address(),
                                     "--schedule",
                                     file,
                                     "--max-interval",
                                     "500ms"};
    command.insert(command.end(), more.begin(), more.end());
    return std::make_unique<Process>(command,
                                     ProcessOptions{.folder = {}, .environment = environment});
  }
  /// What the beat that was started last has written.
  [[nodiscard]] bool says(const std::string& text) const {
    return eventually([&] { return TempDir::read(logs.back()).find(text) != std::string::npos; },
                      30s);
  }
  /// How often each id was run.
  [[nodiscard]] std::map<std::string, int> runs() const {
    std::map<std::string, int> counts;
    std::ifstream in{marks};
    for (std::string id; in >> id;) ++counts[id];
    return counts;
  }
  [[nodiscard]] bool has_run(std::size_t ticks) const {
    return eventually([&] { return runs().size() >= ticks; }, 30s);
  }
  [[nodiscard]] static std::string id_of(WallTime tick) {
    return to_string(beat::tick_id(beat::beat_namespace(""), "e", tick));
  }
  /// The tick that is due first after an instant.
  [[nodiscard]] static WallTime tick_after(WallTime time) {
    return wall_time((micros(time) / interval.count() + 1) * interval.count());
  }
  /// Every tick between the first and the last one that ran has run, and none of them twice.
  void expect_no_gap_and_none_twice(WallTime begin) const {
    const auto counts = runs();
    std::map<std::string, int> left = counts;
    bool begun = false;
    std::size_t missing = 0;  // since the last that ran
    for (WallTime tick = tick_after(begin); tick <= base::wall_now(); tick += interval) {
      const auto found = left.find(id_of(tick));
      if (found == left.end()) {
        if (begun) ++missing;
        continue;
      }
      EXPECT_EQ(missing, 0u) << "ticks were lost before " << micros(tick);
      EXPECT_EQ(found->second, 1);
      missing = 0;
      begun = true;
      left.erase(found);
    }
    EXPECT_TRUE(left.empty()) << left.size() << " ids that are no tick's";
  }

  Cluster cluster;
  std::string file = cluster.folder() / "schedule.yaml";
  std::string marks = cluster.folder() / "marks";
  std::vector<std::string> logs;
};

}  // namespace baozi::test
