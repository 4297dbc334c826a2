#include "beat_process.hpp"

#include <utility>

#include "base/rendezvous.hpp"
#include "beat/tick_id.hpp"
#include "frame_text.hpp"

namespace baozi::sim {

namespace {

constexpr std::int64_t epoch_us =
    1'700'000'000'000'000;  // what a right wall clock says at the start

beat::BeatOptions beat_options(const Ticks& ticks) {
  beat::BeatOptions options;
  options.name_space = beat::beat_namespace("sim");
  options.horizon = ticks.horizon;
  return options;
}

bool passes(wire::Reason reason) {
  return reason == wire::Reason::queue_full || reason == wire::Reason::no_space ||
         reason == wire::Reason::draining || reason == wire::Reason::memory;
}

}  // namespace

BeatProcess::BeatProcess(World& world, Network& network, Ledger& ledger, std::string name,
                         client::ProducerOptions options, const Ticks& ticks, const Rules& rules)
    : Process{world, network, name, ""},
      ledger_{ledger},
      options_{std::move(options)},
      ticks_{ticks},
      rules_{rules},
      beat_{beat_options(ticks)} {
  options_.name = name;
  for (std::uint32_t i = 0; i < ticks_.entries; ++i) {
    beat::Entry entry;
    entry.name = "entry" + std::to_string(i);
    entry.task = "sim.task";
    entry.schedule = beat::Schedule{beat::Every{ticks_.period * (i + 1), false}};
    entry.start = wall_time(epoch_us + 1'000'000);
    entry.end = wall_time(epoch_us + ticks_.period.count() * ticks_.count);
    entry.missed = beat::Missed::all;
    entry.missed_limit = 10'000;
    if (i % 2 == 1) entry.jitter = ticks_.period / 2;
    entries_.push_back(entry);
    disk_[entry.name].last_tick = wall_time(epoch_us);  // the first ones count, whenever it starts
  }
}

void BeatProcess::boot(Now now) {
  options_.incarnation = Incarnation{world_.chance.next()};
  options_.seed = world_.chance.next();
  options_.origin = make_uuid7(now.wall, world_.chance.next(), world_.chance.next());
  sent_.clear();
  producer_ = std::make_unique<client::ProducerCore>(options_, rules_);
  producer_->start(now, producer_effects_);
  beat_ = beat::BeatCore{beat_options(ticks_)};
  std::vector<store::StoredEntry> stored;
  for (const beat::Entry& entry : entries_) stored.push_back({entry, disk_.at(entry.name), 0});
  beat_.set_entries(std::move(stored), now);
}

void BeatProcess::halt() {
  producer_.reset();
  producer_effects_.clear();
  beat_.stop();
  beat_effects_.clear();
}

std::optional<MonoTime> BeatProcess::next_deadline() const {
  std::optional<MonoTime> next = producer_->next_deadline();
  if (const auto due = beat_.next_deadline(now()); due && (!next || *due < *next)) next = due;
  // As --max-interval: a clock that was set says nothing.
  const MonoTime look = now().mono + Micros{500'000};
  return next && *next < look ? next : look;
}

void BeatProcess::turn(Now now) {
  beat_.turn(now, beat_effects_);
  for (const beat::BeatEffects::Submit& one : std::exchange(beat_effects_.submits, {}))
    submit(one, now);
  for (const store::EntryProgress& progress : std::exchange(beat_effects_.records, {})) {
    later(world_.chance.between(Micros{0}, Micros{50'000}), [this, progress] {
      beat::EntryRecord& kept = disk_.at(progress.name);
      if (!kept.last_tick || *progress.record.last_tick > *kept.last_tick) kept = progress.record;
    });
  }
  beat_effects_.clear();
  producer_->turn(now, producer_effects_);
  tell(now);
  perform(producer_effects_.net);
  producer_effects_.clear();
}

void BeatProcess::submit(const beat::BeatEffects::Submit& one, Now now) {
  const TaskId id{one.id};
  if (!ledger_.knows(id)) {
    Plan plan = draw_plan(world_.chance, ticks_.style, 0, epoch_us + world_.time.now());
    plan.once_until_us = micros(one.once_until);
    ledger_.create_as(id, plan);
  }
  const Plan& plan = ledger_.of(id).plan;
  client::Submission submission;
  submission.tag = client::Tag{next_tag_++};
  submission.since = now.mono;
  submission.key_hash = base::key_hash(beat_.find(one.entry)->name);
  submission.unique_hash = base::key_hash(id.to_string());
  client::Terms terms;
  terms.deadline = Micros{4'000'000};
  terms.patience = Micros{1'000'000};
  terms.retries_max = 0;
  submission.terms = std::make_shared<const client::Terms>(terms);
  Bytes packed;
  Writer out{packed};
  wire::pack_task(out, wire::view_of(id), "sim.task", queue_name(plan), pack_options(plan),
                  "\x92\x90\x80");
  if (world_.logging) world_.say(name(), "ticks " + short_id(id) + " (" + plan_text(plan) + ")");
  sent_[submission.tag] = {one.entry, one.id};
  client::TaskPile pile;
  pile.add(std::move(submission), packed);
  producer_->submit(std::move(pile), now, producer_effects_);
  tell(now);
}

void BeatProcess::there(const Sent& sent, Now now) {
  ledger_.told_there(ledger_.of(TaskId{sent.id}));
  answered_.insert(sent.id);
  beat_.on_accepted(sent.entry, sent.id, now);
}

void BeatProcess::tell(Now now) {
  for (const client::Tag tag : std::exchange(producer_effects_.confirmed, {}))
    there(sent_.at(tag), now);
  for (const client::Duplicate& one : std::exchange(producer_effects_.duplicates, {})) {
    there(sent_.at(one.tag), now);
  }
  for (const client::SubmitFailure& failure : std::exchange(producer_effects_.failed, {})) {
    const Sent& sent = sent_.at(failure.tag);
    if (world_.logging) {
      world_.say(name(), "    is told: " + short_id(TaskId{sent.id}) + " (" + failure.text + ")");
    }
    if (failure.reason == wire::Reason::too_late) {
      ledger_.told_too_late(ledger_.of(TaskId{sent.id}), epoch_us);
    }
    if (failure.fate == client::Fate::unknown) {
      beat_.on_unknown(sent.entry, sent.id, now);
    } else if (failure.fate == client::Fate::rejected && !passes(failure.reason)) {
      answered_.insert(sent.id);
      beat_.on_refused(sent.entry, sent.id, failure.text, now);
    } else {
      beat_.on_not_sent(sent.entry, sent.id, now);
    }
  }
  producer_effects_.results.clear();
  producer_effects_.states.clear();
}

bool BeatProcess::is_idle() const {
  if (producer_ == nullptr || !producer_->is_settled() || beat_.in_flight() > 0) return false;
  for (const beat::Entry& entry : entries_) {
    const auto next = entry.next(*disk_.at(entry.name).last_tick);
    if (next) return false;
  }
  return true;
}

std::string BeatProcess::busy_with() const {
  return std::to_string(beat_.in_flight()) + " ticks in flight, or some that are not due yet";
}

void BeatProcess::check_end() const {
  for (const beat::Entry& entry : entries_) {
    for (auto tick = entry.next(wall_time(epoch_us)); tick; tick = entry.next(*tick)) {
      const Uuid id = beat::tick_id(beat_options(ticks_).name_space, entry.name, *tick);
      if (answered_.count(id) == 0) {
        world_.violation("P7: " + name() + " lost the tick of " + entry.name + " at " +
                         std::to_string(micros(*tick) - epoch_us) + " us");
      }
    }
  }
}

}  // namespace baozi::sim
