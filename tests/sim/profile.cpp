#include "profile.hpp"

#include <algorithm>

namespace baozi::sim {

namespace {

void draw_size(Chance& chance, Profile& profile) {
  profile.brokers = chance.yes(0.25) ? static_cast<std::size_t>(chance.between(2, 3)) : 1;
  profile.collectors = chance.yes(0.25) ? 2 : 1;
  profile.workers = static_cast<std::size_t>(chance.between(1, 4));
  profile.producers = static_cast<std::size_t>(chance.between(1, 3));
  profile.concurrency_max = static_cast<std::uint32_t>(chance.between(1, 6));
  profile.prefetch = chance.yes(0.3) ? static_cast<std::uint32_t>(chance.between(1, 20)) : 0;
  const Micros liveness = chance.spread(Micros{600'000}, Micros{10'000'000});
  profile.heartbeats.liveness_us = static_cast<std::uint64_t>(liveness.count());
  profile.heartbeats.interval_us = profile.heartbeats.liveness_us / 4;
  profile.durable_results = chance.yes(0.3);
}

void draw_appetite(Chance& chance, Appetite& appetite) {
  appetite.tasks = static_cast<std::uint32_t>(chance.between(5, 80));
  appetite.span = chance.spread(Micros{50'000}, Micros{15'000'000});
  appetite.batch_max = static_cast<std::uint32_t>(chance.between(1, 20));
  if (chance.yes(0.4)) appetite.revoking = 0.3;
  if (chance.yes(0.4)) appetite.impatient = 0.3;
  if (chance.yes(0.2)) appetite.watching = 0.2;
  PlanStyle& style = appetite.style;
  style.duration_max = chance.spread(Micros{500}, Micros{3'000'000});
  if (chance.yes(0.5)) style.failing = 0.2;
  if (chance.yes(0.5)) style.either = 0.3;
  if (chance.yes(0.5)) style.retrying = 0.2;
  if (chance.yes(0.25)) style.poison = 0.05;
  if (chance.yes(0.25)) style.rejecting = 0.05;
  style.parents = chance.yes(0.6) ? 0.3 : 0;
  if (chance.yes(0.4)) style.ignored = 0.3;
  if (chance.yes(0.3)) style.early = 0.3;
  if (chance.yes(0.3)) style.eta = 0.3;
  if (chance.yes(0.3)) style.expiring = 0.3;
  if (chance.yes(0.3)) style.priorities = 0.7;
  if (chance.yes(0.3)) style.queues = 3;
}

void draw_broker(Chance& chance, broker::BrokerOptions& options) {
  options.delivery_limit = static_cast<std::uint32_t>(chance.between(2, 5));
  if (chance.yes(0.4)) options.commit_delay_us = chance.between(0, 40'000);
  if (chance.yes(0.3)) options.commit_rows = static_cast<std::uint64_t>(chance.between(1, 20));
  if (chance.yes(0.3)) options.window_tasks = static_cast<std::uint64_t>(chance.between(2, 20));
  if (chance.yes(0.3)) options.scheduled_window = static_cast<std::uint64_t>(chance.between(2, 20));
  if (chance.yes(0.2))
    options.memory_tasks_max = static_cast<std::uint64_t>(chance.between(10, 60));
  if (chance.yes(0.2)) options.endings_max = static_cast<std::uint64_t>(chance.between(1, 10));
  if (chance.yes(0.2)) options.credit_chunk = static_cast<std::uint32_t>(chance.between(1, 4));
  if (chance.yes(0.25)) {
    options.queue_defaults.tasks_max = static_cast<std::uint64_t>(chance.between(5, 30));
    options.queue_defaults.policy = static_cast<broker::FullPolicy>(chance.between(0, 2));
  }
}

void draw_weather(Chance& chance, Weather& weather) {
  weather.latency_min = chance.spread(Micros{20}, Micros{2'000});
  weather.latency_max = weather.latency_min * chance.between(2, 20);
  if (chance.yes(0.3)) weather.loss = chance.yes(0.5) ? 0.001 : 0.01;
  if (chance.yes(0.3)) weather.twice = 0.01;
  if (chance.yes(0.5)) weather.leftovers = 0.5;
  if (chance.yes(0.2)) weather.overflow = 0.002;
}

void draw_faults(Chance& chance, Profile& profile) {
  Faults& faults = profile.faults;
  faults.mean = chance.spread(Micros{50'000}, Micros{3'000'000});
  const auto maybe = [&](double& weight, double probability) {
    if (chance.yes(probability)) weight = static_cast<double>(chance.between(1, 10));
  };
  maybe(faults.crash_broker, 0.5);
  maybe(faults.crash_collector, 0.3);
  maybe(faults.crash_worker, 0.4);
  maybe(faults.crash_producer, 0.15);
  maybe(faults.drain, 0.15);
  maybe(faults.pause, 0.3);
  maybe(faults.partition, 0.3);
  maybe(faults.break_connection, 0.4);
  maybe(faults.slow_disk, 0.3);
  maybe(faults.full_disk, 0.15);
  maybe(faults.wall_clock, 0.1);
  // Long outages are those that are taken for deaths.
  const auto liveness = static_cast<std::int64_t>(profile.heartbeats.liveness_us);
  faults.outage_max = chance.yes(0.5) ? Micros{liveness * 3} : Micros{liveness * 3 / 4};
}

}  // namespace

Profile draw_profile(std::uint64_t seed, bool keys, bool operated, bool once, bool beat,
                     bool networked) {
  Chance chance{seed ^ 0x5EEDF00D};
  Profile profile;
  draw_size(chance, profile);
  draw_appetite(chance, profile.appetite);
  draw_broker(chance, profile.broker);
  draw_weather(chance, profile.weather);
  draw_faults(chance, profile);
  profile.trouble = chance.spread(Micros{3'000'000}, Micros{25'000'000});
  profile.clean = seed % 10 == 0;
  if (seed % 4 == 1) profile.appetite.asking = seed;
  if (profile.clean) {
    profile.faults = {};
    profile.weather.loss = profile.weather.twice = profile.weather.leftovers =
        profile.weather.overflow = 0;
    profile.appetite.style.poison = 0;
  }
  {
    Chance more{seed ^ 0x46554C4C};
    profile.broker.queue_defaults.overflow_percent =
        static_cast<std::uint32_t>(more.between(0, 2) * 50);
    profile.broker.queue_patience = more.spread(Micros{50'000}, Micros{60'000'000});
  }
  if (keys || networked) {
    Chance more{seed ^ 0x4B455953};
    PlanStyle& style = profile.appetite.style;
    style.keyed = more.yes(0.5) ? 0.5 : 0.9;
    style.keys = static_cast<std::uint32_t>(more.between(1, 4));
    style.duration_max =
        std::min(style.duration_max, Micros{300'000});  // what waits for others adds up
  }
  if (networked) {
    Chance more{seed ^ 0x4E455457};
    profile.networked = true;
    profile.brokers = static_cast<std::size_t>(more.between(2, 3));
    PlanStyle& style = profile.appetite.style;
    style.parents = 0.6;
    style.homed = more.yes(0.5) ? 0.3 : 0;
    actor::OutboxLimits& outbox = profile.broker.outbox;
    if (more.yes(0.4)) outbox.rows_max = static_cast<std::uint64_t>(more.between(1, 6));
    if (more.yes(0.4)) outbox.window_rows = static_cast<std::size_t>(more.between(1, 4));
    if (more.yes(0.4))
      outbox.memory_rows = outbox.window_rows = static_cast<std::size_t>(more.between(1, 4));
    if (!profile.clean && more.yes(0.7))
      profile.faults.crash_broker = static_cast<double>(more.between(3, 10));
    Chance limits{seed ^ 0x4C494D49};
    if (limits.yes(0.6)) {
      profile.name_limit = static_cast<std::uint32_t>(limits.between(1, 3));
      style.limited = limits.yes(0.5) ? 0.4 : 0.8;
      if (limits.yes(0.5)) style.keyed = 0.3;  // whose key decides where they go
    }
    if (limits.yes(0.3)) {
      profile.queue_limit = static_cast<std::uint32_t>(limits.between(1, 3));
      style.queues = 3;
      broker::QueueOptions queue = profile.broker.queue_defaults;
      queue.concurrency_limit = profile.queue_limit;
      profile.broker.queues["q1"] = queue;
    }
    // A DONE that waits for a full queue counts against its limit: what waits so adds up.
    if (profile.name_limit != 0 || profile.queue_limit != 0)
      profile.broker.queue_patience = std::min(profile.broker.queue_patience, Micros{2'000'000});
  }
  if (operated) {
    Chance more{seed ^ 0x4F504552};
    profile.operated = true;
    PlanStyle& style = profile.appetite.style;
    style.labelled = more.yes(0.5) ? 0.3 : 0;
    style.rejecting = more.yes(0.7) ? 0.2 : style.rejecting;
    if (!profile.clean && more.yes(0.3)) style.poison = 0.1;
    if (more.yes(0.5)) style.queues = 3;
  }
  if (once || beat) {
    Chance more{seed ^ 0x4F4E4345};
    Ticks& ticks = profile.ticks;
    ticks.style = profile.appetite.style;
    ticks.style.keyed = ticks.style.labelled = ticks.style.homed = ticks.style.limited = 0;
    ticks.style.duration_max = std::min(ticks.style.duration_max, Micros{1'000'000});
    ticks.count = static_cast<std::uint32_t>(more.between(10, 60));
    ticks.period = Micros{18'000'000 / ticks.count};
    ticks.horizon = more.spread(Micros{500'000}, Micros{3'600'000'000});
    ticks.entries = static_cast<std::uint32_t>(more.between(1, 5));
    profile.broker.once_purge_every = more.spread(Micros{50'000}, Micros{10'000'000});
    profile.has_beats = beat;
    if (!beat && more.yes(0.2))
      profile.broker.once_max = static_cast<std::size_t>(more.between(3, 30));
    profile.appetite.tasks = std::min(profile.appetite.tasks, 20U);
    if (!profile.clean) {
      if (more.yes(0.5)) profile.faults.wall_clock = static_cast<double>(more.between(1, 10));
      if (more.yes(0.5)) profile.faults.crash_broker = static_cast<double>(more.between(3, 10));
      if (more.yes(0.5)) profile.faults.crash_producer = static_cast<double>(more.between(1, 10));
    }
  }
  return profile;
}

std::string profile_text(const Profile& profile) {
  const Faults& f = profile.faults;
  std::string text = std::to_string(profile.brokers) + " brokers, " +
                     std::to_string(profile.collectors) + " collectors, " +
                     std::to_string(profile.workers) + " workers, " +
                     std::to_string(profile.producers) + " producers of " +
                     std::to_string(profile.appetite.tasks) + " tasks; liveness " +
                     std::to_string(profile.heartbeats.liveness_us / 1000) + " ms;";
  if (profile.clean) return text + " no faults";
  const auto tell = [&](const char* name, double value) {
    if (value > 0) text += std::string{" "} + name;
  };
  text += " faults every " + std::to_string(f.mean.count() / 1000) + " ms for " +
          std::to_string(profile.trouble.count() / 1000) + " ms:";
  tell("crash-broker", f.crash_broker);
  tell("crash-collector", f.crash_collector);
  tell("crash-worker", f.crash_worker);
  tell("crash-producer", f.crash_producer);
  tell("drain", f.drain);
  tell("pause", f.pause);
  tell("partition", f.partition);
  tell("break", f.break_connection);
  tell("slow-disk", f.slow_disk);
  tell("full-disk", f.full_disk);
  tell("wall-clock", f.wall_clock);
  tell("loss", profile.weather.loss);
  tell("twice", profile.weather.twice);
  tell("leftovers", profile.weather.leftovers);
  tell("overflow", profile.weather.overflow);
  tell("poison", profile.appetite.style.poison);
  return text;
}

}  // namespace baozi::sim
