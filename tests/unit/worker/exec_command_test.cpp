// Commands of exec tasks: what placeholders become, and which commands are refused.
#include <stdexcept>

#include <gtest/gtest.h>

#include "worker/exec/command.hpp"

namespace baozi::worker::exec {
namespace {

using Words = std::vector<std::string>;

std::string refusal(const Words& words, bool shell = false) {
  try {
    const Command command{words, shell};
    return "taken";
  } catch (const std::invalid_argument& why) {
    return why.what();
  }
}

std::string missing(const Command& command, const Arguments& call) {
  try {
    (void)command.fill(call);
    return "filled";
  } catch (const std::invalid_argument& why) {
    return why.what();
  }
}

const Arguments sample{{Value{"a b"}, Value{7}}, {{"size", Value{"80%"}}, {"deep", Value{true}}}};

TEST(ExecCommand, AnArgumentStaysOneWordWhateverIsInIt) {
  const Command command{{"convert", "{0}", "-resize", "{size}", "n={1}{1}", ""}, false};
  EXPECT_EQ(command.fill(sample).argv, (Words{"convert", "a b", "-resize", "80%", "n=77", ""}));
  EXPECT_EQ(command.program(), "convert");
  const Command nasty{{"echo", "{0}"}, false};
  EXPECT_EQ(nasty.fill({{Value{"{1} $(rm) '\"\n"}}, {}}).argv, (Words{"echo", "{1} $(rm) '\"\n"}));
}

TEST(ExecCommand, ValuesBecomeWords) {
  EXPECT_EQ(word_of(Value{}), "");
  EXPECT_EQ(word_of(Value{true}), "true");
  EXPECT_EQ(word_of(Value{-5}), "-5");
  EXPECT_EQ(word_of(Value{1.5}), "1.5");
  EXPECT_EQ(word_of(Value{Binary{"\xFF"}}), "\xFF");
  EXPECT_EQ(word_of(Value::array({1, "x"})), "[1,\"x\"]");
}

TEST(ExecCommand, DoubledBracesAreBraces) {
  const Command command{{"awk", "{{print $1}}", "{{}}", "{{{0}}}"}, false};
  EXPECT_EQ(command.fill(sample).argv, (Words{"awk", "{print $1}", "{}", "{a b}"}));
}

TEST(ExecCommand, ALoneBraceIsRefused) {
  for (const std::string word : {"{print $1}", "{}", "{", "}", "{a-b}", "{12345}", "{1a}"}) {
    EXPECT_NE(refusal({"awk", word}).find("belongs to no {number} or {name}"), std::string::npos)
        << word;
  }
}

TEST(ExecCommand, WhatIsNoCommandIsRefused) {
  EXPECT_EQ(refusal({}), "the command is empty");
  EXPECT_EQ(refusal({""}), "the program has no name");
  EXPECT_EQ(refusal({"{0}"}), "the program itself cannot be an argument of the call");
  EXPECT_EQ(refusal({std::string{"a\0b", 3}}), "a command cannot hold a zero byte");
  EXPECT_EQ(refusal({"a", "b"}, true), "with a shell the command is one text, not a list");
  EXPECT_EQ(refusal({" \n"}, true), "the command is empty");
}

TEST(ExecCommand, AMissingArgumentIsNamed) {
  const Command command{{"x", "{2}", "{who}"}, false};
  EXPECT_EQ(missing(command, sample), "needs 3 positional arguments or more, got 2");
  EXPECT_EQ(missing(Command{{"x", "{who}"}, false}, sample), "needs an argument named 'who'");
  EXPECT_EQ(missing(Command{{"x", "{0}"}, false}, {{Value{std::string{"a\0b", 3}}}, {}}),
            "the argument for {0} holds a zero byte, which no word of a command can");
}

TEST(ExecCommand, AShellGetsVariablesInQuotes) {
  const Command command{{R"(printf %s {0} "<{size}>" ${HOME} \{0} {a,b} { :; })"}, true};
  const Command::Filled filled = command.fill(sample);
  EXPECT_EQ(
      filled.argv,
      (Words{"/bin/sh", "-c",
             R"(printf %s "${BAOZI_ARG_0}" "<${BAOZI_ARG_size}>" ${HOME} \{0} {a,b} { :; })"}));
  EXPECT_EQ(filled.variables, (std::vector<std::pair<std::string, std::string>>{
                                  {"BAOZI_ARG_0", "a b"}, {"BAOZI_ARG_size", "80%"}}));
}

TEST(ExecCommand, NothingIsFilledIntoSingleQuotes) {
  EXPECT_EQ(refusal({"awk '{0}'"}, true),
            "{0} stands in single quotes, where the shell fills nothing in");
  EXPECT_EQ(refusal({R"(echo "it's {0}")"}, true), "taken");
  EXPECT_EQ(refusal({R"(awk '{print $1}' {0})"}, true), "taken");
}

}  // namespace
}  // namespace baozi::worker::exec
