#include "ticker_process.hpp"

#include <algorithm>
#include <utility>

#include "base/rendezvous.hpp"
#include "frame_text.hpp"

namespace baozi::sim {

namespace {

constexpr std::int64_t epoch_us =
    1'700'000'000'000'000;  // what a right wall clock says at the start

TaskId id_of_tick(std::uint32_t tick) {
  if (tick % 4 == 0) return TaskId::from_text("tick-" + std::to_string(tick));
  Uuid id;
  id.bytes[0] = 0xB0;
  id.bytes[15] = static_cast<std::uint8_t>(tick);
  id.bytes[14] = static_cast<std::uint8_t>(tick >> 8U);
  return TaskId{id};
}

}  // namespace

TickerProcess::TickerProcess(World& world, Network& network, Ledger& ledger, std::string name,
                             client::ProducerOptions options, const Ticks& ticks,
                             const Rules& rules)
    : Process{world, network, name, ""},
      ledger_{ledger},
      options_{std::move(options)},
      ticks_{ticks},
      rules_{rules} {
  options_.name = name;
}

void TickerProcess::boot(Now now) {
  options_.incarnation = Incarnation{world_.chance.next()};
  options_.seed = world_.chance.next();
  options_.origin = make_uuid7(now.wall, world_.chance.next(), world_.chance.next());
  sent_.clear();
  core_ = std::make_unique<client::ProducerCore>(options_, rules_);
  core_->start(now, effects_);
  // It does not know how far it came.
  next_tick_ -= std::min(next_tick_, static_cast<std::uint32_t>(world_.chance.between(0, 8)));
  plan_next();
}

void TickerProcess::halt() {
  core_.reset();
  effects_.clear();
}

void TickerProcess::plan_next() {
  if (next_tick_ >= ticks_.count && repeats_left_ == 0) return;
  const std::int64_t due = ticks_.period.count() * next_tick_ - world_.time.now();
  const Micros late = next_tick_ < ticks_.count ? ticks_.period / 2 : ticks_.period * 4;
  later(Micros{std::max<std::int64_t>(due, 0)} + world_.chance.wait(late), [this] {
    post([this](Now) {
      if (next_tick_ < ticks_.count) {
        submit(next_tick_++);
        if (world_.chance.yes(0.25))
          submit(static_cast<std::uint32_t>(world_.chance.index(next_tick_)));
      } else if (repeats_left_ > 0) {
        --repeats_left_;
        submit(static_cast<std::uint32_t>(world_.chance.index(ticks_.count)));
      }
    });
    plan_next();
  });
}

void TickerProcess::submit(std::uint32_t tick) {
  const Now time = now();
  const TaskId id = id_of_tick(tick);
  const std::int64_t due = ticks_.period.count() * tick;
  if (!ledger_.knows(id)) {
    Plan plan = draw_plan(world_.chance, ticks_.style, 0, epoch_us + world_.time.now());
    plan.once_until_us = epoch_us + due + ticks_.horizon.count();
    ledger_.create_as(id, plan);
  }
  const Plan& plan = ledger_.of(id).plan;
  Sent sent{.id = id, .wants_result = !plan.ignore_result};
  client::Submission submission;
  submission.tag = client::Tag{next_tag_++};
  submission.since = time.mono;
  submission.wants_result = sent.wants_result;
  submission.sync = world_.chance.yes(0.3);
  submission.once = true;
  submission.key_hash = base::key_hash("entry" + std::to_string(tick % ticks_.entries));
  submission.unique_hash = base::key_hash(id.to_string());
  Bytes packed;
  Writer out{packed};
  wire::pack_task(out, wire::view_of(id), "sim.task", queue_name(plan), pack_options(plan),
                  "\x92\x90\x80");
  if (world_.logging) world_.say(name(), "ticks " + short_id(id) + " (" + plan_text(plan) + ")");
  sent_[submission.tag] = std::move(sent);
  client::TaskPile pile;
  pile.add(std::move(submission), packed);
  core_->submit(std::move(pile), time, effects_);
  tell();
}

void TickerProcess::turn(Now now) {
  core_->turn(now, effects_);
  tell();
  perform(effects_.net);
  effects_.clear();
}

void TickerProcess::tell() {
  for (const client::Tag tag : effects_.confirmed) {
    Sent& sent = sent_.at(tag);
    if (world_.logging) world_.say(name(), "    is told: " + short_id(sent.id) + " confirmed");
    sent.is_there = true;
    ledger_.told_there(ledger_.of(sent.id));
  }
  effects_.confirmed.clear();
  for (const client::SubmitFailure& failure : effects_.failed) {
    const Sent& sent = sent_.at(failure.tag);
    if (world_.logging)
      world_.say(name(), "    is told: " + short_id(sent.id) + " (" + failure.text + ")");
    if (failure.reason == wire::Reason::too_late)
      ledger_.told_too_late(ledger_.of(sent.id), epoch_us);
  }
  effects_.failed.clear();
  for (const client::Duplicate& one : effects_.duplicates) {
    Sent& sent = sent_.at(one.tag);
    if (world_.logging) world_.say(name(), "    is told: " + short_id(sent.id) + " is there");
    if (one.first != sent.id) world_.violation(name() + " is told a duplicate of another id");
    sent.is_there = true;
    ledger_.told_there(ledger_.of(sent.id));
  }
  effects_.duplicates.clear();
  for (const client::ArrivedResult& result : effects_.results) {
    Sent& sent = sent_.at(result.tag);
    if (result.record.id.to_id() != sent.id)
      world_.violation(name() + " is told the result of another task");
    if (world_.logging)
      world_.say(name(),
                 "    is told: " + short_id(sent.id) + " " + wire::to_string(result.record.state));
    if (std::exchange(sent.told_result, true)) world_.violation(name() + " is told a result twice");
  }
  effects_.results.clear();
  effects_.states.clear();
}

bool TickerProcess::owes_result() const {
  return std::any_of(sent_.begin(), sent_.end(), [this](const auto& entry) {
    const Sent& sent = entry.second;
    return sent.is_there && sent.wants_result && !sent.told_result &&
           ledger_.of(sent.id).result.has_value();
  });
}

bool TickerProcess::is_idle() const {
  return core_ != nullptr && next_tick_ >= ticks_.count && repeats_left_ == 0 &&
         core_->is_settled() && !owes_result();
}

std::string TickerProcess::busy_with() const {
  if (core_ == nullptr) return "it is down";
  return std::to_string(core_->open_tasks()) + " unsettled ticks, " +
         std::to_string(ticks_.count - next_tick_) + " not handed in" +
         (owes_result() ? ", results that it was not told" : "");
}

}  // namespace baozi::sim
