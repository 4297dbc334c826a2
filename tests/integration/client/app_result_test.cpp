// How results come: blocking, looking, callbacks, coroutines; failures; what else can be asked of a
// call.
#include <coroutine>
#include <future>

#include "integration/client/app_fixture.hpp"

namespace baozi::test {
namespace {

class AppResults : public AppTest {};

/// A coroutine that runs by itself and tells its value to a promise.
struct Fire {
  struct promise_type {
    Fire get_return_object() { return {}; }
    std::suspend_never initial_suspend() { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

Fire cook(App& app, std::promise<int>& sum, std::promise<std::string>& error) {
  auto add = app.task<int(int, int)>("t.add");
  const int three = co_await add.delay(1, 2);
  sum.set_value(co_await add.delay(three, 4));
  try {
    co_await app.task<int(std::string)>("t.fail").delay("burnt");
  } catch (const TaskError& failure) {
    error.set_value(failure.message());
  }
}

Fire gather(std::vector<AsyncResult<int>> results, std::promise<std::size_t>& any) {
  const std::vector<int> values = co_await when_all(results);
  any.set_value(values.size() + co_await when_any(results));
}

TEST_F(AppResults, AFailureIsThrownWithItsTypeMessageAndTrace) {
  start();
  App app = this->app();
  auto result = app.task<int(std::string)>("t.fail").delay("out of flour");
  try {
    result.get(patience);
    FAIL() << "it did not throw";
  } catch (const TaskError& error) {
    EXPECT_EQ(error.type(), "std::runtime_error");
    EXPECT_EQ(error.message(), "out of flour");
  }
  EXPECT_TRUE(result.failed());
  EXPECT_EQ(result.state(), State::failure);
  EXPECT_FALSE(result.traceback().empty());
  EXPECT_EQ(result.worker(), "w1@test");
  EXPECT_EQ(result.name(), "t.fail");
  EXPECT_LE(result.started(), result.finished());
}

TEST_F(AppResults, WithPropagateOffAFailureIsAnOutcome) {
  start();
  App app = this->app();
  const Outcome<int> outcome =
      app.task<int(std::string)>("t.fail").delay("no").get(patience, no_propagate);
  EXPECT_EQ(outcome.state(), State::failure);
  ASSERT_NE(outcome.error(), nullptr);
  EXPECT_EQ(outcome.error()->message(), "no");
}

TEST_F(AppResults, AnUnknownTaskIsAClearFailure) {
  start();
  App app = this->app();
  const auto outcome = app.send("t.nobody_knows_it").get_for(patience);
  ASSERT_NE(outcome.error(), nullptr);
  EXPECT_NE(outcome.error()->message().find("t.nobody_knows_it"), std::string::npos);
}

TEST_F(AppResults, AResultOfAnotherTypeIsAClearError) {
  start();
  App app = this->app();
  auto result = app.send<std::string>("t.add", 1, 2);
  EXPECT_THROW(result.get(patience), DecodeError);
  EXPECT_EQ(result.outcome().error()->type(), "baozi::DecodeError");
}

TEST_F(AppResults, GetGivesUpWhenItsTimeIsOverAndMayBeTriedAgain) {
  start();
  App app = this->app();
  auto result = app.task<int(int)>("t.gate").delay(5);
  EXPECT_THROW(result.get(50ms), Timeout);
  EXPECT_FALSE(result.get_for(1ms).ready());
  EXPECT_EQ(result.try_get(), std::nullopt);
  EXPECT_FALSE(result.ready());
  EXPECT_FALSE(result.wait(1ms));
  gate.open();
  EXPECT_EQ(result.get(patience), 5);
  EXPECT_EQ(result.try_get(), 5);
}

TEST_F(AppResults, LookingIsEnough) {
  start();
  App app = this->app();
  auto result = app.task<int(int, int)>("t.add").delay(1, 2);
  EXPECT_TRUE(eventually([&] { return result.ready(); }));
  EXPECT_EQ(result.get(), 3);
}

TEST_F(AppResults, ACallbackIsCalledOnceOnTheCallbackThread) {
  start();
  App app = this->app();
  std::promise<std::pair<int, std::thread::id>> first;
  app.task<int(int, int)>("t.add").delay(1, 2).then([&](Outcome<int> outcome) {
    first.set_value({outcome.value(), std::this_thread::get_id()});
  });  // the handle is gone: the callback keeps the call
  auto future = first.get_future();
  ASSERT_EQ(future.wait_for(patience), std::future_status::ready);
  const auto [value, thread] = future.get();
  EXPECT_EQ(value, 3);
  EXPECT_NE(thread, std::this_thread::get_id());

  auto ready = app.task<int(int, int)>("t.add").delay(2, 2);
  ready.wait();
  std::promise<std::thread::id> second;
  ready.then([&](const Outcome<int>&) { second.set_value(std::this_thread::get_id()); });
  EXPECT_EQ(second.get_future().get(), thread);
}

TEST_F(AppResults, ACallbackMayRunByAnExecutor) {
  start();
  App app = this->app();
  std::promise<std::function<void()>> posted;
  int value = 0;
  app.task<int(int, int)>("t.add").delay(1, 2).then(
      [&](std::function<void()> f) { posted.set_value(std::move(f)); },
      [&](const Outcome<int>& outcome) { value = outcome.value(); });
  posted.get_future().get()();
  EXPECT_EQ(value, 3);
}

TEST_F(AppResults, ACoroutineGoesOnWithTheResult) {
  start();
  App app = this->app();
  std::promise<int> sum;
  std::promise<std::string> error;
  cook(app, sum, error);
  EXPECT_EQ(sum.get_future().get(), 7);
  EXPECT_EQ(error.get_future().get(), "burnt");
}

TEST_F(AppResults, TheFirstOfManyAndAllOfManyCanBeWaitedFor) {
  start();
  App app = this->app();
  auto gated = app.task<int(int)>("t.gate");
  auto add = app.task<int(int, int)>("t.add");
  std::vector<AsyncResult<int>> results{gated.delay(1), add.delay(1, 1)};
  EXPECT_EQ(when_any(results).get(patience), 1U);
  EXPECT_EQ(when_any(results[0], results[1]).get(), 1U);
  EXPECT_EQ(when_any(std::vector{results[0]}).get_for(10ms), std::nullopt);
  EXPECT_THROW(when_all(results).get(10ms), Timeout);
  gate.open();
  EXPECT_EQ(when_all(results).get(patience), (std::vector{1, 2}));
  std::promise<std::size_t> outcomes;
  when_all(results).then(
      [&](const std::vector<Outcome<int>>& all) { outcomes.set_value(all.size()); });
  EXPECT_EQ(outcomes.get_future().get(), 2U);
  std::promise<std::size_t> any;
  gather(results, any);
  EXPECT_EQ(any.get_future().get(), 2U);
}

TEST_F(AppResults, ARunningTaskTellsHowFarItIs) {
  start();
  App app = this->app();
  auto result = app.task<void()>("t.tell").delay();
  EXPECT_TRUE(eventually([&] { return result.state_name() == "PROGRESS"; }));
  EXPECT_EQ(result.info().at("progress"), Value{0.5});
  EXPECT_EQ(result.state(), State::started);
  EXPECT_EQ(result.worker(), "w1@test");
  App other = this->app();
  EXPECT_EQ(other.result(result.id()).state(), State::started);
  gate.open();
  result.get(patience);
  EXPECT_EQ(result.state(), State::success);
}

TEST_F(AppResults, ATaskThatWaitsIsRevokedForGood) {
  start();
  App app = this->app();
  auto result = app.task<int(int, int)>("t.add").with().countdown(1h).delay(1, 2);
  result.wait_submitted(patience);
  EXPECT_EQ(result.revoke().verdict, Revocation::Verdict::revoked);
  EXPECT_THROW(result.get(patience), TaskRevoked);
  EXPECT_EQ(result.state(), State::revoked);
}

TEST_F(AppResults, WhoDoesNotWaitIsCalledWhenABrokerHasTheTask) {
  start();
  App app = this->app();
  auto result = app.task<int(int, int)>("t.add").with().countdown(1h).delay(1, 2);
  std::atomic<int> calls = 0;
  result.when_submitted([&] { ++calls; });
  ASSERT_TRUE(eventually([&] { return calls == 1; }, patience));
  EXPECT_EQ(result.submit_state(), SubmitState::confirmed);
  EXPECT_FALSE(result.ready());
  result.when_submitted([&] { ++calls; });  // also when that is long past
  EXPECT_TRUE(eventually([&] { return calls == 2; }, patience));
}

TEST_F(AppResults, ATaskThatRunsIsToldThatItIsRevoked) {
  start();
  App app = this->app();
  auto result = app.task<void()>("t.until_revoked").delay();
  result.wait_submitted(patience);
  const Revocation revocation = result.revoke(true);
  EXPECT_NE(revocation.verdict, Revocation::Verdict::unknown);
  EXPECT_THROW(result.get(patience), TaskRevoked);
}

TEST_F(AppResults, RevokingWhatEndedComesTooLateAndWhatNobodyKnowsIsUnknown) {
  start();
  App app = this->app();
  auto result = app.task<int(int, int)>("t.add").delay(1, 2);
  result.get(patience);
  const auto verdicts = app.revoke({result.id(), "never-heard-of"});
  ASSERT_EQ(verdicts.size(), 2U);
  EXPECT_NE(verdicts[0].verdict, Revocation::Verdict::revoked);
  EXPECT_EQ(verdicts[1].verdict, Revocation::Verdict::unknown);
}

TEST_F(AppResults, AForgottenResultIsGone) {
  start();
  App app = this->app();
  auto result = app.task<int(int, int)>("t.add").delay(1, 2);
  result.get(patience);
  EXPECT_TRUE(eventually([&] { return result.forget(); }));
  EXPECT_FALSE(result.forget());
  App other = this->app();
  EXPECT_EQ(other.result(result.id()).state(), State::pending);
}

TEST_F(AppResults, WithDurableResultsTheyAreStoredWhenTheyAreShown) {
  start();
  AppOptions durable = options();
  durable.durable_results = true;
  App app{durable};
  App other = this->app();
  for (int i = 0; i < 20; ++i) {
    auto result = app.task<int(int, int)>("t.add").delay(i, 2);
    EXPECT_EQ(result.get(patience), i + 2);
    EXPECT_EQ(other.result<int>(result.id()).state(), State::success);
  }
}

TEST_F(AppResults, BrokersAnswerQuestionsInTheirOwnWords) {
  start();
  App app = this->app();
  app.task<void()>("t.nothing").delay().get(patience);
  const NodeReplies replies = app.control("status");
  ASSERT_EQ(replies.replies.size(), 1U);
  EXPECT_EQ(replies.replies[0].node, "broker@test");
  EXPECT_EQ(replies.replies[0].payload.at("books").at("accepted"), Value{1});
  EXPECT_FALSE(app.control("brew_tea").replies[0].error.empty());
}

}  // namespace
}  // namespace baozi::test
