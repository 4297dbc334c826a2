// A PreforkPool's items: who gets which, when one goes elsewhere, and how one is ended from
// outside.
#include <algorithm>
#include <csignal>
#include <utility>

#include "base/system_clock.hpp"
#include "worker/prefork/prefork_parts.hpp"
#include "worker/task_table.hpp"
#include "worker/trace_names.hpp"

namespace baozi::worker {

namespace {

constexpr double worth_a_wake_us = 50;    // of short tasks, for one child
constexpr std::size_t batch_max = 448;    // items that one child holds
constexpr double batched_us = 1'000;      // tasks longer than this are handed out one by one
constexpr Micros rebalance_after{2'000};  // what waits for so long behind one task goes elsewhere
constexpr Micros release_after{50'000};   // a signal has arrived by then

/// The pool ends it by force at its limit. What keeps its limit by itself (a program, which is
/// ended as one) would lose to that by chance, and cost a process.
bool is_limited(const Start& start) {
  return start.time_limit > Micros{0} && !definition_of(start.definition).keeps_time_limit();
}

}  // namespace

std::size_t PreforkPool::submit(std::span<const Start> items) {
  if (!accepting_) return 0;
  const std::size_t room = options_.backlog_max - std::min(options_.backlog_max, backlog_.size());
  const std::size_t count = std::min(items.size(), room);
  backlog_.insert(backlog_.end(), items.begin(),
                  items.begin() + static_cast<std::ptrdiff_t>(count));
  in_hand_ += count;
  if (count > 0) feed(base::mono_now());
  return count;
}

/// As many to each child as make a wake worth its while, or an equal share where there are more.
void PreforkPool::feed(MonoTime now) {
  if (backlog_.empty()) return;
  std::size_t there = backlog_.size();
  takers_.clear();
  for (const auto& slot : slots_) {
    Child* const child = slot->child.get();
    if (child == nullptr || child->leaves || child->dying || !child->link.is_up()) continue;
    there += child->link.live();
    takers_.push_back(child);
  }
  if (takers_.empty()) return;
  std::size_t target = 1;
  if (average_us_ < batched_us) {
    const auto worth = static_cast<std::size_t>(worth_a_wake_us / std::max(average_us_, 0.5));
    const std::size_t share = (there + takers_.size() - 1) / takers_.size();
    target = std::clamp<std::size_t>(std::max(worth, share), 1, batch_max);
  }
  for (Child* const child : takers_) {
    if (backlog_.empty()) break;
    const std::size_t before = child->link.live();
    if (before == 0) child->answered_at = now;
    // A new process has yet to get hold of a core: what it holds meanwhile, nobody runs.
    const std::size_t most = child->link.answered() == 0 ? 1 : target;
    bool pushed = false;
    while (!backlog_.empty() && child->link.live() < most &&
           child->link.push(backlog_.front(), now)) {
      if (is_limited(backlog_.front())) {
        const Micros limit = backlog_.front().time_limit;
        if (!check_limits_at_ || now + limit < *check_limits_at_) check_limits_at_ = now + limit;
      }
      backlog_.pop_front();
      pushed = true;
    }
    if (pushed) child->link.ring_bell();
    if (child->link.live() > 1 && !rebalance_at_) rebalance_at_ = now + rebalance_after;
  }
}

void PreforkPool::complete(Ended ended) {
  ended_.push_back(std::move(ended));
  --in_hand_;
}

void PreforkPool::collect(Child& child) {
  child.link.arm();
  const std::size_t from = ended_.size();
  if (!child.link.collect(ended_, updates_) && child.damage == nullptr) {
    distrust(child, "it had damaged the memory that it shares with the worker");
  }
  if (ended_.size() == from) return;
  const MonoTime now = base::mono_now();
  child.since = now;
  for (std::size_t i = from; i < ended_.size(); ++i) {
    average_us_ += (static_cast<double>(ended_[i].ran.count()) - average_us_) / 16;
  }
  std::vector<Ended> unnamed = take_unnamed(ended_, from);
  in_hand_ -= ended_.size() - from;
  for (Ended& one : unnamed) finish(child.server, std::move(one), now);
}

/// What waits behind a task that takes long goes to those who have nothing to do.
void PreforkPool::rebalance(MonoTime now) {
  rebalance_at_.reset();
  std::size_t idle = 0;
  bool waits = false;
  for (const auto& slot : slots_) {
    if (slot->child && slot->child->link.live() == 0 && slot->child->link.is_up()) ++idle;
  }
  for (const auto& slot : slots_) {
    Child* const child = slot->child.get();
    if (child == nullptr || child->link.live() < 2) continue;
    waits = true;
    if (child->answered_before != child->link.answered()) {
      child->answered_before = child->link.answered();
      child->answered_at = now;
    }
    if (idle == 0 || now - child->answered_at < rebalance_after) continue;
    const std::vector<Start> ready = child->link.take_back_ready(prefork::ring_slots);
    backlog_.insert(backlog_.begin(), ready.begin(), ready.end());
    // The pool has learned: these take long.
    average_us_ = std::max(average_us_, static_cast<double>((now - child->answered_at).count()));
  }
  feed(now);
  if (waits && !rebalance_at_) rebalance_at_ = now + rebalance_after;
}

void PreforkPool::check_limits(MonoTime now) {
  check_limits_at_.reset();
  std::optional<MonoTime> next;
  for (const auto& [number, child] : children_) {
    if (child->dying || child->link.live() == 0) continue;
    const ChildLink::Item* const runs = child->link.running();
    child->link.for_each_live([&](const ChildLink::Item& item) {
      if (!is_limited(item.start) || child->dying) return;
      MonoTime at = now + item.start.time_limit;
      if (&item == runs) {
        at = child->link.began(item, now) + item.start.time_limit;
        if (now >= at) {
          if (ChildLink::Item* const claimed = child->link.claim(item.start.token)) {
            claimed->timed_out = true;
            child->dying = true;
            kill(*child, SIGKILL);
            return;
          }
          at = now + item.start.time_limit;  // it has just ended
        }
      }
      if (!next || at < *next) next = at;
    });
  }
  check_limits_at_ = next;
}

Cancelled PreforkPool::cancel(Token token, bool interrupt) {
  const auto waiting = std::find_if(backlog_.begin(), backlog_.end(),
                                    [&](const Start& start) { return start.token == token; });
  if (waiting != backlog_.end()) {
    backlog_.erase(waiting);
    --in_hand_;
    return Cancelled::taken_back;
  }
  for (const auto& [number, child] : children_) {
    switch (child->link.take_back(token)) {
      case ChildLink::TookBack::yes: --in_hand_; return Cancelled::taken_back;
      case ChildLink::TookBack::runs:
        if (interrupt) child->link.interrupt(token);
        return Cancelled::running;
      case ChildLink::TookBack::unknown: break;
    }
  }
  const auto unnamed = std::any_of(unnamed_.begin(), unnamed_.end(), [&](const auto& one) {
    return one.second.ended.token == token;
  });
  const bool ends = unnamed || std::any_of(ended_.begin(), ended_.end(),
                                           [&](const Ended& one) { return one.token == token; });
  return ends ? Cancelled::running : Cancelled::unknown;
}

Terminated PreforkPool::terminate(Token token, int signal) {
  if (cancel(token, false) == Cancelled::taken_back) return Terminated::taken_back;
  for (const auto& [number, child] : children_) {
    ChildLink::Item* const item = child->dying ? nullptr : child->link.claim(token);
    if (item == nullptr) continue;
    item->signal = signal;
    child->release_at = base::mono_now() + release_after;
    kill(*child, signal);
    return Terminated::signalled;
  }
  return Terminated::not_here;
}

std::vector<Token> PreforkPool::stop(StopMode mode) {
  accepting_ = false;
  std::vector<Token> given_back;
  if (mode == StopMode::drain) return given_back;
  for (const Start& start : std::exchange(backlog_, {})) given_back.push_back(start.token);
  for (const auto& [number, child] : children_) {
    for (const Start& start : child->link.take_back_ready(prefork::ring_slots)) {
      given_back.push_back(start.token);
    }
    ChildLink::Item* const item = child->link.running();
    if (mode == StopMode::interrupt && item != nullptr) child->link.interrupt(item->start.token);
  }
  in_hand_ -= given_back.size();
  return given_back;
}

}  // namespace baozi::worker
