#include "worker_process.hpp"

#include <algorithm>
#include <utility>

#include "frame_text.hpp"

namespace baozi::sim {

namespace {
constexpr std::uint64_t turns_between_libraries = 300;
}  // namespace

WorkerProcess::WorkerProcess(World& world, Network& network, Ledger& ledger, std::string name,
                             worker::WorkerOptions options, PlanStyle style,
                             std::uint32_t concurrency_limit, const Rules& rules)
    : Process{world, network, name, ""},
      ledger_{ledger},
      options_{std::move(options)},
      style_{style},
      rules_{rules},
      policies_{Policies{concurrency_limit}, Policies{concurrency_limit}} {
  options_.name = name;
}

void WorkerProcess::boot(Now now) {
  options_.incarnation = Incarnation{world_.chance.next()};
  core_ =
      std::make_unique<worker::WorkerCore>(options_, policies_[0], world_.chance.next(), rules_);
  core_->start(now, effects_);
}

void WorkerProcess::halt() {
  jobs_.clear();
  running_ = 0;
  core_.reset();
  effects_.clear();
  ledger_.worker_died(*this);
}

void WorkerProcess::drain() {
  post([this](Now now) { core_->begin_drain(worker::Drain::warm, now, effects_); });
}

void WorkerProcess::turn(Now now) {
  if (core_->wants_what_runs(now)) core_->saw_what_runs(now);  // told where a job begins
  if (++turns_ % turns_between_libraries == 0) {
    core_->set_policies(policies_[turns_ / turns_between_libraries % 2], now, effects_);
  }
  const bool paused = core_->is_paused() && effects_.starts.empty();
  core_->turn(now, effects_);
  if (paused && !effects_.starts.empty())
    world_.violation(name() + " is paused, and starts a task");
  for (const worker::Token token : effects_.cancels) {
    if (!cancel(token)) continue;
    post([this, token](Now later) { core_->on_cancelled(token, later); });
  }
  for (const worker::Token token : effects_.interrupts) {
    if (cancel(token)) {
      post([this, token](Now later) { core_->on_cancelled(token, later); });
    } else if (Job* const job = find(token)) {
      job->interrupted = true;
    }
  }
  for (const worker::WorkerEffects::Command& command : effects_.commands) {
    post([this, ticket = command.ticket](Now later) {
      Bytes text;
      Writer{text}.str("not in a simulation");
      core_->answer_command(ticket, static_cast<std::uint64_t>(wire::ErrorCode::bad_request), text,
                            later, effects_);
    });
  }
  for (const worker::Start& start : effects_.starts) {
    jobs_.push_back({.token = start.token, .id = start.id.to_id(), .retries = start.retries});
  }
  if (world_.logging) {
    for (const std::string& warning : effects_.warnings) world_.say(name(), "warns: " + warning);
  }
  perform(effects_.net);
  effects_.clear();
  const worker::WorkerCounters& counters = core_->counters();
  if (counters.over_credit != 0)
    world_.violation("P9: " + name() + " was given more than it asked for");
  if (counters.unknown_tokens != 0)
    world_.violation(name() + " is told the end of what is not with its pool");
  if (core_->is_drained()) return end();
  run_jobs();
}

WorkerProcess::Job* WorkerProcess::find(worker::Token token) {
  const auto found =
      std::find_if(jobs_.begin(), jobs_.end(), [&](const Job& job) { return job.token == token; });
  return found == jobs_.end() ? nullptr : &*found;
}

bool WorkerProcess::cancel(worker::Token token) {
  const auto found =
      std::find_if(jobs_.begin(), jobs_.end(), [&](const Job& job) { return job.token == token; });
  if (found == jobs_.end() || found->running) return false;
  jobs_.erase(found);
  return true;
}

void WorkerProcess::run_jobs() {
  for (std::size_t i = 0; i < jobs_.size() && running_ < options_.concurrency; ++i) {
    if (jobs_[i].running) continue;
    begin(jobs_[i]);
    if (!is_up()) return;
  }
}

void WorkerProcess::begin(Job& job) {
  Truth& truth = ledger_.of(job.id);
  job.running = true;
  job.began = world_.time.now();
  job.began_wall_us = micros(now().wall);
  job.execution = ledger_.execution_begins(truth, *this, job.began_wall_us);
  ++running_;
  if (world_.logging) world_.say(name(), "    runs " + short_id(job.id));
  core_->on_runs(job.token, now().mono, now());
  if (truth.plan.track_started) core_->on_state_update(job.token, "STARTED", "\xc0");
  if (truth.plan.script == Script::poison && truth.executions.size() <= truth.plan.times) {
    // The task takes the process with it, somewhat later.
    later(std::min(truth.plan.duration, Micros{20'000}), [this] {
      crash("poison");
      world_.time.after(world_.chance.spread(Micros{50'000}, Micros{2'000'000}),
                        [this] { start(); });
    });
    return;
  }
  later(truth.plan.duration, [this, token = job.token] { finish(token); });
}

void WorkerProcess::finish(worker::Token token) {
  Job* const job = find(token);
  Truth& truth = ledger_.of(job->id);
  const Plan& plan = truth.plan;
  worker::Finished end;
  Bytes value;
  Bytes follow_ups;
  std::vector<TaskId> ids;
  Execution::End how = Execution::End::success;
  const bool coin = world_.chance.yes(0.5);
  if (job->interrupted && coin) {
    end.verdict = worker::Verdict::revoked;
    how = Execution::End::revoked;
  } else if (plan.script == Script::rejects) {
    end.verdict = worker::Verdict::reject;
    how = Execution::End::rejected;
  } else if (plan.script == Script::retries && job->retries < plan.times) {
    end.verdict = worker::Verdict::retry;
    end.max_retries = -1;
    end.delay = world_.chance.spread(Micros{500}, Micros{2'000'000});
    how = Execution::End::retried;
  } else if (plan.script == Script::flaky && job->retries < plan.times) {
    end.verdict = worker::Verdict::failure;
    how = Execution::End::retried;
  } else if (plan.script == Script::fails || (plan.script == Script::either && coin)) {
    end.verdict = worker::Verdict::failure;
    how = Execution::End::failure;
  }
  if (how == Execution::End::success) {
    Writer{value}.uinteger(truth.serial);
    if (plan.follow_ups > 0) {
      Writer out{follow_ups};
      out.array(plan.follow_ups);
      const std::int64_t wall_us = micros(now().wall);
      for (std::uint32_t i = 0; i < plan.follow_ups; ++i) {
        const Plan next = draw_plan(world_.chance, style_, plan.depth + 1, wall_us);
        Truth& child = ledger_.create(next);
        child.parent = truth.id;
        ids.push_back(child.id);
        wire::pack_task(out, wire::view_of(child.id), task_name(next), queue_name(next),
                        pack_options(next), "\x92\x90\x80");
      }
    }
  } else {
    value = wire::pack_failure("sim.Failure", "as planned", "");
  }
  if (world_.logging) {
    static constexpr const char* names[] = {"running", "success", "failure", "retry",
                                            "revoked", "reject",  "killed"};
    std::string text =
        "    ends " + short_id(job->id) + ": " + names[static_cast<std::size_t>(how)];
    for (const TaskId& id : ids) text += " then " + short_id(id);
    world_.say(name(), text);
  }
  ledger_.execution_ends(truth, job->execution, how, ids);
  end.started_us = job->began_wall_us;
  end.finished_us = micros(now().wall);
  end.ran = Micros{world_.time.now() - job->began};
  jobs_.erase(std::find_if(jobs_.begin(), jobs_.end(),
                           [&](const Job& other) { return other.token == token; }));
  --running_;
  post([this, token, end, value, follow_ups](Now later) mutable {
    end.value = value;
    end.follow_ups = follow_ups;
    core_->on_finished(token, end, later);
  });
  run_jobs();
}

bool WorkerProcess::is_idle() const {
  if (core_ == nullptr) return false;
  const worker::WorkerStatus status = core_->status();
  return status.ready + status.running + status.results + status.settling == 0;
}

std::string WorkerProcess::busy_with() const {
  if (core_ == nullptr) return "it is down";
  const worker::WorkerStatus status = core_->status();
  return std::to_string(status.ready) + " ready, " + std::to_string(status.running) +
         " with the pool, " + std::to_string(status.results) + " results not stored, " +
         std::to_string(status.settling) + " not settled";
}

}  // namespace baozi::sim
