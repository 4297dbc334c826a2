#include "base/glob.hpp"

#include <csignal>
#include <string>

#include <gtest/gtest.h>

#include "base/signal_names.hpp"

namespace baozi {
namespace {

struct Case {
  const char* name;
  const char* pattern;
  bool matches;
};
const Case cases[] = {
    {"w1@host", "w1@host", true},
    {"w1@host", "w2@host", false},
    {"w1@host", "*", true},
    {"w1@host", "w?@*", true},
    {"w12@host", "w?@*", false},
    {"w1@host", "*@host", true},
    {"w1@host2", "*@host", false},
    {"w1@host", "w[12]@*", true},
    {"w3@host", "w[12]@*", false},
    {"w3@host", "w[!12]@*", true},
    {"w5@host", "w[0-9]@*", true},
    {"wa@host", "w[0-9]@*", false},
    {"w[@host", "w[@host", true},
    {"", "*", true},
    {"", "?", false},
    {"a]b", "a[]]b", true},
    {"a-b", "a[x-]b", true},
    {"aab", "*ab", true},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", "*a*a*a*a*a*a*a*a*b", false},
    {"w1", "w1*", true},
};

TEST(Glob, MatchesAsShellsDo) {
  for (const Case& one : cases) {
    EXPECT_EQ(matches_glob(one.name, one.pattern), one.matches)
        << one.name << " and " << one.pattern;
  }
}

TEST(Glob, KnowsWhatCanMatchOneNameOnly) {
  EXPECT_FALSE(is_glob("w1@host"));
  EXPECT_TRUE(is_glob("w*"));
  EXPECT_TRUE(is_glob("w[1]"));
}

TEST(SignalNames, AreReadAsOperatorsWriteThem) {
  EXPECT_EQ(base::signal_number("SIGTERM"), SIGTERM);
  EXPECT_EQ(base::signal_number("kill"), SIGKILL);
  EXPECT_EQ(base::signal_number("10"), 10);
  EXPECT_FALSE(base::signal_number("SIGNONSENSE"));
  EXPECT_FALSE(base::signal_number("0"));
  EXPECT_FALSE(base::signal_number("-9"));
  EXPECT_FALSE(base::signal_number(""));
}

}  // namespace
}  // namespace baozi
