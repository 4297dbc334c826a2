#include "beat/beat_node.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/log.hpp"
#include "base/random.hpp"
#include "base/system_clock.hpp"

namespace baozi::beat {

namespace {

constexpr Micros drain_most{2'000'000};
/// Refusals that pass: the tick waits as if nobody had been there.
constexpr const char* passing[] = {"queue_full", "no_space", "draining", "memory"};

AppOptions app_options(const BeatConfig& config, const std::string& name) {
  AppOptions options;
  options.broker = fmt::format("{}", fmt::join(config.brokers, ","));
  options.name = name;
  // Ticks that nobody takes come back to the core soon: it keeps them as their entry says.
  options.connect_timeout = std::chrono::seconds{1};
  options.submit_timeout = std::chrono::seconds{4};
  return options;
}

}  // namespace

BeatNode::BeatNode(BeatConfig config, const std::string& name)
    : config_{std::move(config)}, core_{config_.core_options()} {
  auto store = config_.open_store();
  try {
    app_.emplace(app_options(config_, name));
  } catch (const std::invalid_argument& error) {
    throw base::ConfigError{std::string{"--broker: "} + error.what()};
  }
  const std::string holder = fmt::format("{} {:016x}", name, entropy64());
  source_ = std::make_unique<ScheduleSource>(
      config_.source_options(holder), std::move(store), [this](ScheduleSource::News&& news) {
        auto shared =
            std::make_shared<ScheduleSource::News>(std::move(news));  // std::function copies
        loop_.post([this, shared] { take(std::move(*shared)); });
      });
  if (auto started = source_->start(); !started) throw base::ConfigError{started.error().message};
}

BeatNode::~BeatNode() {
  // Whoever may still post to the loop goes before it.
  app_.reset();
  source_.reset();
}

void BeatNode::obey(base::NodeContext& program) {
  program_ = &program;
  loop_.watch(program.signals().fd(), [this] {
    switch (program_->signals().asked()) {
      case base::Signals::Asked::nothing: break;
      case base::Signals::Asked::drain:
      case base::Signals::Asked::cold: drain(); break;
      case base::Signals::Asked::stop: stopping_ = true; break;
    }
    if (program_->signals().take_reload_wish()) source_->reload();
  });
}

void BeatNode::ask_to_drain() {
  loop_.post([this] { drain(); });
}

void BeatNode::ask_to_stop() {
  loop_.post([this] { stopping_ = true; });
}

void BeatNode::drain() {
  if (std::exchange(draining_, true)) return;
  if (program_ != nullptr) program_->stopping();
  core_.drain();
  drain_until_ = base::mono_now() + drain_most;
}

int BeatNode::run() {
  if (program_ != nullptr) program_->ready();
  log::info("beat: ready");
  while (!stopping_) {
    const Now before = base::system_now();
    MonoTime until = before.mono + config_.max_interval;
    if (const auto due = core_.next_deadline(before)) until = std::min(until, *due);
    if (draining_) until = std::min(until, drain_until_);
    loop_.wait(until);
    perform(base::system_now());
    if (draining_ && (core_.in_flight() == 0 || base::mono_now() >= drain_until_)) break;
  }
  perform(base::system_now());  // what the last answers say is kept as well
  source_->stop();
  app_->close();
  log::info("beat: stopped");
  return 0;
}

void BeatNode::take(ScheduleSource::News&& news) {
  if (!news.warning.empty()) log::warning("{}", news.warning);
  if (!news.notice.empty()) log::info("{}", news.notice);
  if (news.lead_lost) {
    log::warning("another beat took the lead: nothing more is sent here");
    core_.stop();
  }
  if (news.entries) core_.set_entries(*std::move(news.entries), base::system_now());
}

void BeatNode::perform(Now now) {
  core_.turn(now, effects_);
  for (const std::string& notice : effects_.notices) log::info("{}", notice);
  for (const std::string& warning : effects_.warnings) log::warning("{}", warning);
  for (const BeatEffects::Submit& submit : effects_.submits) send(submit, now);
  for (const BeatEffects::Watch& asked : effects_.watches) {
    watch(asked.entry, app_->result(asked.task_id));
  }
  if (!effects_.records.empty()) source_->record(std::move(effects_.records));
  effects_.clear();
}

void BeatNode::send(const BeatEffects::Submit& submit, Now now) {
  const Entry* const entry = core_.find(submit.entry);
  if (entry == nullptr) return;
  log::info("Scheduler: Sending due task {} ({})", entry->name, entry->task);
  CallOptions options;
  options.task_id = to_string(submit.id);
  options.once_until = Instant::from_micros(micros(submit.once_until));
  options.home = entry->name;
  options.queue = entry->queue;
  options.priority = entry->priority;
  options.headers = entry->headers;
  options.retry = false;
  if (entry->expires) {
    options.expires = Expiry{Instant::from_micros(micros(submit.tick + *entry->expires))};
  }
  try {
    const AsyncResult<Value> result = app_->apply(entry->task, entry->args, entry->kwargs, options);
    result.when_submitted([this, entry = submit.entry, id = submit.id, result] {
      loop_.post([this, entry, id, result] { answered(entry, id, result); });
    });
  } catch (const std::exception& error) {
    core_.on_refused(submit.entry, submit.id, error.what(), now);
  }
}

void BeatNode::answered(EntryHandle entry, const Uuid& id, const AsyncResult<Value>& result) {
  const Now now = base::system_now();
  try {
    result.wait_submitted();
    if (std::exchange(is_told_of_broker_, false)) log::info("tasks are taken again");
    core_.on_accepted(entry, id, now);
    if (core_.wants_end(entry)) watch(entry, result);
  } catch (const NotSent& error) {
    not_sent(entry, id, error.what(), now);
  } catch (const Rejected& error) {
    if (std::find(std::begin(passing), std::end(passing), error.reason()) != std::end(passing)) {
      not_sent(entry, id, error.what(), now);
    } else {
      core_.on_refused(entry, id, error.what(), now);
    }
  } catch (const std::exception& error) {
    if (!std::exchange(is_told_of_broker_, true)) {
      log::warning("{}; it is sent again under the same id", error.what());
    }
    core_.on_unknown(entry, id, now);
  }
}

void BeatNode::not_sent(EntryHandle entry, const Uuid& id, const std::string& why, Now now) {
  if (!std::exchange(is_told_of_broker_, true)) {
    log::warning("{}; ticks wait as their entries say", why);
  }
  core_.on_not_sent(entry, id, now);
}

void BeatNode::watch(EntryHandle entry, const AsyncResult<Value>& result) {
  result.then([this, entry, id = result.id()](const Outcome<Value>& outcome) {
    if (!outcome.ready()) return;  // nobody waits any more; how it ended is not known
    loop_.post([this, entry, id] { core_.on_ended(entry, id, base::system_now()); });
  });
}

int serve(const BeatConfig& config, base::NodeContext& program) {
  BeatNode node{config, program.name()};
  node.obey(program);
  return node.run();
}

}  // namespace baozi::beat
