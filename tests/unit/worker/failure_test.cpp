// What a task throws, as type, message and the stack of the throw.
#include "worker/failure.hpp"

#include <future>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

#include "task_bench.hpp"
#include "worker/throw_trace.hpp"
#include "worker/trace_names.hpp"

namespace {

struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
  const char* what() const noexcept override { return nullptr; }
};
struct Plain {
  int code = 3;
};

// Global names and a known order of calls, so that the traceback can be read here.
[[gnu::noinline]] void deepest_call(const std::string& text) { throw std::runtime_error{text}; }
[[gnu::noinline]] void middle_call(const std::string& text) {
  deepest_call(text);
  asm volatile("");  // no tail call
}
[[gnu::noinline]] int out_of_range_call(const std::vector<int>& list) {
  const int found = list.at(10);
  asm volatile("");
  return found;
}
[[gnu::noinline]] void nesting_call() {
  try {
    middle_call("inner");
  } catch (...) {
    std::throw_with_nested(std::logic_error{"outer"});
  }
}
[[gnu::noinline]] void rethrowing_call() {
  try {
    middle_call("first");
  } catch (const std::exception&) {
    try {
      deepest_call("something else, and dealt with");
    } catch (const std::exception&) {
    }
    throw;
  }
}
[[gnu::noinline]] void foreign_thread_call() {
  std::async(std::launch::async, [] { middle_call("elsewhere"); }).get();
}

std::size_t position(const std::string& text, std::string_view part) {
  const std::size_t at = text.find(part);
  EXPECT_NE(at, std::string::npos) << part << " is not in:\n" << text;
  return at;
}

std::size_t count(const std::string& text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

}  // namespace

namespace baozi::worker {
namespace {

class FailureOf : public testing::Test {
 protected:
  FailureText run(void (*function)()) {
    TaskBench tasks{[&](Registry& r) { r.task("t", function); }};
    return failure_text(tasks.call("t").value);
  }
};

TEST_F(FailureOf, AnExceptionHasItsTypeItsMessageAndItsThrowSite) {
  const FailureText failure = run([] { middle_call("boom"); });
  EXPECT_EQ(failure.type, "std::runtime_error");
  EXPECT_EQ(failure.message, "boom");
  EXPECT_TRUE(failure.traceback.starts_with("std::runtime_error: boom\n    at "))
      << failure.traceback;
  EXPECT_LT(position(failure.traceback, "deepest_call(std::string const&)"),
            position(failure.traceback, "middle_call("));
}

TEST_F(FailureOf, TheFirstFrameIsTheThrowItselfAndTheLastIsTheTask) {
  const FailureText failure = run([] { middle_call("boom"); });
  const std::string first = failure.traceback.substr(failure.traceback.find('\n') + 1);
  EXPECT_NE(first.substr(0, first.find('\n')).find("deepest_call"), std::string::npos)
      << failure.traceback;
  EXPECT_EQ(failure.traceback.find("__cxa_throw"), std::string::npos) << failure.traceback;
  EXPECT_EQ(failure.traceback.find("baozi::detail"), std::string::npos) << failure.traceback;
  EXPECT_EQ(failure.traceback.find("worker::invoke"), std::string::npos) << failure.traceback;
  EXPECT_EQ(failure.traceback.find("testing::"), std::string::npos) << failure.traceback;
}

TEST_F(FailureOf, FramesNameFileAndLineWhereThereIsDebugInformation) {
  const FailureText failure = run([] { middle_call("boom"); });
  EXPECT_GT(count(failure.traceback, "failure_test.cpp:"), 1u) << failure.traceback;
}

TEST_F(FailureOf, AddressesAreNamedElsewhereAsTheyWouldHaveBeenAtOnce) {
  const std::string named = run(&nesting_call).traceback;
  leave_addresses(true);
  const std::string left = run(&nesting_call).traceback;
  std::string at_once;
  {
    const NamesAtOnce now;
    at_once = run(&nesting_call).traceback;
  }
  leave_addresses(false);
  EXPECT_EQ(left.find("nesting_call"), std::string::npos) << left;
  EXPECT_EQ(with_names(left, names_of(addresses_in(left))), named);
  EXPECT_EQ(with_names(left, {}),
            "std::logic_error: outer\nCaused by: std::runtime_error: inner\n");
  EXPECT_EQ(at_once, named);
  EXPECT_TRUE(addresses_in(named).empty());
}

TEST_F(FailureOf, WhatATaskSaysIsNotTakenForAddresses) {
  leave_addresses(true);
  const std::string left = run([] {
                             throw std::runtime_error{
                                 "a\x01"
                                 "bad, 1\nb"};
                           }).traceback;
  leave_addresses(false);
  const std::string named = with_names(left, names_of(addresses_in(left)));
  EXPECT_EQ(named.rfind("std::runtime_error: a?bad, 1\nb\n    at ", 0), 0u) << named;
}

TEST_F(FailureOf, AHookReadsNames) {
  std::string read;
  TaskBench tasks{[&](Registry& r) {
    r.task("t", [] { middle_call("boom"); }).on_failure([&](Context&, const ExecutionEnd& end) {
      read = end.error->traceback();
    });
  }};
  leave_addresses(true);
  static_cast<void>(tasks.call("t"));
  leave_addresses(false);
  position(read, "middle_call");
}

TEST_F(FailureOf, NoiseAmongAddressesIsNoHarm) {
  for (const std::string_view noise : {"\x01", "\x01,,,\n", "\x01zz", "a\x01",
                                       "\x01"
                                       "ffffffffffffffffffff,1,"}) {
    const Bytes addresses = addresses_in(noise);
    EXPECT_EQ(with_names(noise, names_of(addresses)).find('\x01'), std::string::npos);
    EXPECT_EQ(with_names(noise, {}).find('\x01'), std::string::npos);
  }
}

TEST_F(FailureOf, AThrowInsideTheStandardLibraryHasItsCaller) {
  const FailureText failure = run([] { out_of_range_call({1}); });
  EXPECT_EQ(failure.type, "std::out_of_range");
  position(failure.traceback, "out_of_range_call");
  EXPECT_EQ(failure.traceback.find("std::__throw_"), std::string::npos) << failure.traceback;
  const FailureText number = run([] { (void)std::stoi("x"); });
  EXPECT_EQ(number.type, "std::invalid_argument");
  position(number.traceback, "    at ");
}

TEST_F(FailureOf, ANestedExceptionShowsItsCauseWithItsOwnStack) {
  const FailureText failure = run(&nesting_call);
  EXPECT_EQ(failure.type, "std::logic_error");
  EXPECT_EQ(failure.message, "outer");
  const std::size_t cause = position(failure.traceback, "Caused by: std::runtime_error: inner\n");
  EXPECT_LT(position(failure.traceback, "nesting_call"), cause);
  EXPECT_GT(position(failure.traceback, "deepest_call"), cause);
}

TEST_F(FailureOf, ARethrownExceptionKeepsTheStackOfItsFirstThrow) {
  const FailureText failure = run(&rethrowing_call);
  EXPECT_EQ(failure.message, "first");
  position(failure.traceback, "middle_call");
}

TEST_F(FailureOf, AnExceptionOfAnotherThreadHasNoStackHereButIsWhole) {
  const FailureText failure = run(&foreign_thread_call);
  EXPECT_EQ(failure.type, "std::runtime_error");
  EXPECT_EQ(failure.message, "elsewhere");
  EXPECT_EQ(failure.traceback, "std::runtime_error: elsewhere\n");
}

TEST_F(FailureOf, WhatIsNotAnExceptionIsReportedToo) {
  const FailureText number = run([] { throw 42; });
  EXPECT_EQ(number.type, "int");
  EXPECT_EQ(number.message, "42");
  position(number.traceback, "    at ");
  const FailureText text = run([] { throw "plain text"; });
  EXPECT_EQ(text.type, "char const*");
  EXPECT_EQ(text.message, "plain text");
  const FailureText string = run([] { throw std::string{"some text"}; });
  EXPECT_EQ(string.type, "std::string");
  EXPECT_EQ(string.message, "some text");
  const FailureText other = run([] { throw Plain{}; });
  EXPECT_EQ(other.type, "(anonymous namespace)::Plain");
  EXPECT_EQ(other.message, "(not a std::exception)");
}

TEST_F(FailureOf, AMessageIsBoundedTextWhateverWasThrown) {
  EXPECT_EQ(run([] { throw Broken{"x"}; }).message, "");
  EXPECT_EQ(run([] { throw std::runtime_error{"a\xFFz\xC3"}; }).message,
            "a\xEF\xBF\xBDz\xEF\xBF\xBD");
  const std::string cut =
      run([] { throw std::runtime_error{std::string(1'000'000, 'x')}; }).message;
  EXPECT_LT(cut.size(), 20'000u);
  EXPECT_TRUE(cut.ends_with("... (cut off)"));
}

TEST_F(FailureOf, ManyThrowsBeforeDoNotHideTheLast) {
  const FailureText failure = run([] {
    for (int i = 0; i < 100; ++i) {
      try {
        deepest_call("retried");
      } catch (const std::exception&) {
      }
    }
    middle_call("last");
  });
  EXPECT_EQ(failure.message, "last");
  position(failure.traceback, "middle_call");
}

TEST(ThrowTrace, NothingIsNotedOutsideATask) {
  ASSERT_EQ(ThrowTrace::current(), nullptr);
  try {
    middle_call("x");
  } catch (...) {
    EXPECT_EQ(current_failure(true).traceback, "std::runtime_error: x\n");
  }
}

TEST(ThrowTrace, AnInnerTaskHasItsOwn) {
  TaskBench inner{[](Registry& r) { r.task("i", [] { middle_call("inner"); }); }};
  TaskBench outer{[&](Registry& r) {
    r.task("o", [&inner] {
      const Ended ended = inner.call("i");
      EXPECT_EQ(count(failure_text(ended.value).traceback, "middle_call"), 1u);
      middle_call("outer");
    });
  }};
  const FailureText failure = failure_text(outer.call("o").value);
  EXPECT_EQ(failure.message, "outer");
  EXPECT_EQ(count(failure.traceback, "middle_call"), 1u);
}

}  // namespace
}  // namespace baozi::worker
