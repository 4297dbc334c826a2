/// \file programs.hpp
/// What the tests of the programs share.
#pragma once
#include <fstream>
#include <iostream>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include <baozi/client.hpp>

#include "support/cluster.hpp"

namespace baozi::test {

/// "tcp://127.0.0.1:7170" → 7170.
inline std::uint16_t port_of(const std::string& address) {
  return static_cast<std::uint16_t>(std::stoul(address.substr(address.rfind(':') + 1)));
}

class ProgramsTest : public testing::Test {
 protected:
  void TearDown() override {
    if (HasFailure()) std::cerr << cluster.logs();
  }
  /// `baozi status --json`, which is what operators see.
  [[nodiscard]] Value status() const {
    const Ran ran = cluster.baozi({"status", "--json"});
    EXPECT_EQ(ran.code, 0) << ran.err;
    return ran.code == 0 ? Value::from_json(ran.out) : Value{};
  }
  /// Every task that was accepted has ended, in one way, and the sums agree.
  void expect_books(std::int64_t accepted, std::int64_t succeeded) {
    EXPECT_TRUE(eventually(
        [&] { return cluster.status("books.queued") == 0 && cluster.status("books.leased") == 0; },
        std::chrono::seconds{60}));
    const Value now = status();
    ASSERT_TRUE(now.is_object());
    const Value& books = now.at("books");
    EXPECT_TRUE(books.at("balanced").to<bool>()) << books.to_json();
    EXPECT_EQ(books.at("accepted").to<std::int64_t>(), accepted) << books.to_json();
    EXPECT_EQ(books.at("succeeded").to<std::int64_t>(), succeeded) << books.to_json();
  }
  /// How often each number was marked.
  [[nodiscard]] std::map<long long, int> marks() const {
    std::map<long long, int> counts;
    std::ifstream in{path};
    for (long long number = 0; in >> number;) ++counts[number];
    return counts;
  }

  Cluster cluster;
  std::string path = cluster.folder() / "marks";
};

}  // namespace baozi::test
