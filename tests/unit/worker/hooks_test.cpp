// What runs beside a task's own function: hooks, middleware, and the words of the log.
#include <gtest/gtest.h>

#include "task_bench.hpp"
#include "wire/call_options.hpp"
#include "worker/describe.hpp"

namespace baozi::worker {
namespace {

using namespace std::chrono_literals;
using Trail = std::vector<std::string>;

/// A task with every hook, each of which leaves a word.
void hooked(Registry& r, Trail& trail, const std::string& name, std::function<int(Context&)> f) {
  const auto word = [&trail](std::string text) {
    return [&trail, text](Context& context, const ExecutionEnd& end) {
      trail.push_back(text + " " + std::string{context.name()} + " " + to_string(end.state) +
                      (end.error ? " " + end.error->message() : " " + end.value().to_json()));
    };
  };
  r.task(name, [f](Context& context) { return f(context); })
      .max_retries(1)
      .before_start(
          [&trail](Context& context) { trail.push_back("before " + std::string{context.name()}); })
      .on_success(word("success"))
      .on_failure(word("failure"))
      .on_retry(word("retry"))
      .after_return(word("after"));
}

TEST(Hooks, ASuccessHasItsHookAndTheLastOne) {
  Trail trail;
  TaskBench tasks{[&](Registry& r) { hooked(r, trail, "x", [](Context&) { return 3; }); }};
  EXPECT_EQ(tasks.value<int>("x"), 3);
  EXPECT_EQ(trail, (Trail{"before x", "success x SUCCESS 3", "after x SUCCESS 3"}));
}

TEST(Hooks, AFailureThatWillBeRetriedIsARetryAndTheLastOneAFailure) {
  Trail trail;
  TaskBench tasks{[&](Registry& r) {
    hooked(r, trail, "x", [](Context&) -> int { throw std::runtime_error{"boom"}; });
  }};
  EXPECT_EQ(tasks.call("x").verdict, Verdict::failure);
  EXPECT_EQ(trail, (Trail{"before x", "retry x RETRY boom", "after x RETRY boom"}));
  trail.clear();
  tasks.start.retries = 1;
  EXPECT_EQ(tasks.call("x").verdict, Verdict::failure);
  EXPECT_EQ(trail, (Trail{"before x", "failure x FAILURE boom", "after x FAILURE boom"}));
}

TEST(Hooks, ASnoozeAndAnIgnoredTaskHaveTheLastOneOnly) {
  Trail trail;
  TaskBench tasks{[&](Registry& r) {
    hooked(r, trail, "snoozes", [](Context& context) -> int { context.snooze(5s, "later"); });
    hooked(r, trail, "ignored", [](Context& context) -> int { context.ignore(); });
    hooked(r, trail, "rejected", [](Context& context) -> int { context.reject("no"); });
  }};
  EXPECT_EQ(tasks.call("snoozes").verdict, Verdict::snooze);
  EXPECT_EQ(tasks.call("ignored").verdict, Verdict::ignore);
  EXPECT_EQ(tasks.call("rejected").verdict, Verdict::reject);
  EXPECT_EQ(trail, (Trail{"before snoozes", "after snoozes RETRY later", "before ignored",
                          "after ignored IGNORED null", "before rejected",
                          "failure rejected FAILURE no", "after rejected FAILURE no"}));
}

TEST(Hooks, OneThatThrowsBeforeTheTaskIsAsIfTheTaskHadThrown) {
  bool ran = false;
  TaskBench tasks{[&](Registry& r) {
    r.task("x", [&ran] { ran = true; }).max_retries(3).before_start([](Context&) {
      throw std::runtime_error{"no database"};
    });
  }};
  const Ended ended = tasks.call("x");
  EXPECT_EQ(ended.verdict, Verdict::failure);
  EXPECT_TRUE(ended.retryable);
  EXPECT_FALSE(ended.permanent);
  EXPECT_EQ(failure_text(ended.value).message, "before_start: no database");
  EXPECT_FALSE(ran);
}

TEST(Hooks, OneThatThrowsAfterASuccessMakesItAFailureThatIsNotRetried) {
  TaskBench tasks{[&](Registry& r) {
    r.task("x", [] { return 1; }).max_retries(3).on_success([](Context&, const ExecutionEnd&) {
      throw std::logic_error{"cannot tell"};
    });
  }};
  const Ended ended = tasks.call("x");
  EXPECT_EQ(ended.verdict, Verdict::failure);
  EXPECT_FALSE(ended.retryable);
  EXPECT_EQ(failure_text(ended.value).message, "on_success: cannot tell");
}

TEST(Hooks, OneThatThrowsAfterAFailureIsToldInItsTraceback) {
  TaskBench tasks{[&](Registry& r) {
    r.task("x", [] {
       throw std::runtime_error{"boom"};
     }).on_failure([](Context&, const ExecutionEnd&) { throw std::logic_error{"worse"}; });
  }};
  const FailureText text = failure_text(tasks.call("x").value);
  EXPECT_EQ(text.message, "boom");
  EXPECT_NE(text.traceback.find("on_failure threw std::logic_error: worse"), std::string::npos);
}

TEST(Middleware, StandsAroundEveryTaskInOrderAndSeesTheEnd) {
  Trail trail;
  const auto named = [&trail](std::string name) {
    return [&trail, name](Context& context, const TaskNext& next) {
      trail.push_back(name + " in " + std::string{context.name()});
      trail.push_back(name + " out " + to_string(next().state));
    };
  };
  TaskBench tasks{[&](Registry& r) {
    r.middleware("outer", named("outer")).middleware("inner", named("inner"));
    r.task("good", [] { return 1; });
    r.task("bad", [] { throw std::runtime_error{"x"}; });
  }};
  EXPECT_EQ(tasks.call("good").verdict, Verdict::success);
  EXPECT_EQ(trail,
            (Trail{"outer in good", "inner in good", "inner out SUCCESS", "outer out SUCCESS"}));
  trail.clear();
  EXPECT_EQ(tasks.call("bad").verdict, Verdict::failure);
  EXPECT_EQ(trail,
            (Trail{"outer in bad", "inner in bad", "inner out FAILURE", "outer out FAILURE"}));
}

TEST(Middleware, OfOneLibraryStandsAroundTheTasksOfAnother) {
  int seen = 0;
  TaskBench tasks{[](Registry& r) { r.task("x", [] { return 1; }); }};
  Registry other;
  other.middleware("counts", [&seen](Context&, const TaskNext& next) { ++seen, next(); });
  tasks.table.add(std::move(other), "another library");
  EXPECT_EQ(tasks.value<int>("x"), 1);
  EXPECT_EQ(seen, 1);
}

TEST(Middleware, OneThatThrowsHasFailedTheTask) {
  bool ran = false;
  TaskBench tasks{[&](Registry& r) {
    r.middleware("guard", [](Context& context, const TaskNext& next) {
      if (context.header("token") == Value{}) throw std::invalid_argument{"no token"};
      next();
    });
    r.task("x", [&ran] { ran = true; });
  }};
  EXPECT_EQ(tasks.failure("x"), "std::invalid_argument: middleware 'guard': no token");
  EXPECT_FALSE(ran);
}

TEST(Middleware, OneThatThrowsAfterTheTaskReplacesItsEndAndNamesIt) {
  TaskBench tasks{[&](Registry& r) {
    r.middleware("closes", [](Context&, const TaskNext& next) {
      next();
      throw std::runtime_error{"disk full"};
    });
    r.task("good", [] { return 1; });
    r.task("bad", [] { throw std::logic_error{"mine"}; });
  }};
  EXPECT_EQ(tasks.failure("good"), "std::runtime_error: middleware 'closes': disk full");
  const FailureText text = failure_text(tasks.call("bad").value);
  EXPECT_EQ(text.message, "middleware 'closes': disk full");
  EXPECT_NE(text.traceback.find("After: std::logic_error: mine"), std::string::npos);
}

TEST(Middleware, OneThatDoesNotRunTheTaskHasFailedIt) {
  TaskBench tasks{[&](Registry& r) {
    r.middleware("lazy", [](Context&, const TaskNext&) {});
    r.task("x", [] {});
  }};
  EXPECT_EQ(tasks.failure("x"), "baozi::NotRun: middleware 'lazy' did not run the task");
}

TEST(Middleware, MayAskForWhatATaskMayAskFor) {
  TaskBench tasks{[&](Registry& r) {
    r.middleware("hours", [](Context& context, const TaskNext&) { context.snooze(1h, "closed"); });
    r.task("x", [] {});
  }};
  const Ended ended = tasks.call("x");
  EXPECT_EQ(ended.verdict, Verdict::snooze);
  EXPECT_EQ(ended.delay, 1h);
}

TEST(Middleware, WrongArgumentsAreNotRetriedAroundATaskEither) {
  TaskBench tasks{[&](Registry& r) {
    r.middleware("plain", [](Context&, const TaskNext& next) { next(); });
    r.task("x", [](int) {}).max_retries(3);
  }};
  EXPECT_TRUE(tasks.call("x", "text").permanent);
}

TEST(Describe, ArgumentsAreShownAsFarAsTheTaskAllows) {
  TaskBench tasks{[](Registry& r) {
    r.task("plain", [](int, std::string) {}, {"a", "password"});
    r.task("secret", [](int, std::string) {}, {"a", "password"}).redact({"password"});
    r.task("all", [](int, std::string) {}, {"a", "password"}).redact().shadow("payments");
  }};
  const auto text = [&](const char* name, BytesView body, BytesView options = {}) {
    return shown_name(*tasks.table.definition(name), options) +
           arguments_text(*tasks.table.definition(name), body, options);
  };
  EXPECT_EQ(text("plain", pack_body(1, "x")), "plain(1, \"x\")");
  EXPECT_EQ(text("secret", pack_body(1, "x")), "secret(1, ***)");
  EXPECT_EQ(text("secret", pack_body(1, arg("password") = "x")), "secret(1, password=***)");
  EXPECT_EQ(text("all", pack_body(1, "x")), "payments(***, ***)");
  EXPECT_EQ(text("plain", pack_body(1, std::string(1'000, 'x'))).size(), 5u + 2u + 3u + 131u);
  EXPECT_EQ(text("plain", "no arguments"), "plain(?)");
  const Bytes options =
      *wire::pack_options({.shadow = "mine", .shown_arguments = "hidden"}, wall_time(0));
  EXPECT_EQ(text("plain", pack_body(1, "x"), options), "mine(hidden)");
}

TEST(Describe, OnlyParametersThatThereAreCanBeHidden) {
  Registry registry;
  EXPECT_THROW(registry.task("x", [](int) {}, {"a"}).redact({"b"}), RegistrationError);
}

}  // namespace
}  // namespace baozi::worker
