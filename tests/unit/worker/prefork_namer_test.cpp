// Who gives the stacks of crashes their names, and what happens when it dies.
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/prefork/namer.hpp"
#include "worker/trace_names.hpp"

namespace baozi::worker::prefork {
namespace {

__attribute__((noinline)) int a_function_with_a_name(int x) {
  asm volatile("" : "+r"(x));
  return x;
}

/// As a crash in that function is noted: beneath the handler and what the kernel puts there.
Bytes stack(std::uint64_t depth) {
  const std::uint64_t frames[] = {0, 0,
                                  reinterpret_cast<std::uint64_t>(&a_function_with_a_name) + depth};
  Bytes bytes(sizeof frames, '\0');
  std::memcpy(bytes.data(), frames, sizeof frames);
  return bytes;
}

pid_t only_child() {
  const std::string self = std::to_string(getpid());
  std::ifstream list{"/proc/" + self + "/task/" + self + "/children"};
  pid_t pid = 0;
  list >> pid;
  return pid;
}

/// What comes within a minute, as from one call.
std::vector<Namer::Answer> next(Namer& namer) {
  for (int tries = 0; tries < 60; ++tries) {
    pollfd readable{namer.fd(), POLLIN, 0};
    if (poll(&readable, 1, 1'000) < 1) continue;
    if (auto answers = namer.answers(); !answers.empty()) return answers;
  }
  return {};
}

/// As the fork server does when the process ends.
std::vector<Namer::Answer> reaped(Namer& namer, pid_t pid) {
  waitpid(pid, nullptr, 0);
  return namer.on_ended(pid);
}

TEST(Namer, NamesAStackAndKnowsItFromThenOn) {
  Namer namer;
  EXPECT_EQ(namer.fd(), -1);
  EXPECT_TRUE(namer.ask(1, Order::names, stack(1)).empty());
  EXPECT_TRUE(namer.ask(2, Order::names, stack(1)).empty()) << "asked already";
  const auto answers = next(namer);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].question, 1);
  EXPECT_EQ(answers[1].question, 2);
  EXPECT_NE(answers[0].text.find("a_function_with_a_name"), std::string::npos) << answers[0].text;
  EXPECT_EQ(answers[0].text, answers[1].text);
  const auto again = namer.ask(3, Order::names, stack(1));
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].text, answers[0].text);
  EXPECT_GT(namer.patience_ms(), 0);
  const pid_t pid = only_child();
  namer.rest();
  EXPECT_EQ(namer.fd(), -1);
  EXPECT_TRUE(reaped(namer, pid).empty());
  EXPECT_EQ(namer.ask(4, Order::names, stack(1)).size(), 1u) << "what is known needs no process";
  EXPECT_TRUE(namer.ask(5, Order::names, stack(2)).empty());
  EXPECT_EQ(next(namer).size(), 1u) << "another process answers";
  const pid_t second = only_child();
  namer.rest();
  waitpid(second, nullptr, 0);
}

TEST(Namer, AnswersWithNothingWhenItsProcessDiesAndGivesUpAfterSomeTimes) {
  Namer namer;
  for (std::uint64_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(namer.ask(static_cast<std::int64_t>(i), Order::names, stack(i)).empty());
    EXPECT_EQ(namer.patience_ms(), -1) << "not while somebody waits";
    const pid_t pid = only_child();
    kill(pid, SIGSTOP);  // it may be about to answer
    const auto said = namer.answers();
    kill(pid, SIGKILL);
    const auto answers = reaped(namer, pid);
    ASSERT_EQ(said.size() + answers.size(), 1u);
    if (said.empty()) {
      EXPECT_EQ(answers[0].question, static_cast<std::int64_t>(i));
    }
  }
  const auto none = namer.ask(9, Order::names, stack(9));
  ASSERT_EQ(none.size(), 1u);
  EXPECT_TRUE(none[0].text.empty());
  EXPECT_EQ(only_child(), 0);
}

TEST(Namer, ManyStacksAtOnceAreAnsweredInOrder) {
  Namer namer;
  for (std::int64_t i = 0; i < 200; ++i) {
    EXPECT_TRUE(namer.ask(i, Order::names, stack(1'000 + static_cast<std::uint64_t>(i))).empty());
  }
  std::int64_t expected = 0;
  while (expected < 200) {
    const auto answers = next(namer);
    if (answers.empty()) break;
    for (const auto& one : answers) EXPECT_EQ(one.question, expected++);
  }
  EXPECT_EQ(expected, 200);
  const pid_t pid = only_child();
  namer.rest();
  waitpid(pid, nullptr, 0);
}

TEST(Namer, ThoseThatWaitAreAnsweredWithNothingWhenItsProcessDies) {
  Namer namer;
  EXPECT_TRUE(namer.ask(0, Order::names, stack(0)).empty());
  const pid_t pid = only_child();
  kill(pid, SIGSTOP);
  for (std::int64_t i = 1; i < 100; ++i) {
    EXPECT_TRUE(namer.ask(i, Order::names, stack(static_cast<std::uint64_t>(i))).empty());
  }
  kill(pid, SIGKILL);
  EXPECT_EQ(reaped(namer, pid).size(), 100u);
}

TEST(Namer, StacksOfAnExceptionAreNamedOneByOne) {
  Namer namer;
  char text[64];
  const auto address = reinterpret_cast<std::uintptr_t>(&a_function_with_a_name) + 1;
  std::snprintf(text, sizeof text, "\x01%zx,\x01%zx,", address, address);
  EXPECT_TRUE(namer.ask(1, Order::traces, text).empty());
  const auto answers = next(namer);
  ASSERT_EQ(answers.size(), 1u);
  const std::string said = with_names(
      "a: b\n\x01"
      "ab,\nCaused by: c: d\n\x01"
      "cd,\n",
      answers[0].text);
  const std::size_t cause = said.find("Caused by: c: d\n    at ");
  EXPECT_TRUE(said.starts_with("a: b\n    at a_function_with_a_name") ||
              said.find("a_function_with_a_name") < cause)
      << said;
  ASSERT_NE(cause, std::string::npos) << said;
  EXPECT_NE(said.find("a_function_with_a_name", cause), std::string::npos) << said;
  const pid_t pid = only_child();
  namer.rest();
  waitpid(pid, nullptr, 0);
}

}  // namespace
}  // namespace baozi::worker::prefork
