// What tests of a PreforkPool share: turning it by hand until something is so, and what it said.
#pragma once
#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>

#include "base/system_clock.hpp"
#include "worker/prefork/prefork_pool.hpp"
#include "worker/task_table.hpp"

namespace baozi::worker {

class PoolBench : public testing::Test {
 protected:
  /// \param tasks  outlives the task. \param body  packed `[args, kwargs]`
  Start item(const TaskTable& tasks, std::string_view name, std::string body) {
    bodies.push_back(std::move(body));
    Start start;
    start.token = Token{++last_token};
    start.definition = tasks.find(name)->definition;
    start.id = {false, "an-id"};
    start.name = tasks.definition(name)->name();
    start.body = bodies.back();
    return start;
  }
  void turn(Micros patience = Micros{10'000}) {
    pollfd readable{pool->fd(), POLLIN, 0};
    Micros wait = patience;
    if (const auto due = pool->next_deadline()) {
      wait = std::clamp<Micros>(*due - base::mono_now(), Micros{0}, patience);
    }
    poll(&readable, 1, static_cast<int>((wait.count() + 999) / 1'000));
    pool->tick(base::mono_now());
    pool->take_events(events);
    for (Ended& one : events.completions) {
      EXPECT_TRUE(ended.emplace(one.token, one).second) << "it ended twice";
    }
    const auto keep = [](auto& to, auto& from) {
      to.insert(to.end(), std::make_move_iterator(from.begin()),
                std::make_move_iterator(from.end()));
    };
    keep(updates, events.updates);
    keep(warnings, events.warnings);
    keep(notices, events.notices);
    if (events.reloaded) reloads.push_back(*events.reloaded);
    changes += events.tasks_changed ? 1 : 0;
  }
  template <class Condition>
  bool run_until(Condition so, std::chrono::seconds within = std::chrono::seconds{60}) {
    const auto deadline = std::chrono::steady_clock::now() + within;
    while (!so()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      turn();
    }
    return true;
  }
  /// Waits for the end of one.
  const Ended& end_of(Token token) {
    static const Ended none;
    const bool came = run_until([&] { return ended.contains(token); });
    EXPECT_TRUE(came) << "task " << static_cast<std::uint64_t>(token) << " does not end";
    return came ? ended.at(token) : none;
  }
  bool all_up(std::size_t count) {
    return run_until([&] {
      const auto slots = pool->status();
      return slots.size() == count &&
             std::all_of(slots.begin(), slots.end(), [](const auto& slot) { return slot.id != 0; });
    });
  }

  std::deque<std::string> bodies;
  std::uint64_t last_token = 0;
  PoolEvents events;
  std::map<Token, Ended> ended;
  std::vector<StateUpdate> updates;
  std::vector<std::string> warnings, notices, reloads;
  int changes = 0;
  std::unique_ptr<PreforkPool> pool;
};

}  // namespace baozi::worker
