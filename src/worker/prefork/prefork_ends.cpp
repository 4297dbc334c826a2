// A PreforkPool's children that end: what their tasks become, and who takes their place.
#include <cstring>
#include <utility>

#include <sys/wait.h>

#include "base/system_clock.hpp"
#include "worker/failure.hpp"
#include "worker/prefork/crash.hpp"
#include "worker/prefork/lost.hpp"
#include "worker/prefork/prefork_parts.hpp"
#include "worker/time_limit.hpp"
#include "worker/trace_names.hpp"

namespace baozi::worker {

using prefork::Order;

namespace {

constexpr Micros names_patience{60'000'000};  // debug information is large, and machines are busy

}  // namespace

void PreforkPool::charge(const Child& child, const ChildLink::Item& item, const Charge& charge,
                         MonoTime now) {
  const Start& start = item.start;
  const Micros ran = now - item.pushed;
  if (item.timed_out) {
    return complete(time_limit_exceeded(start, ran, charge.how));
  }
  if (item.signal != 0) {
    Ended ended;
    ended.token = start.token;
    ended.started = base::wall_now() - ran;
    ended.ran = ran;
    ended.verdict = Verdict::revoked;
    ended.value =
        Failure{"baozi::TaskRevoked", "terminated while it ran; " + charge.how, ""}.packed();
    return complete(std::move(ended));
  }
  end_lost(*child.server, start, charge, ran, now);
}

void PreforkPool::lose(std::uint64_t child, const Start& start, const Charge& how, Micros ran,
                       MonoTime now) {
  ++in_hand_;  // until its stack has its names
  end_lost(*children_beside_.at(child), start, how, ran, now);
}

/// \param asked  has the libraries that the addresses of the stack are in.
void PreforkPool::end_lost(Server& asked, const Start& start, const Charge& charge, Micros ran,
                           MonoTime now) {
  Ended ended;
  ended.token = start.token;
  ended.started = base::wall_now() - ran;
  ended.ran = ran;
  ended.verdict = charge.with_server ? Verdict::suspect : Verdict::lost;
  ended.permanent = true;
  const std::string& message = charge.how;
  // Others are told of with their end.
  if (charge.with_server) {
    warnings_.push_back("task " + std::string{start.name} + " " + start_text(start) +
                        " is lost: " + message);
  }
  if (!charge.frames.empty()) {
    std::string addresses(charge.frames.size() * sizeof(std::uint64_t), '\0');
    std::memcpy(addresses.data(), charge.frames.data(), addresses.size());
    const std::int64_t question = next_question_++;
    if (asked.process.send(
            {.order = Order::names, .value = question, .text = std::move(addresses)})) {
      unnamed_[question] = {asked.number, std::move(ended), "WorkerLostError", message,
                            now + names_patience};
      return;
    }
  }
  ended.value = Failure{"WorkerLostError", message, ""}.packed();
  complete(std::move(ended));
}

Ended PreforkPool::Unnamed::named(const Bytes& names) && {
  std::string trace;
  if (!addresses.empty()) {
    trace = bounded_traceback(with_names(traceback, names));
  } else if (!names.empty()) {
    trace = type + ": " + message + '\n' + names;
  }
  ended.value = Failure{type, message, trace}.packed();
  return std::move(ended);
}

void PreforkPool::finish(std::uint64_t child, Ended ended, MonoTime now) {
  ++in_hand_;
  const auto found = children_beside_.find(child);
  finish(found == children_beside_.end() ? nullptr : found->second, std::move(ended), now);
}

void PreforkPool::finish(Server* asked, Ended ended, MonoTime now) {
  Failure failure = unpack_failure(ended.value);
  Unnamed one{.server = asked != nullptr ? asked->number : 0,
              .ended = std::move(ended),
              .type = std::move(failure.type),
              .message = std::move(failure.message),
              .until = now + names_patience,
              .traceback = std::move(failure.traceback)};
  one.addresses = addresses_in(one.traceback);
  if (asked == nullptr) return complete(std::move(one).named({}));
  const auto known = names_.find({asked->number, one.addresses});
  if (known != names_.end()) return complete(std::move(one).named(known->second));
  const std::int64_t question = next_question_++;
  if (!asked->process.send({.order = Order::traces, .value = question, .text = one.addresses})) {
    return complete(std::move(one).named({}));
  }
  unnamed_.emplace(question, std::move(one));
}

void PreforkPool::bury(Child& child, const Charge& how, MonoTime now) {
  collect(child);  // what it had said before
  std::vector<ChildLink::Item> begun;
  std::vector<Start> ready;
  child.link.bury(begun, ready);
  for (const ChildLink::Item& item : begun) charge(child, item, how, now);
  backlog_.insert(backlog_.begin(), ready.begin(), ready.end());
}

/// Forgets a child whose process is gone; its slot is empty then.
void PreforkPool::drop(Child& child) {
  read_output(child, true);
  children_.erase(child.number);
  if (child.slot < slots_.size() && slots_[child.slot]->child.get() == &child) {
    slots_[child.slot]->executed += child.link.answered();
    slots_[child.slot]->child.reset();
    return;
  }
  std::erase_if(leaving_, [&](const auto& one) { return one.get() == &child; });
}

void PreforkPool::on_exited(Child& child, int status, const prefork::Usage& usage, MonoTime now) {
  collect(child);
  const prefork::CrashReport crash = prefork::read_crash(child.link.crash());
  const bool had_task = child.link.live() > 0;
  const ChildLink::Item* const runs = child.link.running();
  Charge how;
  how.how =
      prefork::how_it_was_lost({.status = status,
                                .pid = child.pid,
                                .usage = usage,
                                .crash = crash,
                                .by_worker = child.dying || (runs != nullptr && runs->signal != 0),
                                .damage = child.damage});
  if (crash.frames.size() > 2 && WIFSIGNALED(status)) how.frames = crash.frames;
  const bool came_up = child.link.is_up();
  const prefork::Leaving leaving = child.link.leaving();
  const bool has_slot = child.slot < slots_.size() && slots_[child.slot]->child.get() == &child;
  Slot* const slot = has_slot ? slots_[child.slot].get() : nullptr;
  const std::string text = how.how;
  bury(child, how, now);
  drop(child);
  if (slot == nullptr) return;
  if (!came_up) return retry_later(*slot, "it ended before it began: " + text, now);
  slot->failures = 0;
  if (leaving == prefork::Leaving::descriptors) {
    notices_.push_back("slot " + std::to_string(slot->index) +
                       " gets a new process: a task had closed the descriptors of the old one");
  } else if (!had_task && leaving == prefork::Leaving::no) {
    warnings_.push_back("slot " + std::to_string(slot->index) + " lost its idle process: " + text);
  }
  slot->spawn_at = now;  // once the others have something to do
}

}  // namespace baozi::worker
