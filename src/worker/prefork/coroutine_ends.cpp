// A CoroutineProcess' children that end: who is charged with it, and what becomes of the others.
#include <algorithm>
#include <utility>

#include <sys/wait.h>

#include "base/system_clock.hpp"
#include "base/units.hpp"
#include "worker/failure.hpp"
#include "worker/prefork/coroutine_parts.hpp"
#include "worker/prefork/crash.hpp"
#include "worker/prefork/lost.hpp"
#include "worker/time_limit.hpp"

namespace baozi::worker {

using prefork::Charge;
using prefork::CoroutineLink;

/// Its end is told at once; the others are looked after once the process is gone.
void CoroutineProcess::end_by_limit(Child& child, const Start& hog, MonoTime began, MonoTime now) {
  static_cast<void>(child.link.take(hog.token));
  ended_.push_back(
      time_limit_exceeded(hog, now - began, "it awaited nothing, and its process was killed"));
  --in_hand_;
  warnings_.push_back("coroutine task " + std::string{hog.name} + " " + start_text(hog) +
                      " is still running after its time limit of " + base::to_text(hog.time_limit) +
                      ": its process is killed");
  child.hog = "a coroutine in it did not end at its time limit";
  kill(child);
}

void CoroutineProcess::end_beside(const Start& start, Verdict verdict, const std::string& why,
                                  Micros ran) {
  Ended ended;
  ended.token = start.token;
  ended.verdict = verdict;
  ended.value = Failure{"WorkerLostError", why, ""}.packed();
  ended.started = base::wall_now() - ran;
  ended.ran = ran;
  ended_.push_back(std::move(ended));
  --in_hand_;
}

void CoroutineProcess::bury(Child& child, const Charge& how, bool is_known, MonoTime now) {
  CoroutineLink::Left left = child.link.bury(now);
  backlog_.insert(backlog_.begin(), left.waiting.begin(), left.waiting.end());
  const auto ran = [&](const CoroutineLink::Item& item) {
    return now - child.link.began(item, now).value_or(now);
  };
  const bool others_doing = child.hog != nullptr;
  if (left.culprit && (others_doing || !is_known)) {
    left.begun.insert(left.begun.begin(), *std::exchange(left.culprit, std::nullopt));
  }
  std::string why = "its process was lost: " + how.how;
  if (left.culprit) {
    why =
        "its process was lost in another coroutine task, " + std::string{left.culprit->start.name};
    why.append(" ").append(start_text(left.culprit->start)).append(": ").append(how.how);
    --in_hand_;
    server_.lose(child.number, left.culprit->start, how, ran(*left.culprit), now);
  }
  if (left.begun.empty()) return;
  const bool innocent = left.culprit || others_doing;
  const std::string count = std::to_string(left.begun.size());
  if (innocent) {
    notices_.push_back(count + " coroutine tasks that were in flight beside it are handed back");
  } else {
    warnings_.push_back("nobody knows which of " + count +
                        " coroutine tasks cost their process: each of them has lost a delivery; " +
                        how.how);
  }
  for (const CoroutineLink::Item& item : left.begun) {
    end_beside(item.start, innocent ? Verdict::displaced : Verdict::suspect, why, ran(item));
  }
}

std::unique_ptr<CoroutineProcess::Child> CoroutineProcess::let_go(const Child& child) {
  if (child_.get() == &child) return std::move(child_);
  const auto found = std::find_if(leaving_.begin(), leaving_.end(),
                                  [&](const auto& one) { return one.get() == &child; });
  std::unique_ptr<Child> gone = std::move(*found);
  leaving_.erase(found);
  return gone;
}

void CoroutineProcess::on_exited(Child& child, const prefork::Packet& packet, MonoTime now) {
  collect(child, now);  // what it had said before
  read_output(child, true);
  const std::unique_ptr<Child> gone = let_go(child);
  const prefork::CrashReport crash = prefork::read_crash(child.link.crash());
  const prefork::Leaving leaving = child.link.leaving();
  Charge how;
  how.how = prefork::how_it_was_lost({.status = static_cast<int>(packet.value),
                                      .pid = child.pid,
                                      .usage = packet.usage,
                                      .crash = crash,
                                      .by_worker = child.dying,
                                      .damage = child.hog != nullptr ? child.hog : child.damage});
  if (crash.frames.size() > 2 && WIFSIGNALED(packet.value)) how.frames = crash.frames;
  const bool closed = leaving == prefork::Leaving::descriptors;
  if (closed) how.how = "a task in it had closed its descriptors; " + how.how;
  const bool had_tasks = child.link.in_flight() > 0 || child.hog != nullptr;
  bury(child, how, child.damage == nullptr && !closed, now);
  if (child.leaves || child_ || spawn_at_) return;  // another one takes them
  if (!child.link.is_up()) return retry_later("it ended before it began: " + how.how, now);
  if (!had_tasks) return retry_later("it ended without a task: " + how.how, now);
  failures_ = 0;
  spawn(now);
}

void CoroutineProcess::on_server_lost(std::uint64_t number, MonoTime now) {
  Child* const child = child_numbered(number);
  if (child == nullptr) return;
  collect(*child, now);
  read_output(*child, true);
  const std::unique_ptr<Child> gone = let_go(*child);
  bury(*gone, {.how = "it was lost together with the fork server"}, false, now);
}

}  // namespace baozi::worker
