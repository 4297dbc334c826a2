/// \file task_bench.hpp
/// Runs single tasks as a pool would, with a port that only remembers.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <baozi/worker.hpp>

#include "base/random.hpp"
#include "worker/invoke.hpp"
#include "worker/task_table.hpp"

namespace baozi::worker {

struct FakePort final : ExecutionPort {
  void update_state(std::string_view state, Bytes meta) override {
    updates.emplace_back(state, unpack<Value>(meta));
  }
  [[nodiscard]] bool revoked() const override { return is_revoked; }

  std::vector<std::pair<std::string, Value>> updates;
  bool is_revoked = false;
};

/// A failure as it travels.
struct FailureText {
  std::string type;
  std::string message;
  std::string traceback;
};
inline FailureText failure_text(BytesView packed) {
  const auto texts = unpack<std::array<std::string, 3>>(packed);
  return {texts[0], texts[1], texts[2]};
}

/// A table of the tasks that `fill` registers, and one call after the other.
class TaskBench {
 public:
  explicit TaskBench(const std::function<void(Registry&)>& fill) {
    Registry registry;
    fill(registry);
    table.add(std::move(registry), "this test");
  }

  template <class... Args>
  Ended call(std::string_view name, const Args&... args) {
    body = pack_body(args...);
    return run(name);
  }
  Ended run(std::string_view name) {
    const TaskFacts* const facts = table.find(name);
    start.token = Token{7};
    start.definition = facts != nullptr ? facts->definition : nullptr;
    start.name = name;
    start.body = body;
    return invoke(start, "w1@here", port, random);
  }
  template <class T, class... Args>
  T value(std::string_view name, const Args&... args) {
    const Ended ended = call(name, args...);
    if (ended.verdict != Verdict::success)
      throw std::runtime_error{failure_text(ended.value).message};
    return unpack<T>(ended.value);
  }
  /// "type: message" of what must fail.
  template <class... Args>
  std::string failure(std::string_view name, const Args&... args) {
    const Ended ended = call(name, args...);
    if (ended.verdict == Verdict::success) return "succeeded";
    const FailureText text = failure_text(ended.value);
    return text.type + ": " + text.message;
  }

  TaskTable table;
  FakePort port;
  Random random{1};
  Start start{.id = {false, "id-1"}};
  std::string body;
};

}  // namespace baozi::worker
