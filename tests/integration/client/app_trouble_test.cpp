// What happens when things go wrong around an App: nobody there, nodes that go away, closing,
// forking, blocking where nobody may.
#include <future>

#include <sys/wait.h>
#include <unistd.h>

#include "integration/client/app_fixture.hpp"

namespace baozi::test {
namespace {

class AppTrouble : public AppTest {};

TEST_F(AppTrouble, WithNoBrokerInReachACallReturnsAtOnceAndItsOutcomeHasADeadline) {
  AppOptions hasty = options();
  hasty.connect_timeout = 200ms;
  App app{hasty};
  const auto start = std::chrono::steady_clock::now();
  auto result = app.task<int(int, int)>("t.add").with().retry(false).delay(1, 2);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 1s);
  EXPECT_EQ(result.submit_state(), SubmitState::pending);
  EXPECT_THROW(result.get(patience), NotSent);
  EXPECT_THROW(result.wait_submitted(patience), NotSent);
  EXPECT_EQ(result.submit_state(), SubmitState::not_sent);
  EXPECT_EQ(result.outcome().error()->type(), "baozi::NotSent");
  EXPECT_NE(result.outcome().error()->message().find("tcp://127.0.0.1:9"), std::string::npos);
}

TEST_F(AppTrouble, TasksThatWaitForABrokerAreSentWhenItComes) {
  start();
  const std::string address = network->address();
  network->stop_workers();
  network->stop_broker();
  AppOptions patient = options();
  patient.connect_timeout = patience;
  App app{patient};
  auto result = app.task<int(int, int)>("t.add").delay(1, 2);
  EXPECT_FALSE(result.wait(50ms));
  network->start_broker();
  network->start_worker();
  EXPECT_EQ(result.get(patience), 3);
}

TEST_F(AppTrouble, AConfirmThatNeverComesIsUnknownAndNotAFailure) {
  // A listener that speaks ZMTP and nothing else stands for a broker that hangs after taking the
  // task: here one that went away with it.
  start({.workers = 0});
  AppOptions hasty = options();
  hasty.submit_timeout = 300ms;
  App app{hasty};
  auto first = app.task<int(int, int)>("t.add").delay(1, 2);
  first.wait_submitted(patience);
  network->stop_broker();
  auto second = app.task<int(int, int)>("t.add").delay(1, 2);
  try {
    second.wait_submitted(patience);
    FAIL() << "it was confirmed by nobody";
  } catch (const SubmitUnknown&) {
  } catch (const NotSent&) {  // the loss was noticed before it was sent
  }
  EXPECT_NE(second.submit_state(), SubmitState::confirmed);
}

TEST_F(AppTrouble, ResultsThatPassedWhileTheCollectorsSessionWasLostAreFetched) {
  start();
  App app = this->app();
  auto gated = app.task<int(int)>("t.gate").delay(5);
  ASSERT_TRUE(gate.is_waited_at());
  network->stop_collector();
  gate.open();
  network->start_collector();
  EXPECT_EQ(gated.get(patience), 5);
}

TEST_F(AppTrouble, ATaskTooLargeForTheBrokerIsRejected) {
  start();
  App app = this->app();
  auto result = app.task<std::string(std::string)>("t.echo").delay(std::string(3'000'000, 'x'));
  EXPECT_THROW(result.wait_submitted(patience), Rejected);
  EXPECT_THROW(result.get(patience), Rejected);
  EXPECT_EQ(app.task<int(int, int)>("t.add").delay(1, 2).get(patience), 3);
}

TEST_F(AppTrouble, AFullQueueHoldsTheCallerUpUntilItsDeadline) {
  broker::BrokerConfig config;
  config.queue_tasks = 10;
  start({.workers = 0, .broker = config});
  AppOptions hasty = options();
  hasty.submit_timeout = 500ms;
  App app{hasty};
  auto add = app.task<int(int, int)>("t.add");
  std::vector<AsyncResult<int>> results;
  for (int i = 0; i < 10; ++i) results.push_back(add.delay(i, 1));
  for (auto& result : results) result.wait_submitted(patience);
  auto blocked = add.delay(1, 1);
  EXPECT_THROW(blocked.wait_submitted(patience), NotSent);
  EXPECT_NE(blocked.outcome().error()->message().find("queue_full"), std::string::npos);
}

TEST_F(AppTrouble, ABlockedTaskGoesOnWhenThereIsRoom) {
  broker::BrokerConfig config;
  config.queue_tasks = 5;
  start({.workers = 0, .broker = config});
  App app = this->app();
  auto results = app.task<int(int, int)>("t.add").map(std::vector<std::tuple<int, int>>(4, {1, 2}));
  for (auto& result : results) result.wait_submitted(patience);
  auto more = app.task<int(int, int)>("t.add").map(std::vector<std::tuple<int, int>>(4, {3, 4}));
  EXPECT_FALSE(more.back().wait(100ms));
  network->start_worker();
  for (auto& result : more) EXPECT_EQ(result.get(patience), 7);
}

TEST_F(AppTrouble, CallersFasterThanTheBrokerWaitForRoomAndLoseNothing) {
  start();
  AppOptions narrow = options();
  narrow.pending_tasks_max = 100;
  App app{narrow};
  auto add = app.task<int(int, int)>("t.add");
  std::vector<AsyncResult<int>> results;
  for (int i = 0; i < 5'000; ++i) results.push_back(add.delay(i, 1));
  for (int i = 0; i < 5'000; ++i)
    ASSERT_EQ(results[static_cast<std::size_t>(i)].get(patience), i + 1);
}

TEST_F(AppTrouble, ClosingAnAppEndsWhoeverWaits) {
  start();
  std::optional<App> app{this->app()};
  auto result = app->task<int(int)>("t.gate").delay(1);
  std::promise<State> told;
  result.then([&](const Outcome<int>& outcome) { told.set_value(outcome.state()); });
  std::promise<void> waits;
  auto waiting = std::async(std::launch::async, [&] {
    waits.set_value();
    result.get();
  });
  waits.get_future().get();
  ASSERT_TRUE(gate.is_waited_at());
  auto task = app->task<int(int)>("t.gate");
  app.reset();
  EXPECT_THROW(waiting.get(), AppClosed);
  EXPECT_EQ(told.get_future().get(), State::pending);
  EXPECT_TRUE(result.ready());
  EXPECT_THROW(result.get(), AppClosed);
  EXPECT_THROW(result.forget(), AppClosed);
  EXPECT_THROW(task.delay(1), AppClosed);
}

TEST_F(AppTrouble, ClosingWaitsForTheConfirmsOfWhatWasHandedIn) {
  start();
  std::vector<AsyncResult<int>> results;
  {
    App app = this->app();
    for (int i = 0; i < 500; ++i) results.push_back(app.task<int(int, int)>("t.add").delay(i, 1));
  }
  for (auto& result : results) EXPECT_EQ(result.submit_state(), SubmitState::confirmed);
}

TEST_F(AppTrouble, WhatNobodyKeepsIsStillSent) {
  start();
  std::string id;
  {
    App app = this->app();
    id = app.task<int(int, int)>("t.add").delay(20, 22).id();
  }
  App other = this->app();
  EXPECT_EQ(other.result<int>(id).get(patience), 42);
}

TEST_F(AppTrouble, GetIsRefusedOnTheCallbackThread) {
  start();
  App app = this->app();
  auto gated = app.task<int(int)>("t.gate").delay(1);
  std::promise<std::string> said;
  app.task<int(int, int)>("t.add").delay(1, 2).then([&](const Outcome<int>&) {
    try {
      gated.get();
      said.set_value("");
    } catch (const WouldBlock& error) {
      said.set_value(error.what());
    }
  });
  EXPECT_NE(said.get_future().get().find("callback thread"), std::string::npos);
}

TEST_F(AppTrouble, GetIsRefusedInsideATaskUnlessAllowed) {
  start();
  std::optional<App> inner;
  const auto ask = [&](bool allowed) {
    auto add = inner->task<int(int, int)>("t.add");
    if (!allowed) return add.delay(1, 2).get(patience);
    const AllowGetInTask allow;
    return add.delay(1, 2).get(patience);
  };
  SmallNetwork own{[&](Registry& registry) {
    tasks(registry);
    registry.task("t.ask", [&](bool allowed) { return ask(allowed); });
  }};
  AppOptions its = options();
  its.broker = own.address();
  inner.emplace(its);
  App app{its};
  auto refused = app.task<int(bool)>("t.ask").delay(false).get(patience, no_propagate);
  ASSERT_NE(refused.error(), nullptr);
  EXPECT_EQ(refused.error()->type(), "baozi::WouldBlock");
  EXPECT_EQ(app.task<int(bool)>("t.ask").delay(true).get(patience), 3);
}

TEST_F(AppTrouble, QuestionsThatNobodyAnswersSaySo) {
  AppOptions hasty = options();
  hasty.answer_timeout = 200ms;
  App app{hasty};
  EXPECT_THROW((void)app.control("status"), NoAnswer);
  EXPECT_THROW((void)app.revoke({"x"}), NoAnswer);
  EXPECT_THROW((void)app.forget({"x"}), NoAnswer);
  EXPECT_EQ(app.result("x").state(), State::pending);
}

TEST_F(AppTrouble, AForkedChildStartsAnewAndLeavesItsParentAlone) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the thread sanitizer allows no threads in a child";
#endif
  start();
  App app = this->app();
  auto add = app.task<int(int, int)>("t.add");
  auto gated = app.task<int(int)>("t.gate").delay(9);
  EXPECT_EQ(add.delay(1, 2).get(patience), 3);
  const pid_t child = fork();
  if (child == 0) {
    int code = 1;
    try {
      gated.get(1s);
    } catch (const AppClosed&) {  // its parent has that one
      if (add.delay(20, 22).get(10s) == 42) code = 0;
    } catch (...) {
      code = 2;
    }
    _exit(code);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  gate.open();
  EXPECT_EQ(gated.get(patience), 9);
  EXPECT_EQ(add.delay(2, 2).get(patience), 4);
}

}  // namespace
}  // namespace baozi::test
