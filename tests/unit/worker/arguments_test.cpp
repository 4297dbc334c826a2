// A call's arguments meet a task's parameters: as in Python, and before the function runs.
#include <chrono>
#include <functional>

#include <gtest/gtest.h>

#include "task_bench.hpp"

namespace baozi::worker {
namespace {

struct Order {
  std::string id;
  std::vector<double> prices;
};
BAOZI_FIELDS(Order, id, prices)

int runs = 0;

int subtract(int a, int b) {
  ++runs;
  return a - b;
}

struct Scale {
  double factor;
  double operator()(double x) const noexcept { return factor * x; }
};

class Arguments : public testing::Test {
 protected:
  Arguments() { runs = 0; }

  TaskBench tasks{[](Registry& registry) {
    registry.task("subtract", subtract, {"a", "b"});
    registry.task("plain", subtract);
    registry.task("defaults",
                  [](int a, int b, const std::string& c) { return std::to_string(a + b) + c; },
                  {"a", arg("b") = 10, arg("c") = "x"});
    registry.task("optional", [](std::optional<int> a, int b) { return a.value_or(-1) * b; },
                  {"a", "b"});
    registry.task("scale", Scale{2.0}, {"x"});
    registry.task("function", std::function<int(int)>{[](int x) { return x + 1; }});
    registry.task("nothing", [] {});
    registry.task("order", [](const Order& order) { return order.prices.size(); }, {"order"});
    registry.task("view", [](std::string_view text, const std::vector<std::string_view>& more) {
      return std::string{text} + std::string{more.at(0)};
    });
    registry.task("moved", [](std::vector<int>&& list, std::unique_ptr<int> one) {
      return list.size() + (one ? 1U : 0U);
    });
    registry.task(
        "context",
        [](Context& context, int a) { return std::string{context.name()} + std::to_string(a); },
        {"a"});
    registry.task("wait", [](std::chrono::seconds s) { return s + std::chrono::seconds{1}; });
  }};
};

TEST_F(Arguments, MayBePositionalOrNamed) {
  EXPECT_EQ(tasks.value<int>("subtract", 5, 3), 2);
  EXPECT_EQ(tasks.value<int>("subtract", 5, arg("b") = 3), 2);
  EXPECT_EQ(tasks.value<int>("subtract", arg("b") = 3, arg("a") = 5), 2);
  EXPECT_EQ(tasks.value<int>("plain", 5, 3), 2);
}

TEST_F(Arguments, MayBeLeftOutWhereThereIsADefault) {
  EXPECT_EQ(tasks.value<std::string>("defaults", 1), "11x");
  EXPECT_EQ(tasks.value<std::string>("defaults", 1, 2), "3x");
  EXPECT_EQ(tasks.value<std::string>("defaults", 1, arg("c") = "y"), "11y");
  EXPECT_EQ(tasks.value<std::string>("defaults", arg("a") = 1, arg("b") = 5), "6x");
}

TEST_F(Arguments, AnOptionalOneMayAlwaysBeLeftOut) {
  EXPECT_EQ(tasks.value<int>("optional", arg("b") = 3), -3);
  EXPECT_EQ(tasks.value<int>("optional", std::optional<int>{}, 3), -3);
  EXPECT_EQ(tasks.value<int>("optional", 2, 3), 6);
  EXPECT_EQ(tasks.failure("optional"),
            "baozi::ArgumentError: optional() missing 1 required argument: 'b'");
}

TEST_F(Arguments, EveryKindOfCallableWorks) {
  EXPECT_EQ(tasks.value<double>("scale", 4), 8.0);
  EXPECT_EQ(tasks.value<int>("function", 4), 5);
  EXPECT_EQ(tasks.value<Value>("nothing"), Value{});
  EXPECT_EQ(tasks.value<std::string>("view", "ab", std::vector<std::string>{"c"}), "abc");
  EXPECT_EQ(tasks.value<std::size_t>("moved", std::vector<int>{1, 2}, 3), 3u);
  EXPECT_EQ(tasks.value<std::string>("context", 3), "context3");
  EXPECT_EQ(tasks.value<std::chrono::seconds>("wait", std::chrono::minutes{1}),
            std::chrono::seconds{61});
}

TEST_F(Arguments, ThatDoNotFitAreNamedAsPythonWouldNameThem) {
  EXPECT_EQ(tasks.failure("subtract"),
            "baozi::ArgumentError: subtract() missing 2 required arguments: 'a' and 'b'");
  EXPECT_EQ(tasks.failure("subtract", 1),
            "baozi::ArgumentError: subtract() missing 1 required argument: 'b'");
  EXPECT_EQ(tasks.failure("plain", 1),
            "baozi::ArgumentError: plain() missing 1 required argument: '2'");
  EXPECT_EQ(tasks.failure("subtract", 1, 2, 3),
            "baozi::ArgumentError: subtract() takes 2 positional arguments but 3 were given");
  EXPECT_EQ(
      tasks.failure("defaults", 1, 2, "x", 4),
      "baozi::ArgumentError: defaults() takes from 1 to 3 positional arguments but 4 were given");
  EXPECT_EQ(tasks.failure("nothing", 1),
            "baozi::ArgumentError: nothing() takes 0 positional arguments but 1 was given");
  EXPECT_EQ(tasks.failure("subtract", 1, arg("c") = 2),
            "baozi::ArgumentError: subtract() got an unexpected keyword argument 'c'");
  EXPECT_EQ(tasks.failure("subtract", 1, arg("a") = 2),
            "baozi::ArgumentError: subtract() got multiple values for argument 'a'");
  EXPECT_EQ(tasks.failure("plain", 1, arg("b") = 2),
            "baozi::ArgumentError: plain() got an unexpected keyword argument 'b' (its parameters "
            "have no names)");
  EXPECT_EQ(runs, 0);
}

TEST_F(Arguments, OfTheWrongTypeAreNamedWithTheirPlace) {
  EXPECT_EQ(tasks.failure("subtract", 1, "x"),
            "baozi::ArgumentError: subtract() argument 'b': expected integer, got string \"x\"");
  EXPECT_EQ(tasks.failure("subtract", 1, arg("b") = 3'000'000'000),
            "baozi::ArgumentError: subtract() argument 'b': expected integer from -2147483648 to "
            "2147483647, got 3000000000");
  EXPECT_EQ(tasks.failure("plain", true, 2),
            "baozi::ArgumentError: plain() argument 1: expected integer, got true");
  EXPECT_EQ(
      tasks.failure("order", Value::object({{"id", "x"}, {"prices", Value::array({1.5, "free"})}})),
      "baozi::ArgumentError: order() argument 'order'.prices[1]: expected number, got string "
      "\"free\"");
  EXPECT_EQ(tasks.failure("order", std::vector<int>{1}),
            "baozi::ArgumentError: order() argument 'order': expected map, got array of 1");
  EXPECT_EQ(runs, 0);
}

TEST_F(Arguments, ThatDoNotFitAreNeverRetriedAndHaveNoTraceback) {
  const Ended ended = tasks.call("subtract", "x", "y");
  EXPECT_EQ(ended.verdict, Verdict::failure);
  EXPECT_TRUE(ended.permanent);
  EXPECT_FALSE(ended.retryable);
  EXPECT_EQ(failure_text(ended.value).traceback, "");
}

TEST_F(Arguments, ABodyThatIsNoCallIsRefusedAtEveryByte) {
  const std::string good = pack_body(5, arg("b") = 3);
  for (std::size_t size = 0; size < good.size(); ++size) {
    tasks.body = good.substr(0, size);
    const Ended ended = tasks.run("subtract");
    ASSERT_EQ(ended.verdict, Verdict::failure) << size;
    EXPECT_EQ(failure_text(ended.value).type, "baozi::ArgumentError") << size;
  }
  tasks.body = pack(std::vector<int>{1, 2});
  EXPECT_EQ(failure_text(tasks.run("subtract").value).message,
            "subtract() was called with a body that is not [args, kwargs]");
  EXPECT_EQ(runs, 0);
}

}  // namespace
}  // namespace baozi::worker
