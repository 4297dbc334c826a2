// How tasks are called: typed and by name, with options, one by one and many together.
#include "integration/client/app_fixture.hpp"

namespace baozi::test {
namespace {

class AppCalls : public AppTest {};

TEST_F(AppCalls, ATypedTaskIsCalledLikeAFunctionAndReturnsItsValue) {
  start();
  App app = this->app();
  auto add = app.task<int(int, int)>("t.add");
  EXPECT_EQ(add.delay(1, 2).get(patience), 3);
  EXPECT_EQ(add.apply_async({2, 3}).get(patience), 5);
  EXPECT_EQ(add.apply_async({2, 3}, {.priority = 9}).get(patience), 5);
  EXPECT_NO_THROW(app.task<void()>("t.nothing").delay().get(patience));
}

TEST_F(AppCalls, ArgumentsConvertToTheParametersOfTheTask) {
  start();
  App app = this->app();
  auto add = app.task<long(short, long long)>("t.add");
  const unsigned char small = 7;
  EXPECT_EQ(add.delay(small, 5L).get(patience), 12);
  auto echo = app.task<double(double)>("t.echo");
  EXPECT_EQ(echo.delay(2).get(patience), 2.0);
  auto text = app.task<std::string(std::string)>("t.echo");
  EXPECT_EQ(text.delay("bun").get(patience), "bun");
}

TEST_F(AppCalls, ArgumentsMayBeNamedAndThoseWithDefaultsLeftOut) {
  start();
  App app = this->app();
  auto add = app.task<int(int, int)>("t.add");
  EXPECT_EQ(add.delay(1, arg("b") = 5).get(patience), 6);
  EXPECT_EQ(add.delay(arg("b") = 2, arg("a") = 40).get(patience), 42);
  EXPECT_EQ(app.task<int(int)>("t.add").delay(1).get(patience), 11);
}

TEST_F(AppCalls, ATaskIsCalledByNameWithValuesOfAnyType) {
  start();
  App app = this->app();
  EXPECT_EQ(app.send("t.add", 1, 2).get(patience), Value{3});
  EXPECT_EQ(app.send<int>("t.add", 1, arg("b") = 2).get(patience), 3);
  EXPECT_EQ(app.send<std::string>("t.queue", CallOptions{.queue = "default"}).get(patience),
            "default");
  EXPECT_EQ(app.apply("t.add", {1}, {{"b", 9}}).get(patience), Value{10});
  const Value nested = Value::object({{"list", Value::array({1, "two", nullptr})}, {"real", 1.5}});
  EXPECT_EQ(app.send("t.echo", nested).get(patience), nested);
}

TEST_F(AppCalls, OptionsMayBeSaidInAnyOrderAndKeptForManyCalls) {
  start();
  App app = this->app();
  auto call =
      app.task<Value(std::string)>("t.header").with().expires(60s).header("shelf", 3).priority(7);
  EXPECT_EQ(call.delay("shelf").get(patience), Value{3});
  EXPECT_EQ(call.delay("other").get(patience), Value{});
}

TEST_F(AppCalls, ACountdownIsWaitedForAndNotLonger) {
  start();
  App app = this->app();
  const auto start = std::chrono::steady_clock::now();
  auto result = app.task<int(int, int)>("t.add").with().countdown(300ms).delay(1, 2);
  EXPECT_FALSE(result.get_for(100ms).ready());
  EXPECT_EQ(result.get(patience), 3);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 300ms);
}

TEST_F(AppCalls, AnIdMayBeChosenAndFoundAgainByAnotherApp) {
  start();
  App app = this->app();
  auto result = app.task<int(int, int)>("t.add").with().task_id("invoice-7").delay(20, 22);
  EXPECT_EQ(result.id(), "invoice-7");
  App other = this->app();
  EXPECT_EQ(other.result<int>("invoice-7").get(patience), 42);
  EXPECT_EQ(result.get(patience), 42);
  EXPECT_EQ(app.result<int>(result.id()).get(patience), 42);
}

TEST_F(AppCalls, IdsThatAreMadeAreUuidsThatDifferAndRiseWithTime) {
  start();
  App app = this->app();
  auto add = app.task<int(int, int)>("t.add");
  const std::string first = add.delay(1, 1).id();
  EXPECT_EQ(first.size(), 36U);
  EXPECT_EQ(first[14], '7');
  EXPECT_NE(add.delay(1, 1).id(), first);
}

TEST_F(AppCalls, ManyCallsAreHandedInTogether) {
  start();
  App app = this->app();
  auto add = app.task<int(int, int)>("t.add");
  std::vector<std::tuple<int, int>> pairs;
  for (int i = 0; i < 1'200; ++i) pairs.emplace_back(i, 1);
  auto results = add.map(pairs);
  ASSERT_EQ(results.size(), pairs.size());
  for (int i = 0; i < 1'200; ++i)
    ASSERT_EQ(results[static_cast<std::size_t>(i)].get(patience), i + 1);
  auto echoes =
      app.task<std::string(std::string)>("t.echo").map(std::vector<std::string>{"a", "b"});
  EXPECT_EQ(echoes[1].get(patience), "b");
}

TEST_F(AppCalls, ASignatureIsACallForLater) {
  start();
  App app = this->app();
  auto add = app.task<int(int, int)>("t.add");
  auto call = add.s(1, 2).countdown(1ms).queue("default");
  EXPECT_EQ(app.submit(call).get(patience), 3);
  EXPECT_EQ(app.submit(app.signature<int>("t.add", 4, 5)).get(patience), 9);
  auto results = app.submit_many(std::vector{add.s(1, 1), add.s(2, 2)});
  EXPECT_EQ(when_all(results).get(), (std::vector{2, 4}));
}

TEST_F(AppCalls, ACallWhoseResultIsIgnoredEndsWithItsConfirm) {
  start();
  App app = this->app();
  auto result = app.task<void()>("t.nothing").with().ignore_result().delay();
  result.wait(patience);
  EXPECT_EQ(result.state(), State::ignored);
  EXPECT_TRUE(result.successful());
  EXPECT_TRUE(result.submitted());
}

TEST_F(AppCalls, ManyThreadsMayUseOneApp) {
  start({.workers = 2});
  App app = this->app();
  auto add = app.task<int(int, int)>("t.add");
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        if (add.delay(i, t).get(patience) != i + t) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(AppCalls, WhatCannotBeCalledIsSaidAtOnce) {
  App app = this->app();
  auto add = app.task<int(int, int)>("t.add");
  EXPECT_THROW((void)app.task<int()>(""), std::invalid_argument);
  EXPECT_THROW((void)app.send("two\nlines"), std::invalid_argument);
  EXPECT_THROW(add.with().priority(10).delay(1, 2), std::invalid_argument);
  EXPECT_THROW(add.with().countdown(1s).eta(std::chrono::system_clock::now()).delay(1, 2),
               std::invalid_argument);
  EXPECT_THROW(add.with().queue(std::string(300, 'q')).delay(1, 2), std::invalid_argument);
  EXPECT_THROW(App{"http://127.0.0.1"}, std::invalid_argument);
}

}  // namespace
}  // namespace baozi::test
