#include "simulation.hpp"

#include <algorithm>

namespace baozi::sim {

namespace {

Ledger::Settings settings_for(const Profile& profile) {
  Ledger::Settings settings;
  settings.liveness = Micros{static_cast<std::int64_t>(profile.heartbeats.liveness_us)};
  settings.delivery_limit = profile.broker.delivery_limit;
  // What a full queue refuses is tried again later: only where it blocks does order hold (D6), and
  // only while a broker without room does not send what it refused to another one, which has later
  // tasks already.
  const broker::BrokerOptions roomy;
  const bool has_room = profile.broker.memory_tasks_max == roomy.memory_tasks_max &&
                        profile.broker.queue_defaults.tasks_max == roomy.queue_defaults.tasks_max;
  settings.in_order = profile.clean &&
                      profile.broker.queue_defaults.policy == broker::FullPolicy::block &&
                      (profile.brokers == 1 || has_room);
  settings.keys_in_order = profile.broker.queue_defaults.policy == broker::FullPolicy::block;
  settings.networked = profile.networked;
  settings.name_limit = profile.name_limit;
  settings.queue_limit = profile.queue_limit;
  settings.clocks_agree = profile.faults.wall_clock == 0;
  settings.tasks_are_dropped =
      profile.broker.queue_defaults.policy == broker::FullPolicy::drop_head;
  return settings;
}

/// Events of everything, and at times too many for the room that there is for them.
template <class Options>
void tell_everything(Options& options, Chance& chance) {
  options.task_events = true;
  options.event_heartbeat = chance.spread(Micros{100'000}, Micros{2'000'000});
  if (chance.yes(0.5)) options.events = {.events_max = 100, .batch_events = 10, .frames_max = 2};
}

// Longer than any retry, deadline and liveness together: what is not quiet so long after the last
// ETA never will be.
constexpr Micros quiet_within{600'000'000};

}  // namespace

Simulation::Simulation(std::uint64_t seed, const Profile& profile, const Rules& rules, bool logging)
    : seed_{seed},
      profile_{profile},
      rules_{rules},
      world_{seed},
      ledger_{world_, settings_for(profile)},
      network_{world_, ledger_} {
  world_.logging = logging;
}

void Simulation::build() {
  network_.weather = profile_.weather;
  std::vector<std::string> endpoints;
  for (std::size_t i = 0; i < profile_.brokers; ++i)
    endpoints.push_back("sim://broker" + std::to_string(i));
  std::vector<Process*> brokers;
  std::vector<Process*> workers;
  for (std::size_t i = 0; i < profile_.brokers; ++i) {
    broker::BrokerOptions options = profile_.broker;
    options.heartbeats = profile_.heartbeats;
    options.host = "sim";
    options.pid = 100 + i;
    if (profile_.networked) {
      options.brokers = endpoints;
      options.address = endpoints[i];
    }
    if (profile_.events) tell_everything(options, world_.chance);
    brokers_.push_back(std::make_unique<BrokerProcess>(
        world_, network_, ledger_, "broker" + std::to_string(i), options, rules_));
    // Beyond an eighth of the liveness, a quarter more and a turn, a broker must know that it was
    // stopped.
    brokers_.back()->count_stops(
        Micros{static_cast<std::int64_t>(profile_.heartbeats.liveness_us / 6)});
    brokers.push_back(brokers_.back().get());
  }
  for (std::size_t i = 0; i < profile_.collectors; ++i) {
    collector::CollectorOptions options;
    options.heartbeats = profile_.heartbeats;
    options.brokers = endpoints;
    if (profile_.events && world_.chance.yes(0.5)) {
      options.events.events_max = 200;
      events_make_room_ = true;
    }
    collectors_.push_back(std::make_unique<CollectorProcess>(
        world_, network_, ledger_, "collector" + std::to_string(i), options, rules_));
  }
  for (std::size_t i = 0; i < profile_.workers; ++i) {
    worker::WorkerOptions options;
    options.brokers = endpoints;
    options.concurrency =
        static_cast<std::uint32_t>(world_.chance.between(1, profile_.concurrency_max));
    options.prefetch = profile_.prefetch;
    options.host = "elsewhere";
    options.pid = 200 + i;
    if (profile_.events) tell_everything(options, world_.chance);
    options.queues = {"default"};
    for (std::uint32_t q = 1; q < profile_.appetite.style.queues; ++q)
      options.queues.push_back("q" + std::to_string(q));
    const bool labelled = profile_.operated && (i == 0 || world_.chance.yes(0.5));
    if (labelled) options.labels = {the_label};
    workers_.push_back(std::make_unique<WorkerProcess>(
        world_, network_, ledger_, "worker" + std::to_string(i), options, profile_.appetite.style,
        profile_.name_limit, rules_));
    workers.push_back(workers_.back().get());
    if (labelled) ledger_.label(*workers_.back());
  }
  for (std::size_t i = 0; i < profile_.producers; ++i) {
    client::ProducerOptions options;
    options.brokers = endpoints;
    options.durable_results = profile_.durable_results;
    producers_.push_back(std::make_unique<ProducerProcess>(world_, network_, ledger_,
                                                           "producer" + std::to_string(i), options,
                                                           profile_.appetite, rules_));
  }
  for (const auto& p : brokers_) all_.push_back(p.get());
  for (const auto& p : collectors_) all_.push_back(p.get());
  for (const auto& p : workers_) all_.push_back(p.get());
  for (const auto& p : producers_) all_.push_back(p.get());
  if (profile_.events) {
    client::ProducerOptions options;
    options.brokers = endpoints;
    follower_ = std::make_unique<FollowerProcess>(world_, network_, "follower", options, rules_);
    all_.push_back(follower_.get());
  }
  if (profile_.operated) {
    client::ProducerOptions options;
    options.brokers = endpoints;
    operator_ = std::make_unique<OperatorProcess>(world_, network_, ledger_, "operator", options,
                                                  profile_.appetite.style.queues, rules_);
    operator_->watch([this] {
      return std::any_of(workers_.begin(), workers_.end(),
                         [](const auto& worker) { return worker->is_taking_nothing(); });
    });
    all_.push_back(operator_.get());
  }
  for (std::size_t i = 0; profile_.ticks.count > 0 && i < 2; ++i) {
    client::ProducerOptions options;
    options.brokers = endpoints;
    options.durable_results = profile_.durable_results;
    if (profile_.has_beats) {
      beats_.push_back(std::make_unique<BeatProcess>(
          world_, network_, ledger_, "beat" + std::to_string(i), options, profile_.ticks, rules_));
      all_.push_back(beats_.back().get());
      continue;
    }
    tickers_.push_back(std::make_unique<TickerProcess>(
        world_, network_, ledger_, "ticker" + std::to_string(i), options, profile_.ticks, rules_));
    all_.push_back(tickers_.back().get());
  }
  ledger_.know(brokers, workers);
  for (Process* process : all_) {
    world_.time.after(world_.chance.between(Micros{0}, Micros{200'000}),
                      [process] { process->start(); });
  }
}

void Simulation::plan_fault() {
  if (profile_.faults.total() <= 0) return;
  world_.time.after(world_.chance.wait(profile_.faults.mean), [this] {
    if (healed_) return;
    fault();
    plan_fault();
  });
}

void Simulation::crash(Process& process) {
  if (!process.is_up()) return;
  process.crash("kill -9");
  world_.time.after(outage(), [&process] { process.start(); });
}

void Simulation::pause(Process& process) {
  if (!process.is_up() || process.is_paused()) return;
  process.pause();
  world_.time.after(outage(), [&process, start = process.starts()] {
    if (process.starts() == start) process.resume();
  });
}

void Simulation::partition() {
  // One process from one other, or from everybody; in one direction, or in both.
  const Process& cut = any(all_);
  const bool alone = world_.chance.yes(0.5);
  const Process& other = any(all_);
  const bool out = world_.chance.yes(0.75);
  const bool in = !out || world_.chance.yes(0.5);
  const bool breaks = world_.chance.yes(0.5);
  const Micros length = outage();
  for (const Process* process : all_) {
    if (process == &cut || (!alone && process != &other)) continue;
    const std::size_t a = cut.index();
    const std::size_t b = process->index();
    if (out) network_.block(a, b);
    if (in) network_.block(b, a);
    world_.time.after(length, [this, a, b, out, in, breaks] {
      if (healed_) return;
      if (breaks) network_.break_between(a, b);
      if (out) network_.unblock(a, b);
      if (in) network_.unblock(b, a);
    });
  }
}

Disk& Simulation::any_disk() {
  const std::size_t i = world_.chance.index(brokers_.size() + collectors_.size());
  return i < brokers_.size() ? brokers_[i]->disk() : collectors_[i - brokers_.size()]->disk();
}

void Simulation::fault() {
  ++faults_;
  const Faults& f = profile_.faults;
  double left = static_cast<double>(world_.chance.between(0, 1'000'000)) / 1'000'000 * f.total();
  const auto drawn = [&](double weight) {
    left -= weight;
    return left < 0 && weight > 0;
  };
  if (drawn(f.crash_broker)) return crash(*brokers_[world_.chance.index(brokers_.size())]);
  if (drawn(f.crash_collector)) return crash(*collectors_[world_.chance.index(collectors_.size())]);
  if (drawn(f.crash_worker)) return crash(*workers_[world_.chance.index(workers_.size())]);
  if (drawn(f.crash_producer)) {
    const std::size_t i = world_.chance.index(producers_.size() + tickers_.size() + beats_.size());
    if (i < producers_.size()) return crash(*producers_[i]);
    if (!beats_.empty()) return crash(*beats_[i - producers_.size()]);
    return crash(*tickers_[i - producers_.size()]);
  }
  if (drawn(f.drain)) {
    Process& process = any(all_);
    if (!process.is_up() || process.is_paused()) return;
    if (world_.logging) world_.say(process.name(), "*** SIGTERM");
    process.drain();
    // If it is not done by then, it is killed; in either case it starts again.
    world_.time.after(outage() + Micros{2'000'000}, [&process, start = process.starts()] {
      if (process.is_up() && process.starts() == start && !dynamic_cast<ProducerProcess*>(&process))
        process.crash("second SIGTERM");
      process.start();
    });
    return;
  }
  if (drawn(f.pause)) return pause(any(all_));
  if (drawn(f.partition)) return partition();
  if (drawn(f.break_connection)) return static_cast<void>(network_.break_any());
  if (drawn(f.slow_disk)) {
    Disk& disk = any_disk();
    disk.latency_max = world_.chance.spread(Micros{5'000}, Micros{2'000'000});
    world_.time.after(outage(), [&disk] { disk.latency_max = Micros{1'500}; });
    return;
  }
  if (drawn(f.full_disk)) {
    Disk& disk = any_disk();
    disk.full = true;
    if (world_.logging) world_.say("disk", "*** full");
    world_.time.after(outage(), [&disk] { disk.full = false; });
    return;
  }
  if (drawn(f.wall_clock)) {
    Process& process = any(all_);
    const Micros by = world_.chance.spread(Micros{1'000}, Micros{3'600'000'000}) *
                      (world_.chance.yes(0.5) ? 1 : -1);
    if (world_.logging)
      world_.say(process.name(),
                 "*** its wall clock steps by " + std::to_string(by.count()) + " us");
    process.step_wall_clock(by);
  }
}

void Simulation::heal() {
  if (world_.logging) world_.say("world", "*** heals");
  healed_ = true;
  if (operator_ != nullptr) operator_->wind_up();
  network_.heal();
  for (auto& process : brokers_)
    process->disk().full = false, process->disk().latency_max = Micros{1'500};
  for (auto& process : collectors_)
    process->disk().full = false, process->disk().latency_max = Micros{1'500};
  for (Process* process : all_) {
    process->step_wall_clock(-process->wall_offset());
    if (process->is_paused()) process->resume();
    process->start();
  }
}

bool Simulation::is_quiet() const {
  return std::all_of(all_.begin(), all_.end(),
                     [](const Process* process) { return process->is_up() && process->is_idle(); });
}

void Simulation::run_until_quiet() {
  std::int64_t limit = world_.time.now() + quiet_within.count();
  // A producer whose clock ran ahead has asked for times that are far away.
  const auto extended = [&] {
    const std::int64_t clock = micros(all_.front()->now().wall) - world_.time.now();
    return ledger_.last_eta_us() - clock + quiet_within.count();
  };
  int quiet_looks = 0;
  while (world_.time.now() < limit || world_.time.now() < (limit = extended())) {
    const std::int64_t look = world_.time.now() + 500'000;
    while (world_.time.step(look)) {
    }
    // Quiet for a few looks in a row: late pushes and answers come in the meantime. A producer
    // whose connection broke silently learns its results only after a liveness.
    quiet_looks = is_quiet() ? quiet_looks + 1 : 0;
    if (quiet_looks > 6 && !ledger_.owes_results(producer_is_alive())) return;
  }
  if (quiet_looks > 6) return;  // the ledger says who was never told
  std::string text = "it does not become quiet:";
  for (const Process* process : all_) {
    if (!process->is_up() || !process->is_idle())
      text += "\n  " + process->name() + ": " + process->busy_with();
  }
  world_.violation(text + ledger_.open_text());
}

void Simulation::check_end() {
  std::uint64_t accepted = 0;
  for (const auto& process : brokers_) accepted += process->books().accepted;
  ledger_.check_end(producer_is_alive(), accepted);
  for (const auto& beat : beats_) beat->check_end();
}

Ledger::IsAlive Simulation::producer_is_alive() const {
  return [this](const Truth& truth) {
    for (const auto& process : producers_) {
      if (process->index() == truth.producer) return process->starts() == truth.producer_start;
    }
    return false;
  };
}

/// Where nobody was lost and nobody was too late, every event that was told was seen, once.
void Simulation::check_events() const {
  if (follower_ == nullptr || !follower_->has_missed_nothing()) return;
  if (events_make_room_) return;  // the first ones may have gone before anybody asked
  if (collectors_.size() != 1 || collectors_.front()->starts() != 1) return;
  const auto check = [&](const Process& process, const actor::EventOutbox& events) {
    if (process.starts() != 1) return;
    const std::uint64_t sent = events.told() - events.events();
    const std::uint64_t heard = follower_->heard_of(process.name());
    // Those that were told in the last moment may be on their way.
    if (heard > events.told() || heard < sent - std::min<std::uint64_t>(sent, 10)) {
      world_.violation("events: " + process.name() + " told " + std::to_string(sent) + " of " +
                       std::to_string(events.told()) + ", and " + std::to_string(heard) +
                       " were heard");
    }
  };
  for (const auto& worker : workers_) check(*worker, worker->events());
  for (const auto& broker : brokers_) check(*broker, broker->events());
}

Outcome Simulation::run() {
  Outcome outcome;
  try {
    build();
    plan_fault();
    const std::int64_t end = profile_.trouble.count();
    while (world_.time.step(end)) {
    }
    heal();
    run_until_quiet();
    check_end();
    check_events();
  } catch (const Violation& violation) {
    outcome.good = false;
    outcome.violation = violation.text;
  }
  outcome.hash = world_.hash;
  outcome.tasks = ledger_.all().size();
  for (const auto& [id, truth] : ledger_.all()) outcome.executions += truth.executions.size();
  outcome.frames = network_.frames();
  outcome.steps = world_.time.steps();
  outcome.virtual_us = world_.time.now();
  outcome.faults = faults_;
  return outcome;
}

}  // namespace baozi::sim
