// One execution: what the task sees of its request, and what its end is reported as.
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/limits.hpp"
#include "base/system_clock.hpp"
#include "task_bench.hpp"
#include "wire/call_options.hpp"
#include "wire/codec.hpp"

namespace baozi::worker {
namespace {

using namespace std::chrono_literals;

struct Flaky : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct VeryFlaky : Flaky {
  using Flaky::Flaky;
};

TEST(Invoke, ASuccessIsThePackedValueWithItsTimes) {
  TaskBench tasks{[](Registry& r) { r.task("add", [](int a, int b) { return a + b; }); }};
  const WallTime before = base::wall_now();
  const Ended ended = tasks.call("add", 1, 2);
  EXPECT_EQ(ended.verdict, Verdict::success);
  EXPECT_EQ(ended.token, Token{7});
  EXPECT_EQ(unpack<int>(ended.value), 3);
  EXPECT_GE(ended.started, before);
  const Finished view = ended.view();
  EXPECT_EQ(view.started_us, micros(ended.started));
  EXPECT_EQ(view.finished_us - view.started_us, ended.ran.count());
  EXPECT_EQ(view.value, ended.value);
}

TEST(Invoke, AnExceptionIsAFailureThatNobodyRetriesUnlessTheTaskSaysSo) {
  TaskBench tasks{[](Registry& r) {
    r.task("plain", [] { throw Flaky{"x"}; });
    r.task("retried", [] { throw Flaky{"x"}; }).max_retries(2);
    r.task("some", [](bool other) {
       if (other) throw std::logic_error{"x"};
       throw VeryFlaky{"x"};
     }).autoretry_for<Flaky, std::bad_alloc>();
    r.task("none", [] { throw Flaky{"x"}; }).max_retries(2).autoretry_for<>();
  }};
  const auto retryable = [&](const Ended& ended) {
    EXPECT_EQ(ended.verdict, Verdict::failure);
    EXPECT_FALSE(ended.permanent);
    return ended.retryable;
  };
  EXPECT_FALSE(retryable(tasks.call("plain")));
  EXPECT_TRUE(retryable(tasks.call("retried")));
  EXPECT_TRUE(retryable(tasks.call("some", false)));
  EXPECT_FALSE(retryable(tasks.call("some", true)));
  EXPECT_FALSE(retryable(tasks.call("none")));
}

TEST(Invoke, ATaskMayAskToBeRetried) {
  TaskBench tasks{[](Registry& r) {
    r.task("plain", [](Context& context) { context.retry(); });
    r.task("soon", [](Context& context) { context.retry(5s, "not yet"); });
    r.task("past", [](Context& context) {
      context.retry({.eta = std::chrono::sys_seconds{0s}, .max_retries = 9});
    });
    r.task("caught", [](Context& context) {
      try {
        throw Flaky{"no connection"};
      } catch (const std::exception&) {
        context.retry(1s);
      }
    });
    r.task("swallowed", [](Context& context) {
      try {
        context.retry(5s);
      } catch (const std::exception&) {  // does not see it
        return;
      }
    });
  }};
  const Ended plain = tasks.call("plain");
  EXPECT_EQ(plain.verdict, Verdict::retry);
  EXPECT_EQ(plain.delay, std::nullopt);
  EXPECT_EQ(failure_text(plain.value).type, "baozi::Retry");
  const Ended soon = tasks.call("soon");
  EXPECT_EQ(soon.delay, 5s);
  EXPECT_EQ(failure_text(soon.value).message, "not yet");
  const Ended past = tasks.call("past");
  EXPECT_EQ(past.delay, 0s);
  EXPECT_EQ(past.max_retries, 9);
  const Ended caught = tasks.call("caught");
  EXPECT_EQ(caught.verdict, Verdict::retry);
  EXPECT_NE(failure_text(caught.value).type.find("Flaky"), std::string::npos);
  EXPECT_EQ(failure_text(caught.value).message, "no connection");
  EXPECT_EQ(tasks.call("swallowed").verdict, Verdict::retry);
}

TEST(Invoke, ATaskMayEndItselfAsRevokedOrRejected) {
  TaskBench tasks{[](Registry& r) {
    r.task("patient", [](Context& context) {
      context.check();
      return context.revoked();
    });
    r.task("strict", [](Context& context) { context.reject("no such customer"); });
  }};
  EXPECT_EQ(tasks.call("patient").verdict, Verdict::success);
  const Ended rejected = tasks.call("strict");
  EXPECT_EQ(rejected.verdict, Verdict::reject);
  EXPECT_EQ(failure_text(rejected.value).message, "no such customer");
}

TEST(Invoke, ATaskMaySnoozeBeIgnoredOrGoBackToItsQueue) {
  TaskBench tasks{[](Registry& r) {
    r.task("snoozes", [](Context& context) { context.snooze(90s, "closed"); });
    r.task("ignored", [](Context& context) { context.ignore(); });
    r.task("requeued", [](Context& context) { context.reject("not mine", true); });
    r.task("thrown", [] { throw Snooze{2s, ""}; });
  }};
  const Ended snoozed = tasks.call("snoozes");
  EXPECT_EQ(snoozed.verdict, Verdict::snooze);
  EXPECT_EQ(snoozed.delay, 90s);
  EXPECT_EQ(failure_text(snoozed.value).message, "closed");
  EXPECT_EQ(tasks.call("ignored").verdict, Verdict::ignore);
  const Ended requeued = tasks.call("requeued");
  EXPECT_EQ(requeued.verdict, Verdict::snooze);
  EXPECT_EQ(requeued.delay, 0s);
  EXPECT_EQ(failure_text(requeued.value).message, "not mine");
  EXPECT_EQ(tasks.call("thrown").delay, 2s);
}

TEST(Invoke, SomeFailuresAreNeverRetriedAndSomeAreExpected) {
  TaskBench tasks{[](Registry& r) {
    r.task("x",
           [](bool very) {
             if (very) throw VeryFlaky{"x"};
             throw Flaky{"x"};
           })
        .max_retries(2)
        .autoretry_for<Flaky>()
        .dont_autoretry_for<VeryFlaky>()
        .throws<VeryFlaky>();
  }};
  const Ended flaky = tasks.call("x", false);
  EXPECT_TRUE(flaky.retryable);
  EXPECT_FALSE(flaky.expected);
  const Ended very = tasks.call("x", true);
  EXPECT_FALSE(very.retryable);
  EXPECT_TRUE(very.expected);
}

TEST(Invoke, TheEndsOfTasksAreNoStatesOfRunningOnes) {
  TaskBench tasks{
      [](Registry& r) { r.task("x", [](Context& context) { context.update_state("IGNORED"); }); }};
  EXPECT_EQ(tasks.failure("x"),
            "std::invalid_argument: IGNORED is an end, no state of a running task");
}

TEST(Invoke, ARevokedOrExpiredTaskIsNotStarted) {
  bool ran = false;
  TaskBench tasks{[&](Registry& r) { r.task("x", [&ran] { ran = true; }); }};
  tasks.port.is_revoked = true;
  const Ended revoked = tasks.call("x");
  EXPECT_EQ(revoked.verdict, Verdict::revoked);
  EXPECT_EQ(failure_text(revoked.value).message, "revoked");
  tasks.port.is_revoked = false;
  const Bytes options =
      *wire::pack_options({.expires = std::chrono::sys_seconds{1s}}, wall_time(0));
  tasks.start.raw_options = options;
  const Ended expired = tasks.call("x");
  EXPECT_EQ(expired.verdict, Verdict::revoked);
  EXPECT_EQ(failure_text(expired.value).message, "expired");
  EXPECT_FALSE(ran);
}

TEST(Invoke, TheContextShowsTheWholeRequest) {
  TaskBench tasks{[](Registry& r) {
    r.task("look",
           [](Context& context, int a) {
             return Value::object(
                 {{"a", a},
                  {"id", context.id()},
                  {"name", context.name()},
                  {"queue", context.queue()},
                  {"args", unpack<Value>(context.args())},
                  {"kwargs", unpack<Value>(context.kwargs())},
                  {"retries", context.retries()},
                  {"max_retries", context.max_retries()},
                  {"delivery_count", context.delivery_count()},
                  {"redelivered", context.redelivered()},
                  {"priority", context.priority()},
                  {"eta", context.eta() ? Value{context.eta()->micros()} : Value{}},
                  {"expires", context.expires() ? Value{context.expires()->micros()} : Value{}},
                  {"trace", context.header("trace")},
                  {"none", context.header("none")},
                  {"root", context.root_id()},
                  {"parent", context.parent_id()},
                  {"worker", context.worker()},
                  {"origin", context.origin()}});
           },
           {"a"});
  }};
  const Uuid parent = *parse_uuid("01890a5d-ac96-774b-bcce-b302099a8057");
  const Bytes options = *wire::pack_options(
      {.eta = std::chrono::sys_seconds{5s},
       .expires = std::chrono::sys_days{std::chrono::January / 1 / 2100},
       .headers = {{"trace", "abc"}},
       .on_failure = RetryPolicy{.max_retries = 11}},
      wall_time(0), {wire::IdView{false, "the-root"}, wire::IdView{true, parent.view()}});
  const std::string origin(16, '\x11');
  tasks.start.raw_options = options;
  tasks.start.queue = "math";
  tasks.start.origin = origin;
  tasks.start.retries = 2;
  tasks.start.delivery_count = 4;
  tasks.start.redelivered = true;
  tasks.start.priority = 9;
  const auto seen = tasks.value<Value>("look", 3);
  EXPECT_EQ(seen, Value::object({{"a", 3},
                                 {"id", "id-1"},
                                 {"name", "look"},
                                 {"queue", "math"},
                                 {"args", Value::array({3})},
                                 {"kwargs", Value::object()},
                                 {"retries", 2},
                                 {"max_retries", 11},
                                 {"delivery_count", 4},
                                 {"redelivered", true},
                                 {"priority", 9},
                                 {"eta", 5'000'000},
                                 {"expires", 4'102'444'800'000'000},
                                 {"trace", "abc"},
                                 {"none", nullptr},
                                 {"root", "the-root"},
                                 {"parent", "01890a5d-ac96-774b-bcce-b302099a8057"},
                                 {"worker", "w1@here"},
                                 {"origin", "11111111-1111-1111-1111-111111111111"}}))
      << seen.to_json(1);
}

TEST(Invoke, ProgressAndStatesGoToThePort) {
  TaskBench tasks{[](Registry& r) {
    r.task("x", [](Context& context) {
      context.progress(0.25);
      context.progress(7);
      context.update_state("UPLOADING", std::map<std::string, int>{{"part", 3}});
      context.update_state("IDLE");
    });
    r.task("bad", [](Context& context) { context.update_state(""); });
    r.task("huge", [](Context& context) { context.update_state("X", std::string(100'000, 'x')); });
  }};
  EXPECT_EQ(tasks.call("x").verdict, Verdict::success);
  const std::vector<std::pair<std::string, Value>> want{
      {"PROGRESS", Value::object({{"progress", 0.25}})},
      {"PROGRESS", Value::object({{"progress", 1.0}})},
      {"UPLOADING", Value::object({{"part", 3}})},
      {"IDLE", Value{}}};
  EXPECT_EQ(tasks.port.updates, want);
  EXPECT_EQ(tasks.failure("bad"),
            "std::invalid_argument: a state is 1 to 255 bytes without control characters");
  EXPECT_EQ(tasks.failure("huge"), "std::length_error: a state's value is at most 64 KiB packed");
}

TEST(Invoke, TheStartIsToldWhereTheTaskOrTheCallAsksForIt) {
  TaskBench tasks{[](Registry& r) {
    r.task("quiet", [] {});
    r.task("told", [](Context& context) { context.progress(1); }).track_started();
  }};
  const Value where = Value::object({{"hostname", "w1@here"}, {"pid", std::int64_t{getpid()}}});
  tasks.call("quiet");
  EXPECT_TRUE(tasks.port.updates.empty());
  tasks.call("told");
  ASSERT_EQ(tasks.port.updates.size(), 2u);
  EXPECT_EQ(tasks.port.updates[0], (std::pair<std::string, Value>{"STARTED", where}));
  const Bytes options = *wire::pack_options({.track_started = true}, wall_time(1), {});
  tasks.start.raw_options = options;
  tasks.call("quiet");
  ASSERT_EQ(tasks.port.updates.size(), 3u);
  EXPECT_EQ(tasks.port.updates[2].first, "STARTED");
  tasks.port.is_revoked = true;
  tasks.call("told");
  EXPECT_EQ(tasks.port.updates.size(), 3u) << "it has not begun";
}

TEST(Invoke, FollowUpsAreTasksThatKnowWhereTheyComeFrom) {
  TaskBench tasks{[](Registry& r) {
    r.task("walk", [](Context& context) {
      const std::string first = context.enqueue("c.add", 1, arg("b") = 2);
      const std::string second =
          context.with({.countdown = 5s, .queue = "math", .task_id = "mine"}).enqueue("c.mul", 3);
      return std::vector<std::string>{first, second};
    });
  }};
  const Ended ended = tasks.call("walk");
  const auto ids = unpack<std::vector<std::string>>(ended.value);
  const auto packed = wire::decode_tasks(ended.follow_ups, 10);
  ASSERT_TRUE(packed);
  ASSERT_EQ(packed->size(), 2u);
  const wire::TaskView& first = packed->at(0);
  EXPECT_EQ(first.id.to_id().to_string(), ids[0]);
  EXPECT_TRUE(first.id.uuid);
  EXPECT_EQ(first.name, "c.add");
  EXPECT_EQ(first.queue, "");
  EXPECT_EQ(unpack<Value>(first.body),
            Value::array({Value::array({1}), Value::object({{"b", 2}})}));
  const auto lineage = wire::read_execution_options(first.raw_options);
  ASSERT_TRUE(lineage);
  EXPECT_EQ(lineage->parent.bytes, "id-1");
  EXPECT_EQ(lineage->root.bytes, "id-1");
  const wire::TaskView& second = packed->at(1);
  EXPECT_EQ(ids[1], "mine");
  EXPECT_EQ(second.queue, "math");
  ASSERT_TRUE(second.options.eta_us);
  EXPECT_GE(*second.options.eta_us, micros(ended.started) + 5'000'000);
}

TEST(Invoke, FollowUpsAreForgottenWhenTheTaskDoesNotSucceed) {
  TaskBench tasks{[](Registry& r) {
    r.task("fails", [](Context& context) {
      context.enqueue("x");
      throw Flaky{"x"};
    });
    r.task("retries", [](Context& context) {
      context.enqueue("x");
      context.retry();
    });
  }};
  EXPECT_EQ(tasks.call("fails").follow_ups, "");
  EXPECT_EQ(tasks.call("retries").follow_ups, "");
}

TEST(Invoke, FollowUpsAreBounded) {
  TaskBench tasks{[](Registry& r) {
    r.task("many", [](Context& context) {
      for (int i = 0; i < 2'000; ++i) context.enqueue("x");
    });
    r.task("large", [](Context& context) { context.enqueue("x", std::string(2'000'000, 'x')); });
    r.task("nameless", [](Context& context) { context.enqueue(""); });
    r.task("twice", [](Context& context) {
      context.with({.countdown = 1s, .eta = std::chrono::system_clock::now()}).enqueue("x");
    });
  }};
  EXPECT_EQ(tasks.failure("many"), "std::length_error: a task enqueues at most 1,000 others");
  EXPECT_EQ(tasks.failure("large"),
            "std::length_error: an enqueued task is at most 1 MiB, all together at most 4 MiB");
  EXPECT_EQ(tasks.failure("nameless"),
            "std::invalid_argument: a task's name is 1 to 255 bytes without control characters");
  EXPECT_EQ(tasks.failure("twice"), "std::invalid_argument: countdown and eta together");
}

TEST(Invoke, AResultThatNoRecordCanHoldIsAFailureThatSaysSo) {
  TaskBench tasks{[](Registry& r) {
    r.task("huge", [] { return std::string(2'000'000, 'x'); }).max_retries(3);
  }};
  const Ended ended = tasks.call("huge");
  EXPECT_EQ(ended.verdict, Verdict::failure);
  EXPECT_TRUE(ended.permanent);
  EXPECT_EQ(failure_text(ended.value).type, "baozi::ResultTooLarge");
}

TEST(Invoke, AResultThatCannotBePackedLeavesNothingHalfPacked) {
  TaskBench tasks{[](Registry& r) {
    r.task("x", [] { return std::pair<int, std::chrono::hours>{1, std::chrono::hours::max()}; });
  }};
  EXPECT_EQ(tasks.failure("x"),
            "std::range_error: a time that microseconds in 64 bits cannot hold");
}

}  // namespace
}  // namespace baozi::worker
