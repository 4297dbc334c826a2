#include "base/node_name.hpp"

#include <gtest/gtest.h>

namespace baozi::base {
namespace {

TEST(NodeName, ExpandsTheHostAndItsParts) {
  EXPECT_EQ(expand_node_name("w1@%h", "cook.example.com"), "w1@cook.example.com");
  EXPECT_EQ(expand_node_name("w1@%n", "cook.example.com"), "w1@cook");
  EXPECT_EQ(expand_node_name("w1@x.%d", "cook.example.com"), "w1@x.example.com");
}

TEST(NodeName, GetsTheHostWhenItNamesNone) { EXPECT_EQ(expand_node_name("w1", "cook"), "w1@cook"); }

TEST(NodeName, HasNoDomainOnAHostWithoutOne) {
  EXPECT_EQ(expand_node_name("a@b%d", "cook"), "a@b");
}

TEST(NodeName, KeepsWhatItDoesNotKnow) {
  EXPECT_EQ(expand_node_name("100%%-%x%@h", "cook"), "100%-%x%@h");
  EXPECT_EQ(expand_node_name("a@b%", "cook"), "a@b%");
}

TEST(FileName, ExpandsThePartsOfTheNodesName) {
  const char* node = "w1@cook.example.com";
  EXPECT_EQ(expand_file_name("/run/%n.pid", node), "/run/w1.pid");
  EXPECT_EQ(expand_file_name("/log/%p.log", node), "/log/w1@cook.example.com.log");
  EXPECT_EQ(expand_file_name("/log/%h-%d", node), "/log/cook.example.com-example.com");
  EXPECT_EQ(expand_file_name("/log/%n%I.log", node), "/log/w1.log");
  EXPECT_EQ(expand_file_name("/log/%n-%i.log", node), "/log/w1-0.log");
}

TEST(HostName, IsNeverEmpty) { EXPECT_FALSE(host_name().empty()); }

}  // namespace
}  // namespace baozi::base
