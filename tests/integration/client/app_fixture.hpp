/// \file app_fixture.hpp
/// An App in front of a small network, and the tasks that it calls.
#pragma once
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include <baozi/client.hpp>

#include "support/eventually.hpp"
#include "support/small_network.hpp"

namespace baozi::test {

using namespace std::chrono_literals;

inline constexpr auto patience = 20s;  // only a failure uses it up

/// A door that tasks wait at, so that a test decides when they end.
class Gate {
 public:
  void open() {
    const std::lock_guard lock{mutex_};
    open_ = true;
    moved_.notify_all();
  }
  void close() {
    const std::lock_guard lock{mutex_};
    open_ = false;
  }
  void pass() {
    std::unique_lock lock{mutex_};
    ++waiting_;
    moved_.notify_all();
    moved_.wait_for(lock, patience, [this] { return open_; });
    --waiting_;
  }
  [[nodiscard]] bool is_waited_at() {
    std::unique_lock lock{mutex_};
    return moved_.wait_for(lock, patience, [this] { return waiting_ > 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable moved_;
  bool open_ = false;
  int waiting_ = 0;
};

class AppTest : public testing::Test {
 protected:
  ~AppTest() override { gate.open(); }

  void tasks(Registry& registry) {
    registry.task("t.add", [](int a, int b) { return a + b; }, {"a", arg("b") = 10});
    registry.task("t.echo", [](const Value& value) { return value; });
    registry.task("t.nothing", [] {});
    registry.task("t.fail", [](const std::string& why) -> int { throw std::runtime_error{why}; });
    registry.task("t.gate", [this](int n) {
      gate.pass();
      return n;
    });
    registry.task("t.tell", [this](Context& context) {
      context.progress(0.5);
      gate.pass();
    });
    registry.task("t.queue", [](Context& context) { return std::string{context.queue()}; });
    registry.task("t.header",
                  [](Context& context, const std::string& name) { return context.header(name); });
    registry.task("t.until_revoked", [](Context& context) {
      while (true) context.check();
    });
  }
  SmallNetwork& start(SmallNetwork::Options options = {}) {
    network.emplace([this](Registry& registry) { tasks(registry); }, std::move(options));
    return *network;
  }
  AppOptions options() const {
    return {.broker = network ? network->address() : std::string{nobody}, .connect_timeout = 1s};
  }
  App app() const { return App{options()}; }

  static constexpr const char* nobody =
      "tcp://127.0.0.1:9";  // the discard port: nobody listens there

  Gate gate;
  std::optional<SmallNetwork> network;
};

}  // namespace baozi::test
